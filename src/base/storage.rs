//! The memory behind a tensor, as a handle that nothing below a backend looks into.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The memory of one or more tensors: a buffer of some backend's.
///
/// The backend that made it gets its buffer back by [`downcast`](Self::downcast). Everybody else compares and clones.
#[derive(Clone)]
pub(crate) struct Storage(Arc<dyn Any + Send + Sync>);

impl Storage {
    pub(crate) fn new<B: Any + Send + Sync>(buffer: Arc<B>) -> Self {
        Self(buffer)
    }

    /// The buffer, if it is of this type.
    pub(crate) fn downcast<B: Any>(&self) -> Option<&B> {
        self.0.downcast_ref()
    }

    /// Equal for storages that are the same memory: the address of the buffer's own record.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize
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

    #[test]
    fn a_storage_is_known_by_its_buffer() {
        let buffer = Arc::new(7_u32);
        let (storage, other) = (Storage::new(buffer.clone()), Storage::new(Arc::new(7_u32)));
        assert_eq!(storage.id(), Arc::as_ptr(&buffer) as usize);
        assert_eq!(storage.id(), storage.clone().id());
        assert_ne!(storage.id(), other.id());
        assert_eq!((storage.downcast::<u32>(), storage.downcast::<u64>()), (Some(&7), None));
    }
}
