//! The rows of exponentials and logarithms to other bases, error functions, and functions next to the gamma function.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, LN_10, SQRT_2};

use super::functions::{digamma, erfinv, i0, i1};
use super::row::{DTypeRule, Draw, EVERYWHERE, Grad, Integers, Row, Wgsl, lib};
use super::unary::UnaryBound;
use crate::expr::grad::rules;

pub(super) const EXP2: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.exp2(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, _, y| Some(grad * (y * LN_2))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("exp2"), lib!("exp2_f64"), lib!("exp"), lib!("exp_f64")]),
    domain: [(-120.0, 120.0)],
    draws: &[[Draw::Uniform(-10.0, 10.0)], [Draw::Uniform(-120.0, 120.0)]],
    places: &[[0.0], [0.5], [1.0], [1.5], [126.0], [128.0], [1022.0], [1024.0]],
};

pub(super) const LOG10: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.log10(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad / (x * LN_10))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("log10"), lib!("log10_f64"), lib!("log"), lib!("log_f64")]),
    domain: [(0.0, f64::INFINITY)],
    draws: &[[Draw::Uniform(0.01, 50.0)], [Draw::Uniform(1e-6, 1e-3)]],
    places: &[[0.5], [FRAC_1_SQRT_2], [1.0], [SQRT_2], [10.0], [100.0], [1000.0]],
};

pub(super) const ERF: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| libm::erf(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * FRAC_2_SQRT_PI * (-x.square()).exp())]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("erf"), lib!("erf_f64")]),
    domain: [EVERYWHERE],
    draws: &[[Draw::Uniform(-6.0, 6.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-40.0, 40.0)]],
    places: &[[0.0], [0.843_75], [0.927_734], [1.0], [1.25], [2.0], [2.857], [3.9], [6.0], [9.3]],
};

pub(super) const ERFC: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| libm::erfc(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * -FRAC_2_SQRT_PI * (-x.square()).exp())]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("erfc"), lib!("erfc_f64"), lib!("exp"), lib!("exp_f64")]),
    domain: [EVERYWHERE],
    draws: &[[Draw::Uniform(-6.0, 6.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-40.0, 40.0)]],
    places: &[[0.0], [0.25], [0.843_75], [1.0], [1.25], [2.857], [3.9], [6.0], [9.194], [10.05], [26.5]],
};

pub(super) const ERFINV: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| erfinv(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, _, y| Some(grad * (1.0 / FRAC_2_SQRT_PI) * y.square().exp())]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("erfinv"), lib!("erfinv_f64"), lib!("log"), lib!("log_f64")]),
    domain: [(-0.99, 0.99)],
    draws: &[[Draw::Uniform(-1.0, 1.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [0.85], [0.999], [1.0]],
};

/// Above 0 its digits are right; below, those of the difference that it is computed as.
pub(super) const LGAMMA: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| libm::lgamma(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * x.digamma())]),
    bound: UnaryBound::Piecewise {
        jump: lgamma_jump,
        scale: |x| if x < 0.0 { 2.0 + libm::lgamma(-x).abs() } else { 0.0 },
    },
    wgsl: Wgsl::call(&[
        lib!("lgamma"),
        lib!("lgamma_f64"),
        lib!("log"),
        lib!("log_f64"),
        lib!("trig"),
        lib!("trig_f64"),
    ]),
    domain: [(0.0, f64::INFINITY)],
    draws: &[[Draw::Uniform(0.6, 9.0)], [Draw::Uniform(1e-6, 1e-3)], [Draw::Uniform(0.5, 100.0)]],
    places: &[[0.2316], [0.7316], [0.9], [1.0], [1.2316], [1.461_632_1], [1.7316], [2.0], [3.0], [4.0], [8.0], [1e30]],
};

/// Whether a whole number of at most 0 lies between two.
fn has_pole(low: f64, high: f64) -> bool {
    low < high && low <= 0.0 && low.ceil() <= high.min(0.0)
}

/// It rises without end next to 0 and each whole number below, and is convex between: nowhere lower than the line from
/// one end with the slope it has there.
fn lgamma_jump((low, high): (f64, f64)) -> Option<(f64, f64)> {
    if has_pole(low, high) {
        return Some((f64::NEG_INFINITY, f64::INFINITY));
    }
    let (a, b) = (libm::lgamma(low), libm::lgamma(high));
    let below = a.min(b) - digamma(low).abs() * (high - low);
    (low < high).then_some((if below.is_nan() { f64::NEG_INFINITY } else { below }, a.max(b)))
}

/// Above 0 its digits are right; below, those of the difference that it is computed as.
pub(super) const DIGAMMA: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| digamma(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * rules::trigamma(x))]),
    bound: UnaryBound::Piecewise {
        jump: |(low, high)| has_pole(low, high).then_some((f64::NEG_INFINITY, f64::INFINITY)),
        scale: |x| if x < 0.0 { 1.0 + 2.0 * digamma(1.0 - x).abs() } else { 0.0 },
    },
    wgsl: Wgsl::call(&[
        lib!("digamma"),
        lib!("digamma_f64"),
        lib!("tan"),
        lib!("tan_f64"),
        lib!("trig"),
        lib!("trig_f64"),
        lib!("log"),
        lib!("log_f64"),
    ]),
    domain: [(0.0, f64::INFINITY)],
    draws: &[[Draw::Uniform(0.6, 9.0)], [Draw::Uniform(1e-6, 1e-3)], [Draw::Uniform(0.5, 100.0)]],
    places: &[[1.0], [1.461_632_1], [2.0], [3.0], [4.0], [10.0]],
};

pub(super) const I0: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| i0(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * x.i1())]),
    bound: UnaryBound::Valley { bottom: 0.0 },
    wgsl: Wgsl::call(&[lib!("bessel"), lib!("bessel_f64"), lib!("exp"), lib!("exp_f64")]),
    domain: [(-80.0, 80.0)],
    draws: &[[Draw::Uniform(-3.0, 3.0)], [Draw::Uniform(-20.0, 20.0)], [Draw::Uniform(-90.0, 90.0)]],
    places: &[[0.0], [5.0], [8.0], [88.722_84], [91.9], [713.9]],
};

pub(super) const I1: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| i1(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], y| Some(grad * rules::i1_slope(x, y))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("bessel"), lib!("bessel_f64"), lib!("exp"), lib!("exp_f64")]),
    domain: [(-80.0, 80.0)],
    draws: &[[Draw::Uniform(-3.0, 3.0)], [Draw::Uniform(-20.0, 20.0)], [Draw::Uniform(-90.0, 90.0)]],
    places: &[[0.0], [5.0], [8.0], [88.722_84], [91.9], [713.9]],
};
