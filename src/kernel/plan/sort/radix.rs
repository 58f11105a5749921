//! Sorts by one digit of the elements' orders after the other, the least significant first (Knuth, "The art of computer
//! programming", volume 3, 5.2.5).
//!
//! By each digit in three steps, as in Merrill and Grimshaw, "High performance and scalable radix sorting" (2011): workgroups
//! count the digits of their tiles, a scan of all counts finds where each tile's elements of a digit go, and workgroups move
//! them there, in the order in which they stand. No invocation waits for another beyond a barrier.

use super::{Job, Ranks, Rows, SortLaunch, shortened};
use crate::base::layout::Layout;
use crate::kernel::plan::Planner;
use crate::kernel::plan::view::View;
use crate::kernel::spec::{Sort, SortPass, Tile};
use crate::kernel::uniforms::{Dim, Head};
use crate::{DType, Result, Shape};

/// Bits of a digit: with 8 of them, counters of all digits and a tile fit the least workgroup memory that devices have.
const DIGIT: u32 = 8;
/// Bits of the last digit, where it has no more. A digit is sorted by so many bits at a time.
const HALF_DIGIT: u32 = 4;

/// The bits in which the orders of elements differ: an order is an integer, of a float that of its bits.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    from: u32,
    to: u32,
    /// Whether the last of them is a sign.
    signed: bool,
}

impl Bits {
    /// Of elements that fit a dtype, whatever they are held as.
    pub(super) const fn of(dtype: DType) -> Self {
        let (from, to, signed) = match dtype {
            DType::Bool => (0, 1, false),
            DType::U8 => (0, 8, false),
            DType::U16 => (0, 16, false),
            DType::U32 => (0, 32, false),
            DType::I8 => (0, 8, true),
            DType::I16 => (0, 16, true),
            DType::I32 | DType::F32 => (0, 32, true),
            // As f32s, their orders have the same lower bits.
            DType::F16 => (13, 32, true),
            DType::BF16 => (16, 32, true),
            // What is ordered as u64s are has had its sign turned round.
            DType::I64 | DType::U64 | DType::F64 => (0, 64, true),
        };
        Self { from, to, signed }
    }

    /// Of integers from 0 on and below `end`.
    pub(super) fn below(end: usize) -> Self {
        Self { from: 0, to: end.max(2).next_power_of_two().ilog2(), signed: false }
    }

    /// The digits to sort by.
    fn digits(self, descending: bool) -> Vec<Digit> {
        let mut digits = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let bits = if self.to - from > HALF_DIGIT { DIGIT } else { HALF_DIGIT };
            let is_last = from + bits >= self.to;
            let sign = if self.signed && is_last { 1 << (self.to - 1 - from) } else { 0 };
            let all = if descending { (1 << bits) - 1 } else { 0 };
            digits.push(Digit { from, bits, turned: sign ^ all });
            from += bits;
        }
        digits
    }
}

/// One digit of an order: its first bit, how many there are, and which of them are turned round.
#[derive(Clone, Copy)]
struct Digit {
    from: u32,
    bits: u32,
    turned: u32,
}

/// How rows are sorted by digits.
#[derive(Clone)]
pub(super) struct Radix {
    digits: Vec<Digit>,
    /// Tiles that a workgroup takes, one after the other, and counts together.
    turns: usize,
    /// For each row memory for the counts of each digit's values in each workgroup's tiles, and for their sums.
    counts: [View; 2],
}

impl Radix {
    pub(super) fn views(&self) -> impl Iterator<Item = View> {
        self.counts.iter().cloned()
    }

    pub(super) fn narrow(&self, start: usize, len: usize) -> Self {
        let [counts, sums] = &self.counts;
        let counts = [counts, sums].map(|view| view.narrow(0, start, len));
        Self { digits: self.digits.clone(), turns: self.turns, counts }
    }

    /// How many memories the passes before the last take in turn.
    pub(super) fn rooms(&self) -> usize {
        (self.digits.len() - 1).min(2)
    }
}

