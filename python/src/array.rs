//! Arrays of Python's as tensors, and tensors as NumPy arrays, without copies.

use std::ptr;

use hadamard::{DType, Operand, RawParts, Scalar, Tensor};
use numpy::npyffi::{self, NPY_ARRAY_WRITEABLE, PY_ARRAY_API};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyImportError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt};

use crate::device::DeviceArray;
use crate::dlpack;
use crate::errors::exception;

/// The dtype of NumPy's, if it is one of ours.
pub(crate) fn dtype_of(descr: &Bound<'_, PyArrayDescr>) -> PyResult<DType> {
    let (kind, size) = (descr.kind(), descr.itemsize());
    let refused = |why: &str| {
        let text = format!("elements of dtype {descr} are of no dtype of hadamard{why}");
        Err(PyTypeError::new_err(text))
    };
    let dtype = match (kind, size) {
        (b'b', 1) => DType::Bool,
        (b'i', 1) => DType::I8,
        (b'i', 2) => DType::I16,
        (b'i', 4) => DType::I32,
        (b'i', 8) => DType::I64,
        (b'u', 1) => DType::U8,
        (b'u', 2) => DType::U16,
        (b'u', 4) => DType::U32,
        (b'u', 8) => DType::U64,
        (b'f', 2) => DType::F16,
        (b'f', 4) => DType::F32,
        (b'f', 8) => DType::F64,
        // A dtype of a library's own, which calls itself so.
        (_, 2) if descr.str()?.to_str()? == "bfloat16" => DType::BF16,
        (b'c', _) => return refused(": take their .real and .imag"),
        (b'O', _) => return refused(": convert them with x.astype(float)"),
        _ => return refused(""),
    };
    if descr.is_native_byteorder() == Some(false) {
        return refused(": their bytes are swapped, convert them with x.astype(x.dtype.newbyteorder('='))");
    }
    Ok(dtype)
}

/// The dtype of NumPy's for one of ours.
pub(crate) fn descr_of(py: Python<'_>, dtype: DType) -> PyResult<Bound<'_, PyArrayDescr>> {
    Ok(match dtype {
        DType::Bool => numpy::dtype::<bool>(py),
        DType::I8 => numpy::dtype::<i8>(py),
        DType::I16 => numpy::dtype::<i16>(py),
        DType::I32 => numpy::dtype::<i32>(py),
        DType::I64 => numpy::dtype::<i64>(py),
        DType::U8 => numpy::dtype::<u8>(py),
        DType::U16 => numpy::dtype::<u16>(py),
        DType::U32 => numpy::dtype::<u32>(py),
        DType::U64 => numpy::dtype::<u64>(py),
        DType::F32 => numpy::dtype::<f32>(py),
        DType::F64 => numpy::dtype::<f64>(py),
        DType::F16 => PyArrayDescr::new(py, "float16")?,
        DType::BF16 => {
            static BF16: PyOnceLock<Py<PyArrayDescr>> = PyOnceLock::new();
            let found = BF16.get_or_try_init(py, || {
                let module = py.import("ml_dtypes").map_err(|_| {
                    PyImportError::new_err("a bfloat16 result needs the package ml_dtypes (pip install ml_dtypes)")
                })?;
                PyArrayDescr::new(py, module.getattr("bfloat16")?).map(Bound::unbind)
            })?;
            found.bind(py).clone()
        }
    })
}

/// A tensor over a NumPy array's memory, which is to be read, and if `write` to be written.
fn tensor_of_array(array: &Bound<'_, PyUntypedArray>, write: bool) -> PyResult<Tensor> {
    let dtype = dtype_of(&array.dtype())?;
    if array.ndim() > hadamard::MAX_RANK {
        let text = format!("an array of {} dims; hadamard has {} at most", array.ndim(), hadamard::MAX_RANK);
        return Err(PyValueError::new_err(text));
    }
    // SAFETY: it is an array.
    let (data, flags) = unsafe {
        let fields = &(*array.as_array_ptr()).fields;
        (fields.data, fields.flags)
    };
    if write && flags & NPY_ARRAY_WRITEABLE == 0 {
        return Err(PyValueError::new_err("the array to be written is read-only"));
    }
    let parts = RawParts {
        start: data.cast(),
        shape: array.shape().into(),
        strides: array.strides().to_vec(),
        dtype,
        read_only: !write,
    };
    // The array is alive while it is an argument, and whoever keeps the tensor for longer keeps the array.
    // SAFETY: NumPy's arrays are as their fields say; who writes them meanwhile is the caller of Python's affair.
    unsafe { Tensor::from_raw_parts(&parts, ()) }.map_err(exception)
}

/// An object as an operand; and another object, if one was made that must live for as long as the operand is in use.
pub(crate) fn operand_of(object: &Bound<'_, PyAny>) -> PyResult<(Operand, Option<Py<PyAny>>)> {
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return Ok((tensor_of_array(array, false)?.into(), None));
    }
    // Exactly these: scalars of NumPy's have a dtype, which is strong, and some are subclasses.
    if object.is_exact_instance_of::<PyFloat>() {
        return Ok((Scalar::Float(object.extract()?).into(), None));
    }
    if object.is_exact_instance_of::<PyBool>() {
        return Ok((Scalar::Bool(object.extract()?).into(), None));
    }
    if object.is_exact_instance_of::<PyInt>() {
        let number: i64 =
            object.extract().map_err(|_| PyOverflowError::new_err(format!("{object} is beyond int64")))?;
        return Ok((Scalar::Int(number).into(), None));
    }
    if let Ok(array) = object.cast::<DeviceArray>() {
        return Ok((array.get().tensor().into(), None));
    }
    foreign(object)
}

