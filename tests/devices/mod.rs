//! The devices that tests run on.

use std::io::Write;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use hadamard::Device;

/// Names of the devices that must be there, separated by commas, each as for [`Device::named`], or with `-small` behind
/// it for an adapter opened with as little as wgpu allows.
pub(crate) const VARIABLE: &str = "HADAMARD_TEST_DEVICES";

/// The devices `HADAMARD_TEST_DEVICES` promises, each of which must be there; without it, every device there is.
///
/// Where no GPU adapter is found and none was promised, a note that cannot be overlooked says that the CPU alone was
/// tested.
pub(crate) fn devices() -> Vec<Device> {
    if let Ok(names) = std::env::var(VARIABLE) {
        return names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(named).collect();
    }
    let devices = Device::all();
    if !devices.iter().any(Device::is_gpu) {
        note(&format!("no GPU adapter found: the CPU alone was tested (name adapters in {VARIABLE} to require them)"));
    }
    devices
}

/// The same adapter with tighter limits, as a caller's own wgpu device may have, so that a boundary is cheap to reach.
#[allow(dead_code, reason = "for tests of sizes")]
pub(crate) fn limited(device: &Device, tighten: impl FnOnce(&mut wgpu::Limits)) -> Device {
    limited_raw(device, tighten).1
}

/// The same, with wgpu's own handle.
#[allow(dead_code, reason = "for tests of limits and of loss")]
pub(crate) fn limited_raw(device: &Device, tighten: impl FnOnce(&mut wgpu::Limits)) -> (wgpu::Device, Device) {
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
) -> Option<(wgpu::Device, Device)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let adapter = adapters.into_iter().find(|a| wanted(&a.get_info()))?;
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features() & features,
        required_limits: limits(&adapter),
        ..wgpu::DeviceDescriptor::default()
    };
    let (raw, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device with such limits");
    let device = Device::from_wgpu(&adapter, raw.clone(), queue).expect("a device of ours");
    Some((raw, device))
}

/// What a name ends with that stands for an adapter opened with the least that wgpu asks of one: its downlevel limits
/// (four storage buffers, bindings of 128 MiB, 16 KiB of workgroup memory, 256 invocations), and no features.
const SMALL: &str = "-small";

/// The device a name stands for.
fn named(name: &str) -> Device {
    let Some(whole) = name.strip_suffix(SMALL) else {
        return Device::named(name).unwrap_or_else(|error| panic!("{VARIABLE} names {name}: {error}"));
    };
    let wanted = |info: &wgpu::AdapterInfo| {
        let text = format!("{} {} {}", info.name, info.driver, info.backend.to_str()).to_lowercase();
        text.contains(&whole.to_lowercase())
    };
    let limits = |_: &wgpu::Adapter| wgpu::Limits::downlevel_defaults();
    let opened = open(wgpu::Backends::all(), wanted, wgpu::Features::empty(), limits);
    opened.unwrap_or_else(|| panic!("{VARIABLE} names {name}, but there is no {whole}")).1
}

/// Prints where the test harness does not swallow it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {text}");
}

/// What `test` finds wrong on each device, each on a thread of its own: a driver that compiles shaders keeps one core
/// busy.
#[allow(dead_code, reason = "not every test that names devices goes through them this way")]
pub(crate) fn failures_on_each(test: impl Fn(&Device) -> Vec<String> + Sync) -> Vec<String> {
    let devices = devices();
    thread::scope(|scope| {
        let running: Vec<_> = devices.iter().map(|device| scope.spawn(|| test(device))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// What `body` gives. If it takes longer than `patience` it is a failure that says `what` hung, where a plain test would
/// hang.
#[allow(dead_code, reason = "for tests of what could wait for ever")]
pub(crate) fn in_time<R: Send + 'static>(
    what: &str,
    patience: Duration,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (sender, receiver) = channel();
    let running = thread::spawn(move || sender.send(body()));
    match receiver.recv_timeout(patience) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("still running after {} s: {what}", patience.as_secs()),
        Err(RecvTimeoutError::Disconnected) => {
            resume_unwind(running.join().err().unwrap_or_else(|| Box::new("it ended without a result")))
        }
    }
}
