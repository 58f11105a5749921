//! CPU memory: aligned, pooled, behind a lock.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::pool::{Pool, size_class};
use crate::{Error, MemoryStats, Result};

/// A cache line, and the widest SIMD register.
const ALIGN: usize = 64;
/// The pages of memory that is not small, where the system has them: one fault for each instead of 512, and streams
/// that are prefetched further. Size classes from twice this on are whole numbers of it.
const HUGE_PAGE: usize = 2 << 20;

/// Memory freed by tensors, to be used again: a fresh allocation costs a page fault every 4 KiB, several times what
/// writing it costs.
static POOL: Pool<Block> = Pool::new();

/// Raw aligned memory. Always initialised.
struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block owns its memory and hands it out only through `&self` and `&mut self`.
unsafe impl Send for Block {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    fn new(bytes: usize) -> Option<Self> {
        let layout = Self::layout(bytes)?;
        // SAFETY: the size is not zero: size classes begin at 256 bytes.
        let start = NonNull::new(unsafe { alloc(layout) })?;
        if layout.align() == HUGE_PAGE {
            ask_for_huge_pages(start, bytes);
        }
        // SAFETY: allocated above with this size.
        unsafe { start.write_bytes(0, bytes) };
        Some(Self { start, bytes })
    }

    fn layout(bytes: usize) -> Option<Layout> {
        let align = if bytes >= 2 * HUGE_PAGE { HUGE_PAGE } else { ALIGN };
        Layout::from_size_align(bytes, align).ok()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.bytes) {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(self.start.as_ptr(), layout) }
        }
    }
}

/// Many systems give huge pages to those alone who ask. A system that refuses is none the worse.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(start: NonNull<u8>, bytes: usize) {
    // SAFETY: advice about memory of ours, which nothing uses yet.
    unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_start: NonNull<u8>, _bytes: usize) {}

/// The memory of one or more CPU tensors.
pub(crate) struct Buffer {
    /// `None` only while dropping.
    block: RwLock<Option<Block>>,
    len: usize,
    class: u64,
}

impl Buffer {
    /// Memory of `len` bytes that holds whatever was there.
    pub(crate) fn new(op: &'static str, len: usize) -> Result<Arc<Self>> {
        let class = size_class(len as u64);
        let refuse = || Error::OutOfMemory { op, bytes: class, device: "cpu".to_owned() };
        let allocate = || {
            let retry = || {
                trim();
                Block::new(class as usize)
            };
            Block::new(class as usize).or_else(retry).ok_or_else(refuse)
        };
        let block = POOL.take(class, |_| true, allocate, refuse)?;
        Ok(Arc::new(Self { block: RwLock::new(Some(block)), len, class }))
    }

    /// Locks the memory for reading.
    pub(crate) fn lock(&self) -> Reading<'_> {
        Reading { guard: self.block.read().unwrap_or_else(PoisonError::into_inner), len: self.len }
    }

    /// Locks the memory for writing.
    pub(crate) fn lock_mut(&self) -> Writing<'_> {
        Writing { guard: self.block.write().unwrap_or_else(PoisonError::into_inner), len: self.len }
    }

    /// What `f` makes of bytes `offset..offset + len`.
    pub(crate) fn read<R>(&self, offset: usize, len: usize, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.lock().bytes()[offset..offset + len])
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        self.lock_mut().bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(block) = self.block.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            POOL.give(self.class, block);
        }
    }
}

/// A buffer locked for reading.
pub(crate) struct Reading<'a> {
    guard: RwLockReadGuard<'a, Option<Block>>,
    len: usize,
}

impl Reading<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        let Some(block) = &*self.guard else {
            return &[];
        };
        // SAFETY: the block holds at least `len` initialised bytes, and the guard keeps writers out.
        unsafe { std::slice::from_raw_parts(block.start.as_ptr(), self.len) }
    }
}

/// A buffer locked for writing.
pub(crate) struct Writing<'a> {
    guard: RwLockWriteGuard<'a, Option<Block>>,
    len: usize,
}

impl Writing<'_> {
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let Some(block) = &mut *self.guard else {
            return &mut [];
        };
        // SAFETY: the block holds at least `len` initialised bytes, and the guard keeps everyone else out.
        unsafe { std::slice::from_raw_parts_mut(block.start.as_ptr(), self.len) }
    }
}

pub(crate) fn memory() -> MemoryStats {
    POOL.stats()
}

pub(crate) fn limit_memory(bytes: Option<u64>) {
    POOL.set_limit(bytes);
}

pub(crate) fn trim() {
    drop(POOL.drain());
}
