//! Elementwise functions of one argument.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, SQRT_2};

use super::listed;
use super::row::{DTypeRule, Draw, EVERYWHERE, Form, Grad, Integers, Logic, Row, Wgsl, Whole, lib, row, stays, wraps};
use super::{hyperbolic, normal, special, trig};
use crate::expr::grad::typed;
use crate::{Expr, Tensor};

listed! {
    /// Elementwise functions of one argument, by PyTorch's names.
    pub enum UnaryOp by unary {
        /// The negation, the operator `-`.
        Neg = operator neg(), exact;
        /// The absolute value.
        Abs = method abs(), exact;
        /// -1, 0 or 1; 0 for NaN.
        Sign = method sign(), exact;
        /// The square root.
        Sqrt = method sqrt(), 4.0;
        /// The reciprocal of the square root.
        Rsqrt = method rsqrt(), 4.0;
        /// e to the power of each element.
        Exp = method exp(), 4.0;
        /// `exp(x) - 1`, accurate near 0.
        Expm1 = method expm1(), 4.0;
        /// The natural logarithm.
        Log = method log(), 4.0;
        /// `log(1 + x)`, accurate near 0.
        Log1p = method log1p(), 4.0;
        /// The logarithm to base 2.
        Log2 = method log2(), 4.0;
        /// The sine, in radians; on GPUs accurate up to 10,000.
        Sin = method sin(), 4.0;
        /// The cosine, in radians; on GPUs accurate up to 10,000.
        Cos = method cos(), 4.0;
        /// The hyperbolic tangent.
        Tanh = method tanh(), 4.0;
        /// `1 / (1 + exp(-x))`.
        Sigmoid = method sigmoid(), 4.0;
        /// `x` where it is above 0, else 0; NaN stays.
        Relu = method relu(), exact;
        /// The error function.
        Erf = method erf(), 4.0;
        /// The Gaussian error linear unit, `x * (1 + erf(x / √2)) / 2` ([Hendrycks and Gimpel, 2016](https://arxiv.org/abs/1606.08415)).
        Gelu = method gelu(), 4.0;
        /// The distribution function of the normal distribution, `(1 + erf(x / √2)) / 2`, accurate far below 0, too.
        Ndtr = method ndtr(), 4.0;
        /// The tangent, in radians; on GPUs accurate up to 10,000.
        Tan = method tan(), 4.0;
        /// The angle from -π/2 to π/2 of which this is the sine; NaN beyond 1.
        Asin = method asin(), 4.0;
        /// The angle from 0 to π of which this is the cosine; NaN beyond 1.
        Acos = method acos(), 4.0;
        /// The angle from -π/2 to π/2 of which this is the tangent.
        Atan = method atan(), 4.0;
        /// The hyperbolic sine.
        Sinh = method sinh(), 4.0;
        /// The hyperbolic cosine.
        Cosh = method cosh(), 4.0;
        /// The number of which this is the hyperbolic sine.
        Asinh = method asinh(), 4.0;
        /// The number not below 0 of which this is the hyperbolic cosine; NaN below 1.
        Acosh = method acosh(), 4.0;
        /// The number of which this is the hyperbolic tangent; NaN beyond 1.
        Atanh = method atanh(), 4.0;
        /// 2 to the power of each element; exact for whole ones.
        Exp2 = method exp2(), 4.0;
        /// The logarithm to base 10.
        Log10 = method log10(), 4.0;
        /// `1 - erf(x)`, accurate where erf is next to 1.
        Erfc = method erfc(), 4.0;
        /// The number of which this is the error function; NaN beyond 1.
        Erfinv = method erfinv(), 6.0;
        /// The logarithm of the absolute value of the gamma function. Below 0 it is a difference, and the bound is in last places of its two terms.
        Lgamma = method lgamma(), 4.0;
        /// The logarithmic derivative of the gamma function. Below 0 it is a difference, and the bound is in last places of its two terms.
        Digamma = method digamma(), 4.0;
        /// The modified Bessel function of the first kind of order 0.
        I0 = method i0(), 6.0;
        /// The modified Bessel function of the first kind of order 1.
        I1 = method i1(), 6.0;
        /// The largest whole number not above.
        Floor = method floor(), exact;
        /// The smallest whole number not below.
        Ceil = method ceil(), exact;
        /// The nearest whole number, halves to even.
        Round = method round(), exact;
        /// The whole part.
        Trunc = method trunc(), exact;
        /// Whether each element is NaN.
        IsNan = method isnan(), exact;
        /// Whether each element is 0 or false, the operator `!`.
        Not = method logical_not(), exact;
    }
}

