//! What a text needs in a call: its function, compiled once in this process, and the operands for its names.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use hadamard::{Device, Expr, Function, Operand, Tensor};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyDictMethods, PyString};

use crate::array::operand_of;
use crate::errors::exception;

/// Functions that a cache keeps, at most.
const MOST: usize = 512;

/// Functions by their texts. One that is full is emptied.
pub(crate) struct Cache<K>(Mutex<Option<HashMap<K, Arc<Compiled>>>>);

impl<K: Hash + Eq> Cache<K> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The function of a key, made if it is not there.
    pub(crate) fn get<Q>(&self, py: Python<'_>, key: &Q, texts: &[&str]) -> PyResult<Arc<Compiled>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = guard.get_or_insert_with(HashMap::new);
        if let Some(compiled) = known.get(key) {
            return Ok(compiled.clone());
        }
        let compiled = Arc::new(Compiled::new(py, Function::all(texts).map_err(exception)?));
        let old = if known.len() >= MOST { std::mem::take(known) } else { HashMap::new() };
        known.insert(key.to_owned(), compiled.clone());
        drop(guard);
        drop(old);
        Ok(compiled)
    }
}

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
    pub(crate) fn for_given(py: Python<'_>, text: &str, sources: &Sources<'_, '_>) -> PyResult<Arc<Self>> {
        static KNOWN: Cache<String> = Cache::new();
        let known = KNOWN.get(py, text, &[text])?;
        if sources.len() == known.names.len() {
            return Ok(known);
        }
        let mut names: Vec<&str> = known.function.names().iter().map(String::as_str).collect();
        for word in Expr::names_in(text) {
            if !names.contains(&word) && sources.find(&PyString::new(py, word))?.is_some() {
                names.push(word);
            }
        }
        if names.len() == known.names.len() {
            return Ok(known);
        }
        let function = Function::new(text).map_err(exception)?.of(&names);
        Ok(Arc::new(Self::new(py, function)))
    }
}

/// What is given to a call, by name.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sources<'a, 'py> {
    pub(crate) operands: Option<&'a Bound<'py, PyDict>>,
    pub(crate) keywords: Option<&'a Bound<'py, PyDict>>,
    /// Parameters, which stand before all else.
    pub(crate) own: &'a [(&'a str, &'a Tensor)],
    /// What is assigned to, and may be given although no text reads it.
    pub(crate) targets: Option<&'a Bound<'py, PyDict>>,
}

impl<'a, 'py> Sources<'a, 'py> {
    fn dicts(&self) -> impl Iterator<Item = &'a Bound<'py, PyDict>> {
        [self.keywords, self.operands].into_iter().flatten()
    }

    fn len(&self) -> usize {
        self.dicts().map(PyDictMethods::len).sum()
    }

    /// What is given for a name.
    pub(crate) fn find(&self, name: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        for dict in self.dicts() {
            if let Some(object) = dict.get_item(name)? {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    /// An error if there is something that no name asks for.
    fn check_others(&self, py: Python<'_>, names: &[Py<PyString>]) -> PyResult<()> {
        for (key, _) in self.dicts().flatten() {
            let is_target = self.targets.map_or(Ok(false), |targets| targets.contains(&key))?;
            if !is_target && !names.iter().any(|name| key.eq(name.bind(py)).unwrap_or(false)) {
                let text = format!("'{key}' is given, but not in the text (it has {})", listed(py, names));
                return Err(PyTypeError::new_err(text));
            }
        }
        Ok(())
    }
}

/// What the names of a text stand for in a call.
pub(crate) struct Operands {
    pub(crate) values: Vec<Operand>,
    /// Objects that were made for the call, whose memory operands are.
    _kept: Vec<Py<PyAny>>,
}

impl Operands {
    pub(crate) fn new(py: Python<'_>, names: &[Py<PyString>], sources: &Sources<'_, '_>) -> PyResult<Self> {
        let (mut values, mut kept) = (Vec::with_capacity(names.len()), Vec::new());
        let mut taken = 0;
        for name in names {
            let name = name.bind(py);
            let is_own = |(own, _): &&(&str, &Tensor)| name.to_str().is_ok_and(|name| name == *own);
            if let Some((_, tensor)) = sources.own.iter().find(is_own) {
                values.push(Operand::from(*tensor));
                continue;
            }
            let Some(object) = sources.find(name)? else {
                let text = format!("nothing is given for '{name}' (the text has {})", listed(py, names));
                return Err(PyTypeError::new_err(text));
            };
            taken += 1;
            let (operand, made) = operand_of(&object).map_err(|error| about(py, name, error))?;
            values.push(operand);
            kept.extend(made);
        }
        if sources.len() > taken {
            sources.check_others(py, names)?;
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
