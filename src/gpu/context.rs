//! A GPU device: wgpu's device and queue, their capabilities, and everything that is kept between evaluations.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::adapter::{backend_of, kind_of, label_of};
use super::aside::Spare;
use super::cache::Cache;
use super::disk::PipelineFile;
use super::exit;
use super::faults::{Faults, answers, errs};
use super::label::Label;
use super::limits;
use super::memory::Memory;
use super::options::WgpuOptions;
#[cfg(not(target_arch = "wasm32"))]
use super::poller::{Poller, Waiting};
use super::readback::{Mapped, Read};
use super::recorder::{Recorder, UNIFORM_BYTES};
use crate::base::fork;
use crate::base::times::Bandwidth;
use crate::kernel::Caps;
use crate::{Counters, DeviceInfo, Error, MemoryStats, Result};

const OP: &str = "open device";

/// The contexts there are, so that there is one for each wgpu device.
static OPEN: Mutex<Vec<Weak<Context>>> = Mutex::new(Vec::new());
/// Held while a caller's device is opened.
static OPENING: Mutex<()> = Mutex::new(());

pub(crate) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) memory: Memory,
    pub(super) cache: Cache,
    pub(super) counts: Counts,
    info: DeviceInfo,
    /// Bytes of uniforms that a launch may have: a long chain of views takes many.
    pub(super) max_uniforms: u64,
    label: Label,
    /// The process it was opened in; see [`fork::generation`].
    generation: u32,
    /// Whether kernels planned from now on are left to the driver's simplifications.
    fast_math: AtomicBool,
    recorder: Mutex<Recorder>,
    /// Reads whose futures were dropped, and with which marks came.
    pub(super) abandoned: Mutex<Vec<Read>>,
    /// Of recordings into a caller's encoder that are done.
    pub(super) spare: Mutex<Spare>,
    pub(super) faults: Arc<Faults>,
    #[cfg(not(target_arch = "wasm32"))]
    poller: OnceLock<Poller>,
    /// Measured on first use.
    pub(super) bandwidth: OnceLock<Bandwidth>,
    /// Name of the file of compiled pipelines, if the device supports one; then the file.
    pub(super) cache_name: Option<String>,
    pub(super) file: OnceLock<PipelineFile>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) compiled: AtomicU64,
    pub(super) planned: AtomicU64,
    pub(super) kernels: AtomicU64,
    pub(super) submits: AtomicU64,
}

impl Context {
    /// On a caller's own device, which may lack what kernels need: the one that is open on it, or a new one.
    pub(crate) fn of(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: WgpuOptions,
    ) -> Result<Arc<Self>> {
        // Two threads that hand over one device get one context.
        let _turn = lock(&OPENING);
        let open: Vec<Arc<Self>> = lock(&OPEN).iter().filter_map(Weak::upgrade).collect();
        if !answers(&device) {
            let (label, reason) = (label_of(&adapter.get_info()), "it no longer answers".to_owned());
            return Err(Error::DeviceLost { op: OP, device: label, reason });
        }
        // Handles of two instances may compare equal, but an error of one is none of the other.
        let same =
            |context: &&Arc<Self>| !context.is_copy() && context.device == device && errs(&device, &context.device);
        if let Some(found) = open.iter().find(same) {
            found.check(OP)?;
            found.faults.check_options(OP, &options)?;
            return Ok(found.clone());
        }
        Self::new(&adapter.get_info(), adapter.get_downlevel_capabilities().flags, device, queue, options)
    }

