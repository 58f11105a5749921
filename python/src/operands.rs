//! What a text needs in a call: its function, compiled once in this process, and the operands for its names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hadamard::{Device, Expr, Function, Operand, Tensor};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyDictMethods, PyString};

use crate::array::{Given, operand_of};
use crate::errors::exception;

/// Texts that are kept compiled, at most.
pub(crate) const MOST: usize = 512;

/// A function, and its names as Python's.
pub(crate) struct Compiled {
    pub(crate) function: Function,
    pub(crate) names: Vec<Py<PyString>>,
}

impl Compiled {
    pub(crate) fn new(py: Python<'_>, function: Function) -> Self {
        let names = function.names().iter().map(|name| PyString::intern(py, name).unbind()).collect();
        Self { function, names }
    }

    /// That of a text for what is given, in which words with a meaning of their own (``pi``, ``e``, ``float32``) are operands
    /// if they are given.
    pub(crate) fn for_given(
        py: Python<'_>,
        text: &str,
        operands: Option<&Bound<'_, PyDict>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Arc<Self>> {
        let known = Self::known(py, text)?;
        let mut count = 0;
        for dict in [operands, keywords].into_iter().flatten() {
            count += dict.len();
        }
        if count == known.names.len() {
            return Ok(known);
        }
        let mut names: Vec<&str> = known.function.names().iter().map(String::as_str).collect();
        for word in Expr::names_in(text) {
            let given = |dict: Option<&Bound<'_, PyDict>>| dict.map_or(Ok(false), |dict| dict.contains(word));
            if !names.contains(&word) && (given(operands)? || given(keywords)?) {
                names.push(word);
            }
        }
        if names.len() == known.names.len() {
            return Ok(known);
        }
        let function = Function::new(text).map_err(exception)?.of(&names);
        Ok(Arc::new(Self::new(py, function)))
    }

    /// That of a text, which is compiled once in this process.
    fn known(py: Python<'_>, text: &str) -> PyResult<Arc<Self>> {
        static KNOWN: Mutex<Option<HashMap<String, Arc<Compiled>>>> = Mutex::new(None);
        let mut guard = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = guard.get_or_insert_with(HashMap::new);
        if let Some(compiled) = known.get(text) {
            return Ok(compiled.clone());
        }
        let compiled = Arc::new(Self::new(py, Function::new(text).map_err(exception)?));
        let old = if known.len() >= MOST { std::mem::take(known) } else { HashMap::new() };
        known.insert(text.to_owned(), compiled.clone());
        drop(guard);
        drop(old);
        Ok(compiled)
    }
}

/// What the names of a text stand for in a call.
pub(crate) struct Operands {
    pub(crate) values: Vec<Operand>,
    /// Objects that were made for the call, whose memory operands are.
    _kept: Vec<Py<PyAny>>,
}

impl Operands {
    /// By name: of `own` first, then of two dicts, which hold nothing else.
    pub(crate) fn new(
        py: Python<'_>,
        names: &[Py<PyString>],
        operands: Option<&Bound<'_, PyDict>>,
        keywords: Option<&Bound<'_, PyDict>>,
        own: &[(&str, &Tensor)],
    ) -> PyResult<Self> {
        let (mut values, mut kept) = (Vec::with_capacity(names.len()), Vec::new());
        let mut taken = 0;
        for name in names {
            let name = name.bind(py);
            if !own.is_empty()
                && let Some((_, tensor)) = own.iter().find(|(own, _)| name.to_str().is_ok_and(|n| n == *own))
            {
                values.push(Operand::from(*tensor));
                continue;
            }
            let mut found = None;
            for dict in [keywords, operands].into_iter().flatten() {
                if let Some(object) = dict.get_item(name)? {
                    found = Some(object);
                    break;
                }
            }
            let Some(object) = found else {
                let text = format!("nothing is given for '{name}' (the text has {})", listed(py, names));
                return Err(PyTypeError::new_err(text));
            };
            taken += 1;
            match operand_of(&object).map_err(|error| about(py, name, error))? {
                Given::Operand(operand) => values.push(operand),
                Given::Kept(operand, object) => {
                    values.push(operand);
                    kept.push(object);
                }
            }
        }
        if keywords.map_or(0, PyDictMethods::len) + operands.map_or(0, PyDictMethods::len) > taken {
            for (key, _) in keywords.into_iter().flatten().chain(operands.into_iter().flatten()) {
                let known = names.iter().any(|name| key.eq(name.bind(py)).unwrap_or(false));
                if !known {
                    let text = format!("'{key}' is given, but not in the text (it has {})", listed(py, names));
                    return Err(PyTypeError::new_err(text));
                }
            }
        }
        Ok(Self { values, _kept: kept })
    }

    /// The operands on a device.
    pub(crate) fn on(mut self, py: Python<'_>, device: Option<&Device>) -> PyResult<Self> {
        if let Some(device) = device {
            for value in &mut self.values {
                if let Operand::Tensor(tensor) = value {
                    *tensor = py.detach(|| tensor.to_device(device)).map_err(exception)?;
                }
            }
        }
        Ok(self)
    }

    /// How many elements they have together.
    pub(crate) fn numel(&self) -> usize {
        let numel = |value: &Operand| match value {
            Operand::Tensor(tensor) => tensor.numel(),
            Operand::Number(_) => 1,
        };
        self.values.iter().map(numel).sum()
    }

    /// Has operands that are a target's very elements be the target, so that it is seen to be written in place.
    pub(crate) fn join(&mut self, targets: &[Tensor]) {
        let place = |tensor: &Tensor| tensor.raw_parts().map(|parts| (parts.start, parts.strides));
        for value in &mut self.values {
            let Operand::Tensor(tensor) = value else { continue };
            let same = |target: &&Tensor| {
                (tensor.dtype(), tensor.shape()) == (target.dtype(), target.shape()) && place(tensor) == place(target)
            };
            if let Some(target) = targets.iter().find(same) {
                *tensor = target.clone();
            }
        }
    }
}

/// An exception of the same kind that says which operand it is about.
pub(crate) fn about(py: Python<'_>, name: &Bound<'_, PyString>, error: PyErr) -> PyErr {
    let text = format!("{name}: {}", error.value(py));
    PyErr::from_type(error.get_type(py), text)
}

pub(crate) fn listed(py: Python<'_>, names: &[Py<PyString>]) -> String {
    if names.is_empty() {
        return "no names".to_owned();
    }
    names.iter().map(|name| name.bind(py).to_string()).collect::<Vec<_>>().join(", ")
}
