//! The devices that tests run on.

#[cfg(feature = "gpu")]
mod adapters;

use std::io::Write;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

#[cfg(feature = "gpu")]
#[allow(unused_imports, reason = "for tests of limits, of sizes and of loss")]
pub(crate) use adapters::{limited, limited_or_refused, limited_raw};

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

/// What a name ends with that stands for an adapter opened with the least that wgpu asks of one: its downlevel limits
/// (four storage buffers, bindings of 128 MiB, 16 KiB of workgroup memory, 256 invocations), and no features.
#[cfg(feature = "gpu")]
const SMALL: &str = "-small";

/// The device a name stands for.
fn named(name: &str) -> Device {
    #[cfg(feature = "gpu")]
    if let Some(whole) = name.strip_suffix(SMALL) {
        return adapters::small(whole);
    }
    Device::named(name).unwrap_or_else(|error| panic!("{VARIABLE} names {name}: {error}"))
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
