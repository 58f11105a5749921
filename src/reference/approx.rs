//! Arithmetic on values that carry a bound: running error analysis, one operation at a time.
//!
//! Every operation takes intervals `v ± e` and gives one that holds whatever a correct engine may compute: the
//! image of the arguments' intervals, widened by the operation's own rounding ([`Allowance`]).

use crate::{BinaryOp, DType, UnaryOp};

/// A value, and how far from it a correct engine's may be. `e` is infinite where anything at all may come out, NaN
/// included: above the overflow threshold within the bound, say.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Approx {
    pub(super) v: f64,
    pub(super) e: f64,
}

impl Approx {
    pub(super) const fn exact(v: f64) -> Self {
        Self { v, e: 0.0 }
    }

    pub(super) const fn unknown(v: f64) -> Self {
        Self { v, e: f64::INFINITY }
    }

    pub(super) fn is_exact(self) -> bool {
        self.e == 0.0
    }

    pub(super) fn is_unknown(self) -> bool {
        self.e == f64::INFINITY
    }

    /// A truth value: `Some` where it is beyond doubt.
    pub(super) fn truth(self) -> Option<bool> {
        if self.is_exact() { Some(self.v != 0.0) } else { None }
    }

    pub(super) fn of_truth(v: bool, certain: bool) -> Self {
        Self { v: f64::from(u8::from(v)), e: if certain { 0.0 } else { 1.0 } }
    }

    /// A number or an element of a tensor, as arithmetic in `compute` sees it. Subnormals may be flushed as they are
    /// read.
    pub(super) fn read(v: f64, compute: DType) -> Self {
        match compute {
            DType::F32 | DType::F64 if v.abs() < smallest_normal(compute) => Self { v, e: v.abs() },
            _ => Self::exact(v),
        }
    }

    /// A zero whose sign is no engine's promise: what is divided by it may be either infinity.
    pub(super) fn of_either_sign(self, compute: DType) -> Self {
        Self { e: self.e.max(smallest_normal(compute)), ..self }
    }

    /// `v`, widened to hold all of `others`.
    pub(super) fn hull(v: f64, others: &[f64]) -> Self {
        let mut e = 0.0_f64;
        for &other in others {
            if other == v || other.is_nan() && v.is_nan() {
                continue;
            }
            let distance = (other - v).abs();
            e = if distance.is_nan() { f64::INFINITY } else { e.max(distance) };
        }
        Self { v, e }
    }

    /// The image under a monotone function.
    pub(super) fn monotone(self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Self { v, e: 0.0 } => Self::exact(f(v)),
            Self { v, e } if e == f64::INFINITY => Self::unknown(f(v)),
            Self { v, e } => Self::hull(f(v), &[f(v - e), f(v + e)]),
        }
    }

    /// The image under a function monotone in each argument, or linear in each: the extremes are at the corners.
    fn monotone2(self, rhs: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let (a, b) = (self, rhs);
        if a.is_exact() && b.is_exact() {
            return Self::exact(f(a.v, b.v));
        }
        if a.is_unknown() || b.is_unknown() {
            return Self::unknown(f(a.v, b.v));
        }
        let corners = [
            f(a.v - a.e, b.v - b.e),
            f(a.v - a.e, b.v + b.e),
            f(a.v + a.e, b.v - b.e),
            f(a.v + a.e, b.v + b.e),
            // A zero inside an interval matters where the other side is infinite.
            f(if a.v.abs() <= a.e { 0.0 } else { a.v }, if b.v.abs() <= b.e { 0.0 } else { b.v }),
        ];
        Self::hull(f(a.v, b.v), &corners)
    }

    /// Widened by an operation's own rounding in `compute`, and by what overflow and flushed subnormals may do.
    pub(super) fn rounded(self, allowance: Allowance, compute: DType) -> Self {
        let Self { v, e } = self;
        if !v.is_finite() || self.is_unknown() {
            return self;
        }
        let epsilon = compute.epsilon();
        let e = e + epsilon * (allowance.relative * (v.abs() + e) + allowance.absolute) + smallest_normal(compute);
        Self { v, e }.overflowed(compute)
    }

    /// Infinite where the value is beyond `compute`'s largest, and unknown where it may be.
    fn overflowed(self, compute: DType) -> Self {
        let Self { v, e } = self;
        if compute != DType::F32 || !v.is_finite() {
            return self;
        }
        // Halfway from the largest f32 to the next power of two: what rounds to infinity.
        let threshold = f64::from(f32::MAX) + 2f64.powi(103);
        if v.abs() - e >= threshold {
            return Self::exact(f64::INFINITY.copysign(v));
        }
        if v.abs() + e > f64::from(f32::MAX) { Self::unknown(v) } else { self }
    }
}

