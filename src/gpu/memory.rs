//! GPU memory: pooled storage buffers and uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Context;
use crate::pool::{Pool, size_class};
use crate::{DType, Error, MemoryStats, Result};

/// A wgpu buffer with the number it is known by in the bind-group cache.
struct Raw {
    buffer: wgpu::Buffer,
    id: u64,
    /// The recording that last used it.
    batch: u64,
}

/// What is kept of GPU memory between uses.
pub(super) struct Memory {
    /// A fresh buffer is cleared by wgpu on first use, a whole extra write; a pooled one is not.
    storage: Pool<Raw>,
    /// Buffers that can be mapped for reading.
    pub(super) staging: Pool<wgpu::Buffer>,
    next_id: AtomicU64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { storage: Pool::new(), staging: Pool::new(), next_id: AtomicU64::new(1) }
    }

    pub(super) fn stats(&self) -> MemoryStats {
        self.storage.stats()
    }

    pub(super) fn trim(&self) {
        drop(self.storage.drain());
        drop(self.staging.drain());
    }
}

/// The memory of one or more GPU tensors. Goes back to the pool when the last of them is dropped: work already
/// recorded runs before whatever uses it next, so nothing need be waited for.
pub(crate) struct Buffer {
    context: Arc<Context>,
    buffer: wgpu::Buffer,
    id: u64,
    class: u64,
    /// The recording that last used it, so that an upload knows whether it would overtake that.
    batch: AtomicU64,
}

impl Context {
    /// Memory for `bytes` bytes of `dtype` elements, holding whatever was there.
    pub(crate) fn buffer(self: &Arc<Self>, op: &'static str, bytes: u64, dtype: DType) -> Result<Arc<Buffer>> {
        self.check(op)?;
        if dtype == DType::F64 && !self.info().f64 {
            return Err(Error::Unsupported { op, what: "f64".to_owned(), device: self.label().to_owned() });
        }
        let class = self.class(op, bytes)?;
        let allocate = || {
            let descriptor = wgpu::BufferDescriptor {
                label: Some("hadamard tensor"),
                size: class,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            };
            let buffer = self.allocate(op, &descriptor)?;
            Ok(Raw { buffer, id: self.memory.next_id.fetch_add(1, Ordering::Relaxed), batch: 0 })
        };
        let raw = self.memory.storage.take(class, |_| true, allocate)?;
        let batch = AtomicU64::new(raw.batch);
        Ok(Arc::new(Buffer { context: self.clone(), buffer: raw.buffer, id: raw.id, class, batch }))
    }

    /// The size of a buffer for `bytes` bytes: whole groups of four elements, of which the last is read like any other.
    pub(super) fn class(&self, op: &'static str, bytes: u64) -> Result<u64> {
        let max = self.info().max_buffer / 16 * 16;
        if bytes > max {
            return Err(self.limit(op, "max_buffer_size", max, bytes));
        }
        Ok(size_class(bytes).min(max))
    }

    /// A new wgpu buffer, or an error if there is no room even after the pool has been emptied.
    pub(super) fn allocate(&self, op: &'static str, descriptor: &wgpu::BufferDescriptor<'_>) -> Result<wgpu::Buffer> {
        let attempt = || {
            let _turn = self.turn();
            let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let buffer = self.device.create_buffer(descriptor);
            match pollster::block_on(scope.pop()) {
                None => self.check(op).map(|()| buffer),
                Some(_) => Err(self.out_of_memory(op, descriptor.size)),
            }
        };
        attempt().or_else(|error| match error {
            Error::OutOfMemory { .. } => {
                self.synchronize(op)?;
                self.trim();
                {
                    let _turn = self.turn();
                    let _ = self.device.poll(wgpu::PollType::Poll);
                }
                attempt()
            }
            other => Err(other),
        })
    }
}

impl Buffer {
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Bytes that a shader may touch: all of the size class.
    pub(super) fn size(&self) -> u64 {
        self.class
    }

    /// Notes that recording `batch` uses this buffer.
    pub(super) fn used_in(&self, batch: u64) {
        self.batch.store(batch, Ordering::Relaxed);
    }

    /// Uploads `bytes` to the start of the buffer.
    pub(crate) fn write(&self, op: &'static str, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let context = &self.context;
        {
            let mut recorder = context.recorder();
            // The queue writes before whatever is submitted next: recorded work that still reads the old contents
            // has to go first.
            if self.batch.load(Ordering::Relaxed) >= recorder.batch() {
                recorder.submit(context);
            }
            let _turn = context.turn();
            let whole = bytes.len() / 4 * 4;
            context.queue.write_buffer(&self.buffer, 0, &bytes[..whole]);
            if whole < bytes.len() {
                let mut word = [0; 4];
                word[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
                context.queue.write_buffer(&self.buffer, whole as u64, &word);
            }
        }
        context.check(op)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let raw = Raw { buffer: self.buffer.clone(), id: self.id, batch: *self.batch.get_mut() };
        self.context.memory.storage.give(self.class, raw);
    }
}
