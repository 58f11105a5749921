//! The rows of hyperbolic functions and their inverses.

use super::row::{DTypeRule, Draw, EVERYWHERE, Grad, Integers, Row, Wgsl, lib};
use super::unary::UnaryBound;

pub(super) const TANH: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.tanh(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, _, y| Some(grad * (1 - y.square()))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("exp"), lib!("exp_f64")]),
    domain: [EVERYWHERE],
    draws: &[[Draw::Uniform(-6.0, 6.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-40.0, 40.0)]],
    places: &[[0.0], [0.2], [0.346_573_6], [0.625], [1.0], [9.0], [22.0]],
};

pub(super) const SINH: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.sinh(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * x.cosh())]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("hyperbolic"), lib!("hyperbolic_f64"), lib!("exp"), lib!("exp_f64")]),
    domain: [(-80.0, 80.0)],
    draws: &[[Draw::Uniform(-4.0, 4.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-89.0, 89.0)]],
    places: &[[0.0], [1.0], [88.722_84], [89.415_98], [710.47]],
};

pub(super) const COSH: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| x.cosh(),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * x.sinh())]),
    bound: UnaryBound::Valley { bottom: 0.0 },
    wgsl: Wgsl::call(&[lib!("hyperbolic"), lib!("hyperbolic_f64"), lib!("exp"), lib!("exp_f64")]),
    domain: [(-80.0, 80.0)],
    draws: &[[Draw::Uniform(-4.0, 4.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-89.0, 89.0)]],
    places: &[[0.0], [1.0], [88.722_84], [89.415_98], [710.47]],
};

pub(super) const ASINH: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| libm::asinh(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * (x.square() + 1).rsqrt())]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("area"), lib!("area_f64"), lib!("log"), lib!("log_f64")]),
    domain: [EVERYWHERE],
    draws: &[[Draw::Uniform(-9.0, 9.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-40_000.0, 40_000.0)]],
    places: &[[0.0], [0.41], [0.5], [1.0], [16_384.0], [1e9]],
};

pub(super) const ACOSH: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    // libm takes large negative numbers for positive ones.
    meaning: |[x]| if x < 1.0 { f64::NAN } else { libm::acosh(x) },
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * ((x - 1) * (x + 1)).rsqrt())]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("area"), lib!("area_f64"), lib!("log"), lib!("log_f64")]),
    domain: [(1.0, f64::INFINITY)],
    draws: &[[Draw::Uniform(1.0, 9.0)], [Draw::Uniform(1.0, 1.001)], [Draw::Uniform(1.0, 40_000.0)]],
    places: &[[1.0], [1.08], [2.0], [16_384.0], [1e9]],
};

pub(super) const ATANH: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| libm::atanh(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad / ((1 - x) * (x + 1)))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("area"), lib!("area_f64"), lib!("log"), lib!("log_f64")]),
    domain: [(-0.99, 0.99)],
    draws: &[[Draw::Uniform(-1.0, 1.0)], [Draw::Uniform(-1e-3, 1e-3)]],
    places: &[[0.0], [0.17], [0.5], [0.75], [1.0]],
};
