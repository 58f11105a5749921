//! The memory behind a tensor, as a handle that nothing below a backend looks into.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Weak};

/// A buffer of some backend's.
pub(crate) trait Memory: Any + Send + Sync {
    /// Where memory lies that someone else owns, so that buffers may overlap; nothing of a backend's own, where none do. These
    /// are addresses of the CPU's memory; of a GPU's, one number for each buffer of the driver's.
    fn borrowed(&self) -> Option<Range<usize>> {
        None
    }

    /// Whether nothing may be written there.
    fn is_read_only(&self) -> bool {
        false
    }
}

/// The memory of one or more tensors: a buffer of some backend's.
///
/// The backend that made it gets its buffer back by [`downcast`](Self::downcast). Everybody else compares and clones.
#[derive(Clone)]
pub(crate) struct Storage(Arc<dyn Memory>);

impl Storage {
    pub(crate) fn new<B: Memory>(buffer: Arc<B>) -> Self {
        Self(buffer)
    }

    /// The buffer, if it is of this type.
    pub(crate) fn downcast<B: Any>(&self) -> Option<&B> {
        let buffer: &dyn Any = &*self.0;
        buffer.downcast_ref()
    }

    /// Equal for storages that are the same memory: the address of the buffer's own record.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize
    }

    /// A handle that does not keep the memory.
    pub(crate) fn downgrade(&self) -> WeakStorage {
        WeakStorage(Arc::downgrade(&self.0))
    }

    /// See [`Memory::borrowed`].
    pub(crate) fn borrowed(&self) -> Option<Range<usize>> {
        self.0.borrowed()
    }

    /// See [`Memory::is_read_only`].
    pub(crate) fn is_read_only(&self) -> bool {
        self.0.is_read_only()
    }

    /// Whether both are the same memory, or may be.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.id() == other.id() || self.crosses(other)
    }

    /// Whether both are borrowed, of overlapping memory, but not the same storage.
    pub(crate) fn crosses(&self, other: &Self) -> bool {
        let (Some(a), Some(b)) = (self.borrowed(), other.borrowed()) else { return false };
        self.id() != other.id() && a.start < b.end && b.start < a.end
    }
}

/// A storage that may be gone.
pub(crate) struct WeakStorage(Weak<dyn Memory>);

#[cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "the CPU asks for no more than the id"))]
impl WeakStorage {
    /// [`Storage::id`] of it, which no other storage has while this handle is there.
    pub(crate) fn id(&self) -> usize {
        self.0.as_ptr().cast::<()>() as usize
    }

    /// The storage, if a tensor still uses it.
    pub(crate) fn upgrade(&self) -> Option<Storage> {
        self.0.upgrade().map(Storage)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buffer {:#x}", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Memory for u32 {}

    impl Memory for Range<usize> {
        fn borrowed(&self) -> Option<Range<usize>> {
            Some(self.clone())
        }
    }

    #[test]
    fn a_storage_is_known_by_its_buffer() {
        let buffer = Arc::new(7_u32);
        let (storage, other) = (Storage::new(buffer.clone()), Storage::new(Arc::new(7_u32)));
        assert_eq!(storage.id(), Arc::as_ptr(&buffer) as usize);
        assert_eq!(storage.id(), storage.clone().id());
        assert_ne!(storage.id(), other.id());
        assert_eq!((storage.downcast::<u32>(), storage.downcast::<u64>()), (Some(&7), None));
    }

    #[test]
    fn borrowed_memory_crosses_what_it_overlaps() {
        let [a, b, c, own] = [Some(100..140), Some(136..160), Some(140..160), None].map(|range| match range {
            Some(range) => Storage::new(Arc::new(range)),
            None => Storage::new(Arc::new(7_u32)),
        });
        let crossing = [a.crosses(&b), b.crosses(&a), a.crosses(&c), b.crosses(&c), a.crosses(&a), a.crosses(&own)];
        assert_eq!(crossing, [true, true, false, true, false, false]);
    }
}
