//! Expressions in text, compiled once and called with arrays.

use std::cell::Cell;

use hadamard::{Device, Expr, Function, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyDictMethods, PyList, PyString, PyTuple};

use crate::array::{array_of, target_of};
use crate::device::{DeviceArray, device_of};
use crate::errors::exception;
use crate::operands::{Cache, Compiled, Operands, Sources, about, listed};

/// Elements up to which an evaluation is over sooner than other threads of Python's would have begun.
const FEW: usize = 4096;

/// Calls `work` without holding Python's lock, if there is much of it. Signals are looked at meanwhile: what one raises, such as
/// `KeyboardInterrupt`, ends the evaluation and is raised.
fn apart<R: Send>(py: Python<'_>, much: bool, work: impl FnOnce() -> hadamard::Result<R> + Send) -> PyResult<R> {
    thread_local!(static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) });
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the method itself is of one lifetime only")]
    let stop = || match Python::try_attach(|py| py.check_signals()) {
        Some(Err(raised)) => {
            RAISED.set(Some(raised));
            true
        }
        // Without an error, or while Python ends.
        Some(Ok(())) | None => false,
    };
    let work = || hadamard::interruptible(stop, work);
    let done = if much { py.detach(work) } else { work() };
    match RAISED.take() {
        Some(raised) => Err(raised),
        None => done.map_err(exception),
    }
}

/// Calls a function, and returns an array, or a tuple of them, or what the results were written to.
fn call<'py>(
    py: Python<'py>,
    function: &Function,
    mut operands: Operands,
    out: Option<&Bound<'py, PyAny>>,
    device: Option<&Device>,
    single: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let much = operands.numel() > FEW || device.is_some();
    if let Some(out) = out {
        let outs: Vec<Bound<'py, PyAny>> =
            if single { vec![out.clone()] } else { out.try_iter()?.collect::<PyResult<_>>()? };
        let targets = outs.iter().map(|out| target_of(out).map_err(|e| about(py, &PyString::new(py, "out"), e)));
        let targets = targets.collect::<PyResult<Vec<Tensor>>>()?;
        operands.join(&targets);
        let of: Vec<&Tensor> = targets.iter().collect();
        apart(py, much, || function.call_into(&of, &operands.values))?;
        return Ok(out.clone());
    }
    let results = apart(py, much, || function.call_all(&operands.values, device))?;
    drop(operands);
    let mut arrays = results.into_iter().map(|result| given_back(py, result));
    if single {
        return arrays.next().unwrap_or_else(|| Err(PyValueError::new_err("no result")));
    }
    let arrays = arrays.collect::<PyResult<Vec<_>>>()?;
    Ok(PyTuple::new(py, arrays)?.into_any())
}

/// A result as NumPy's array, or if it is on a GPU as an array that stays there.
fn given_back(py: Python<'_>, result: Tensor) -> PyResult<Bound<'_, PyAny>> {
    if result.raw_parts().is_some() {
        return array_of(py, result);
    }
    Ok(Bound::new(py, DeviceArray::new(result))?.into_any())
}

/// Evaluates an expression in text over arrays and numbers, in one pass over memory, into a new array.
///
/// Each name in the text is an operand, by keyword or in the dict `operands`. Arrays are NumPy's, or anything with
/// ``__dlpack__``, ``__array_interface__``, ``__array__`` or a buffer; none is copied. Python's numbers are weak: they
/// take the dtype of the arrays they meet. Results of arrays are new NumPy arrays over memory of hadamard's; with `out` the
/// result is written there, which may be an operand, and is returned. With `device` arrays are copied to that device and the
/// result stays there, until it is read by ``numpy.asarray``. The text is parsed by hadamard's own grammar and never run as
/// Python: any text is safe.
///
/// >>> import hadamard, numpy as np
/// >>> a, b = np.float32([1, 2, 3]), np.float32([4, 5, 6])
/// >>> hadamard.evaluate("sum(a * b)", a=a, b=b)
/// array(32., dtype=float32)
/// >>> hadamard.evaluate("w * a + (1 - w) * b", a=a, b=b, w=0.5, out=a)
/// array([2.5, 3.5, 4.5], dtype=float32)
#[pyfunction]
#[pyo3(signature = (text, operands=None, /, *, out=None, device=None, **keywords))]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    text: &str,
    operands: Option<&Bound<'py, PyDict>>,
    out: Option<&Bound<'py, PyAny>>,
    device: Option<&str>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let sources = Sources { operands, keywords, ..Sources::default() };
    let compiled = Compiled::for_given(py, text, &sources)?;
    let device = device.map(|name| device_of(py, name)).transpose()?;
    let operands = Operands::new(py, &compiled.names, &sources)?.on(py, device.as_ref())?;
    call(py, &compiled.function, operands, out, device.as_ref(), true)
}

