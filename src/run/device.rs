//! Devices: the CPU, or a GPU through wgpu.

use std::fmt;
use std::path::Path;

use super::backend::{Adapter, Backend, adapters, preferred_adapters, refusal};
use crate::base::storage::Storage;
use crate::{Counters, DeviceInfo, DeviceKind, Error, MemoryStats, Result, Tensor};

/// The environment variable that chooses the device of [`Device::best`].
pub const DEVICE_VARIABLE: &str = "HADAMARD_DEVICE";

/// Where tensors live and expressions are evaluated: the CPU with all its cores, or a GPU.
///
/// A cheap handle; clones are the same device. Two calls that open the same adapter make two devices, whose tensors
/// do not mix, and whose names in errors differ by a number. Any number of threads may use one at the same time; [`assign`](crate::assign()) says what they may rely on.
#[derive(Clone, PartialEq)]
pub struct Device {
    backend: Backend,
}

impl Device {
    /// The CPU. There is one, and every call gives it. In a browser it evaluates with the feature `cpu` alone, which is on by
    /// default; without it, it holds tensors.
    pub fn cpu() -> Self {
        Self { backend: Backend::Cpu }
    }

    /// The device to use when nothing else is said: the one the variable `HADAMARD_DEVICE` names, else a hardware
    /// GPU, else the CPU.
    ///
    /// Where only a software adapter is found, the CPU path is faster, so it is taken, and the log says so. A machine
    /// without any GPU driver is no error.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] if `HADAMARD_DEVICE` matches nothing; it lists what there is. See [`named`](Self::named).
    pub fn best() -> Result<Self> {
        if let Some(name) = std::env::var_os(DEVICE_VARIABLE).filter(|name| !name.is_empty()) {
            return Self::named(&name.to_string_lossy());
        }
        if cfg!(target_arch = "wasm32")
            && let Some(refusal) = refusal("open device")
        {
            return Err(refusal);
        }
        let adapters = preferred_adapters();
        let (hardware, software): (Vec<_>, Vec<_>) = adapters.iter().partition(|a| a.kind() != DeviceKind::Software);
        for adapter in hardware {
            match Backend::open(adapter) {
                Ok(backend) => return Ok(Self { backend }),
                Err(error) => log::warn!("{} cannot be used: {error}", adapter.label()),
            }
        }
        match software.first() {
            Some(adapter) => log::info!("no hardware GPU; the CPU is faster than {}, so it is used", adapter.label()),
            None => log::info!("no GPU driver found; the CPU is used"),
        }
        Ok(Self::cpu())
    }

    /// The best GPU: a discrete one before an integrated one before a software adapter.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] if there is no GPU driver at all, or whatever the last adapter tried reports.
    pub fn gpu() -> Result<Self> {
        Self::first_of(&preferred_adapters(), "gpu", |_| true)
    }

    /// The device a name stands for: `cpu`; `gpu`, the best there is; `software`, a software adapter; or any part of
    /// an adapter's name, driver or backend, such as `vulkan`, `llvmpipe` or `swiftshader`. Case does not matter.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] if nothing matches; it lists what there is.
    pub fn named(name: &str) -> Result<Self> {
        let wanted = name.trim().to_lowercase();
        if wanted == "cpu" {
            return Ok(Self::cpu());
        }
        if wanted == "gpu" {
            return Self::gpu();
        }
        let adapters = adapters();
        match wanted.as_str() {
            "software" => Self::first_of(&adapters, name, |a| a.kind() == DeviceKind::Software),
            _ => Self::first_of(&adapters, name, |a| !wanted.is_empty() && a.label().to_lowercase().contains(&wanted)),
        }
    }

    fn first_of(adapters: &[Adapter], wanted: &str, matches: impl Fn(&Adapter) -> bool) -> Result<Self> {
        let mut failure = None;
        for adapter in adapters.iter().filter(|a| matches(a)) {
            match Backend::open(adapter) {
                Ok(backend) => return Ok(Self { backend }),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.or_else(|| refusal("open device")).unwrap_or_else(|| Error::NoDevice {
            wanted: wanted.to_owned(),
            available: std::iter::once("cpu".to_owned()).chain(adapters.iter().map(Adapter::label)).collect(),
        }))
    }

    /// Every device of this machine: each GPU adapter that opens, best first, then the CPU.
    pub fn all() -> Vec<Self> {
        let mut devices = Vec::new();
        for adapter in adapters() {
            match Backend::open(&adapter) {
                Ok(backend) => devices.push(Self { backend }),
                Err(error) => log::warn!("{} cannot be used: {error}", adapter.label()),
            }
        }
        devices.push(Self::cpu());
        devices
    }

    /// A device whose context is there already.
    #[cfg(feature = "gpu")]
    pub(crate) fn on_gpu(context: std::sync::Arc<crate::gpu::Context>) -> Self {
        Self { backend: Backend::Gpu(context) }
    }

    /// The device whose memory this is.
    pub(super) fn of(storage: &Storage) -> Self {
        Self { backend: Backend::of(storage) }
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Whether this is a GPU, a software adapter included.
    pub fn is_gpu(&self) -> bool {
        self.backend.is_gpu()
    }

    /// What the device is and can do.
    pub fn info(&self) -> DeviceInfo {
        self.backend.info()
    }

    /// Hands all recorded work to the device and waits until it is done. The CPU has none waiting.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn synchronize(&self) -> Result<()> {
        self.backend.synchronize("synchronize")
    }

    /// What the device's memory pool holds and has done.
    pub fn memory(&self) -> MemoryStats {
        self.backend.memory()
    }

    /// Bounds the memory that tensors and running work may take, pooled memory included; `None`, as at first, leaves it
    /// to the system. What is in use already stays. Bytes are of whole size classes, as in [`MemoryStats`]; of the CPU
    /// this is the memory of the whole process' tensors.
    ///
    /// ```
    /// use hadamard::{DType, Device, Error, Tensor};
    /// let device = Device::cpu();
    /// device.set_memory_limit(Some(device.memory().used + (16 << 20)));
    /// assert!(matches!(Tensor::zeros([8 << 20], DType::F32, &device), Err(Error::OutOfMemory { .. })));
    /// assert!(Tensor::zeros([1 << 20], DType::F32, &device).is_ok());
    /// device.set_memory_limit(None);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    pub fn set_memory_limit(&self, bytes: Option<u64>) {
        self.backend.limit_memory(bytes);
    }

