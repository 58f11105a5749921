//! The library's errors as JavaScript's: `name` says which, `message` is the library's own.

use std::error::Error as _;

use hadamard::Error;
use wasm_bindgen::JsValue;

pub(crate) fn exception(error: Error) -> JsValue {
    let name = match &error {
        Error::Broadcast { .. } | Error::Argument { .. } | Error::Dim { .. } | Error::Overlap { .. } => "ArgumentError",
        Error::DType { .. } => "DTypeError",
        Error::Index { .. } => "IndexError",
        Error::DeviceMismatch { .. } => "DeviceMismatchError",
        Error::NoDevice { .. } => "NoDeviceError",
        Error::Unsupported { .. } | Error::Limit { .. } => "UnsupportedError",
        Error::OutOfMemory { .. } => "OutOfMemoryError",
        Error::DeviceLost { .. } => "DeviceLostError",
        Error::Gpu { .. } => "GpuError",
        Error::Parse { .. } => "ParseError",
        _ => "HadamardError",
    };
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    named(name, &message)
}

/// An error of what JavaScript has handed over.
pub(crate) fn refused(op: &str, expected: &str, found: &str) -> JsValue {
    named("ArgumentError", &format!("{op}: expected {expected}, found {found}"))
}

fn named(name: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    error.set_name(name);
    error.into()
}
