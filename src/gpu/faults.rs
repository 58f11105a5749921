//! What goes wrong on a GPU: errors that wgpu reports, and the loss of the device.
//!
//! wgpu's calls do not return errors: they report them to scopes and callbacks, and by default they panic. Here every
//! call is made within scopes, and what they catch becomes an [`Error`] with the operation's name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::context::lock;
use super::{Context, WgpuOptions};
use crate::{Error, Result};

/// Errors reported outside any of our calls.
#[derive(Default)]
pub(super) struct Faults {
    /// Why the device is lost, once it is.
    lost: OnceLock<String>,
    /// With the operation it is of, where that is known.
    error: Mutex<Option<(Option<&'static str>, wgpu::Error)>>,
    /// Whether anything has been reported: cheap to check before each call.
    any: AtomicBool,
    /// See [`turn`](Self::turn); on GL alone.
    turn: Option<Arc<Mutex<()>>>,
    /// Whether errors and the loss of the device are reported to the caller, and not here.
    pub(super) alone: bool,
    #[cfg(target_arch = "wasm32")]
    pub(super) scopes: super::web::Scopes,
    /// Number of the last recording that was submitted.
    #[cfg(target_arch = "wasm32")]
    pub(super) submitted: std::sync::atomic::AtomicU64,
}

impl Faults {
    /// Collects what a device reports from now on.
    pub(super) fn of(device: &wgpu::Device, backend: wgpu::Backend, options: WgpuOptions) -> Arc<Self> {
        let turn = (backend == wgpu::Backend::Gl).then(|| options.lock.unwrap_or_default());
        let faults = Arc::new(Self { turn, alone: options.leave_handlers, ..Self::default() });
        if faults.alone {
            return faults;
        }
        let seen = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            log::error!("wgpu: {error}");
            seen.note(None, error);
        }));
        let seen = faults.clone();
        // wgpu also calls it for a device that is simply dropped; then nobody is left to be told.
        device.set_device_lost_callback(move |reason, message| seen.lose(format!("{reason:?}: {message}")));
        faults
    }

    /// Whether [`turn`](Self::turn) is a lock.
    pub(super) fn takes_turns(&self) -> bool {
        self.turn.is_some()
    }

    /// A lock to hold, on GL, while calling wgpu for anything that may need the GL context: wgpu waits six seconds for
    /// it and then panics, and on a software adapter a submission may take longer. Taken after every other lock.
    pub(super) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        self.turn.as_deref().map(lock)
    }

    /// An error unless these are the options that the device was opened with.
    pub(super) fn check_options(&self, op: &'static str, options: &WgpuOptions) -> Result<()> {
        let handlers = |alone| if alone { "handlers left alone" } else { "handlers installed" };
        if self.alone != options.leave_handlers {
            let expected = format!("the options of the Device that is open on it: {}", handlers(self.alone));
            return Err(Error::argument(op, expected, handlers(options.leave_handlers)));
        }
        match (&self.turn, &options.lock) {
            (Some(ours), Some(lock)) if !Arc::ptr_eq(ours, lock) => {
                Err(Error::argument(op, "the lock of the Device that is open on it", "another lock"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn note(&self, op: Option<&'static str>, error: wgpu::Error) {
        *lock(&self.error) = Some((op, error));
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn lose(&self, reason: String) {
        let _ = self.lost.set(reason);
        self.any.store(true, Ordering::Release);
    }

    /// Lets wgpu process work that has ended, or waits for some to end.
    ///
    /// If the driver loses the device meanwhile, wgpu calls the callback and then panics; the panic is caught here.
    pub(super) fn poll(&self, device: &wgpu::Device, until: wgpu::PollType) -> Result<(), PollFailure> {
        let polled = {
            let _turn = self.turn();
            catch_unwind(AssertUnwindSafe(|| device.poll(until)))
        };
        let Ok(polled) = polled else {
            self.lose("it was lost while it was waited for".to_owned());
            return Err(PollFailure::Lost);
        };
        polled.map(drop).map_err(PollFailure::Refused)
    }
}

/// Every kind of error; the first is that of the outermost scope.
pub(super) const FILTERS: [wgpu::ErrorFilter; 3] =
    [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation];

impl Context {
    /// Calls wgpu, holding [`turn`](Self::turn), and returns the error wgpu reports. Must not be nested.
    ///
    /// If the call submits work that other threads recorded, errors of that work are returned here, too.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn guard<R>(&self, op: &'static str, work: impl FnOnce() -> Result<R>) -> Result<R> {
        self.check(op)?;
        let turn = self.faults.turn();
        let scopes = FILTERS.map(|filter| self.device.push_error_scope(filter));
        let result = work();
        let popped = scopes.into_iter().rev().map(|scope| told(scope.pop()));
        // The fold pops every scope, in this order, whatever the first has found.
        let found = popped.fold(None, Option::or);
        drop(turn);
        self.check(op)?;
        match (result, found) {
            (Ok(_), Some(error)) => Err(self.refusal(op, error)),
            (result, _) => result,
        }
    }

    /// An error if the device is lost or wgpu has reported a fault to nobody since the last check.
    pub(super) fn check(&self, op: &'static str) -> Result<()> {
        if self.is_copy() {
            let reason = "it was opened before this process was forked; start processes anew, by spawn".to_owned();
            return Err(Error::DeviceLost { op, device: self.label().to_owned(), reason });
        }
        #[cfg(target_arch = "wasm32")]
        self.faults.gather();
        if !self.faults.any.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(lost) = self.lost(op) {
            return Err(lost);
        }
        self.faults.any.store(false, Ordering::Release);
        let error = lock(&self.faults.error).take();
        error.map_or(Ok(()), |(of, error)| Err(self.refusal(of.unwrap_or(op), error)))
    }

    /// The same, after letting wgpu report.
    pub(super) fn look(&self, op: &'static str) -> Result<()> {
        self.check(op)?;
        let _ = self.faults.poll(&self.device, wgpu::PollType::Poll);
        self.check(op)
    }

    /// The same, but within [`record_into`](Context::record_into), which has looked as it began, only as
    /// [`check`](Self::check).
    pub(super) fn look_unless_aside(&self, op: &'static str) -> Result<()> {
        let aside = self.recorder().tape().is_some();
        if aside { self.check(op) } else { self.look(op) }
    }

    fn lost(&self, op: &'static str) -> Option<Error> {
        let reason = self.faults.lost.get()?;
        Some(Error::DeviceLost { op, device: self.label().to_owned(), reason: reason.clone() })
    }

    /// Lets the device be lost, for a reason that the caller was told.
    pub(crate) fn notify_lost(&self, reason: &str) {
        self.faults.lose(reason.to_owned());
    }

    /// Where nobody reports a loss to this library, looks for one. An error if the device is lost.
    pub(super) fn look_for_loss(&self, op: &'static str) -> Result<()> {
        if !self.faults.alone {
            return Ok(());
        }
        let answers = {
            let _turn = self.faults.turn();
            self.answers()
        };
        if !answers {
            self.faults.lose("it no longer answers".to_owned());
        }
        self.lost(op).map_or(Ok(()), Err)
    }

    pub(crate) fn is_lost(&self) -> bool {
        let _ = self.faults.poll(&self.device, wgpu::PollType::Poll);
        let _ = self.look_for_loss("is_lost");
        self.faults.lost.get().is_some()
    }

    /// wgpu's error as ours: [`Error::DeviceLost`] if the loss of the device caused it.
    pub(super) fn refusal(&self, op: &'static str, error: wgpu::Error) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } => self.failure(op, || self.out_of_memory(op, 0)),
            error => self.failure(op, || Error::Gpu { op, source: Arc::new(error) }),
        }
    }

    /// [`Error::DeviceLost`] if the loss of the device caused a failure, else `otherwise`.
    ///
    /// wgpu tears a destroyed device down before it reports the loss; calls made meanwhile fail with other errors.
    pub(super) fn failure(&self, op: &'static str, otherwise: impl FnOnce() -> Error) -> Error {
        if self.faults.lost.get().is_none() && !self.answers() {
            self.faults.lose("it no longer answers".to_owned());
        }
        self.lost(op).unwrap_or_else(otherwise)
    }

    fn answers(&self) -> bool {
        answers(&self.device)
    }

    /// Waits for one submission, or for all.
    pub(super) fn wait(&self, op: &'static str, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let until = wgpu::PollType::Wait { submission_index: submission, timeout: None };
        let polled = self.faults.poll(&self.device, until);
        self.look_for_loss(op)?;
        self.check(op)?;
        polled.map_err(|failure| self.failure(op, || Error::Gpu { op, source: Arc::new(failure) }))
    }

    pub(super) fn out_of_memory(&self, op: &'static str, bytes: u64) -> Error {
        Error::OutOfMemory { op, bytes, device: self.label().to_owned() }
    }

    pub(super) fn limit(&self, op: &'static str, limit: &'static str, max: u64, found: u64) -> Error {
        Error::Limit { op, limit, max, found, device: self.label().to_owned() }
    }
}

/// What a scope caught. Natively it is told at once, and nothing need be waited for.
#[cfg(not(target_arch = "wasm32"))]
fn told<T>(scope: impl Future<Output = T>) -> T {
    let mut scope = std::pin::pin!(scope);
    match scope.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(found) => found,
        std::task::Poll::Pending => pollster::block_on(scope),
    }
}

/// Whether a device is alive. Creating a buffer without usages is an error, which a lost device does not report.
pub(super) fn answers(device: &wgpu::Device) -> bool {
    cfg!(target_arch = "wasm32") || errs(device, device)
}

/// Whether an error of a device's is one of another handle's, too.
pub(super) fn errs(device: &wgpu::Device, other: &wgpu::Device) -> bool {
    let scopes = [device, other].map(|device| device.push_error_scope(wgpu::ErrorFilter::Validation));
    let usage = wgpu::BufferUsages::empty();
    drop(device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 4, usage, mapped_at_creation: false }));
    let [outer, inner] = scopes;
    let found = pollster::block_on(inner.pop()).is_some();
    drop(pollster::block_on(outer.pop()));
    found
}

