//! Reading by tensors of indices.
//!
//! What is read by an index fuses into whatever consumes it: nothing is gathered in memory. An index out of bounds is an
//! error: on the CPU of the evaluation, on a GPU of the next call that reads or waits. No memory but the tensor's is read.

use smallvec::smallvec;

use super::node::{Expr, Op};
use super::views::carry;
use crate::base::bounds::Bounds;
use crate::{DType, Error, Result, Shape};

impl Expr {
    /// The elements of `dim` that `index` chooses: PyTorch's `x[index]` for dim 0 and `x[:, index]` for dim 1.
    ///
    /// In the result, the dims of `index` stand in the place of `dim`. Negative numbers count from the end.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2], &device)?;
    /// let i = Tensor::from_slice(&[2, 0, -1], [3], &device)?;
    /// let x = Expr::from(&x);
    /// assert_eq!(x.index(0, &i).eval()?.to_vec::<f32>()?, [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
    /// assert_eq!((x.index(0, &i) * 10).sum(0).eval()?.to_vec::<f32>()?, [110.0, 140.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// The index is of i8, i16, i32 or i64: a u8 or a bool is a mask in PyTorch (see
    /// [`masked_select`](Self::masked_select)). Other dtypes are a mistake that the result carries, and a number out of
    /// range is [`Error::Index`] once it is read.
    #[must_use]
    pub fn index(&self, dim: isize, index: impl Into<Self>) -> Self {
        let build = |index| self.chosen("index", &[(self.shape().dim(dim, "index")?, index)], true);
        carry(self.check().and_then(|()| build(index.into())))
    }

    /// The rows that `index` chooses of this, a table: PyTorch's `embedding(index, table)`. Negative numbers are out of
    /// range; see [`index`](Self::index).
    #[must_use]
    pub fn embedding(&self, index: impl Into<Self>) -> Self {
        let build = |index| self.chosen("embedding", &[(self.shape().dim(0, "embedding")?, index)], false);
        carry(self.check().and_then(|()| build(index.into())))
    }

    /// The elements of `dim` that `index`, which has one dim or none, chooses: PyTorch's `index_select`. Negative numbers
    /// are out of range; see [`index`](Self::index).
    #[must_use]
    pub fn index_select(&self, dim: isize, index: impl Into<Self>) -> Self {
        let index = index.into();
        if index.shape().rank() > 1 {
            let found = format!("one of shape {}", index.shape());
            return Self::invalid(Error::argument("index_select", "an index with one dim", found));
        }
        let index = if index.shape().rank() == 0 && index.error().is_none() { index.reshape([1]) } else { index };
        let build = |index| self.chosen("index_select", &[(self.shape().dim(dim, "index_select")?, index)], false);
        carry(self.check().and_then(|()| build(index)))
    }

    /// The elements by their row-major numbers: PyTorch's `take`. The result has the shape of `index`; negative numbers
    /// count from the end.
    #[must_use]
    pub fn take(&self, index: impl Into<Self>) -> Self {
        carry(
            self.check().and_then(|()| self.reshape([self.shape().numel()]).chosen("take", &[(0, index.into())], true)),
        )
    }

