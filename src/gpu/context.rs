//! A GPU device: wgpu's device and queue, what they can do, and everything that is kept between evaluations.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::adapter::{backend_of, kind_of, label_of};
use super::cache::Cache;
use super::disk::PipelineFile;
use super::memory::Memory;
use super::recorder::Recorder;
use crate::profile::Limits;
use crate::{Counters, DeviceInfo, Error, MemoryStats, Result};

pub(crate) struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) memory: Memory,
    pub(super) cache: Cache,
    pub(super) counts: Counts,
    info: DeviceInfo,
    label: String,
    recorder: Mutex<Recorder>,
    /// See [`turn`](Self::turn).
    turn: Option<Arc<Mutex<()>>>,
    faults: Arc<Faults>,
    poller: OnceLock<Mutex<Sender<wgpu::SubmissionIndex>>>,
    /// Measured when somebody asks.
    pub(super) limits: OnceLock<Limits>,
    /// What a file of compiled pipelines is called, where the device can make use of one; and the file.
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

/// What wgpu reported outside any call of ours: its default is to panic.
#[derive(Default)]
struct Faults {
    error: Mutex<Option<Arc<wgpu::Error>>>,
    any: AtomicBool,
    lost: OnceLock<String>,
}

impl Context {
    pub(crate) fn new(adapter: &wgpu::AdapterInfo, device: wgpu::Device, queue: wgpu::Queue) -> Result<Arc<Self>> {
        const OP: &str = "open device";
        let (limits, features, label) = (device.limits(), device.features(), label_of(adapter));
        if limits.max_storage_buffers_per_shader_stage < 4 || limits.max_compute_invocations_per_workgroup < 64 {
            let what = "compute shaders with four storage buffers and 64 invocations".to_owned();
            return Err(Error::Unsupported { op: OP, what, device: label });
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
            max_bindings: limits.max_storage_buffers_per_shader_stage,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            max_workgroup_size: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            max_workgroup_memory: limits.max_compute_workgroup_storage_size,
            threads: 0,
        };

        let faults = Arc::new(Faults::default());
        let seen = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            log::error!("wgpu: {error}");
            *lock(&seen.error) = Some(Arc::new(error));
            seen.any.store(true, Ordering::Release);
        }));
        let seen = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            // A device that is dropped in good order is "lost" too; nobody is left to be told.
            let _ = seen.lost.set(format!("{reason:?}: {message}"));
            seen.any.store(true, Ordering::Release);
        });
        let recorder = Mutex::new(Recorder::new(&device, &limits));
        let context = Self {
            memory: Memory::new(),
            cache: Cache::default(),
            counts: Counts::default(),
            poller: OnceLock::new(),
            limits: OnceLock::new(),
            cache_name: wgpu::util::pipeline_cache_key(adapter)
                .filter(|_| features.contains(wgpu::Features::PIPELINE_CACHE)),
            file: OnceLock::new(),
            turn: (info.backend == "gl").then(Arc::default),
            device,
            queue,
            info,
            label,
            recorder,
            faults,
        };
        context.check(OP)?;
        Ok(Arc::new(context))
    }

    pub(crate) fn info(&self) -> &DeviceInfo {
        &self.info
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    /// Held while wgpu is called for what may need a GL context, where there is one: wgpu waits six seconds for the
    /// context and then panics, and on a software adapter a submission may take longer. The last lock to be taken.
    pub(super) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.as_deref().map(lock)
    }

    /// An error if the device is lost or wgpu has reported a fault since the last check.
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        if !self.faults.any.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(reason) = self.faults.lost.get() {
            return Err(Error::DeviceLost { op, device: self.label.clone(), reason: reason.clone() });
        }
        self.faults.any.store(false, Ordering::Release);
        match lock(&self.faults.error).take() {
            None => Ok(()),
            Some(error) if matches!(*error, wgpu::Error::OutOfMemory { .. }) => Err(self.out_of_memory(op, 0)),
            Some(error) => Err(Error::Gpu { op, source: error }),
        }
    }

    pub(super) fn out_of_memory(&self, op: &'static str, bytes: u64) -> Error {
        Error::OutOfMemory { op, bytes, device: self.label.clone() }
    }

    pub(super) fn limit(&self, op: &'static str, limit: &'static str, max: u64, found: u64) -> Error {
        Error::Limit { op, limit, max, found, device: self.label.clone() }
    }

    /// Hands over what is recorded and waits for all of it.
    pub(crate) fn synchronize(&self, op: &'static str) -> Result<()> {
        self.recorder().submit(self);
        self.wait(op, None)
    }

    /// Waits for one submission, or for all.
    pub(super) fn wait(&self, op: &'static str, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let polled = {
            let _turn = self.turn();
            self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: None })
        };
        self.check(op)?;
        polled.map(drop).map_err(|source| Error::Gpu { op, source: Arc::new(source) })
    }

    /// Has a thread wait for a submission, so that a future waiting for its mapping is woken.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn wait_in_background(&self, submission: wgpu::SubmissionIndex) {
        let poller = self.poller.get_or_init(|| {
            let (sender, receiver) = channel::<wgpu::SubmissionIndex>();
            let (device, turn) = (self.device.clone(), self.turn.clone());
            let poll = move || {
                for index in receiver {
                    let _turn = turn.as_deref().map(lock);
                    let _ = device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None });
                }
            };
            if let Err(error) = std::thread::Builder::new().name("hadamard-poll".to_owned()).spawn(poll) {
                log::error!("no thread to poll the GPU: {error}");
            }
            Mutex::new(sender)
        });
        if lock(poller).send(submission.clone()).is_err() {
            // No thread could be had: wait here rather than leave the future asleep for ever.
            let _turn = self.turn();
            let _ = self.device.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None });
        }
    }

    /// The browser polls by itself.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn wait_in_background(&self, _submission: wgpu::SubmissionIndex) {}

    pub(crate) fn memory(&self) -> MemoryStats {
        self.memory.stats()
    }

    pub(crate) fn trim(&self) {
        self.recorder().forget_bind_groups();
        let _turn = self.turn();
        self.memory.trim();
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

/// A lock whose holder panicked still guards whole data: nothing here is left half-changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
