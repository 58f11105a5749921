//! What elements there are, and how often: evaluated at once, as shapes depend on values.

use crate::{DType, Error, Expr, Result, Tensor, cat};

/// The different elements of a tensor. See [`Expr::unique`].
#[derive(Clone, Debug)]
pub struct Unique {
    /// The different elements, in their order.
    pub values: Tensor,
    /// For each element of the tensor its place in `values`, in the tensor's shape, as i64.
    pub inverse: Tensor,
    /// How often each of `values` is there, as i64.
    pub counts: Tensor,
}

impl Expr {
    /// The different elements, in their order, PyTorch's `unique`; with the place of each element among them, and how
    /// often each is there.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3, 1, 3, 2], [2, 2], &Device::cpu())?;
    /// let unique = x.unique()?;
    /// assert_eq!(unique.values.to_vec::<i32>()?, [1, 2, 3]);
    /// assert_eq!(unique.inverse.to_vec::<i64>()?, [2, 0, 2, 1]);
    /// assert_eq!(unique.counts.to_vec::<i64>()?, [1, 1, 2]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Every NaN is another element, as in PyTorch.
    ///
    /// # Errors
    ///
    /// What evaluating the expression gives; [`Error::Argument`] for more elements than i32 can number.
    pub fn unique(&self) -> Result<Unique> {
        let x = self.eval()?;
        let (shape, n) = (x.shape().clone(), x.numel());
        let x = x.reshape([n])?;
        let order = x.argsort(0, false).eval()?;
        let sorted = x.index(0, &order).eval()?;
        if n == 0 {
            return Ok(Unique { values: sorted, inverse: order.reshape(shape)?, counts: order });
        }
        let differs = sorted.narrow(0, 1, n - 1)?.ne(sorted.narrow(0, 0, n - 1)?);
        let first = Tensor::from_slice(&[true], [1], &x.device())?;
        let is_first = cat(&[Self::from(&first), differs], 0).eval()?;
        let firsts = Self::arange(n).masked_select(&is_first)?;
        let k = firsts.numel();
        let ends = Tensor::from_slice(&[n as i64], [1], &x.device())?;
        let ends = cat(&[Self::from(&firsts.narrow(0, 1, k - 1)?), Self::from(&ends)], 0);
        let ranks = is_first.cumsum(0) - 1;
        Ok(Unique {
            values: sorted.index(0, &firsts).eval()?,
            inverse: ranks.index(0, order.argsort(0, false)).reshape(shape).eval()?,
            counts: (ends - &firsts).eval()?,
        })
    }

    /// How often each number is there among these integers, which are at least 0: PyTorch's `bincount`. The result, of
    /// i64s, goes up to the largest of them, and has `minlength` counts at least.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[3, 1, 3, 0], [4], &Device::cpu())?;
    /// assert_eq!(x.bincount(0)?.to_vec::<i64>()?, [1, 1, 0, 2]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::DType`] unless they are integers, [`Error::Argument`] if they have not one dim or one is below 0, and what
    /// evaluating gives.
    pub fn bincount(&self, minlength: usize) -> Result<Tensor> {
        const OP: &str = "bincount";
        self.check()?;
        if self.dtype().is_float() || self.dtype() == DType::Bool {
            return Err(Error::DType { op: OP, expected: "integers", found: self.dtype() });
        }
        if self.shape().rank() != 1 {
            return Err(Error::argument(OP, "integers along one dim", format!("a shape of {}", self.shape())));
        }
        let x = self.eval()?;
        let mut bins = minlength;
        if x.numel() > 0 {
            let least = x.amin(0).cast(DType::I64).item::<i64>()?;
            let most = x.amax(0).cast(DType::I64).item::<i64>()?;
            if least < 0 {
                return Err(Error::argument(OP, "integers of at least 0", least.to_string()));
            }
            bins = bins.max(most as usize + 1);
        }
        Self::from(&x).counted(bins).eval_on(&x.device())
    }

    /// The indices of the elements that are not 0: PyTorch's `nonzero`, of shape `[count, rank]`, as i64.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[0.0_f32, 2.0, 3.0, 0.0], [2, 2], &Device::cpu())?;
    /// assert_eq!(x.nonzero()?.to_vec::<i64>()?, [0, 1, 1, 0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for more elements than i32 can number, and what evaluating gives.
    pub fn nonzero(&self) -> Result<Tensor> {
        let x = self.eval()?;
        let (shape, n) = (x.shape().clone(), x.numel());
        let at = Self::arange(n).masked_select(x.reshape([n])?.cast(DType::Bool))?;
        let count = at.numel();
        if shape.rank() == 0 {
            return Tensor::zeros([count, 0], DType::I64, &x.device());
        }
        let mut rest = Self::from(&at);
        let mut indices = Vec::new();
        for &size in shape.iter().rev() {
            let size = size.max(1) as i64;
            indices.push(rest.remainder(size).reshape([count, 1]));
            rest = rest.floor_divide(size);
        }
        indices.reverse();
        cat(&indices, 1).cast(DType::I64).eval()
    }
}

impl Tensor {
    /// [`Expr::unique`] of this tensor.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn unique(&self) -> Result<Unique> {
        Expr::from(self).unique()
    }

    /// [`Expr::bincount`] of this tensor.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn bincount(&self, minlength: usize) -> Result<Self> {
        Expr::from(self).bincount(minlength)
    }

    /// [`Expr::nonzero`] of this tensor.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn nonzero(&self) -> Result<Self> {
        Expr::from(self).nonzero()
    }
}
