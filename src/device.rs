//! Devices: the CPU, or a GPU through wgpu.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::explain::size;
use crate::{Error, Result, gpu};

/// The environment variable that chooses the device of [`Device::best`].
pub const DEVICE_VARIABLE: &str = "HADAMARD_DEVICE";

/// Where tensors live and expressions are evaluated: the CPU with all its cores, or a GPU.
///
/// A cheap handle; clones are the same device. Two calls that open the same adapter make two devices, whose tensors
/// do not mix. Any number of threads may use one at the same time; [`assign`](crate::assign()) says what they may rely on.
#[derive(Clone)]
pub struct Device {
    kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Cpu,
    Gpu(Arc<gpu::Context>),
}

/// What kind of hardware a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DeviceKind {
    /// This library's own CPU path.
    Cpu,
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A GPU handed into a virtual machine, or one whose driver does not say.
    Other,
    /// A GPU driver that computes on the CPU: lavapipe, llvmpipe, SwiftShader, WARP.
    Software,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Other => "GPU",
            Self::Software => "software adapter",
        })
    }
}

/// What a device is and can do. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The adapter's name, or `cpu`.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl`, `webgpu`, or `cpu`.
    pub backend: String,
    /// The driver and its version, as far as it says.
    pub driver: String,
    /// What kind of hardware it is.
    pub kind: DeviceKind,
    /// Whether f64 tensors can be computed with.
    pub f64: bool,
    /// Whether shaders have 64-bit integers. No tensor is made of them; kernels may fetch two words as one.
    pub i64: bool,
    /// Whether the adapter has f16 arithmetic. f16 tensors work without it.
    pub f16: bool,
    /// Sizes a subgroup may have, or `None` where shaders cannot use them.
    pub subgroup: Option<(u32, u32)>,
    /// The largest buffer, hence the largest tensor.
    pub max_buffer: u64,
    /// The largest range a shader can see at once. Larger tensors are processed in parts.
    pub max_binding: u64,
    /// Buffers a shader can see at once.
    pub max_bindings: u32,
    /// Workgroups along one axis of a dispatch.
    pub max_workgroups: u32,
    /// Invocations in a workgroup.
    pub max_workgroup_size: u32,
    /// Memory shared by a workgroup.
    pub max_workgroup_memory: u32,
    /// Threads that compute: CPU cores for the CPU path, 0 for a GPU.
    pub threads: usize,
}

