//! How the outputs of a matrix product are shared out, and its terms where outputs are few.

use super::Axes;
use crate::DType;
use crate::expr::contraction::Contraction;
use crate::kernel::plan::Planner;
use crate::kernel::plan::reduce::ReduceJob;
use crate::kernel::spec::{TILE, Tiles, side};
use crate::kernel::tuning::Tuning;

/// Terms of a split at least, and splits at most.
const DEPTH: usize = 256;
const MAX_SPLITS: usize = 64;
/// Invocations of a workgroup that keeps its tiles in registers: a vector of llvmpipe's, two of SwiftShader's. More leave
/// more of them idle at the edges, and fewer workgroups to share out.
const LANES: u32 = 8;

/// What a workgroup owns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tiling {
    pub(super) tiles: Tiles,
    /// Invocations in a workgroup.
    pub(super) workgroup: u32,
    /// Tiles in registers that lie side by side in it.
    pub(super) side_by_side: Option<usize>,
    /// Whether the factors change places, so that columns of the result are the kernel's rows.
    pub(super) turned: bool,
    /// The kernel's rows and columns of a workgroup.
    tile: [usize; 2],
}

impl Tiling {
    /// Tiles in registers so that the fewest workgroups are needed, all of which take alike. Where rows can be broadcast, tiles
    /// have the same, twice as many; else they are in a rectangle, twice as wide as high if that can be.
    fn in_registers(sizes: [usize; 3], broadcast: bool) -> Self {
        let of = |across: u32, rows: u32, broadcast| Self {
            tiles: Tiles::Registers { broadcast },
            workgroup: LANES,
            side_by_side: Some(across as usize),
            turned: false,
            tile: [rows, across * TILE].map(|n| n as usize),
        };
        let rectangle = |across: u32| of(across, LANES / across * TILE, false);
        let same_rows = of(LANES, 2 * TILE, true);
        let same_rows = [same_rows, Self { turned: true, ..same_rows }];
        // Of equals a rectangle, whose idle invocations leave at once, where those that broadcast stay.
        let all = [4, 8, 2, 1].map(rectangle).into_iter().chain(same_rows.into_iter().filter(|_| broadcast));
        all.min_by_key(|tiling| tiling.blocks(sizes)).unwrap_or(same_rows[0])
    }

    /// Tiles in workgroup memory: the largest of which there are enough to keep the device busy; or those of 4 by 4 an
    /// invocation, if they are enough with their terms split; or else the smallest.
    //
    // What Mesa's compiler for AMD's GPUs makes of them, f32, factors contiguous: an invocation of a workgroup of 256 has 40
    // registers (60 on RDNA 3) with 4 by 4 and 84 to 88 with 8 by 8, none spilled; 24 and 10 to 18 subgroups are resident on
    // RDNA, 6 and 3 on GCN. On navi21 a multiplication and addition takes 2.0 instructions with 4 by 4 and 1.6 with 8 by 8,
    // which also read half as much memory.
    fn shared(tuning: &Tuning, dtype: DType, sizes: [usize; 3], most_splits: usize) -> Self {
        let of = |workgroup, parts| {
            let tile = [side(workgroup, parts) as usize; 2];
            Self { tiles: Tiles::Shared { parts }, workgroup, side_by_side: None, turned: false, tile }
        };
        // Two tiles of f64 must fit the memory of a workgroup, and 64 of them would take all registers of an invocation.
        let is_f64 = dtype == DType::F64;
        // A square of invocations, whose side is even.
        let workgroup = if tuning.workgroup < 256 || is_f64 { 64 } else { 256 };
        let (large, medium, small) = (of(workgroup, 2), of(workgroup, 1), of(64, 1));
        let enough = tuning.tiles as usize;
        if !is_f64 && large.blocks(sizes) >= enough {
            large
        } else if medium.blocks(sizes) * most_splits >= enough {
            medium
        } else {
            small
        }
    }

    /// Workgroups that together cover the outputs once.
    pub(super) fn blocks(&self, [batch, rows, columns]: [usize; 3]) -> usize {
        let [down, across] = self.tile;
        let [rows, columns] = if self.turned { [columns, rows] } else { [rows, columns] };
        batch * rows.div_ceil(down) * columns.div_ceil(across)
    }
}

impl Planner<'_> {
    pub(super) fn tiling(&self, job: &ReduceJob, axes: &Axes) -> Tiling {
        let (dtype, tuning) = (job.folds[0].1, &self.caps.tuning);
        if tuning.registers {
            let broadcast = tuning.subgroups && self.caps.subgroup >= LANES && dtype == DType::F32;
            return Tiling::in_registers(axes.sizes(), broadcast);
        }
        Tiling::shared(tuning, dtype, axes.sizes(), most_chunks(job.rows(), self.most_splits(job)))
    }

    /// Terms a workgroup takes: all, unless there are too few tiles to keep the device busy. Splits are no more than
    /// `most`, and begin where vectors of four may.
    pub(in crate::kernel::plan) fn chunk(&self, job: &ReduceJob, found: &Contraction, most: usize) -> usize {
        let axes = Axes::of(found, job, &job.contiguous());
        let blocks = self.tiling(job, &axes).blocks(axes.sizes()).max(1);
        let wanted = self.caps.tuning.tiles as usize / blocks;
        job.rows().div_ceil(wanted.clamp(1, most_chunks(job.rows(), most))).next_multiple_of(4)
    }
}

/// Splits that so many terms allow, no more than `most`.
fn most_chunks(terms: usize, most: usize) -> usize {
    MAX_SPLITS.min(most).min(terms / DEPTH).max(1)
}
