//! Reductions of what an index sends to the same place.

use super::graph::Fold;
use super::node::Expr;
use super::op::ReduceOp;
use super::segments::Segments;
use super::views::carry;
use crate::{DType, Error, Result, Shape};

impl Expr {
    /// For each element of `dim` the slices of `source` that `index` sends there, reduced: PyTorch's `index_reduce`, and a sum
    /// besides. What was there is part of the reduction if `include_self`; where the index names nothing, it stays.
    ///
    /// ```
    /// use hadamard::{Device, Expr, ReduceOp, Tensor};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device)?;
    /// let i = Tensor::from_slice(&[2, 0, 2], [3], &device)?;
    /// let more = Tensor::from_slice(&[10.0_f32, 20.0, 30.0], [3], &device)?;
    /// let mean = Expr::from(&x).index_reduce(0, &i, &more, ReduceOp::Mean, false);
    /// assert_eq!(mean.eval()?.to_vec::<f32>()?, [20.0, 2.0, 20.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// `op` is [`ReduceOp::Sum`], [`ReduceOp::Mean`], [`ReduceOp::Prod`], [`ReduceOp::Amax`] or [`ReduceOp::Amin`]; others are a
    /// mistake that the result carries. A mean of integers is rounded down. The gradient of an extreme is shared among equals.
    #[must_use]
    pub fn index_reduce(
        &self,
        dim: isize,
        index: impl Into<Self>,
        source: impl Into<Self>,
        op: ReduceOp,
        include_self: bool,
    ) -> Self {
        const OP: &str = "index_reduce";
        let build = |index: &Self, source: &Self| {
            let (at, index) = self.places(OP, dim, index, source)?;
            self.with_reduced(OP, op, &self.alike(OP, source)?, &index, at, include_self)
        };
        carry(build(&index.into(), &source.into()))
    }

    /// For each element of `dim` the elements of `source` that `index` sends there, at its own place in all other dims, reduced:
    /// PyTorch's `scatter_reduce`. Sizes are as in [`scatter_add`](Self::scatter_add), all else as in
    /// [`index_reduce`](Self::index_reduce).
    ///
    /// ```
    /// use hadamard::{Device, Expr, ReduceOp, Tensor};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device)?;
    /// let i = Tensor::from_slice(&[2, 0, 2], [3], &device)?;
    /// let more = Tensor::from_slice(&[10.0_f32, -20.0, 30.0], [3], &device)?;
    /// let largest = Expr::from(&x).scatter_reduce(0, &i, &more, ReduceOp::Amax, true);
    /// assert_eq!(largest.eval()?.to_vec::<f32>()?, [1.0, 2.0, 30.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn scatter_reduce(
        &self,
        dim: isize,
        index: impl Into<Self>,
        source: impl Into<Self>,
        op: ReduceOp,
        include_self: bool,
    ) -> Self {
        const OP: &str = "scatter_reduce";
        let build = |index: &Self, source: &Self| {
            let (at, part, index, source) = self.targets(OP, dim, index, source)?;
            let reduced = part.with_reduced(OP, op, &self.alike(OP, &source)?, &index, at, include_self)?;
            Ok(if part.shape() == self.shape() { reduced } else { self.with_first(&reduced) })
        };
        carry(build(&index.into(), &source.into()))
    }

    /// The slices of dim 0, of which `ids`, of one dim, says to which of `n` segments each belongs, reduced by segment: what
    /// PyTorch's `segment_reduce` gives where segments follow each other, which they need not here.
    ///
    /// ```
    /// use hadamard::{Device, Expr, ReduceOp, Tensor};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [4], &device)?;
    /// let ids = Tensor::from_slice(&[0, 0, 2, 0], [4], &device)?;
    /// let sums = Expr::from(&x).segment_reduce(ReduceOp::Sum, &ids, 3);
    /// assert_eq!(sums.eval()?.to_vec::<f32>()?, [7.0, 0.0, 3.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// A segment without slices has the sum 0, the product 1, the mean NaN, and of floats minus infinity as its largest element
    /// and infinity as its smallest; of integers the ends of their range. The dtype stays, so sums of integers wrap; means are
    /// of floats. `op` is as in [`index_reduce`](Self::index_reduce). With lengths in place of ids,
    /// `lengths.cumsum(0).searchsorted(Expr::arange(m), true)` are the ids of `m` slices.
    #[must_use]
    pub fn segment_reduce(&self, op: ReduceOp, ids: impl Into<Self>, n: usize) -> Self {
        const OP: &str = "segment_reduce";
        let build = |ids: &Self| {
            ids.check()?;
            let at = self.shape().dim(0, OP)?;
            if *ids.shape() != Shape::from([self.shape()[at]]) {
                let expected = format!("an id for each of the {} slices of dim 0", self.shape()[at]);
                return Err(Error::argument(OP, expected, format!("ids of shape {}", ids.shape())));
            }
            let (at, index) = self.resized(at, n).places(OP, at as isize, ids, self)?;
            let segments = Segments::new(OP, &index, self.shape(), at, n)?;
            let folded = segments.folded(fold_of(OP, op)?, self, &identity(op, self.dtype()));
            if op != ReduceOp::Mean {
                return Ok(folded);
            }
            if !self.dtype().is_float() {
                return Err(Error::DType { op: OP, expected: "a float (cast it first)", found: self.dtype() });
            }
            Ok((folded / counted(OP, &index, at, n)?).cast(self.dtype()))
        };
        carry(self.check().and_then(|()| build(&ids.into())))
    }

    /// Zeros of this dtype and shape, but for one dim.
    fn resized(&self, dim: usize, size: usize) -> Self {
        Self::from(0).cast(self.dtype()).broadcast_to(self.shape().resized(dim, size))
    }

    /// This with the values of `source`, of its dtype, that `index` sends to elements of dim `at`, reduced.
    fn with_reduced(
        &self,
        name: &'static str,
        op: ReduceOp,
        source: &Self,
        index: &Self,
        at: usize,
        include_self: bool,
    ) -> Result<Self> {
        let (size, dtype) = (self.shape()[at], self.dtype());
        let fold = fold_of(name, op)?;
        let segments = Segments::new(name, index, source.shape(), at, size)?;
        if op != ReduceOp::Mean && include_self {
            return Ok(segments.folded(fold, source, self));
        }
        let folded = segments.folded(fold, source, &if include_self { self.clone() } else { identity(op, dtype) });
        let count = counted(name, index, at, size)?;
        let result = match op {
            ReduceOp::Mean => {
                let count = if include_self { &count + 1 } else { count.clamp_min(1) };
                let mean = if dtype.is_float() { folded / count } else { folded.floor_divide(count) };
                mean.cast(dtype)
            }
            _ => folded,
        };
        Ok(Self::select(count.gt(0), result, self))
    }
}

