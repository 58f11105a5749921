//! Where a device's time goes: each kernel of some work, its time, its bytes, and how close to the device's limit.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::device::Kind;
use crate::{Device, Result, cpu};

/// How fast a device moves memory when it does nothing else, in bytes a second.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Copying one array to another, bytes read and bytes written both counted.
    pub copy: f64,
    /// Reading two arrays and writing next to nothing: a plain dot product.
    pub read: f64,
}

/// What some work on a device took, kernel by kernel, as [`Device::profile`] found it. Printing it gives a table.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// The device's name.
    pub device: String,
    /// How kernels were timed.
    pub clock: Clock,
    /// What the device can do at best.
    pub limits: Limits,
    /// The kernels, those that took longest first. On the CPU these are passes over memory.
    pub kernels: Vec<KernelTime>,
    /// From the start of the work until the device was done, on the host's clock. Timing each kernel makes it longer.
    pub elapsed: Duration,
}

/// How the kernels of a [`Profile`] were timed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Clock {
    /// By timestamps that the GPU writes before and after each kernel.
    Timestamps,
    /// By the host: each kernel is handed over alone and waited for, so times of a GPU include handing over and
    /// waiting.
    Host,
}

/// All runs of one kernel in a [`Profile`].
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
    /// Whether it folds what it reads, so that it hardly writes and [`Limits::read`] is its limit, not
    /// [`Limits::copy`].
    pub reduces: bool,
}

impl KernelTime {
    /// Bytes moved a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

impl Profile {
    /// What all kernels took together.
    pub fn time(&self) -> Duration {
        self.kernels.iter().map(|k| k.time).sum()
    }

    /// How close a kernel came to the device's limit: 1 is the speed of a plain copy, or of a plain dot product for a
    /// kernel that reduces.
    ///
    /// Small tensors that stay in a cache may exceed it; a matrix product, which reads the same memory again and
    /// again, falls short of it.
    pub fn share(&self, kernel: &KernelTime) -> f64 {
        kernel.rate() / if kernel.reduces { self.limits.read } else { self.limits.copy }
    }
}

impl Device {
    /// What `work` gives, and which kernels it ran on this device, how long each took and how close to the device's
    /// limit.
    ///
    /// While it runs, each kernel is timed by itself, which takes longer than not looking. Kernels that other threads
    /// run on this device meanwhile are counted, too. The first call on a device also measures its
    /// [`limits`](Self::limits).
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor};
    /// let device = Device::best()?;
    /// let (a, b) = (Tensor::ones([256, 256], DType::F32, &device)?, Tensor::ones([256], DType::F32, &device)?);
    /// let (sums, profile) = device.profile(|| (&a * &b).sum(0).eval())?;
    /// assert_eq!(sums.to_vec::<f32>()?, [256.0; 256]);
    /// assert!(profile.kernels.iter().all(|kernel| kernel.runs == 1 && kernel.bytes > 0));
    /// println!("{profile}");
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `work` returns; [`Error::Argument`](crate::Error::Argument) inside another profile of the same device; what the device reports.
    pub fn profile<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<(R, Profile)> {
        let limits = self.limits()?;
        self.synchronize()?;
        let recording = Recording::start(self)?;
        let start = Instant::now();
        let result = work()?;
        self.synchronize()?;
        let elapsed = start.elapsed();
        let (clock, mut kernels) = recording.finish()?;
        kernels.sort_by_key(|k| std::cmp::Reverse(k.time));
        Ok((result, Profile { device: self.to_string(), clock, limits, kernels, elapsed }))
    }

    /// How fast this device moves memory when it does nothing else: measured at the first call, in a fraction of a
    /// second, and kept.
    ///
    /// The arrays take 512 MiB of a GPU's memory and 128 MiB of the CPU's, less where a buffer may not be so large.
    ///
    /// # Errors
    ///
    /// What the device reports; [`Error::OutOfMemory`](crate::Error::OutOfMemory) if it has no room for the arrays.
    pub fn limits(&self) -> Result<Limits> {
        static CPU: OnceLock<Limits> = OnceLock::new();
        match self.kind() {
            Kind::Cpu => match CPU.get() {
                Some(limits) => Ok(*limits),
                None => cpu::limits().map(|limits| *CPU.get_or_init(|| limits)),
            },
            Kind::Gpu(context) => context.limits(),
        }
    }
}

/// A device that times its kernels, until this is dropped.
struct Recording<'a>(&'a Device);

impl<'a> Recording<'a> {
    fn start(device: &'a Device) -> Result<Self> {
        match device.kind() {
            Kind::Cpu => cpu::profile::start()?,
            Kind::Gpu(context) => context.start_profile()?,
        }
        Ok(Self(device))
    }

    fn finish(self) -> Result<(Clock, Vec<KernelTime>)> {
        let device = self.0;
        // Nothing is left to drop; what another thread starts next is its own.
        std::mem::forget(self);
        match device.kind() {
            Kind::Cpu => Ok((Clock::Host, cpu::profile::finish())),
            Kind::Gpu(context) => context.finish_profile(),
        }
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        match self.0.kind() {
            Kind::Cpu => drop(cpu::profile::finish()),
            Kind::Gpu(context) => context.drop_profile(),
        }
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

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = match self.clock {
            Clock::Timestamps => "by the GPU's timestamps",
            Clock::Host => "each kernel waited for, by the host's clock",
        };
        writeln!(f, "{}: {:.3} ms in kernels, {clock}", self.device, self.time().as_secs_f64() * 1e3)?;
        let width = self.kernels.iter().map(|k| k.name.chars().count()).max().unwrap_or(0).max(6);
        writeln!(
            f,
            "{:width$}  {:>6}  {:>10}  {:>10}  {:>8}  {:>8}",
            "kernel", "runs", "ms", "MB", "GB/s", "of limit"
        )?;
        for kernel in &self.kernels {
            let (ms, mb) = (kernel.time.as_secs_f64() * 1e3, kernel.bytes as f64 / 1e6);
            let (rate, share) = (kernel.rate() / 1e9, 100.0 * self.share(kernel));
            writeln!(
                f,
                "{:width$}  {:>6}  {ms:>10.3}  {mb:>10.3}  {rate:>8.2}  {share:>7.0}%",
                kernel.name, kernel.runs
            )?;
        }
        let Limits { copy, read } = self.limits;
        write!(f, "The limit is a plain copy, {:.1} GB/s, or for what reduces a plain dot product, ", copy / 1e9)?;
        writeln!(f, "{:.1} GB/s.", read / 1e9)
    }
}
