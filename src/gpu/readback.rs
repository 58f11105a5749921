//! Reading results back: a copy to a buffer that can be mapped, and a future for the mapping.

use std::sync::Arc;

use futures_intrusive::channel::shared::{OneshotReceiver, OneshotSender, oneshot_channel};

use super::memory::Raw;
use super::recorder::Copy;
use super::{Buffer, Context};
use crate::{Error, Result};

/// What became of a mapping.
type Outcome = Result<(), wgpu::BufferAsyncError>;

/// Where wgpu says so, or whoever waits for the device in its place.
pub(super) type Mapped = OneshotSender<Outcome>;

/// A read on its way.
struct Pending {
    staging: Staging,
    /// Bytes before and after the wanted ones that came along for alignment are left out.
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
    /// Until it goes back to the pool; not then if a read failed, in whatever state that left it.
    raw: Option<Raw>,
}

impl Staging {
    /// The bytes of `range`, which are mapped.
    fn read(&mut self, op: &'static str, skip: usize, len: usize) -> Result<Vec<u8>> {
        let Some(buffer) = self.raw.as_ref().map(Raw::buffer) else { return Ok(Vec::new()) };
        let fail = |e| self.context.failure(op, || Error::Gpu { op, source: Arc::new(e) });
        let turn = self.context.faults.turn();
        let bytes = {
            let view = buffer.get_mapped_range(0..(skip + len).next_multiple_of(4) as u64).map_err(fail)?;
            view[skip..skip + len].to_vec()
        };
        buffer.unmap();
        drop(turn);
        self.raw.take().into_iter().for_each(|raw| self.context.memory.pool.give(self.class, raw));
        Ok(bytes)
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
    /// Bytes `offset..offset + len`, when all work recorded so far is done.
    pub(crate) async fn read(&self, op: &'static str, offset: u64, len: u64) -> Result<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let pending = self.start_read(op, offset, len)?;
        self.context().wait_in_background(pending.submission.clone(), pending.mapped.clone());
        pending.finish(op).await
    }

    /// The same, waiting here.
    pub(crate) fn read_blocking(&self, op: &'static str, offset: u64, len: u64) -> Result<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let pending = self.start_read(op, offset, len)?;
        self.context().wait(op, Some(pending.submission.clone()))?;
        pollster::block_on(pending.finish(op))
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
    async fn finish(self, op: &'static str) -> Result<Vec<u8>> {
        let Self { mut staging, skip, len, outcome, mapped, .. } = self;
        // If wgpu drops its own, nobody is left to tell.
        drop(mapped);
        let outcome = outcome.receive().await;
        staging.context.check(op)?;
        match outcome {
            Some(Ok(())) => staging.read(op, skip, len),
            Some(Err(error)) => Err(staging.context.failure(op, || Error::Gpu { op, source: Arc::new(error) })),
            None => {
                staging.context.faults.lose("a read was abandoned".to_owned());
                staging.context.check(op).map(|()| Vec::new())
            }
        }
    }
}
