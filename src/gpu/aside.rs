//! Work recorded into a caller's encoder: gathered on a tape, played to the encoder, and submitted by the caller.
//!
//! Nobody here learns when that is, only when it is done. So nothing that such work uses may serve other work until then: not
//! the uniforms, which would be overwritten, nor memory that the pool would give away. A callback of the encoder's lets go
//! of it, or the encoder as it is dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, ThreadId};

use super::Context;
use super::context::lock;
use super::exit::{join_at_exit, leave};
use super::marks::{Marks, Raised};
use super::memory::new_id;
use super::pipeline::Pipeline;
use super::recorder::{Bound, Recorder, UNIFORM_BYTES};
use super::replay::Replay;
use super::texture::TextureCopy;
use crate::base::bounds::Bounds;
use crate::base::storage::Storage;
use crate::{Error, Result};

/// What a thread records while it works for a caller's encoder.
pub(super) struct Tape {
    thread: ThreadId,
    steps: Vec<Step>,
    /// The last has room; those before it are full.
    slots: Vec<Slots>,
    /// Where its kernels mark indices out of bounds; see [`Recorder::furnish`].
    marks: Option<Slotted<Marks>>,
    /// All memory it uses, some of it more than once, in order, and whether it is written.
    kept: Vec<(Storage, bool)>,
}

pub(super) enum Step {
    Launch {
        pipeline: wgpu::ComputePipeline,
        group: wgpu::BindGroup,
        slot: u32,
        grid: [u32; 2],
    },
    /// A whole run.
    Again(Arc<Replay>),
    Copy(TextureCopy),
}

impl Step {
    /// How many launches it is.
    pub(super) fn kernels(&self) -> u64 {
        match self {
            Self::Launch { .. } => 1,
            Self::Again(replay) => replay.kernels(),
            Self::Copy(_) => 0,
        }
    }
}

/// With a number that bind groups know it by.
pub(super) struct Slotted<T> {
    id: u64,
    of: T,
}

/// Launches' uniforms.
pub(super) struct Uniforms {
    pub(super) buffer: wgpu::Buffer,
    /// The contents that the buffer will have when the work runs.
    words: Vec<u8>,
    /// The contents of the buffer now, as far as they are known.
    written: Vec<u8>,
}

pub(super) type Slots = Slotted<Uniforms>;

impl Uniforms {
    /// Whether the buffer has its contents already.
    fn is_written(&self) -> bool {
        self.written.starts_with(&self.words)
    }
}

/// What tapes have done with.
#[derive(Default)]
pub(super) struct Spare {
    slots: Vec<Slots>,
    marks: Vec<Slotted<Marks>>,
    /// None, but room for as many as the last tape had.
    steps: Vec<Step>,
    /// The same, of what each tape that is done has kept.
    kept: Vec<Vec<(Storage, bool)>>,
}

/// What submitted work uses, until it is done.
pub(super) struct InUse {
    /// `None` only while dropping.
    context: Option<Arc<Context>>,
    slots: Vec<Slots>,
    marks: Option<Slotted<Marks>>,
    pub(super) kept: Vec<(Storage, bool)>,
}

impl Drop for InUse {
    /// On GL wgpu tells that work is done while the lock is held that freeing memory takes; so another thread does that.
    fn drop(&mut self) {
        let Some(context) = self.context.take() else { return };
        let mut slots = std::mem::take(&mut self.slots);
        slots.iter_mut().for_each(|slots| slots.of.words.clear());
        let (marks, mut kept) = (self.marks.take(), std::mem::take(&mut self.kept));
        if context.is_copy() {
            // All of it is the parent's.
            std::mem::forget((context, slots, marks, kept));
            return;
        }
        {
            let mut spare = lock(&context.spare);
            spare.slots.extend(slots);
            spare.marks.extend(marks);
        }
        if context.faults.takes_turns() {
            let freeing = thread::Builder::new().name("hadamard-free".to_owned());
            let freeing = freeing.spawn(move || {
                drop(kept);
                Arc::into_inner(context).into_iter().for_each(leave);
            });
            let freeing = freeing.inspect_err(|error| log::error!("no thread to free memory of the GPU: {error}"));
            freeing.into_iter().for_each(join_at_exit);
        } else {
            kept.clear();
            lock(&context.spare).kept.push(kept);
        }
    }
}

impl Tape {
    /// The ids by which a bind group knows what is bound beside a launch's buffers.
    pub(super) fn ids(&self, marks: bool) -> impl Iterator<Item = u64> {
        let marks = self.marks.as_ref().filter(|_| marks).map(|marks| marks.id);
        self.slots.last().map(|slots| slots.id).into_iter().chain(marks)
    }

