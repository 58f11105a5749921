//! What is behind a tensor in a browser, for the package in `web/`.

use super::create::check_count;
#[cfg(feature = "gpu")]
use crate::gpu::BufferHandle;
#[cfg(feature = "gpu")]
use crate::run::backend::Backend;
use crate::{DType, Device, Error, Result, Shape, Tensor};

impl Tensor {
    /// A tensor of elements given as bytes, as they lie in a typed array.
    #[doc(hidden)]
    pub fn of_bytes(bytes: &[u8], shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Self> {
        const OP: &str = "tensor";
        let shape = shape.into();
        check_bytes(OP, bytes, &shape, dtype)?;
        Self::from_bytes(OP, bytes, shape, dtype, device)
    }

    /// Writes elements given as bytes into this tensor, as [`write_from`](Self::write_from).
    #[doc(hidden)]
    pub fn write_bytes(&self, bytes: &[u8]) -> Result<()> {
        const OP: &str = "write";
        check_bytes(OP, bytes, self.shape(), self.dtype())?;
        self.overwrite(OP, bytes)
    }

    /// The elements as bytes, in row-major order, as a future.
    #[doc(hidden)]
    pub async fn bytes_async(&self) -> Result<Vec<u8>> {
        self.contiguous()?.with_bytes_async("data", <[u8]>::to_vec).await
    }

    /// The buffer behind a tensor on a GPU, with the first byte and the number of bytes of its elements in row-major order;
    /// nothing on the CPU. Work recorded so far has been submitted, so what the page submits next finds the elements
    /// there. The memory is the tensor's for as long as the tensor or a view of it lives.
    #[cfg(feature = "gpu")]
    #[doc(hidden)]
    pub fn webgpu(&self) -> Result<Option<(BufferHandle, [usize; 2])>> {
        if !self.is_contiguous() {
            return Err(Error::argument("gpuBuffer", "a tensor whose elements follow each other", "a view"));
        }
        let bytes = [self.offset(), self.numel()].map(|elements| elements * self.dtype().size());
        Ok(Backend::webgpu("gpuBuffer", self.storage())?.map(|buffer| (buffer, bytes)))
    }
}

/// Refuses bytes that are not the elements of a tensor.
fn check_bytes(op: &'static str, bytes: &[u8], shape: &Shape, dtype: DType) -> Result<()> {
    check_count(op, shape, bytes.len() / dtype.size())?;
    if dtype == DType::Bool && bytes.iter().any(|&byte| byte > 1) {
        return Err(Error::argument(op, "bools, which are 0 or 1", "another byte"));
    }
    Ok(())
}
