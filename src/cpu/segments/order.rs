//! The rows of an index in the order of their destinations.
//!
//! Rows go to groups of neighbouring destinations, few enough that the places where a group's next row goes stay in a cache;
//! then each group is put in order by itself. Where each row of each chunk goes is counted before it is moved: the order is the
//! same on any number of threads.

use std::cell::Cell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::cpu::chunks::Chunks;
use crate::cpu::strip::Span;
use crate::cpu::threads;

/// Bits that tell groups from each other at most, and rows for which there is a group.
const DIGIT: u32 = 11;
const GROUP: usize = 256;
/// Rows of a chunk, at least.
const CHUNK: usize = 32 * 1024;
/// By how many times a group has more destinations than rows where these are compared, not counted.
const SPARSE: usize = 16;

/// Rows in the order of their destinations, equal ones as they stand, and the runs of those that have one in common.
pub(super) struct Order<'m> {
    rows: Span<'m>,
    n: usize,
    runs: Vec<Run>,
}

#[derive(Clone, Copy)]
struct Run {
    destination: u32,
    /// Its first row, in the order.
    start: u32,
}

/// The memory of an order.
pub(super) struct Room<'m> {
    /// For a number of 32 bits a row.
    pub(super) rows: Span<'m>,
    /// For one of 64 bits a row, if destinations [`are_many`].
    pub(super) moved: Span<'m>,
}

/// Whether there are more destinations than groups.
pub(super) fn are_many(size: usize) -> bool {
    size > 1 << DIGIT
}

impl<'m> Order<'m> {
    /// The order of `n` rows that go to the destinations `keys` below `size`.
    ///
    /// Threads take chunks, and write a row to a place that is its own; then they take groups, of which each has its part of
    /// memory. So no thread writes what another reads or writes, as [`Span::new`] demands.
    pub(super) fn new(keys: Span<'_>, n: usize, size: usize, Room { rows, moved }: Room<'m>) -> Self {
        let bits = usize::BITS - size.saturating_sub(1).leading_zeros();
        let shift = if are_many(size) { bits - (n / GROUP).max(1).ilog2().min(DIGIT) } else { 0 };
        let groups = (size.saturating_sub(1) >> shift) + 1;
        let keys = |places: Range<usize>| {
            keys.strip(places.start as isize, places.len(), size_of::<i32>()).cells::<i32>().iter().map(Cell::get)
        };
        let chunks = Chunks::new(n, CHUNK, true);
        let counted =
            chunks.counted(groups, |places, count| keys(places).for_each(|key| count[key as usize >> shift] += 1));

        chunks.each(|i, places| {
            let mut next = counted.next_of(i);
            let mut place = |key: i32| {
                let next = &mut next[key as usize >> shift];
                *next += 1;
                *next as usize - 1
            };
            let keys = places.clone().zip(keys(places));
            if shift == 0 {
                let rows = numbers(rows, 0..n);
                keys.for_each(|(row, key)| rows[place(key)].set(row as u32));
            } else {
                let moved = moved.strip(0, n, size_of::<u64>()).cells::<u64>();
                keys.for_each(|(row, key)| moved[place(key)].set(u64::from(key as u32) << 32 | row as u64));
            }
        });
        if shift == 0 {
            let named = (0..groups).filter(|&group| !counted.of(group).is_empty());
            let run = |group| Run { destination: group as u32, start: counted.of(group).start as u32 };
            return Self { rows, n, runs: named.map(run).collect() };
        }

        let runs: Vec<Mutex<Vec<Run>>> = (0..groups).map(|_| Mutex::default()).collect();
        threads::each(groups, n, |group| {
            let places = counted.of(group);
            if !places.is_empty() {
                let moved = moved.strip(places.start as isize, places.len(), size_of::<u64>()).cells();
                let (start, rows) = (places.start as u32, numbers(rows, places));
                let found = finish(moved, group << shift, 1 << shift, rows, start);
                *runs[group].lock().unwrap_or_else(PoisonError::into_inner) = found;
            }
        });
        let runs = runs.into_iter().flat_map(|runs| runs.into_inner().unwrap_or_else(PoisonError::into_inner));
        Self { rows, n, runs: runs.collect() }
    }

    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The rows of the longest run.
    pub(super) fn longest(&self) -> usize {
        (0..self.len()).map(|run| self.range(run).len()).max().unwrap_or(0)
    }

    /// The first run that starts at this place in the order, or after it.
    pub(super) fn first_from(&self, place: usize) -> usize {
        self.runs.partition_point(|run| (run.start as usize) < place)
    }

    /// Where a run goes; `size` past the last.
    pub(super) fn destination(&self, run: usize, size: usize) -> usize {
        self.runs.get(run).map_or(size, |run| run.destination as usize)
    }

