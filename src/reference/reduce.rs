//! Reductions by plain loops, with bounds that hold whatever the order of the additions.

use super::approx::{Allowance, Approx, integer};
use super::convert::convert;
use super::elementwise::{binary, divide, of_both_signs};
use crate::{BinaryOp, DType, ReduceOp};

/// Reduces `items` of dtype `from` to one value of dtype `to`.
pub(super) fn reduce(op: ReduceOp, items: &[Approx], from: DType, to: DType) -> Approx {
    match op {
        ReduceOp::Any | ReduceOp::All => any_or_all(op, items, from),
        ReduceOp::Amax => extreme(BinaryOp::Maximum, items, to),
        ReduceOp::Amin => extreme(BinaryOp::Minimum, items, to),
        ReduceOp::Argmax => place(items, |a, b| a > b),
        ReduceOp::Argmin => place(items, |a, b| a < b),
        ReduceOp::Sum if !to.is_float() => integers(items, to, 0, i64::wrapping_add),
        ReduceOp::Prod if !to.is_float() => integers(items, to, 1, i64::wrapping_mul),
        ReduceOp::Sum => sum(items, to.compute()),
        ReduceOp::Prod => product(items, to.compute()),
        ReduceOp::Mean => {
            let compute = to.compute();
            divide(sum(items, compute), Approx::exact(items.len() as f64), compute)
        }
    }
}

fn integers(items: &[Approx], to: DType, identity: i64, f: fn(i64, i64) -> i64) -> Approx {
    let total = items.iter().map(|x| x.v as i64).fold(identity, f);
    integer(total, to, items.iter().all(|x| x.is_exact()))
}

fn any_or_all(op: ReduceOp, items: &[Approx], from: DType) -> Approx {
    // What settles it: a true for `any`, a false for `all`.
    let settles = op == ReduceOp::Any;
    let (mut settled, mut doubtful, mut v) = (false, false, !settles);
    for &x in items {
        let truth = convert(x, from, DType::Bool, true);
        settled |= truth.truth() == Some(settles);
        doubtful |= truth.truth().is_none();
        if (truth.v != 0.0) == settles {
            v = settles;
        }
    }
    Approx::of_truth(v, settled || !doubtful)
}

fn extreme(op: BinaryOp, items: &[Approx], to: DType) -> Approx {
    let unknown = items.iter().any(|x| x.is_unknown());
    let of = |bound: fn(&Approx) -> f64| items.iter().map(bound).reduce(|a, b| op.apply(a, b)).unwrap_or(f64::NAN);
    let v = of(|x| x.v);
    if unknown && !items.iter().any(|x| x.v.is_nan() && x.is_exact()) {
        return Approx::unknown(v);
    }
    let y = Approx::hull(v, &[of(|x| x.v - x.e), of(|x| x.v + x.e)]);
    if v == 0.0 && to.is_float() && of_both_signs(items) { y.of_either_sign(to.compute()) } else { y }
}

/// Which item comes before all others: the first NaN, or the first of those that none is `before`.
fn place(items: &[Approx], before: impl Fn(f64, f64) -> bool) -> Approx {
    let beats = |a: f64, b: f64| before(a, b) || a.is_nan() && !b.is_nan();
    let best = (1..items.len()).fold(0, |best, i| if beats(items[i].v, items[best].v) { i } else { best });
    let Approx { v, e } = items[best];
    // Whether it might be another one.
    let doubtful = |x: &Approx| {
        let near = v.is_nan() || x.v == v || (x.v - v).abs() <= x.e + e;
        x.is_unknown() || !(x.is_exact() && e == 0.0) && near
    };
    if items.iter().enumerate().any(|(i, x)| i != best && doubtful(x)) || items[best].is_unknown() {
        return Approx::unknown(best as f64);
    }
    Approx::exact(best as f64)
}

