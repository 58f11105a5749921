//! New tensors: uploaded from the host, or of one value everywhere.

use crate::base::layout::Layout;
use crate::run::backend::Backend;
use crate::{DType, Device, Element, Error, Result, Shape, Tensor};

impl Tensor {
    /// A tensor whose elements are whatever the memory held, to be written at once.
    pub(crate) fn empty(op: &'static str, shape: Shape, dtype: DType, device: &Device) -> Result<Self> {
        let storage = device.backend().allocate(op, shape.checked_numel(op)?, dtype)?;
        Ok(Self::new(storage, Layout::contiguous(shape), dtype))
    }

    /// Uploads `values`, in row-major order, as a tensor of `shape`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the number of values is not that of the shape; what the device reports if it has no
    /// room.
    pub fn from_slice<T: Element>(values: &[T], shape: impl Into<Shape>, device: &Device) -> Result<Self> {
        const OP: &str = "from_slice";
        let shape = shape.into();
        let numel = shape.checked_numel(OP)?;
        if numel != values.len() {
            return Err(Error::argument(OP, format!("{numel} values for shape {shape}"), format!("{}", values.len())));
        }
        Self::from_bytes(OP, &T::as_bytes(values), shape, T::DTYPE, device)
    }

    /// Uploads elements given as bytes, of which there are as many as the shape says.
    pub(crate) fn from_bytes(
        op: &'static str,
        bytes: &[u8],
        shape: Shape,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let tensor = Self::empty(op, shape, dtype, device)?;
        debug_assert_eq!(bytes.len(), tensor.numel() * dtype.size());
        Backend::write(op, tensor.storage(), bytes)?;
        Ok(tensor)
    }

    /// A tensor whose bytes `fill` makes where they are to lie, a chunk of whole elements after the other, in row-major
    /// order: a large one is never in memory twice.
    #[cfg(feature = "io")]
    pub(crate) fn filled_by(
        op: &'static str,
        shape: Shape,
        dtype: DType,
        device: &Device,
        fill: impl FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let tensor = Self::empty(op, shape, dtype, device)?;
        Backend::fill(op, tensor.storage(), tensor.numel() * dtype.size(), fill)?;
        Ok(tensor)
    }

    /// A tensor of `value` everywhere.
    ///
    /// # Errors
    ///
    /// What the device reports if it has no room, or lacks the dtype.
    pub fn full<T: Element>(shape: impl Into<Shape>, value: T, device: &Device) -> Result<Self> {
        let tensor = Self::empty("full", shape.into(), T::DTYPE, device)?;
        tensor.fill(value.to_f64())?;
        Ok(tensor)
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    ///
    /// As [`full`](Self::full).
    pub fn zeros(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Self> {
        let tensor = Self::empty("zeros", shape.into(), dtype, device)?;
        tensor.fill(0)?;
        Ok(tensor)
    }

    /// A tensor of ones.
    ///
    /// # Errors
    ///
    /// As [`full`](Self::full).
    pub fn ones(shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Self> {
        let tensor = Self::empty("ones", shape.into(), dtype, device)?;
        tensor.fill(1)?;
        Ok(tensor)
    }
}
