//! How the work of a reduction is shared out. It depends on the shape and the class of device, never on timing, so
//! that the same input gives the same bits.

use crate::kernel::spec::Strategy;
use crate::kernel::tuning::Tuning;

/// Elements of a reduction that is not split: a second pass would be most of what it takes.
const SMALL: usize = 8 * 1024;
/// Partial results a second pass takes up at most.
pub(super) const MAX_SPLITS: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kernel::plan) struct Shares {
    pub(in crate::kernel::plan) strategy: Strategy,
    /// Neighbouring elements an invocation takes at a step.
    pub(in crate::kernel::plan) width: u32,
    /// Invocations in a workgroup.
    pub(in crate::kernel::plan) workgroup: u32,
    /// Of those, how many share an output.
    pub(in crate::kernel::plan) lanes: u32,
    /// Groups of neighbouring columns, or rows, that an invocation takes.
    pub(in crate::kernel::plan) groups: u32,
    /// Workgroups that together cover the outputs once.
    pub(in crate::kernel::plan) blocks: usize,
    /// Into how many parts the rows are split, each by workgroups of its own.
    pub(in crate::kernel::plan) splits: usize,
    /// Rows in a part.
    pub(in crate::kernel::plan) chunk: usize,
    /// Neighbouring parts that take their rows in turn.
    pub(in crate::kernel::plan) turns: usize,
}

impl Shares {
    /// For `n` outputs of `rows` rows each, where an invocation takes `width` elements of `size` bytes at a step, and
    /// rows lie `step` bytes apart; in at most `max_splits` parts.
    pub(in crate::kernel::plan) fn new(
        strategy: Strategy,
        (width, size): (u32, usize),
        n: usize,
        (rows, step): (usize, usize),
        tuning: &Tuning,
        max_splits: usize,
    ) -> Self {
        let whole = Self::unsplit(strategy, (width, size), n, rows, tuning);
        let have = whole.blocks * whole.workgroup as usize;
        let steps = whole.steps(rows);
        let least = match strategy {
            Strategy::Inner => tuning.min_walk,
            Strategy::Outer | Strategy::Rows => tuning.min_rows,
        };
        let splits = (tuning.invocations as usize / have).min(steps / least as usize).min(max_splits);
        if strategy == Strategy::Rows || splits < 2 || n.saturating_mul(rows) < SMALL {
            return whole;
        }
        let turns = match strategy {
            Strategy::Outer if whole.lanes == 1 => tuning.turns(step).min(floor_power_of_two(splits)),
            _ => 1,
        };
        // Whole steps of all lanes, so that only the last part may end in the middle of one.
        let unit = (width * whole.lanes).max(4) as usize;
        let chunk = rows.div_ceil(splits / turns * turns).next_multiple_of(unit);
        Self { splits: rows.div_ceil(chunk * turns) * turns, chunk, turns, ..whole }
    }

    /// The same with each output finished by one workgroup.
    pub(in crate::kernel::plan) fn unsplit(
        strategy: Strategy,
        (width, size): (u32, usize),
        n: usize,
        rows: usize,
        tuning: &Tuning,
    ) -> Self {
        let (most, max_lanes) = (tuning.workgroup as usize, tuning.max_lanes as usize);
        let groups = match strategy {
            Strategy::Outer if width > 1 => {
                let mut groups = if size == 2 { tuning.half_groups } else { tuning.groups };
                while groups > 1 && !n.is_multiple_of((width * groups) as usize) {
                    groups /= 2;
                }
                groups
            }
            Strategy::Rows => width,
            Strategy::Outer | Strategy::Inner => 1,
        };
        // What neighbouring invocations have of their own.
        let columns = n.div_ceil(outputs_of_one(strategy, width, groups));
        let wanted = match strategy {
            // Enough steps a lane to be worth joining its result with the others'.
            Strategy::Inner => rows.div_ceil(width as usize) / tuning.min_steps as usize,
            // The invocations that columns leave idle; and where few workgroups would be busy, more of them, each
            // with a run of columns.
            Strategy::Outer if columns < tuning.invocations as usize / 16 => {
                (tuning.spread.min(tuning.workgroup) as usize / columns.min(tuning.run as usize)).min(rows / 8)
            }
            Strategy::Outer | Strategy::Rows => 1,
        };
        let lanes = floor_power_of_two(wanted.clamp(1, max_lanes.min(most)));
        // Fewer outputs than a workgroup has room for: a smaller workgroup, where lanes are limited, for the rest of
        // it would be idle.
        let room = most / lanes;
        let workgroup = if max_lanes < most { lanes * columns.next_power_of_two().min(room) } else { most };
        let blocks = columns.div_ceil(workgroup / lanes).max(1);
        Self {
            strategy,
            width,
            workgroup: workgroup as u32,
            lanes: lanes as u32,
            groups,
            blocks,
            splits: 1,
            chunk: rows,
            turns: 1,
        }
    }

