//! Writing in place.

use crate::expr::range::check_element;
use crate::{Expr, Result, Scalar, Tensor, assign};

impl Tensor {
    /// Evaluates `value` and writes it into this tensor, in place.
    ///
    /// `value` must broadcast to this tensor's shape and is converted to its dtype, rounding once. It may read this
    /// tensor: the right side sees the old values. A tensor with no elements is left as it is. What threads that assign
    /// at the same time may rely on is said at [`assign`](crate::assign()).
    ///
    /// # Errors
    ///
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not fit;
    /// [`Error::DeviceMismatch`](crate::Error::DeviceMismatch) if `value` reads a tensor of another device; whatever
    /// `value` carries from its own construction.
    pub fn assign(&self, value: impl Into<Expr>) -> Result<()> {
        assign(&[(self, value.into())])
    }

    /// Sets every element to `value`: PyTorch's `weight.data.fill_`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) if `value` is beyond the range of this tensor's dtype, or NaN among
    /// integers; what the device reports.
    pub fn fill(&self, value: impl Into<Scalar>) -> Result<()> {
        let value = value.into();
        check_element("fill", value, self.dtype())?;
        self.assign(Expr::from(value))
    }
}
