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
