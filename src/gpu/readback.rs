//! Reading results back: a copy to a buffer that can be mapped, and a future for the mapping.

use std::sync::Arc;

use futures_intrusive::channel::shared::{OneshotReceiver, OneshotSender, oneshot_channel};

use super::marks::Raised;
use super::memory::Raw;
use super::recorder::Copy;
use super::{Buffer, Context};
use crate::{Error, Result};

/// The outcome of mapping a buffer.
type Outcome = Result<(), wgpu::BufferAsyncError>;

/// Receives the outcome: from wgpu, or from the poller if wgpu never reports one.
pub(super) type Mapped = OneshotSender<Outcome>;

/// A read on its way.
struct Pending {
    staging: Staging,
    data: Data,
    outcome: OneshotReceiver<Outcome>,
    mapped: Arc<Mapped>,
    submission: wgpu::SubmissionIndex,
}

/// What a mapped buffer holds.
struct Data {
    /// Bytes before what was asked for, which were copied for alignment.
    skip: usize,
    len: usize,
    /// Marks that were read with it, and stand after it.
    marks: Option<Raised>,
}

/// A mappable buffer.
struct Staging {
    context: Arc<Context>,
    class: u64,
    /// `None` once it is back in the pool. A buffer whose read failed never goes back: its state is unknown.
    raw: Option<Raw>,
}

impl Staging {
    /// Calls `f` with what was asked for, unless a mark is raised.
    fn read<R>(&mut self, op: &'static str, data: &Data, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Some(buffer) = self.raw.as_ref().map(Raw::buffer) else { return Ok(f(&[])) };
        let Data { skip, len, marks } = data;
        let end = (skip + len).next_multiple_of(4);
        let fail = |e| self.context.failure(op, || Error::Gpu { op, source: Arc::new(e) });
        let turn = self.context.faults.turn();
        let result = {
            let bytes = end as u64 + marks.as_ref().map_or(0, Raised::bytes);
            let view = buffer.get_mapped_range(0..bytes).map_err(fail)?;
            let raised = marks.as_ref().map_or(Ok(()), |marks| marks.check(&view[end..]));
            raised.map(|()| f(&view[*skip..skip + len]))
        };
        buffer.unmap();
        drop(turn);
        self.raw.take().into_iter().for_each(|raw| self.context.memory.pool.give(self.class, raw));
        result
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.raw.is_some() {
            self.context.memory.pool.forget(self.class);
        }
    }
}

impl Buffer {
    /// Calls `f` with bytes `offset..offset + len`, once all work recorded so far is done.
    pub(crate) async fn read<R>(
        &self,
        op: &'static str,
        offset: u64,
        len: u64,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        if len == 0 {
            return Ok(f(&[]));
        }
        let pending = start_read(self.context(), op, Some((self, offset, len)))?;
        self.context().wait_in_background(pending.submission.clone(), pending.mapped.clone());
        pending.finish(op, f).await
    }

    /// The same, blocking the thread.
    pub(crate) fn read_blocking<R>(
        &self,
        op: &'static str,
        offset: u64,
        len: u64,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R> {
        if len == 0 {
            return Ok(f(&[]));
        }
        let pending = start_read(self.context(), op, Some((self, offset, len)))?;
        self.context().wait(op, Some(pending.submission.clone()))?;
        pollster::block_on(pending.finish(op, f))
    }
}

impl Context {
    /// An error if an index was out of bounds in work that is done, and in none that a call before has reported.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn check_marks(self: &Arc<Self>, op: &'static str) -> Result<()> {
        if self.recorder().marks.bytes() == 0 {
            return Ok(());
        }
        let pending = start_read(self, op, None)?;
        self.wait(op, Some(pending.submission.clone()))?;
        pollster::block_on(pending.finish(op, |_| ()))
    }

    /// In a browser nobody can wait for them here: they are read with the next tensor.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn check_marks(self: &Arc<Self>, _op: &'static str) -> Result<()> {
        Ok(())
    }
}

/// Begins to read so many bytes of a buffer from some byte on, if any, and the marks that may be raised.
fn start_read(context: &Arc<Context>, op: &'static str, from: Option<(&Buffer, u64, u64)>) -> Result<Pending> {
    context.look(op)?;
    // Copies are in whole words.
    let (offset, len) = from.map_or((0, 0), |(_, offset, len)| (offset, len));
    let (start, end) = (offset / 4 * 4, (offset + len).next_multiple_of(4));
    let room = context.recorder().marks.bytes();
    let class = context.class(op, end - start + room)?;
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let raw = context.raw(op, "hadamard readback", class, usage)?;
    let to = raw.buffer().clone();
    let staging = Staging { context: context.clone(), class, raw: Some(raw) };
    let mut recorder = context.recorder();
    if let Some((buffer, ..)) = from {
        recorder.check(context, op, buffer)?;
    }
    let marks = recorder.marks.take(room);
    let copy = Copy {
        from: from.map(|(buffer, ..)| (buffer.raw(), start, end - start)),
        marks: marks.as_ref().map_or(0, Raised::bytes),
        to: &to,
    };
    let bytes = end - start + copy.marks;
    let submission = recorder.copy_and_submit(context, op, &copy)?;
    drop(recorder);
    let (sender, outcome) = oneshot_channel();
    let mapped = Arc::new(sender);
    let tell = mapped.clone();
    context.guard(op, || {
        to.map_async(wgpu::MapMode::Read, 0..bytes, move |outcome| drop(tell.send(outcome)));
        Ok(())
    })?;
    let data = Data { skip: (offset - start) as usize, len: len as usize, marks };
    Ok(Pending { staging, data, outcome, mapped, submission })
}

impl Pending {
    async fn finish<R>(self, op: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Self { mut staging, data, outcome, mapped, .. } = self;
        // Fails only if the receiver is gone: then nobody wants to know.
        drop(mapped);
        let outcome = outcome.receive().await;
        staging.context.check(op)?;
        match outcome {
            Some(Ok(())) => staging.read(op, &data, f),
            Some(Err(error)) => Err(staging.context.failure(op, || Error::Gpu { op, source: Arc::new(error) })),
            None => {
                staging.context.faults.lose("a read was abandoned".to_owned());
                staging.context.check(op).map(|()| f(&[]))
            }
        }
    }
}