/// Writes several expressions into arrays among the operands, in one pass, as Python's tuple assignment: every expression
/// sees the old values.
///
/// >>> import hadamard, numpy as np
/// >>> w, m = np.float32([1, 2]), np.float32([0, 0])
/// >>> hadamard.assign({"m": "0.5 * m + w", "w": "w - 0.1 * (0.5 * m + w)"}, w=w, m=m)
/// >>> w, m
/// (array([0.9, 1.8], dtype=float32), array([1., 2.], dtype=float32))
#[pyfunction]
#[pyo3(signature = (targets, operands=None, /, **keywords))]
pub(crate) fn assign(
    py: Python<'_>,
    targets: &Bound<'_, PyDict>,
    operands: Option<&Bound<'_, PyDict>>,
    keywords: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    static KNOWN: Cache<Vec<String>> = Cache::new();
    if targets.is_empty() {
        return Ok(());
    }
    let sources = Sources { operands, keywords, targets: Some(targets), ..Sources::default() };
    let mut texts: Vec<String> = Vec::new();
    let mut tensors = Vec::new();
    for (name, text) in targets {
        texts.push(text.extract()?);
        let missing = || PyTypeError::new_err(format!("nothing is given for '{name}', which is assigned to"));
        tensors.push(target_of(&sources.find(&name)?.ok_or_else(missing)?)?);
    }
    let of_texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let compiled = KNOWN.get(py, &texts[..], &of_texts)?;
    let mut given = Operands::new(py, &compiled.names, &sources)?;
    given.join(&tensors);
    let of: Vec<&Tensor> = tensors.iter().collect();
    apart(py, given.numel() > FEW, || compiled.function.assign(&of, &given.values))
}

/// The names in a text that stand for operands, in the order in which they first occur.
///
/// >>> import hadamard
/// >>> hadamard.names("sum(w * a, 0) + w * pi")
/// ['w', 'a']
#[pyfunction]
pub(crate) fn names(text: &str) -> Vec<String> {
    Function::new(text).map_or_else(|_| Vec::new(), |function| function.names().to_vec())
}

/// The names in a text that are looked up among operands first, words with a meaning of their own among them.
#[pyfunction]
pub(crate) fn words(text: &str) -> Vec<&str> {
    Expr::names_in(text)
}

/// Gradients that an expression is asked for.
#[derive(Clone)]
struct Gradient {
    wrt: Vec<String>,
    value: bool,
    /// Whether one name was given, and not a list.
    single: bool,
}

/// An expression in text, or a list of them, compiled once: call it with operands as ``evaluate``, by name or in the order of
/// ``names``. It can be pickled. With `names` operands have that order, and may be ``pi``, ``e`` or other words with a meaning of
/// their own.
///
/// >>> import hadamard, numpy as np
/// >>> blend = hadamard.Expression("w * a + (1 - w) * b")
/// >>> blend.names
/// ['w', 'a', 'b']
/// >>> blend(a=np.float32([1, 2]), b=np.float32([3, 4]), w=0.5)
/// array([2., 3.], dtype=float32)
#[pyclass(frozen, module = "hadamard")]
pub(crate) struct Expression {
    texts: Vec<String>,
    /// Whether one text was given, and not a list.
    one: bool,
    device: Option<String>,
    /// Names of operands in their order, if they were given.
    order: Option<Vec<String>>,
    gradient: Option<Gradient>,
    compiled: Compiled,
}

impl Expression {
    fn made(
        py: Python<'_>,
        texts: Vec<String>,
        one: bool,
        device: Option<String>,
        order: Option<Vec<String>>,
        gradient: Option<Gradient>,
    ) -> PyResult<Self> {
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut function = Function::all(&all).map_err(exception)?;
        if let Some(order) = &order {
            let missing = function.names().iter().find(|name| !order.contains(name));
            if let Some(name) = missing {
                return Err(PyValueError::new_err(format!("'{name}' is in the text, but not among the names")));
            }
            function = function.of(&order.iter().map(String::as_str).collect::<Vec<_>>());
        }
        if let Some(gradient) = &gradient {
            let wrt: Vec<&str> = gradient.wrt.iter().map(String::as_str).collect();
            let of = if gradient.value { function.value_and_grad(&wrt) } else { function.grad(&wrt) };
            function = of.map_err(exception)?;
        }
        Ok(Self { texts, one, device, order, gradient, compiled: Compiled::new(py, function) })
    }

    /// Whether a call returns an array and not a tuple.
    fn is_single(&self) -> bool {
        self.gradient.as_ref().map_or(self.one, |gradient| gradient.single && !gradient.value)
    }

    fn with_gradient(&self, py: Python<'_>, wrt: &Bound<'_, PyAny>, value: bool) -> PyResult<Self> {
        if self.gradient.is_some() {
            return Err(PyValueError::new_err("grad: expected an expression of values, found one of gradients"));
        }
        let (wrt, single) = match wrt.extract::<String>() {
            Ok(name) => (vec![name], true),
            Err(_) => (wrt.extract::<Vec<String>>()?, false),
        };
        let gradient = Some(Gradient { wrt, value, single });
        Self::made(py, self.texts.clone(), self.one, self.device.clone(), self.order.clone(), gradient)
    }

