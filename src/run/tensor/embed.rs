//! wgpu's buffers as tensors, and what is behind a tensor as a wgpu buffer.

use std::ops::Range;

use crate::base::layout::Layout;
use crate::{DType, Device, Error, Result, Shape, Tensor};

/// Where the elements of a tensor lie in a wgpu buffer.
#[derive(Clone, Debug)]
pub struct WgpuParts {
    /// The buffer, for as long as anybody holds it. Its usages are `STORAGE`, `COPY_SRC` and `COPY_DST`, or what the caller
    /// made it with.
    pub buffer: wgpu::Buffer,
    /// Where in it the first element lies, in bytes.
    pub byte_offset: u64,
    /// All bytes from the lowest element to the highest.
    pub bytes: Range<u64>,
    /// The size of each dim.
    pub shape: Shape,
    /// Bytes from one element to the next, for each dim; negative where memory is walked backwards.
    pub strides: Vec<isize>,
    /// The type of the elements.
    pub dtype: DType,
}

impl Tensor {
    /// A tensor over a wgpu buffer of the caller's, from byte `byte_offset` on, in row-major order. Nothing is copied, the
    /// buffer is kept for as long as the tensor or a view of it is, and its memory is never pooled.
    ///
    /// Views, updates in place, reductions and gradients are as of any tensor. Two tensors over one buffer may overlap: an
    /// update that writes where it reads elsewhere computes its values first, and targets of one [`assign`](crate::assign())
    /// must not share memory, as which two tensors of different dtypes over one buffer count.
    ///
    /// The buffer needs `STORAGE` among its usages, and must not be mapped while work on it is handed over. Kernels read
    /// elements in groups of four, counted from the buffer's start, so the group that the last element is in must be
    /// within the buffer: for f32, round its size up to 16 bytes. A `Bool` is a byte of 0 or 1.
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor, wgpu};
    /// let device = Device::best()?;
    /// if let Some((raw, _queue)) = device.wgpu() {
    ///     let buffer = raw.create_buffer(&wgpu::BufferDescriptor {
    ///         label: Some("particles"),
    ///         size: 4096,
    ///         usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::VERTEX,
    ///         mapped_at_creation: false,
    ///     });
    ///     let speeds = Tensor::from_wgpu(&buffer, 1024, [64, 3], DType::F32, &device)?;
    ///     speeds.assign(&speeds * 0.99)?;
    ///     device.flush()?;
    /// }
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the offset is no multiple of an element's size, if the buffer is too small, has no `STORAGE`
    /// usage, is mapped, destroyed, or of another wgpu device; [`Error::Unsupported`] on the CPU; [`Error::DeviceLost`].
    pub fn from_wgpu(
        buffer: &wgpu::Buffer,
        byte_offset: u64,
        shape: impl Into<Shape>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        const OP: &str = "from_wgpu";
        let context = device.require_gpu(OP, "wgpu buffers")?;
        let shape = shape.into();
        let numel = shape.checked_numel(OP)?;
        if numel == 0 {
            return Self::empty(OP, shape, dtype, device);
        }
        let size = dtype.size() as u64;
        let end = (numel as u64).checked_mul(size).and_then(|bytes| bytes.checked_add(byte_offset));
        let end = end.filter(|&end| end < u64::MAX / 2).ok_or_else(|| {
            Error::argument(OP, "elements that lie in a buffer", format!("shape {shape} from byte {byte_offset} on"))
        })?;
        let storage = context.import(OP, buffer, [byte_offset, end], dtype)?;
        let offset = (byte_offset / size) as usize;
        let strides = Layout::contiguous(shape.clone()).strides().iter().copied().collect();
        Ok(Self::new(storage, Layout::new(shape, strides, offset), dtype))
    }

    /// The wgpu buffer behind a tensor, and where in it the elements lie. Work on it that is recorded is handed over first, so
    /// that what the caller submits afterwards sees it.
    ///
    /// Both may go on using the buffer; of what is recorded here later, [`Device::flush`] says when it is handed over. Its
    /// memory is never pooled from now on, and lives as long as anybody holds it.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::best()?;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &device)?;
    /// if device.is_gpu() {
    ///     let column = x.transpose(0, 1)?.at(1)?.to_wgpu()?;
    ///     assert_eq!((column.byte_offset, column.bytes, column.strides), (4, 4..16, vec![8]));
    /// }
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] on the CPU; what the device reports.
    pub fn to_wgpu(&self) -> Result<WgpuParts> {
        const OP: &str = "to_wgpu";
        let device = self.device();
        let buffer = device.require_gpu(OP, "wgpu buffers")?.export(OP, self.storage(), self.dtype())?;
        let size = self.dtype().size();
        let bytes = |elements: usize| (elements * size) as u64;
        let (low, end) = self.layout().bounds().map_or((self.offset(), self.offset()), |(low, high)| (low, high + 1));
        Ok(WgpuParts {
            buffer,
            byte_offset: bytes(self.offset()),
            bytes: bytes(low)..bytes(end),
            shape: self.shape().clone(),
            strides: self.strides().iter().map(|&stride| stride * size as isize).collect(),
            dtype: self.dtype(),
        })
    }
}
