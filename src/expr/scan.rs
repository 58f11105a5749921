//! Scans along a dim, and which elements the largest and smallest so far are.

use std::fmt;

use smallvec::smallvec;

use super::node::{Expr, Op};
use super::op::ScanOp;
use super::unsigned;
use super::views::carry;
use crate::{DType, Error, Result};

/// Which elements a scan takes together at each element. Without options those up to the element, itself included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Scan {
    /// Whether the element itself is left out: the first one then has what no elements come to.
    pub exclusive: bool,
    /// Whether it begins at the dim's end.
    pub reverse: bool,
}

impl Scan {
    /// Without the element itself.
    #[must_use]
    pub const fn exclusive() -> Self {
        Self { exclusive: true, reverse: false }
    }

    /// From the dim's end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { reverse: true, ..self }
    }
}

/// As `explain` and `Debug` print it, after the dim.
impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.exclusive { ", exclusive" } else { "" })?;
        f.write_str(if self.reverse { ", reversed" } else { "" })
    }
}

impl Expr {
    /// At each element what the elements along `dim` up to it come to; it has the shape of this expression.
    ///
    /// The named methods ([`cumsum`](Self::cumsum), [`cummax`](Self::cummax), …) are this without options.
    ///
    /// ```
    /// use hadamard::{Device, Scan, ScanOp, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [4], &Device::cpu())?;
    /// let before = x.scan(ScanOp::Cumsum, 0, Scan::exclusive());
    /// assert_eq!(before.eval()?.to_vec::<f32>()?, [0.0, 1.0, 3.0, 6.0]);
    /// let from_the_end = x.scan(ScanOp::Cumsum, 0, Scan::default().reversed());
    /// assert_eq!(from_the_end.eval()?.to_vec::<f32>()?, [10.0, 9.0, 7.0, 4.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// An exclusive sum begins with 0, a product with 1 and a `logcumsumexp` with minus infinity; a largest or smallest of no
    /// elements is an error. A scalar has dim 0, as in PyTorch. What is scanned is never stored: an expression in front is part of
    /// the pass.
    #[must_use]
    pub fn scan(&self, op: ScanOp, dim: isize, scan: Scan) -> Self {
        carry(self.scanned(op, dim, scan))
    }

    fn scanned(&self, op: ScanOp, dim: isize, scan: Scan) -> Result<Self> {
        self.check()?;
        self.check_alone(op.name())?;
        let this = if self.as_number().is_some() { self.cast(self.dtype()) } else { self.clone() };
        if this.shape().rank() == 0 && matches!(dim, 0 | -1) {
            return Ok(this.reshape([1]).scan(op, 0, scan).reshape([0; 0]));
        }
        if this.dtype() == DType::U64
            && let Some(result) = unsigned::scan(op, &this, dim, scan)
        {
            return Ok(result);
        }
        let dim = this.shape().dim(dim, op.name())?;
        let dtype = op.dtype(this.dtype()).ok_or(Error::DType {
            op: op.name(),
            expected: "a float (cast it first)",
            found: this.dtype(),
        })?;
        if scan.exclusive && !op.has_identity() {
            return Err(Error::argument(op.name(), "the element itself included", "an exclusive scan"));
        }
        let shape = this.shape().clone();
        Ok(Self::new(Op::Scan(op, dim, scan), smallvec![this], shape, dtype))
    }

    /// The sums of the elements along `dim` up to each, PyTorch's `cumsum`: of integers and bools i64s, exact but for wrapping.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &Device::cpu())?;
    /// assert_eq!(x.cumsum(0).eval()?.to_vec::<f32>()?, [1.0, 2.0, 4.0, 6.0]);
    /// assert_eq!((&x * &x).cumsum(-1).eval()?.to_vec::<f32>()?, [1.0, 5.0, 9.0, 25.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Sums of f32 do not lose more with each step: what is carried on has more digits than what is stored.
    #[must_use]
    pub fn cumsum(&self, dim: isize) -> Self {
        self.scan(ScanOp::Cumsum, dim, Scan::default())
    }

    /// The products of the elements along `dim` up to each, PyTorch's `cumprod`: of integers and bools i64s.
    #[must_use]
    pub fn cumprod(&self, dim: isize) -> Self {
        self.scan(ScanOp::Cumprod, dim, Scan::default())
    }

    /// The largest of the elements along `dim` up to each, PyTorch's `cummax(…).values`. NaN wins, and stays.
    /// [`cummax_indices`](Self::cummax_indices) says which they are.
    #[must_use]
    pub fn cummax(&self, dim: isize) -> Self {
        self.scan(ScanOp::Cummax, dim, Scan::default())
    }

    /// The smallest of the elements along `dim` up to each, PyTorch's `cummin(…).values`. NaN wins, and stays.
    #[must_use]
    pub fn cummin(&self, dim: isize) -> Self {
        self.scan(ScanOp::Cummin, dim, Scan::default())
    }

    /// Where along `dim` the largest of the elements up to each lies, in i64, PyTorch's `cummax(…).indices`: of equals the
    /// last, and of NaNs.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[2.0_f32, 1.0, 2.0, 3.0], [4], &Device::cpu())?;
    /// assert_eq!(x.cummax_indices(0).eval()?.to_vec::<i64>()?, [0, 0, 2, 3]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn cummax_indices(&self, dim: isize) -> Self {
        self.extreme_indices(ScanOp::Cummax, dim)
    }

    /// Where along `dim` the smallest of the elements up to each lies, in i64, PyTorch's `cummin(…).indices`: of equals the
    /// last, and of NaNs.
    #[must_use]
    pub fn cummin_indices(&self, dim: isize) -> Self {
        self.extreme_indices(ScanOp::Cummin, dim)
    }

    /// The logarithm of the sum of the exponentials of the elements along `dim` up to each, PyTorch's `logcumsumexp`, of
    /// floats. Exponentials are taken of differences from the largest so far, so that none overflows.
    #[must_use]
    pub fn logcumsumexp(&self, dim: isize) -> Self {
        self.scan(ScanOp::Logcumsumexp, dim, Scan::default())
    }

    /// The positions of what the running extreme is taken from: the largest position so far of an element equal to it.
    pub(super) fn extreme_indices(&self, op: ScanOp, dim: isize) -> Self {
        let extreme = self.scan(op, dim, Scan::default());
        carry(extreme.check().and_then(|()| {
            let shape = self.shape();
            if shape.rank() == 0 {
                return Ok(extreme.zeros_like().cast(DType::I64));
            }
            let dim = shape.dim(dim, op.name())?;
            let along = (0..shape.rank()).map(|d| if d == dim { shape[d] } else { 1 });
            let position = Self::arange(shape[dim]).reshape(along.collect::<crate::Shape>()).cast(DType::I32);
            let is_extreme = self.eq(&extreme).logical_or(self.isnan());
            // The first element is the extreme of those up to it, so that none is left with the 0 of others.
            Ok(Self::select(is_extreme, position, 0).cummax(dim as isize).cast(DType::I64))
        }))
    }
}
