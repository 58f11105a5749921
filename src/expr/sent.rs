//! What an index sends to the elements of a dim, found by sorting the index.
//!
//! Each place of the sorted index joins what follows it under the same number, twice as far at every step, so the first of
//! equal numbers has all of them, in an order that depends on sizes alone. That takes about `m log m` operations for `m`
//! indices; where all are few, to look at every index for every element takes less.

use super::join::cat;
use super::node::Expr;
use crate::{DType, ReduceOp};

/// Pairs of an index and an element up to which each element looks at every index.
const DIRECT: usize = 1 << 16;

/// An index into a dim of `size` elements, sorted along that dim.
pub(super) struct Sent {
    dim: usize,
    size: usize,
    /// The places of the indices in their order, equal ones as they stand; and the indices in that order.
    order: Expr,
    keys: Expr,
}

impl Sent {
    /// Of an index that is from 0 on and below `size`, if it pays to sort it.
    pub(super) fn new(index: &Expr, dim: usize, size: usize) -> Option<Self> {
        if index.shape()[dim].saturating_mul(size) <= DIRECT {
            return None;
        }
        let along = dim as isize;
        let order = index.argsort(along, false);
        let keys = index.take_along_dim(&order, along);
        Some(Self { dim, size, order, keys })
    }

    /// For each element of the dim the place, in the order, of the first index that names it, or of the last; and whether
    /// one does.
    fn places(&self, last: bool) -> (Expr, Expr) {
        let (along, m) = (self.dim as isize, self.keys.shape()[self.dim] as i64);
        let keys = self.keys.movedim(along, -1);
        let each = Expr::arange(self.size)
            .cast(DType::I32)
            .broadcast_to(keys.shape().resized(keys.shape().rank() - 1, self.size));
        let count = keys.searchsorted(&each, last);
        let place = if last { count - 1 } else { count }.clamp(0, m - 1).movedim(-1, along);
        let named = self.keys.take_along_dim(&place, along).eq(each.movedim(-1, along));
        (place, named)
    }

    /// For each element of the dim the last index that names it, and whether one does.
    pub(super) fn last(&self) -> (Expr, Expr) {
        let (place, named) = self.places(true);
        (self.order.take_along_dim(place, self.dim as isize), named)
    }

    /// Whether an index names each element of the dim.
    pub(super) fn named(&self) -> Expr {
        self.places(false).1
    }

    /// The sum of all values sent to each element of the dim.
    pub(super) fn summed(&self, values: &Expr) -> Expr {
        let (along, m) = (self.dim as isize, self.keys.shape()[self.dim]);
        let mut sums = values.take_along_dim(&self.order, along);
        let mut apart = 1;
        while apart < m {
            sums = sums.kept();
            let near = |x: &Expr| x.narrow(along, 0, m - apart);
            let far = |x: &Expr| x.narrow(along, apart, m - apart);
            let joined = Expr::select(near(&self.keys).eq(far(&self.keys)), near(&sums) + far(&sums), near(&sums));
            sums = cat(&[joined, sums.narrow(along, m - apart, apart)], along);
            apart *= 2;
        }
        let (place, named) = self.places(false);
        Expr::select(named, sums.kept().take_along_dim(place, along), 0)
    }
}

impl Expr {
    /// This, computed by a pass of its own and read from then on: the largest of one element each.
    fn kept(&self) -> Self {
        self.unsqueeze(0).reduce(ReduceOp::Amax, 0)
    }
}
