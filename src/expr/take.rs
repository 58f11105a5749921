//! Reading and writing by tensors of indices.
//!
//! What is read by an index fuses into whatever consumes it: nothing is gathered in memory. An index out of bounds is an
//! error: on the CPU of the evaluation, on a GPU of the next call that reads or waits. No memory but the tensor's is read.

use smallvec::smallvec;

use super::node::{Expr, Op};
use super::sent::Sent;
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
    /// The order of adding depends on sizes alone; many indices are sorted first.
    #[must_use]
    pub fn index_add(&self, dim: isize, index: impl Into<Self>, source: impl Into<Self>) -> Self {
        const OP: &str = "index_add";
        let build = |index: &Self, source: &Self| {
            let (at, index) = self.places(OP, dim, index, source)?;
            Ok(self + scattered(&self.alike(OP, source)?, &index, at, self.shape()[at]))
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
            let size = self.shape()[at];
            let named = match Sent::new(&index, at, size) {
                Some(sent) => sent.named(),
                None => Self::meets(&index, at, size).any(at as isize + 1),
            };
            Ok(Self::select(named, value, self))
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
            let sum = scattered(&self.alike(OP, &source)?, &index, at, part.shape()[at]);
            Ok(self + sum.padded(self.shape()))
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
            let replaced = part.replaced(OP, at, &index, &source)?;
            Ok(Self::select(Self::inside(part.shape(), self.shape()), replaced.padded(self.shape()), self))
        };
        carry(build(&index.into(), &source.into()))
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
    fn read_by(&self, bounded: &Self, dim: usize) -> Self {
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

    /// What is to be written into this, in its dtype, which must hold it.
    fn alike(&self, op: &'static str, source: &Self) -> Result<Self> {
        if source.dtype().promote(self.dtype()) == Some(self.dtype()) {
            return Ok(source.cast(self.dtype()));
        }
        Err(Error::argument(op, format!("a source that {} holds", self.dtype()), source.dtype().to_string()))
    }

    /// The first elements of all dims but `dim`, as many as `index` has.
    fn first_of(&self, op: &'static str, dim: isize, index: &Self) -> Result<Self> {
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
    fn places(&self, op: &'static str, dim: isize, index: &Self, source: &Self) -> Result<(usize, Self)> {
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
    fn targets(&self, op: &'static str, dim: isize, index: &Self, source: &Self) -> Result<(usize, Self, Self, Self)> {
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
        // Which of the indices is the last to name an element, and whether one does.
        let (last, named) = if let Some(sent) = Sent::new(index, dim, size) {
            sent.last()
        } else {
            let number = Self::coordinate(n, dim + 1, self.shape().rank() + 1);
            let last = Self::select(Self::meets(index, dim, size), number, -1).amax(dim as isize + 1);
            (last.clamp_min(0), last.ge(0))
        };
        let from = bounded(op, &last, dim, n, false, self.shape().numel())?;
        Ok(Self::select(named, self.alike(op, source)?.read_by(&from, dim), self))
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

/// What is sent to each of `size` elements of dim `dim`, added up: `values` are sent to where `index`, which broadcasts to
/// them, says.
pub(super) fn scattered(values: &Expr, index: &Expr, dim: usize, size: usize) -> Expr {
    if index.shape().rank() == values.shape().rank()
        && index.shape()[dim] == values.shape()[dim]
        && let Some(sent) = Sent::new(index, dim, size)
    {
        let to_sum = if values.dtype() == DType::Bool { values.cast(DType::I64) } else { values.clone() };
        return sent.summed(&to_sum).cast(values.dtype());
    }
    let sent = Expr::select(Expr::meets(index, dim, size), values.unsqueeze(dim as isize), 0);
    sent.sum(dim as isize + 1).cast(values.dtype())
}