/// Why waiting for the device failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollFailure {
    #[error(transparent)]
    Refused(wgpu::PollError),
    #[error("the device was lost")]
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Buffer;
    use crate::run::backend::Backend;
    use crate::{Device, Tensor, assign};

    fn gpus() -> impl Iterator<Item = (Device, Arc<Context>)> {
        Device::all().into_iter().filter_map(|device| match device.backend() {
            Backend::Gpu(context) => Some((device.clone(), context.clone())),
            Backend::Cpu => None,
        })
    }

    fn numbers(device: &Device) -> Tensor {
        Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], device).unwrap()
    }

    /// Destroys a tensor's memory, which no call of the library does: work that uses it is refused.
    fn break_memory(tensor: &Tensor) {
        tensor.storage().downcast::<Buffer>().expect("on a GPU").raw().destroy();
    }

    #[test]
    fn an_error_of_each_kind_has_the_operation_in_it() {
        for (device, context) in gpus() {
            let x = numbers(&device);
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE;
            let mut descriptor = wgpu::BufferDescriptor { label: None, size: 4, usage, mapped_at_creation: false };
            let invalid = context.guard("fill", || Ok(context.device.create_buffer(&descriptor)));
            assert!(matches!(invalid, Err(Error::Gpu { op: "fill", .. })), "{device}: {invalid:?}");
            // Outside any scope, as in a destructor: the next call returns it.
            drop(context.device.create_buffer(&descriptor));
            let late = x.eval_twice();
            assert!(matches!(late, Err(Error::Gpu { .. })), "{device}: {late:?}");
            descriptor.usage = wgpu::BufferUsages::COPY_DST;
            context.guard("fill", || Ok(context.device.create_buffer(&descriptor))).unwrap();
            assert_eq!(x.eval_twice().unwrap(), [2.0, 4.0, 6.0], "{device}");
        }
    }

    trait Twice {
        fn eval_twice(&self) -> Result<Vec<f32>>;
    }

    impl Twice for Tensor {
        fn eval_twice(&self) -> Result<Vec<f32>> {
            (self + self).eval()?.to_vec()
        }
    }

    #[test]
    fn refused_work_is_an_error_where_its_results_are_wanted_and_nowhere_else() {
        for (device, _) in gpus() {
            let (x, y, broken) = (numbers(&device), numbers(&device), numbers(&device));
            device.synchronize().unwrap();
            let early = (&x + 1.0).eval().unwrap();
            assert_eq!(early.to_vec::<f32>().unwrap(), [2.0, 3.0, 4.0]);
            let late = (&x * 2.0).eval().unwrap();
            assign(&[(&y, &y + &broken)]).unwrap();
            break_memory(&broken);
            let error = device.synchronize().unwrap_err();
            assert!(matches!(error, Error::Gpu { op: "synchronize", .. }), "{device}: {error:?}");
            device.synchronize().unwrap();
            for lost in [late.to_vec::<f32>(), y.to_vec(), (&late + 1.0).eval().and_then(|sum| sum.to_vec())] {
                assert!(matches!(lost, Err(Error::Gpu { .. })), "{device}: {lost:?}");
            }
            // Tensors written earlier, or written again, are right.
            assert_eq!(early.to_vec::<f32>().unwrap(), [2.0, 3.0, 4.0], "{device}");
            assert_eq!(x.eval_twice().unwrap(), [2.0, 4.0, 6.0], "{device}");
            y.fill(5.0).unwrap();
            assert_eq!(y.to_vec::<f32>().unwrap(), [5.0; 3], "{device}");
        }
    }

    #[test]
    fn a_loss_told_by_the_driver_ends_reads_that_wait() {
        for (device, context) in gpus() {
            let x = numbers(&device);
            context.faults.lose("the cable was pulled".to_owned());
            let error = x.to_vec::<f32>().unwrap_err();
            assert!(matches!(&error, Error::DeviceLost { op: "to_vec", reason, .. } if reason.contains("cable")));
            assert!(device.is_lost());
        }
    }
}
