//! Arrays of other libraries, by the DLPack protocol, version 0 of its structures:
//! <https://dmlc.github.io/dlpack/latest/c_api.html>.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use hadamard::{DType, RawParts, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};

use crate::errors::exception;

#[repr(C)]
struct DLDevice {
    device_type: i32,
    device_id: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct DLDataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DLTensor {
    data: *mut c_void,
    device: DLDevice,
    ndim: i32,
    dtype: DLDataType,
    shape: *const i64,
    /// Null if elements follow each other in row-major order. In elements.
    strides: *const i64,
    byte_offset: u64,
}

#[repr(C)]
struct DLManagedTensor {
    dl_tensor: DLTensor,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut DLManagedTensor)>,
}

/// `kDLCPU`.
const CPU: i32 = 1;
const NAME: &CStr = c"dltensor";
const USED: &CStr = c"used_dltensor";

/// What another library lent, given back when it is dropped.
struct Lent(NonNull<DLManagedTensor>);

// SAFETY: a managed tensor may be given back by any thread; nothing else is done with it.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: it was handed over by its capsule, once, and the protocol has its deleter called by who takes it.
        unsafe {
            if let Some(deleter) = self.0.as_ref().deleter {
                // Some deleters are Python's.
                Python::attach(|_| deleter(self.0.as_ptr()));
            }
        }
    }
}

fn dtype_of(dtype: DLDataType) -> PyResult<DType> {
    Ok(match (dtype.code, dtype.bits, dtype.lanes) {
        (0, 8, 1) => DType::I8,
        (0, 16, 1) => DType::I16,
        (0, 32, 1) => DType::I32,
        (0, 64, 1) => DType::I64,
        (1, 8, 1) => DType::U8,
        (1, 16, 1) => DType::U16,
        (1, 32, 1) => DType::U32,
        (1, 64, 1) => DType::U64,
        (2, 16, 1) => DType::F16,
        (2, 32, 1) => DType::F32,
        (2, 64, 1) => DType::F64,
        (4, 16, 1) => DType::BF16,
        (6, 8, 1) => DType::Bool,
        (code, bits, lanes) => {
            let text =
                format!("DLPack elements of code {code}, {bits} bits and {lanes} lanes are of no dtype of hadamard");
            return Err(PyTypeError::new_err(text));
        }
    })
}

/// A tensor over the memory of an object with `__dlpack__`, on the CPU.
pub(crate) fn tensor_of(array: &Bound<'_, PyAny>, read_only: bool) -> PyResult<Tensor> {
    let capsule = array.call_method0("__dlpack__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(NAME))?.cast::<DLManagedTensor>();
    // SAFETY: a capsule of this name holds a managed tensor; renaming it says that it is ours to delete.
    let (lent, tensor) = unsafe {
        if pyo3::ffi::PyCapsule_SetName(capsule.as_ptr(), USED.as_ptr()) != 0 {
            return Err(PyErr::fetch(array.py()));
        }
        (Lent(pointer), &pointer.as_ref().dl_tensor)
    };
    if tensor.device.device_type != CPU {
        return Err(PyTypeError::new_err("an array that is not in the CPU's memory: move it there first"));
    }
    let dtype = dtype_of(tensor.dtype)?;
    let rank = usize::try_from(tensor.ndim).unwrap_or(0);
    let numbers = |at: *const i64| {
        // SAFETY: the protocol has so many numbers there.
        if rank == 0 { &[][..] } else { unsafe { std::slice::from_raw_parts(at, rank) } }
    };
    let shape: Vec<usize> = numbers(tensor.shape).iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
    let mut strides = vec![dtype.size() as isize; rank];
    if tensor.strides.is_null() {
        for d in (1..rank).rev() {
            strides[d - 1] = strides[d].saturating_mul(shape[d] as isize);
        }
    } else {
        for (stride, &steps) in strides.iter_mut().zip(numbers(tensor.strides)) {
            *stride = isize::try_from(steps)?.saturating_mul(*stride);
        }
    }
    let offset = usize::try_from(tensor.byte_offset)?;
    let start = tensor.data.cast::<u8>().wrapping_add(offset);
    if shape.len() > hadamard::MAX_RANK {
        return Err(PyValueError::new_err(format!(
            "{} dims; hadamard has {} at most",
            shape.len(),
            hadamard::MAX_RANK
        )));
    }
    let parts = RawParts { start, shape: shape.into(), strides, dtype, read_only };
    // SAFETY: the protocol keeps the memory for as long as `lent` lives; who writes it meanwhile is the caller of Python's
    // affair, as with all arrays.
    unsafe { Tensor::from_raw_parts(&parts, lent) }.map_err(exception)
}
