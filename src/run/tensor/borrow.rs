//! Memory of the CPU that other code owns, as tensors; and tensors' memory, for other code.

#![allow(unsafe_code, reason = "takes memory by its address")]

use std::any::Any;
use std::ptr::NonNull;

use smallvec::SmallVec;

use crate::base::layout::Layout;
use crate::base::storage::Storage;
use crate::cpu::Buffer;
use crate::run::backend::Backend;
use crate::{DType, Device, Element, Error, Expr, Result, Shape, Tensor};

/// Where the elements of an array lie in the CPU's memory, as the array interface of NumPy has it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawParts {
    /// The address of the first element.
    pub start: *mut u8,
    /// The size of each dim.
    pub shape: Shape,
    /// Bytes from one element to the next, for each dim; negative where memory is walked backwards.
    pub strides: Vec<isize>,
    /// The type of the elements.
    pub dtype: DType,
    /// Whether nothing may be written there.
    pub read_only: bool,
}

impl Tensor {
    /// A tensor of the CPU whose memory is `owner`'s, which is kept for as long as the memory is in use. Nothing is copied,
    /// and it is an error to write to it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hadamard::Tensor;
    /// let samples: Arc<[f32]> = Arc::from([1.0, 2.0, 3.0, 4.0]);
    /// let x = Tensor::from_owner(samples.clone(), [2, 2])?;
    /// assert_eq!(x.sum(0).to_vec::<f32>()?, [4.0, 6.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the owner does not have as many elements as the shape.
    pub fn from_owner<T: Element>(
        owner: impl AsRef<[T]> + Send + Sync + 'static,
        shape: impl Into<Shape>,
    ) -> Result<Self> {
        const OP: &str = "from_owner";
        let shape = shape.into();
        // Where it is now it stays.
        let owner = Box::new(owner);
        let values: &[T] = (*owner).as_ref();
        super::create::check_count(OP, &shape, values.len())?;
        let bytes = size_of_val(values);
        let start = NonNull::from(values).cast();
        // SAFETY: the slice is borrowed of the owner, which nobody else can reach and which is kept; it is aligned,
        // initialised, and written by nobody.
        let buffer = unsafe { Buffer::borrowed(start, bytes, true, owner) };
        Ok(Self::new(Storage::new(buffer), Layout::contiguous(shape), T::DTYPE))
    }

    /// A tensor of the CPU over memory that other code owns; `owner` is kept for as long as the memory is in use, and
    /// dropped then. Views of the tensor, updates in place and reductions are as of any other; the memory is never pooled.
    ///
    /// What is not aligned to its elements, or does not lie in whole elements from one to the next, is copied if it is
    /// only to be read. So are bools whose bytes are not 0 or 1, which are true where they are not 0; if they may be written,
    /// they are made 1 where they are.
    ///
    /// Memory that overlaps other borrowed memory is found to: an update that writes where it reads elsewhere computes
    /// its values first, and two targets that share memory are an error. Gradients go to a tensor, its views and clones, and not
    /// to another tensor that was made over the same memory.
    ///
    /// ```
    /// use hadamard::{DType, RawParts, Tensor};
    /// let mut image = vec![[10_u8, 20, 30]; 4];
    /// let green = RawParts {
    ///     start: image.as_mut_ptr().cast::<u8>().wrapping_add(1),
    ///     shape: [2, 2].into(),
    ///     strides: vec![6, 3],
    ///     dtype: DType::U8,
    ///     read_only: false,
    /// };
    /// // SAFETY: the image outlives the tensor, and nobody else looks at it meanwhile.
    /// let green = unsafe { Tensor::from_raw_parts(&green, ()) }?;
    /// green.assign(&green * 2)?;
    /// drop(green);
    /// assert_eq!(image, [[10, 40, 30]; 4]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// For as long as `owner` lives, every element of the shape is where strides say, and is initialised. While an
    /// operation on the tensor or its views runs, no other code writes these elements, nor reads them if they are written.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if there is not one stride for each dim, if there is no address, or if elements lie beyond
    /// the last address; or if memory that may be written would have to be copied.
    pub unsafe fn from_raw_parts(parts: &RawParts, owner: impl Any + Send + Sync) -> Result<Self> {
        const OP: &str = "from_raw_parts";
        let numel = parts.shape.checked_numel(OP)?;
        if parts.strides.len() != parts.shape.rank() {
            let expected = format!("{} strides for shape {}", parts.shape.rank(), parts.shape);
            return Err(Error::argument(OP, expected, parts.strides.len().to_string()));
        }
        if numel == 0 {
            return Self::empty(OP, parts.shape.clone(), parts.dtype, &Device::cpu());
        }
        let (before, len) = reach(OP, parts)?;
        let lowest = NonNull::new(parts.start.wrapping_sub(before));
        let Some(lowest) = lowest.filter(|_| !parts.start.is_null()) else {
            return Err(Error::argument(OP, "an address", "none"));
        };
        let size = parts.dtype.size();
        let aligned = parts.start.addr().is_multiple_of(size);
        let mut steps = parts.strides.iter().zip(parts.shape.iter());
        if !aligned || steps.any(|(&stride, &n)| n > 1 && !stride.unsigned_abs().is_multiple_of(size)) {
            if !parts.read_only {
                let expected = format!("elements at multiples of {size} bytes, since they may be written");
                return Err(Error::argument(
                    OP,
                    expected,
                    format!("address {:?}, strides {:?}", parts.start, parts.strides),
                ));
            }
            // SAFETY: as the caller promises.
            return unsafe { copied(OP, parts) };
        }
        // Bools come as the bytes they are, to be looked at.
        let dtype = if parts.dtype == DType::Bool { DType::U8 } else { parts.dtype };
        // SAFETY: as the caller promises; alignment was just seen.
        let buffer = unsafe { Buffer::borrowed(lowest, len, parts.read_only, Box::new(owner)) };
        let strides = parts.strides.iter().zip(parts.shape.iter());
        let strides = strides.map(|(&stride, &n)| if n > 1 { stride / size as isize } else { 0 }).collect();
        let tensor = Self::new(Storage::new(buffer), Layout::new(parts.shape.clone(), strides, before / size), dtype);
        if parts.dtype == DType::Bool { tensor.into_bools() } else { Ok(tensor) }
    }

