//! Devices that a program shares with this library: the program's own wgpu device, or ours.

use std::fmt;
use std::sync::Arc;

use crate::gpu::{Context, Recorded, WgpuOptions};
use crate::{Device, Error, Result};

impl Device {
    /// A device on the caller's own wgpu device and queue, so that tensors and a renderer share them.
    ///
    /// Everything is done through `device` and `queue`; whatever features and limits they were made with are what
    /// this library has. `adapter` says what the device is. The device's uncaptured-error handler and its lost callback,
    /// of which wgpu has one each, are this library's from now on: an error of the caller's own calls that no error
    /// scope catches is logged and comes back from the next call here. [`from_wgpu_with`](Self::from_wgpu_with) leaves them
    /// alone. `docs/embedding.md` says which order holds between work of both.
    ///
    /// There is one `Device` for each wgpu device: who hands it over again gets the same, and tensors mix.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the device was made with less than kernels need of some limit, which it names. What
    /// WebGPU promises of every device is enough, and so is `wgpu::Limits::downlevel_defaults`. [`Error::DeviceLost`] if it is
    /// known to be lost.
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Result<Self> {
        Self::from_wgpu_with(adapter, device, queue, WgpuOptions::default())
    }

    /// As [`from_wgpu`](Self::from_wgpu), with what the program wants to keep for itself: its handlers of errors, and on GL a
    /// lock that both hold while they call wgpu.
    ///
    /// ```no_run
    /// use hadamard::{Device, Result, WgpuOptions, wgpu};
    /// fn open(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Result<Device> {
    ///     let options = WgpuOptions { leave_handlers: true, ..WgpuOptions::default() };
    ///     Device::from_wgpu_with(adapter, device, queue, options)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_wgpu`](Self::from_wgpu); [`Error::Argument`] if a `Device` is open on this wgpu device with other options.
    pub fn from_wgpu_with(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: WgpuOptions,
    ) -> Result<Self> {
        Ok(Self::on_gpu(Context::of(adapter, device, queue, options)?))
    }

    /// wgpu's device and queue behind a GPU, to make buffers, textures and pipelines with; nothing for the CPU.
    ///
    /// ```
    /// use hadamard::{Device, wgpu};
    /// if let Some((device, _queue)) = Device::best()?.wgpu() {
    ///     let encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    ///     drop(encoder);
    /// }
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    pub fn wgpu(&self) -> Option<(&wgpu::Device, &wgpu::Queue)> {
        self.backend().gpu().map(|context| context.wgpu())
    }

    /// Hands recorded work over to the device and does not wait for it. Whatever the caller submits afterwards runs after it.
    ///
    /// Returns what tells of the last submission of this library's, for `wgpu::Device::poll`; nothing if there was none, or
    /// on the CPU. Whoever calls this often keeps the pace: nothing here waits for earlier work.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::best()?;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
    /// x.assign(&x * 2.0)?;
    /// device.flush()?;
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn flush(&self) -> Result<Option<wgpu::SubmissionIndex>> {
        self.backend().gpu().map_or(Ok(None), |context| context.flush("flush"))
    }

    /// Records what `work` evaluates and assigns on this thread into an encoder of the caller's, and submits nothing of it: all
    /// of it runs when the caller submits the encoder, after what is in the encoder already. What was recorded on this device
    /// before is handed over first. If `work` fails, nothing is recorded.
    ///
    /// Tensors that `work` makes or writes hold their values once the encoder has been submitted; until then this library
    /// reads what was there before. Memory and numbers that the work uses serve nothing else until it is done, or the encoder
    /// dropped. The encoder must be of this device; one of another is an error of its own, which wgpu reports when it is
    /// finished. Other threads' work goes its usual way.
    ///
    /// ```
    /// use hadamard::{Device, Tensor, wgpu};
    /// let device = Device::best()?;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
    /// if let Some((raw, queue)) = device.wgpu() {
    ///     let mut encoder = raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    ///     device.record_into(&mut encoder, || x.assign(&x * 2.0))?;
    ///     // … the caller's own passes …
    ///     queue.submit([encoder.finish()]);
    ///     assert_eq!(x.to_vec::<f32>()?, [2.0, 4.0]);
    /// }
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `work` returns; [`Error::Argument`] from a call within `work` that submits or waits (`to_vec`, `item`,
    /// [`synchronize`](Self::synchronize), [`flush`](Self::flush), another `record_into` of this device);
    /// [`Error::Unsupported`] on the CPU; what the device reports.
    pub fn record_into<R>(&self, encoder: &mut wgpu::CommandEncoder, work: impl FnOnce() -> Result<R>) -> Result<R> {
        const OP: &str = "record_into";
        self.require_gpu(OP, "wgpu encoders")?.record_into(OP, encoder, work)
    }

    /// Records what `work` evaluates and assigns on this thread, and does nothing of it: [`Recording::add_to`] puts it into an
    /// encoder, as often as one likes. What is the same in each frame is looked at once. Returns what `work` does, too.
    ///
    /// Numbers are those that cells held here. What the tensors hold is read when the work runs. Their memory, and that of all
    /// that `work` makes, stays in use until the recording is dropped and all that was submitted of it is done.
    ///
    /// ```
    /// use hadamard::{Device, Tensor, wgpu};
    /// let device = Device::best()?;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
    /// if let Some((raw, queue)) = device.wgpu() {
    ///     let (frame, ()) = device.record(|| x.assign(&x * 2.0))?;
    ///     for _ in 0..3 {
    ///         let mut encoder = raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    ///         frame.add_to(&mut encoder)?;
    ///         queue.submit([encoder.finish()]);
    ///     }
    ///     assert_eq!(x.to_vec::<f32>()?, [8.0, 16.0]);
    /// }
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`record_into`](Self::record_into).
    pub fn record<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<(Recording, R)> {
        const OP: &str = "record";
        let (recorded, result) = self.require_gpu(OP, "wgpu encoders")?.record(OP, work)?;
        Ok((Recording(recorded), result))
    }

    /// Says that the device is lost, where the caller has the callback that wgpu tells it to: calls then give
    /// [`Error::DeviceLost`] with this reason, and reads that wait end. The CPU is never lost.
    pub fn notify_lost(&self, reason: &str) {
        if let Some(context) = self.backend().gpu() {
            context.notify_lost(reason);
        }
    }

    /// The context of a GPU; an error on the CPU.
    pub(in crate::run) fn require_gpu(&self, op: &'static str, what: &str) -> Result<&Arc<Context>> {
        let refusal = || Error::Unsupported { op, what: what.to_owned(), device: self.to_string() };
        self.backend().gpu().ok_or_else(refusal)
    }
}

/// Work recorded once, by [`Device::record`].
pub struct Recording(Recorded);

impl Recording {
    /// Adds the work to an encoder, with what is said of [`Device::record_into`]: it runs when the caller submits the encoder,
    /// after what is in that already, and what was recorded on the device before is handed over first. One recording may stand
    /// in several encoders, and several times in one.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] within [`Device::record`] or [`Device::record_into`]; [`Error::Gpu`] if the work that was to write what
    /// this reads has been refused; what the device reports.
    pub fn add_to(&self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.0.add_to("add_to", encoder)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}
