//! Elementwise operations on values that carry a bound, by the meanings and [bounds](BinaryBound) of their rows.

use super::approx::{Allowance, Approx, integer, residue_of_sum, smallest_normal};
use crate::expr::op::{BinaryBound, UnaryBound};
use crate::{BinaryOp, DType, UnaryOp};

/// An elementwise function of a value in `compute`, to the node's dtype, which wraps if it is u8.
pub(super) fn unary(op: UnaryOp, x: Approx, compute: DType, dtype: DType) -> Approx {
    let row = op.row();
    let f = |v: f64| (row.meaning)([v]);
    if !compute.is_float() && dtype != DType::Bool {
        let y = match compute {
            DType::I64 => row.on_i64([x.v as i64]),
            _ => row.on_i32([x.v as i32]).into(),
        };
        return integer(y, dtype, x.is_exact());
    }
    match row.bound {
        UnaryBound::IsNan => Approx::of_truth(f(x.v) != 0.0, !x.is_unknown()),
        UnaryBound::IsZero => Approx::of_truth(f(x.v) != 0.0, x.is_exact()),
        UnaryBound::Monotone => within(op.ulp(), x.monotone(f), compute),
        UnaryBound::Valley { bottom } => within(op.ulp(), x.valley(bottom, f), compute),
        UnaryBound::Piecewise { jump, scale } => {
            let ends = (x.v - x.e, x.v + x.e);
            let y = match jump(ends).filter(|_| !x.is_unknown()) {
                Some((low, high)) => Approx::hull(f(x.v), &[low, high]),
                None => x.monotone(f),
            };
            let relative = 2.0 * op.ulp();
            y.rounded(Allowance { relative, absolute: relative * scale(x.v) }, compute)
        }
        UnaryBound::Lipschitz { within: limit } if x.v.is_finite() && x.v.abs() > limit => Approx::unknown(f(x.v)),
        UnaryBound::Lipschitz { .. } => within(op.ulp(), Approx { v: f(x.v), e: x.e }, compute),
    }
}

/// Widened by the rounding of an operation whose results are within so many units in the last place.
fn within(ulp: f64, y: Approx, compute: DType) -> Approx {
    if ulp == 0.0 { y } else { y.rounded(Allowance::ulp(ulp), compute) }
}

/// An elementwise operation of two values in `compute`, to the node's dtype.
pub(super) fn binary(op: BinaryOp, a: Approx, b: Approx, compute: DType, dtype: DType) -> Approx {
    let row = op.row();
    let f = |x: f64, y: f64| (row.meaning)([x, y]);
    if !compute.is_float() && dtype != DType::Bool {
        let y = match compute {
            DType::I64 => row.on_i64([a.v as i64, b.v as i64]),
            _ => row.on_i32([a.v as i32, b.v as i32]).into(),
        };
        return integer(y, dtype, a.is_exact() && b.is_exact());
    }
    match row.bound {
        BinaryBound::Sum => rounded_once(op, a.corners(b, f), exact_sum(a, b), compute),
        BinaryBound::Difference => rounded_once(op, a.corners(b, f), exact_sum(a, Approx { v: -b.v, ..b }), compute),
        BinaryBound::Product => rounded_once(op, a.corners(b, f), exact_product(a, b), compute),
        BinaryBound::Quotient => divide(a, b, compute),
        BinaryBound::Power => power(a, b, compute),
        BinaryBound::Extremum => {
            let y = a.corners(b, f);
            if of_both_signs(&[a, b]) { y.of_either_sign(compute) } else { y }
        }
        BinaryBound::Neighbour if a.v.is_nan() || b.v.is_nan() || a.is_exact() && b.is_exact() => {
            Approx::exact(neighbour(a.v, b.v, compute))
        }
        BinaryBound::Neighbour => {
            let next = a.monotone(|x| neighbour(x, f64::INFINITY, compute));
            let back = a.monotone(|x| neighbour(x, f64::NEG_INFINITY, compute));
            Approx::hull(a.v, &[next.v + next.e, back.v - back.e])
        }
        BinaryBound::Equality => {
            let both = a.is_exact() && b.is_exact();
            let apart = !a.is_unknown() && !b.is_unknown() && (a.v - b.v).abs() > a.e + b.e;
            Approx::of_truth(f(a.v, b.v) != 0.0, both || apart)
        }
        BinaryBound::Logic { of_true } => {
            let certain = match (a.truth(), b.truth()) {
                (Some(_), Some(_)) => true,
                (Some(t), None) | (None, Some(t)) => t == of_true,
                (None, None) => false,
            };
            Approx::of_truth(f(a.v, b.v) != 0.0, certain)
        }
        BinaryBound::Corners { jump } => {
            let ends = |x: Approx| (x.v - x.e, x.v + x.e);
            let known = !a.is_unknown() && !b.is_unknown();
            let y = match jump([ends(a), ends(b)]).filter(|_| known) {
                Some((low, high)) => Approx::hull(f(a.v, b.v), &[low, high]),
                None => a.corners(b, f),
            };
            if dtype == DType::Bool {
                return Approx::of_truth(y.v != 0.0, y.is_exact());
            }
            within(op.ulp(), y, compute)
        }
    }
}

