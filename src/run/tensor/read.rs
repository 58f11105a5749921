//! Reading back, and copies: to the host, to another device, to another dtype.

use crate::run::backend::Backend;
use crate::{DType, Device, Element, Error, Expr, Result, Tensor};

impl Tensor {
    /// The elements in row-major order, once the device has computed them. Blocks; see
    /// [`to_vec_async`](Self::to_vec_async).
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if `T` is not the tensor's dtype; what the device reports.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.readable::<T>("to_vec")?.with_bytes("to_vec", T::from_bytes)
    }

    /// Copies the elements, in row-major order, to memory that is there already: into fresh memory, as
    /// [`to_vec`](Self::to_vec) has it, many elements take longer. Blocks.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1_i32, 2, 3, 4], [2, 2], &Device::cpu())?;
    /// let mut row = [0; 2];
    /// x.at(1)?.read_into(&mut row)?;
    /// assert_eq!(row, [3, 4]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if `T` is not the tensor's dtype, or if `values` is not as long as the tensor has elements;
    /// what the device reports.
    pub fn read_into<T: Element>(&self, values: &mut [T]) -> Result<()> {
        const OP: &str = "read_into";
        if values.len() != self.numel() {
            let expected = format!("room for the {} elements of shape {}", self.numel(), self.shape());
            return Err(Error::argument(OP, expected, values.len().to_string()));
        }
        self.readable::<T>(OP)?.with_bytes(OP, |bytes| T::copy_from_bytes(bytes, values))
    }

    /// The elements in row-major order, as a future. On the web, where nothing may block, this is the way to read.
    ///
    /// # Errors
    ///
    /// As [`to_vec`](Self::to_vec).
    pub async fn to_vec_async<T: Element>(&self) -> Result<Vec<T>> {
        const OP: &str = "to_vec_async";
        self.readable::<T>(OP)?.with_bytes_async(OP, T::from_bytes).await
    }

    /// The one element of a tensor that has one, whatever its rank.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] unless there is exactly one element, and as [`to_vec`](Self::to_vec).
    pub fn item<T: Element>(&self) -> Result<T> {
        if self.numel() != 1 {
            return Err(Error::argument("item", "a tensor with one element", format!("shape {}", self.shape())));
        }
        Ok(self.to_vec::<T>()?[0])
    }

    /// The one element of a tensor that has one, as a future.
    ///
    /// # Errors
    ///
    /// As [`item`](Self::item).
    pub async fn item_async<T: Element>(&self) -> Result<T> {
        const OP: &str = "item_async";
        if self.numel() != 1 {
            return Err(Error::argument(OP, "a tensor with one element", format!("shape {}", self.shape())));
        }
        self.readable::<T>(OP)?.with_bytes_async(OP, |bytes| T::from_bytes(bytes)[0]).await
    }

    /// The elements as bytes, in row-major order.
    pub(crate) fn bytes(&self, op: &'static str) -> Result<Vec<u8>> {
        self.contiguous()?.with_bytes(op, <[u8]>::to_vec)
    }

    /// Calls `f` with the elements' bytes where they lie, since copying many takes longer than all else. The elements
    /// must follow each other.
    pub(crate) fn with_bytes<R>(&self, op: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let tensor = self.copyable()?;
        Backend::read(op, tensor.storage(), tensor.byte_range(), f)
    }

    /// The same, as a future.
    pub(super) async fn with_bytes_async<R>(&self, op: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let tensor = self.copyable()?;
        Backend::read_async(op, tensor.storage(), tensor.byte_range(), f).await
    }

    /// This tensor, or a copy of it in memory that can be copied from.
    fn copyable(&self) -> Result<Self> {
        if self.can_be_copied() { Ok(self.clone()) } else { Expr::from(self).eval() }
    }

    /// Whether its memory can be copied from: of what a caller lends for kernels alone, it cannot.
    pub(super) fn can_be_copied(&self) -> bool {
        Backend::can_be_copied(self.storage())
    }

    fn readable<T: Element>(&self, op: &'static str) -> Result<Self> {
        if T::DTYPE == self.dtype() {
            return self.contiguous();
        }
        Err(Error::argument(op, format!("elements of the tensor's dtype, {}", self.dtype()), T::DTYPE.name()))
    }

    /// Where the elements begin and how long they are, in bytes.
    fn byte_range(&self) -> [usize; 2] {
        [self.offset(), self.numel()].map(|elements| elements * self.dtype().size())
    }

    /// This tensor, or a copy of it whose elements follow each other.
    ///
    /// # Errors
    ///
    /// What the device reports if it has no room for the copy.
    pub fn contiguous(&self) -> Result<Self> {
        if self.is_contiguous() { Ok(self.clone()) } else { Expr::from(self).eval() }
    }

    /// A copy on another device; on the same device, this tensor.
    ///
    /// # Errors
    ///
    /// What either device reports.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        if device.backend().owns(self.storage()) {
            return Ok(self.clone());
        }
        let bytes = self.bytes("to_device")?;
        Self::from_bytes("to_device", &bytes, self.shape().clone(), self.dtype(), device)
    }

    /// A copy on another device, as a future: in a browser, the way off a GPU.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::best()?)?;
    /// let copy = pollster::block_on(x.to_device_async(&Device::cpu()))?;
    /// assert_eq!(copy.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What either device reports.
    pub async fn to_device_async(&self, device: &Device) -> Result<Self> {
        const OP: &str = "to_device_async";
        if device.backend().owns(self.storage()) {
            return Ok(self.clone());
        }
        let bytes = self.contiguous()?.with_bytes_async(OP, <[u8]>::to_vec).await?;
        Self::from_bytes(OP, &bytes, self.shape().clone(), self.dtype(), device)
    }

    /// A copy converted to `dtype`, rounding once; with the same dtype, this tensor.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype() { Ok(self.clone()) } else { Expr::from(self).cast(dtype).eval() }
    }
}
