//! The rows of circular functions and their inverses.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, FRAC_PI_4, PI};

use super::row::{DTypeRule, Draw, EVERYWHERE, Grad, Integers, Row, Wgsl, lib};
use super::unary::UnaryBound;
use crate::Expr;

/// Up to where GPUs take multiples of π/2 off without losing digits.
const WITHIN: f64 = 10_000.0;

pub(super) const SIN: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.sin(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * x.cos())]),
    bound: UnaryBound::Lipschitz { within: WITHIN },
    wgsl: Wgsl::call(&[lib!("trig"), lib!("trig_f64")]),
    domain: [(-WITHIN, WITHIN)],
    draws: &[[Draw::Uniform(-10.0, 10.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [1.0], [2.0], [4.0]],
};

pub(super) const COS: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.cos(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(-(grad * x.sin()))]),
    bound: UnaryBound::Lipschitz { within: WITHIN },
    wgsl: Wgsl::call(&[lib!("trig"), lib!("trig_f64")]),
    domain: [(-WITHIN, WITHIN)],
    draws: &[[Draw::Uniform(-10.0, 10.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [1.0], [2.0], [4.0]],
};

pub(super) const TAN: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.tan(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, _, y| Some(grad * (y.square() + 1))]),
    bound: UnaryBound::Piecewise { jump: tan_jump, scale: |_| 0.0 },
    wgsl: Wgsl::call(&[lib!("tan"), lib!("tan_f64")]),
    domain: [(-WITHIN, WITHIN)],
    draws: &[[Draw::Uniform(-1.5, 1.5)], [Draw::Uniform(-10.0, 10.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [FRAC_PI_4], [FRAC_PI_2], [2.356_194_5], [PI]],
};

/// The tangent jumps where its argument is an odd multiple of π/2.
fn tan_jump((low, high): (f64, f64)) -> Option<(f64, f64)> {
    let branch = |x: f64| ((x + FRAC_PI_2) / PI).floor();
    let beyond = |x: f64| x.is_finite() && x.abs() > WITHIN;
    (beyond(low) || beyond(high) || branch(low) != branch(high) && !low.is_nan())
        .then_some((f64::NEG_INFINITY, f64::INFINITY))
}

pub(super) const ASIN: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.asin(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * cosine(x).rsqrt())]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("arc"), lib!("arc_f64"), lib!("atan2"), lib!("atan2_f64")]),
    domain: [(-0.99, 0.99)],
    draws: &[[Draw::Uniform(-1.0, 1.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [0.382_683_4], [FRAC_1_SQRT_2], [0.923_879_5], [1.0]],
};

pub(super) const ACOS: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.acos(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(-(grad * cosine(x).rsqrt()))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("arc"), lib!("arc_f64"), lib!("atan2"), lib!("atan2_f64")]),
    domain: [(-0.99, 0.99)],
    draws: &[[Draw::Uniform(-1.0, 1.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [0.382_683_4], [FRAC_1_SQRT_2], [0.923_879_5], [1.0]],
};

pub(super) const ATAN: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.atan(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad / (x.square() + 1))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("arc"), lib!("arc_f64"), lib!("atan2"), lib!("atan2_f64")]),
    domain: [EVERYWHERE],
    draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [0.414_213_56], [1.0], [2.414_213_56]],
};

/// The square of the cosine of an angle whose sine is `x`: the factors keep the digits that `1 - x²` loses next to 1.
fn cosine(x: &Expr) -> Expr {
    (1 - x) * (x + 1)
}