    /// Steps that each lane takes.
    fn steps(&self, rows: usize) -> usize {
        let along = match self.strategy {
            Strategy::Inner => rows.div_ceil(self.width as usize),
            Strategy::Outer | Strategy::Rows => rows,
        };
        along.div_ceil(self.lanes as usize)
    }
}

/// Outputs of an invocation, or of the lanes that share one.
fn outputs_of_one(strategy: Strategy, width: u32, groups: u32) -> usize {
    match strategy {
        Strategy::Outer => (width * groups) as usize,
        Strategy::Inner | Strategy::Rows => groups as usize,
    }
}

fn floor_power_of_two(n: usize) -> usize {
    1 << n.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_and_every_output_in_one_block() {
        for tuning in [Tuning::discrete(), Tuning::software()] {
            for strategy in [Strategy::Inner, Strategy::Outer, Strategy::Rows] {
                for (width, size) in [(1, 4), (4, 4), (4, 2)] {
                    for n in [1, 3, 4, 64, 1000, 4096, 16_000_000] {
                        for rows in [0, 1, 5, 63, 64, 1025, 70_000, 16_000_000] {
                            let s = Shares::new(strategy, (width, size), n, (rows, n * size), &tuning, MAX_SPLITS);
                            assert!(s.splits * s.chunk >= rows, "{s:?}");
                            assert!(s.splits <= MAX_SPLITS && s.splits.is_multiple_of(s.turns), "{s:?}");
                            assert!(s.splits == 1 || (s.splits - s.turns) * s.chunk < rows, "empty parts: {s:?}");
                            assert!(s.lanes.is_power_of_two() && s.workgroup.is_multiple_of(s.lanes), "{s:?}");
                            let each = outputs_of_one(strategy, width, s.groups);
                            let per_block = (s.workgroup / s.lanes) as usize * each;
                            assert!(s.blocks * per_block >= n, "{s:?}");
                        }
                    }
                }
            }
        }
    }

    /// What the table of [`Tuning`] makes of the shapes it was measured with, and of some others.
    #[test]
    fn work_is_shared_out_as_measured() {
        let (discrete, software) = (Tuning::discrete(), Tuning::software());
        let (outer, inner, by_rows) = (Strategy::Outer, Strategy::Inner, Strategy::Rows);
        // Elements of a step and bytes of each, the matrix; then workgroup, lanes, groups, blocks, splits, chunk, turns.
        let table = [
            (discrete, outer, (4, 4), (4096, 4096), (256, 32, 1, 128, 8, 512, 1)),
            (discrete, outer, (1, 4), (4096, 4096), (256, 32, 1, 512, 2, 2048, 1)),
            (discrete, outer, (4, 4), (16, 1 << 20), (256, 1, 1, 1024, 1, 16, 1)),
            (discrete, outer, (4, 4), (63, 1000), (256, 4, 1, 4, 1, 63, 1)),
            (discrete, outer, (1, 4), (1000, 3), (256, 64, 1, 1, 1, 1000, 1)),
            (discrete, outer, (4, 4), (63, 1 << 16), (256, 1, 1, 64, 3, 24, 1)),
            (discrete, outer, (4, 2), (1 << 22, 4), (256, 256, 1, 1, 1024, 4096, 1)),
            (discrete, inner, (4, 4), (4096, 4096), (256, 256, 1, 4096, 1, 4096, 1)),
            (discrete, inner, (1, 4), (65_536, 256), (256, 64, 1, 16_384, 1, 256, 1)),
            (discrete, inner, (4, 4), (16, 1 << 20), (256, 256, 1, 16, 64, 16_384, 1)),
            (discrete, inner, (4, 4), (1, 100), (256, 4, 1, 1, 1, 100, 1)),
            (discrete, inner, (4, 4), (1 << 22, 4), (256, 1, 1, 16_384, 1, 4, 1)),
            (discrete, by_rows, (4, 4), (1 << 22, 4), (256, 1, 4, 4096, 1, 4, 1)),
            (software, outer, (4, 4), (4096, 4096), (64, 1, 2, 8, 64, 64, 1)),
            (software, outer, (1, 4), (4096, 4096), (64, 1, 1, 64, 64, 64, 1)),
            (software, outer, (4, 2), (4096, 4096), (64, 1, 4, 4, 64, 64, 2)),
            (software, outer, (4, 4), (65_536, 256), (32, 1, 2, 1, 1024, 64, 16)),
            (software, outer, (4, 2), (65_536, 256), (16, 1, 4, 1, 1024, 64, 32)),
            (software, outer, (4, 4), (16_384, 1024), (64, 1, 2, 2, 256, 64, 4)),
            (software, outer, (4, 4), (5461, 3072), (64, 1, 2, 6, 82, 68, 2)),
            (software, outer, (4, 4), (1 << 18, 64), (8, 1, 2, 1, 1024, 256, 1)),
            (software, outer, (4, 4), (1 << 22, 4), (8, 8, 1, 1, 1024, 4096, 1)),
            (software, outer, (4, 4), (63, 1004), (64, 1, 1, 4, 1, 63, 1)),
            (software, inner, (4, 4), (65_536, 256), (64, 8, 1, 8192, 1, 256, 1)),
            (software, inner, (4, 4), (1 << 18, 64), (64, 4, 1, 16_384, 1, 64, 1)),
            (software, inner, (4, 4), (16, 1 << 20), (64, 8, 1, 2, 512, 2048, 1)),
            (software, inner, (4, 4), (1, 8188), (8, 8, 1, 1, 1, 8188, 1)),
            (software, inner, (4, 4), (1, 8192), (8, 8, 1, 1, 4, 2048, 1)),
            (software, by_rows, (4, 4), (1 << 22, 4), (64, 1, 4, 16_384, 1, 4, 1)),
        ];
        for (tuning, strategy, (width, size), (rows, columns), want) in table {
            let (n, rows, step) =
                if strategy == outer { (columns, rows, columns * size) } else { (rows, columns, size) };
            let s = Shares::new(strategy, (width, size), n, (rows, step), &tuning, MAX_SPLITS);
            let found = (s.workgroup, s.lanes, s.groups, s.blocks, s.splits, s.chunk, s.turns);
            assert_eq!(found, want, "{strategy:?} over {n} outputs of {rows} rows, by {width} of {size} bytes");
        }
        // Fewer parts where fewer partial results can be bound.
        let few = |most| Shares::new(inner, (4, 4), 1, (1 << 24, 4), &discrete, most).splits;
        assert_eq!([1, 3, 1024].map(few), [1, 3, 1024]);
    }

    #[test]
    fn few_outputs_keep_the_whole_device_busy() {
        let tuning = Tuning::discrete();
        for (strategy, n, rows) in
            [(Strategy::Outer, 4, 16 << 20), (Strategy::Inner, 4, 16 << 20), (Strategy::Inner, 1, 64 << 20)]
        {
            let s = Shares::new(strategy, (4, 4), n, (rows, n * 4), &tuning, MAX_SPLITS);
            assert!(s.blocks * s.splits * s.workgroup as usize >= tuning.invocations as usize / 4, "{s:?}");
        }
    }
}