/// Rounding an operation may add: `ε (relative · |result| + absolute)`, where ε is the unit roundoff, half a unit in
/// the last place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Allowance {
    pub(super) relative: f64,
    pub(super) absolute: f64,
}

impl Allowance {
    const fn new(relative: f64, absolute: f64) -> Self {
        Self { relative, absolute }
    }

    /// Of `+ - *`, which are correctly rounded.
    pub(super) const ONCE: Self = Self::new(1.0, 0.0);

    /// Of an operation documented to be within so many units in the last place: one unit is two ε, or less.
    const fn ulp(units: f64) -> Self {
        Self::new(2.0 * units, 0.0)
    }
}

/// The smallest value of a dtype that is no subnormal; 0 for integers.
pub(super) fn smallest_normal(dtype: DType) -> f64 {
    match dtype {
        DType::F32 | DType::BF16 => f64::from(f32::MIN_POSITIVE),
        DType::F64 => f64::MIN_POSITIVE,
        _ => 0.0,
    }
}

/// An elementwise function of a value in `compute`, to the node's dtype, which wraps if it is u8.
pub(super) fn unary(op: UnaryOp, x: Approx, compute: DType, dtype: DType) -> Approx {
    match op {
        UnaryOp::IsNan => return Approx::of_truth(x.v.is_nan(), !x.is_unknown()),
        UnaryOp::Not => return truth_not(x),
        _ => {}
    }
    if !compute.is_float() {
        let i = x.v as i32;
        let y = match op {
            UnaryOp::Neg => i.wrapping_neg(),
            UnaryOp::Abs => i.wrapping_abs(),
            _ => op.apply(x.v) as i32,
        };
        return integer(i64::from(y), dtype, x.is_exact());
    }
    match op {
        UnaryOp::Neg | UnaryOp::Abs => Approx { v: op.apply(x.v), e: x.e },
        UnaryOp::Sign | UnaryOp::Relu | UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Round | UnaryOp::Trunc => {
            x.monotone(|v| op.apply(v))
        }
        UnaryOp::Sin | UnaryOp::Cos => {
            // Beyond this, reducing the argument costs digits, in the end every digit.
            if x.v.is_finite() && x.v.abs() > 10_000.0 {
                return Approx::unknown(op.apply(x.v));
            }
            Approx { v: op.apply(x.v), e: x.e }.rounded(Allowance::ulp(op.ulp()), compute)
        }
        _ => x.monotone(|v| op.apply(v)).rounded(Allowance::ulp(op.ulp()), compute),
    }
}

fn truth_not(x: Approx) -> Approx {
    Approx::of_truth(x.v == 0.0, x.is_exact())
}

/// An integer as arithmetic leaves it: wrapped to the dtype.
pub(super) fn integer(value: i64, dtype: DType, certain: bool) -> Approx {
    let v = if dtype == DType::U8 { f64::from(value as u8) } else { f64::from(value as i32) };
    if certain { Approx::exact(v) } else { Approx::unknown(v) }
}

