//! Tensors: data on a device, seen through a layout.

use std::sync::Arc;

use crate::device::Kind;
use crate::expr::View;
use crate::expr::build::{check_reshape, check_slice, resolve_permutation, squeezed, unsqueezed};
use crate::layout::{Access, Layout};
use crate::{DType, Device, Element, Error, Expr, Result, Shape, assign, cpu, gpu};

/// The memory of one or more tensors.
#[derive(Clone)]
pub(crate) enum Storage {
    Cpu(Arc<cpu::Buffer>),
    Gpu(Arc<gpu::Buffer>),
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "buffer {:#x} on {}", self.id(), self.device())
    }
}

impl Storage {
    /// Equal for storages that are the same memory.
    pub(crate) fn id(&self) -> usize {
        match self {
            Self::Cpu(buffer) => Arc::as_ptr(buffer) as usize,
            Self::Gpu(buffer) => Arc::as_ptr(buffer) as usize,
        }
    }

    pub(crate) fn device(&self) -> Device {
        match self {
            Self::Cpu(_) => Device::cpu(),
            Self::Gpu(buffer) => Device::from_context(buffer.context().clone()),
        }
    }

    pub(crate) fn is_on(&self, device: &Device) -> bool {
        match (self, device.kind()) {
            (Self::Cpu(_), Kind::Cpu) => true,
            (Self::Gpu(buffer), Kind::Gpu(context)) => Arc::ptr_eq(buffer.context(), context),
            _ => false,
        }
    }
}

/// Data on a device: a shape, a dtype and the memory they describe.
///
/// A `Tensor` is a cheap handle. Clones and views share memory, so writing through one
/// ([`assign`](Self::assign), [`fill`](Self::fill)) is seen by all. Arithmetic on tensors builds an [`Expr`].
///
/// ```
/// use hadamard::{Device, Tensor};
/// let device = Device::best()?;
/// let w = Tensor::from_slice(&[0.5_f32, -2.0, 3.0], [3], &device)?;
/// w.assign(w.clamp(-1.0, 1.0))?;
/// assert_eq!(w.to_vec::<f32>()?, [0.5, -1.0, 1.0]);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    storage: Storage,
    layout: Layout,
    dtype: DType,
}

impl Tensor {
    /// A tensor whose elements are whatever the memory held, to be written at once.
    pub(crate) fn empty(op: &'static str, shape: Shape, dtype: DType, device: &Device) -> Result<Self> {
        let numel = shape.checked_numel(op)?;
        let bytes = numel * dtype.size();
        let storage = match device.kind() {
            Kind::Cpu => Storage::Cpu(cpu::Buffer::new(op, bytes)?),
            Kind::Gpu(context) => Storage::Gpu(context.buffer(op, bytes as u64, dtype)?),
        };
        Ok(Self { storage, layout: Layout::contiguous(shape), dtype })
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
        match &tensor.storage {
            Storage::Cpu(buffer) => buffer.write(bytes),
            Storage::Gpu(buffer) => buffer.write(op, bytes)?,
        }
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

    /// The size of each dim.
    pub fn shape(&self) -> &Shape {
        self.layout.shape()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.layout.numel()
    }

    /// Number of dims.
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// Steps through the memory, in elements, one for each dim.
    pub fn strides(&self) -> &[isize] {
        self.layout.strides()
    }

    /// Where in the memory, in elements, the first element lies.
    pub fn offset(&self) -> usize {
        self.layout.offset()
    }

    /// Whether the elements follow each other in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.layout.is_contiguous()
    }

    /// The device the data is on.
    pub fn device(&self) -> Device {
        self.storage.device()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    // ---- views ----

    fn view(&self, layout: Layout) -> Self {
        Self { storage: self.storage.clone(), layout, dtype: self.dtype }
    }

    fn try_view(&self, view: &View) -> Result<Self> {
        let access = view.of(&Access::from(self.layout.clone()))?;
        match access.layout() {
            Some(layout) => Ok(self.view(layout.clone())),
            None => Expr::from(self).reshape(access.shape()).eval(),
        }
    }

    /// The same elements in row-major order under another shape: a view where strides can say it, else a copy, as
    /// PyTorch's `reshape`. A contiguous tensor always gives a view.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the number of elements differs.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        check_reshape(self.shape(), &shape)?;
        self.try_view(&View::Reshape(shape))
    }

