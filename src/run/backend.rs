//! The CPU or a GPU: the one place that tells them apart.
//!
//! A closed world of two, so an enum and not a trait: each method here is one line for either. Without the feature
//! `gpu` the CPU is all there is.

#![cfg_attr(
    not(feature = "gpu"),
    allow(
        clippy::unnecessary_wraps,
        clippy::unused_async,
        clippy::unused_self,
        reason = "only a GPU fails and is waited for"
    )
)]

use std::fmt;
use std::path::Path;
#[cfg(feature = "gpu")]
use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::info::{Counters, DeviceInfo, MemoryStats};
use crate::base::storage::Storage;
use crate::base::times::{Bandwidth, Clock, KernelTime};
use crate::expr::graph::{Graph, Sizes};
use crate::kernel::Caps;
use crate::{DType, Element, Result, Tensor, cpu};

#[cfg(feature = "gpu")]
use crate::gpu;

#[cfg(feature = "gpu")]
pub(super) use crate::gpu::{Adapter, adapters, preferred_adapters, refusal};
#[cfg(not(feature = "gpu"))]
pub(super) use no_gpu::{Adapter, adapters, preferred_adapters, refusal};

/// Where memory is and work is done.
#[derive(Clone)]
pub(crate) enum Backend {
    Cpu,
    #[cfg(feature = "gpu")]
    Gpu(Arc<gpu::Context>),
}

/// `on!(backend, cpu => …, context => …)`: what the CPU does, what a GPU does.
macro_rules! on {
    ($backend:expr, cpu => $cpu:expr, $context:ident => $gpu:expr) => {
        match $backend {
            Backend::Cpu => $cpu,
            #[cfg(feature = "gpu")]
            Backend::Gpu($context) => $gpu,
        }
    };
}

/// `buffer!(storage, buffer => …, buffer => …)`: what is done with a buffer of the CPU's, and with one of a GPU's. Only a
/// GPU's can fail, and says in which operation.
macro_rules! buffer {
    ($op:ident, $storage:expr, $cpu:ident => $on_cpu:expr, $gpu:ident => $on_gpu:expr) => {{
        let _ = $op;
        buffer!($storage, $cpu => $on_cpu, $gpu => $on_gpu)
    }};
    ($storage:expr, $cpu:ident => $on_cpu:expr, $gpu:ident => $on_gpu:expr) => {{
        if let Some($cpu) = $storage.downcast::<cpu::Buffer>() {
            return $on_cpu;
        }
        #[cfg(feature = "gpu")]
        if let Some($gpu) = $storage.downcast::<gpu::Buffer>() {
            return $on_gpu;
        }
        unreachable!("a buffer is the CPU's or a GPU's")
    }};
}

impl Backend {
    pub(super) fn open(adapter: &Adapter) -> Result<Self> {
        #[cfg(feature = "gpu")]
        return adapter.open().map(Self::Gpu);
        #[cfg(not(feature = "gpu"))]
        match *adapter {}
    }

    /// The backend whose memory this is.
    pub(super) fn of(storage: &Storage) -> Self {
        buffer!(storage, _buffer => Self::Cpu, buffer => Self::Gpu(buffer.context().clone()))
    }

    /// Whether this is the backend's memory.
    pub(crate) fn owns(&self, storage: &Storage) -> bool {
        on!(self,
            cpu => storage.downcast::<cpu::Buffer>().is_some(),
            context => storage.downcast::<gpu::Buffer>().is_some_and(|buffer| Arc::ptr_eq(buffer.context(), context)))
    }

    /// A GPU's context.
    #[cfg(feature = "gpu")]
    pub(super) fn gpu(&self) -> Option<&Arc<gpu::Context>> {
        on!(self, cpu => None, context => Some(context))
    }

    /// Whether bytes can be read where they lie: a buffer that a caller lends for kernels alone is computed from.
    pub(super) fn can_be_copied(storage: &Storage) -> bool {
        buffer!(storage, _buffer => true, buffer => buffer.can_be_copied())
    }

    pub(super) fn is_gpu(&self) -> bool {
        on!(self, cpu => false, _context => true)
    }

    // ---- memory ----