/// The sum of *n* values, each `vᵢ ± eᵢ`, in any order: `Σ eᵢ + 2 n ε Σ |vᵢ|`, and nothing at all where no partial
/// sum needs rounding.
fn sum(items: &[Approx], compute: DType) -> Approx {
    let mut total = 0.0;
    let mut size = 0.0;
    let mut error = 0.0;
    let mut infinite = false;
    for x in items {
        total += x.v;
        error += x.e;
        if x.v.is_finite() { size += x.v.abs() } else { infinite = true }
    }
    if items.iter().any(|x| x.v.is_nan() && x.is_exact()) {
        return Approx::exact(f64::NAN);
    }
    let limit = f64::from(f32::MAX);
    if infinite {
        let may_overflow = compute == DType::F32 && size + error > limit;
        return if may_overflow || error > 0.0 && !error.is_finite() {
            Approx::unknown(total)
        } else {
            Approx::exact(total)
        };
    }
    if !items.is_empty() && size == 0.0 && error == 0.0 && items.iter().all(|x| x.v.is_sign_negative()) {
        // An engine may start from 0, and 0 + -0 is 0.
        return Approx::exact(total).of_either_sign(compute);
    }
    if items.len() < 2 || error == 0.0 && adds_exactly(items, size, compute) {
        return Approx { v: total, e: error };
    }
    let n = items.len() as f64;
    let result = Approx { v: total, e: error }.rounded(Allowance { relative: 0.0, absolute: 2.0 * n * size }, compute);
    // Some order may overflow on the way although the total does not; not if all have one sign.
    if compute == DType::F32 && size + error > limit && total.is_finite() && total.abs() < size {
        return Approx::unknown(total);
    }
    result
}

/// Whether all values are multiples of one power of two, and few enough of it that any partial sum, in any order,
/// is a value of `compute`.
fn adds_exactly(items: &[Approx], size: f64, compute: DType) -> bool {
    let digits = if compute == DType::F64 { 53 } else { 24 };
    let lowest = items.iter().filter(|x| x.v != 0.0).map(|x| lowest_digit(x.v)).min();
    lowest.is_none_or(|lowest| lowest > -120 && size <= 2f64.powi(lowest + digits))
}

/// The exponent of the last binary digit that is not 0.
fn lowest_digit(v: f64) -> i32 {
    let bits = v.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let mantissa = (bits & ((1 << 52) - 1)) | if exponent > 0 { 1 << 52 } else { 0 };
    exponent.max(1) - 1075 + mantissa.trailing_zeros() as i32
}

