//! The locks of a run.

use smallvec::SmallVec;

use super::buffer::{Buffer, Reading, Writing};

/// Every buffer of a run, locked once, in the order of their addresses, so that two runs never wait for each other.
pub(super) struct Locks<'a>(SmallVec<[Lock<'a>; 8]>);

struct Lock<'a> {
    id: usize,
    /// Its index among the buffers that are read, if it is one of them.
    read: Option<u32>,
    guard: Guard<'a>,
}

enum Guard<'a> {
    Read(Reading<'a>),
    Write(Writing<'a>),
}

/// A buffer to be locked: its address and itself, its index among those that are read, and whether it is written.
type Wanted<'a> = (usize, &'a Buffer, Option<u32>, bool);

impl<'a> Locks<'a> {
    pub(super) fn new(read: impl Iterator<Item = &'a Buffer>, written: impl Iterator<Item = &'a Buffer>) -> Self {
        // By hand: an evaluation of few elements is over in half a microsecond, and iterators would be a tenth of it.
        let mut wanted: SmallVec<[Wanted<'a>; 8]> = SmallVec::new();
        for (buffer, i) in read.zip(0..) {
            wanted.push((std::ptr::from_ref(buffer) as usize, buffer, Some(i), false));
        }
        for buffer in written {
            wanted.push((std::ptr::from_ref(buffer) as usize, buffer, None, true));
        }
        wanted.sort_unstable_by_key(|w| w.0);
        wanted.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.2 = kept.2.or(next.2);
                kept.3 |= next.3;
            }
            same
        });
        let mut locks = Self(SmallVec::new());
        for (id, buffer, read, written) in wanted {
            let guard = if written { Guard::Write(buffer.lock_mut()) } else { Guard::Read(buffer.lock()) };
            locks.0.push(Lock { id, read, guard });
        }
        locks
    }

    /// A buffer's id is its address.
    fn find(&self, id: usize) -> Option<&Lock<'a>> {
        self.0.binary_search_by_key(&id, |lock| lock.id).ok().map(|i| &self.0[i])
    }

    /// The memory of a buffer, if it is one of the run.
    pub(super) fn memory(&self, id: usize) -> Option<*mut [u8]> {
        self.find(id).map(|lock| match &lock.guard {
            Guard::Read(reading) => reading.memory(),
            Guard::Write(writing) => writing.memory(),
        })
    }

    /// The index of a buffer among those that are read.
    pub(super) fn read(&self, id: usize) -> Option<usize> {
        self.find(id).and_then(|lock| lock.read).map(|i| i as usize)
    }
}