    /// For each element of `index` the element of `dim` that it names, at the index's own place in all other dims:
    /// PyTorch's `take_along_dim`. Both have as many dims, and broadcast in all but `dim`. Negative numbers count
    /// from the end.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], &device)?;
    /// let best = Tensor::from_slice(&[2, 0], [2, 1], &device)?;
    /// assert_eq!(Expr::from(&x).take_along_dim(&best, 1).eval()?.to_vec::<f32>()?, [3.0, 4.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn take_along_dim(&self, index: impl Into<Self>, dim: isize) -> Self {
        carry(self.along("take_along_dim", dim, &index.into(), true))
    }

    /// The same where the index may be smaller in the other dims, of which it reads the first elements, and does not
    /// broadcast: PyTorch's `gather`. Negative numbers are out of range.
    #[must_use]
    pub fn gather(&self, dim: isize, index: impl Into<Self>) -> Self {
        let index = index.into();
        carry(self.first_of("gather", dim, &index).and_then(|x| x.along("gather", dim, &index, false)))
    }

    /// What indices of some dims choose together, each element of one with that of the others at its place; they broadcast.
    ///
    /// Their dims stand in the place of the first, if the dims they choose of are neighbours, else before all others.
    pub(super) fn chosen(&self, op: &'static str, indices: &[(usize, Self)], from_end: bool) -> Result<Self> {
        self.check()?;
        let mut shape = Shape::default();
        for (_, index) in indices {
            index.check()?;
            shape = shape.broadcast(index.shape(), op)?;
        }
        let (rank, n) = (shape.rank(), indices.len());
        let is_chosen = |d: &usize| indices.iter().any(|(dim, _)| dim == d);
        let rest: Vec<usize> = (0..self.shape().rank()).filter(|d| !is_chosen(d)).collect();
        // The indices' dims, of which there are none in this yet, then those chosen of, then the rest.
        let order: Vec<isize> =
            indices.iter().map(|(dim, _)| *dim).chain(rest.iter().copied()).map(|d| d as isize).collect();
        let moved = self.permute(&order);
        let ones = |n: usize| std::iter::repeat_n(1, n);
        let mut chosen = moved.reshape(ones(rank).chain(moved.shape().iter().copied()).collect::<Shape>());
        let result: Shape = shape.iter().copied().chain(rest.iter().map(|&d| self.shape()[d])).collect();
        result.checked_numel(op)?;
        for (i, (dim, index)) in indices.iter().enumerate() {
            let own = index.broadcast_to(shape.clone());
            let bounded = bounded(op, &own, *dim, self.shape()[*dim], from_end, result.numel())?;
            let spread: Shape = shape.iter().copied().chain(ones(n - i + rest.len())).collect();
            let read = chosen.read_by(&bounded.reshape(spread), rank);
            let left = rank + 1..read.shape().rank();
            chosen = read.reshape(shape.iter().copied().chain(left.map(|d| read.shape()[d])).collect::<Shape>());
        }
        let neighbours = indices.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1);
        let first = if neighbours { indices.first().map_or(0, |index| index.0) } else { 0 };
        let (front, back) = (rank..rank + first, rank + first..result.rank());
        Ok(chosen.permute(&front.chain(0..rank).chain(back).map(|d| d as isize).collect::<Vec<_>>()))
    }

    /// What an index chooses of a dim at its own place in the others.
    pub(super) fn along(&self, op: &'static str, dim: isize, index: &Self, from_end: bool) -> Result<Self> {
        let dim = self.same_rank(op, dim, index)?;
        let fit =
            |d: usize| d == dim || self.shape()[d] == index.shape()[d] || self.shape()[d] == 1 || index.shape()[d] == 1;
        if !(0..self.shape().rank()).all(fit) {
            let expected = format!("an index that fits {} in all dims but {dim}", self.shape());
            return Err(Error::argument(op, expected, format!("one of shape {}", index.shape())));
        }
        let result = self.beside(index, dim);
        result.checked_numel(op)?;
        Ok(self.read_by(&bounded(op, index, dim, self.shape()[dim], from_end, result.numel())?, dim))
    }

    /// The shape of both broadcast to each other in all dims but one, in which it is the index's.
    fn beside(&self, index: &Self, dim: usize) -> Shape {
        let sizes = |d: usize| match (self.shape()[d], index.shape()[d]) {
            (_, n) if d == dim => n,
            (1, n) | (n, _) => n,
        };
        (0..self.shape().rank()).map(sizes).collect()
    }

    /// The elements of `dim` that an index of as many dims chooses, both broadcast to each other in the other dims.
    pub(super) fn read_by(&self, bounded: &Self, dim: usize) -> Self {
        let result = self.beside(bounded, dim);
        let whole = result.resized(dim, self.shape()[dim]);
        Self::new(Op::Take { dim }, smallvec![bounded.clone(), self.broadcast_to(whole)], result, self.dtype())
    }

    /// The dim, where an index has as many dims.
    fn same_rank(&self, op: &'static str, dim: isize, index: &Self) -> Result<usize> {
        self.check()?;
        index.check()?;
        let dim = self.shape().dim(dim, op)?;
        if self.shape().rank() == index.shape().rank() {
            return Ok(dim);
        }
        let expected = format!("an index with {} dims, as {} has", self.shape().rank(), self.shape());
        Err(Error::argument(op, expected, format!("one of shape {}", index.shape())))
    }

    /// The first elements of all dims but `dim`, as many as `index` has.
    pub(super) fn first_of(&self, op: &'static str, dim: isize, index: &Self) -> Result<Self> {
        let dim = self.same_rank(op, dim, index)?;
        let mut part = self.clone();
        for d in (0..self.shape().rank()).filter(|&d| d != dim) {
            if index.shape()[d] > self.shape()[d] {
                let expected = format!("an index no larger than {} in dim {d}", self.shape());
                return Err(Error::argument(op, expected, format!("one of shape {}", index.shape())));
            }
            part = part.narrow(d as isize, 0, index.shape()[d]);
        }
        Ok(part)
    }
}

/// An index into a dim of `size` elements as one from 0 on, for `n` elements to be read.
pub(super) fn bounded(
    op: &'static str,
    index: &Expr,
    dim: usize,
    size: usize,
    from_end: bool,
    n: usize,
) -> Result<Expr> {
    const EXPECTED: &str = "an index of i8, i16, i32 or i64 (a mask of bools or u8 is for masked_select)";
    index.check()?;
    index.check_alone(op)?;
    let found = index.dtype();
    if !matches!(found, DType::I8 | DType::I16 | DType::I32 | DType::I64) {
        return Err(Error::DType { op, expected: EXPECTED, found });
    }
    let bounds = Bounds::new(op, dim, size, from_end, n)?;
    Ok(Expr::new(Op::Bounded(bounds), smallvec![index.clone()], index.shape().clone(), DType::I32))
}