/// An object of another library's, or one that NumPy makes an array of.
fn foreign(object: &Bound<'_, PyAny>) -> PyResult<(Operand, Option<Py<PyAny>>)> {
    let py = object.py();
    let has = |name| object.hasattr(name).unwrap_or(false);
    let is_scalar = object.is_instance(&numpy_module(py)?.getattr(intern!(py, "generic"))?)?;
    if has("__dlpack__") && !has("__array_interface__") && !is_scalar {
        return Ok((dlpack::tensor_of(object, true)?.into(), None));
    }
    let array = if has("__array_interface__") || has("__array__") || is_scalar {
        numpy_module(py)?.call_method1(intern!(py, "asarray"), (object,))?
    } else if let Ok(view) = py.import("builtins")?.call_method1("memoryview", (object,)) {
        numpy_module(py)?.call_method1(intern!(py, "asarray"), (view,))?
    } else if object.hasattr("__len__")? && !object.is_instance_of::<pyo3::types::PyString>() {
        numpy_module(py)?.call_method1(intern!(py, "asarray"), (object,))?
    } else {
        let text = format!(
            "expected an array, a number or an object with __dlpack__, __array_interface__ or a buffer, found {}",
            object.get_type().name()?
        );
        return Err(PyTypeError::new_err(text));
    };
    let tensor = tensor_of_array(array.cast::<PyUntypedArray>()?, false)?;
    Ok((tensor.into(), Some(array.unbind())))
}

/// The tensor over memory of an object that is to be written.
pub(crate) fn target_of(object: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return tensor_of_array(array, true);
    }
    if let Ok(array) = object.cast::<DeviceArray>() {
        return Ok(array.get().tensor().clone());
    }
    // Arrays of JAX's share memory, and may not be written.
    let module: String = object.get_type().getattr("__module__")?.extract()?;
    if object.hasattr("__dlpack__")? && !module.starts_with("jax") {
        return dlpack::tensor_of(object, false);
    }
    let text = format!("expected an array that can be written in place, found {}", object.get_type().name()?);
    Err(PyTypeError::new_err(text))
}

/// Keeps a tensor's memory for arrays over it.
#[pyclass(frozen, module = "hadamard._hadamard")]
struct Memory {
    _tensor: Tensor,
}

/// A new NumPy array over the memory of a tensor on the CPU, which lives as long as the array.
pub(crate) fn array_of(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyAny>> {
    let descr = descr_of(py, tensor.dtype())?;
    let Some(parts) = tensor.raw_parts() else {
        return Err(PyTypeError::new_err("an array on another device: read it with numpy()"));
    };
    let mut dims: Vec<npyffi::npy_intp> = parts.shape.iter().map(|&n| n as npyffi::npy_intp).collect();
    let mut strides: Vec<npyffi::npy_intp> = parts.strides;
    let memory = Bound::new(py, Memory { _tensor: tensor })?;
    // SAFETY: the tensor's elements lie where shape and strides say, for as long as `memory` lives, which the array keeps.
    // Both calls take references over: to the dtype, to the base.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            PyUntypedArray::type_object_raw(py),
            descr.into_dtype_ptr(),
            i32::try_from(dims.len())?,
            dims.as_mut_ptr(),
            strides.as_mut_ptr(),
            parts.start.cast(),
            NPY_ARRAY_WRITEABLE,
            ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        let base = memory.into_any().into_ptr();
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), base) < 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(array)
    }
}

pub(crate) fn numpy_module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static NUMPY: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    NUMPY.get_or_try_init(py, || py.import("numpy").map(Bound::unbind)).map(|module| module.bind(py))
}