/// How an error of the argument passes to the result.
pub(crate) enum UnaryBound {
    /// The function is monotone: the extremes over an interval are at its ends.
    Monotone,
    /// The function falls up to `bottom` and rises from there: the extremes over an interval are at its ends, or there.
    Valley { bottom: f64 },
    /// The extremes over an interval are at its ends, unless the function turns or jumps within it: then `jump` gives the
    /// least and the largest result. Where results are differences, errors are last places of `scale`, too.
    Piecewise { jump: fn((f64, f64)) -> Option<(f64, f64)>, scale: fn(f64) -> f64 },
    /// Results are no further apart than arguments, up to arguments of size `within`. Beyond, no digit need be right.
    Lipschitz { within: f64 },
    /// Whether the argument is NaN.
    IsNan,
    /// Whether the argument is 0.
    IsZero,
}

/// What exact functions are tried on: halves and quarters, and numbers beyond i32.
const ORDINARY: &[[Draw; 1]] = &[[Draw::Quarters(-9, 9)], [Draw::Uniform(-3e9, 3e9)]];

impl UnaryOp {
    /// The exact result, in f64.
    pub fn apply(self, x: f64) -> f64 {
        (self.row().meaning)([x])
    }

    /// The least and the largest argument between which results are numbers on one branch of the function, neither
    /// beyond the range of f32 nor with digits lost on the way.
    pub const fn domain(self) -> (f64, f64) {
        self.row().domain[0]
    }

