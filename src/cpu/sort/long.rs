//! Long rows: items go to groups of neighbouring keys, small enough to be sorted in a cache, and then each group is sorted.
//!
//! A sample of the keys decides which of them make a group, so that groups have about as many items each, however keys are
//! spread. Where each item of each chunk of the row goes is counted before it is moved, and a chunk's items stay in their
//! order: the result is the same on any number of threads, and equal items stay as they stand. Groups of which nothing is
//! wanted are neither moved nor sorted, which is how a median is found.

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::item::{Element, Item};
use super::radix;
use super::row::Row;
use crate::cpu::arch::Arch;
use crate::cpu::chunks::Chunks;
use crate::cpu::lines::fetch;
use crate::cpu::threads;

/// Bits of a key, below those that all keys share, that tell which group it belongs to.
const DIGIT: u32 = 16;
/// Items of a group, about, and groups, about: each is a place in memory that is written to by turns.
const GROUP: usize = 4096;
const GROUPS: usize = 2048;
/// Elements for one of the sample, at least, and the size of a sample, at most.
const SAMPLED: usize = 8;
const SAMPLE: usize = 64 * 1024;
/// Elements of a chunk, at least.
const CHUNK: usize = 16 * 1024;
/// Items of a group from which on it is cut into groups itself, and how often that is done.
const LARGE: usize = 128 * 1024;
const MOST_CUTS: u32 = 4;
/// Items whose groups are found before they are moved.
const BLOCK: usize = 256;
/// Bytes ahead of which a group's next cache line is asked for.
const AHEAD: usize = 64;

/// Items in the order in which they stand.
pub(super) trait Items<I>: Sync {
    fn len(&self) -> usize;
    /// The key of the one at a place.
    fn key(&self, place: usize) -> u64;
    /// Calls `f` with those of these places, one after the other, at most [`BLOCK`] at a time.
    fn each_block(&self, places: Range<usize>, f: impl FnMut(&[I]));
    /// The smallest and the largest key at these places.
    fn bounds(&self, places: Range<usize>) -> [u64; 2];
}

impl<T: Element, I: Item> Items<I> for Row<'_, T> {
    fn len(&self) -> usize {
        self.n
    }

    fn key(&self, place: usize) -> u64 {
        self.elements(place..place + 1)[0].get().key() ^ self.turn
    }

    #[inline(always)]
    fn each_block(&self, places: Range<usize>, mut f: impl FnMut(&[I])) {
        let (mut first, turn) = (places.start, self.turn);
        let mut block = [I::zeroed(); BLOCK];
        for elements in self.elements(places).chunks(BLOCK) {
            for (i, (item, x)) in block.iter_mut().zip(elements).enumerate() {
                *item = I::new(x.get().key() ^ turn, first + i);
            }
            f(&block[..elements.len()]);
            first += elements.len();
        }
    }

    fn bounds(&self, places: Range<usize>) -> [u64; 2] {
        let elements = self.elements(places);
        let mut bounds = [0; 2];
        Arch::new().dispatch(|| bounds = T::bounds(elements));
        let mut bounds = bounds.map(|key| key ^ self.turn);
        bounds.sort_unstable();
        bounds
    }
}

impl<I: Item> Items<I> for Vec<I> {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn key(&self, place: usize) -> u64 {
        self[place].key()
    }

    #[inline(always)]
    fn each_block(&self, places: Range<usize>, f: impl FnMut(&[I])) {
        self[places].chunks(BLOCK).for_each(f);
    }

    fn bounds(&self, places: Range<usize>) -> [u64; 2] {
        radix::bounds(&self[places])
    }
}

/// Which group a key belongs to.
struct Groups {
    least: u64,
    shift: u32,
    /// As long as digits are many, so that no bound need be checked.
    of_digit: Box<[u16; 1 << DIGIT]>,
    count: usize,
}

impl Groups {
    /// The group of each of a block's items.
    #[inline(always)]
    fn find<I: Item>(&self, block: &[I], found: &mut [u16; BLOCK]) {
        let (least, shift, of_digit) = (self.least, self.shift, &self.of_digit);
        for (found, x) in found.iter_mut().zip(block) {
            *found = of_digit[((x.key() - least) >> shift) as usize & ((1 << DIGIT) - 1)];
        }
    }

    /// The keys from the first group marked to the last.
    fn keys(&self, marked: &[bool]) -> RangeInclusive<u64> {
        let is_marked = |group: &u16| marked[usize::from(*group)];
        let (Some(first), Some(last)) =
            (self.of_digit.iter().position(is_marked), self.of_digit.iter().rposition(is_marked))
        else {
            unreachable!("some rank is wanted")
        };
        let key = |digit: usize| self.least.saturating_add((digit as u64) << self.shift);
        key(first)..=key(last).saturating_add((1 << self.shift) - 1)
    }

