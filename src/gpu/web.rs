//! The GPU in a browser: adapters are asked for and answers awaited, and what is wrong is told later.
//!
//! A page has one thread, and nothing happens while it waits: what would wait natively is refused here, and the error
//! names what to await instead.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll, Waker};

use futures_intrusive::channel::shared::oneshot_channel;
use wgpu::web_sys::js_sys;
use wgpu::web_sys::wasm_bindgen::JsValue;

use super::adapter::Adapter;
use super::context::lock;
use super::faults::{FILTERS, Faults};
use super::{Buffer, Context};
use crate::{DeviceKind, Error, Result};

/// What a page has in hand of a tensor's memory.
pub(crate) type BufferHandle = wgpu::Buffer;

/// What one of wgpu's error scopes will have caught.
type Caught = Pin<Box<dyn Future<Output = Option<wgpu::Error>> + Send>>;

/// Scopes that are closed and have not told yet what they caught, with the operation's name: the oldest first, which is
/// the order in which the browser answers.
#[derive(Default)]
pub(super) struct Scopes(Mutex<VecDeque<(&'static str, Caught)>>);

impl Scopes {
    pub(super) fn push(&self, op: &'static str, caught: Caught) {
        lock(&self.0).push_back((op, caught));
    }

    /// The first error told so far, without waiting.
    pub(super) fn look(&self) -> Option<(&'static str, wgpu::Error)> {
        let mut scopes = lock(&self.0);
        while let Some((op, caught)) = scopes.front_mut() {
            let Poll::Ready(found) = caught.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) else { break };
            let op = *op;
            scopes.pop_front();
            if let Some(error) = found {
                return Some((op, error));
            }
        }
        None
    }

    /// The first error of all scopes closed so far, once the browser has told.
    pub(super) async fn settled(&self) -> Option<(&'static str, wgpu::Error)> {
        let mut closed = std::mem::take(&mut *lock(&self.0));
        let mut first = None;
        while let Some((op, caught)) = closed.pop_front() {
            first = first.or(caught.await.map(|error| (op, error)));
        }
        first
    }
}

/// Adapters cannot be listed without waiting.
pub(crate) fn adapters() -> Vec<Adapter> {
    Vec::new()
}

pub(crate) fn preferred_adapters() -> Vec<Adapter> {
    Vec::new()
}

/// Why no GPU is found by a call that does not wait.
pub(crate) fn refusal(op: &'static str) -> Option<Error> {
    Some(waits(op, "await Device::request or Device::request_named", "a page"))
}

/// Opens the GPU that the browser offers, hardware alone or a software adapter too.
///
/// # Errors
///
/// [`Error::NoDevice`] if it offers none.
pub(crate) async fn request(wanted: &str, software: bool) -> Result<Arc<Context>> {
    let none = || Error::NoDevice { wanted: wanted.to_owned(), available: vec!["cpu".to_owned()] };
    if !is_offered() {
        log::info!("the browser has no WebGPU here: an old browser, or a page that came without https");
        return Err(none());
    }
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::BROWSER_WEBGPU;
    let instance = wgpu::Instance::new(descriptor);
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    let found = instance.request_adapter(&options).await;
    let adapter = Adapter::of(found.map_err(|error| {
        log::info!("the browser has no GPU for this page: {error}");
        none()
    })?);
    if adapter.kind() == DeviceKind::Software && !software {
        log::info!("no hardware GPU; the CPU is faster than {}, so it is used", adapter.label());
        return Err(none());
    }
    adapter.open_async().await
}

/// Whether wgpu may ask the browser at all: it panics where there is neither a window nor a worker.
fn is_offered() -> bool {
    let global: JsValue = js_sys::global().into();
    let is_page = ["Window", "WorkerGlobalScope"].iter().any(|name| property(&global, name).is_some());
    is_page && property(&global, "navigator").and_then(|navigator| property(&navigator, "gpu")).is_some()
}

impl Context {
    /// The error of a call that would have to wait.
    pub(super) fn waits(&self, op: &'static str) -> Error {
        let instead = match op {
            "to_device" => "await to_device_async",
            "item" => "await item_async",
            "synchronize" => "await synchronize_async",
            "profile" | "bandwidth" => "measure natively, or between awaits of synchronize_async",
            _ => "await to_vec_async",
        };
        waits(op, instead, self.label())
    }

    /// Submits what is recorded, and is done when all of it is. An error if an index was out of bounds.
    pub(crate) async fn synchronize_async(self: &Arc<Self>, op: &'static str) -> Result<()> {
        if self.recorder().marks.bytes() > 0 {
            return self.read_marks(op).await;
        }
        self.look(op)?;
        self.recorder().submit(self, op)?;
        let (sender, done) = oneshot_channel();
        self.queue.on_submitted_work_done(move || drop(sender.send(())));
        done.receive().await;
        self.told(op, true).await?;
        self.check(op)
    }

    /// Calls wgpu within scopes, which tell later what they caught. What has been told already comes back at once.
    pub(super) fn guard<R>(&self, op: &'static str, work: impl FnOnce() -> Result<R>) -> Result<R> {
        self.check(op)?;
        let scopes = FILTERS.map(|filter| self.device.push_error_scope(filter));
        let result = work();
        scopes.into_iter().rev().for_each(|scope| self.faults.scopes.push(op, Box::pin(scope.pop())));
        result
    }

    /// Is done when all scopes closed so far have told what they caught; where a read has failed, when the browser has
    /// had the time to say that the device is lost.
    pub(super) async fn told(&self, op: &'static str, read: bool) -> Result<()> {
        if !read {
            let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
            self.faults.scopes.push(op, Box::pin(scope.pop()));
        }
        match self.faults.scopes.settled().await {
            // Of a lost device that is the error.
            Some((op, error)) => self.check(op).and_then(|()| Err(self.refusal(op, error))),
            None => Ok(()),
        }
    }
}

impl Buffer {
    /// The page's handle of it, once recorded work is submitted.
    pub(crate) fn handed_over(&self, op: &'static str) -> Result<BufferHandle> {
        self.context().recorder().submit(self.context(), op)?;
        Ok(self.raw().clone())
    }
}

impl Faults {
    /// Notes the first error that scopes have told.
    pub(super) fn gather(&self) {
        if let Some((op, error)) = self.scopes.look() {
            self.note(Some(op), error);
        }
    }
}

/// An adapter's record with a name, which a browser gives in parts: `google swiftshader`.
pub(super) fn named(info: &wgpu::AdapterInfo, device: &wgpu::Device) -> wgpu::AdapterInfo {
    let mut info = info.clone();
    let device = device.as_webgpu().map_or(JsValue::UNDEFINED, |device| device.clone().into());
    let told = property(&device, "adapterInfo").unwrap_or(JsValue::UNDEFINED);
    let parts = ["vendor", "architecture"].map(|name| property(&told, name).and_then(|part| part.as_string()));
    if info.name.is_empty() {
        info.name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    }
    if info.name.is_empty() {
        "a GPU".clone_into(&mut info.name);
    }
    info
}

/// A property of a value, unless that is none of an object's or says nothing.
fn property(of: &JsValue, name: &str) -> Option<JsValue> {
    js_sys::Reflect::get(of, &name.into()).ok().filter(JsValue::is_truthy)
}

/// Of an adapter that is opened by a call that would wait.
pub(super) fn cannot_open(device: &str) -> Error {
    waits("open device", "await Device::request", device)
}

fn waits(op: &'static str, instead: &str, device: &str) -> Error {
    Error::Unsupported { op, what: format!("calls that wait, in a browser ({instead})"), device: device.to_owned() }
}