    /// A view with the dims in the order `dims` names them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] unless each dim is named once.
    pub fn permute(&self, dims: &[isize]) -> Result<Self> {
        self.try_view(&View::Permute(resolve_permutation(self.shape(), dims)?))
    }

    /// A view with dims `a` and `b` exchanged.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`] if there is no such dim.
    pub fn transpose(&self, a: isize, b: isize) -> Result<Self> {
        let (a, b) = (self.shape().dim(a, "transpose")?, self.shape().dim(b, "transpose")?);
        let mut dims: smallvec::SmallVec<[usize; 4]> = (0..self.rank()).collect();
        dims.swap(a, b);
        self.try_view(&View::Permute(dims))
    }

    /// A view of elements `start..start + len` of `dim`.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`] if there is no such dim, [`Error::Argument`] if the range is not within it.
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Self> {
        self.slice(dim, start, start.saturating_add(len), 1)
    }

    /// A view of every `step`th element of `dim` from `start` up to, not including, `end`.
    ///
    /// # Errors
    ///
    /// As [`narrow`](Self::narrow); also if `step` is 0.
    pub fn slice(&self, dim: isize, start: usize, end: usize, step: usize) -> Result<Self> {
        let (dim, len) = check_slice(self.shape(), dim, start, end, step)?;
        self.try_view(&View::Narrow { dim, start, len, step })
    }

    /// A view with `dim` read backwards.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`] if there is no such dim.
    pub fn flip(&self, dim: isize) -> Result<Self> {
        let dim = self.shape().dim(dim, "flip")?;
        self.try_view(&View::Flip(dim))
    }

