//! The devices that tests run on.

use std::io::Write;

use hadamard::Device;

/// Names of the devices that must be there, separated by commas, each as for [`Device::named`].
pub(crate) const VARIABLE: &str = "HADAMARD_TEST_DEVICES";

/// The devices `HADAMARD_TEST_DEVICES` promises, each of which must be there; without it, every device there is.
///
/// Where no GPU adapter is found and none was promised, a note that cannot be overlooked says that the CPU alone was
/// tested.
pub(crate) fn devices() -> Vec<Device> {
    if let Ok(names) = std::env::var(VARIABLE) {
        let named = |name: &str| Device::named(name).unwrap_or_else(|error| panic!("{VARIABLE} names {name}: {error}"));
        return names.split(',').filter(|name| !name.trim().is_empty()).map(named).collect();
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
    let info = device.info();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let backends = if info.backend == "gl" { wgpu::Backends::GL } else { wgpu::Backends::PRIMARY };
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let same = |a: &wgpu::Adapter| a.get_info().name == info.name && a.get_info().backend.to_str() == info.backend;
    let adapter = adapters.into_iter().find(same).unwrap_or_else(|| panic!("{device} is there"));
    let mut required_limits = adapter.limits();
    tighten(&mut required_limits);
    let required_features = adapter.features() & (wgpu::Features::SHADER_F64 | wgpu::Features::PIPELINE_CACHE);
    let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..wgpu::DeviceDescriptor::default() };
    let (raw, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device with tighter limits");
    Device::from_wgpu(&adapter, raw, queue).expect("a device of ours")
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
    std::thread::scope(|scope| {
        let running: Vec<_> = devices.iter().map(|device| scope.spawn(|| test(device))).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
