//! Where a device's time goes: each kernel of some work, its time, its bytes, and how close to the device's limit.

use std::fmt;
use std::time::Duration;

use crate::base::times::Instant;
use crate::{Bandwidth, Clock, Device, KernelTime, Result};

/// What some work on a device took, kernel by kernel, as [`Device::profile`] found it. Printing it gives a table.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// The device's name.
    pub device: String,
    /// How kernels were timed.
    pub clock: Clock,
    /// What the device can do at best.
    pub bandwidth: Bandwidth,
    /// The kernels, those that took longest first. On the CPU these are passes over memory.
    pub kernels: Vec<KernelTime>,
    /// From the start of the work until the device was done, on the host's clock. Timing each kernel makes it longer.
    pub elapsed: Duration,
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
        kernel.rate() / if kernel.reduces { self.bandwidth.read } else { self.bandwidth.copy }
    }
}

impl Device {
    /// What `work` gives, and which kernels it ran on this device, how long each took and how close to the device's
    /// limit.
    ///
    /// While it runs, each kernel is timed by itself, which takes longer than not looking. Kernels that other threads
    /// run on this device meanwhile are counted, too. The first call on a device also measures its
    /// [`bandwidth`](Self::bandwidth).
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
        let bandwidth = self.bandwidth()?;
        self.synchronize()?;
        let recording = Recording::start(self)?;
        let start = Instant::now();
        let result = work()?;
        self.synchronize()?;
        let elapsed = start.elapsed();
        let (clock, mut kernels) = recording.finish()?;
        kernels.sort_by_key(|k| std::cmp::Reverse(k.time));
        Ok((result, Profile { device: self.to_string(), clock, bandwidth, kernels, elapsed }))
    }

    /// How fast this device moves memory when it does nothing else: measured at the first call, in a fraction of a
    /// second, and kept.
    ///
    /// The arrays take 512 MiB of a GPU's memory and 128 MiB of the CPU's, less where a buffer may not be so large.
    ///
    /// # Errors
    ///
    /// What the device reports; [`Error::OutOfMemory`](crate::Error::OutOfMemory) if it has no room for the arrays.
    pub fn bandwidth(&self) -> Result<Bandwidth> {
        self.backend().bandwidth()
    }
}

/// A device that times its kernels, until this is dropped.
struct Recording<'a>(&'a Device);

impl<'a> Recording<'a> {
    fn start(device: &'a Device) -> Result<Self> {
        device.backend().start_profile()?;
        Ok(Self(device))
    }

    fn finish(self) -> Result<(Clock, Vec<KernelTime>)> {
        let device = self.0;
        // Nothing is left to drop; what another thread starts next is its own.
        std::mem::forget(self);
        device.backend().finish_profile()
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.0.backend().drop_profile();
    }
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
        let Bandwidth { copy, read } = self.bandwidth;
        write!(f, "The limit is a plain copy, {:.1} GB/s, or for what reduces a plain dot product, ", copy / 1e9)?;
        writeln!(f, "{:.1} GB/s.", read / 1e9)
    }
}