    /// A view repeated along dims of size 1 and new outer dims.
    ///
    /// # Errors
    ///
    /// [`Error::Broadcast`] if this shape does not broadcast to `shape`.
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        shape.checked_numel("broadcast_to")?;
        self.try_view(&View::Broadcast(shape))
    }

    /// A view with a new dim of size 1 before dim `dim` of the result.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`] if `dim` is not in `-rank - 1..=rank`.
    pub fn unsqueeze(&self, dim: isize) -> Result<Self> {
        self.try_view(&View::Reshape(unsqueezed(self.shape(), dim)?))
    }

    /// A view without `dim` if its size is 1, else as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`] if there is no such dim.
    pub fn squeeze(&self, dim: isize) -> Result<Self> {
        self.try_view(&View::Reshape(squeezed(self.shape(), dim)?))
    }

    // ---- writing ----

    /// Evaluates `value` and writes it into this tensor, in place.
    ///
    /// `value` must broadcast to this tensor's shape and is converted to its dtype, rounding once. It may read this
    /// tensor: the right side sees the old values. A tensor with no elements is left as it is. What threads that assign
    /// at the same time may rely on is said at [`assign`](crate::assign()).
    ///
    /// # Errors
    ///
    /// [`Error::Broadcast`] if the shapes do not fit; [`Error::DeviceMismatch`] if `value` reads a tensor of another
    /// device; whatever `value` carries from its own construction.
    pub fn assign(&self, value: impl Into<Expr>) -> Result<()> {
        assign(&[(self, value.into())])
    }

    /// Sets every element to `value`: PyTorch's `weight.data.fill_`.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn fill(&self, value: impl Into<crate::Scalar>) -> Result<()> {
        self.assign(Expr::from(value.into()))
    }

    // ---- reading ----

    /// The elements in row-major order, once the device has computed them. Blocks; see
    /// [`to_vec_async`](Self::to_vec_async).
    ///
    /// # Errors
    ///
    /// [`Error::DType`] if `T` is not the tensor's dtype; what the device reports.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.readable::<T>("to_vec")?.with_bytes("to_vec", T::from_bytes)
    }

    /// The elements in row-major order, as a future. On the web, where nothing may block, this is the way to read.
    ///
    /// # Errors
    ///
    /// As [`to_vec`](Self::to_vec).
    pub async fn to_vec_async<T: Element>(&self) -> Result<Vec<T>> {
        let tensor = self.readable::<T>("to_vec_async")?;
        let (offset, len) = tensor.byte_range();
        match &tensor.storage {
            Storage::Cpu(buffer) => Ok(buffer.read(offset, len, T::from_bytes)),
            Storage::Gpu(buffer) => buffer.read("to_vec_async", offset as u64, len as u64, T::from_bytes).await,
        }
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

    /// The elements as bytes, in row-major order.
    pub(crate) fn bytes(&self, op: &'static str) -> Result<Vec<u8>> {
        self.contiguous()?.with_bytes(op, <[u8]>::to_vec)
    }

    /// What `f` makes of the elements' bytes, where they lie: a copy of many takes longer than all else. They follow
    /// each other.
    fn with_bytes<R>(&self, op: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let (offset, len) = self.byte_range();
        match &self.storage {
            Storage::Cpu(buffer) => Ok(buffer.read(offset, len, f)),
            Storage::Gpu(buffer) => buffer.read_blocking(op, offset as u64, len as u64, f),
        }
    }

    /// The memory this tensor is a view of, from its start up to the last element the view touches, as it lies there.
    /// For the reference, which picks the elements itself.
    pub(crate) fn memory(&self, op: &'static str) -> Result<Vec<u8>> {
        let len = self.layout.bounds().map_or(0, |(_, high)| (high + 1) * self.dtype.size());
        match &self.storage {
            Storage::Cpu(buffer) => Ok(buffer.read(0, len, <[u8]>::to_vec)),
            Storage::Gpu(buffer) => buffer.read_blocking(op, 0, len as u64, <[u8]>::to_vec),
        }
    }

    fn readable<T: Element>(&self, op: &'static str) -> Result<Self> {
        if T::DTYPE == self.dtype {
            return self.contiguous();
        }
        Err(Error::argument(op, format!("elements of the tensor's dtype, {}", self.dtype), T::DTYPE.name()))
    }

    fn byte_range(&self) -> (usize, usize) {
        (self.offset() * self.dtype.size(), self.numel() * self.dtype.size())
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
        if self.storage.is_on(device) {
            return Ok(self.clone());
        }
        let bytes = self.bytes("to_device")?;
        Self::from_bytes("to_device", &bytes, self.shape().clone(), self.dtype, device)
    }

    /// A copy converted to `dtype`, rounding once; with the same dtype, this tensor.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        if dtype == self.dtype { Ok(self.clone()) } else { Expr::from(self).cast(dtype).eval() }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({}{} on {})", self.dtype, self.shape(), self.device())
    }
}

/// The methods of [`Expr`] that a tensor has too, beside those of the table of operations, so that `x.square()` needs
/// no conversion.
macro_rules! expression_methods {
    ($($name:ident($($arg:ident: $ty:ty),*)),* $(,)?) => {
        impl Tensor {$(
            #[doc = concat!("The expression [`Expr::", stringify!($name), "`] of this tensor.")]
            #[must_use]
            pub fn $name(&self $(, $arg: $ty)*) -> Expr { Expr::from(self).$name($($arg),*) }
        )*}
    };
}
expression_methods! {
    unary(op: crate::UnaryOp), binary(op: crate::BinaryOp, rhs: impl Into<Expr>), reduce(op: crate::ReduceOp, dims: impl Into<crate::Dims>),
    cast(dtype: DType), gelu(), square(), reciprocal(),
    clamp(low: impl Into<Expr>, high: impl Into<Expr>), lerp(end: impl Into<Expr>, weight: impl Into<Expr>),
    norm(p: impl Into<f64>, dims: impl Into<crate::Dims>), dot(other: impl Into<Expr>), softmax(dim: isize), log_softmax(dim: isize),
    var(dims: impl Into<crate::Dims>, correction: impl Into<f64>), std(dims: impl Into<crate::Dims>, correction: impl Into<f64>),
    logsumexp(dims: impl Into<crate::Dims>), layer_norm(dims: impl Into<crate::Dims>, eps: f64),
}
