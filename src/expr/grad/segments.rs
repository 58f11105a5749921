//! The gradients of rows folded into those that an index names.

use super::typed;
use crate::DType;
use crate::expr::graph::Fold;
use crate::expr::node::{Expr, Op};
use crate::expr::segments::named_rows;
use crate::expr::views::carry;

/// The gradient of argument `i` of `y`, a node of [`Op::Segments`]: of the values, which are argument 1, or of the base.
pub(super) fn segments(fold: Fold, row: usize, i: usize, grad: &Expr, y: &Expr) -> Option<Expr> {
    let [keys, values, base] = &y.0.args[..] else { return None };
    if i == 0 {
        return None;
    }
    let grad = typed(grad, y.dtype()).broadcast_to(y.shape());
    let named = |x: &Expr| carry(named_rows(x, keys, row, values.shape()));
    let with = |fold: Fold, values: &Expr, base: &Expr| {
        let [values, base] = [(values, values.shape()), (base, base.shape())].map(|(x, shape)| x.broadcast_to(shape));
        let shape = y.shape().clone();
        Expr::new(
            Op::Segments(fold, row),
            [keys.clone(), values, base.clone()].into_iter().collect(),
            shape,
            base.dtype(),
        )
    };
    // What both arguments get is found alike.
    let of = |in_base: Expr, in_values: &dyn Fn() -> Expr| if i == 2 { in_base } else { in_values() };
    Some(match fold {
        Fold::Sum => of(grad.clone(), &|| named(&grad)),
        Fold::Prod => {
            // The product of the others: that of all that are not 0, divided by this one, if no other is 0.
            let is_zero = [values, base].map(|x| x.eq(0));
            let [rows, kept] = [values, base].map(|x| Expr::select(x.eq(0), 1, x));
            let product = with(Fold::Prod, &rows, &kept) * &grad;
            let [zero_rows, zero_kept] = is_zero.each_ref().map(|x| x.cast(DType::I32));
            let zeros = with(Fold::Sum, &zero_rows, &zero_kept);
            let part = |product: &Expr, zeros: &Expr, own: &Expr, x: &Expr| Expr::select(zeros.eq(own), product / x, 0);
            of(part(&product, &zeros, &zero_kept, &kept), &|| part(&named(&product), &named(&zeros), &zero_rows, &rows))
        }
        Fold::Amax | Fold::Amin => {
            // Those that are equal to the result share; NaN wins.
            let hits = |x: &Expr, y: &Expr| x.eq(y) | x.isnan();
            let (in_values, in_base) = (hits(values, &named(y)), hits(base, y));
            let count = with(Fold::Sum, &in_values.cast(y.dtype()), &in_base.cast(y.dtype()));
            let share = grad / count;
            of(Expr::select(&in_base, &share, 0), &|| Expr::select(&in_values, named(&share), 0))
        }
        Fold::Last | Fold::Logaddexp => {
            let places = keys.shape().numel();
            let number = Expr::arange(places).cast(DType::I32).reshape(keys.shape().clone());
            let number = number.broadcast_to(values.shape().clone());
            let none = Expr::from(-1).cast(DType::I32).broadcast_to(y.shape().clone());
            let last = with(Fold::Last, &number, &none);
            of(Expr::select(last.lt(0), &grad, 0), &|| Expr::select(named(&last).eq(&number), named(&grad), 0))
        }
    })
}
