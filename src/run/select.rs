//! Selections whose size depends on values: evaluated at once.

use crate::{DType, Error, Expr, Result, Tensor};

const OP: &str = "masked_select";

impl Expr {
    /// The elements where `mask`, which broadcasts with this expression, is true, in row-major order: PyTorch's `x[mask]`.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, -2.0, 3.0], [3], &Device::cpu())?;
    /// assert_eq!((&x * 10).masked_select(x.gt(0))?.to_vec::<f32>()?, [10.0, 30.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// How many there are depends on values, so the mask is evaluated and read, and then what it selects is evaluated: no
    /// expression can hold it. Where the others may stand as zeros, `Expr::select(mask, x, 0)` stays one.
    ///
    /// # Errors
    ///
    /// [`Error::DType`] unless the mask is of bools, [`Error::Broadcast`] if the shapes do not broadcast,
    /// [`Error::Argument`] for a mask of more elements than i32 can number, and what evaluating both gives.
    pub fn masked_select(&self, mask: impl Into<Self>) -> Result<Tensor> {
        let mask = mask.into();
        self.check()?;
        mask.check()?;
        if mask.dtype() != DType::Bool {
            return Err(Error::DType { op: OP, expected: "a mask of bools", found: mask.dtype() });
        }
        let shape = self.shape().broadcast(mask.shape(), OP)?;
        let n = shape.checked_numel(OP)?;
        if i32::try_from(n).is_err() {
            return Err(Error::argument(OP, format!("at most {} elements", i32::MAX), n.to_string()));
        }
        let mask = mask.broadcast_to(&shape).eval()?;
        let chosen = mask.to_vec::<bool>()?.into_iter().zip(0..).filter(|item| item.0).map(|item| item.1);
        let chosen: Vec<i32> = chosen.collect();
        let index = Tensor::from_slice(&chosen, [chosen.len()], &mask.device())?;
        self.broadcast_to(shape).reshape([n]).index(0, &index).eval()
    }
}

impl Tensor {
    /// [`Expr::masked_select`] of this tensor.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn masked_select(&self, mask: impl Into<Expr>) -> Result<Self> {
        Expr::from(self).masked_select(mask)
    }
}
