//! Devices, by number.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hadamard::Device;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::errors::{exception, refused};
use crate::table::{self, Table};

thread_local!(static DEVICES: RefCell<Table<Device>> = const { RefCell::new(Table::new()) });

pub(crate) fn device_of(number: u32) -> Result<Device, JsValue> {
    table::get(&DEVICES, number).ok_or_else(|| refused("device", "a device of this page", "one that was disposed of"))
}

/// The number of a device that is there, in time. The browser has been asked when this returns.
#[wasm_bindgen]
pub fn device_request(name: String) -> Promise {
    let mut request: Pin<Box<dyn Future<Output = hadamard::Result<Device>>>> =
        Box::pin(async move { Device::request_named(&name).await });
    let begun = request.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    future_to_promise(async move {
        let device = match begun {
            Poll::Ready(device) => device,
            Poll::Pending => request.await,
        };
        Ok(table::add(&DEVICES, device.map_err(exception)?).into())
    })
}

#[wasm_bindgen]
pub fn device_drop(device: u32) {
    drop(table::take(&DEVICES, device));
}

#[wasm_bindgen]
pub fn device_name(device: u32) -> Result<String, JsValue> {
    Ok(device_of(device)?.to_string())
}

#[wasm_bindgen]
pub fn device_is_gpu(device: u32) -> Result<bool, JsValue> {
    Ok(device_of(device)?.is_gpu())
}

#[wasm_bindgen]
pub fn device_is_lost(device: u32) -> Result<bool, JsValue> {
    Ok(device_of(device)?.is_lost())
}

/// Whether it has f64, and what its buffers hold at most, in bytes.
#[wasm_bindgen]
pub fn device_info(device: u32) -> Result<Vec<f64>, JsValue> {
    let info = device_of(device)?.info();
    let software = info.kind == hadamard::DeviceKind::Software;
    Ok(vec![f64::from(u8::from(info.f64)), info.max_buffer as f64, f64::from(u8::from(software))])
}

/// Bytes in use, pooled, and at most in use; allocations; kernels compiled, kernels run, submissions.
#[wasm_bindgen]
pub fn device_stats(device: u32) -> Result<Vec<f64>, JsValue> {
    let device = device_of(device)?;
    let (memory, counters) = (device.memory(), device.counters());
    let numbers = [memory.used, memory.pooled, memory.peak, memory.allocations];
    let numbers = numbers.into_iter().chain([counters.compiled, counters.kernels, counters.submits]);
    Ok(numbers.map(|n| n as f64).collect())
}

#[wasm_bindgen]
pub fn device_synchronize(device: u32) -> Promise {
    let device = device_of(device);
    future_to_promise(async move {
        device?.synchronize_async().await.map_err(exception)?;
        Ok(JsValue::UNDEFINED)
    })
}

#[wasm_bindgen]
pub fn device_limit_memory(device: u32, bytes: Option<f64>) -> Result<(), JsValue> {
    device_of(device)?.set_memory_limit(bytes.map(|bytes| bytes as u64));
    Ok(())
}

#[wasm_bindgen]
pub fn device_trim(device: u32) -> Result<(), JsValue> {
    device_of(device)?.trim();
    Ok(())
}

/// The `GPUDevice`, or undefined.
#[cfg(feature = "gpu")]
#[wasm_bindgen]
pub fn device_webgpu(device: u32) -> Result<JsValue, JsValue> {
    let device = device_of(device)?;
    let handle = device.wgpu().and_then(|(device, _)| device.as_webgpu());
    Ok(handle.map_or(JsValue::UNDEFINED, |handle| handle.clone().into()))
}