    /// Where the elements lie, if they are in the CPU's memory. The address is good for as long as this tensor, a view or a
    /// clone of it lives; who reads or writes there must keep out of the way of operations on them.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &Device::cpu())?;
    /// let column = x.transpose(0, 1)?.at(1)?.raw_parts().unwrap();
    /// assert_eq!((column.shape.dims(), &column.strides[..]), (&[2][..], &[8][..]));
    /// // SAFETY: `x` lives.
    /// assert_eq!(unsafe { *column.start.cast::<f32>() }, 2.0);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    pub fn raw_parts(&self) -> Option<RawParts> {
        let size = self.dtype().size();
        Some(RawParts {
            start: Backend::start(self.storage())?.wrapping_add(self.offset() * size),
            shape: self.shape().clone(),
            strides: self.strides().iter().map(|&stride| stride * size as isize).collect(),
            dtype: self.dtype(),
            read_only: self.storage().is_read_only(),
        })
    }

    /// The same bytes as bools, after seeing to it that they are 0 or 1.
    fn into_bools(self) -> Result<Self> {
        let bools = Self::new(self.storage().clone(), self.layout().clone(), DType::Bool);
        if self.amax(..).item::<u8>()? <= 1 {
            return Ok(bools);
        }
        let truth = Expr::from(&self).ne(0);
        if self.storage().is_read_only() {
            return truth.eval();
        }
        self.assign(truth.cast(DType::U8))?;
        Ok(bools)
    }
}

/// Bytes that lie before the first element, and all bytes from the lowest to the highest.
fn reach(op: &'static str, parts: &RawParts) -> Result<(usize, usize)> {
    let (mut before, mut after) = (0_usize, parts.dtype.size());
    for (&stride, &n) in parts.strides.iter().zip(parts.shape.iter()) {
        let far = stride.unsigned_abs().checked_mul(n - 1);
        let end = if stride < 0 { &mut before } else { &mut after };
        let sum = far.and_then(|far| end.checked_add(far));
        *end = sum.filter(|&sum| isize::try_from(sum).is_ok()).ok_or_else(|| beyond(op, parts))?;
    }
    let fits = parts.start.addr() >= before && parts.start.addr().checked_add(after).is_some();
    let len = before.checked_add(after).filter(|&len| fits && isize::try_from(len).is_ok());
    len.map(|len| (before, len)).ok_or_else(|| beyond(op, parts))
}

fn beyond(op: &'static str, parts: &RawParts) -> Error {
    let RawParts { start, shape, strides, .. } = parts;
    Error::argument(op, "elements that lie in memory", format!("address {start:?}, shape {shape}, strides {strides:?}"))
}

/// A tensor of its own memory with those elements, wherever their bytes are.
///
/// # Safety
///
/// They are where `parts` says.
unsafe fn copied(op: &'static str, parts: &RawParts) -> Result<Tensor> {
    let (numel, size) = (parts.shape.numel(), parts.dtype.size());
    let mut bytes = Vec::with_capacity(numel * size);
    let mut at: SmallVec<[usize; 8]> = SmallVec::from_elem(0, parts.shape.rank());
    for _ in 0..numel {
        let steps = at.iter().zip(&parts.strides).map(|(&i, &stride)| i as isize * stride);
        let element = parts.start.wrapping_offset(steps.sum());
        // SAFETY: so many bytes of an element of the shape, as the caller promises.
        bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(element, size) });
        for d in (0..at.len()).rev() {
            at[d] += 1;
            if at[d] < parts.shape[d] {
                break;
            }
            at[d] = 0;
        }
    }
    if parts.dtype == DType::Bool {
        bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
    }
    Tensor::from_bytes(op, &bytes, parts.shape.clone(), parts.dtype, &Device::cpu())
}
