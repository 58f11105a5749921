//! CPU memory: aligned and pooled, or someone else's; behind a lock.

#![allow(unsafe_code, reason = "allocates memory, and hands it out as slices")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::any::Any;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::forked;
use crate::base::pages::{HUGE_PAGE, ask_for_huge_pages, is_large};
use crate::base::pool::{Held, Pool, size_class};
use crate::base::storage::Memory;
use crate::{Element, Error, MemoryStats, Result};

/// A cache line, and the widest SIMD register.
const ALIGN: usize = 64;
/// Bytes of the widest element.
const ANY_ELEMENT: usize = 8;

/// Memory that tensors have freed, kept for others: a fresh allocation takes a page fault every 4 KiB, which costs
/// several times as much as writing the memory.
static POOL: Pool<Block> = Pool::new();

/// Keeps other threads out of the memory pool, through which all work on the CPU goes.
pub(super) fn hold_pool() -> Held<'static, Block> {
    POOL.hold()
}

/// Raw memory. Always initialised.
pub(super) struct Block {
    start: NonNull<u8>,
    origin: Origin,
}

/// Where a block is from.
enum Origin {
    /// What the allocator gave, and was asked for. The block starts at the first aligned address in it.
    Allocator(NonNull<u8>, Layout),
    /// Somebody else, who lives for as long as the block.
    Owner { _owner: Box<dyn Any + Send + Sync> },
}

// SAFETY: a block owns its memory, or whoever lent it promised as much, and hands it out only through `&self` and
// `&mut self`.
unsafe impl Send for Block {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    fn new(bytes: usize) -> Option<Self> {
        let layout = Self::layout(bytes)?;
        // SAFETY: the size is not zero: size classes begin at 256 bytes.
        let allocated = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let origin = Origin::Allocator(allocated, layout);
        if !is_large(bytes) {
            return Some(Self { start: allocated, origin });
        }
        let skipped = allocated.as_ptr().addr().next_multiple_of(HUGE_PAGE) - allocated.as_ptr().addr();
        // SAFETY: less than a huge page is skipped, and the layout has one to spare.
        let start = unsafe { allocated.add(skipped) };
        ask_for_huge_pages(start.as_ptr(), bytes);
        Some(Self { start, origin })
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
            Some(start) => Ok(Self { start, origin: Origin::Allocator(start, layout) }),
            None => Err(ManuallyDrop::into_inner(values)),
        }
    }

    /// What is asked of the allocator. A large block is aligned here: an allocator that is asked for more than the
    /// usual alignment fills the memory with zeros itself, which makes every page resident, those included that no
    /// element will lie on. Asked for the usual one, it takes untouched pages from the system, which are zero.
    fn layout(bytes: usize) -> Option<Layout> {
        if is_large(bytes) {
            Layout::from_size_align(bytes.checked_add(HUGE_PAGE)?, align_of::<usize>()).ok()
        } else {
            Layout::from_size_align(bytes, ALIGN).ok()
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Origin::Allocator(allocated, layout) = self.origin {
            // SAFETY: allocated with this layout, in `new`, or by the vector whose memory `of` has taken over.
            unsafe { dealloc(allocated.as_ptr(), layout) }
        }
    }
}

/// The memory of one or more tensors.
pub(crate) struct Buffer {
    /// `None` only while dropping.
    block: RwLock<Option<Block>>,
    len: usize,
    fate: Fate,
}

/// What becomes of a buffer's memory.
enum Fate {
    /// The pool takes it back, as so many bytes.
    Pooled(u64),
    /// It is freed; the pool counted so many bytes.
    Freed(u64),
    /// It is someone else's, and lies at these addresses.
    Returned { addresses: Range<usize>, read_only: bool },
}

impl Memory for Buffer {
    fn borrowed(&self) -> Option<Range<usize>> {
        match &self.fate {
            Fate::Returned { addresses, .. } => Some(addresses.clone()),
            Fate::Pooled(_) | Fate::Freed(_) => None,
        }
    }

    fn is_read_only(&self) -> bool {
        matches!(self.fate, Fate::Returned { read_only: true, .. })
    }
}

impl Buffer {
    /// Memory of `len` bytes. It holds whatever the pool's last user left there.
    pub(crate) fn new(op: &'static str, len: usize) -> Result<Arc<Self>> {
        forked::watch();
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
        Ok(Arc::new(Self { block: RwLock::new(Some(block)), len, fate: Fate::Pooled(class) }))
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
        Ok(Ok(Arc::new(Self { block: RwLock::new(Some(block)), len, fate: Fate::Freed(class) })))
    }

    /// The `len` bytes from `start` on, which `owner` keeps there.
    ///
    /// # Safety
    ///
    /// For as long as `owner` lives and is not told otherwise, they are initialised and aligned to their elements; nobody
    /// else writes them while they are in use here, nor reads them while they are written here.
    pub(crate) unsafe fn borrowed(
        start: NonNull<u8>,
        len: usize,
        read_only: bool,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Arc<Self> {
        let addresses = start.addr().get()..start.addr().get() + len;
        let block = Block { start, origin: Origin::Owner { _owner: owner } };
        let fate = Fate::Returned { addresses, read_only };
        Arc::new(Self { block: RwLock::new(Some(block)), len, fate })
    }

    /// Where its memory begins.
    pub(crate) fn start(&self) -> *mut u8 {
        self.lock().memory().cast()
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

    /// Writes `bytes` from byte `offset` on.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        self.lock_mut().bytes_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Has `fill` write the first `len` bytes, at most `chunk` at a time, from the first to the last.
    #[cfg(feature = "io")]
    pub(crate) fn fill(&self, len: usize, chunk: usize, fill: impl FnMut(&mut [u8]) -> Result<()>) -> Result<()> {
        self.lock_mut().bytes_mut()[..len].chunks_mut(chunk).try_for_each(fill)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let block = self.block.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        match (&self.fate, block) {
            (&Fate::Pooled(class), Some(block)) => POOL.give(class, block),
            (&Fate::Freed(class), _) => POOL.forget(class),
            (Fate::Pooled(_) | Fate::Returned { .. }, _) => {}
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
