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
    /// Steps of a walk that are added to each other before they join the rest: 4, 2 or 1.
    pub(crate) at_once: u32,
    /// Bytes that a walk steps at least, if it does not read one row after the other: neighbouring parts take rows in
    /// turn.
    pub(crate) stride: usize,
    /// Steps along a row below which a lane's share is not split further.
    pub(crate) min_walk: u32,
    /// Steps along a row that each lane takes at least, where lanes share it.
    pub(crate) min_steps: u32,
    /// Invocations that keep the device busy with a scan: fewer than of a reduction, as rows that are split are read twice.
    pub(crate) scanning: u32,
    /// Invocations that may share a row of a scan, which takes barriers at each step.
    pub(crate) scan_lanes: u32,
    /// Steps of a scan below which an invocation's share is not split further.
    pub(crate) min_scan: u32,
    /// Elements that an invocation of a sort by digits takes, 8 at least: the more a workgroup has, the longer are the runs it
    /// writes. With 3,072 of them its memory is nearly the least that devices have.
    pub(crate) sort_items: u32,
    /// Steps of a row up to which an invocation takes four rows, not one.
    pub(crate) short: u32,
    /// Whether lanes that share an output exchange results within their subgroup, where it holds them all. They are
    /// taken to be numbered alike in subgroup and workgroup.
    pub(crate) subgroups: bool,
    /// Workgroups that keep the device busy with a matrix product: its terms are split until there are as many.
    pub(crate) tiles: u32,
    /// Whether matrix products keep what they fetch in registers, not in workgroup memory.
    pub(crate) registers: bool,
    /// Whether two neighbouring words are fetched as one of 64 bits, where shaders have those.
    pub(crate) pairs: bool,
}

impl Tuning {
    pub(crate) const fn discrete() -> Self {
        // Not measured, but argued, line by line, from what Mesa's compiler for AMD's GPUs makes of kernels on polaris10 and
        // navi21 (`benches/results/isa-amd.md`): registers, subgroups that a SIMD holds, and instructions. It says nothing of
        // memory, so `run`, `invocations`, `stride`, `scanning` and `tiles` are guesses still.
        //
        // An invocation of (a * b).sum(1) takes 96 instructions before and after its walk, 21 for each halving of `max_lanes`,
        // 155 for four steps at once and 78 for one alone. With two steps a lane a row of 2048 takes 52 an element, with four
        // 24. With 16 (`min_walk`, `min_rows`) all but the walk is a third of it.
        //
        // Added one by one, steps take 20.5 instructions an element, two at once 13.4, four 9.7, where a SIMD still holds 5 and
        // 20 subgroups with eight loads each under way. Two `groups` of columns would save a tenth of the instructions and halve
        // the subgroups, of halves a thirtieth and 40%.
        //
        // A row of four takes 32 instructions an element alone, 6 if it is one of four (`short`), of eight 23 and 5.
        //
        // Halving within a subgroup takes 25 instructions, through workgroup memory 21. Loads in pairs of words take 7.4
        // instructions for an element of a.sum(0), loads of four 6.2. Matrix products in registers have 132 to 136 of them, so
        // that a SIMD holds 1 and 6 subgroups, of 8 invocations each.
        //
        // With 8 elements an invocation of a sort has 64 registers, so that a SIMD holds 4 and 16 subgroups, with 12 it has 88,
        // for 2 and 10.
        Self {
            workgroup: 256,
            max_lanes: 256,
            run: 8,
            spread: 256,
            groups: 1,
            half_groups: 1,
            invocations: 1 << 18,
            min_rows: 16,
            at_once: 4,
            stride: 0,
            min_walk: 16,
            min_steps: 4,
            scanning: 1 << 17,
            scan_lanes: 256,
            min_scan: 16,
            sort_items: 8,
            short: 2,
            subgroups: false,
            tiles: 256,
            registers: false,
            pairs: false,
        }
    }

