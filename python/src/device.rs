//! Devices, and arrays that stay on them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hadamard::{Device, Operand, Tensor};
use numpy::PyArrayDescr;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::array::{array_of, descr_of, operand_of};
use crate::errors::exception;

/// The device a name stands for, opened once in this process.
pub(crate) fn device_of(py: Python<'_>, name: &str) -> PyResult<Device> {
    static OPEN: Mutex<Option<HashMap<(u32, String), Device>>> = Mutex::new(None);
    if name == "cpu" {
        return Ok(Device::cpu());
    }
    // Those of a parent process are of no use to a child.
    let key = (std::process::id(), name.to_owned());
    let known = || OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(device) = known().get_or_insert_with(HashMap::new).get(&key) {
        return Ok(device.clone());
    }
    let device = py.detach(|| Device::named(name)).map_err(exception)?;
    Ok(known().get_or_insert_with(HashMap::new).entry(key).or_insert(device).clone())
}

/// Names of the devices of this machine, the best first and ``"cpu"`` last. Each is a name that ``device=`` takes.
///
/// >>> import hadamard
/// >>> hadamard.devices()[-1]
/// 'cpu'
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> Vec<String> {
    py.detach(|| Device::all().iter().map(ToString::to_string).collect())
}

/// How many threads compute on the CPU. At first the number in HADAMARD_NUM_THREADS, else in OMP_NUM_THREADS, else one
/// for each core that this process may use.
#[pyfunction]
pub(crate) fn num_threads() -> usize {
    hadamard::num_threads()
}

/// Has the CPU compute on so many threads from now on, in the whole process.
///
/// >>> import hadamard
/// >>> hadamard.set_num_threads(1)
/// >>> hadamard.num_threads()
/// 1
#[pyfunction]
pub(crate) fn set_num_threads(count: usize) -> PyResult<()> {
    hadamard::set_num_threads(count).map_err(exception)
}

/// An array that stays on a device: an operand of any expression, and the result of those on a GPU. NumPy reads it where
/// an array is wanted: ``numpy.asarray(x)``.
#[pyclass(frozen, module = "hadamard")]
pub(crate) struct DeviceArray {
    tensor: Tensor,
}

impl DeviceArray {
    pub(crate) fn new(tensor: Tensor) -> Self {
        Self { tensor }
    }

    pub(crate) fn tensor(&self) -> &Tensor {
        &self.tensor
    }
}

#[pymethods]
impl DeviceArray {
    /// The size of each dim.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.tensor.shape().iter())
    }

    /// The type of the elements, as NumPy's.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDescr>> {
        descr_of(py, self.tensor.dtype())
    }

    /// The name of the device.
    #[getter]
    fn device(&self) -> String {
        self.tensor.device().to_string()
    }

    /// Number of dims.
    #[getter]
    fn ndim(&self) -> usize {
        self.tensor.rank()
    }

    /// Number of elements.
    #[getter]
    fn size(&self) -> usize {
        self.tensor.numel()
    }

    /// The elements as a NumPy array, once the device has computed them.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let tensor = py.detach(|| self.tensor.to_device(&Device::cpu())).map_err(exception)?;
        array_of(py, tensor)
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = copy;
        let array = self.numpy(py)?;
        match dtype {
            None => Ok(array),
            Some(dtype) => {
                let keywords = PyDict::new(py);
                keywords.set_item("copy", false)?;
                array.call_method("astype", (dtype,), Some(&keywords))
            }
        }
    }

    /// The one element of an array that has one, as a Python number.
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.numpy(py)?.call_method0("item")
    }

    fn __float__(&self, py: Python<'_>) -> PyResult<f64> {
        self.item(py)?.extract()
    }

    fn __len__(&self) -> PyResult<usize> {
        self.tensor.shape().first().copied().ok_or_else(|| PyTypeError::new_err("len() of an array without dims"))
    }

    fn __repr__(&self) -> String {
        let Self { tensor } = self;
        format!("DeviceArray({}{} on {})", tensor.dtype(), tensor.shape(), tensor.device())
    }
}

/// A copy of an array on a device, which stays there until it is read: ``"gpu"``, or any name that ``devices()`` gives, or
/// part of one.
///
/// >>> import hadamard, numpy as np
/// >>> hadamard.to_device(np.ones((2, 3), "f4"), "cpu")
/// DeviceArray(f32[2, 3] on cpu)
#[pyfunction]
#[pyo3(signature = (x, device="gpu"))]
pub(crate) fn to_device(py: Python<'_>, x: &Bound<'_, PyAny>, device: &str) -> PyResult<DeviceArray> {
    let device = device_of(py, device)?;
    // Named, so that it lives until the copy is made.
    let (operand, _kept) = operand_of(x)?;
    match operand {
        Operand::Tensor(tensor) => {
            let moved = py.detach(|| {
                // On the CPU too it is a copy: the array's memory is its owner's.
                let own = if device.is_gpu() { Ok(tensor) } else { hadamard::Expr::from(&tensor).eval() };
                own?.to_device(&device)
            });
            moved.map(DeviceArray::new).map_err(exception)
        }
        Operand::Number(_) => Err(PyTypeError::new_err("expected an array, found a number")),
    }
}
