//! Adapters opened as a caller of wgpu would, with limits and features of the test's choice.

use hadamard::{Device, Result};

use super::{SMALL, VARIABLE};

/// The same adapter with tighter limits, as a caller's own wgpu device may have, so that a boundary is cheap to reach.
#[allow(dead_code, reason = "for tests of sizes")]
pub(crate) fn limited(device: &Device, tighten: impl FnOnce(&mut wgpu::Limits)) -> Device {
    limited_raw(device, tighten).1
}

/// The same, with wgpu's own handle.
#[allow(dead_code, reason = "for tests of limits and of loss")]
pub(crate) fn limited_raw(device: &Device, tighten: impl FnOnce(&mut wgpu::Limits)) -> (wgpu::Device, Device) {
    let (raw, device) = limited_or_refused(device, tighten);
    (raw, device.expect("a device of ours"))
}

/// The same, with what this library makes of it.
#[allow(dead_code, reason = "for tests of limits")]
pub(crate) fn limited_or_refused(
    device: &Device,
    tighten: impl FnOnce(&mut wgpu::Limits),
) -> (wgpu::Device, Result<Device>) {
    let info = device.info();
    let backends = if info.backend == "gl" { wgpu::Backends::GL } else { wgpu::Backends::PRIMARY };
    let same = |a: &wgpu::AdapterInfo| a.name == info.name && a.backend.to_str() == info.backend;
    let wanted = wgpu::Features::SHADER_F64 | wgpu::Features::PIPELINE_CACHE;
    let limits = |adapter: &wgpu::Adapter| {
        let mut limits = adapter.limits();
        tighten(&mut limits);
        limits
    };
    open(backends, same, wanted, limits).unwrap_or_else(|| panic!("{device} is there"))
}

/// A device of the first adapter that is `wanted`, as a caller's own.
fn open(
    backends: wgpu::Backends,
    wanted: impl Fn(&wgpu::AdapterInfo) -> bool,
    features: wgpu::Features,
    limits: impl FnOnce(&wgpu::Adapter) -> wgpu::Limits,
) -> Option<(wgpu::Device, Result<Device>)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let adapter = adapters.into_iter().find(|a| wanted(&a.get_info()))?;
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features() & features,
        required_limits: limits(&adapter),
        ..wgpu::DeviceDescriptor::default()
    };
    let (raw, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device with such limits");
    Some((raw.clone(), Device::from_wgpu(&adapter, raw, queue)))
}

/// The adapter whose name contains `whole`, opened with the least that wgpu asks of one.
pub(crate) fn small(whole: &str) -> Device {
    let wanted = |info: &wgpu::AdapterInfo| {
        let text = format!("{} {} {}", info.name, info.driver, info.backend.to_str()).to_lowercase();
        text.contains(&whole.to_lowercase())
    };
    let limits = |_: &wgpu::Adapter| wgpu::Limits::downlevel_defaults();
    let opened = open(wgpu::Backends::all(), wanted, wgpu::Features::empty(), limits);
    opened
        .unwrap_or_else(|| panic!("{VARIABLE} names {whole}{SMALL}, but there is no {whole}"))
        .1
        .expect("a device of ours")
}