/// An elementwise operation of two values in `compute`, to the node's dtype.
pub(super) fn binary(op: BinaryOp, a: Approx, b: Approx, compute: DType, dtype: DType) -> Approx {
    let f = |x: f64, y: f64| op.apply(x, y);
    match op {
        BinaryOp::And | BinaryOp::Or => {
            let decides = op == BinaryOp::Or;
            let certain = match (a.truth(), b.truth()) {
                (Some(_), Some(_)) => true,
                (Some(t), None) | (None, Some(t)) => t == decides,
                (None, None) => false,
            };
            return Approx::of_truth(f(a.v, b.v) != 0.0, certain);
        }
        BinaryOp::Eq | BinaryOp::Ne => {
            let both = a.is_exact() && b.is_exact();
            let apart = !a.is_unknown() && !b.is_unknown() && (a.v - b.v).abs() > a.e + b.e;
            return Approx::of_truth(f(a.v, b.v) != 0.0, both || apart);
        }
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
            let both = a.monotone2(b, f);
            return Approx::of_truth(both.v != 0.0, both.is_exact());
        }
        _ => {}
    }
    if !compute.is_float() {
        let y = op.apply_i32(a.v as i32, b.v as i32);
        return integer(i64::from(y), dtype, a.is_exact() && b.is_exact());
    }
    match op {
        BinaryOp::Maximum | BinaryOp::Minimum => {
            let y = a.monotone2(b, f);
            if of_both_signs(&[a, b]) { y.of_either_sign(compute) } else { y }
        }
        BinaryOp::Div => divide(a, b, compute),
        BinaryOp::Pow => power(a, b, compute),
        _ => {
            let y = a.monotone2(b, f);
            let (a, b) = if op == BinaryOp::Sub { (a, Approx { v: -b.v, ..b }) } else { (a, b) };
            let exact = a.is_exact() && b.is_exact() && comes_out_even(op, a.v, b.v, y.v, compute);
            if exact { y } else { y.rounded(Allowance::ONCE, compute) }
        }
    }
}

/// Whether there are zeros of both signs, of which either may be taken for the larger.
pub(super) fn of_both_signs(items: &[Approx]) -> bool {
    let has = |negative: bool| items.iter().any(|x| x.v == 0.0 && x.v.is_sign_negative() == negative);
    has(false) && has(true)
}

/// Whether a sum or product needs no rounding in `compute`: then every engine has the same value.
fn comes_out_even(op: BinaryOp, a: f64, b: f64, y: f64, compute: DType) -> bool {
    if !y.is_finite() || y != 0.0 && y.abs() < smallest_normal(compute) {
        return false;
    }
    let residue = if op == BinaryOp::Mul {
        a.mul_add(b, -y)
    } else {
        let part = y - a;
        (a - (y - part)) + (b - part)
    };
    let tiny_product = op == BinaryOp::Mul && y == 0.0 && a != 0.0 && b != 0.0;
    residue == 0.0 && !tiny_product && (compute != DType::F32 || f64::from(y as f32) == y)
}

pub(super) fn divide(a: Approx, b: Approx, compute: DType) -> Approx {
    let v = a.v / b.v;
    if b.e > 0.0 && b.v.abs() <= b.e {
        return Approx::unknown(v);
    }
    let y = a.monotone2(b, |x, y| x / y);
    // WGSL promises nothing for divisors from 2^126 up; what devices give there is 0 or the quotient.
    let vast = compute == DType::F32 && b.v.is_finite() && b.v.abs() + b.e > 2f64.powi(126) && v.is_finite();
    let y = if vast { Approx { v, e: y.e + v.abs() } } else { y };
    y.rounded(Allowance::ulp(BinaryOp::Div.ulp()), compute)
}

/// A power, where the arguments' bounds leave it defined.
fn power(a: Approx, b: Approx, compute: DType) -> Approx {
    let f = |x: f64, y: f64| BinaryOp::Pow.apply(x, y);
    let v = f(a.v, b.v);
    let crosses = !a.is_exact() && a.v.abs() <= a.e;
    if a.v.is_nan() || b.v.is_nan() {
        // 1 to any power is 1, and so is anything to the power of 0.
        let may_be = |x: Approx, special: f64| !x.is_exact() && (x.v - special).abs() <= x.e;
        return if may_be(a, 1.0) || may_be(b, 0.0) { Approx::unknown(1.0) } else { a.monotone2(b, f) };
    }
    if (crosses || a.v < 0.0) && !b.is_exact() {
        return Approx::unknown(v);
    }
    let mut y = a.monotone2(b, f);
    if crosses {
        // Only a whole power above 0 of something that may be 0 is known: it may be anything down to 0.
        if b.v <= 0.0 || b.v.fract() != 0.0 {
            return Approx::unknown(v);
        }
        y.e = y.e.max(v.abs());
    }
    y.rounded(Allowance::ulp(BinaryOp::Pow.ulp()), compute)
}

