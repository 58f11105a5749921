//! Elementwise functions of one argument that are no operation of their own but made of others.
//!
//! `lerp` has three arguments and none of its results a bound in its own last places: it is a sum, off by last places of
//! its ends. `clamp` and `select` are exact.

use std::f64::consts::PI;

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

/// All there are. Whoever adds such a function to `expr/elementwise.rs`, `expr/pointwise.rs` or
/// `expr/activations.rs` adds it here. Functions that only choose (`relu6`, `hardshrink`, `isfinite`) are exact, and
/// `tanhshrink` is a difference, off by last places of what it takes away.
pub(super) static ALL: [Composed; 17] = [
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
    Composed {
        name: "deg2rad",
        ulp: 1.5,
        of: Expr::deg2rad,
        exact: |x| x * (PI / 180.0),
        draws: &[[Draw::Uniform(-360.0, 360.0)]],
        places: &[[1.0]],
    },
    Composed {
        name: "rad2deg",
        ulp: 1.5,
        of: Expr::rad2deg,
        exact: |x| x * (180.0 / PI),
        draws: &[[Draw::Uniform(-6.0, 6.0)]],
        places: &[[1.0]],
    },
    Composed {
        name: "sinc",
        ulp: 6.0,
        of: Expr::sinc,
        exact: sinc,
        draws: &[[Draw::Uniform(-3.0, 3.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-100.0, 100.0)]],
        places: &[[0.0], [0.5], [1.0], [1.5], [2.0], [3.0]],
    },
    Composed {
        name: "logit",
        ulp: 6.0,
        of: |x| x.logit(None),
        exact: |x| if x < 0.25 { x.ln() - (-x).ln_1p() } else { 2.0 * (2.0 * x - 1.0).atanh() },
        draws: &[[Draw::Uniform(0.0, 1.0)], [Draw::Uniform(0.499, 0.501)]],
        places: &[[0.0], [0.25], [0.5], [1.0]],
    },
    Composed {
        name: "softplus",
        ulp: 6.0,
        of: |x| x.softplus(1.0, 20.0),
        exact: |x| if x > 20.0 { x } else { x.exp().ln_1p() },
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0], [20.0]],
    },
    Composed {
        name: "logsigmoid",
        ulp: 6.0,
        of: Expr::logsigmoid,
        exact: |x| if x < -80.0 { x } else { -(-x).exp().ln_1p() },
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0], [80.0]],
    },
    Composed {
        name: "silu",
        ulp: 6.0,
        of: Expr::silu,
        exact: |x| x * (x.min(0.0).exp() / (1.0 + (-x.abs()).exp())),
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0], [88.7]],
    },
    Composed {
        name: "mish",
        ulp: 8.0,
        of: Expr::mish,
        exact: mish,
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0], [20.0]],
    },
    Composed {
        name: "elu",
        ulp: 4.0,
        of: |x| x.elu(1.0),
        exact: |x| if x > 0.0 { x } else { x.exp_m1() },
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0]],
    },
    Composed {
        name: "selu",
        ulp: 6.0,
        of: Expr::selu,
        exact: |x| 1.050_700_987_355_480_5 * if x > 0.0 { x } else { 1.673_263_242_354_377_2 * x.exp_m1() },
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0]],
    },
    Composed {
        name: "celu",
        ulp: 6.0,
        // Divided by more than 1, the smallest numbers would be subnormal on the way, which devices may flush.
        of: |x| x.celu(0.75),
        exact: |x| if x > 0.0 { x } else { 0.75 * (x / 0.75).exp_m1() },
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0]],
    },
    Composed {
        name: "hardsigmoid",
        ulp: 3.0,
        of: Expr::hardsigmoid,
        exact: |x| (x + 3.0).clamp(0.0, 6.0) / 6.0,
        draws: &[[Draw::Uniform(-5.0, 5.0)]],
        places: &[[0.0], [3.0]],
    },
    Composed {
        name: "hardswish",
        ulp: 5.0,
        of: Expr::hardswish,
        exact: |x| if x >= 3.0 { x } else { x * ((x + 3.0).clamp(0.0, 6.0) / 6.0) },
        draws: &[[Draw::Uniform(-5.0, 5.0)]],
        places: &[[0.0], [3.0]],
    },
    Composed {
        name: "softsign",
        ulp: 4.0,
        of: Expr::softsign,
        exact: |x| x / (1.0 + x.abs()),
        draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-90.0, 90.0)]],
        places: &[[0.0], [1.0]],
    },
    Composed {
        name: "frac",
        ulp: 0.5,
        of: Expr::frac,
        exact: |x| x - x.trunc(),
        draws: &[[Draw::Uniform(-9.0, 9.0)]],
        places: &[[0.0], [1.0], [1.5]],
    },
];

/// By what `x` is away from a whole number, which is exact.
fn sinc(x: f64) -> f64 {
    let whole = x.round_ties_even();
    let sine = (PI * (x - whole)).sin() * if whole % 2.0 == 0.0 { 1.0 } else { -1.0 };
    if x == 0.0 { 1.0 } else { sine / (PI * x) }
}

fn mish(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    let n =
        if x < 0.0 { e * (e + 2.0) / (e * e + 2.0 * e + 2.0) } else { (1.0 + 2.0 * e) / (1.0 + 2.0 * e + 2.0 * e * e) };
    x * n
}