    /// Memory for `numel` elements that holds whatever was there.
    pub(super) fn allocate(&self, op: &'static str, numel: usize, dtype: DType) -> Result<Storage> {
        let bytes = numel * dtype.size();
        on!(self,
            cpu => cpu::Buffer::new(op, bytes).map(Storage::new),
            context => context.buffer(op, bytes as u64).map(Storage::new))
    }

    /// Memory that holds `values`: on the CPU the vector's own, where that begins where any element may.
    pub(super) fn of_vec<T: Element>(&self, op: &'static str, values: Vec<T>) -> Result<Storage> {
        let values = on!(self,
            cpu => match cpu::Buffer::of(op, values)? {
                Ok(buffer) => return Ok(Storage::new(buffer)),
                Err(values) => values,
            },
            _context => values);
        let storage = self.allocate(op, values.len(), T::DTYPE)?;
        Self::write(op, &storage, &T::as_bytes(&values))?;
        Ok(storage)
    }

    /// Uploads `bytes` to the start of a buffer.
    pub(super) fn write(op: &'static str, storage: &Storage, bytes: &[u8]) -> Result<()> {
        buffer!(op, storage, buffer => { buffer.write(0, bytes); Ok(()) }, buffer => buffer.write(op, bytes))
    }

    /// A GPU's buffer, once recorded work is submitted.
    #[cfg(all(feature = "gpu", target_arch = "wasm32"))]
    pub(super) fn webgpu(op: &'static str, storage: &Storage) -> Result<Option<gpu::BufferHandle>> {
        buffer!(storage, _buffer => Ok(None), buffer => buffer.handed_over(op).map(Some))
    }

    /// Where the memory of a buffer of the CPU's begins.
    pub(super) fn start(storage: &Storage) -> Option<*mut u8> {
        storage.downcast::<cpu::Buffer>().map(cpu::Buffer::start)
    }

    /// Writes `bytes` to a buffer of the CPU's from byte `start` on; returns whether it is one.
    pub(super) fn write_at(storage: &Storage, start: usize, bytes: &[u8]) -> bool {
        let buffer = storage.downcast::<cpu::Buffer>();
        buffer.inspect(|buffer| buffer.write(start, bytes)).is_some()
    }

    /// Has `fill` make the first `len` bytes of a buffer, a chunk of whole elements after the other, from the first to
    /// the last.
    #[cfg(feature = "io")]
    pub(super) fn fill(
        op: &'static str,
        storage: &Storage,
        len: usize,
        fill: impl FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        // Short enough to stay in a cache while it is worked on.
        const CHUNK: usize = 1 << 20;
        buffer!(op, storage, buffer => buffer.fill(len, CHUNK, fill), buffer => buffer.fill(op, len, CHUNK, fill))
    }

    /// Calls `f` with bytes `start..start + len` of a buffer, once the device has computed them.
    pub(super) fn read<R>(
        op: &'static str,
        storage: &Storage,
        [start, len]: [usize; 2],
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        buffer!(op, storage,
            buffer => Ok(buffer.read(start, len, f)),
            buffer => buffer.read_blocking(op, start as u64, len as u64, f))
    }

    /// As [`read`](Self::read), as a future.
    pub(super) async fn read_async<R>(
        op: &'static str,
        storage: &Storage,
        [start, len]: [usize; 2],
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        buffer!(op, storage,
            buffer => Ok(buffer.read(start, len, f)),
            buffer => buffer.read(op, start as u64, len as u64, f).await)
    }

    pub(super) fn memory(&self) -> MemoryStats {
        on!(self, cpu => cpu::memory(), context => context.memory())
    }

    pub(super) fn limit_memory(&self, bytes: Option<u64>) {
        on!(self, cpu => cpu::limit_memory(bytes), context => context.limit_memory(bytes));
    }

    pub(super) fn set_fast_math(&self, fast: bool) {
        let _ = fast;
        on!(self, cpu => (), context => context.set_fast_math(fast));
    }

    pub(super) fn trim(&self) {
        on!(self, cpu => cpu::trim(), context => context.trim());
    }

    // ---- work ----

    /// Runs a graph; root `i` is written to `targets[i]`.
    ///
    /// Promised to the backend: all buffers are its own, and targets lie apart. To the CPU also that a load that touches a
    /// target's memory is of exactly the target's elements, in a graph without reductions whose targets have one shape.
    pub(super) fn run(&self, op: &'static str, graph: &Graph, targets: &[Tensor]) -> Result<()> {
        on!(self, cpu => cpu::run(op, graph, targets), context => gpu::run(op, context, graph, targets))
    }

