//! Texts as functions, by number, called with numbers of tensors.

use std::cell::RefCell;
use std::rc::Rc;

use hadamard::{Expr, Function, Operand, Scalar, Tensor};
use wasm_bindgen::prelude::*;

use crate::device::device_of;
use crate::errors::{exception, refused};
use crate::table::{self, Table};
use crate::tensor::{number_of, tensor_of};

thread_local!(static FUNCTIONS: RefCell<Table<Rc<Function>>> = const { RefCell::new(Table::new()) });

/// In place of a tensor's number: the operand is a number, or a truth.
const NUMBER: u32 = 0;
const TRUTH: u32 = u32::MAX;

fn function_of(number: u32) -> Result<Rc<Function>, JsValue> {
    table::get(&FUNCTIONS, number).ok_or_else(|| refused("function", "a function", "one that was disposed of"))
}

/// The number of the function of these texts, of operands by `names` if there are any; with `wrt` of the gradients of the
/// first, after its value with `value`.
#[wasm_bindgen]
pub fn function_new(texts: Vec<String>, names: Vec<String>, wrt: Vec<String>, value: bool) -> Result<u32, JsValue> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut function = Function::all(&texts).map_err(exception)?;
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        function = function.of(&names);
    }
    if !wrt.is_empty() {
        let wrt: Vec<&str> = wrt.iter().map(String::as_str).collect();
        let made = if value { function.value_and_grad(&wrt) } else { function.grad(&wrt) };
        function = made.map_err(exception)?;
    }
    Ok(table::add(&FUNCTIONS, Rc::new(function)))
}

#[wasm_bindgen]
pub fn function_drop(function: u32) {
    drop(table::take(&FUNCTIONS, function));
}

#[wasm_bindgen]
pub fn function_names(function: u32) -> Result<Vec<String>, JsValue> {
    Ok(function_of(function)?.names().to_vec())
}

/// The words in texts that are looked up among operands first, those with a meaning of their own among them.
#[wasm_bindgen]
pub fn function_words(texts: Vec<String>) -> Vec<String> {
    let mut words: Vec<String> = texts.iter().flat_map(|text| Expr::names_in(text)).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}

/// Operands by the numbers of their tensors; what is none is in `values`. Whole numbers are integers, as exponents and
/// dims must be.
pub(crate) fn operands(tensors: &[u32], values: &[f64]) -> Result<Vec<Operand>, JsValue> {
    let operand = |(&tensor, &value): (&u32, &f64)| {
        Ok(match tensor {
            NUMBER if value.fract() == 0.0 && value.abs() < 9e15 => Operand::Number(Scalar::Int(value as i64)),
            NUMBER => Operand::Number(Scalar::Float(value)),
            TRUTH => Operand::Number(Scalar::Bool(value != 0.0)),
            number => Operand::Tensor(tensor_of(number)?),
        })
    };
    tensors.iter().zip(values).map(operand).collect()
}

/// The numbers of new tensors with the results.
#[wasm_bindgen]
pub fn function_call(function: u32, device: u32, tensors: &[u32], values: &[f64]) -> Result<Vec<u32>, JsValue> {
    let (function, device) = (function_of(function)?, device_of(device)?);
    let results = function.call_all(&operands(tensors, values)?, Some(&device)).map_err(exception)?;
    Ok(results.into_iter().map(number_of).collect())
}

/// Writes the results into tensors.
#[wasm_bindgen]
pub fn function_assign(function: u32, targets: &[u32], tensors: &[u32], values: &[f64]) -> Result<(), JsValue> {
    let targets: Vec<Tensor> = targets.iter().map(|&target| tensor_of(target)).collect::<Result<_, _>>()?;
    let of: Vec<&Tensor> = targets.iter().collect();
    function_of(function)?.assign(&of, &operands(tensors, values)?).map_err(exception)
}

/// How it is computed: passes, and on a GPU their WGSL.
#[wasm_bindgen]
pub fn function_explain(function: u32, tensors: &[u32], values: &[f64]) -> Result<String, JsValue> {
    let exprs = function_of(function)?.exprs(&operands(tensors, values)?).map_err(exception)?;
    let explained = exprs.first().map(|expr| expr.explain()).transpose().map_err(exception)?;
    Ok(explained.map(|explained| explained.to_string()).unwrap_or_default())
}

/// The expression of a loss.
pub(crate) fn expr_of(function: u32, tensors: &[u32], values: &[f64]) -> Result<Expr, JsValue> {
    let exprs = function_of(function)?.exprs(&operands(tensors, values)?).map_err(exception)?;
    exprs.into_iter().next().ok_or_else(|| refused("minimize", "a loss", "nothing"))
}