    /// Lets the driver of a GPU simplify floats as if there were no NaN, no infinity and no rounding, in kernels planned
    /// from now on. Off unless this is called, and of no effect on the CPU.
    ///
    /// Without it every operation gives what IEEE 754 says of it, on every adapter: kernels hide each result from the
    /// driver's compiler before anything is computed from it, at the cost of an integer operation. With it `x + -x` may be
    /// 0 for NaN, `(a + b) - a` may be `b`, products may be fused with sums, and two devices may differ. What is gained
    /// is measured in `docs/accuracy.md`; where memory is the limit, it is nothing.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::best()?;
    /// device.set_fast_math(true);
    /// let x = Tensor::from_slice(&[3.0_f32], [1], &device)?;
    /// assert_eq!((&x * 2.0 + 1.0).eval()?.to_vec::<f32>()?, [7.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    pub fn set_fast_math(&self, fast: bool) {
        self.backend.set_fast_math(fast);
    }

    /// Whether the device is gone: unplugged, reset by its driver, destroyed. Every call on it then gives
    /// [`Error::DeviceLost`], and nothing brings it back; tensors that must outlive it are kept by
    /// [`to_device`](crate::Tensor::to_device) on another, such as the CPU. The CPU is never lost.
    ///
    /// ```
    /// use hadamard::{Device, Error, Result, Tensor};
    /// # fn train(w: &Tensor) -> Result<()> { w.assign(w * 0.5) }
    /// let mut device = Device::best()?;
    /// let mut w = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
    /// let mut saved = w.to_device(&Device::cpu())?;
    /// for _ in 0..3 {
    ///     match train(&w).and_then(|()| w.to_device(&Device::cpu())) {
    ///         Ok(copy) => saved = copy,
    ///         Err(Error::DeviceLost { .. }) => {
    ///             // A new device works beside the lost one: go on from what was saved.
    ///             device = Device::best()?;
    ///             w = saved.to_device(&device)?;
    ///         }
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// assert!(!device.is_lost());
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    pub fn is_lost(&self) -> bool {
        self.backend.is_lost()
    }

    /// Gives the memory that no tensor uses back to the system, and that of compiled kernels: those used again are
    /// compiled again.
    pub fn trim(&self) {
        self.backend.trim();
    }

    /// Keeps what the driver makes of kernels in a file of the folder `dir`, so that the first results of a later run
    /// come sooner. Off unless this is called, before the first evaluation best; with a folder that is made if it is
    /// missing. Returns whether the device can: Vulkan's can, and the CPU has nothing to compile.
    ///
    /// Kernels compiled from now on are looked for in the file; [`save_pipelines`](Self::save_pipelines) writes it. A
    /// file that is cut short, altered, or of another driver, adapter or version is as none. Drivers believe what they
    /// are given, so let nobody else write to the folder.
    ///
    /// ```no_run
    /// use hadamard::{Device, Tensor};
    /// let device = Device::best()?;
    /// device.cache_pipelines("cache/hadamard")?;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
    /// assert_eq!(x.square().sum(..).eval()?.item::<f32>()?, 5.0);
    /// device.save_pipelines()?;
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the folder cannot be made or the file not be read, [`Error::Argument`] if the device keeps
    /// its kernels in another folder already, what the device reports.
    pub fn cache_pipelines(&self, dir: impl AsRef<Path>) -> Result<bool> {
        self.backend.cache_pipelines(dir.as_ref())
    }

    /// Writes the kernels compiled so far where [`cache_pipelines`](Self::cache_pipelines) said; nothing without it.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be written.
    pub fn save_pipelines(&self) -> Result<()> {
        self.backend.save_pipelines()
    }

    /// How much work the device has been given so far.
    pub fn counters(&self) -> Counters {
        self.backend.counters()
    }
}

impl Eq for Device {}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({self})")
    }
}

impl Tensor {
    /// The device the data is on.
    pub fn device(&self) -> Device {
        Device::of(self.storage())
    }
}
