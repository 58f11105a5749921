//! CPU memory: aligned, pooled, behind a lock.

#![allow(unsafe_code, reason = "allocates memory, and hands it out as slices")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::pool::{Pool, size_class};
use crate::{Element, Error, MemoryStats, Result};

/// A cache line, and the widest SIMD register.
const ALIGN: usize = 64;
/// The page size asked for where memory is large: one fault instead of 512, and streams are prefetched further. Size
/// classes from twice this on are whole multiples of it.
const HUGE_PAGE: usize = 2 << 20;
/// Bytes of the widest element.
const ANY_ELEMENT: usize = 8;

/// Memory that tensors have freed, kept for others: a fresh allocation takes a page fault every 4 KiB, which costs
/// several times as much as writing the memory.
static POOL: Pool<Block> = Pool::new();

/// Raw aligned memory. Always initialised.
struct Block {
    /// What the allocator gave; `start` is the first aligned address in it.
    allocated: NonNull<u8>,
    start: NonNull<u8>,
    /// What the allocator was asked for.
    layout: Layout,
}

// SAFETY: a block owns its memory and hands it out only through `&self` and `&mut self`.
unsafe impl Send for Block {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    fn new(bytes: usize) -> Option<Self> {
        let layout = Self::layout(bytes)?;
        // SAFETY: the size is not zero: size classes begin at 256 bytes.
        let allocated = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        if !Self::is_large(bytes) {
            return Some(Self { allocated, start: allocated, layout });
        }
        let skipped = allocated.as_ptr().addr().next_multiple_of(HUGE_PAGE) - allocated.as_ptr().addr();
        // SAFETY: less than a huge page is skipped, and the layout has one to spare.
        let start = unsafe { allocated.add(skipped) };
        ask_for_huge_pages(start, bytes);
        Some(Self { allocated, start, layout })
    }

    /// The memory of a vector, if it begins where any element may.
    fn of<T: Element>(values: Vec<T>) -> std::result::Result<Self, Vec<T>> {
        let layout = Layout::array::<T>(values.capacity());
        let (Ok(layout), true) = (layout, values.as_ptr().addr().is_multiple_of(ANY_ELEMENT) && !values.is_empty())
        else {
            return Err(values);
        };
        let mut values = ManuallyDrop::new(values);
        match NonNull::new(values.as_mut_ptr().cast()) {
            Some(start) => Ok(Self { allocated: start, start, layout }),
            None => Err(ManuallyDrop::into_inner(values)),
        }
    }

    fn is_large(bytes: usize) -> bool {
        bytes >= 2 * HUGE_PAGE
    }

    /// What is asked of the allocator. A large block is aligned here: an allocator that is asked for more than the
    /// usual alignment fills the memory with zeros itself, which makes every page resident, those included that no
    /// element will lie on. Asked for the usual one, it takes untouched pages from the system, which are zero.
    fn layout(bytes: usize) -> Option<Layout> {
        if Self::is_large(bytes) {
            Layout::from_size_align(bytes.checked_add(HUGE_PAGE)?, align_of::<usize>()).ok()
        } else {
            Layout::from_size_align(bytes, ALIGN).ok()
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, in `new`, or by the vector whose memory `of` has taken over.
        unsafe { dealloc(self.allocated.as_ptr(), self.layout) }
    }
}

/// Many systems give huge pages only on request. If this one refuses, pages are small.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(start: NonNull<u8>, bytes: usize) {
    // SAFETY: advice about memory that was just allocated and that nothing uses yet.
    unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_start: NonNull<u8>, _bytes: usize) {}

/// The memory of one or more tensors.
pub(crate) struct Buffer {
    /// `None` only while dropping.
    block: RwLock<Option<Block>>,
    len: usize,
    class: u64,
    /// Whether the pool takes it back.
    pooled: bool,
}

impl Buffer {
    /// Memory of `len` bytes. It holds whatever the pool's last user left there.
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
        Ok(Arc::new(Self { block: RwLock::new(Some(block)), len, class, pooled: true }))
    }

    /// The memory of a vector, without a copy; or the vector, if its memory begins where not every element may.
    pub(crate) fn of<T: Element>(op: &'static str, values: Vec<T>) -> Result<std::result::Result<Arc<Self>, Vec<T>>> {
        let len = size_of_val(&values[..]);
        let block = match Block::of(values) {
            Ok(block) => block,
            Err(values) => return Ok(Err(values)),
        };
        let class = len as u64;
        let refuse = || Error::OutOfMemory { op, bytes: class, device: "cpu".to_owned() };
        let block = POOL.take(class, |_| false, || Ok(block), refuse)?;
        Ok(Ok(Arc::new(Self { block: RwLock::new(Some(block)), len, class, pooled: false })))
    }

    /// Locks the memory for reading.
    pub(crate) fn lock(&self) -> Reading<'_> {
        Reading { guard: self.block.read().unwrap_or_else(PoisonError::into_inner), len: self.len }
    }

    /// Locks the memory for writing.
    pub(crate) fn lock_mut(&self) -> Writing<'_> {
        Writing { guard: self.block.write().unwrap_or_else(PoisonError::into_inner), len: self.len }
    }

    /// Calls `f` with bytes `offset..offset + len`.
    pub(crate) fn read<R>(&self, offset: usize, len: usize, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.lock().bytes()[offset..offset + len])
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        self.lock_mut().bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    }

    /// Has `fill` write the first `len` bytes, at most `chunk` at a time, from the first to the last.
    #[cfg(feature = "io")]
    pub(crate) fn fill(&self, len: usize, chunk: usize, fill: impl FnMut(&mut [u8]) -> Result<()>) -> Result<()> {
        self.lock_mut().bytes_mut()[..len].chunks_mut(chunk).try_for_each(fill)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(block) = self.block.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            if self.pooled {
                POOL.give(self.class, block);
            } else {
                POOL.forget(self.class);
            }
        }
    }
}

/// The first `len` bytes of a block: a pointer that is derived from no reference, so cells may be made of it.
fn memory_of(block: Option<&Block>, len: usize) -> *mut [u8] {
    let start = block.map_or(NonNull::dangling(), |block| block.start);
    let len = if block.is_some() { len } else { 0 };
    std::ptr::slice_from_raw_parts_mut(start.as_ptr(), len)
}

/// A buffer locked for reading.
pub(crate) struct Reading<'a> {
    guard: RwLockReadGuard<'a, Option<Block>>,
    len: usize,
}

impl Reading<'_> {
    /// Where the bytes are, for reading alone.
    pub(crate) fn memory(&self) -> *mut [u8] {
        memory_of(self.guard.as_ref(), self.len)
    }

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
    /// Where the bytes are.
    pub(crate) fn memory(&self) -> *mut [u8] {
        memory_of(self.guard.as_ref(), self.len)
    }

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
