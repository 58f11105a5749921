//! Writing by tensors of indices.
//!
//! Few indices are looked at by every element, in the pass that reads the result; many are a pass of their own, by
//! [`Segments`].

use super::graph::Fold;
use super::node::Expr;
use super::segments::Segments;
use super::take::bounded;
use super::views::carry;
use crate::{DType, Error, Result, Shape};

impl Expr {
    /// This expression with the slices of `source` added to the elements of `dim` that `index` names: PyTorch's `index_add`. Where an element is named twice, both are added, in their order.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device)?;
    /// let i = Tensor::from_slice(&[2, 0, 2], [3], &device)?;
    /// let more = Tensor::from_slice(&[10.0_f32, 20.0, 30.0], [3], &device)?;
    /// assert_eq!(Expr::from(&x).index_add(0, &i, &more).eval()?.to_vec::<f32>()?, [21.0, 2.0, 43.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Slices for one element are added in their order, to what was there; on a GPU in pieces whose sizes depend on the sizes
    /// of the tensors alone. Assigned to the tensor itself (`x.assign(x.index_add(..))`), only the elements named are touched, if
    /// the dtype is f32, f64, i32 or i64 and the tensor is contiguous.
    #[must_use]
    pub fn index_add(&self, dim: isize, index: impl Into<Self>, source: impl Into<Self>) -> Self {
        const OP: &str = "index_add";
        let build = |index: &Self, source: &Self| {
            let (at, index) = self.places(OP, dim, index, source)?;
            scattered(OP, self, &self.alike(OP, source)?, &index, at)
        };
        carry(build(&index.into(), &source.into()))
    }

    /// This expression with the slices of `source` in the place of the elements of `dim` that `index` names: PyTorch's
    /// `index_copy`. Where an element is named twice, the last one stays.
    #[must_use]
    pub fn index_copy(&self, dim: isize, index: impl Into<Self>, source: impl Into<Self>) -> Self {
        const OP: &str = "index_copy";
        let build = |index: &Self, source: &Self| {
            let (at, index) = self.places(OP, dim, index, source)?;
            self.replaced(OP, at, &index, source)
        };
        carry(build(&index.into(), &source.into()))
    }

    /// This expression with `value` in the place of the elements of `dim` that `index` names: PyTorch's `index_fill`.
    #[must_use]
    pub fn index_fill(&self, dim: isize, index: impl Into<Self>, value: impl Into<Self>) -> Self {
        const OP: &str = "index_fill";
        let build = |index: &Self, value: Self| {
            let at = self.shape().dim(dim, OP)?;
            let index = self.slices(OP, at, index)?;
            let (n, size) = (index.shape()[at], self.shape()[at]);
            let from = self.shape().resized(at, n);
            if is_direct(&index, &from, size) {
                return Ok(Self::select(Self::meets(&index, at, size).any(at as isize + 1), value, self));
            }
            let segments = Segments::new(OP, &index, &from, at, size)?;
            // It has the dtype of a selection, and its errors.
            let like = Self::select(self.eq(self), &value, self);
            like.check()?;
            if value.shape().rank() > 0 {
                let none = Self::from(false).cast(DType::Bool).broadcast_to(self.shape());
                return Ok(Self::select(segments.folded(Fold::Last, &true.into(), &none), value, self));
            }
            Ok(segments.folded(Fold::Last, &value.cast(like.dtype()), &self.cast(like.dtype())))
        };
        carry(self.check().and_then(|()| build(&index.into(), value.into())))
    }

    /// This expression with each element of `source` added to the one of `dim` that `index` names at its place: PyTorch's
    /// `scatter_add`. `index` may be smaller than both in all dims but `dim`, where it may not be larger than `source`.
    #[must_use]
    pub fn scatter_add(&self, dim: isize, index: impl Into<Self>, source: impl Into<Self>) -> Self {
        const OP: &str = "scatter_add";
        let build = |index: &Self, source: &Self| {
            let (at, part, index, source) = self.targets(OP, dim, index, source)?;
            let source = self.alike(OP, &source)?;
            if part.shape() == self.shape() {
                return scattered(OP, self, &source, &index, at);
            }
            let none = Self::from(0).cast(self.dtype()).broadcast_to(part.shape());
            Ok(self + scattered(OP, &none, &source, &index, at)?.padded(self.shape()))
        };
        carry(build(&index.into(), &source.into()))
    }

