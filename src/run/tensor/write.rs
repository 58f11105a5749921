//! Writing in place.

use super::create::check_count;
use crate::expr::range::check_element;
use crate::run::backend::Backend;
use crate::{Element, Error, Expr, Result, Scalar, Tensor, assign};

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

    /// Writes `values`, in row-major order, into this tensor, in place.
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor};
    /// let x = Tensor::zeros([2, 2], DType::F32, &Device::cpu())?;
    /// x.at(1)?.write_from(&[1.0_f32, 2.0])?;
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) if `T` is not the tensor's dtype, if there are not as many values as
    /// elements, or if the tensor is one that [`assign`](Self::assign) refuses; what the device reports.
    pub fn write_from<T: Element>(&self, values: &[T]) -> Result<()> {
        const OP: &str = "write_from";
        if T::DTYPE != self.dtype() {
            let expected = format!("elements of the tensor's dtype, {}", self.dtype());
            return Err(Error::argument(OP, expected, T::DTYPE.name()));
        }
        check_count(OP, self.shape(), values.len())?;
        self.overwrite(OP, &T::as_bytes(values))
    }

    /// Writes the bytes of as many elements as there are: on the CPU where they lie, if they follow each other.
    pub(super) fn overwrite(&self, op: &'static str, bytes: &[u8]) -> Result<()> {
        let start = self.offset() * self.dtype().size();
        let is_one_piece = self.is_contiguous() && !self.storage().is_read_only();
        if is_one_piece && Backend::write_at(self.storage(), start, bytes) {
            return Ok(());
        }
        self.assign(Self::from_bytes(op, bytes, self.shape().clone(), self.dtype(), &self.device())?)
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
