//! The gradient of what an index chose of something.

use super::typed;
use crate::Shape;
use crate::base::views::View;
use crate::expr::node::{Expr, Op};
use crate::expr::update::gathered_gradient;

/// Whose gradient a take along `dim` hands on, and that gradient.
///
/// It is what is chosen of, or if that repeats something, as a table of which each place of an index chooses a row, then what is
/// repeated: the gradients of all repetitions are sent to the one, so that none is as large as all of them.
pub(super) fn of_source<'a>(take: &'a Expr, dim: usize, grad: &Expr) -> (&'a Expr, Expr) {
    let [index, source] = &take.0.args[..] else { unreachable!("a take has an index and a source") };
    let (shape, size) = (take.shape(), source.shape()[dim]);
    let grad = typed(grad, take.dtype()).broadcast_to(shape);
    let whole = |grad: &Expr| (source, gathered_gradient(grad, index, dim, size));
    let Op::View(View::Broadcast(_)) = source.0.op else { return whole(&grad) };
    let repeated = &source.0.args[0];
    let new = shape.rank() - repeated.shape().rank();
    let repeats = |&d: &usize| source.shape()[d] > 1 && (d < new || repeated.shape()[d - new] == 1);
    if repeats(&dim) || !(0..shape.rank()).any(|d| repeats(&d)) {
        return whole(&grad);
    }
    // The dims of repetitions go before the one that is indexed, and become one with it.
    let kept = |dims: std::ops::Range<usize>| dims.filter(|d| !repeats(d));
    let (before, first) = (kept(0..dim), kept(0..dim).count());
    let repetitions = (0..shape.rank()).filter(repeats);
    let joined = repetitions.clone().count() + 1;
    let order: Vec<isize> =
        before.chain(repetitions).chain([dim]).chain(kept(dim + 1..shape.rank())).map(|d| d as isize).collect();
    let join = |x: &Expr| {
        let x = x.permute(&order);
        let (front, rest) = x.shape().split_at(first);
        let (one, back) = rest.split_at(joined);
        let sizes = front.iter().copied().chain([one.iter().product()]).chain(back.iter().copied());
        x.reshape(sizes.collect::<Shape>())
    };
    let sizes = (0..shape.rank()).map(|d| if d == dim || repeats(&d) { shape[d] } else { index.shape()[d] });
    let index = index.broadcast_to(sizes.collect::<Shape>());
    let sum = gathered_gradient(&join(&grad), &join(&index), first, size);
    (repeated, sum.reshape(repeated.shape().clone()))
}
