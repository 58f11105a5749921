//! Rows of few columns, folded as they come into accumulators for all destinations.
//!
//! Where there are many rows for each destination, they are cut into parts with accumulators of their own, which become one
//! in the end; how many depends on sizes alone. Else threads look at all rows, and each takes those of its own destinations:
//! these are folded in the order of the rows, whoever does it.

use std::ops::Range;

use super::Work;
use super::fold::{ELSEWHERE, Loops};
use crate::cpu::strip::{Span, Strip};
use crate::cpu::threads;
use crate::expr::graph::Fold;

/// Parts of the rows.
const PARTS: usize = 4;
/// Rows for each destination from which there are parts.
const CROWDED: usize = 8;
/// Least rows that are cut into parts, and that several threads look at.
const MANY: usize = 64 * 1024;
/// Threads that look at all rows.
const THREADS: usize = 4;
/// Destinations that a thread finishes at a time.
const CHUNK: usize = 16 * 1024;

pub(super) struct Narrow {
    places: usize,
    size: usize,
    row: usize,
    parts: usize,
    /// The temporary of the accumulators.
    pub(super) acc: usize,
    /// Bytes of an accumulator.
    wide: usize,
}

impl Narrow {
    pub(super) fn new(
        fold: Fold,
        [places, size, row]: [usize; 3],
        wide: usize,
        temp: impl FnOnce(usize) -> usize,
    ) -> Self {
        // Which of the parts has named a destination last, accumulators do not say.
        let crowded = fold != Fold::Last && places >= MANY && places >= size.saturating_mul(CROWDED);
        let parts = if crowded { PARTS } else { 1 };
        let acc = temp((parts * size + ELSEWHERE * PARTS.max(THREADS)) * row * wide);
        Self { places, size, row, parts, acc, wide }
    }

    /// Threads fold into accumulators and write destinations of their own.
    pub(super) fn run(&self, loops: &Loops, work: &Work<'_>, keys: Span<'_>, acc: Span<'_>) {
        let &Self { places, size, row, parts, wide, .. } = self;
        let element = loops.element;
        let base = work.base.unwrap_or(work.out);
        let of = |span: Span<'_>, range: &Range<usize>, fold: &dyn Fn(Strip<'_>)| {
            fold(span.strip((range.start * row) as isize, range.len() * row, element));
        };
        // Accumulators from row `first` on, of so many destinations.
        let room = |first: usize, n: usize| acc.strip((first * row) as isize, n * row, wide);
        let fold = |rows: Range<usize>, acc, own: Option<usize>| {
            let keys = keys.strip(rows.start as isize, rows.len(), size_of::<i32>());
            of(work.values, &rows, &|values| (loops.as_they_come)(keys, values, acc, row, own));
        };
        if parts == 1 {
            let shares = if places < MANY { 1 } else { threads::count().clamp(1, THREADS) };
            threads::each(shares, places * row, |share| {
                let own = share * size / shares..(share + 1) * size / shares;
                let all = room(own.start + share * ELSEWHERE, own.len() + ELSEWHERE);
                let named = all.part(0, own.len() * row);
                of(base, &own, &|base| (loops.start)(named, Some(base)));
                (loops.start)(all.part(own.len() * row, ELSEWHERE * row), None);
                fold(0..places, all, (shares > 1).then_some(own.start));
                of(work.out, &own, &|out| (loops.finish)(out, named, &[]));
            });
            return;
        }
        let first = |part: usize| part * (size + ELSEWHERE);
        threads::each(parts, places * row, |part| {
            let all = room(first(part), size + ELSEWHERE);
            (loops.start)(all, None);
            if part == 0 {
                of(base, &(0..size), &|base| (loops.start)(all.part(0, size * row), Some(base)));
            }
            fold(part * places / parts..(part + 1) * places / parts, all, None);
        });
        threads::each(size.div_ceil(CHUNK), size * row, |unit| {
            let own = unit * CHUNK..size.min((unit + 1) * CHUNK);
            let accs: [_; PARTS] = std::array::from_fn(|part| room(first(part) + own.start, own.len()));
            of(work.out, &own, &|out| (loops.finish)(out, accs[0], &accs[1..]));
        });
    }
}
