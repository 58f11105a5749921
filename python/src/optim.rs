//! The library's optimizers, over arrays in place.

use std::sync::{Mutex, PoisonError};

use hadamard::optim::{Adadelta, Adagrad, Adam, AdamW, Adamax, AnyOptimizer, Lion, NAdam, RAdam, RMSprop, SGD};
use hadamard::{Expr, Operand, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::array::{array_of, operand_of, target_of};
use crate::errors::exception;
use crate::operands::{Compiled, Operands, Sources};

/// `made!(SGD, parameters, options, momentum nesterov …)`: the optimizer with those of the options that are given.
macro_rules! made {
    ($ty:ident, $parameters:expr, $options:expr, $($option:ident)*) => {{
        let mut made = $ty::new($parameters);
        for (key, value) in $options {
            let key: String = key.extract()?;
            made = match key.as_str() {
                "lr" => made.lr(value.extract()?),
                "maximize" => made.maximize(value.extract()?),
                $(stringify!($option) => made.$option(value.extract()?),)*
                other => {
                    let known = ["lr", "maximize", $(stringify!($option)),*].join(", ");
                    let text = format!("{} has no option '{other}' (it has {known})", stringify!($ty));
                    return Err(PyTypeError::new_err(text));
                }
            };
        }
        made.any()
    }};
}

/// An optimizer over arrays that are updated in place. ``hadamard.optim`` has one for each rule.
#[pyclass(frozen, module = "hadamard._hadamard")]
pub(crate) struct Optimizer {
    rule: String,
    names: Vec<String>,
    tensors: Vec<Tensor>,
    /// The arrays, whose memory the tensors are.
    arrays: Vec<Py<PyAny>>,
    steps: Mutex<AnyOptimizer>,
}

#[pymethods]
impl Optimizer {
    #[new]
    fn new(rule: &str, params: &Bound<'_, PyDict>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        if params.is_empty() {
            return Err(PyValueError::new_err(format!("{rule}: expected arrays to be trained, found none")));
        }
        let (mut names, mut tensors, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        for (name, array) in params {
            names.push(name.extract::<String>()?);
            tensors.push(target_of(&array)?);
            arrays.push(array.unbind());
        }
        let steps = match rule {
            "SGD" => made!(SGD, &tensors, options, momentum dampening weight_decay nesterov),
            "Adam" => made!(Adam, &tensors, options, betas eps weight_decay amsgrad),
            "AdamW" => made!(AdamW, &tensors, options, betas eps weight_decay amsgrad),
            "NAdam" => made!(NAdam, &tensors, options, betas eps weight_decay momentum_decay decoupled_weight_decay),
            "RAdam" => made!(RAdam, &tensors, options, betas eps weight_decay decoupled_weight_decay),
            "Adamax" => made!(Adamax, &tensors, options, betas eps weight_decay),
            "RMSprop" => made!(RMSprop, &tensors, options, alpha eps weight_decay momentum centered),
            "Adagrad" => made!(Adagrad, &tensors, options, lr_decay weight_decay initial_accumulator_value eps),
            "Adadelta" => made!(Adadelta, &tensors, options, rho eps weight_decay),
            "Lion" => made!(Lion, &tensors, options, betas weight_decay),
            other => return Err(PyValueError::new_err(format!("no optimizer is called '{other}'"))),
        };
        Ok(Self { rule: rule.to_owned(), names, tensors, arrays, steps: Mutex::new(steps) })
    }

    /// The arrays by their names.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let params = PyDict::new(py);
        for (name, array) in self.names.iter().zip(&self.arrays) {
            params.set_item(name, array)?;
        }
        Ok(params)
    }

    /// The learning rate.
    #[getter]
    fn lr(&self) -> f64 {
        self.locked().learning_rates()[0]
    }

    #[setter]
    fn set_lr(&self, lr: f64) {
        self.locked().set_lr(lr);
    }

    /// Takes a step along gradients, an array for each parameter by its name.
    fn step(&self, py: Python<'_>, grads: &Bound<'_, PyDict>) -> PyResult<()> {
        let names: Vec<Py<PyString>> = self.names.iter().map(|name| PyString::new(py, name).unbind()).collect();
        let operands = Operands::new(py, &names, &Sources { keywords: Some(grads), ..Sources::default() })?;
        let grads: Vec<Expr> = operands.values.iter().map(Expr::from).collect();
        py.detach(|| self.locked().step(&grads)).map_err(exception)
    }

    /// Takes a step that lowers an expression with one element, of the parameters and of other operands by name. Returns what
    /// it was before the step, as an array without dims.
    #[pyo3(signature = (loss, /, operands=None, **others))]
    fn minimize<'py>(
        &self,
        py: Python<'py>,
        loss: &str,
        operands: Option<&Bound<'py, PyDict>>,
        others: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let own: Vec<(&str, &Tensor)> = self.names.iter().map(String::as_str).zip(&self.tensors).collect();
        let sources = Sources { operands, keywords: others, own: &own, ..Sources::default() };
        let compiled = Compiled::for_given(py, loss, &sources)?;
        let given = Operands::new(py, &compiled.names, &sources)?;
        let value = py.detach(|| self.locked().minimize(&compiled.function.exprs(&given.values)?[0]));
        array_of(py, value.and_then(|value| value.to_device(&hadamard::Device::cpu())).map_err(exception)?)
    }

    /// Everything a later step depends on but the parameters themselves, as arrays by name.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = PyDict::new(py);
        for (name, tensor) in self.locked().state().map_err(exception)? {
            // A copy: the optimizer goes on.
            let copy = Expr::from(&tensor).eval().and_then(|copy| copy.to_device(&hadamard::Device::cpu()));
            state.set_item(name, array_of(py, copy.map_err(exception)?)?)?;
        }
        Ok(state)
    }

    /// Restores what ``state_dict`` returned. Every later step is, bit for bit, what it would have been.
    fn load_state_dict(&self, state: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut named = Vec::new();
        for (name, array) in state {
            // Named, so that it lives until the copy is made.
            let (operand, _kept) = operand_of(&array)?;
            let Operand::Tensor(tensor) = operand else {
                return Err(PyTypeError::new_err(format!("expected an array for '{name}', found a number")));
            };
            named.push((name.extract::<String>()?, Expr::from(&tensor).eval().map_err(exception)?));
        }
        self.locked().load_state(&named).map_err(exception)
    }

    fn __repr__(&self) -> String {
        format!("{}({})", self.rule, self.names.join(", "))
    }
}

impl Optimizer {
    fn locked(&self) -> std::sync::MutexGuard<'_, AnyOptimizer> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