    fn operands(
        &self,
        py: Python<'_>,
        positional: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Operands> {
        let names = &self.compiled.names;
        if positional.is_empty() {
            return Operands::new(py, names, &Sources { keywords, ..Sources::default() });
        }
        if positional.len() > names.len() {
            let text = format!("expected {} operands ({}), found {}", names.len(), listed(py, names), positional.len());
            return Err(PyTypeError::new_err(text));
        }
        let all = keywords.map_or_else(|| Ok(PyDict::new(py)), PyDictMethods::copy)?;
        for (name, object) in names.iter().zip(positional) {
            if all.contains(name)? {
                return Err(PyTypeError::new_err(format!("'{}' is given twice", name.bind(py))));
            }
            all.set_item(name, object)?;
        }
        Operands::new(py, names, &Sources { keywords: Some(&all), ..Sources::default() })
    }
}

#[pymethods]
impl Expression {
    #[new]
    #[pyo3(signature = (text, device=None, *, names=None, gradient=None))]
    fn new(
        py: Python<'_>,
        text: &Bound<'_, PyAny>,
        device: Option<String>,
        names: Option<Vec<String>>,
        gradient: Option<(Vec<String>, bool, bool)>,
    ) -> PyResult<Self> {
        let (texts, one) = match text.extract::<String>() {
            Ok(text) => (vec![text], true),
            Err(_) => (text.extract::<Vec<String>>()?, false),
        };
        if texts.is_empty() {
            return Err(PyValueError::new_err("expected a text or a list of them, found an empty list"));
        }
        let gradient = gradient.map(|(wrt, value, single)| Gradient { wrt, value, single });
        Self::made(py, texts, one, device, names, gradient)
    }

    /// The text, or the list of them.
    #[getter]
    fn text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.one {
            return Ok(PyString::new(py, &self.texts[0]).into_any());
        }
        Ok(PyList::new(py, &self.texts)?.into_any())
    }

    /// The names that stand for operands, in the order in which a call takes them.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.compiled.function.names().to_vec()
    }

    /// What Dask and others call it by, as they do functions.
    #[getter]
    #[allow(clippy::unused_self, reason = "a getter of Python's has an object")]
    fn __name__(&self) -> &'static str {
        "Expression"
    }

    /// The name of the device that it is evaluated on, if it is always the same.
    #[getter]
    fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    #[pyo3(signature = (*positional, out=None, device=None, **operands))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        positional: &Bound<'py, PyTuple>,
        out: Option<&Bound<'py, PyAny>>,
        device: Option<&str>,
        operands: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let device = device.or(self.device.as_deref()).map(|name| device_of(py, name)).transpose()?;
        let operands = self.operands(py, positional, operands)?.on(py, device.as_ref())?;
        call(py, &self.compiled.function, operands, out, device.as_ref(), self.is_single())
    }

    /// What evaluating it on these operands takes: the passes, and the bytes each must move.
    #[pyo3(signature = (*positional, **operands))]
    fn explain(
        &self,
        py: Python<'_>,
        positional: &Bound<'_, PyTuple>,
        operands: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<String> {
        let device = self.device.as_deref().map(|name| device_of(py, name)).transpose()?;
        let operands = self.operands(py, positional, operands)?.on(py, device.as_ref())?;
        let exprs = self.compiled.function.exprs(&operands.values).map_err(exception)?;
        hadamard::explain_all(&exprs).map(|explanation| explanation.to_string()).map_err(exception)
    }

    /// The gradient of an expression with one element with respect to an operand, or to several, as an expression of the
    /// same operands. A call gives an array for a name, and a tuple for a list of names.
    ///
    /// >>> import hadamard, numpy as np
    /// >>> slope = hadamard.Expression("sum((x - c) ** 2)").grad("x")
    /// >>> slope(x=np.float32([1, 2]), c=0.5)
    /// array([1., 3.], dtype=float32)
    fn grad(&self, py: Python<'_>, wrt: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.with_gradient(py, wrt, false)
    }

    /// As ``grad``; a call gives a tuple of the expression's value and the gradients.
    fn value_and_grad(&self, py: Python<'_>, wrt: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.with_gradient(py, wrt, true)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let gradient = self.gradient.as_ref().map(|g| (g.wrt.clone(), g.value, g.single));
        let rebuild = py.import("hadamard")?.getattr("_rebuilt")?;
        let arguments = (self.text(py)?, self.device.clone(), self.order.clone(), gradient).into_pyobject(py)?;
        (rebuild, arguments).into_pyobject(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = self.text(py)?.repr()?;
        Ok(match &self.gradient {
            None => format!("Expression({text})"),
            Some(Gradient { wrt, value, .. }) => {
                let name = if *value { "value_and_grad" } else { "grad" };
                format!(
                    "Expression({text}).{name}([{}])",
                    wrt.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(", ")
                )
            }
        })
    }
}
