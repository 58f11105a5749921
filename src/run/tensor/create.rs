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
        check_count(OP, &shape, values.len())?;
        Self::from_bytes(OP, &T::as_bytes(values), shape, T::DTYPE, device)
    }

    /// A tensor of `values`, in row-major order. On the CPU the vector's memory becomes the tensor's, without a copy; a GPU
    /// uploads from it.
    ///
    /// Memory that this library asks for is in huge pages where it is large, which a vector's is not: passes over many
    /// megabytes may take longer than after [`from_slice`](Self::from_slice), which copies. A vector whose memory is not
    /// aligned to 8 bytes is copied; allocators align to 16.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_vec((0..6).map(|i| i as f32).collect(), [2, 3], &Device::cpu())?;
    /// assert_eq!(x.sum(1).to_vec::<f32>()?, [3.0, 12.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_slice`](Self::from_slice).
    pub fn from_vec<T: Element>(values: Vec<T>, shape: impl Into<Shape>, device: &Device) -> Result<Self> {
        const OP: &str = "from_vec";
        let shape = shape.into();
        check_count(OP, &shape, values.len())?;
        Ok(Self::new(device.backend().of_vec(OP, values)?, Layout::contiguous(shape), T::DTYPE))
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

/// An error unless a shape has this many elements.
pub(super) fn check_count(op: &'static str, shape: &Shape, count: usize) -> Result<()> {
    let numel = shape.checked_numel(op)?;
    if numel == count {
        return Ok(());
    }
    Err(Error::argument(op, format!("{numel} values for shape {shape}"), count.to_string()))
}