/// The number next to one in a dtype, towards another. Next to 0 lie subnormals, which may be flushed.
fn neighbour(from: f64, to: f64, compute: DType) -> f64 {
    if compute == DType::F64 { libm::nextafter(from, to) } else { libm::nextafterf(from as f32, to as f32).into() }
}

/// Whether there are zeros of both signs, of which either may be taken for the larger.
pub(super) fn of_both_signs(items: &[Approx]) -> bool {
    let has = |negative: bool| items.iter().any(|x| x.v == 0.0 && x.v.is_sign_negative() == negative);
    has(false) && has(true)
}

/// What is left of `a + b` after it is rounded to f64; `None` where the arguments are not exact.
fn exact_sum(a: Approx, b: Approx) -> Option<f64> {
    (a.is_exact() && b.is_exact()).then(|| residue_of_sum(a.v, b.v))
}

/// What is left of `a * b` after it is rounded to f64; `None` also where a product of tiny numbers vanished.
fn exact_product(a: Approx, b: Approx) -> Option<f64> {
    let y = a.v * b.v;
    let vanished = y == 0.0 && a.v != 0.0 && b.v != 0.0;
    (a.is_exact() && b.is_exact() && !vanished).then_some(a.v.mul_add(b.v, -y))
}

/// A result that is rounded once, or not at all if it is a value of `compute` and rounding to f64 left no `residue`:
/// then every engine has the same value.
fn rounded_once(op: BinaryOp, y: Approx, residue: Option<f64>, compute: DType) -> Approx {
    let subnormal = y.v != 0.0 && y.v.abs() < smallest_normal(compute);
    let fits = y.v.is_finite() && !subnormal && (compute != DType::F32 || f64::from(y.v as f32) == y.v);
    if residue == Some(0.0) && fits { y } else { within(op.ulp(), y, compute) }
}

pub(super) fn divide(a: Approx, b: Approx, compute: DType) -> Approx {
    let v = a.v / b.v;
    if b.e > 0.0 && b.v.abs() <= b.e {
        return Approx::unknown(v);
    }
    let y = a.corners(b, |x, y| x / y);
    // WGSL promises nothing for divisors from 2^126 up; what devices give there is 0 or the quotient.
    let vast = compute == DType::F32 && b.v.is_finite() && b.v.abs() + b.e > 2f64.powi(126) && v.is_finite();
    let y = if vast { Approx { v, e: y.e + v.abs() } } else { y };
    within(BinaryOp::Div.ulp(), y, compute)
}

/// A power, where the arguments' bounds leave it defined.
fn power(a: Approx, b: Approx, compute: DType) -> Approx {
    let f = |x: f64, y: f64| BinaryOp::Pow.apply(x, y);
    let v = f(a.v, b.v);
    let crosses = !a.is_exact() && a.v.abs() <= a.e;
    if a.v.is_nan() || b.v.is_nan() {
        // 1 to any power is 1, and so is anything to the power of 0.
        let may_be = |x: Approx, special: f64| !x.is_exact() && (x.v - special).abs() <= x.e;
        return if may_be(a, 1.0) || may_be(b, 0.0) { Approx::unknown(1.0) } else { a.corners(b, f) };
    }
    if (crosses || a.v < 0.0) && !b.is_exact() {
        return Approx::unknown(v);
    }
    let mut y = a.corners(b, f);
    if crosses {
        // Only a whole power above 0 of something that may be 0 is known: it may be anything down to 0.
        if b.v <= 0.0 || b.v.fract() != 0.0 {
            return Approx::unknown(v);
        }
        y.e = y.e.max(v.abs());
    }
    within(BinaryOp::Pow.ulp(), y, compute)
}

#[cfg(test)]
mod tests {
    use super::super::convert::convert;
    use super::*;

    const F: DType = DType::F32;

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
        // The end of an interval that f64 cannot hold is rounded outward.
        let (huge, small) = (Approx::exact(1e30), 0.25);
        let either = Approx::hull(huge.v, &[small]);
        assert!(either.v - either.e < small, "{either:?}");
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
