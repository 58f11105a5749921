//! hadamard for Python: expressions in text over NumPy arrays, evaluated in one pass.
//!
//! This crate is glue: it makes tensors of arrays' memory (`array`, `dlpack`), calls the library's functions (`operands`,
//! `expression`, `optim`), and makes arrays of results' memory. What is written in Python (`hadamard/`) stands on these.

mod array;
mod device;
mod dlpack;
mod errors;
mod expression;
mod operands;
mod optim;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _hadamard(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<expression::Expression>()?;
    module.add_class::<device::DeviceArray>()?;
    module.add_class::<optim::Optimizer>()?;
    module.add_function(wrap_pyfunction!(expression::evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(expression::assign, module)?)?;
    module.add_function(wrap_pyfunction!(expression::names, module)?)?;
    module.add_function(wrap_pyfunction!(expression::words, module)?)?;
    module.add_function(wrap_pyfunction!(device::devices, module)?)?;
    module.add_function(wrap_pyfunction!(device::num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(device::set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(device::to_device, module)?)?;
    Ok(())
}
