//! Tensors, by number: made of arrays, and read into arrays.

use std::cell::RefCell;

use hadamard::{DType, Expr, Tensor};
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::device::device_of;
use crate::errors::{exception, refused};
use crate::table::{self, Table};

thread_local!(static TENSORS: RefCell<Table<Tensor>> = const { RefCell::new(Table::new()) });

pub(crate) fn tensor_of(number: u32) -> Result<Tensor, JsValue> {
    table::get(&TENSORS, number).ok_or_else(|| refused("tensor", "a tensor", "one that was disposed of"))
}

pub(crate) fn number_of(tensor: Tensor) -> u32 {
    table::add(&TENSORS, tensor)
}

/// How many tensors there are.
#[wasm_bindgen]
pub fn tensor_count() -> usize {
    table::count(&TENSORS)
}

fn dtype_of(name: &str) -> Result<DType, JsValue> {
    name.parse().map_err(exception)
}

fn sizes(shape: &[u32]) -> Vec<usize> {
    shape.iter().map(|&n| n as usize).collect()
}

/// Of floats: on the CPU their memory becomes the tensor's.
#[wasm_bindgen]
pub fn tensor_of_floats(device: u32, values: Vec<f32>, shape: &[u32]) -> Result<u32, JsValue> {
    Tensor::from_vec(values, sizes(shape), &device_of(device)?).map(number_of).map_err(exception)
}

/// Of elements of any dtype, as bytes.
#[wasm_bindgen]
pub fn tensor_of_bytes(device: u32, bytes: &[u8], shape: &[u32], dtype: &str) -> Result<u32, JsValue> {
    let tensor = Tensor::of_bytes(bytes, sizes(shape), dtype_of(dtype)?, &device_of(device)?);
    tensor.map(number_of).map_err(exception)
}

#[wasm_bindgen]
pub fn tensor_full(device: u32, value: f64, shape: &[u32], dtype: &str) -> Result<u32, JsValue> {
    let tensor = Tensor::zeros(sizes(shape), dtype_of(dtype)?, &device_of(device)?).map_err(exception)?;
    if value != 0.0 {
        tensor.fill(value).map_err(exception)?;
    }
    Ok(number_of(tensor))
}

/// Random numbers, of [0, 1) or normal.
#[wasm_bindgen]
pub fn tensor_random(device: u32, normal: bool, shape: &[u32], seed: f64) -> Result<u32, JsValue> {
    let (shape, seed, device) = (sizes(shape), seed as u64, device_of(device)?);
    let tensor = if normal {
        Tensor::normal(shape, 0.0, 1.0, DType::F32, seed, &device)
    } else {
        Tensor::uniform(shape, 0.0..1.0, DType::F32, seed, &device)
    };
    tensor.map(number_of).map_err(exception)
}

#[wasm_bindgen]
pub fn tensor_drop(tensor: u32) {
    drop(table::take(&TENSORS, tensor));
}

#[wasm_bindgen]
pub fn tensor_shape(tensor: u32) -> Result<Vec<u32>, JsValue> {
    Ok(tensor_of(tensor)?.shape().iter().map(|&n| n as u32).collect())
}

#[wasm_bindgen]
pub fn tensor_dtype(tensor: u32) -> Result<String, JsValue> {
    Ok(tensor_of(tensor)?.dtype().to_string())
}

/// Writes elements over those of a tensor, which are of its dtype.
#[wasm_bindgen]
pub fn tensor_write(tensor: u32, bytes: &[u8]) -> Result<(), JsValue> {
    tensor_of(tensor)?.write_bytes(bytes).map_err(exception)
}

/// The bytes of the elements as a typed array, in time.
#[wasm_bindgen]
pub fn tensor_read(tensor: u32) -> Promise {
    let tensor = tensor_of(tensor);
    future_to_promise(async move {
        let bytes = tensor?.bytes_async().await.map_err(exception)?;
        Ok(js_sys::Uint8Array::from(&bytes[..]).into())
    })
}

/// A copy on another device, in time.
#[wasm_bindgen]
pub fn tensor_to_device(tensor: u32, device: u32) -> Promise {
    let found = tensor_of(tensor).and_then(|tensor| Ok((tensor, device_of(device)?)));
    future_to_promise(async move {
        let (tensor, device) = found?;
        Ok(number_of(tensor.to_device_async(&device).await.map_err(exception)?).into())
    })
}

/// `[GPUBuffer, first byte, bytes]` of a tensor on a GPU, or undefined.
#[cfg(feature = "gpu")]
#[wasm_bindgen]
pub fn tensor_webgpu(tensor: u32) -> Result<JsValue, JsValue> {
    let Some((buffer, bytes)) = tensor_of(tensor)?.webgpu().map_err(exception)? else { return Ok(JsValue::UNDEFINED) };
    let Some(handle) = buffer.as_webgpu() else { return Ok(JsValue::UNDEFINED) };
    Ok([handle.clone().into(), JsValue::from(bytes[0] as f64), JsValue::from(bytes[1] as f64)]
        .iter()
        .collect::<js_sys::Array>()
        .into())
}

/// The elements in another shape.
#[wasm_bindgen]
pub fn tensor_reshape(tensor: u32, shape: &[u32]) -> Result<u32, JsValue> {
    let expr = Expr::from(&tensor_of(tensor)?).reshape(sizes(shape));
    expr.eval().map(number_of).map_err(exception)
}
