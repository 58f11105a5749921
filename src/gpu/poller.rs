//! A thread that waits for the device and wakes the futures of reads.

use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::context::lock;
use super::exit::join_at_exit;
use super::faults::Faults;
use super::readback::Mapped;

/// A read whose copy is on its way.
pub(super) struct Waiting {
    pub(super) submission: wgpu::SubmissionIndex,
    pub(super) mapped: Arc<Mapped>,
}

impl Waiting {
    fn finish(self, device: &wgpu::Device, faults: &Faults) {
        let until = wgpu::PollType::Wait { submission_index: Some(self.submission), timeout: None };
        if faults.poll(device, until).is_err() {
            // A lost device finishes nothing: without this the future would sleep for ever.
            let _ = self.mapped.send(Err(wgpu::BufferAsyncError));
        }
    }
}

pub(super) struct Poller {
    device: wgpu::Device,
    faults: Arc<Faults>,
    /// `None` only while dropping.
    waiting: Option<Mutex<Sender<Waiting>>>,
    thread: Option<JoinHandle<()>>,
}

impl Poller {
    pub(super) fn new(device: wgpu::Device, faults: Arc<Faults>) -> Self {
        let (sender, receiver) = channel::<Waiting>();
        let poll = {
            let (device, faults) = (device.clone(), faults.clone());
            move || receiver.into_iter().for_each(|waiting| waiting.finish(&device, &faults))
        };
        let thread = thread::Builder::new().name("hadamard-poll".to_owned()).spawn(poll);
        let thread = thread.inspect_err(|error| log::error!("no thread to poll the GPU: {error}")).ok();
        Self { device, faults, waiting: Some(Mutex::new(sender)), thread }
    }

    pub(super) fn wait(&self, waiting: Waiting) {
        let Some(sender) = &self.waiting else { return };
        let sent = lock(sender).send(waiting);
        if let Err(SendError(waiting)) = sent {
            // There is no thread: wait here rather than leave the future asleep for ever.
            waiting.finish(&self.device, &self.faults);
        }
    }
}

impl Drop for Poller {
    /// Waits for the thread, which must not use the driver while the process ends.
    fn drop(&mut self) {
        self.waiting = None;
        let Some(thread) = self.thread.take() else { return };
        // This may be that thread: a future that it woke can drop the last tensor.
        if thread.thread().id() == thread::current().id() {
            join_at_exit(thread);
        } else {
            drop(thread.join());
        }
    }
}