/// Conversion of a node's value to another dtype. A `cast` rounds to the dtype; a promotion only to what arithmetic
/// in it is carried out in.
pub(super) fn convert(x: Approx, from: DType, to: DType, is_cast: bool) -> Approx {
    match to {
        DType::Bool => {
            let surely_not_zero = x.v.abs() > x.e;
            Approx::of_truth(x.v != 0.0, x.is_exact() || surely_not_zero)
        }
        DType::U8 | DType::I32 => {
            // Rust's conversion truncates, saturates and makes 0 of NaN.
            let low = |v: f64| f64::from(v as i32);
            let y = if from.is_float() { x.monotone(low) } else { x };
            if to == DType::I32 { y } else { integer(y.v as i64, DType::U8, y.is_exact()) }
        }
        _ => {
            let compute = to.compute();
            let y = match (from, compute) {
                (DType::F64, DType::F32) if !is_cast || to == DType::F32 => x.monotone(|v| round_to(DType::F32, v)),
                // WGSL leaves the direction open in which a large integer is rounded.
                (DType::I32, DType::F32) if x.is_exact() && round_to(DType::F32, x.v) != x.v => {
                    Approx { v: x.v, e: 2.0 * compute.epsilon() * x.v.abs() }
                }
                _ => x,
            };
            if is_cast && matches!(to, DType::F16 | DType::BF16) { y.monotone(|v| round_to(to, v)) } else { y }
        }
    }
}

/// The value of a float dtype nearest to `v`, ties to even; other dtypes hold what is stored in them already.
pub(super) fn round_to(dtype: DType, v: f64) -> f64 {
    match dtype {
        DType::F32 => f64::from(v as f32),
        DType::F16 => round_by_hand(v, 11, -24, 65504.0),
        DType::BF16 => round_by_hand(v, 8, -133, f64::from(f32::from_bits(0x7f7f_0000))),
        _ => v,
    }
}

