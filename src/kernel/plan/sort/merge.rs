//! Sorts by blocks in workgroup memory, then merges of two sorted runs each, twice as long every time.
//!
//! Where the first few are wanted alone, each block keeps so many, and what all blocks of a row have kept is sorted by blocks
//! again. No invocation waits for another beyond a barrier.

use super::{Job, Ranks, Rows, SortLaunch};
use crate::Result;
use crate::kernel::plan::Planner;
use crate::kernel::spec::{MERGED, Sort, SortPass};
use crate::kernel::uniforms::{Dim, Head};

/// A block keeps some of its elements alone where it has so many times as many, at least.
const FEW: usize = 4;

/// One pass of a job: which kind, the elements of a row of it and how many are before them, what they are read from and
/// written to, the length of the runs or blocks it leaves, and of which ranks.
struct Pass<'a> {
    pass: SortPass,
    row: usize,
    start: usize,
    from: &'a Rows,
    to: &'a Rows,
    run: usize,
    first: usize,
    count: usize,
}

impl Planner<'_> {
    /// Elements that a workgroup sorts.
    fn block(&self) -> usize {
        2 * self.caps.tuning.workgroup as usize
    }

    /// Whether blocks keep so few of their elements that merges are not worth while.
    pub(super) fn keeps_few(&self, ranks: [usize; 2]) -> bool {
        ranks[0] == 0 && ranks[1] * FEW <= self.block()
    }

    /// Passes over a row all of whose ranks may be wanted.
    pub(super) fn merge_passes(&self, row: usize) -> usize {
        1 + row.div_ceil(self.block()).next_power_of_two().ilog2() as usize
    }

    /// How many memories a job takes in turn, and the elements of a row that each must hold.
    pub(super) fn rooms(&self, row: usize, ranks: Ranks) -> (usize, usize) {
        let block = self.block();
        if !self.keeps_few([ranks.first, ranks.count]) {
            return ((self.merge_passes(row) - 1).min(2), row);
        }
        let kept = left(row, block, ranks.count);
        (usize::from(row > block) + usize::from(kept > block && row > block), kept)
    }

    /// Blocks, then merges.
    pub(super) fn sort_all(&mut self, job: &Job) -> Result<()> {
        let (mut run, mut from, mut turn) = (self.block(), &job.from, 0);
        let mut pass = SortPass::Blocks;
        loop {
            let last = run >= job.row;
            let to = if last { &job.to } else { &job.rooms[turn] };
            // What is in no last pass is written as it is: of all ranks.
            let (first, count) = match (last, pass) {
                (true, _) => (job.first, job.count),
                (false, SortPass::Blocks) => (0, run),
                (false, _) => (0, job.row),
            };
            self.sort_pass(job, &Pass { pass, row: job.row, start: 0, from, to, run, first, count })?;
            if last {
                return Ok(());
            }
            (pass, from, turn, run) = (SortPass::Merge, to, 1 - turn, 2 * run);
        }
    }

    /// Blocks that keep the first few of their elements, as often as it takes until all are in one block.
    pub(super) fn sort_few(&mut self, job: &Job) -> Result<()> {
        let (block, mut row, mut from, mut turn) = (self.block(), job.row, job.from.clone(), 0);
        loop {
            let left = left(row, block, job.count);
            let last = row <= block;
            // A room has space for what the first pass leaves; later passes leave less.
            let to = if last { job.to.clone() } else { job.rooms[turn].shortened(left) };
            for (start, len) in self.parts(&from, block)? {
                let kept = (start / block * job.count, self::left(len, block, job.count));
                let (from, to) = (&from.narrow(1, start, len), &to.narrow(1, kept.0, kept.1));
                let (pass, count) = (SortPass::Blocks, job.count);
                self.sort_pass(job, &Pass { pass, row: len, start, from, to, run: block, first: 0, count })?;
            }
            if last {
                return Ok(());
            }
            (row, from, turn) = (left, to, 1 - turn);
        }
    }

    fn sort_pass(&mut self, job: &Job, part: &Pass<'_>) -> Result<()> {
        let Pass { pass, row, start, from, to, run, first, count } = *part;
        // What one row is shared out to: workgroups, or invocations.
        let blocks = match pass {
            SortPass::Merge => row.div_ceil(MERGED as usize),
            _ => row.div_ceil(run),
        };
        let units = job.rows * blocks;
        let (placed, values, places) = (from.places.is_some(), to.keys.is_some(), to.places.is_some());
        self.sort_launch(SortLaunch {
            sort: Sort { pass, dtype: job.dtype, descending: job.descending, placed, values, places },
            reads: from.views().collect(),
            writes: to.views().collect(),
            workgroups: match pass {
                SortPass::Merge => units.div_ceil(self.caps.tuning.workgroup as usize),
                _ => units,
            },
            dims: vec![Dim { size: self.count(count)?, count: self.count(first)?, ..Dim::default() }],
            head: Head {
                n: self.count(job.rows)?,
                n_reduced: self.count(row)?,
                chunk: self.count(if pass == SortPass::Merge { run / 2 } else { start })?,
                blocks: self.count(blocks)?,
                turns: run.ilog2(),
                ..Head::default()
            },
        })
    }
}

/// Elements of a row of which each block has kept `count`.
fn left(row: usize, block: usize, count: usize) -> usize {
    let whole = row.div_ceil(block) - 1;
    whole * count + count.min(row - whole * block)
}