    fn range(&self, run: usize) -> Range<usize> {
        let end = self.runs.get(run + 1).map_or(self.n, |next| next.start as usize);
        self.runs[run].start as usize..end
    }

    /// The rows of a run.
    pub(super) fn rows(&self, run: usize) -> &'m [Cell<u32>] {
        numbers(self.rows, self.range(run))
    }

    /// The rows so many places after those of a run, for reading ahead, as far as there are any.
    pub(super) fn ahead(&self, run: usize, by: usize) -> &'m [Cell<u32>] {
        let Range { start, end } = self.range(run);
        numbers(self.rows, self.n.min(start + by)..self.n.min(end + by))
    }
}

/// The numbers of rows at some places of the order.
fn numbers(rows: Span<'_>, places: Range<usize>) -> &[Cell<u32>] {
    rows.strip(places.start as isize, places.len(), size_of::<u32>()).cells()
}

/// Writes the rows of a group in their order, and returns the runs, of which the first begins at place `start`. Of what was
/// moved, the upper half is a destination, one of `size` from `first` on, and the lower half a row.
fn finish(moved: &[Cell<u64>], first: usize, size: usize, rows: &[Cell<u32>], start: u32) -> Vec<Run> {
    let mut runs = Vec::new();
    if size > SPARSE * moved.len() {
        let mut sorted: Vec<u64> = moved.iter().map(Cell::get).collect();
        sorted.sort_unstable();
        for ((place, row), moved) in (start..).zip(rows).zip(sorted) {
            row.set(moved as u32);
            let destination = (moved >> 32) as u32;
            if runs.last().is_none_or(|run: &Run| run.destination != destination) {
                runs.push(Run { destination, start: place });
            }
        }
        return runs;
    }
    let mut next = vec![0_u32; size];
    let of = |moved: u64| (moved >> 32) as usize - first;
    moved.iter().for_each(|moved| next[of(moved.get())] += 1);
    let mut place = 0;
    for (destination, next) in (first as u32..).zip(&mut next) {
        let count = std::mem::replace(next, place);
        if count > 0 {
            runs.push(Run { destination, start: start + place });
            place += count;
        }
    }
    for moved in moved.iter().map(Cell::get) {
        let next = &mut next[of(moved)];
        rows[*next as usize].set(moved as u32);
        *next += 1;
    }
    runs
}

#[cfg(test)]
mod tests {
    #![allow(unsafe_code, reason = "spans of memory that is held")]

    use super::*;

    /// The destinations and rows of the runs of an order.
    fn runs(keys: &mut [i32], size: usize) -> Vec<(usize, Vec<u32>)> {
        let n = keys.len();
        let (mut rows, mut moved) = (vec![0_u32; n], vec![0_u64; n]);
        // SAFETY: all three outlive what is made of them, and nothing else reads or writes them before that is gone.
        let [keys, rows, moved] = [
            bytemuck::cast_slice_mut(keys),
            bytemuck::cast_slice_mut(&mut rows[..]),
            bytemuck::cast_slice_mut(&mut moved[..]),
        ]
        .map(|bytes: &mut [u8]| unsafe { Span::new(bytes) });
        let order = Order::new(keys, n, size, Room { rows, moved });
        assert_eq!([order.first_from(0), order.first_from(n)], [0, order.len()]);
        let longest = (0..order.len()).map(|run| order.rows(run).len()).max();
        assert_eq!(order.longest(), longest.unwrap_or(0));
        let rows = |run| order.rows(run).iter().map(Cell::get).collect();
        (0..order.len()).map(|run| (order.destination(run, size), rows(run))).collect()
    }

    #[test]
    fn rows_of_one_destination_stand_together_in_their_order() {
        for size in [1, 2, 9, 2048, 2049, 100_000, 1 << 22, (1 << 22) + 1, i32::MAX as usize] {
            for n in [0, 1, 7, 500, 3000, 100_000] {
                let key = |i: usize| ((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % size) as i32;
                let spread: Vec<i32> = (0..n).map(|i| key(i / 2 * (i % 3))).collect();
                for mut keys in [spread, vec![(size - 1) as i32; n]] {
                    let mut want: Vec<(usize, u32)> = keys.iter().map(|&key| key as usize).zip(0..).collect();
                    want.sort_unstable();
                    let found = runs(&mut keys, size);
                    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{size} destinations of {n} rows");
                    let found: Vec<(usize, u32)> =
                        found.into_iter().flat_map(|(to, rows)| rows.into_iter().map(move |row| (to, row))).collect();
                    assert!(found == want, "{size} destinations of {n} rows");
                    let alone = threads::alone(|| runs(&mut keys, size));
                    assert!(alone == runs(&mut keys, size), "{size} destinations of {n} rows");
                }
            }
        }
    }
}