/// To `digits` binary digits, none below `2^lowest`, and infinity where that is above `largest`. Written out so that
/// one rounding from f64 is one rounding, whatever a conversion goes by way of.
fn round_by_hand(v: f64, digits: i32, lowest: i32, largest: f64) -> f64 {
    if !v.is_finite() || v == 0.0 {
        return v;
    }
    let exponent = ((v.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let unit = (exponent - digits + 1).max(lowest);
    let step = 2f64.powi(unit);
    let rounded = (v / step).round_ties_even() * step;
    if rounded.abs() > largest { f64::INFINITY.copysign(v) } else { rounded.copysign(v) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F: DType = DType::F32;

    #[test]
    fn rounding_by_hand_is_what_the_half_crate_does() {
        let mut state = 1_u64;
        for i in 0..200_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Any f32: from there one rounding leads to f16 and bf16 in that crate, too.
            let v = f32::from_bits((state >> 32) as u32 ^ i);
            if v.is_nan() {
                continue;
            }
            assert_eq!(round_to(DType::F16, v.into()), half::f16::from_f32(v).to_f64(), "{v:e}");
            assert_eq!(round_to(DType::BF16, v.into()), half::bf16::from_f32(v).to_f64(), "{v:e}");
        }
        // Just above halfway: by way of f32 this would round to the tie, then down.
        assert_eq!(round_to(DType::F16, 1.0 + 2f64.powi(-11) + 2f64.powi(-40)), 1.0 + 2f64.powi(-10));
    }

    #[test]
    fn bounds_grow_as_derived() {
        let (a, b) = (Approx { v: 3.0, e: 0.5 }, Approx { v: -2.0, e: 0.25 });
        let near = |x: Approx, v: f64, e: f64| assert!(x.v == v && (x.e - e).abs() < 1e-5, "{x:?}");
        near(binary(BinaryOp::Add, a, b, F, F), 1.0, 0.75);
        // |a| eb + |b| ea + ea eb.
        near(binary(BinaryOp::Mul, a, b, F, F), -6.0, 0.75 + 1.0 + 0.125);
        near(binary(BinaryOp::Div, a, b, F, F), -1.5, 3.5 / 1.75 - 1.5);
        near(binary(BinaryOp::Maximum, a, b, F, F), 3.0, 0.5);
        near(unary(UnaryOp::Sqrt, a, F, F), 3f64.sqrt(), 3f64.sqrt() - 2.5_f64.sqrt());
        near(unary(UnaryOp::Abs, b, F, F), 2.0, 0.25);
    }

    #[test]
    fn jumps_within_the_bound_cover_both_sides() {
        let x = Approx { v: 2.0, e: 1e-6 };
        assert_eq!(unary(UnaryOp::Floor, x, F, F), Approx { v: 2.0, e: 1.0 });
        assert_eq!(unary(UnaryOp::Floor, Approx::exact(2.0), F, F), Approx::exact(2.0));
        assert_eq!(convert(x, F, DType::I32, true), Approx { v: 2.0, e: 1.0 });
        assert_eq!(binary(BinaryOp::Lt, x, Approx::exact(2.0), F, DType::Bool).truth(), None);
        assert_eq!(binary(BinaryOp::Lt, x, Approx::exact(3.0), F, DType::Bool).truth(), Some(true));
        assert_eq!(binary(BinaryOp::Eq, x, Approx::exact(3.0), F, DType::Bool).truth(), Some(false));
        assert!(unary(UnaryOp::Log, Approx { v: 0.0, e: 1e-6 }, F, F).is_unknown());
        assert!(divide(Approx::exact(1.0), Approx { v: 1e-9, e: 1e-8 }, F).is_unknown());
    }

    #[test]
    fn overflow_is_certain_possible_or_neither() {
        let times = |a: f64, b: f64| binary(BinaryOp::Mul, Approx::exact(a), Approx::exact(b), F, F);
        assert_eq!(times(1e30, 1e30), Approx::exact(f64::INFINITY));
        assert_eq!(times(-1e30, 1e30), Approx::exact(f64::NEG_INFINITY));
        assert!(times(f64::from(f32::MAX), 1.0 + 1e-9).is_unknown());
        assert!(times(1e30, 1e7).e < 1e31);
    }

    #[test]
    fn special_values_pass_exactly() {
        let inf = Approx::exact(f64::INFINITY);
        let zero = Approx::exact(0.0);
        let nan = binary(BinaryOp::Mul, inf, zero, F, F);
        assert!(nan.v.is_nan() && nan.is_exact());
        assert!(binary(BinaryOp::Maximum, nan, inf, F, F).v.is_nan());
        assert_eq!(binary(BinaryOp::Mul, inf, Approx { v: 2.0, e: 1.0 }, F, F), inf);
        assert!(binary(BinaryOp::Mul, inf, Approx { v: 0.5, e: 1.0 }, F, F).is_unknown());
    }

    #[test]
    fn either_of_two_zeros_may_be_the_larger() {
        let (plus, minus) = (Approx::exact(0.0), Approx::exact(-0.0));
        let under = |x| divide(Approx::exact(1.0), x, F);
        for op in [BinaryOp::Maximum, BinaryOp::Minimum] {
            assert!(under(binary(op, plus, minus, F, F)).is_unknown());
            assert!(under(binary(op, minus, plus, F, F)).is_unknown());
            assert_eq!(under(binary(op, plus, plus, F, F)), Approx::exact(f64::INFINITY));
            assert_eq!(under(binary(op, minus, minus, F, F)), Approx::exact(f64::NEG_INFINITY));
        }
    }

    #[test]
    fn what_needs_no_rounding_is_exact() {
        let exact = |op, a, b| binary(op, Approx::exact(a), Approx::exact(b), F, F).is_exact();
        assert!(
            exact(BinaryOp::Add, 1.5, 2.25) && exact(BinaryOp::Mul, 12.0, -0.125) && exact(BinaryOp::Sub, 3.0, 3.0)
        );
        assert!(!exact(BinaryOp::Add, 1.0, 1e-20) && !exact(BinaryOp::Mul, f64::from(0.1_f32), f64::from(0.1_f32)));
        assert!(!exact(BinaryOp::Mul, 1e-30, 1e-30));
    }
}