fn fold_of(name: &'static str, op: ReduceOp) -> Result<Fold> {
    match op {
        ReduceOp::Sum | ReduceOp::Mean => Ok(Fold::Sum),
        ReduceOp::Prod => Ok(Fold::Prod),
        ReduceOp::Amax => Ok(Fold::Amax),
        ReduceOp::Amin => Ok(Fold::Amin),
        ReduceOp::Any | ReduceOp::All | ReduceOp::Argmax | ReduceOp::Argmin => {
            Err(Error::argument(name, "sum, mean, prod, amax or amin", op.name().to_owned()))
        }
    }
}

/// What a reduction of no elements of a dtype gives.
fn identity(op: ReduceOp, dtype: DType) -> Expr {
    let number = match (op, dtype.integer_range()) {
        (ReduceOp::Amax, None) if dtype != DType::Bool => f64::NEG_INFINITY.into(),
        (ReduceOp::Amin, None) if dtype != DType::Bool => f64::INFINITY.into(),
        (ReduceOp::Amin, _) if dtype == DType::U64 => return Expr::from(-1).cast(DType::I64).cast(dtype),
        (ReduceOp::Amax, Some((low, _))) => low.into(),
        (ReduceOp::Amin, Some((_, high))) => high.into(),
        (ReduceOp::Prod | ReduceOp::Amin, _) => 1.into(),
        _ => Expr::from(0),
    };
    number.cast(dtype)
}

/// How often an index names each of `size` elements of dim `at`: an i32 that broadcasts to the result.
fn counted(name: &'static str, index: &Expr, at: usize, size: usize) -> Result<Expr> {
    let shape: Shape = index.shape().clone();
    let ones = Expr::from(1).cast(DType::I32);
    Ok(Segments::new(name, index, &shape, at, size)?.folded(Fold::Sum, &ones, &Expr::from(0).cast(DType::I32)))
}
