//! The elements along a dim in their order, and their places, as nodes.

use std::fmt;

use smallvec::smallvec;

use super::node::{Expr, Op};
use super::unsigned;
use crate::{DType, Result, Shape};

/// What is wanted of the elements along the last dim in their order: of ranks `first` to `first + count`, counted from 0,
/// elements or places. NaN is larger than any number, and equal elements stay as they stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sort {
    /// Whether the largest has rank 0.
    pub(crate) descending: bool,
    /// Whether elements are wanted, not places.
    pub(crate) values: bool,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

impl Sort {
    /// The name `Debug` prints.
    pub(crate) const fn name(self) -> &'static str {
        match (self.values, self.descending) {
            (false, false) => "argsort",
            (false, true) => "argsort of the largest first",
            (true, false) => "sort",
            (true, true) => "sort of the largest first",
        }
    }

    /// Whether it wants elements or places of the same ranks.
    pub(crate) fn is_of_same_ranks(self, other: Self) -> bool {
        self == Self { values: self.values, ..other }
    }

    /// The elements or places along the last dim of `x`.
    fn of(self, x: Expr) -> Expr {
        let mut shape = x.shape().to_vec();
        shape[x.shape().rank() - 1] = self.count;
        let dtype = if self.values { x.dtype() } else { DType::I64 };
        Expr::new(Op::Sort(self), smallvec![x], Shape::from(shape), dtype)
    }

    /// The places of what it wants.
    pub(super) fn places_of(self, x: &Expr) -> Expr {
        Self { values: false, ..self }.of(x.clone())
    }
}

/// As `explain` prints it.
impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { values, descending, first, count } = *self;
        f.write_str(if values { "elements" } else { "places" })?;
        f.write_str(if descending { ", falling" } else { ", rising" })?;
        write!(f, ", {count} from {first} on")
    }
}

/// The order of elements along a dim: what a [`Sort`] is made of.
pub(super) struct Order {
    /// The elements, along the last dim.
    pub(super) of: Expr,
    pub(super) sort: Sort,
    /// The dim they came from.
    pub(super) dim: isize,
    pub(super) is_u64: bool,
    pub(super) is_scalar: bool,
}

impl Order {
    /// Only `count` ranks from `first` on.
    pub(super) fn ranks(self, first: usize, count: usize) -> Self {
        Self { sort: Sort { first, count, ..self.sort }, ..self }
    }

    pub(super) fn places(&self) -> Expr {
        self.along_dim(&self.sort.of(self.of.clone()))
    }

    pub(super) fn values(&self) -> Expr {
        let values = Sort { values: true, ..self.sort }.of(self.of.clone());
        self.along_dim(&if self.is_u64 { unsigned::from_ordered(&values) } else { values })
    }

    /// Elements and places.
    pub(super) fn pair(&self) -> (Expr, Expr) {
        (self.values(), self.places())
    }

    fn along_dim(&self, sorted: &Expr) -> Expr {
        let sorted = sorted.movedim(-1, self.dim);
        if self.is_scalar && self.sort.count == 1 { sorted.reshape([0; 0]) } else { sorted }
    }
}

/// The elements and places of an order.
pub(super) fn both(order: Result<Order>) -> (Expr, Expr) {
    order.map_or_else(|e| (Expr::invalid(e.clone()), Expr::invalid(e)), |order| order.pair())
}

/// Elements and places, without the dim, of which they have one.
pub(super) fn without(dim: isize, pair: Result<(Expr, Expr)>) -> (Expr, Expr) {
    let squeeze = |x: Expr| if x.shape().rank() == 0 { x } else { x.squeeze(dim) };
    pair.map_or_else(
        |e| (Expr::invalid(e.clone()), Expr::invalid(e)),
        |(value, place)| (squeeze(value), squeeze(place)),
    )
}
