//! What a tensor is: memory, where in it the elements lie, and what they are.

use super::layout::Layout;
use super::storage::Storage;
use crate::{DType, Shape};

/// Data on a device: a shape, a dtype and the memory they describe.
///
/// A `Tensor` is a cheap handle. Clones and views share memory, so writing through one
/// ([`assign`](Self::assign), [`fill`](Self::fill)) is seen by all. Arithmetic on tensors builds an [`Expr`](crate::Expr).
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
    /// The elements of `storage`, which holds `dtype`, that `layout` places within it.
    pub(crate) fn new(storage: Storage, layout: Layout, dtype: DType) -> Self {
        Self { storage, layout, dtype }
    }

    /// The same memory through another layout.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        Self::new(self.storage.clone(), layout, self.dtype)
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

    /// Whether both are the same elements of the same memory, in the same order.
    pub(crate) fn is_same_view(&self, other: &Self) -> bool {
        self.storage.id() == other.storage.id() && self.layout == other.layout && self.dtype == other.dtype
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }
}