    /// Makes what it prepared for a graph fit these sizes, to which the graph was resized. A GPU keeps its plans elsewhere, by
    /// the form of graphs.
    pub(super) fn resize(&self, graph: &mut Graph, sizes: &Sizes) {
        on!(self, cpu => cpu::resize(graph, sizes), _context => ());
    }

    /// As [`run`](Self::run), of what may have run before: where a backend remembers that, without a copy of the targets.
    pub(super) fn run_again(&self, op: &'static str, graph: &Graph, targets: &[&Tensor]) -> Result<()> {
        let done = on!(self, cpu => false, context => gpu::run_again(op, context, graph, targets)?);
        if done {
            return Ok(());
        }
        let targets: SmallVec<[Tensor; 1]> = targets.iter().map(|&target| target.clone()).collect();
        self.run(op, graph, &targets)
    }

    pub(super) fn synchronize(&self, op: &'static str) -> Result<()> {
        on!(self, cpu => { let _ = op; Ok(()) }, context => context.synchronize(op))
    }

    pub(super) async fn synchronize_async(&self, op: &'static str) -> Result<()> {
        on!(self, cpu => { let _ = op; Ok(()) }, context => context.synchronize_async(op).await)
    }

    pub(super) fn is_lost(&self) -> bool {
        on!(self, cpu => false, context => context.is_lost())
    }

    pub(super) fn cache_pipelines(&self, dir: &Path) -> Result<bool> {
        on!(self, cpu => { let _ = dir; Ok(false) }, context => context.cache_pipelines(dir))
    }

    pub(super) fn save_pipelines(&self) -> Result<()> {
        on!(self, cpu => Ok(()), context => context.save_pipelines())
    }

    // ---- what it tells ----

    pub(super) fn info(&self) -> DeviceInfo {
        on!(self, cpu => cpu::info(), context => context.info().clone())
    }

    pub(super) fn counters(&self) -> Counters {
        on!(self, cpu => cpu::counters(), context => context.counters())
    }

    pub(super) fn bandwidth(&self) -> Result<Bandwidth> {
        on!(self, cpu => cpu::bandwidth(), context => context.bandwidth())
    }

    /// What a planner must know of it, if it has kernels to be planned.
    pub(super) fn caps(&self) -> Option<Caps> {
        on!(self, cpu => None, context => Some(context.caps()))
    }

    pub(super) fn start_profile(&self) -> Result<()> {
        on!(self, cpu => cpu::profile::start(), context => context.start_profile())
    }

    pub(super) fn finish_profile(&self) -> Result<(Clock, Vec<KernelTime>)> {
        on!(self, cpu => Ok((Clock::Host, cpu::profile::finish())), context => context.finish_profile())
    }

    pub(super) fn drop_profile(&self) {
        on!(self, cpu => drop(cpu::profile::finish()), context => context.drop_profile());
    }
}

impl PartialEq for Backend {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cpu, Self::Cpu) => true,
            #[cfg(feature = "gpu")]
            (Self::Gpu(a), Self::Gpu(b)) => Arc::ptr_eq(a, b),
            #[cfg(feature = "gpu")]
            (Self::Cpu, Self::Gpu(_)) | (Self::Gpu(_), Self::Cpu) => false,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(on!(self, cpu => "cpu", context => context.label()))
    }
}

/// A machine without GPUs, as far as a build without the feature `gpu` can tell.
#[cfg(not(feature = "gpu"))]
mod no_gpu {
    use crate::{DeviceKind, Error};

    pub(crate) fn refusal(_op: &'static str) -> Option<Error> {
        None
    }

    /// An adapter; there is none.
    pub(crate) enum Adapter {}

    impl Adapter {
        pub(crate) fn kind(&self) -> DeviceKind {
            match *self {}
        }

        pub(crate) fn label(&self) -> String {
            match *self {}
        }
    }

    pub(crate) fn adapters() -> Vec<Adapter> {
        Vec::new()
    }

    pub(crate) fn preferred_adapters() -> Vec<Adapter> {
        Vec::new()
    }
}