    /// Groups of about as many items each, for `n` keys from `least` to `most`, of which some are given.
    fn new(sample: impl ExactSizeIterator<Item = u64>, n: usize, least: u64, most: u64) -> Self {
        let shift = (u64::BITS - (most - least).leading_zeros()).saturating_sub(DIGIT);
        let enough = (sample.len() / (n / GROUP).clamp(2, GROUPS)).max(1) as u32;
        let mut counts = vec![0_u32; 1 << DIGIT];
        sample.for_each(|key| counts[((key - least) >> shift) as usize] += 1);
        // Digits of the group so far, and the items of the sample in it. A digit that has enough is a group of its own.
        let (mut group, mut digits, mut held) = (0, 0, 0);
        let mut of_digit = vec![0_u16; 1 << DIGIT];
        for (of_digit, count) in of_digit.iter_mut().zip(counts) {
            if digits > 0 && held + count >= enough {
                (group, digits, held) = (group + 1, 0, 0);
            }
            (digits, held) = (digits + 1, held + count);
            *of_digit = group;
        }
        let of_digit = of_digit.try_into().unwrap_or_else(|_| unreachable!("a number for each digit"));
        Self { least, shift, of_digit, count: usize::from(group) + 1 }
    }
}

/// Those of a block whose keys are wanted.
fn among<'a, I: Item>(block: &[I], wanted: &RangeInclusive<u64>, held: &'a mut [I; BLOCK]) -> &'a [I] {
    let mut n = 0;
    for &x in block {
        held[n] = x;
        n += usize::from(wanted.contains(&x.key()));
    }
    &held[..n]
}

/// The smallest and the largest key, and some of all parts of the items.
fn look_at<I: Item>(items: &impl Items<I>, chunks: Chunks) -> ([u64; 2], impl ExactSizeIterator<Item = u64>) {
    let (least, most) = (AtomicU64::new(u64::MAX), AtomicU64::new(0));
    let step = items.len().div_ceil(SAMPLE).max(SAMPLED);
    let sample: Vec<AtomicU64> = (0..items.len() / step).map(|_| AtomicU64::new(0)).collect();
    chunks.each(|_, places| {
        let [low, high] = items.bounds(places.clone());
        least.fetch_min(low, Relaxed);
        most.fetch_max(high, Relaxed);
        let [start, end] = [places.start, places.end].map(|place| place.div_ceil(step).min(sample.len()));
        for (i, sampled) in (start..).zip(&sample[start..end]) {
            // Anywhere in its part of the row, so that no period of the keys goes unnoticed.
            let place = i * step + ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % step;
            sampled.store(items.key(place), Relaxed);
        }
    });
    ([least.into_inner(), most.into_inner()], sample.into_iter().map(AtomicU64::into_inner))
}

/// Writes what is wanted of `items`, which are those of the row of ranks `first` and on, to where it belongs.
///
/// Threads take chunks, and write an item to a place that is its own; then they take groups, of which each has its part of
/// memory. So no thread writes what another reads or writes, as [`Span::new`](crate::cpu::strip::Span::new) demands.
pub(super) fn sort<T: Element, I: Item>(row: &Row<'_, T>, items: &impl Items<I>, first: usize, cuts: u32) {
    let n = items.len();
    let chunks = Chunks::new(n, CHUNK, row.by_all);
    let ([least, most], sample) = look_at(items, chunks);
    if threads::is_stopped() {
        return;
    }
    if least == most {
        return chunks.each(|_, places| {
            let (start, mut equal) = (places.start, Vec::new());
            items.each_block(places, |block| equal.extend_from_slice(block));
            row.write(first + start, &equal);
        });
    }

    let groups = Groups::new(sample, n, least, most);
    let counted = chunks.counted(groups.count, |places, count| {
        let mut found = [0; BLOCK];
        items.each_block(places, |block| {
            groups.find(block, &mut found);
            found[..block.len()].iter().for_each(|&group| count[usize::from(group)] += 1);
        });
    });
    if threads::is_stopped() {
        // Not all were counted.
        return;
    }
    let ranks = |group: usize| first + counted.of(group).start..first + counted.of(group).end;
    let is_wanted: Vec<bool> = (0..groups.count).map(|group| row.wants(ranks(group))).collect();
    let (wanted, all) = (groups.keys(&is_wanted), is_wanted.iter().all(|&is| is));

    chunks.each(|i, places| {
        let (moved, mut next) = (row.moved::<I>(first..first + n), counted.next_of(i));
        let (mut found, mut held) = ([0; BLOCK], [I::zeroed(); BLOCK]);
        items.each_block(places, |block| {
            let block = if all { block } else { among(block, &wanted, &mut held) };
            groups.find(block, &mut found);
            // A loop that reads nothing else: what it reads may have to wait for lines that are being written.
            for (&x, &group) in block.iter().zip(&found) {
                let next = &mut next[usize::from(group)];
                let place = *next as usize;
                *next += 1;
                moved[place].set(x);
                // Without this, each line that is begun is waited for.
                fetch(moved, place + AHEAD / size_of::<I>(), 1);
            }
        });
    });

    let large = Mutex::new(Vec::new());
    threads::each(groups.count, if row.by_all { n } else { 0 }, |group| {
        let ranks = ranks(group);
        if !is_wanted[group] || ranks.is_empty() {
            return;
        }
        if ranks.len() > LARGE && cuts < MOST_CUTS {
            return large.lock().unwrap_or_else(PoisonError::into_inner).push(ranks);
        }
        let mut of_group: Vec<I> = row.moved::<I>(ranks.clone()).iter().map(std::cell::Cell::get).collect();
        row.write_sorted(ranks.start, &mut of_group, &mut Vec::new());
    });
    for ranks in large.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let of_group: Vec<I> = row.moved::<I>(ranks.clone()).iter().map(std::cell::Cell::get).collect();
        sort(row, &of_group, ranks.start, cuts + 1);
    }
}
