//! Functions made of reductions and elementwise work: norms, variances, softmax.
//!
//! They are expressions like any other: what feeds a reduction and what follows it fuse, so that a norm takes one pass
//! over memory, a variance two, a softmax or a layer norm three.
//!
//! The mean of numbers far from zero is rounded: of a million numbers near 170,000, to the next multiple of 1/64. What
//! that leaves of them is exact in most cases, but its own mean is not 0. So a variance adds up the deviations beside
//! their squares, in one pass, and takes the square of their mean off again (the corrected two-pass algorithm of Chan and
//! others, "Algorithms for computing the sample variance", 1983):
//!
//! ```text
//! d = x - m, m about the mean;   Σ (x - mean)² = Σ d² - (Σ d)² / n
//! ```
//!
//! That holds whatever `m` is, so no gradient passes through it, and that of a variance is `2 (d - Σ d / n) / n`.

use smallvec::{SmallVec, smallvec};

use super::node::{Expr, Op};
use super::op::BinaryOp;
use crate::base::shape::Dims;
use crate::{DType, Error, Result, Shape};

/// Calls `build` if `x` is a float; otherwise carries the mistake.
pub(super) fn of_float(op: &'static str, x: &Expr, build: impl FnOnce() -> Expr) -> Expr {
    match x.check() {
        Err(error) => Expr::invalid(error),
        Ok(()) if x.dtype().is_float() => build(),
        Ok(()) => Expr::invalid(Error::DType { op, expected: "a float (cast it first)", found: x.dtype() }),
    }
}

impl Expr {
    /// The vector norm of order `p` over `dims`, `Σ|x|ᵖ` to the power `1/p`, as PyTorch's
    /// [`torch.linalg.vector_norm`](https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html):
    /// `p` of infinity gives the largest magnitude, of minus infinity the smallest, of 0 the number of elements that
    /// are not 0.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3.0_f32, -4.0], [2], &Device::cpu())?;
    /// assert_eq!(x.norm(2, ..).eval()?.item::<f32>()?, 5.0);
    /// assert_eq!(x.norm(f64::INFINITY, 0).eval()?.item::<f32>()?, 4.0);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// The result does not have `dims`; see [`keepdim`](Self::keepdim). Squares and powers may overflow where the norm would not, as in
    /// PyTorch. Anything but a float is an error, and so is a norm of order ±infinity of no elements.
    #[must_use]
    pub fn norm(&self, p: impl Into<f64>, dims: impl Into<Dims>) -> Self {
        let (p, dims): (f64, Dims) = (p.into(), dims.into());
        of_float("norm", self, || match p {
            2.0 => self.square().sum(dims).root_flat_at_zero(2.0),
            1.0 => self.abs().sum(dims),
            0.0 => self.ne(0).cast(self.dtype()).sum(dims),
            f64::INFINITY => self.abs().amax(dims),
            f64::NEG_INFINITY => self.abs().amin(dims),
            // The slope of a power below 1 is infinite at 0, and that of the root of one above 1.
            p if p < 1.0 => {
                let (is_zero, at_zero) = (self.eq(0), if p < 0.0 { f64::INFINITY } else { 0.0 });
                let power = Self::select(&is_zero, 1, self.abs()).pow(p);
                Self::select(is_zero, at_zero, power).sum(dims).pow(1.0 / p)
            }
            p => self.abs().pow(p).sum(dims).root_flat_at_zero(p),
        })
    }

    /// The cosine of the angle between vectors along `dim`, `Σ aᵢ bᵢ / (max(|a|, eps) · max(|b|, eps))`, as PyTorch's
    /// [`cosine_similarity`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html), whose
    /// `eps` is 1e-8. The result does not have `dim`.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::cpu();
    /// let a = Tensor::from_slice(&[1.0_f32, 0.0, 3.0, 4.0], [2, 2], &device)?;
    /// let b = Tensor::from_slice(&[2.0_f32, 0.0], [2], &device)?;
    /// assert_eq!(a.cosine_similarity(&b, 1, 1e-8).eval()?.to_vec::<f32>()?, [1.0, 0.6]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Shapes broadcast. All three sums are one pass. Where a norm is below `eps`, its gradient is 0, while PyTorch's is that of the
    /// norm. Anything but floats is an error.
    #[must_use]
    pub fn cosine_similarity(&self, other: impl Into<Self>, dim: isize, eps: f64) -> Self {
        let other = other.into();
        of_float("cosine_similarity", self, || {
            of_float("cosine_similarity", &other, || {
                let products = self * &other;
                let length = |x: &Self| x.broadcast_to(products.shape()).norm(2, dim).clamp_min(eps);
                products.sum(dim) / length(self) / length(&other)
            })
        })
    }

