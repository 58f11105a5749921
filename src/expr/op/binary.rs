//! Elementwise operations of two arguments.

use std::f64::consts::PI;

use super::row::{DTypeRule, Draw, EVERYWHERE, Form, Grad, Integers, Logic, Row, Wgsl, Whole, lib, row, stays, wraps};
use super::whole::Integer;
use super::{division, integer, listed};
use crate::expr::grad::rules;
use crate::{Expr, Tensor};

listed! {
    /// Elementwise operations of two arguments, by PyTorch's names. They broadcast and promote.
    pub enum BinaryOp by binary {
        /// The sum, the operator `+`.
        Add = operator add(other), 0.5;
        /// The difference, the operator `-`.
        Sub = operator sub(other), 0.5;
        /// The product, the operator `*`.
        Mul = operator mul(other), 0.5;
        // What WGSL promises.
        /// The quotient, the operator `/`.
        Div = operator div(other), 2.5;
        /// `self` to the power `exponent`, elementwise.
        Pow = method pow(exponent), 4.0;
        /// The angle of the point (`other`, `self`) from the first axis, in radians from -π to π.
        Atan2 = method atan2(other), 4.0;
        /// The larger of each pair of elements; NaN wins.
        Maximum = method maximum(other), exact;
        /// The smaller of each pair of elements; NaN wins.
        Minimum = method minimum(other), exact;
        /// What is left of a division rounded towards 0; it has the sign of `self`. Integers divided by 0 leave 0.
        Fmod = method fmod(other), 0.5;
        /// What is left of a division rounded down, the operator `%`: it has the sign of `other`. Integers divided by 0
        /// leave 0.
        Remainder = method remainder(other), 0.5;
        /// The quotient rounded down; of integers divided by 0 it is 0. Of floats it is exact up to 2²².
        FloorDivide = method floor_divide(other), 4.0;
        /// The distance of the point (`self`, `other`) from the origin, where no square overflows.
        Hypot = method hypot(other), 4.0;
        /// The magnitude of `self` with the sign of `other`, that of a zero and of NaN included.
        Copysign = method copysign(other), exact;
        /// The number next to `self` in its dtype, f32 or f64, towards `other`.
        Nextafter = method nextafter(other), exact;
        /// The bits that both integers have, the operator `&`; on bools logic.
        BitwiseAnd = method bitwise_and(other), exact;
        /// The bits that either integer has, the operator `|`; on bools logic.
        BitwiseOr = method bitwise_or(other), exact;
        /// The bits that one of two integers has, the operator `^`; on bools logic.
        BitwiseXor = method bitwise_xor(other), exact;
        /// The bits of integers moved up by `other`, the operator `<<`; none are left where that is negative or no less
        /// than there are.
        BitwiseLeftShift = method bitwise_left_shift(other), exact;
        /// The bits of integers moved down by `other`, the operator `>>`; the sign is left where that is negative or no
        /// less than there are.
        BitwiseRightShift = method bitwise_right_shift(other), exact;
        /// Whether elements are equal; NaN equals nothing.
        Eq = method eq(other), exact;
        /// Whether elements differ.
        Ne = method ne(other), exact;
        /// Whether elements are less than `other`'s.
        Lt = method lt(other), exact;
        /// Whether elements are at most `other`'s.
        Le = method le(other), exact;
        /// Whether elements are greater than `other`'s.
        Gt = method gt(other), exact;
        /// Whether elements are at least `other`'s.
        Ge = method ge(other), exact;
        /// Whether both elements are true or not 0.
        And = method logical_and(other), exact;
        /// Whether either element is true or not 0.
        Or = method logical_or(other), exact;
    }
}

/// How errors of the arguments pass to the result.
pub(crate) enum BinaryBound {
    /// A sum, which needs no rounding where it comes out even.
    Sum,
    /// A difference, likewise.
    Difference,
    /// A product, likewise.
    Product,
    /// A quotient, of which WGSL promises nothing for huge divisors.
    Quotient,
    /// A power, which is defined for some signs and exponents only.
    Power,
    /// The larger or the smaller, either of two zeros of different sign.
    Extremum,
    /// The number next to the first argument in the dtype that is computed in.
    Neighbour,
    /// Whether the arguments are equal, or not.
    Equality,
    /// Logic in which one true argument or, if not `of_true`, one false argument is enough to know the result.
    Logic { of_true: bool },
    /// The extremes over a rectangle of arguments are at its corners, unless the function jumps within it.
    Corners { jump: Jump },
}

/// The least and the largest result over a rectangle of arguments, given as least and largest of each, within which a
/// function jumps; `None` where it does not.
type Jump = fn([(f64, f64); 2]) -> Option<(f64, f64)>;

/// What exact operations are tried on: pairs are often equal.
const OFTEN_EQUAL: &[[Draw; 2]] = &[[Draw::Quarters(-1, 1), Draw::Quarters(-1, 1)]];
const ORDINARY: &[[Draw; 2]] = &[[Draw::Uniform(-4.0, 4.0), Draw::Uniform(-4.0, 4.0)]];
const TRUTHS: &[[Draw; 2]] = &[[Draw::Whole(0, 1), Draw::Whole(0, 1)]];

