//! The library's optimizers, by number.

use std::cell::RefCell;
use std::rc::Rc;

use hadamard::Expr;
use hadamard::optim::{Adam, AdamW, AnyOptimizer, Lion, RMSprop, SGD};
use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::errors::{exception, refused};
use crate::function::expr_of;
use crate::table::{self, Table};
use crate::tensor::{number_of, tensor_of};

thread_local!(static OPTIMIZERS: RefCell<Table<Rc<RefCell<AnyOptimizer>>>> = const { RefCell::new(Table::new()) });

fn optimizer_of(number: u32) -> Result<Rc<RefCell<AnyOptimizer>>, JsValue> {
    table::get(&OPTIMIZERS, number).ok_or_else(|| refused("optimizer", "an optimizer", "one that was disposed of"))
}

/// An option's value.
trait Given: Sized {
    const WHAT: &'static str;
    fn given(value: &JsValue) -> Option<Self>;
}

impl Given for f64 {
    const WHAT: &'static str = "a number";
    fn given(value: &JsValue) -> Option<Self> {
        value.as_f64()
    }
}

impl Given for bool {
    const WHAT: &'static str = "true or false";
    fn given(value: &JsValue) -> Option<Self> {
        value.as_bool()
    }
}

impl Given for (f64, f64) {
    const WHAT: &'static str = "two numbers";
    fn given(value: &JsValue) -> Option<Self> {
        let pair = Array::is_array(value).then(|| Array::from(value)).filter(|pair| pair.length() == 2)?;
        Some((pair.get(0).as_f64()?, pair.get(1).as_f64()?))
    }
}

fn given<T: Given>(rule: &str, option: &str, value: &JsValue) -> Result<T, JsValue> {
    T::given(value).ok_or_else(|| refused(&format!("{rule}.{option}"), T::WHAT, &shown(value)))
}

fn shown(value: &JsValue) -> String {
    js_sys::JSON::stringify(value).ok().and_then(|text| text.as_string()).unwrap_or_else(|| "something else".to_owned())
}

/// `made!(SGD, parameters, options, momentum nesterov …)`: the optimizer with those of the options that are given, names and
/// values by turns.
macro_rules! made {
    ($ty:ident, $parameters:expr, $options:expr, $($option:ident)*) => {{
        let rule = stringify!($ty);
        let mut made = $ty::new($parameters);
        for (name, value) in $options {
            let name = name.as_str();
            made = match name {
                "lr" => made.lr(given(rule, name, &value)?),
                "maximize" => made.maximize(given(rule, name, &value)?),
                $(stringify!($option) => made.$option(given(rule, name, &value)?),)*
                other => {
                    let known = ["lr", "maximize", $(stringify!($option)),*].join(", ");
                    return Err(refused(rule, &format!("one of its options ({known})"), other));
                }
            };
        }
        made.any()
    }};
}

#[wasm_bindgen]
pub fn optimizer_new(rule: &str, tensors: &[u32], names: Vec<String>, values: Array) -> Result<u32, JsValue> {
    let tensors = tensors.iter().map(|&tensor| tensor_of(tensor)).collect::<Result<Vec<_>, _>>()?;
    let options = names.into_iter().zip(values.iter());
    let made = match rule {
        "SGD" => made!(SGD, &tensors, options, momentum dampening weight_decay nesterov),
        "Adam" => made!(Adam, &tensors, options, betas eps weight_decay amsgrad),
        "AdamW" => made!(AdamW, &tensors, options, betas eps weight_decay amsgrad),
        "RMSprop" => made!(RMSprop, &tensors, options, alpha eps weight_decay momentum centered),
        "Lion" => made!(Lion, &tensors, options, betas weight_decay),
        other => return Err(refused("optimizer", "SGD, Adam, AdamW, RMSprop or Lion", other)),
    };
    Ok(table::add(&OPTIMIZERS, Rc::new(RefCell::new(made))))
}

#[wasm_bindgen]
pub fn optimizer_drop(optimizer: u32) {
    drop(table::take(&OPTIMIZERS, optimizer));
}

/// A step along gradients, one for each parameter.
#[wasm_bindgen]
pub fn optimizer_step(optimizer: u32, grads: &[u32]) -> Result<(), JsValue> {
    let grads = grads.iter().map(|&grad| Ok(Expr::from(&tensor_of(grad)?)));
    let grads = grads.collect::<Result<Vec<_>, JsValue>>()?;
    optimizer_of(optimizer)?.borrow_mut().step(&grads).map_err(exception)
}

/// A step that lowers a loss, by the number of its function; the number of a tensor with what it was.
#[wasm_bindgen]
pub fn optimizer_minimize(optimizer: u32, loss: u32, tensors: &[u32], values: &[f64]) -> Result<u32, JsValue> {
    let loss = expr_of(loss, tensors, values)?;
    optimizer_of(optimizer)?.borrow_mut().minimize(&loss).map(number_of).map_err(exception)
}

#[wasm_bindgen]
pub fn optimizer_lr(optimizer: u32) -> Result<f64, JsValue> {
    Ok(optimizer_of(optimizer)?.borrow().learning_rates()[0])
}

#[wasm_bindgen]
pub fn optimizer_set_lr(optimizer: u32, lr: f64) -> Result<(), JsValue> {
    optimizer_of(optimizer)?.borrow_mut().set_lr(lr);
    Ok(())
}
