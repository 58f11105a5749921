//! Reading results back: a copy to a buffer that can be mapped, and a future for the mapping.

use std::sync::Arc;

use futures_intrusive::channel::shared::{OneshotReceiver, OneshotSender, oneshot_channel};

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
    /// Without the bytes before and after that were copied for alignment.
    skip: usize,
    len: usize,
    outcome: OneshotReceiver<Outcome>,
    mapped: Arc<Mapped>,
    submission: wgpu::SubmissionIndex,
}

/// A mappable buffer.
struct Staging {
    context: Arc<Context>,
    class: u64,
    /// `None` once it is back in the pool. A buffer whose read failed never goes back: its state is unknown.
    raw: Option<Raw>,
}

impl Staging {
    /// Calls `f` with `len` mapped bytes starting at `skip`.
    fn read<R>(&mut self, op: &'static str, skip: usize, len: usize, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Some(buffer) = self.raw.as_ref().map(Raw::buffer) else { return Ok(f(&[])) };
        let fail = |e| self.context.failure(op, || Error::Gpu { op, source: Arc::new(e) });
        let turn = self.context.faults.turn();
        let result = {
            let view = buffer.get_mapped_range(0..(skip + len).next_multiple_of(4) as u64).map_err(fail)?;
            f(&view[skip..skip + len])
        };
        buffer.unmap();
        drop(turn);
        self.raw.take().into_iter().for_each(|raw| self.context.memory.pool.give(self.class, raw));
        Ok(result)
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
        let pending = self.start_read(op, offset, len)?;
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
        let pending = self.start_read(op, offset, len)?;
        self.context().wait(op, Some(pending.submission.clone()))?;
        pollster::block_on(pending.finish(op, f))
    }

    fn start_read(&self, op: &'static str, offset: u64, len: u64) -> Result<Pending> {
        let context = self.context();
        context.look(op)?;
        // Copies are in whole words.
        let (start, end) = (offset / 4 * 4, (offset + len).next_multiple_of(4));
        let class = context.class(op, end - start)?;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let raw = context.raw(op, "hadamard readback", class, usage)?;
        let to = raw.buffer().clone();
        let staging = Staging { context: context.clone(), class, raw: Some(raw) };
        let mut recorder = context.recorder();
        recorder.check(context, op, self)?;
        let copy = Copy { from: self.raw(), offset: start, to: &to, bytes: end - start };
        let submission = recorder.copy_and_submit(context, op, &copy)?;
        drop(recorder);
        let (sender, outcome) = oneshot_channel();
        let mapped = Arc::new(sender);
        let tell = mapped.clone();
        context.guard(op, || {
            to.map_async(wgpu::MapMode::Read, 0..end - start, move |outcome| drop(tell.send(outcome)));
            Ok(())
        })?;
        Ok(Pending { staging, skip: (offset - start) as usize, len: len as usize, outcome, mapped, submission })
    }
}

impl Pending {
    async fn finish<R>(self, op: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let Self { mut staging, skip, len, outcome, mapped, .. } = self;
        // Fails only if the receiver is gone: then nobody wants to know.
        drop(mapped);
        let outcome = outcome.receive().await;
        staging.context.check(op)?;
        match outcome {
            Some(Ok(())) => staging.read(op, skip, len, f),
            Some(Err(error)) => Err(staging.context.failure(op, || Error::Gpu { op, source: Arc::new(error) })),
            None => {
                staging.context.faults.lose("a read was abandoned".to_owned());
                staging.context.check(op).map(|()| f(&[]))
            }
        }
    }
}