const fn truth(t: bool) -> f64 {
    if t { 1.0 } else { 0.0 }
}

impl BinaryOp {
    /// The exact result, in f64.
    pub fn apply(self, a: f64, b: f64) -> f64 {
        (self.row().meaning)([a, b])
    }

    /// The result on 32-bit integers, which wrap. The quotient, [`Div`](Self::Div), never comes here: it is a float.
    pub fn apply_i32(self, a: i32, b: i32) -> i32 {
        self.row().on_i32([a, b])
    }

    /// The least and the largest of either argument between which results are numbers on one branch of the function,
    /// neither beyond the range of f32 nor with digits lost on the way.
    pub const fn domain(self) -> [(f64, f64); 2] {
        self.row().domain
    }

    /// Its row of the table.
    #[allow(clippy::too_many_lines, reason = "a table")]
    pub(crate) const fn row(self) -> &'static Row<2, BinaryBound> {
        match self {
            Self::Add => row!(Row {
                rule: DTypeRule::Same(Logic::Or),
                meaning: |[a, b]| a + b,
                integers: wraps!(|[a, b]| a.wrapping_add(b), |[a, b]| a.checked_add(b)),
                grad: Grad::Parts([|grad, _, _| Some(grad.clone()), |grad, _, _| Some(grad.clone())]),
                bound: BinaryBound::Sum,
                wgsl: Wgsl::operator("+"),
                domain: [EVERYWHERE; 2],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Sub => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[a, b]| a - b,
                integers: wraps!(|[a, b]| a.wrapping_sub(b), |[a, b]| a.checked_sub(b)),
                grad: Grad::Parts([|grad, _, _| Some(grad.clone()), |grad, _, _| Some(-grad)]),
                bound: BinaryBound::Difference,
                wgsl: Wgsl::operator("-"),
                domain: [EVERYWHERE; 2],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Mul => row!(Row {
                rule: DTypeRule::Same(Logic::And),
                meaning: |[a, b]| a * b,
                integers: wraps!(|[a, b]| a.wrapping_mul(b), |[a, b]| a.checked_mul(b)),
                grad: Grad::Parts([
                    |grad, args, _| Some(rules::left_factor(grad, args)),
                    |grad, args, _| rules::right_factor(grad, args),
                ]),
                bound: BinaryBound::Product,
                wgsl: Wgsl::operator("*"),
                domain: [EVERYWHERE; 2],
                draws: ORDINARY,
                places: &[],
            }),
            Self::Div => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[a, b]| a / b,
                integers: Integers::Converted,
                grad: Grad::Parts([|grad, [_, b], _| Some(grad / b), |grad, [_, b], y| Some(-(grad * y / b))]),
                bound: BinaryBound::Quotient,
                wgsl: Wgsl::operator("/"),
                domain: [EVERYWHERE; 2],
                draws: &[[Draw::Uniform(-4.0, 4.0), Draw::Uniform(0.5, 4.0)]],
                places: &[],
            }),
            Self::Pow => row!(Row {
                rule: DTypeRule::Number,
                meaning: |[a, b]| a.powf(b),
                // A number to a negative power is a float: `fold_binary` sees to that.
                integers: wraps!(|[a, b]| a.raised(b), |[a, b]| checked_pow(a, b)),
                grad: Grad::Parts([
                    |grad, args, _| rules::base(grad, args),
                    |grad, args, y| Some(rules::exponent(grad, args, y)),
                ]),
                bound: BinaryBound::Power,
                wgsl: Wgsl::call(&[lib!("pow"), lib!("pow_f64"), lib!("numeric")]),
                domain: [(0.0, f64::INFINITY), (-3.0, 3.0)],
                draws: &[[Draw::Uniform(0.1, 4.0), Draw::Uniform(-3.0, 3.0)]],
                places: &[],
            }),
            Self::Atan2 => row!(Row {
                rule: DTypeRule::Float,
                meaning: |[y, x]| y.atan2(x),
                integers: Integers::Converted,
                grad: Grad::Parts([
                    |grad, [y, x], _| Some(grad * x / rules::squares([y, x])),
                    |grad, [y, x], _| Some(-(grad * y / rules::squares([y, x]))),
                ]),
                // Seen from outside, a rectangle reaches from corner to corner. The angle jumps behind the origin,
                // where zeros of either sign, which no engine promises, are worlds apart.
                bound: BinaryBound::Corners {
                    jump: |[(below, above), (left, _)]| {
                        (below <= 0.0 && above >= 0.0 && left <= 0.0).then_some((-PI, PI))
                    },
                },
                wgsl: Wgsl::call(&[lib!("atan2"), lib!("atan2_f64")]),
                domain: [EVERYWHERE, (0.0, f64::INFINITY)],
                draws: &[
                    [Draw::Uniform(-4.0, 4.0), Draw::Uniform(-4.0, 4.0)],
                    [Draw::Uniform(-1e-3, 1e-3), Draw::Uniform(-50.0, 50.0)],
                ],
                // The axes, and where the formula changes: at π/8 and π/4.
                places: &[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.414_213_56, 1.0], [1.0, 1.0], [1.0, 0.414_213_56]],
            }),
            Self::Maximum => row!(Row {
                rule: DTypeRule::Same(Logic::Or),
                meaning: |[a, b]| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) },
                integers: stays!(|[a, b]| a.max(b)),
                grad: Grad::Parts([
                    |grad, [a, b], y| Some(rules::left_extremum(grad, &a.gt(b), &a.lt(b), [a, b], y)),
                    |grad, [a, b], y| Some(rules::extremum(grad, &b.lt(a), [b, a], y)),
                ]),
                bound: BinaryBound::Extremum,
                wgsl: Wgsl::call(&[lib!("numeric"), lib!("double")]).i32(Form::Builtin("max")),
                domain: [EVERYWHERE; 2],
                draws: OFTEN_EQUAL,
                places: &[],
            }),
            Self::Minimum => row!(Row {
                rule: DTypeRule::Same(Logic::And),
                meaning: |[a, b]| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) },
                integers: stays!(|[a, b]| a.min(b)),
                grad: Grad::Parts([
                    |grad, [a, b], y| Some(rules::left_extremum(grad, &a.lt(b), &a.gt(b), [a, b], y)),
                    |grad, [a, b], y| Some(rules::extremum(grad, &b.gt(a), [b, a], y)),
                ]),
                bound: BinaryBound::Extremum,
                wgsl: Wgsl::call(&[lib!("numeric"), lib!("double")]).i32(Form::Builtin("min")),
                domain: [EVERYWHERE; 2],
                draws: OFTEN_EQUAL,
                places: &[],
            }),
            Self::Fmod => row!(division::FMOD),
            Self::Remainder => row!(division::REMAINDER),
            Self::FloorDivide => row!(division::FLOOR_DIVIDE),
            Self::Hypot => row!(integer::HYPOT),
            Self::Copysign => row!(integer::COPYSIGN),
            Self::Nextafter => row!(integer::NEXTAFTER),
            Self::BitwiseAnd => row!(integer::AND),
            Self::BitwiseOr => row!(integer::OR),
            Self::BitwiseXor => row!(integer::XOR),
            Self::BitwiseLeftShift => row!(integer::LEFT_SHIFT),
            Self::BitwiseRightShift => row!(integer::RIGHT_SHIFT),
            Self::Eq => row!(comparison(|[a, b]| truth(a == b), BinaryBound::Equality, Wgsl::operator("=="))),
            // WGSL's `!=` may take NaN for equal to itself.
            Self::Ne => row!(comparison(|[a, b]| truth(a != b), BinaryBound::Equality, Wgsl::text("!({0} == {1})"))),
            Self::Lt => row!(comparison(|[a, b]| truth(a < b), ORDERING, Wgsl::operator("<"))),
            Self::Le => row!(comparison(|[a, b]| truth(a <= b), ORDERING, Wgsl::operator("<="))),
            Self::Gt => row!(comparison(|[a, b]| truth(a > b), ORDERING, Wgsl::operator(">"))),
            Self::Ge => row!(comparison(|[a, b]| truth(a >= b), ORDERING, Wgsl::operator(">="))),
            Self::And => row!(Row {
                rule: DTypeRule::Logical,
                meaning: |[a, b]| truth(a != 0.0 && b != 0.0),
                integers: Integers::Converted,
                grad: Grad::None,
                bound: BinaryBound::Logic { of_true: false },
                wgsl: Wgsl::operator("&"),
                domain: [EVERYWHERE; 2],
                draws: TRUTHS,
                places: &[],
            }),
            Self::Or => row!(Row {
                rule: DTypeRule::Logical,
                meaning: |[a, b]| truth(a != 0.0 || b != 0.0),
                integers: Integers::Converted,
                grad: Grad::None,
                bound: BinaryBound::Logic { of_true: true },
                wgsl: Wgsl::operator("|"),
                domain: [EVERYWHERE; 2],
                draws: TRUTHS,
                places: &[],
            }),
        }
    }
}

/// Where the order of two numbers changes, the corners of a rectangle differ.
const ORDERING: BinaryBound = BinaryBound::Corners { jump: |_| None };

/// The row of a comparison.
const fn comparison(meaning: fn([f64; 2]) -> f64, bound: BinaryBound, wgsl: Wgsl) -> Row<2, BinaryBound> {
    Row {
        rule: DTypeRule::Predicate,
        meaning,
        integers: Integers::Truth,
        grad: Grad::None,
        bound,
        wgsl,
        domain: [EVERYWHERE; 2],
        draws: OFTEN_EQUAL,
        places: &[],
    }
}

/// `base` to the power `exponent`, which is not negative, if it lies within 64 bits.
fn checked_pow(base: i64, exponent: i64) -> Option<i64> {
    match u32::try_from(exponent) {
        Ok(exponent) => base.checked_pow(exponent),
        // Of so high powers only these have 64 bits.
        Err(_) => matches!(base, -1..=1).then_some(if exponent & 1 == 1 { base } else { base * base }),
    }
}
