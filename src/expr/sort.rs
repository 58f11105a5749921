//! Order along a dim, and what is found by it.

use super::node::Expr;
use super::order::{Order, Sort, both, without};
use super::unsigned;
use super::views::carry;
use crate::{DType, Error, Result};

impl Expr {
    /// The places of the elements along `dim` in their order, PyTorch's `argsort`: an i64 for each element.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3.0_f32, 1.0, 2.0, 1.0], [4], &Device::cpu())?;
    /// assert_eq!(x.argsort(0, false).eval()?.to_vec::<i64>()?, [1, 3, 2, 0]);
    /// assert_eq!(x.argsort(0, true).eval()?.to_vec::<i64>()?, [0, 2, 1, 3]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// The smallest comes first, or with `descending` the largest. NaN is larger than any number, and equal elements stay in
    /// their order (PyTorch's `stable`). A scalar has dim 0. A dim of 2³¹ elements or more is an error. On a GPU so is one
    /// that is longer than a storage binding shows, `Error::Limit`; the CPU sorts it.
    #[must_use]
    pub fn argsort(&self, dim: isize, descending: bool) -> Self {
        carry(self.order_along("argsort", dim, descending).map(|order| order.places()))
    }

    /// The elements along `dim` in their order, and their places: PyTorch's `sort`. See [`argsort`](Self::argsort).
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3.0_f32, 1.0, 2.0], [3], &Device::cpu())?;
    /// let (values, places) = x.sort(0, true);
    /// assert_eq!(values.eval()?.to_vec::<f32>()?, [3.0, 2.0, 1.0]);
    /// assert_eq!(places.eval()?.to_vec::<i64>()?, [0, 2, 1]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn sort(&self, dim: isize, descending: bool) -> (Self, Self) {
        both(self.order_along("sort", dim, descending))
    }

    /// The `k` largest elements along `dim`, or the smallest, in their order, and their places: PyTorch's `topk`.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3.0_f32, 1.0, 4.0, 2.0], [4], &Device::cpu())?;
    /// let (values, places) = x.topk(2, 0, true);
    /// assert_eq!(values.eval()?.to_vec::<f32>()?, [4.0, 3.0]);
    /// assert_eq!(places.eval()?.to_vec::<i64>()?, [2, 0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// More than there are is a mistake that both carry.
    #[must_use]
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> (Self, Self) {
        const OP: &str = "topk";
        both((|| {
            let n = self.size_along(OP, dim)?;
            if k > n {
                return Err(Error::argument(OP, format!("a k of at most {n}, the size of the dim"), k.to_string()));
            }
            Ok(self.order_along(OP, dim, largest)?.ranks(0, k))
        })())
    }

    /// The `k`-th smallest element along `dim`, counted from 1, and its place: PyTorch's `kthvalue`. The results do not have
    /// the dim.
    #[must_use]
    pub fn kthvalue(&self, k: usize, dim: isize) -> (Self, Self) {
        const OP: &str = "kthvalue";
        without(
            dim,
            (|| {
                let n = self.size_along(OP, dim)?;
                if k == 0 || k > n {
                    return Err(Error::argument(OP, format!("a k from 1 to {n}"), k.to_string()));
                }
                Ok(self.order_along(OP, dim, false)?.ranks(k - 1, 1).pair())
            })(),
        )
    }

    /// The median along `dim`, the smaller of two in the middle, and its place: PyTorch's `median`. It is NaN if there is a
    /// NaN. The results do not have the dim.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3.0_f32, 1.0, 2.0, 5.0], [4], &Device::cpu())?;
    /// let (value, place) = x.median(0);
    /// assert_eq!((value.eval()?.item::<f32>()?, place.eval()?.item::<i64>()?), (2.0, 2));
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn median(&self, dim: isize) -> (Self, Self) {
        const OP: &str = "median";
        without(
            dim,
            (|| {
                let n = self.size_to_choose(OP, dim)?;
                let (value, place) = self.order_along(OP, dim, false)?.ranks((n - 1) / 2, 1).pair();
                if !self.dtype().is_float() {
                    return Ok((value, place));
                }
                // The largest, which is NaN if there is one.
                let this = self.ranked();
                let at = this.argmax(dim).unsqueeze(dim);
                let largest = this.take_along_dim(&at, dim);
                let is_nan = largest.isnan();
                Ok((Self::select(&is_nan, largest, value), Self::select(is_nan, at, place)))
            })(),
        )
    }

    /// The median of the elements along `dim` that are not NaN, and its place: PyTorch's `nanmedian`.
    #[must_use]
    pub fn nanmedian(&self, dim: isize) -> (Self, Self) {
        let place = || {
            self.size_to_choose("nanmedian", dim)?;
            let this = self.ranked();
            let order = this.order_along("nanmedian", dim, false)?.places();
            let at = this.shape().dim(dim, "nanmedian")? as isize;
            let numbers = this.eq(&this).cast(DType::I64).sum(at).unsqueeze(at);
            Ok(order.take_along_dim((numbers - 1).clamp_min(0).div_rounded(2, crate::Rounding::Floor), dim))
        };
        self.with_value(dim, place())
    }

    /// The number below which the share `q` of the elements along `dim` lies, between two elements by a straight line:
    /// PyTorch's `quantile`. It is NaN if there is a NaN. The result does not have the dim.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3.0_f32, 1.0, 2.0, 5.0], [4], &Device::cpu())?;
    /// assert_eq!(x.quantile(0.25, 0).eval()?.item::<f32>()?, 1.75);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn quantile(&self, q: f64, dim: isize) -> Self {
        carry((|| {
            const OP: &str = "quantile";
            let n = self.size_to_choose(OP, dim)?;
            if !self.dtype().is_float() {
                return Err(Error::DType { op: OP, expected: "a float (cast it first)", found: self.dtype() });
            }
            if !(0.0..=1.0).contains(&q) {
                return Err(Error::argument(OP, "a share from 0 to 1", q.to_string()));
            }
            let rank = q * (n - 1) as f64;
            let below = rank.floor();
            let count = 2.min(n - below as usize);
            let between = self.order_along(OP, dim, false)?.ranks(below as usize, count).values();
            let at = |i: usize| between.narrow(dim, i, 1).squeeze(dim);
            let largest = self.max_dim_with_indices(dim).0;
            Ok(Self::select(largest.isnan(), &largest, at(0).lerp(at(count - 1), rank - below)))
        })())
    }

    /// How many elements of this sorted sequence lie before each of `values`: PyTorch's `searchsorted`, an i64 for each.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let device = Device::cpu();
    /// let sorted = Tensor::from_slice(&[1.0_f32, 3.0, 3.0, 5.0], [4], &device)?;
    /// let values = Tensor::from_slice(&[0.0_f32, 3.0, 9.0], [3], &device)?;
    /// let sorted = Expr::from(&sorted);
    /// assert_eq!(sorted.searchsorted(&values, false).eval()?.to_vec::<i64>()?, [0, 1, 4]);
    /// assert_eq!(sorted.searchsorted(&values, true).eval()?.to_vec::<i64>()?, [0, 3, 4]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// With `right`, equal elements lie before a value; NaN lies after everything. The sequence is along the last dim; it has
    /// one dim, or all other dims are those of `values`. What is found where it is not sorted, nobody knows. The halving
    /// fuses into one pass.
    #[must_use]
    pub fn searchsorted(&self, values: impl Into<Self>, right: bool) -> Self {
        carry(self.searched("searchsorted", &values.into(), right))
    }

    /// The number of boundaries, which are sorted, below each element: PyTorch's `bucketize`. See
    /// [`searchsorted`](Self::searchsorted).
    #[must_use]
    pub fn bucketize(&self, boundaries: impl Into<Self>, right: bool) -> Self {
        let boundaries = boundaries.into();
        if boundaries.shape().rank() != 1 && boundaries.error().is_none() {
            let found = format!("some of shape {}", boundaries.shape());
            return Self::invalid(Error::argument("bucketize", "boundaries with one dim", found));
        }
        carry(boundaries.searched("bucketize", self, right))
    }

    /// How many elements lie in each of `bins` equal parts of the range from `min` to `max`, both included, as PyTorch's
    /// `histc` has it; others are not counted. The counts have this expression's dtype, a float.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[0.0_f32, 0.1, 0.5, 1.0, 7.0], [5], &Device::cpu())?;
    /// assert_eq!(x.histc(2, 0.0, 1.0).eval()?.to_vec::<f32>()?, [2.0, 2.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn histc(&self, bins: usize, min: f64, max: f64) -> Self {
        const OP: &str = "histc";
        carry((|| {
            self.check()?;
            if !self.dtype().is_float() {
                return Err(Error::DType { op: OP, expected: "a float (cast it first)", found: self.dtype() });
            }
            if bins == 0 || max - min <= 0.0 || !(max - min).is_finite() {
                let found = format!("{bins} bins from {min} to {max}");
                return Err(Error::argument(
                    OP,
                    "at least one bin and a finite range, of which min is below max",
                    found,
                ));
            }
            let x = self.reshape([self.shape().numel()]);
            let bin = ((&x - min) / (max - min) * bins as f64).clamp(0.0, (bins - 1) as f64).cast(DType::I32);
            let inside = x.ge(min).logical_and(x.le(max));
            let bin = Self::select(inside, bin, -1);
            Ok(bin.counted(bins).cast(self.dtype()))
        })())
    }

    /// The largest element along `dim`, the first of equals, and its place: PyTorch's `max(dim)`. The results do not have the
    /// dim; the gradient is that of this element alone.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 4.0, 4.0, 0.5, 3.0, 2.0], [2, 3], &Device::cpu())?;
    /// let (values, places) = x.max_dim_with_indices(1);
    /// assert_eq!(values.eval()?.to_vec::<f32>()?, [4.0, 3.0]);
    /// assert_eq!(places.eval()?.to_vec::<i64>()?, [1, 1]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn max_dim_with_indices(&self, dim: isize) -> (Self, Self) {
        self.extreme("max_dim_with_indices", dim, true)
    }

    /// The smallest element along `dim`, as [`max_dim_with_indices`](Self::max_dim_with_indices) has the largest.
    #[must_use]
    pub fn min_dim_with_indices(&self, dim: isize) -> (Self, Self) {
        self.extreme("min_dim_with_indices", dim, false)
    }

    fn extreme(&self, op: &'static str, dim: isize, largest: bool) -> (Self, Self) {
        let place = || {
            self.size_to_choose(op, dim)?;
            let this = self.ranked();
            let at = this.shape().dim(dim, op)? as isize;
            Ok(if largest { this.argmax(at) } else { this.argmin(at) }.unsqueeze(at))
        };
        self.with_value(dim, place())
    }

    /// How many of these whole numbers, all of them along one dim, are each number below `bins`.
    pub(crate) fn counted(&self, bins: usize) -> Self {
        let sorted = self.sort(0, false).0;
        let each = Self::arange(bins).cast(DType::I64);
        sorted.searchsorted(&each, true) - sorted.searchsorted(&each, false)
    }

    /// This, with a dim if it has none: a scalar has dim 0.
    fn ranked(&self) -> Self {
        let this = if self.as_number().is_some() { self.cast(self.dtype()) } else { self.clone() };
        if this.shape().rank() == 0 && this.error().is_none() { this.reshape([1]) } else { this }
    }

    fn size_along(&self, op: &'static str, dim: isize) -> Result<usize> {
        self.check()?;
        self.check_alone(op)?;
        let shape = self.ranked().shape().clone();
        Ok(shape[shape.dim(dim, op)?])
    }

    fn size_to_choose(&self, op: &'static str, dim: isize) -> Result<usize> {
        let n = self.size_along(op, dim)?;
        if n == 0 {
            return Err(Error::argument(op, "at least one element to choose from", self.shape().to_string()));
        }
        Ok(n)
    }

    /// See [`argsort`](Self::argsort).
    fn order_along(&self, op: &'static str, dim: isize, descending: bool) -> Result<Order> {
        let n = self.size_along(op, dim)?;
        if i32::try_from(n).is_err() {
            return Err(Error::argument(op, "less than 2³¹ elements along the dim", n.to_string()));
        }
        let this = self.ranked();
        let is_u64 = this.dtype() == DType::U64;
        let this = if is_u64 { unsigned::ordered(&this) } else { this };
        let sort = Sort { descending, values: false, first: 0, count: n };
        Ok(Order { of: this.movedim(dim, -1), sort, dim, is_u64, is_scalar: self.shape().rank() == 0 })
    }

    /// The elements at some places along a dim, and the places.
    fn with_values(&self, dim: isize, places: Result<Self>) -> (Self, Self) {
        let places = carry(places);
        if places.error().is_some() {
            return (places.clone(), places);
        }
        (self.ranked().take_along_dim(&places, dim), places)
    }

    /// As [`with_values`](Self::with_values), of one place, whose dim goes.
    fn with_value(&self, dim: isize, place: Result<Self>) -> (Self, Self) {
        let (value, place) = self.ranked().with_values(dim, place);
        (value.squeeze(dim), place.squeeze(dim))
    }

    fn searched(&self, op: &'static str, values: &Self, right: bool) -> Result<Self> {
        self.check()?;
        values.check()?;
        let (of, shape) = (self.shape(), values.shape());
        let single = of.rank() == 1;
        let alike = of.rank() == shape.rank() && of.rank() > 0 && of[..of.rank() - 1] == shape[..shape.rank() - 1];
        if !single && !alike {
            let expected = "a sequence with one dim, or with all dims but the last of the values".to_owned();
            return Err(Error::argument(op, expected, format!("one of shape {of} for values of shape {shape}")));
        }
        let n = of.last().copied().unwrap_or(0);
        let mut before = values.zeros_like().cast(DType::I32);
        let mut step = if n == 0 { 0 } else { 1_usize << n.ilog2() };
        while step > 0 {
            let next = &before + step as i64;
            let probe = (&next - 1).clamp_max(n as i64 - 1);
            let found = if single { self.index(0, probe) } else { self.take_along_dim(probe, -1) };
            let beyond = if right { found.gt(values) } else { found.ge(values) };
            let goes = next.le(n as i64).logical_and(beyond.logical_not());
            before = Self::select(goes, next, before);
            step /= 2;
        }
        Ok(before.cast(DType::I64))
    }
}
