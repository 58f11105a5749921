//! What a device tells of itself: what it can do, what its memory holds, how much work it has been given.

use std::fmt;

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
    /// Whether f64 tensors can be computed with. Without, they can be read, written, viewed, copied and cast.
    pub f64: bool,
    /// Whether shaders have 64-bit integers. Without, those of i64 tensors are computed as two words of 32 bits.
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
    /// What [`set_memory_limit`](crate::Device::set_memory_limit) allows, if anything was set.
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

/// Bytes in units of 1000, as bandwidths are given.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