    /// Its row of the table.
    #[allow(clippy::too_many_lines, reason = "a table")]
    pub(crate) const fn row(self) -> &'static Row<1, UnaryBound> {
        match self {
            Self::Neg => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[x]| -x,
                integers: wraps!(|[x]| x.wrapping_neg(), |[x]| x.checked_neg()),
                grad: Grad::Parts([|grad, _, _| Some(-grad)]),
                bound: UnaryBound::Lipschitz { within: f64::INFINITY },
                wgsl: Wgsl::operator("-"),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Abs => row!(Row {
                rule: DTypeRule::Same(Logic::Itself),
                meaning: |[x]| x.abs(),
                integers: wraps!(|[x]| x.wrapping_abs(), |[x]| x.checked_abs()),
                grad: Grad::Parts([|grad, [x], _| Some(grad * x.sign())]),
                bound: UnaryBound::Lipschitz { within: f64::INFINITY },
                wgsl: Wgsl::builtin("abs"),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Sign => row!(Row {
                rule: DTypeRule::Same(Logic::Itself),
                // PyTorch's sign of NaN is 0, and it drops the sign of zero.
                meaning: |[x]| f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
                integers: stays!(|[x]| x.signum()),
                grad: Grad::None,
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("numeric"), lib!("double")]).i32(Form::Builtin("sign")),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Sqrt => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| x.sqrt(),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, _, y| Some(grad / (y * 2))]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::builtin("sqrt"),
                domain: [(0.0, f64::INFINITY)],
                draws: &[[Draw::Uniform(0.01, 50.0)], [Draw::Uniform(1e-6, 1e-3)]],
                places: &[[0.0], [1.0], [2.0], [4.0]],
            }),
            Self::Rsqrt => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| 1.0 / x.sqrt(),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, _, y| Some(grad * -0.5 * (y * y * y))]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("numeric"), lib!("double")]),
                domain: [(0.0, f64::INFINITY)],
                draws: &[[Draw::Uniform(0.01, 50.0)], [Draw::Uniform(1e-6, 1e-3)]],
                places: &[[0.0], [1.0], [2.0], [4.0]],
            }),
            Self::Exp => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| x.exp(),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, _, y| Some(grad * y)]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("exp"), lib!("exp_f64")]),
                domain: [(-80.0, 80.0)],
                draws: &[[Draw::Uniform(-10.0, 10.0)], [Draw::Uniform(-80.0, 80.0)]],
                places: EXP_PLACES,
            }),
            Self::Expm1 => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| x.exp_m1(),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, _, y| Some(grad * (y + 1))]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("exp"), lib!("exp_f64")]),
                domain: [(-80.0, 80.0)],
                draws: &[[Draw::Uniform(-6.0, 6.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-40.0, 40.0)],],
                places: &[[0.0], [0.346_573_6], [0.5], [1.039_72], [17.328_68], [88.722_84], [709.78]],
            }),
            Self::Log => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| x.ln(),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, [x], _| Some(grad / x)]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("log"), lib!("log_f64")]),
                domain: [(0.0, f64::INFINITY)],
                draws: &[[Draw::Uniform(0.01, 50.0)], [Draw::Uniform(1e-6, 1e-3)]],
                places: &[[0.5], [FRAC_1_SQRT_2], [1.0], [SQRT_2], [2.0], [4.0]],
            }),
            Self::Log1p => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| x.ln_1p(),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, [x], _| Some(grad / (x + 1))]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("log"), lib!("log_f64")]),
                domain: [(-1.0, f64::INFINITY)],
                draws: &[[Draw::Uniform(-0.9, 20.0)], [Draw::Uniform(-1e-3, 1e-3)]],
                places: &[[0.0], [0.29], [0.292_893_2], [0.41], [0.414_213_5], [0.5], [1.0], [16_777_216.0]],
            }),
            Self::Log2 => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| x.log2(),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, [x], _| Some(grad / (x * LN_2))]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("log2"), lib!("log2_f64")]),
                domain: [(0.0, f64::INFINITY)],
                draws: &[[Draw::Uniform(0.01, 50.0)], [Draw::Uniform(1e-6, 1e-3)]],
                places: &[[0.5], [FRAC_1_SQRT_2], [1.0], [SQRT_2], [2.0], [4.0]],
            }),
            Self::Sin => row!(trig::SIN),
            Self::Cos => row!(trig::COS),
            Self::Tanh => row!(hyperbolic::TANH),
            Self::Sigmoid => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[x]| 1.0 / (1.0 + (-x).exp()),
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, _, y| Some(grad * (y * (1 - y)))]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("exp"), lib!("exp_f64")]),
                domain: [EVERYWHERE],
                draws: &[[Draw::Uniform(-10.0, 10.0)], [Draw::Uniform(-80.0, 80.0)]],
                places: EXP_PLACES,
            }),
            Self::Relu => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[x]| if x <= 0.0 { 0.0 } else { x },
                integers: stays!(|[x]| x.max(0)),
                grad: Grad::Parts([|grad, [x], y| Some(Expr::select(x.le(0), 0, typed(grad, y.dtype())))]),
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("numeric"), lib!("double")]).i32(Form::Text("max({0}, I(0))")),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Erf => row!(special::ERF),
            Self::Gelu => row!(normal::GELU),
            Self::Ndtr => row!(normal::NDTR),
            Self::Tan => row!(trig::TAN),
            Self::Asin => row!(trig::ASIN),
            Self::Acos => row!(trig::ACOS),
            Self::Atan => row!(trig::ATAN),
            Self::Sinh => row!(hyperbolic::SINH),
            Self::Cosh => row!(hyperbolic::COSH),
            Self::Asinh => row!(hyperbolic::ASINH),
            Self::Acosh => row!(hyperbolic::ACOSH),
            Self::Atanh => row!(hyperbolic::ATANH),
            Self::Exp2 => row!(special::EXP2),
            Self::Log10 => row!(special::LOG10),
            Self::Erfc => row!(special::ERFC),
            Self::Erfinv => row!(special::ERFINV),
            Self::Lgamma => row!(special::LGAMMA),
            Self::Digamma => row!(special::DIGAMMA),
            Self::I0 => row!(special::I0),
            Self::I1 => row!(special::I1),
            Self::Floor => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[x]| x.floor(),
                integers: Integers::Itself,
                grad: Grad::None,
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::builtin("floor"),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Ceil => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[x]| x.ceil(),
                integers: Integers::Itself,
                grad: Grad::None,
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::builtin("ceil"),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Round => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[x]| x.round_ties_even(),
                integers: Integers::Itself,
                grad: Grad::None,
                bound: UnaryBound::Monotone,
                wgsl: Wgsl::call(&[lib!("numeric"), lib!("double")]),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Trunc => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[x]| x.trunc(),
                integers: Integers::Itself,
                grad: Grad::None,
                bound: UnaryBound::Monotone,
                // llvmpipe takes an f64 too large for an f32 to have a fraction for whole.
                wgsl: Wgsl::builtin("trunc").f64(Form::Text("select(floor({0}), ceil({0}), {0} < D(0))")),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::IsNan => row!(Row {
                rule: DTypeRule::Predicate,
                meaning: |[x]| f64::from(u8::from(x.is_nan())),
                integers: Integers::Truth,
                grad: Grad::None,
                bound: UnaryBound::IsNan,
                wgsl: Wgsl::call(&[lib!("numeric"), lib!("double")]).i32(Form::Text("{0} != {0}")),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Not => row!(Row {
                rule: DTypeRule::Logical,
                meaning: |[x]| f64::from(u8::from(x == 0.0)),
                integers: Integers::Converted,
                grad: Grad::None,
                bound: UnaryBound::IsZero,
                wgsl: Wgsl::operator("!"),
                domain: [EVERYWHERE],
                draws: ORDINARY,
                places: &[],
            }),
        }
    }
}

/// Half of ln 2 and odd multiples of it, then where results are subnormal, 0 or infinite in f32 and in f64.
const EXP_PLACES: &[[f64; 1]] = &[
    [0.0],
    [0.346_573_6],
    [1.039_72],
    [16.635_5],
    [17.328_68],
    [87.336_54],
    [88.029_7],
    [88.722_84],
    [708.39],
    [709.78],
];
