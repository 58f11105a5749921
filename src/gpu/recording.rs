//! Work recorded once, to be put into any number of a caller's encoders.
//!
//! It is a tape that stays: uniforms, memory and marks are its own until it is dropped and all that was submitted of it is done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::aside::{InUse, Step};
use super::marks::Raised;
use super::recorder::Recorder;
use super::{Context, own};
use crate::base::storage::Storage;
use crate::{Error, Result};

pub(crate) struct Recorded {
    context: Arc<Context>,
    steps: Vec<Step>,
    /// Launches in them.
    kernels: u64,
    /// The marks that they may raise.
    raised: Option<Raised>,
    in_use: Arc<InUse>,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        if self.context.is_copy() {
            std::mem::forget(steps);
            return;
        }
        let _turn = self.context.faults.turn();
        drop(steps);
    }
}

impl Recorder {
    /// Notes that a caller's encoder has work that reads and writes this memory, in this order. An error if what it reads was
    /// never written.
    pub(super) fn note_aside(&self, context: &Context, op: &'static str, used: &[(Storage, bool)]) -> Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        used.iter().try_for_each(|(storage, written)| {
            let buffer = own(storage);
            if *written {
                buffer.written_aside();
                return Ok(());
            }
            self.check(context, op, buffer)
        })
    }
}

impl Context {
    /// What `work` does on this thread, recorded, and nothing of it done.
    pub(crate) fn record<R>(
        self: &Arc<Self>,
        op: &'static str,
        work: impl FnOnce() -> Result<R>,
    ) -> Result<(Recorded, R)> {
        let (mut tape, result) = self.tape(op, work)?;
        let raised = tape.raised();
        let write = self.write_uniforms(op, &mut tape);
        let steps = tape.take_steps();
        let kernels = steps.iter().map(Step::kernels).sum();
        // They were counted as if they were to run.
        self.counts.kernels.fetch_sub(kernels, Ordering::Relaxed);
        let in_use = Arc::new(self.in_use(tape));
        let recorded = Recorded { context: self.clone(), steps, kernels, raised, in_use };
        write.map(|()| (recorded, result))
    }
}

impl Recorded {
    /// Adds the work to a caller's encoder. What was recorded on the device before is handed over first.
    pub(crate) fn add_to(&self, op: &'static str, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        let context = &self.context;
        context.check(op)?;
        {
            let mut recorder = context.recorder();
            if recorder.tape().is_some() {
                return Err(Error::argument(op, "no recording of this device around it", "one"));
            }
            // Mostly not: and what is not read here need not come from memory, in a frame's time.
            if recorder.has_work() {
                recorder.flush(context, op)?;
            }
            recorder.note_aside(context, op, &self.in_use.kept)?;
        }
        context.counts.kernels.fetch_add(self.kernels, Ordering::Relaxed);
        context.add(op, encoder, &self.steps, self.raised.clone(), self.in_use.clone())
    }
}