    /// The inner product of two vectors of one size, `Σ aᵢ bᵢ`. The products are never stored.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::cpu();
    /// let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device)?;
    /// let b = Tensor::from_slice(&[4.0_f32, 5.0, 6.0], [3], &device)?;
    /// assert_eq!(a.dot(&b).eval()?.item::<f32>()?, 32.0);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Tensors of other ranks, or of two sizes, are an error: nothing broadcasts here.
    #[must_use]
    pub fn dot(&self, other: impl Into<Self>) -> Self {
        let other = other.into();
        if let Some(error) = self.error().or(other.error()) {
            return Self::invalid(error.clone());
        }
        if self.shape().rank() != 1 || self.shape() != other.shape() {
            let found = format!("{} and {}", self.shape(), other.shape());
            return Self::invalid(Error::argument("dot", "two tensors of one dim and one size", found));
        }
        self.binary(BinaryOp::Mul, other).sum(..)
    }

    /// The variance over `dims`, `Σ (x - mean)² / (n - correction)`, from deviations from the mean rather than from a sum
    /// of squares, so that a large mean costs no digits.
    ///
    /// A `correction` of 1 estimates the variance of what the elements were drawn from (Bessel's correction, PyTorch's
    /// default), 0 gives that of the elements. Where nothing is left to divide by, the result is NaN or infinite.
    /// Anything but a float is an error.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [4], &Device::cpu())?;
    /// assert_eq!(x.var(0, 0).eval()?.item::<f32>()?, 1.25);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn var(&self, dims: impl Into<Dims>, correction: impl Into<f64>) -> Self {
        let (dims, correction) = (dims.into(), correction.into());
        of_float("var", self, || self.deviations(&dims, None).variance(&dims, correction))
    }

    /// The standard deviation over `dims`: the square root of [`var`](Self::var). It is right where the squares of the
    /// elements would leave the range of their dtype, too.
    #[must_use]
    pub fn std(&self, dims: impl Into<Dims>, correction: impl Into<f64>) -> Self {
        let (dims, correction) = (dims.into(), correction.into());
        of_float("std", self, || {
            let scale = self.scale(&dims);
            let root = self.deviations(&dims, scale.as_ref()).variance(&dims, correction).root_flat_at_zero(2.0);
            scale.map_or_else(|| root.clone(), |scale| &root / scale)
        })
    }

    /// `exp(x) / Σ exp(x)` along `dim`: positive, with sum 1. The largest element is subtracted first, so that nothing
    /// overflows.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1000.0_f32, 1000.0], [2], &Device::cpu())?;
    /// assert_eq!(x.softmax(0).eval()?.to_vec::<f32>()?, [0.5, 0.5]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Anything but a float is an error.
    #[must_use]
    pub fn softmax(&self, dim: isize) -> Self {
        of_float("softmax", self, || {
            self.below_largest(dim, |x| {
                let exp = x.exp();
                let sum = exp.sum(dim).keepdim();
                exp / sum
            })
        })
    }

    /// The logarithm of [`softmax`](Self::softmax) along `dim`, accurate where that is near 0 or 1.
    #[must_use]
    pub fn log_softmax(&self, dim: isize) -> Self {
        of_float("log_softmax", self, || {
            self.below_largest(dim, |x| {
                let log = x.exp().sum(dim).keepdim().log();
                x - log
            })
        })
    }

    /// `log(Σ exp(x))` over `dims`, without overflow; minus infinity where there is nothing to add. The result does not
    /// have `dims`; see [`keepdim`](Self::keepdim).
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1000.0_f32, 1000.0], [2], &Device::cpu())?;
    /// assert_eq!(x.logsumexp(0).eval()?.item::<f32>()?, 1000.0 + std::f32::consts::LN_2);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Anything but a float is an error.
    #[must_use]
    pub fn logsumexp(&self, dims: impl Into<Dims>) -> Self {
        let dims = dims.into();
        of_float("logsumexp", self, || {
            if self.shape().numel() == 0 {
                return self.exp().sum(dims).log();
            }
            // An infinite maximum must not be subtracted: inf - inf is NaN.
            let finite = |largest: Self| Self::select(largest.abs().eq(f64::INFINITY), 0.0, largest);
            // The result does not depend on what is subtracted, so no gradient need pass through that.
            let largest = self.amax(dims.clone()).detach();
            (self - finite(largest.keepdim())).exp().sum(dims).log() + finite(largest)
        })
    }

    /// Mean 0 and variance 1 over `dims`: `(x - mean) / √(variance + eps)`
    /// ([Ba, Kiros and Hinton, 2016](https://arxiv.org/abs/1607.06450)). `eps` avoids a division by 0 where all elements
    /// are equal; PyTorch's default is `1e-5`. Multiply by a learned weight and add a bias as usual.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 3.0, 10.0, 30.0], [2, 2], &Device::cpu())?;
    /// assert_eq!(x.layer_norm(-1, 0.0).eval()?.to_vec::<f32>()?, [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Anything but a float is an error.
    #[must_use]
    pub fn layer_norm(&self, dims: impl Into<Dims>, eps: f64) -> Self {
        let dims = dims.into();
        of_float("layer_norm", self, || {
            let deviations = self.deviations(&dims, None);
            let variance = deviations.variance(&dims, 0.0).keepdim();
            let mean = deviations.mean(dims).keepdim();
            (deviations - mean) * (variance + eps).rsqrt()
        })
    }

    /// `self - m`, with `m` about the mean over `dims` and without a gradient; both times `scale`, which is a power of two.
    fn deviations(&self, dims: &Dims, scale: Option<&Self>) -> Self {
        let mean = self.mean(dims.clone()).keepdim().detach();
        match scale.map(Self::keepdim) {
            None => self - mean,
            Some(scale) => self * &scale - mean * scale,
        }
    }

    /// The variance of deviations from a number near their mean.
    fn variance(&self, dims: &Dims, correction: f64) -> Self {
        match dims.resolve(self.shape(), "var") {
            Err(error) => Self::invalid(error),
            Ok(found) => {
                let n = found.iter().map(|&d| self.shape()[d]).product::<usize>() as f64;
                let sum = self.sum(dims.clone());
                // Rounding may take it below 0, of which there is no root.
                let squares = (self.square().sum(dims.clone()) - &sum * (&sum / n)).clamp_min(0.0);
                squares / (n - correction).max(0.0)
            }
        }
    }

    /// A power of two that brings the largest magnitude over `dims` near 1 if its square, or that of a difference in its
    /// last digit, would leave the range of the dtype; else 1. After Blue, "A portable Fortran program to find the Euclidean
    /// norm of a vector", 1978.
    fn scale(&self, dims: &Dims) -> Option<Self> {
        // Where numbers are small and large, and by which powers of two they are then multiplied.
        let [small, large, up, down] = match self.dtype() {
            DType::F32 | DType::BF16 => [-39, 45, 60, -80],
            DType::F64 => [-450, 450, 500, -600],
            // Computed in f32, where their squares have room.
            _ => return None,
        };
        if self.shape().numel() == 0 {
            return None;
        }
        let power = |exponent: i32| Self::from(2_f64.powi(exponent));
        let typed = |x: Self| x.cast(self.dtype());
        let largest = self.abs().amax(dims.clone()).detach();
        let grown = Self::select(largest.lt(power(small)), typed(power(up)), typed(1.0.into()));
        Some(Self::select(largest.gt(power(large)), typed(power(down)), grown))
    }

    /// The same, through which no gradient passes.
    pub(super) fn detach(&self) -> Self {
        match self.check() {
            Err(error) => Self::invalid(error),
            Ok(()) => Self::new(Op::Detach, smallvec![self.clone()], self.shape().clone(), self.dtype()),
        }
    }

    /// Calls `f` with `self - amax`, or does nothing if there are no elements. What `f` makes does not depend on what is
    /// subtracted, so no gradient need pass through that.
    fn below_largest(&self, dim: isize, f: impl FnOnce(Self) -> Self) -> Self {
        match self.shape().numel() {
            0 => self.shape().dim(dim, "softmax").map_or_else(Self::invalid, |_| self.clone()),
            _ => f(self - self.amax(dim).keepdim().detach()),
        }
    }

    /// Keeps the dims that the reductions below removed, with size 1: PyTorch's `keepdim=True`.
    ///
    /// Elementwise work may stand between, as in [`norm`](Self::norm) or in `x.sum(0) / 2`. An expression that is not
    /// made of reductions of one shape over the same dims is an error.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &Device::cpu())?;
    /// assert_eq!(x.amax(1).keepdim().shape().dims(), [2, 1]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn keepdim(&self) -> Self {
        match self.check().and_then(|()| self.kept_shape()) {
            Ok(shape) => self.reshape(shape),
            Err(error) => Self::invalid(error),
        }
    }

    /// The shape with the reduced dims put back, with size 1.
    fn kept_shape(&self) -> Result<Shape> {
        let mut found: Option<Shape> = None;
        let mut seen = rustc_hash::FxHashSet::default();
        let mut stack: SmallVec<[&Self; 4]> = SmallVec::from_slice(&[self]);
        while let Some(expr) = stack.pop() {
            if expr.as_scalar().is_some() || !seen.insert(std::sync::Arc::as_ptr(&expr.0)) {
                continue;
            }
            let kept: Option<Shape> = match &expr.0.op {
                Op::Reduce(_, dims) => Some(expr.0.args[0].shape().with_ones(dims)),
                Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast | Op::Promote | Op::Detach => {
                    stack.extend(&expr.0.args);
                    continue;
                }
                _ => None,
            };
            if kept.is_none() || found.is_some() && found != kept {
                return Err(Error::argument("keepdim", "a reduction just below", format!("{self:?}")));
            }
            found = kept;
        }
        found.ok_or_else(|| Error::argument("keepdim", "a reduction just below", format!("{self:?}")))
    }
}
