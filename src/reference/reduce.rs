//! Reductions by plain loops, with bounds that hold whatever the order of the additions.

use super::approx::Approx;
use super::convert::convert;
use super::elementwise::divide;
use super::running::Running;
use crate::{DType, ReduceOp, ScanOp};

/// Reduces `items` of dtype `from` to one value of dtype `to`.
pub(super) fn reduce(op: ReduceOp, items: &[Approx], from: DType, to: DType) -> Approx {
    let all = |op: ScanOp| {
        let mut running = Running::new(op, to);
        items.iter().for_each(|&x| running.push(x));
        running.value()
    };
    match op {
        ReduceOp::Any | ReduceOp::All => any_or_all(op, items, from),
        ReduceOp::Amax => all(ScanOp::Cummax),
        ReduceOp::Amin => all(ScanOp::Cummin),
        ReduceOp::Argmax => place(items, |a, b| a > b),
        ReduceOp::Argmin => place(items, |a, b| a < b),
        ReduceOp::Sum => all(ScanOp::Cumsum),
        ReduceOp::Prod => all(ScanOp::Cumprod),
        ReduceOp::Mean => divide(all(ScanOp::Cumsum), Approx::exact(items.len() as f64), to.compute()),
    }
}

/// Scans `items`, in the order of the scan, to as many values of dtype `to`.
pub(super) fn scan(op: ScanOp, exclusive: bool, items: impl Iterator<Item = Approx>, to: DType) -> Vec<Approx> {
    let mut running = Running::new(op, to);
    let value = |x: Approx| {
        let before = exclusive.then(|| running.value());
        running.push(x);
        before.unwrap_or_else(|| running.value())
    };
    items.map(value).collect()
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
