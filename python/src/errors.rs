//! The library's errors as Python's exceptions.

use hadamard::Error;
use pyo3::PyErr;
use pyo3::exceptions::{PyIndexError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};

/// The exception for an error, in the same words.
pub(crate) fn exception(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::OutOfMemory { .. } => PyMemoryError::new_err(text),
        Error::DType { .. } | Error::DeviceMismatch { .. } => PyTypeError::new_err(text),
        Error::Index { .. } => PyIndexError::new_err(text),
        Error::DeviceLost { .. } | Error::Interrupted { .. } | Error::Gpu { .. } => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}
