//! Bandwidths and times of kernels, and how they are measured.

use std::time::Duration;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use std::time::Instant;

// std's panics in a browser.
#[cfg(target_arch = "wasm32")]
pub(crate) use web_time::Instant;

use crate::Result;

/// How fast a device moves memory when it does nothing else, in bytes a second.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Bandwidth {
    /// Copying one array to another, bytes read and bytes written both counted.
    pub copy: f64,
    /// Reading two arrays and writing next to nothing: a plain dot product.
    pub read: f64,
}

/// How the kernels of a [`Profile`](crate::Profile) were timed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Clock {
    /// By timestamps that the GPU writes before and after each kernel.
    Timestamps,
    /// By the host: each kernel is handed over alone and waited for, so times of a GPU include handing over and
    /// waiting.
    Host,
}

/// All runs of one kernel in a [`Profile`](crate::Profile).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KernelTime {
    /// On a GPU, the file of `shaders/`, what is reduced, and the operations fused into it; on the CPU, the kind of
    /// pass and the shape it walks.
    pub name: String,
    /// How often it ran.
    pub runs: u64,
    /// What all runs took together.
    pub time: Duration,
    /// Bytes that all runs together had to move: each element read or written, counted once a run.
    pub bytes: u64,
    /// Whether it folds what it reads, so that it hardly writes and [`Bandwidth::read`] is its limit, not
    /// [`Bandwidth::copy`].
    pub reduces: bool,
}

impl KernelTime {
    /// Bytes moved a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

/// Times of kernels by name, in the order they were first run.
#[derive(Default)]
pub(crate) struct Tally(Vec<KernelTime>);

impl Tally {
    pub(crate) fn add(&mut self, name: &str, reduces: bool, bytes: u64, time: Duration) {
        if let Some(known) = self.0.iter_mut().find(|k| k.name == name) {
            known.runs += 1;
            known.time += time;
            known.bytes += bytes;
        } else {
            self.0.push(KernelTime { name: name.to_owned(), runs: 1, time, bytes, reduces });
        }
    }

    pub(crate) fn into_kernels(self) -> Vec<KernelTime> {
        self.0
    }
}

/// Bytes a second, from how long `run` says some runs took: the median of measurements of at least 20 ms, seven of them
/// or as many as 200 ms have room for, but three.
pub(crate) fn rate(bytes: u64, mut run: impl FnMut(u32) -> Result<Duration>) -> Result<f64> {
    run(1)?; // takes memory, and compiles
    let once = run(1)?.max(Duration::from_nanos(100));
    let runs = Duration::from_millis(20).div_duration_f64(once).ceil().clamp(1.0, 1000.0) as u32;
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < 3 || times.len() < 7 && start.elapsed() < Duration::from_millis(200) {
        times.push(run(runs)?);
    }
    times.sort();
    Ok(bytes as f64 * f64::from(runs) / times[times.len() / 2].as_secs_f64().max(1e-9))
}
