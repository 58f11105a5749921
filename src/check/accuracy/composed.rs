//! Elementwise functions of one argument that are no operation of their own but made of others.
//!
//! `lerp` has three arguments and none of its results a bound in its own last places: it is a sum, off by last places of
//! its ends. `clamp` and `select` are exact.

use crate::expr::op::Draw;
use crate::{BinaryOp, Expr};

/// A function made of others, and what its measurement must know.
pub(super) struct Composed {
    pub(super) name: &'static str,
    /// The largest error on any device, in units in the last place.
    pub(super) ulp: f64,
    pub(super) of: fn(&Expr) -> Expr,
    /// The exact result, in f64.
    pub(super) exact: fn(f64) -> f64,
    /// As in a row of the table of operations.
    pub(super) draws: &'static [[Draw; 1]],
    pub(super) places: &'static [[f64; 1]],
}

/// All there are. Whoever adds such a function to `expr/elementwise.rs` adds it here.
pub(super) static ALL: [Composed; 2] = [
    Composed {
        name: "square",
        ulp: BinaryOp::Mul.ulp(),
        of: Expr::square,
        exact: |x| x * x,
        draws: &[[Draw::Uniform(-10.0, 10.0)]],
        places: &[[1.0], [1.1e-19], [1.8e19]],
    },
    Composed {
        name: "reciprocal",
        ulp: BinaryOp::Div.ulp(),
        of: Expr::reciprocal,
        exact: |x| 1.0 / x,
        draws: &[[Draw::Uniform(-10.0, 10.0)]],
        places: &[[0.0], [1.0], [2.0]],
    },
];