/// The product in any order: the bounds of multiplying one by one, unless some order leaves the range on the way.
fn product(items: &[Approx], compute: DType) -> Approx {
    let one_by_one = items.iter().fold(Approx::exact(1.0), |a, &b| binary(BinaryOp::Mul, a, b, compute, compute));
    if items.iter().any(|x| x.v.is_nan() && x.is_exact()) {
        return Approx::exact(f64::NAN);
    }
    let logs = || items.iter().filter(|x| x.v != 0.0 && x.v.is_finite()).map(|x| (x.v.abs() + x.e).log2());
    let (above, below): (f64, f64) = (logs().filter(|l| *l > 0.0).sum(), logs().filter(|l| *l < 0.0).sum());
    let range = if compute == DType::F64 { 1020.0 } else { 125.0 };
    let special = items.iter().any(|x| x.v == 0.0 || !x.v.is_finite());
    let leaves = above > range || below < -range;
    // All factors at least 1 and the product beyond the range: infinite in any order.
    let surely_infinite = one_by_one.v.is_infinite() && below == 0.0 && !special;
    if leaves && !surely_infinite {
        return Approx::unknown(one_by_one.v);
    }
    // Whole numbers with few digits never round.
    let whole = items.iter().all(|x| x.is_exact() && x.v.is_finite() && x.v.fract() == 0.0);
    if whole && above < 24.0 {
        return Approx::exact(one_by_one.v);
    }
    // Another order may round where this one happened not to.
    let n = items.len() as f64;
    if items.len() < 2 { one_by_one } else { one_by_one.rounded(Allowance { relative: n, absolute: 0.0 }, compute) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(values: &[f64]) -> Vec<Approx> {
        values.iter().map(|&v| Approx::exact(v)).collect()
    }

    #[test]
    fn whole_numbers_add_without_error_and_others_do_not() {
        let sum = |values: &[f64]| reduce(ReduceOp::Sum, &exact(values), DType::F32, DType::F32);
        assert_eq!(sum(&[1.0, 2.0, -7.5, 0.0]), Approx::exact(-4.5));
        assert!(sum(&[0.0, -0.0]).is_exact() && sum(&[1.0, -1.0]).is_exact() && !sum(&[-0.0, -0.0]).is_exact());
        assert!(sum(&[]).v == 0.0);
        let tenth = f64::from(0.1_f32);
        let third = sum(&[tenth, 1.0, 1.0 / 1024.0 / 1024.0 / 512.0]);
        assert!(third.e > 2.0 * 3.0 * 2f64.powi(-24) && third.e < 8.0 * 2f64.powi(-24), "{third:?}");
        // 2^24 + 1 has a digit too many.
        assert!(!sum(&[16_777_216.0, 1.0]).is_exact());
    }

    #[test]
    fn special_values_decide_a_sum() {
        let sum = |values: &[f64]| reduce(ReduceOp::Sum, &exact(values), DType::F32, DType::F32);
        let inf = f64::INFINITY;
        assert_eq!(sum(&[1.0, inf, 2.0]), Approx::exact(inf));
        assert!(sum(&[inf, -inf]).v.is_nan());
        assert!(sum(&[3e38, 3e38, -3e38]).is_unknown());
        assert_eq!(sum(&[3e38, 3e38]), Approx::exact(inf));
    }

    #[test]
    fn integers_wrap_and_truths_settle() {
        let of = |op, values: &[f64], from, to| reduce(op, &exact(values), from, to);
        assert_eq!(of(ReduceOp::Sum, &[2_147_483_647.0, 1.0], DType::I32, DType::I32).v, -2_147_483_648.0);
        assert_eq!(of(ReduceOp::Prod, &[65536.0, 65536.0], DType::I32, DType::I32).v, 0.0);
        assert_eq!(of(ReduceOp::Any, &[], DType::Bool, DType::Bool).v, 0.0);
        assert_eq!(of(ReduceOp::All, &[], DType::Bool, DType::Bool).v, 1.0);
        let doubtful = [Approx { v: 1e-9, e: 1e-8 }, Approx::exact(3.0)];
        assert_eq!(reduce(ReduceOp::Any, &doubtful, DType::F32, DType::Bool).truth(), Some(true));
        assert_eq!(reduce(ReduceOp::All, &doubtful, DType::F32, DType::Bool).truth(), None);
    }

    #[test]
    fn extremes_keep_nan_and_the_tighter_bound() {
        let items = [Approx { v: 5.0, e: 0.1 }, Approx { v: 1.0, e: 3.0 }];
        let max = reduce(ReduceOp::Amax, &items, DType::F32, DType::F32);
        assert!(max.v == 5.0 && (max.e - 0.1).abs() < 1e-12);
        let nan = reduce(ReduceOp::Amin, &exact(&[1.0, f64::NAN]), DType::F32, DType::F32);
        assert!(nan.v.is_nan() && nan.is_exact());
        assert_eq!(reduce(ReduceOp::Prod, &exact(&[3.0, -5.0, 7.0]), DType::F32, DType::F32), Approx::exact(-105.0));
        assert!(reduce(ReduceOp::Prod, &exact(&[1e30, 1e30, 1e-30]), DType::F32, DType::F32).is_unknown());
    }
}
