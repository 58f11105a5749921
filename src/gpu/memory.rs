//! GPU memory: pooled storage buffers and uploads.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use smallvec::SmallVec;

use super::Context;
use super::faults::Faults;
use super::foreign::Shared;
use crate::base::pool::{Pool, size_class};
use crate::base::storage;
use crate::{Error, Result};

/// How many bytes are uploaded at most before they are waited for, where more follow.
#[cfg(feature = "io")]
const UPLOADED: usize = 64 << 20;

/// A wgpu buffer, freed while holding [`Faults::turn`].
pub(super) struct Raw {
    /// `None` only while dropping.
    buffer: Option<wgpu::Buffer>,
    /// Its number: see [`new_id`].
    id: u64,
    /// Number of the recording that last used it: an upload must not overtake that recording.
    batch: AtomicU64,
    faults: Arc<Faults>,
}

impl Raw {
    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        self.buffer.as_ref().expect("there until it is dropped")
    }

    /// Lets go of the handle alone: a caller has the memory, too, so that even a browser's is not destroyed.
    fn leave(mut self) {
        let turn = self.faults.turn();
        self.buffer = None;
        drop(turn);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _turn = self.faults.turn();
        // Else a browser keeps the memory until it collects garbage, which it sees none of: handles are small. What is
        // recorded and not yet submitted still needs it.
        #[cfg(target_arch = "wasm32")]
        if self.batch.load(Ordering::Relaxed) <= self.faults.submitted.load(Ordering::Relaxed) {
            self.buffer.iter().for_each(wgpu::Buffer::destroy);
        }
        self.buffer = None;
    }
}

/// GPU memory kept between uses, for tensors and for reading them back. wgpu clears a fresh buffer on first use, which
/// costs a whole extra write; a reused one is not cleared.
pub(super) struct Memory {
    pub(super) pool: Pool<Raw>,
    /// Buffers that a caller knows, too.
    pub(super) shared: Shared,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { pool: Pool::new(), shared: Shared::default() }
    }
}

/// A number that no other buffer has, of whatever context: for the cache of bind groups, and for what graphs keep.
pub(super) fn new_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The memory of one or more GPU tensors. It goes back to the pool when the last of them is dropped, without a wait:
/// work recorded so far runs before any work that reuses it. What a caller knows, too, never goes there.
pub(crate) struct Buffer {
    context: Arc<Context>,
    /// `None` only while dropping.
    raw: Option<Raw>,
    class: u64,
    /// Number of the recording that last wrote it; 0 if none did.
    written: AtomicU64,
    /// Whether a caller made it, and this library only uses it.
    foreign: bool,
    /// Its number among the buffers that a caller knows; 0 if it is none of them.
    shared: AtomicUsize,
}

impl storage::Memory for Buffer {
    fn borrowed(&self) -> Option<Range<usize>> {
        // Counted from the last address, where no memory of the CPU's lies.
        let number = self.shared_number();
        if number == 0 { None } else { Some(usize::MAX - number..usize::MAX - number + 1) }
    }
}

impl Context {
    /// Memory for `bytes` bytes, with undefined contents.
    pub(crate) fn buffer(self: &Arc<Self>, op: &'static str, bytes: u64) -> Result<Arc<Buffer>> {
        self.check(op)?;
        let class = self.class(op, bytes)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let raw = Some(self.raw(op, "hadamard tensor", class, usage)?);
        Ok(Arc::new(Buffer {
            context: self.clone(),
            raw,
            class,
            written: AtomicU64::new(0),
            foreign: false,
            shared: AtomicUsize::new(0),
        }))
    }

    /// Temporary memory of so many bytes each.
    pub(super) fn temps(
        self: &Arc<Self>,
        op: &'static str,
        bytes: impl Iterator<Item = u64>,
    ) -> Result<SmallVec<[Arc<Buffer>; 4]>> {
        bytes.map(|bytes| self.buffer(op, bytes)).collect()
    }

    /// A caller's buffer, as the one with this number of those that are shared.
    pub(super) fn foreign(self: &Arc<Self>, buffer: &wgpu::Buffer, number: usize) -> Arc<Buffer> {
        let id = new_id();
        let raw = Raw { buffer: Some(buffer.clone()), id, batch: AtomicU64::new(0), faults: self.faults.clone() };
        Arc::new(Buffer {
            context: self.clone(),
            raw: Some(raw),
            // Bindings are of whole words.
            class: buffer.size() / 4 * 4,
            written: AtomicU64::new(0),
            foreign: true,
            shared: AtomicUsize::new(number),
        })
    }

    /// A wgpu buffer of a size class, reused or new.
    pub(super) fn raw(&self, op: &'static str, label: &str, class: u64, usage: wgpu::BufferUsages) -> Result<Raw> {
        self.raw_that(op, label, class, usage, |raw| raw.buffer().usage() == usage)
    }

    /// The same, but a new one, whose bytes are 0.
    pub(super) fn new_raw(&self, op: &'static str, label: &str, class: u64, usage: wgpu::BufferUsages) -> Result<Raw> {
        self.raw_that(op, label, class, usage, |_| false)
    }

