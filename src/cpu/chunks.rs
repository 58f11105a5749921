//! Items that are put into groups: chunks of them that threads take, and where each chunk's items of a group go.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::threads;

/// Chunks, at most.
const MOST: usize = 64;

/// Items in chunks of so many.
#[derive(Clone, Copy)]
pub(super) struct Chunks {
    n: usize,
    size: usize,
    /// As [`threads::each`] takes them: whether all threads work at these.
    elements: usize,
}

impl Chunks {
    /// Chunks of `n` items, of no fewer than `least`, for all threads or one.
    pub(super) fn new(n: usize, least: usize, for_all: bool) -> Self {
        Self { n, size: n.div_ceil(MOST).max(least), elements: if for_all { n } else { 0 } }
    }

    fn count(&self) -> usize {
        self.n.div_ceil(self.size)
    }

    /// Calls `f` with the number and the places of each chunk.
    pub(super) fn each(&self, f: impl Fn(usize, Range<usize>) + Sync) {
        threads::each(self.count(), self.elements, |i| f(i, i * self.size..self.n.min((i + 1) * self.size)));
    }

    /// Where the items of each group go. `count` adds to the count of each group how many of it are at some places.
    pub(super) fn counted(&self, groups: usize, count: impl Fn(Range<usize>, &mut [u32]) + Sync) -> Counted {
        let counts: Vec<AtomicU32> = (0..self.count() * groups).map(|_| AtomicU32::new(0)).collect();
        self.each(|i, places| {
            let mut of_chunk = vec![0; groups];
            count(places, &mut of_chunk);
            counts[i * groups..].iter().zip(of_chunk).for_each(|(to, count)| to.store(count, Relaxed));
        });
        Counted::new(counts.into_iter().map(AtomicU32::into_inner).collect(), groups)
    }
}

/// Where items go that were counted: the groups one after the other, in each of them the chunks.
pub(super) struct Counted {
    /// Where the first item of each chunk and group goes.
    next: Vec<u32>,
    /// Where each group begins, and where the last ends.
    starts: Vec<usize>,
}

impl Counted {
    /// From how many items each chunk has of each group.
    fn new(mut counts: Vec<u32>, groups: usize) -> Self {
        let mut starts = vec![0; groups + 1];
        for of_chunk in counts.chunks(groups) {
            starts[1..].iter_mut().zip(of_chunk).for_each(|(start, &count)| *start += count as usize);
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut next: Vec<u32> = starts.iter().map(|&start| start as u32).collect();
        for of_chunk in counts.chunks_mut(groups) {
            next.iter_mut().zip(of_chunk).for_each(|(next, count)| (*count, *next) = (*next, *next + *count));
        }
        Self { next: counts, starts }
    }

    pub(super) fn groups(&self) -> usize {
        self.starts.len() - 1
    }

    /// Where the next item of each group goes, before any of a chunk.
    pub(super) fn next_of(&self, chunk: usize) -> Vec<u32> {
        self.next[chunk * self.groups()..][..self.groups()].to_vec()
    }

    /// The places of a group.
    pub(super) fn of(&self, group: usize) -> Range<usize> {
        self.starts[group]..self.starts[group + 1]
    }
}
