//! Reading results back: a copy to a buffer that can be mapped, and a future for the mapping.

use std::sync::Arc;

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

use super::{Buffer, Context};
use crate::{Error, Result};

/// A read on its way.
struct Pending {
    staging: Staging,
    /// Bytes before and after the wanted ones that came along for alignment are left out.
    skip: usize,
    len: usize,
    mapped: OneshotReceiver<Result<(), wgpu::BufferAsyncError>>,
    submission: wgpu::SubmissionIndex,
}

/// A mappable buffer that goes back to its pool, unmapped, whatever becomes of the read.
struct Staging {
    context: Arc<Context>,
    buffer: wgpu::Buffer,
    class: u64,
}

impl Drop for Staging {
    fn drop(&mut self) {
        {
            let _turn = self.context.turn();
            self.buffer.unmap();
        }
        self.context.memory.staging.give(self.class, self.buffer.clone());
    }
}

impl Buffer {
    /// Bytes `offset..offset + len`, when all work recorded so far is done.
    pub(crate) async fn read(&self, op: &'static str, offset: u64, len: u64) -> Result<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let pending = self.start_read(op, offset, len)?;
        self.context().wait_in_background(pending.submission.clone());
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
        context.check(op)?;
        // Copies are in whole words.
        let (start, end) = (offset / 4 * 4, (offset + len).next_multiple_of(4));
        let class = context.class(op, end - start)?;
        let allocate = || {
            let descriptor = wgpu::BufferDescriptor {
                label: Some("hadamard readback"),
                size: class,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            };
            context.allocate(op, &descriptor)
        };
        let buffer = context.memory.staging.take(class, |_| true, allocate)?;
        let staging = Staging { context: context.clone(), buffer, class };
        let submission = context.recorder().copy_and_submit(context, self.raw(), start, &staging.buffer, end - start);
        let (sender, mapped) = oneshot_channel();
        let turn = context.turn();
        staging.buffer.map_async(wgpu::MapMode::Read, 0..end - start, move |result| {
            let _ = sender.send(result);
        });
        drop(turn);
        context.check(op)?;
        Ok(Pending { staging, skip: (offset - start) as usize, len: len as usize, mapped, submission })
    }
}

impl Pending {
    async fn finish(self, op: &'static str) -> Result<Vec<u8>> {
        let context = &self.staging.context;
        let mapped = self.mapped.receive().await;
        context.check(op)?;
        let fail = |source: Arc<dyn std::error::Error + Send + Sync>| Error::Gpu { op, source };
        match mapped {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(fail(Arc::new(error))),
            None => {
                let reason = "a read was abandoned".to_owned();
                return Err(Error::DeviceLost { op, device: context.label().to_owned(), reason });
            }
        }
        let end = (self.skip + self.len).next_multiple_of(4) as u64;
        let view = self.staging.buffer.get_mapped_range(0..end).map_err(|e| fail(Arc::new(e)))?;
        Ok(view[self.skip..self.skip + self.len].to_vec())
    }
}