/// One pass by one digit: what it moves from where to where, from which rank on, and the tiles that a workgroup takes.
struct Pass<'a> {
    digit: Digit,
    from: &'a Rows,
    to: &'a Rows,
    first: usize,
    turns: usize,
}

/// Bindings of a launch that sorts by a digit into these rows: elements and places, which are read and written, and the sums.
pub(super) fn digit_bindings(to: &Rows) -> usize {
    if to.places.is_some() { 5 } else { 3 }
}

impl Planner<'_> {
    /// Elements of a tile.
    fn tile(&self) -> usize {
        (self.caps.tuning.workgroup * self.caps.tuning.sort_items) as usize
    }

    /// How to sort rows by digits, where that moves fewer bytes than merges do, or a row is more than a binding shows.
    pub(super) fn radix(
        &mut self,
        to: &Rows,
        rows: [usize; 2],
        dtype: DType,
        ranks: Ranks,
        bits: Bits,
    ) -> Option<Radix> {
        let [rows, row] = rows;
        let digits = bits.digits(ranks.descending);
        let few = self.keeps_few([ranks.first, ranks.count]);
        let wanted = row > self.most_shown(dtype.size().max(DType::I32.size()))
            || self.digits_move_less(&digits, to, row, dtype.size());
        if few || self.caps.max_bindings < digit_bindings(to) || !wanted {
            return None;
        }
        let widest = digits.iter().map(|digit| digit.bits).max()?;
        let numbers = |turns: usize| row.div_ceil(self.tile() * turns) << widest;
        // All counts of a row are seen at once.
        let most = self.most_shown(DType::I32.size());
        let turns = (0..usize::BITS).map(|bit| 1 << bit).find(|&turns| numbers(turns) <= most.max(1 << widest))?;
        let numbers = numbers(turns);
        let layout = Layout::contiguous(Shape::from([rows, numbers]));
        let counts = [(); 2].map(|()| View::new(self.temp(rows * numbers, DType::I32), DType::I32, layout.clone()));
        Some(Radix { digits, turns, counts })
    }

    /// Whether sorting by digits moves fewer bytes than merging.
    ///
    /// Either reads and writes an element, of `size` bytes, in every pass, and its place in every pass but the first, which
    /// reads none, where places are wanted. Each digit reads the elements once more, to count, and counts are written, read
    /// twice and written by the scan, and read again: five times four bytes of each value of a digit, by tile.
    ///
    /// So a row of n f32s takes 8 (1 + log2(n / 512)) bytes an element by merges and 58 by four digits of 256 values in tiles
    /// of 2,048, which is less where n is beyond 32,768; with their places 16 (1 + log2(n / 512)) - 4 and 86, so beyond 8,192.
    /// Of 100,000,000 f32s merges take 152 bytes each, and 300 with their places. On lavapipe, too, times are much as bytes
    /// are: see `benches/results/sorts.md`.
    fn digits_move_less(&self, digits: &[Digit], to: &Rows, row: usize, size: usize) -> bool {
        let place = if to.places.is_some() { DType::I32.size() } else { 0 };
        let each = 2 * (size + place);
        let tiles = row.div_ceil(self.tile());
        let counting = |digit: &Digit| row * size + ((tiles * 5 * DType::I32.size()) << digit.bits);
        let counts: usize = digits.iter().map(counting).sum();
        digits.len() * row * each + counts < self.merge_passes(row) * row * each
    }

    /// By each digit, from one memory to another.
    pub(super) fn sort_by_digits(&mut self, job: &Job, radix: &Radix) -> Result<()> {
        let (mut from, mut turn) = (&job.from, 0);
        for (i, &digit) in radix.digits.iter().enumerate() {
            let last = i + 1 == radix.digits.len();
            let to = if last { &job.to } else { &job.rooms[turn] };
            let first = if last { job.first } else { 0 };
            self.sort_by_digit(job, &Pass { digit, from, to, first, turns: radix.turns }, &radix.counts)?;
            (from, turn) = (to, 1 - turn);
        }
        Ok(())
    }

    /// Counts all parts of what is read, then moves each of them to each part of what is written.
    fn sort_by_digit(&mut self, job: &Job, pass: &Pass<'_>, counts: &[View; 2]) -> Result<()> {
        let group = self.tile() * pass.turns;
        let [counts, sums] = counts.each_ref().map(|view| shortened(view, job.row.div_ceil(group) << pass.digit.bits));
        let read = self.parts(pass.from, group)?;
        for &part in &read {
            self.count_digits(job, pass, part, &counts)?;
        }
        self.sums_before(&counts, &sums)?;
        for to in self.parts(pass.to, 1)? {
            for &from in &read {
                self.scatter(job, pass, [from, to], &sums)?;
            }
        }
        Ok(())
    }

    fn count_digits(&mut self, job: &Job, pass: &Pass<'_>, part: (usize, usize), counts: &View) -> Result<()> {
        let keys = Rows { keys: pass.from.keys.clone(), places: None }.narrow(1, part.0, part.1);
        let counted = SortPass::Count(self.tile_of(pass.digit));
        let sort =
            Sort { pass: counted, dtype: job.dtype, descending: false, placed: false, values: false, places: false };
        self.digit_launch(
            job,
            pass,
            part,
            Moved { sort, reads: keys.views().collect(), writes: vec![counts.clone()], ranks: Dim::default() },
        )
    }

    /// Moves elements of a part of each row to where the sums of all counts say, as far as that is in some other part.
    fn scatter(&mut self, job: &Job, pass: &Pass<'_>, parts: [(usize, usize); 2], sums: &View) -> Result<()> {
        let [read, (start, len)] = parts;
        let (from, to) = (pass.from.narrow(1, read.0, read.1), pass.to.narrow(1, start, len));
        let scattered = SortPass::Scatter(self.tile_of(pass.digit));
        let (placed, values, places) = (from.places.is_some(), to.keys.is_some(), to.places.is_some());
        let [size, skipped] = [len, pass.first + start].map(|n| self.count(n));
        self.digit_launch(
            job,
            pass,
            read,
            Moved {
                sort: Sort { pass: scattered, dtype: job.dtype, descending: false, placed, values, places },
                reads: from.views().chain([sums.clone()]).collect(),
                writes: to.views().collect(),
                ranks: Dim { size: size?, count: skipped?, ..Dim::default() },
            },
        )
    }

    fn tile_of(&self, digit: Digit) -> Tile {
        Tile { bits: digit.bits, items: self.caps.tuning.sort_items }
    }

    /// Launches a workgroup for each group of tiles of a part, which is told the digit.
    fn digit_launch(&mut self, job: &Job, pass: &Pass<'_>, part: (usize, usize), moved: Moved) -> Result<()> {
        let Moved { sort, reads, writes, ranks } = moved;
        let (group, (start, len)) = (self.tile() * pass.turns, part);
        let digit = Dim { size: pass.digit.from, count: pass.digit.turned, ..Dim::default() };
        let [all, before] = [job.row.div_ceil(group), start / group].map(|n| self.count(n));
        let groups = Dim { size: all?, count: before?, ..Dim::default() };
        self.sort_launch(SortLaunch {
            sort,
            reads,
            writes,
            workgroups: job.rows * len.div_ceil(group),
            dims: vec![ranks, digit, groups],
            head: Head {
                n: self.count(job.rows)?,
                n_reduced: self.count(len)?,
                chunk: self.count(start)?,
                blocks: self.count(len.div_ceil(group))?,
                turns: self.count(pass.turns)?,
                ..Head::default()
            },
        })
    }
}

/// What a launch by a digit reads and writes, and which ranks of a row that is.
struct Moved {
    sort: Sort,
    reads: Vec<View>,
    writes: Vec<View>,
    ranks: Dim,
}