    pub(super) fn new(
        adapter: &wgpu::AdapterInfo,
        flags: wgpu::DownlevelFlags,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: WgpuOptions,
    ) -> Result<Arc<Self>> {
        exit::let_go();
        let (limits, features) = (device.limits(), device.features());
        if let Some(what) = limits::lacking(flags, &limits) {
            return Err(Error::Unsupported { op: OP, what, device: label_of(adapter) });
        }
        let subgroup = features
            .contains(wgpu::Features::SUBGROUP)
            .then_some((adapter.subgroup_min_size, adapter.subgroup_max_size));
        let info = DeviceInfo {
            name: adapter.name.clone(),
            backend: backend_of(adapter).to_owned(),
            driver: format!("{} {}", adapter.driver, adapter.driver_info).trim().to_owned(),
            kind: kind_of(adapter),
            f64: features.contains(wgpu::Features::SHADER_F64),
            i64: features.contains(wgpu::Features::SHADER_INT64),
            f16: features.contains(wgpu::Features::SHADER_F16),
            subgroup,
            max_buffer: limits.max_buffer_size,
            max_binding: limits.max_storage_buffer_binding_size,
            max_bindings: limits::max_bindings(&limits),
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            max_workgroup_size: limits::max_workgroup_size(&limits),
            max_workgroup_memory: limits.max_compute_workgroup_storage_size,
            threads: 0,
        };

        let faults = Faults::of(&device, adapter.backend, options);
        let recorder = Mutex::new(Recorder::new(&device, &limits));
        let context = Self {
            memory: Memory::new(),
            cache: Cache::default(),
            counts: Counts::default(),
            #[cfg(not(target_arch = "wasm32"))]
            poller: OnceLock::new(),
            bandwidth: OnceLock::new(),
            cache_name: wgpu::util::pipeline_cache_key(adapter)
                .filter(|_| features.contains(wgpu::Features::PIPELINE_CACHE)),
            file: OnceLock::new(),
            device,
            queue,
            info,
            generation: fork::generation(),
            fast_math: AtomicBool::new(false),
            max_uniforms: limits.max_uniform_buffer_binding_size.min(UNIFORM_BYTES as u64),
            label: Label::new(label_of(adapter)),
            recorder,
            abandoned: Mutex::default(),
            spare: Mutex::default(),
            faults,
        };
        context.check(OP)?;
        let context = Arc::new(context);
        let mut open = lock(&OPEN);
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(&context));
        Ok(context)
    }

    /// wgpu's own handles.
    pub(crate) fn wgpu(&self) -> (&wgpu::Device, &wgpu::Queue) {
        (&self.device, &self.queue)
    }

    pub(crate) fn info(&self) -> &DeviceInfo {
        &self.info
    }

    pub(crate) fn label(&self) -> &str {
        self.label.text()
    }

    /// What plans must know.
    pub(crate) fn caps(&self) -> Caps {
        Caps::of(&self.info, self.label(), self.fast_math())
    }

    /// Whether this is a copy in a forked child, which has none of the driver's threads.
    pub(super) fn is_copy(&self) -> bool {
        self.generation != fork::generation()
    }

    pub(super) fn fast_math(&self) -> bool {
        self.fast_math.load(Ordering::Relaxed)
    }

    pub(crate) fn set_fast_math(&self, fast: bool) {
        self.fast_math.store(fast, Ordering::Relaxed);
    }

    pub(super) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    /// Drops bind groups that hold memory which is shared no more: now, or if someone is recording, then.
    pub(super) fn let_go(&self) {
        if let Ok(mut recorder) = self.recorder.try_lock() {
            recorder.let_go(self);
        }
    }

    /// Submits what is recorded and waits for all of it. An error if one of its indices was out of bounds.
    pub(crate) fn synchronize(self: &Arc<Self>, op: &'static str) -> Result<()> {
        self.refuse_aside(op)?;
        self.settle(op)?;
        self.check_marks(op)
    }

    /// Submits what is recorded and waits for all of it.
    pub(super) fn settle(&self, op: &'static str) -> Result<()> {
        #[cfg(target_arch = "wasm32")]
        return Err(self.waits(op));
        #[cfg(not(target_arch = "wasm32"))]
        {
            self.check(op)?;
            self.recorder().submit(self, op)?;
            self.wait(op, None)
        }
    }

    /// Submits what has been uploaded although nothing is recorded that reads it, and waits: wgpu keeps a copy of it until
    /// then.
    #[cfg(feature = "io")]
    pub(super) fn finish_uploads(&self, op: &'static str) -> Result<()> {
        let recorder = self.recorder();
        self.guard(op, || Ok(self.queue.submit(None)))?;
        drop(recorder);
        self.settle(op)
    }

    /// Submits what is recorded, and waits for nothing. What tells of the last submission, if there was any.
    pub(crate) fn flush(&self, op: &'static str) -> Result<Option<wgpu::SubmissionIndex>> {
        self.look(op)?;
        self.refuse_aside(op)?;
        self.recorder().flush(self, op)
    }

    /// Lets a thread wait for a submission and wake the future that waits for its mapping.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn wait_in_background(&self, submission: wgpu::SubmissionIndex, mapped: Arc<Mapped>) {
        let poller = self.poller.get_or_init(|| Poller::new(self.device.clone(), self.faults.clone()));
        poller.wait(Waiting { submission, mapped });
    }

    /// In a browser nothing has to wait: the browser polls.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn wait_in_background(&self, _submission: wgpu::SubmissionIndex, _mapped: Arc<Mapped>) {}

    pub(crate) fn memory(&self) -> MemoryStats {
        self.memory.pool.stats()
    }

    pub(crate) fn limit_memory(&self, bytes: Option<u64>) {
        self.memory.pool.set_limit(bytes);
    }

    pub(crate) fn trim(&self) {
        if self.is_copy() {
            return;
        }
        self.recorder().forget_bind_groups(self);
        let spare = std::mem::take(&mut *lock(&self.spare));
        let turn = self.faults.turn();
        drop(spare);
        drop(turn);
        self.cache.clear();
        drop(self.memory.pool.drain());
    }

    pub(crate) fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            compiled: read(&self.counts.compiled),
            planned: read(&self.counts.planned),
            kernels: read(&self.counts.kernels),
            submits: read(&self.counts.submits),
        }
    }
}

/// Locks a mutex even if an earlier holder panicked: no data here is ever left half-changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