    fn raw_that(
        &self,
        op: &'static str,
        label: &str,
        class: u64,
        usage: wgpu::BufferUsages,
        fits: impl Fn(&Raw) -> bool,
    ) -> Result<Raw> {
        let allocate = || {
            let descriptor =
                wgpu::BufferDescriptor { label: Some(label), size: class, usage, mapped_at_creation: false };
            let id = new_id();
            let buffer = Some(self.allocate(op, &descriptor)?);
            Ok(Raw { buffer, id, batch: AtomicU64::new(0), faults: self.faults.clone() })
        };
        let refuse = || self.out_of_memory(op, class);
        self.memory.pool.take(class, fits, allocate, refuse)
    }

    /// The size of a buffer for `bytes` bytes, rounded up to whole groups of four elements: kernels read the last group
    /// like any other.
    pub(super) fn class(&self, op: &'static str, bytes: u64) -> Result<u64> {
        let max = self.info().max_buffer / 16 * 16;
        if bytes > max {
            return Err(self.limit(op, "max_buffer_size", max, bytes));
        }
        Ok(size_class(bytes).min(max))
    }

    /// A new wgpu buffer, or an error if there is no room even after the pool has been emptied.
    pub(super) fn allocate(&self, op: &'static str, descriptor: &wgpu::BufferDescriptor<'_>) -> Result<wgpu::Buffer> {
        let attempt = || match self.guard(op, || Ok(self.device.create_buffer(descriptor))) {
            Err(Error::OutOfMemory { .. }) => Err(self.out_of_memory(op, descriptor.size)),
            result => result,
        };
        attempt().or_else(|error| match error {
            Error::OutOfMemory { .. } => {
                self.settle(op)?;
                self.trim();
                self.look(op)?;
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

    fn held(&self) -> &Raw {
        self.raw.as_ref().expect("there until it is dropped")
    }

    pub(super) fn raw(&self) -> &wgpu::Buffer {
        self.held().buffer()
    }

    pub(super) fn id(&self) -> u64 {
        self.held().id
    }

    /// See [`Buffer::shared`](field@Buffer::shared).
    pub(super) fn shared_number(&self) -> usize {
        self.shared.load(Ordering::Relaxed)
    }

    /// From now on a caller knows it, by this number.
    pub(super) fn share(&self, number: usize) {
        self.shared.store(number, Ordering::Relaxed);
    }

    /// Number of the recording that last used it.
    pub(super) fn used(&self) -> u64 {
        self.held().batch.load(Ordering::Relaxed)
    }

    /// Bytes that a shader may access: all of the size class.
    pub(super) fn size(&self) -> u64 {
        self.class
    }

    /// Notes that recording `batch` uses this buffer.
    pub(super) fn used_in(&self, batch: u64, written: bool) {
        self.held().batch.store(batch, Ordering::Relaxed);
        if written {
            self.written.store(batch, Ordering::Relaxed);
        }
    }

    /// Notes that a caller's encoder has work that writes it.
    pub(super) fn written_aside(&self) {
        self.written.store(0, Ordering::Relaxed);
    }

    /// The recording that last wrote it.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Uploads `bytes` to the start of the buffer.
    pub(crate) fn write(&self, op: &'static str, bytes: &[u8]) -> Result<()> {
        self.write_at(op, 0, bytes)
    }

    /// Has `fill` make the first `len` bytes of the buffer, at most `chunk` at a time, which is a multiple of 4, from
    /// the first to the last, and uploads them.
    #[cfg(feature = "io")]
    pub(crate) fn fill(
        &self,
        op: &'static str,
        len: usize,
        chunk: usize,
        mut fill: impl FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let mut bytes = vec![0; len.min(chunk)];
        let mut written = 0;
        while written < len {
            let bytes = &mut bytes[..chunk.min(len - written)];
            fill(bytes)?;
            self.write_at(op, written as u64, bytes)?;
            written += bytes.len();
            if written % UPLOADED < bytes.len() {
                self.context.finish_uploads(op)?;
            }
        }
        Ok(())
    }

    /// Uploads `bytes` to byte `offset` on, a multiple of 4. The buffer's last word may be written in part.
    fn write_at(&self, op: &'static str, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let context = &self.context;
        let mut recorder = context.recorder();
        // The queue writes before the next submission, so recorded work that still reads the old contents is submitted
        // first.
        if self.used() >= recorder.batch() {
            recorder.submit(context, op)?;
        }
        context.guard(op, || {
            let whole = bytes.len() / 4 * 4;
            context.queue.write_buffer(self.raw(), offset, &bytes[..whole]);
            if whole < bytes.len() {
                let mut word = [0; 4];
                word[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
                context.queue.write_buffer(self.raw(), offset + whole as u64, &word);
            }
            Ok(())
        })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(raw) = self.raw.take() else { return };
        if self.context.is_copy() {
            // The memory is the parent's.
            std::mem::forget((raw, self.context.clone()));
        } else if self.shared_number() != 0 {
            if !self.foreign {
                self.context.memory.pool.forget(self.class);
            }
            self.context.memory.shared.depart(raw.id);
            raw.leave();
            self.context.let_go();
        } else {
            self.context.memory.pool.give(self.class, raw);
        }
    }
}
