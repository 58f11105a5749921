//! The rows of an index in the order of their destinations.

use std::cell::Cell;
use std::ops::Range;

/// Bits of a digit at most: the places where elements of each digit go next stay in the innermost cache.
const DIGIT: u32 = 11;

/// Rows in the order of their destinations, equal ones as they stand, and the runs of those that have one in common.
pub(super) struct Order {
    rows: Vec<u32>,
    runs: Vec<Run>,
}

#[derive(Clone, Copy)]
struct Run {
    destination: u32,
    /// Its first row, in the order.
    start: u32,
}

impl Order {
    /// By counting how many rows go to each of `size` destinations.
    pub(super) fn counted(keys: &[Cell<i32>], size: usize) -> Self {
        let mut next = vec![0_u32; size];
        keys.iter().for_each(|key| next[key.get() as usize] += 1);
        let mut runs = Vec::with_capacity(size.min(keys.len()));
        let mut start = 0;
        for (destination, next) in next.iter_mut().enumerate() {
            let count = std::mem::replace(next, start);
            if count > 0 {
                runs.push(Run { destination: destination as u32, start });
                start += count;
            }
        }
        let mut rows = vec![0_u32; keys.len()];
        for (row, key) in keys.iter().enumerate() {
            let next = &mut next[key.get() as usize];
            rows[*next as usize] = row as u32;
            *next += 1;
        }
        Self { rows, runs }
    }

    /// By sorting, digit by digit from the last on, the numbers of destinations below `size`.
    pub(super) fn sorted(keys: &[Cell<i32>], size: usize) -> Self {
        let key = |(row, key): (usize, &Cell<i32>)| u64::from(key.get() as u32) << 32 | row as u64;
        let mut keys: Vec<u64> = keys.iter().enumerate().map(key).collect();
        let mut spare = vec![0_u64; keys.len()];
        let bits = usize::BITS - size.saturating_sub(1).leading_zeros();
        let digits = bits.div_ceil(DIGIT);
        let width = bits.div_ceil(digits.max(1));
        for digit in 0..digits {
            let of = |key: u64| (key >> (32 + digit * width)) as usize & ((1 << width) - 1);
            let mut next = vec![0_usize; 1 << width];
            keys.iter().for_each(|&key| next[of(key)] += 1);
            let mut start = 0;
            for next in &mut next {
                start += std::mem::replace(next, start);
            }
            for &key in &keys {
                let next = &mut next[of(key)];
                spare[*next] = key;
                *next += 1;
            }
            std::mem::swap(&mut keys, &mut spare);
        }
        let mut runs: Vec<Run> = Vec::new();
        for (start, key) in keys.iter().enumerate() {
            let destination = (key >> 32) as u32;
            if runs.last().is_none_or(|run| run.destination != destination) {
                runs.push(Run { destination, start: start as u32 });
            }
        }
        Self { rows: keys.into_iter().map(|key| key as u32).collect(), runs }
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
        let end = self.runs.get(run + 1).map_or(self.rows.len(), |next| next.start as usize);
        self.runs[run].start as usize..end
    }

    /// The rows of a run.
    pub(super) fn rows(&self, run: usize) -> &[u32] {
        &self.rows[self.range(run)]
    }

    /// The row so many places after the first of a run, for reading ahead.
    pub(super) fn ahead(&self, run: usize, by: usize) -> Option<usize> {
        self.rows.get(self.runs[run].start as usize + by).map(|&row| row as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(order: &Order) -> Vec<(usize, Vec<u32>)> {
        (0..order.len()).map(|run| (order.destination(run, 9), order.rows(run).to_vec())).collect()
    }

    #[test]
    fn counting_and_sorting_find_the_same_order() {
        for keys in [vec![], vec![4], vec![3, 1, 3, 0, 1, 3], vec![5; 7], vec![0, 8, 0, 8]] {
            let cells: Vec<Cell<i32>> = keys.iter().map(|&key| Cell::new(key)).collect();
            let (counted, sorted) = (Order::counted(&cells, 9), Order::sorted(&cells, 9));
            assert_eq!(runs(&counted), runs(&sorted), "{keys:?}");
            for (destination, rows) in runs(&counted) {
                assert!(rows.is_sorted() && rows.iter().all(|&row| keys[row as usize] == destination as i32));
            }
            assert_eq!(counted.first_from(0), 0);
            assert_eq!(counted.first_from(keys.len()), counted.len());
        }
    }

    #[test]
    fn sorting_takes_destinations_of_any_number_of_digits() {
        for size in [1, 2, 2048, 2049, 100_000, 1 << 22, (1 << 22) + 1, i32::MAX as usize] {
            let key = |i: usize| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % size;
            let cells: Vec<Cell<i32>> = (0..500).map(|i| Cell::new(key(i / 2 * (i % 3)) as i32)).collect();
            let mut want: Vec<(usize, u32)> = cells.iter().map(|key| key.get() as usize).zip(0..).collect();
            want.sort_unstable();
            let order = Order::sorted(&cells, size);
            let found = (0..order.len()).flat_map(|run| order.rows(run).iter().map(move |&row| (run, row)));
            let found: Vec<_> = found.map(|(run, row)| (order.destination(run, size), row)).collect();
            assert_eq!(found, want, "{size} destinations");
            assert!((1..order.len()).all(|run| order.destination(run - 1, size) < order.destination(run, size)));
        }
    }
}