    /// This expression with each element of `source` in the place of the one of `dim` that `index` names at its place:
    /// PyTorch's `scatter`. Sizes are as in [`scatter_add`](Self::scatter_add); of several, the last one stays.
    #[must_use]
    pub fn scatter(&self, dim: isize, index: impl Into<Self>, source: impl Into<Self>) -> Self {
        const OP: &str = "scatter";
        let build = |index: &Self, source: &Self| {
            let (at, part, index, source) = self.targets(OP, dim, index, source)?;
            if part.shape() == self.shape() {
                return self.replaced(OP, at, &index, &source);
            }
            Ok(self.with_first(&part.replaced(OP, at, &index, &source)?))
        };
        carry(build(&index.into(), &source.into()))
    }

    /// What is to be written into this, in its dtype, which must hold it.
    pub(super) fn alike(&self, op: &'static str, source: &Self) -> Result<Self> {
        if source.dtype().promote(self.dtype()) == Some(self.dtype()) {
            return Ok(source.cast(self.dtype()));
        }
        Err(Error::argument(op, format!("a source that {} holds", self.dtype()), source.dtype().to_string()))
    }

    /// An index with one dim, into dim `dim`, with ones for the dims after it.
    fn slices(&self, op: &'static str, dim: usize, index: &Self) -> Result<Self> {
        index.check()?;
        if index.shape().rank() > 1 {
            return Err(Error::argument(op, "an index with one dim", format!("one of shape {}", index.shape())));
        }
        let n = index.shape().numel();
        let ones = |n: usize| std::iter::repeat_n(1, n);
        let own: Shape = ones(dim).chain([n]).chain(ones(self.shape().rank() - dim - 1)).collect();
        Ok(bounded(op, index, dim, self.shape()[dim], false, n)?.reshape(own))
    }

    /// The dim and the index of an update by slices of `source`, which has this shape but for as many slices as indices.
    pub(super) fn places(&self, op: &'static str, dim: isize, index: &Self, source: &Self) -> Result<(usize, Self)> {
        self.check()?;
        source.check()?;
        let dim = self.shape().dim(dim, op)?;
        let index = self.slices(op, dim, index)?;
        let n = index.shape()[dim];
        let wanted = self.shape().resized(dim, n);
        if *source.shape() != wanted {
            return Err(Error::argument(op, format!("a source of shape {wanted}"), source.shape().to_string()));
        }
        Ok((dim, index))
    }

    /// For an update by elements: the dim, the part of this that the index reaches, the index, and as much of the source.
    pub(super) fn targets(
        &self,
        op: &'static str,
        dim: isize,
        index: &Self,
        source: &Self,
    ) -> Result<(usize, Self, Self, Self)> {
        source.check()?;
        let part = self.first_of(op, dim, index)?;
        // A number goes everywhere.
        let all = source.cast(self.dtype()).broadcast_to(index.shape());
        let source = if source.as_number().is_some() { &all } else { source };
        let dim = self.shape().dim(dim, op)?;
        let reaches = |d: usize| source.shape()[d] >= index.shape()[d];
        if source.shape().rank() != index.shape().rank() || !(0..self.shape().rank()).all(reaches) {
            let expected = format!("a source at least as large as the index, {}", index.shape());
            return Err(Error::argument(op, expected, source.shape().to_string()));
        }
        let all = index.shape().iter().enumerate();
        let source = all.fold(source.clone(), |source, (d, &n)| source.narrow(d as isize, 0, n));
        let index = bounded(op, index, dim, self.shape()[dim], false, index.shape().numel())?;
        Ok((dim, part, index, source))
    }