    /// Not measured yet.
    pub(crate) const fn integrated() -> Self {
        Self {
            workgroup: 128,
            max_lanes: 128,
            spread: 128,
            sort_items: 12,
            invocations: 1 << 15,
            scanning: 1 << 14,
            scan_lanes: 128,
            tiles: 64,
            ..Self::discrete()
        }
    }

    pub(crate) const fn software() -> Self {
        // Measured on lavapipe, on two shared cores of an EPYC: processor time in ms, the least of 7 to 15 interleaved runs,
        // (a * b).sum(d) in f32 unless said.
        //
        // A row is read in runs as long as a subgroup's columns, for subgroups of a workgroup run one after the other. With
        // one group of columns [4096, 4096].sum(0) takes 100, with two 22, with four 37. 16-bit floats take 45 with two
        // groups, 20 with four. A load is dear, of 64 bits as of 32: a * b takes 157 with pairs and 270 without (on a
        // slower machine).
        //
        // A loop's body is dear, and so is what follows a break, which runs once more for nothing: walks that look at
        // their end only take [4194304, 4].sum(1) from 115 to 56, and four rows at a time to 30; a row of 16 takes 28 alone
        // and 30 by fours.
        //
        // What a sum's rounding leaves out costs ten operations a step. Over sums that let it go, of [2048, 2048] and with
        // the same memory, (a * b).sum(0) takes 1.10 with a step at a time and 0.99 with four in a tree, .sum(1) 1.30 and
        // 0.98, a.sum(0) 1.54 and 0.63; SwiftShader's first takes 1.37 and 1.91.
        //
        // Walks that step 1 to 6 KiB or 12, 2^k or 3 * 2^k bytes, are slow, though what they read is the same:
        // [65536, 256].sum(0) takes 57, [16384, 1024] 58, [5461, 3072] 42, [8192, 2048] 24. With parts that take rows in
        // turn, so that each steps 16 KiB or more, all take 22 to 24; with 8 KiB those of 3 * 2^k take 42. Lanes that
        // take further rows do the same for a subgroup, and wait for each other besides: [262144, 64].sum(0) takes 62
        // with 8 lanes a column, 20 with as many as fill a subgroup.
        //
        // Lanes that share a row are best all of a subgroup or none: [65536, 256].sum(1) takes 60 with 4 lanes, 24 with
        // 8, 47 with 2; [131072, 128] 43, 30 and 40. A barrier is dear: with workgroup memory instead of subgroups
        // .sum(1) takes a twentieth more (on a slower machine).
        Self {
            workgroup: 64,
            max_lanes: 8,
            run: 64,
            spread: 8,
            groups: 2,
            half_groups: 4,
            invocations: 1 << 18,
            min_rows: 64,
            at_once: 4,
            stride: 16 << 10,
            min_walk: 64,
            min_steps: 4,
            scanning: 1 << 10,
            scan_lanes: 1,
            min_scan: 64,
            sort_items: 32,
            short: 2,
            subgroups: true,
            tiles: 64,
            registers: true,
            pairs: true,
        }
    }

    /// Parts that take rows `step` bytes apart in turn, so that each steps far enough.
    pub(crate) fn turns(&self, step: usize) -> usize {
        if step < 512 { 1 } else { self.stride.div_ceil(step).next_power_of_two() }
    }

    pub(crate) fn of(info: &DeviceInfo) -> Self {
        let tuning = match info.kind {
            DeviceKind::Software => Self::software(),
            DeviceKind::Integrated => Self::integrated(),
            DeviceKind::Discrete | DeviceKind::Other | DeviceKind::Cpu => Self::discrete(),
        };
        let most = info.max_workgroup_size;
        Self {
            workgroup: tuning.workgroup.min(most),
            max_lanes: tuning.max_lanes.min(most),
            scan_lanes: tuning.scan_lanes.min(most),
            ..tuning
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_invocations_share_an_output_than_a_workgroup_has() {
        for tuning in [Tuning::discrete(), Tuning::integrated(), Tuning::software()] {
            let lanes = [tuning.max_lanes, tuning.scan_lanes, tuning.spread];
            assert!(lanes.iter().all(|&lanes| lanes <= tuning.workgroup), "{tuning:?}");
        }
    }
}
