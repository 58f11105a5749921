//! What is made of some elements and numbers in the place of others.

use super::node::Expr;
use super::range::check_element;
use super::views::carry;
use crate::base::shape::Dims;
use crate::{DType, Error, Scalar};

impl Expr {
    /// `self + value * a * b`. PyTorch's default of `value` is 1.
    #[must_use]
    pub fn addcmul(&self, a: impl Into<Self>, b: impl Into<Self>, value: impl Into<Self>) -> Self {
        self + value.into() * a * b.into()
    }

    /// `self + value * a / b`. PyTorch's default of `value` is 1.
    #[must_use]
    pub fn addcdiv(&self, a: impl Into<Self>, b: impl Into<Self>, value: impl Into<Self>) -> Self {
        self + value.into() * a / b.into()
    }

    /// `self` with `value`, a number or a tensor of rank 0, where `mask` is true. The dtype stays: a value of another kind
    /// is an error.
    #[must_use]
    pub fn masked_fill(&self, mask: impl Into<Self>, value: impl Into<Self>) -> Self {
        let (mask, value) = (mask.into(), value.into());
        carry((|| {
            value.check()?;
            if value.shape().rank() > 0 {
                let expected = "a number or a tensor of rank 0 (where takes others)";
                return Err(Error::argument("masked_fill", expected, value.shape().to_string()));
            }
            let filled = Self::select(mask, &value, self);
            filled.check()?;
            if filled.dtype() != self.dtype() {
                let found = format!("a number of {}", value.dtype());
                return Err(Error::argument("masked_fill", format!("a number that {} holds", self.dtype()), found));
            }
            Ok(filled)
        })())
    }

    /// How many elements over `dims` are not 0 or false.
    #[must_use]
    pub fn count_nonzero(&self, dims: impl Into<Dims>) -> Self {
        self.ne(0).sum(dims)
    }

    /// The sum over `dims` of what is not NaN.
    #[must_use]
    pub fn nansum(&self, dims: impl Into<Dims>) -> Self {
        self.without_nan().sum(dims)
    }

    /// The mean over `dims` of what is not NaN; NaN where nothing else is.
    #[must_use]
    pub fn nanmean(&self, dims: impl Into<Dims>) -> Self {
        let dims = dims.into();
        if !self.dtype().is_float() {
            return self.mean(dims);
        }
        self.without_nan().sum(dims.clone()) / (!self.isnan()).sum(dims)
    }

    fn without_nan(&self) -> Self {
        if self.dtype().is_float() { Self::select(self.isnan(), 0, self) } else { self.clone() }
    }

    /// Zeros of this shape and dtype.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        self.full_like(0)
    }

    /// Ones of this shape and dtype.
    #[must_use]
    pub fn ones_like(&self) -> Self {
        self.full_like(1)
    }

    /// This number in this shape and dtype, which must hold it; of a float among integers the whole part. At most one
    /// element is read, and none is waited for but to know the device.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
    /// assert_eq!(x.full_like(2.5).eval()?.to_vec::<f32>()?, [2.5, 2.5]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn full_like(&self, value: impl Into<Scalar>) -> Self {
        let value = value.into();
        carry(self.check().and_then(|()| {
            if self.dtype() != DType::Bool {
                check_element("full_like", value, self.dtype())?;
            }
            let full = Self::from(value).cast(self.dtype()).broadcast_to(self.shape());
            let rank = self.shape().rank() as isize;
            let any = self.shape().numel() > 0;
            let one = if any { (0..rank).fold(self.detach(), |x, d| x.narrow(d, 0, 1)) } else { self.clone() };
            Ok(Self::select(false, one, full))
        }))
    }
}
