//! The locks of a run.

use smallvec::SmallVec;

use super::buffer::{Buffer, Reading, Writing};

/// Every buffer of a run, locked once, in the order of their addresses, so that two runs never wait for each other.
pub(super) struct Locks<'a>(SmallVec<[Lock<'a>; 8]>);

struct Lock<'a> {
    id: usize,
    /// Its index among the buffers that are read, if it is one of them.
    read: Option<usize>,
    memory: *mut [u8],
    _guard: Guard<'a>,
}

enum Guard<'a> {
    #[allow(dead_code, reason = "held, not used")]
    Read(Reading<'a>),
    #[allow(dead_code, reason = "held, not used")]
    Write(Writing<'a>),
}

impl<'a> Locks<'a> {
    pub(super) fn new(read: impl Iterator<Item = &'a Buffer>, written: impl Iterator<Item = &'a Buffer>) -> Self {
        let want = |buffer, read, written| (std::ptr::from_ref(buffer) as usize, read, written, buffer);
        let read = read.enumerate().map(|(i, buffer)| want(buffer, Some(i), false));
        let mut wanted: SmallVec<[(usize, Option<usize>, bool, &'a Buffer); 8]> =
            read.chain(written.map(|buffer| want(buffer, None, true))).collect();
        wanted.sort_unstable_by_key(|w| w.0);
        wanted.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.or(next.1);
                kept.2 |= next.2;
            }
            same
        });
        let lock = |(id, read, written, buffer): (usize, Option<usize>, bool, &'a Buffer)| {
            if written {
                let mut guard = buffer.lock_mut();
                Lock { id, read, memory: guard.memory(), _guard: Guard::Write(guard) }
            } else {
                let guard = buffer.lock();
                Lock { id, read, memory: guard.memory(), _guard: Guard::Read(guard) }
            }
        };
        Self(wanted.into_iter().map(lock).collect())
    }

    /// A buffer's id is its address.
    fn find(&self, id: usize) -> Option<&Lock<'a>> {
        self.0.binary_search_by_key(&id, |lock| lock.id).ok().map(|i| &self.0[i])
    }

    /// The memory of a buffer, if it is one of the run.
    pub(super) fn memory(&self, id: usize) -> Option<*mut [u8]> {
        self.find(id).map(|lock| lock.memory)
    }

    /// The index of a buffer among those that are read.
    pub(super) fn read(&self, id: usize) -> Option<usize> {
        self.find(id).and_then(|lock| lock.read)
    }
}
