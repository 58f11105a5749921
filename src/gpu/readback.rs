//! Reading results back: a copy to a buffer that can be mapped, and a future for the mapping.

use std::pin::pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use futures_intrusive::channel::shared::{OneshotReceiver, OneshotSender, oneshot_channel};

use super::context::lock;
use super::marks::Raised;
use super::memory::Raw;
use super::recorder::Copy;
use super::{Buffer, Context};
use crate::{Error, Result};

/// The outcome of mapping a buffer.
type Outcome = Result<(), wgpu::BufferAsyncError>;

/// Receives the outcome: from wgpu, or from the poller if wgpu never reports one.
pub(super) type Mapped = OneshotSender<Outcome>;

/// A read on its way, which the context keeps if its future is dropped before it is done and marks came with it.
struct Pending {
    context: Arc<Context>,
    /// `None` once it is done.
    read: Option<Read>,
}

/// A copy to a mappable buffer, and the outcome of mapping it.
pub(super) struct Read {
    class: u64,
    raw: Raw,
    data: Data,
    outcome: OneshotReceiver<Outcome>,
}

/// What a mapped buffer holds.
struct Data {
    /// Bytes before what was asked for, which were copied for alignment.
    skip: usize,
    len: usize,
    /// Marks that were read with it, and stand after it.
    marks: Option<Raised>,
}

impl Read {
    /// Calls `f` with what was asked for, unless a mark is raised. The buffer is mapped.
    fn finish<R>(self, context: &Context, op: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Self { class, raw, data: Data { skip, len, marks }, .. } = self;
        let end = (skip + len).next_multiple_of(4);
        let fail = |e| context.failure(op, || Error::Gpu { op, source: Arc::new(e) });
        let turn = context.faults.turn();
        let result = {
            let bytes = end as u64 + marks.as_ref().map_or(0, Raised::bytes);
            let view = raw.buffer().get_mapped_range(0..bytes).map_err(fail);
            view.and_then(|view| {
                marks.as_ref().map_or(Ok(()), |marks| marks.check(&view[end..]))?;
                Ok(f(&view[skip..skip + len]))
            })
        };
        raw.buffer().unmap();
        drop(turn);
        context.memory.pool.give(class, raw);
        result
    }

    /// The outcome of mapping, if there is one yet.
    fn outcome(&self) -> Option<Outcome> {
        match pin!(self.outcome.receive()).poll(&mut task::Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(outcome)) => Some(outcome),
            // Nobody is left to tell one: the caller's encoder that was to copy it was dropped.
            Poll::Ready(None) => Some(Err(wgpu::BufferAsyncError)),
            Poll::Pending => None,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        match self.read.take() {
            Some(read) if read.data.marks.is_some() => lock(&self.context.abandoned).push(read),
            // Its state is unknown: it never goes back to the pool.
            Some(read) => self.context.memory.pool.forget(read.class),
            None => {}
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
        let (pending, submission, mapped) = start_read(self.context(), op, Some((self, offset, len)))?;
        self.context().wait_in_background(submission, mapped);
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
        #[cfg(target_arch = "wasm32")]
        {
            let _ = (offset, f);
            return Err(self.context().waits(op));
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            let (pending, submission, mapped) = start_read(self.context(), op, Some((self, offset, len)))?;
            self.context().wait(op, Some(submission))?;
            drop(mapped);
            pollster::block_on(pending.finish(op, f))
        }
    }
}

impl Context {
    /// An error if an index was out of bounds in work that is done, and in none that a call before has reported.
    pub(super) fn check_marks(self: &Arc<Self>, op: &'static str) -> Result<()> {
        if self.recorder().marks.bytes() == 0 {
            return self.check_abandoned(op);
        }
        let (pending, submission, mapped) = start_read(self, op, None)?;
        self.wait(op, Some(submission))?;
        drop(mapped);
        pollster::block_on(pending.finish(op, |_| ()))
    }

    /// Submits what is recorded, and is done when all of it is. An error if an index was out of bounds, as there.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) async fn synchronize_async(self: &Arc<Self>, op: &'static str) -> Result<()> {
        self.read_marks(op).await
    }

    pub(super) async fn read_marks(self: &Arc<Self>, op: &'static str) -> Result<()> {
        let (pending, submission, mapped) = start_read(self, op, None)?;
        self.wait_in_background(submission, mapped);
        pending.finish(op, |_| ()).await
    }