impl Device {
    /// The CPU. There is one, and every call gives it.
    pub fn cpu() -> Self {
        Self { kind: Kind::Cpu }
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
        let adapters = gpu::preferred_adapters();
        let (hardware, software): (Vec<_>, Vec<_>) = adapters.iter().partition(|a| a.kind() != DeviceKind::Software);
        for adapter in hardware {
            match adapter.open() {
                Ok(context) => return Ok(Self::from_context(context)),
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
        Self::first_of(&gpu::preferred_adapters(), "gpu", |_| true)
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
        let adapters = gpu::adapters();
        match wanted.as_str() {
            "software" => Self::first_of(&adapters, name, |a| a.kind() == DeviceKind::Software),
            _ => Self::first_of(&adapters, name, |a| !wanted.is_empty() && a.label().to_lowercase().contains(&wanted)),
        }
    }

    fn first_of(adapters: &[gpu::Adapter], wanted: &str, matches: impl Fn(&gpu::Adapter) -> bool) -> Result<Self> {
        let mut failure = None;
        for adapter in adapters.iter().filter(|a| matches(a)) {
            match adapter.open() {
                Ok(context) => return Ok(Self::from_context(context)),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Error::NoDevice {
            wanted: wanted.to_owned(),
            available: std::iter::once("cpu".to_owned()).chain(adapters.iter().map(gpu::Adapter::label)).collect(),
        }))
    }

    /// Every device of this machine: each GPU adapter that opens, best first, then the CPU.
    pub fn all() -> Vec<Self> {
        let mut devices = Vec::new();
        for adapter in gpu::adapters() {
            match adapter.open() {
                Ok(context) => devices.push(Self::from_context(context)),
                Err(error) => log::warn!("{} cannot be used: {error}", adapter.label()),
            }
        }
        devices.push(Self::cpu());
        devices
    }

    /// A device on the caller's own wgpu device and queue, so that tensors and a renderer share them.
    ///
    /// Everything is done through `device` and `queue`; whatever features and limits they were made with are what
    /// this library has. `adapter` says what the device is. The device's uncaptured-error handler and its lost callback,
    /// of which wgpu has one each, are this library's from now on: an error of the caller's own calls that no error
    /// scope catches is logged and comes back from the next call here.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the device was made without compute shaders or with fewer than four storage buffers.
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Result<Self> {
        Ok(Self::from_context(gpu::Context::new(&adapter.get_info(), device, queue)?))
    }

    pub(crate) fn from_context(context: Arc<gpu::Context>) -> Self {
        Self { kind: Kind::Gpu(context) }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether this is a GPU, a software adapter included.
    pub fn is_gpu(&self) -> bool {
        matches!(self.kind, Kind::Gpu(_))
    }

    /// What the device is and can do.
    pub fn info(&self) -> DeviceInfo {
        match &self.kind {
            Kind::Cpu => crate::cpu::info(),
            Kind::Gpu(context) => context.info().clone(),
        }
    }

    /// Hands all recorded work to the device and waits until it is done. The CPU has none waiting.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn synchronize(&self) -> Result<()> {
        match &self.kind {
            Kind::Cpu => Ok(()),
            Kind::Gpu(context) => context.synchronize("synchronize"),
        }
    }

    /// What the device's memory pool holds and has done.
    pub fn memory(&self) -> MemoryStats {
        match &self.kind {
            Kind::Cpu => crate::cpu::memory(),
            Kind::Gpu(context) => context.memory(),
        }
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
        match &self.kind {
            Kind::Cpu => crate::cpu::limit_memory(bytes),
            Kind::Gpu(context) => context.limit_memory(bytes),
        }
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
        match &self.kind {
            Kind::Cpu => false,
            Kind::Gpu(context) => context.is_lost(),
        }
    }

    /// Gives the memory that no tensor uses back to the system.
    pub fn trim(&self) {
        match &self.kind {
            Kind::Cpu => crate::cpu::trim(),
            Kind::Gpu(context) => context.trim(),
        }
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
        match &self.kind {
            Kind::Cpu => Ok(false),
            Kind::Gpu(context) => context.cache_pipelines(dir.as_ref()),
        }
    }

    /// Writes the kernels compiled so far where [`cache_pipelines`](Self::cache_pipelines) said; nothing without it.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be written.
    pub fn save_pipelines(&self) -> Result<()> {
        match &self.kind {
            Kind::Cpu => Ok(()),
            Kind::Gpu(context) => context.save_pipelines(),
        }
    }

    /// How much work the device has been given so far.
    pub fn counters(&self) -> Counters {
        match &self.kind {
            Kind::Cpu => crate::cpu::counters(),
            Kind::Gpu(context) => context.counters(),
        }
    }
}

/// What a device's memory pool holds and has done. Bytes are of whole size classes.
///
/// ```
/// use hadamard::{DType, Device, Tensor};
/// let device = Device::cpu();
/// let a = Tensor::ones([1 << 20], DType::F32, &device)?;
/// assert!(device.memory().used >= 4 << 20);
/// println!("{}", device.memory()); // 4.2 MB in use, 4.2 MB at most, 0 B kept for reuse; …
/// # Ok::<(), hadamard::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Bytes in use by tensors and running work.
    pub used: u64,
    /// Bytes kept for reuse. With what is in use, never more than twice the peak.
    pub pooled: u64,
    /// The most that was in use at once.
    pub peak: u64,
    /// Buffers taken from the system.
    pub allocations: u64,
    /// Buffers taken from the pool instead.
    pub reuses: u64,
    /// What [`set_memory_limit`](Device::set_memory_limit) allows, if anything was set.
    pub limit: Option<u64>,
}

impl fmt::Display for MemoryStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [used, peak, pooled] = [self.used, self.peak, self.pooled].map(size);
        let Self { allocations, reuses, .. } = self;
        write!(f, "{used} in use, {peak} at most, {pooled} kept for reuse; ")?;
        write!(f, "{allocations} buffers from the system, {reuses} from the pool")
    }
}

/// How much work a device has been given since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Shaders compiled.
    pub compiled: u64,
    /// Plans made: on the CPU, programs.
    pub planned: u64,
    /// Kernels run: on a GPU, dispatches.
    pub kernels: u64,
    /// Times work was handed to the GPU's queue.
    pub submits: u64,
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Cpu, Kind::Cpu) => true,
            (Kind::Gpu(a), Kind::Gpu(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for Device {}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Cpu => f.write_str("cpu"),
            Kind::Gpu(context) => f.write_str(context.label()),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({self})")
    }
}
