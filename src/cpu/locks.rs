//! The locks of a run.

use smallvec::SmallVec;

use super::buffer::{Buffer, Reading, Writing};

/// Every buffer of a run, locked once, in the order of their addresses, so that two runs never wait for each other.
pub(super) struct Locks<'a>(SmallVec<[Lock<'a>; 8]>);

struct Lock<'a> {
    id: usize,
    is_read: bool,
    start: *mut u8,
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
        let mut wanted: SmallVec<[(usize, bool, bool, &'a Buffer); 8]> =
            read.map(|b| want(b, true, false)).chain(written.map(|b| want(b, false, true))).collect();
        wanted.sort_unstable_by_key(|w| w.0);
        wanted.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 |= next.1;
                kept.2 |= next.2;
            }
            same
        });
        let lock = |(id, is_read, written, buffer): (usize, bool, bool, &'a Buffer)| {
            if written {
                let mut guard = buffer.lock_mut();
                Lock { id, is_read, start: guard.bytes_mut().as_mut_ptr(), _guard: Guard::Write(guard) }
            } else {
                let guard = buffer.lock();
                Lock { id, is_read, start: guard.bytes().as_ptr().cast_mut(), _guard: Guard::Read(guard) }
            }
        };
        Self(wanted.into_iter().map(lock).collect())
    }

    /// A buffer's id is its address.
    fn find(&self, id: usize) -> Option<&Lock<'a>> {
        self.0.binary_search_by_key(&id, |lock| lock.id).ok().map(|i| &self.0[i])
    }

    pub(super) fn start(&self, id: usize) -> *mut u8 {
        self.find(id).map_or(std::ptr::null_mut(), |lock| lock.start)
    }

    pub(super) fn is_read(&self, id: usize) -> bool {
        self.find(id).is_some_and(|lock| lock.is_read)
    }
}
