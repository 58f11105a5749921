//! Kernel shapes by class of device: the one table of numbers that were chosen by measuring.

use crate::{DeviceInfo, DeviceKind};

/// What fits one class of device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tuning {
    /// Invocations in a workgroup.
    pub(crate) workgroup: u32,
    /// Of those, how many may share an output of a reduction, which takes barriers.
    pub(crate) max_lanes: u32,
    /// Neighbouring columns that a workgroup reads side by side before further invocations take further rows.
    pub(crate) run: u32,
    /// Invocations over which a step down few columns is spread: those that columns leave idle take further rows.
    pub(crate) spread: u32,
    /// Groups of four neighbouring columns that an invocation takes side by side, so that a row is read in longer runs.
    pub(crate) groups: u32,
    /// The same of 16-bit floats.
    pub(crate) half_groups: u32,
    /// Invocations that keep the device busy: reductions with fewer outputs split their rows until there are as many.
    pub(crate) invocations: u32,
    /// Rows below which an invocation's share is not split further.
    pub(crate) min_rows: u32,
    /// Columns from which rows are wide: added by twos, not by fours, and shared out by `wide_min_rows`.
    pub(crate) wide: u32,
    /// What `min_rows` is for wide rows.
    pub(crate) wide_min_rows: u32,
    /// Steps along a row below which a lane's share is not split further.
    pub(crate) min_walk: u32,
    /// Steps along a row that each lane takes at least, where lanes share it.
    pub(crate) min_steps: u32,
    /// Whether lanes that share an output exchange results within their subgroup, where it holds them all. They are
    /// taken to be numbered alike in subgroup and workgroup.
    pub(crate) subgroups: bool,
    /// Whether two neighbouring words are fetched as one of 64 bits, where shaders have those.
    pub(crate) pairs: bool,
}

impl Tuning {
    pub(crate) const fn discrete() -> Self {
        Self {
            workgroup: 256,
            max_lanes: 256,
            run: 8,
            spread: 256,
            groups: 1,
            half_groups: 1,
            invocations: 1 << 18,
            min_rows: 16,
            wide: u32::MAX,
            wide_min_rows: 16,
            min_walk: 16,
            min_steps: 2,
            subgroups: false,
            pairs: false,
        }
    }

    pub(crate) const fn software() -> Self {
        // On lavapipe a step of a loop costs more than an invocation: (a * b).sum(0) over [4096, 4096] takes 88 ms
        // with one column and 256 rows an invocation, 36 ms with four columns and 64 rows, 28 ms with four columns
        // and 16 rows by fours. So does a barrier: .sum(1) takes 51 ms with 64 lanes a row, 27 ms with 8, and a
        // twentieth less with subgroups instead. Joining lanes costs most in short rows: [262144, 64].sum(1) takes
        // 331 ms (on a slower machine) with two steps a lane, 137 ms with 16. A load is dear, of 64 bits as of 32:
        // there, in processor time, a * b takes 157 ms with pairs and 270 ms without; and .sum(1), with pairs,
        // 144 ms where lanes take 64 steps and 178 ms where they take 16. Subgroups of a workgroup run one after the
        // other, so a row is read in runs as long as a subgroup's columns: .sum(0) takes 165 to 196 ms with two groups
        // of columns an invocation, of several runs, and 199 ms with one, of a single run (140 and 167 ms by hand).
        //
        // Then on two busy cores of an EPYC, least of 6 to 15 interleaved runs, processor time. Code is dear, too:
        // (a * b).sum(0) over [4096, 4096] takes 30 to 33 ms by fours and in parts of 16 rows, 27 ms by twos or with 64
        // rows, 23 ms with both (20 to 21 by hand, 15 to 18 of it for fetching as llvmpipe does). In [16384, 1024] it is
        // 41 ms against 54, in [8192, 2048] 35 against 42, so only rows of 4096 columns and more are wide. 16-bit floats
        // take 45 ms with two groups of columns and 16 rows, 61 ms with 64 rows, 20 ms with four groups and 64 rows;
        // f32 37 ms with four, u8 24 ms with four and 8 with two. Lanes that take further rows leave each subgroup a
        // step of all lanes' rows: [262144, 64] takes 62 ms with 8 lanes a column, 20 ms where only as many take further
        // rows as fill a subgroup.
        Self {
            workgroup: 64,
            max_lanes: 8,
            run: 64,
            spread: 8,
            groups: 2,
            half_groups: 4,
            invocations: 1 << 18,
            min_rows: 16,
            wide: 4096,
            wide_min_rows: 64,
            min_walk: 64,
            min_steps: 16,
            subgroups: true,
            pairs: true,
        }
    }

    pub(crate) fn of(info: &DeviceInfo) -> Self {
        let tuning = match info.kind {
            DeviceKind::Software => Self::software(),
            // Not measured yet.
            DeviceKind::Integrated => Self {
                workgroup: 128,
                max_lanes: 128,
                run: 8,
                spread: 128,
                groups: 1,
                half_groups: 1,
                invocations: 1 << 15,
                min_rows: 16,
                wide: u32::MAX,
                wide_min_rows: 16,
                min_walk: 16,
                min_steps: 2,
                subgroups: false,
                pairs: false,
            },
            _ => Self::discrete(),
        };
        let most = info.max_workgroup_size;
        Self { workgroup: tuning.workgroup.min(most), max_lanes: tuning.max_lanes.min(most), ..tuning }
    }
}