    /// This with what is last written to each element of `dim` in its place.
    fn replaced(&self, op: &'static str, dim: usize, index: &Self, source: &Self) -> Result<Self> {
        let n = index.shape()[dim];
        if n == 0 {
            return Ok(self.clone());
        }
        let size = self.shape()[dim];
        let source = self.alike(op, source)?;
        if !is_direct(index, source.shape(), size) {
            return Ok(Segments::new(op, index, source.shape(), dim, size)?.folded(Fold::Last, &source, self));
        }
        // Which of the indices is the last to name an element, if one does.
        let number = Self::coordinate(n, dim + 1, self.shape().rank() + 1);
        let last = Self::select(Self::meets(index, dim, size), number, -1).amax(dim as isize + 1);
        let from = bounded(op, &last.clamp_min(0), dim, n, false, self.shape().numel())?;
        Ok(Self::select(last.ge(0), source.read_by(&from, dim), self))
    }

    /// Whether each index names each element of `dim`: a new dim, that of the indices, stands after `dim`.
    fn meets(index: &Self, dim: usize, size: usize) -> Self {
        index.unsqueeze(dim as isize).eq(Self::coordinate(size, dim, index.shape().rank() + 1))
    }

    /// Where the elements of a shape's first part lie.
    fn inside(part: &Shape, whole: &Shape) -> Self {
        let below = |d: usize| Self::coordinate(whole[d], d, whole.rank()).lt(part[d] as i64);
        let cut = (0..whole.rank()).filter(|&d| part[d] < whole[d]).map(below);
        cut.reduce(|a, b| a.logical_and(b)).unwrap_or_else(|| true.into())
    }

    /// This with its first elements of all dims replaced by others.
    pub(super) fn with_first(&self, part: &Self) -> Self {
        Self::select(Self::inside(part.shape(), self.shape()), part.padded(self.shape()), self)
    }

    /// This at the start of zeros.
    fn padded(&self, whole: &Shape) -> Self {
        if self.shape() == whole {
            return self.clone();
        }
        if self.shape().numel() == 0 {
            return Self::from(0).cast(self.dtype()).broadcast_to(whole);
        }
        let sizes = whole.iter().enumerate();
        let spread = sizes.fold(self.clone(), |x, (d, &n)| if x.shape()[d] == n { x } else { x.periodic(d, 1, 0, n) });
        Self::select(Self::inside(self.shape(), whole), spread, 0)
    }
}

/// Pairs of an index and an element, times elements of a row, up to which each element looks at every index: that is part
/// of the pass that reads the result.
const DIRECT: usize = 1 << 14;

fn is_direct(index: &Expr, values: &Shape, size: usize) -> bool {
    let alike = index.shape().rank() == values.rank();
    !alike || values.numel().saturating_mul(size) <= DIRECT
}

/// `base` with `values` added where `index`, which broadcasts to them, says along dim `dim`. Of one dtype.
fn scattered(op: &'static str, base: &Expr, values: &Expr, index: &Expr, dim: usize) -> Result<Expr> {
    let size = base.shape()[dim];
    if is_direct(index, values.shape(), size) {
        return Ok(base + summed(values, index, dim, size));
    }
    Ok(Segments::new(op, index, values.shape(), dim, size)?.folded(Fold::Sum, values, base))
}

/// What is sent to each of `size` elements of dim `dim`, added up.
fn summed(values: &Expr, index: &Expr, dim: usize, size: usize) -> Expr {
    let sent = Expr::select(Expr::meets(index, dim, size), values.unsqueeze(dim as isize), 0);
    sent.sum(dim as isize + 1).cast(values.dtype())
}

/// The sums of the gradients of what an index chose, for each of `size` elements of dim `dim`.
pub(super) fn gathered_gradient(grad: &Expr, index: &Expr, dim: usize, size: usize) -> Expr {
    if is_direct(index, grad.shape(), size) {
        return summed(grad, index, dim, size);
    }
    let none = Expr::from(0).cast(grad.dtype()).broadcast_to(grad.shape().resized(dim, size));
    carry(scattered("take_along_dim", &none, grad, index, dim))
}