    /// Has a caller's encoder read marks, once it is submitted; whoever reads or waits after that hears of them.
    pub(super) fn read_marks_after(
        &self,
        op: &'static str,
        encoder: &mut wgpu::CommandEncoder,
        buffer: &wgpu::Buffer,
        marks: Raised,
    ) -> Result<()> {
        let bytes = marks.bytes();
        let class = self.class(op, bytes)?;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        // If the caller's submission is refused, what is read is what was there.
        let raw = self.new_raw(op, "hadamard readback", class, usage)?;
        let (sender, outcome) = oneshot_channel();
        self.guard(op, || {
            encoder.copy_buffer_to_buffer(buffer, 0, raw.buffer(), 0, bytes);
            encoder.clear_buffer(buffer, 0, Some(bytes));
            let tell = move |outcome| drop(sender.send(outcome));
            encoder.map_buffer_on_submit(raw.buffer(), wgpu::MapMode::Read, 0..bytes, tell);
            Ok(())
        })?;
        let data = Data { skip: 0, len: 0, marks: Some(marks) };
        lock(&self.abandoned).push(Read { class, raw, data, outcome });
        Ok(())
    }

    /// An error if a mark came with a read whose future was dropped. Those on their way yet stay, and those behind one
    /// that has an error.
    fn check_abandoned(&self, op: &'static str) -> Result<()> {
        let abandoned = std::mem::take(&mut *lock(&self.abandoned));
        let (mut result, mut stay) = (Ok(()), Vec::new());
        for read in abandoned {
            // An outcome is told once: it is asked for only by who goes on with it.
            match if result.is_ok() { read.outcome() } else { None } {
                Some(Ok(())) => result = read.finish(self, op, |_| ()),
                Some(Err(_)) => self.memory.pool.forget(read.class),
                None => stay.push(read),
            }
        }
        lock(&self.abandoned).extend(stay);
        result
    }
}

/// Begins to read so many bytes of a buffer from some byte on, if any, and the marks that may be raised. Whoever holds
/// what tells the outcome must let go of it once wgpu has told it.
fn start_read(
    context: &Arc<Context>,
    op: &'static str,
    from: Option<(&Buffer, u64, u64)>,
) -> Result<(Pending, wgpu::SubmissionIndex, Arc<Mapped>)> {
    context.look(op)?;
    context.refuse_aside(op)?;
    // Copies are in whole words.
    let (offset, len) = from.map_or((0, 0), |(_, offset, len)| (offset, len));
    let (start, end) = (offset / 4 * 4, (offset + len).next_multiple_of(4));
    let room = context.recorder().marks.bytes();
    let class = context.class(op, end - start + room)?;
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let raw = context.raw(op, "hadamard readback", class, usage)?;
    let to = raw.buffer().clone();
    let (sender, outcome) = oneshot_channel();
    let data = Data { skip: (offset - start) as usize, len: len as usize, marks: None };
    let mut pending = Pending { context: context.clone(), read: Some(Read { class, raw, data, outcome }) };
    let mut recorder = context.recorder();
    if let Some((buffer, ..)) = from {
        recorder.check(context, op, buffer)?;
    }
    let mut marks = recorder.marks.take(room);
    let copy = Copy {
        from: from.map(|(buffer, ..)| (buffer.raw(), start, end - start)),
        marks: marks.as_ref().map_or(0, Raised::bytes),
        to: &to,
    };
    let bytes = end - start + copy.marks;
    let submission = match recorder.copy_and_submit(context, op, &copy) {
        Ok(submission) => submission,
        Err(error) => {
            recorder.marks.put_back(marks);
            return Err(error);
        }
    };
    drop(recorder);
    pending.read.iter_mut().for_each(|read| read.data.marks = marks.take());
    let mapped = Arc::new(sender);
    let tell = mapped.clone();
    context.guard(op, || {
        to.map_async(wgpu::MapMode::Read, 0..bytes, move |outcome| drop(tell.send(outcome)));
        Ok(())
    })?;
    Ok((pending, submission, mapped))
}

impl Pending {
    async fn finish<R>(mut self, op: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Some(read) = &self.read else { return Ok(f(&[])) };
        let outcome = read.outcome.receive().await;
        #[cfg(target_arch = "wasm32")]
        self.context.told(op, outcome == Some(Ok(()))).await?;
        self.context.check(op)?;
        match outcome {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(self.context.failure(op, || Error::Gpu { op, source: Arc::new(error) })),
            None => {
                self.context.faults.lose("a read was abandoned".to_owned());
                self.context.check(op)?;
            }
        }
        let Some(read) = self.read.take() else { return Ok(f(&[])) };
        let result = read.finish(&self.context, op, f)?;
        self.context.check_abandoned(op).map(|()| result)
    }
}