    /// The buffers of uniforms and of marks.
    pub(super) fn beside(&self) -> Option<(&wgpu::Buffer, &wgpu::Buffer)> {
        Some((&self.slots.last()?.of.buffer, &self.marks.as_ref()?.of.buffer))
    }

    /// The mark of some bounds.
    pub(super) fn mark(&mut self, bounds: Bounds) -> u32 {
        self.marks.as_mut().map_or(0, |marks| marks.of.of(bounds))
    }

    pub(super) fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Its steps, and none left.
    pub(super) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// The marks that may be raised.
    pub(super) fn raised(&mut self) -> Option<Raised> {
        self.marks.as_mut().and_then(|marks| marks.of.take(u64::MAX))
    }

    pub(super) fn keep(&mut self, storages: impl Iterator<Item = (Storage, bool)>) {
        self.kept.extend(storages);
    }

    pub(super) fn copy(&mut self, copy: TextureCopy) {
        self.steps.push(Step::Copy(copy));
    }
}

/// Plays steps into an encoder.
fn play(steps: &[Step], encoder: &mut wgpu::CommandEncoder) {
    let is_copy = |step: &Step| matches!(step, Step::Copy(_));
    for steps in steps.chunk_by(|a, b| !is_copy(a) && !is_copy(b)) {
        if let [Step::Copy(copy)] = steps {
            copy.record(encoder);
            continue;
        }
        let descriptor = wgpu::ComputePassDescriptor { label: Some("hadamard"), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        for step in steps {
            match step {
                Step::Launch { pipeline, group, slot, grid } => {
                    pass.set_pipeline(pipeline);
                    pass.set_bind_group(0, group, &[*slot]);
                    pass.dispatch_workgroups(grid[0], grid[1], 1);
                }
                Step::Again(replay) => _ = replay.record(&mut pass, None),
                Step::Copy(_) => {}
            }
        }
    }
}

impl Recorder {
    /// The number of this thread's tape, if it records into a caller's encoder.
    pub(super) fn tape(&self) -> Option<usize> {
        if self.tapes.is_empty() {
            return None;
        }
        let me = thread::current().id();
        self.tapes.iter().position(|tape| tape.thread == me)
    }

    /// Gives a tape what launches need that are no replays.
    pub(super) fn furnish(&mut self, context: &Context, op: &'static str, at: usize) -> Result<()> {
        if self.tapes[at].marks.is_none() {
            self.tapes[at].marks = Some(context.marks(op)?);
        }
        Ok(())
    }

    /// Appends a launch to a tape.
    pub(super) fn launch_aside(
        &mut self,
        context: &Context,
        op: &'static str,
        at: usize,
        (pipeline, bound): (&Pipeline, &[Bound<'_>]),
        words: &[u32],
        grid: [u32; 2],
    ) -> Result<()> {
        // Another thread's work that uses the same memory was recorded before, so it is to run before.
        if bound.iter().any(|b| b.buffer.used() >= self.batch()) {
            self.hand_over(context, op)?;
        }
        let align = self.align;
        let room = |slots: &Slots| slots.of.words.len().next_multiple_of(align) + words.len() * 4 <= UNIFORM_BYTES;
        if !self.tapes[at].slots.last().is_some_and(room) {
            let slots = context.slots(op)?;
            self.tapes[at].slots.push(slots);
        }
        let group = self.bind_group(context, op, pipeline, bound, Some(at))?;
        let tape = &mut self.tapes[at];
        let Some(Slotted { of: uniforms, .. }) = tape.slots.last_mut() else { return Ok(()) };
        let slot = uniforms.words.len().next_multiple_of(align);
        uniforms.words.resize(slot, 0);
        uniforms.words.extend_from_slice(bytemuck::cast_slice(words));
        tape.steps.push(Step::Launch { pipeline: pipeline.pipeline.clone(), group, slot: slot as u32, grid });
        bound.iter().filter(|b| b.write).for_each(|b| b.buffer.written_aside());
        context.counts.kernels.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A tape that is to be taken off the recorder, whatever becomes of the caller's work.
struct Recording<'a>(&'a Arc<Context>);

impl Recording<'_> {
    fn take(&self) -> Option<Tape> {
        let mut recorder = self.0.recorder();
        recorder.tape().map(|at| recorder.tapes.swap_remove(at))
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if let Some(mut tape) = self.take() {
            self.0.clear(tape.take_steps());
            drop(self.0.in_use(tape));
        }
    }
}

impl Context {
    /// Records what `work` does on this thread into a caller's encoder. Nothing is recorded if it fails.
    pub(crate) fn record_into<R>(
        self: &Arc<Self>,
        op: &'static str,
        encoder: &mut wgpu::CommandEncoder,
        work: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let (mut tape, result) = self.tape(op, work)?;
        let (steps, raised) = (tape.take_steps(), tape.raised());
        let write = self.write_uniforms(op, &mut tape);
        let in_use = Arc::new(self.in_use(tape));
        let added = write.and_then(|()| self.add(op, encoder, &steps, raised, in_use));
        self.clear(steps);
        added.map(|()| result)
    }

    /// Adds steps to a caller's encoder, and the reading of the marks that they may raise. What they use is kept until they are
    /// done. No error scope is around them: what is wrong with commands wgpu says to who finishes the encoder.
    pub(super) fn add(
        &self,
        op: &'static str,
        encoder: &mut wgpu::CommandEncoder,
        steps: &[Step],
        raised: Option<Raised>,
        in_use: Arc<InUse>,
    ) -> Result<()> {
        play(steps, encoder);
        let read = match (raised, &in_use.marks) {
            (Some(raised), Some(marks)) => self.read_marks_after(op, encoder, &marks.of.buffer, raised),
            _ => Ok(()),
        };
        // Even where marks cannot be read, the encoder has the steps.
        encoder.on_submitted_work_done(move || drop(in_use));
        read
    }

    /// What `work` does on this thread, on a tape.
    pub(super) fn tape<R>(self: &Arc<Self>, op: &'static str, work: impl FnOnce() -> Result<R>) -> Result<(Tape, R)> {
        // Whoever submits the work, or asks for another device, lets wgpu report.
        self.check(op)?;
        {
            let mut recorder = self.recorder();
            if recorder.tape().is_some() {
                return Err(Error::argument(op, "no recording of this device around it", "one"));
            }
            recorder.flush(self, op)?;
            let thread = thread::current().id();
            let (steps, kept) = {
                let mut spare = lock(&self.spare);
                (std::mem::take(&mut spare.steps), spare.kept.pop().unwrap_or_default())
            };
            recorder.tapes.push(Tape { thread, steps, slots: Vec::new(), marks: None, kept });
        }
        let recording = Recording(self);
        let result = work()?;
        let tape = recording.take().expect("it is taken here alone");
        Ok((tape, result))
    }

    /// An error on a thread that records into a caller's encoder, whose work nobody here can wait for.
    pub(super) fn refuse_aside(&self, op: &'static str) -> Result<()> {
        if self.recorder().tape().is_none() {
            return Ok(());
        }
        let found = "a call that submits work, or waits for it";
        Err(Error::argument(op, "evaluations and updates alone within record_into", found))
    }

    /// Writes a tape's uniforms, where they are others than are there. The queue does so before whatever is submitted next.
    pub(super) fn write_uniforms(&self, op: &'static str, tape: &mut Tape) -> Result<()> {
        if tape.slots.iter().all(|slots| slots.of.is_written()) {
            return Ok(());
        }
        self.guard(op, || {
            for Slotted { of: uniforms, .. } in &mut tape.slots {
                if !uniforms.is_written() {
                    self.queue.write_buffer(&uniforms.buffer, 0, &uniforms.words);
                    std::mem::swap(&mut uniforms.written, &mut uniforms.words);
                }
            }
            Ok(())
        })
    }

    /// Drops steps, and leaves their room to the next tape.
    fn clear(&self, mut steps: Vec<Step>) {
        {
            let _turn = self.faults.turn();
            steps.clear();
        }
        lock(&self.spare).steps = steps;
    }

    /// What a tape uses, whose steps have been taken.
    pub(super) fn in_use(self: &Arc<Self>, tape: Tape) -> InUse {
        InUse { context: Some(self.clone()), slots: tape.slots, marks: tape.marks, kept: tape.kept }
    }

    fn slots(&self, op: &'static str) -> Result<Slots> {
        if let Some(slots) = lock(&self.spare).slots.pop() {
            return Ok(slots);
        }
        let buffer = self.guard(op, || Ok(Recorder::uniform_buffer(&self.device)))?;
        Ok(Slotted { id: new_id(), of: Uniforms { buffer, words: Vec::new(), written: Vec::new() } })
    }

    fn marks(&self, op: &'static str) -> Result<Slotted<Marks>> {
        if let Some(marks) = lock(&self.spare).marks.pop() {
            return Ok(marks);
        }
        let of = self.guard(op, || Ok(Marks::new(&self.device, &self.device.limits())))?;
        Ok(Slotted { id: new_id(), of })
    }
}
