//! The GPU adapters of this machine.

use std::sync::Arc;
#[cfg(not(target_arch = "wasm32"))]
use std::sync::OnceLock;

use super::{Context, WgpuOptions};
#[cfg(not(target_arch = "wasm32"))]
use crate::base::fork;
use crate::{DeviceKind, Error, Result};

/// An adapter that has been found but not opened.
pub(crate) struct Adapter {
    adapter: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

/// Every adapter that has compute shaders: discrete GPUs first, software last, Vulkan, Metal and DX12 before GL.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn adapters() -> Vec<Adapter> {
    find(wgpu::Backends::all())
}

/// The same without GL, unless GL is all there is: looking for GL is slow, and Mesa complains on a machine without a
/// display.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn preferred_adapters() -> Vec<Adapter> {
    let adapters = find(wgpu::Backends::PRIMARY);
    if adapters.is_empty() { find(wgpu::Backends::SECONDARY) } else { adapters }
}

/// The process that first looked for adapters; see [`fork::generation`].
#[cfg(not(target_arch = "wasm32"))]
static FIRST_SOUGHT: OnceLock<u32> = OnceLock::new();

/// Why no GPU can be looked for here, if none can: drivers of a parent that looked for GPUs lie in this memory, but not their
/// threads.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn refusal(op: &'static str) -> Option<Error> {
    let forked = FIRST_SOUGHT.get().is_some_and(|&generation| generation != fork::generation());
    let what = "processes that were forked after it was looked for; start them anew, by spawn";
    forked.then(|| Error::Unsupported { op, what: what.to_owned(), device: "a GPU".to_owned() })
}

#[cfg(not(target_arch = "wasm32"))]
fn find(backends: wgpu::Backends) -> Vec<Adapter> {
    if let Some(refusal) = refusal("open device") {
        log::warn!("{refusal}");
        return Vec::new();
    }
    let _ = FIRST_SOUGHT.set(fork::generation());
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends &= backends;
    // Validation layers are off unless WGPU_VALIDATION asks for them.
    if std::env::var_os("WGPU_VALIDATION").is_none() {
        descriptor.flags = wgpu::InstanceFlags::empty();
    }
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(backends));
    let mut adapters: Vec<Adapter> = found
        .into_iter()
        .filter(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS))
        .map(Adapter::of)
        .collect();
    adapters.sort_by_key(|a| {
        let kind = match a.kind() {
            DeviceKind::Discrete => 0,
            DeviceKind::Integrated => 1,
            DeviceKind::Software => 3,
            _ => 2,
        };
        (kind, a.info.backend == wgpu::Backend::Gl)
    });
    adapters
}

impl Adapter {
    pub(super) fn of(adapter: wgpu::Adapter) -> Self {
        Self { info: adapter.get_info(), adapter }
    }

    pub(crate) fn kind(&self) -> DeviceKind {
        kind_of(&self.info)
    }

    /// The name a user sees and chooses by: adapter, backend, driver.
    pub(crate) fn label(&self) -> String {
        label_of(&self.info)
    }

    /// The same adapter, treated as one of another kind.
    #[cfg(test)]
    pub(super) fn taken_for(mut self, device_type: wgpu::DeviceType) -> Self {
        self.info.device_type = device_type;
        self
    }

    /// Opens a device on it, with every limit the adapter has and the features this library can use.
    pub(crate) async fn open_async(&self) -> Result<Arc<Context>> {
        const OP: &str = "open device";
        let wanted = wgpu::Features::SHADER_F64
            | wgpu::Features::SHADER_INT64
            | wgpu::Features::SUBGROUP
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE;
        let request = self.adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("hadamard"),
            required_features: self.adapter.features() & wanted,
            required_limits: self.adapter.limits(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        });
        let (device, queue) = request.await.map_err(|source| Error::Gpu { op: OP, source: Arc::new(source) })?;
        let flags = self.adapter.get_downlevel_capabilities().flags;
        #[cfg(target_arch = "wasm32")]
        return Context::new(&super::web::named(&self.info, &device), flags, device, queue, WgpuOptions::default());
        #[cfg(not(target_arch = "wasm32"))]
        Context::new(&self.info, flags, device, queue, WgpuOptions::default())
    }

    /// The same, waiting for it.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn open(&self) -> Result<Arc<Context>> {
        pollster::block_on(self.open_async())
    }

    /// In a browser nobody may wait for it.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn open(&self) -> Result<Arc<Context>> {
        Err(super::web::cannot_open(&self.label()))
    }
}

pub(super) fn kind_of(info: &wgpu::AdapterInfo) -> DeviceKind {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => DeviceKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => DeviceKind::Integrated,
        wgpu::DeviceType::Cpu => DeviceKind::Software,
        _ => DeviceKind::Other,
    }
}

pub(super) fn label_of(info: &wgpu::AdapterInfo) -> String {
    // Mesa calls both its software drivers llvmpipe; users know the Vulkan one as lavapipe.
    let lavapipe = info.backend == wgpu::Backend::Vulkan && info.driver == "llvmpipe";
    let driver = match info.driver.as_str() {
        "" => String::new(),
        _ if lavapipe => ", lavapipe".to_owned(),
        driver => format!(", {driver}"),
    };
    format!("{} ({}{driver})", info.name, backend_of(info))
}

pub(super) fn backend_of(info: &wgpu::AdapterInfo) -> &'static str {
    match info.backend {
        wgpu::Backend::Vulkan => "vulkan",
        wgpu::Backend::Metal => "metal",
        wgpu::Backend::Dx12 => "dx12",
        wgpu::Backend::Gl => "gl",
        wgpu::Backend::BrowserWebGpu => "webgpu",
        wgpu::Backend::Noop => "noop",
    }
}
