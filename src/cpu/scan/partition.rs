//! How the work of a scan is cut up, which depends on sizes alone.

use std::ops::Range;

use smallvec::SmallVec;

use super::loops::ScanLoops;
use crate::cpu::frame::{strip_len, walked};
use crate::cpu::region::{Region, Source};
use crate::cpu::space::Space;

/// Elements of a part, at least: a quarter of a second-level cache of f32s.
const CHUNK: usize = 64 * 1024;
/// Pieces of work from which on rows stay whole: parts are read twice, if once from the cache. Not the number of threads:
/// results do not depend on it.
const PIECES: usize = 8;
/// Columns walked down together: their accumulators stay in the innermost cache. The longer a row is in memory, the sooner
/// is it read, so there are more of them where accumulators are small.
const COLUMNS: [usize; 2] = [512, 1024];

/// The order of the walk, and how the work is cut up.
pub(super) struct Partition {
    pub(super) space: Space,
    pub(super) outer: usize,
    pub(super) scanned: usize,
    pub(super) inner: usize,
    /// Elements of a strip at most.
    pub(super) most: usize,
    /// Whether what is scanned lies in memory in the order of the walk, and so do rows as far apart as they are.
    pub(super) lies: bool,
    /// Outer indices of a piece of work.
    pub(super) outers: usize,
    /// Pieces of work along `inner`, and the columns of each.
    pub(super) n_blocks: usize,
    pub(super) columns: usize,
    /// Parts along `scanned`, and the rows of each.
    pub(super) n_parts: usize,
    pub(super) rows: usize,
}

/// One piece of work: part `part` of some outer indices and columns.
pub(super) struct Piece {
    pub(super) outer: Range<usize>,
    pub(super) columns: Range<usize>,
    pub(super) part: usize,
    /// In memory; a reversed scan takes the last first.
    pub(super) rows: Range<usize>,
}

impl Partition {
    pub(super) fn new(region: &Region, dim: usize, loops: &ScanLoops) -> Self {
        let shape = &region.shape;
        let leaves: Vec<_> = walked(region).collect();
        let dims: SmallVec<[usize; 8]> = (0..shape.rank()).collect();
        let space = Space::new(shape, &dims, &leaves);
        let product = |sizes: &[usize]| sizes.iter().product::<usize>();
        let (outer, scanned, inner) = (product(&shape[..dim]), shape[dim], product(&shape[dim + 1..]));
        let most = strip_len(region, &space);
        let lies = region.plain().is_some_and(|leaf| leaf.source != Source::Index)
            && region.leaves.len() == 1
            && space.is_linear(0);
        let columns = inner.min(COLUMNS[usize::from(loops.acc_size <= 8)]);
        let n_blocks = inner.div_ceil(columns.max(1));
        let n = outer * n_blocks;
        let rows = if n < PIECES { (CHUNK / columns.max(1)).clamp(1, scanned.max(1)) } else { scanned.max(1) };
        let n_parts = scanned.div_ceil(rows);
        let outers = if n_blocks * n_parts > 1 { 1 } else { (CHUNK / (scanned * inner).max(1)).max(1) };
        Self { space, outer, scanned, inner, most, lies, outers, n_blocks, columns, n_parts, rows }
    }

    pub(super) fn units(&self) -> usize {
        self.outer.div_ceil(self.outers) * self.n_blocks * self.n_parts
    }

    /// Whether several rows are computed before they are scanned down: short ones make a strip as they are.
    pub(super) fn gathered(&self) -> bool {
        !self.lies && self.inner > 1 && self.n_blocks > 1
    }

    /// Parts of the same columns follow each other, in the order of the scan.
    pub(super) fn piece(&self, unit: usize, reverse: bool) -> Piece {
        let part = unit % self.n_parts;
        let column = unit / self.n_parts % self.n_blocks * self.columns;
        let outer = unit / (self.n_parts * self.n_blocks) * self.outers;
        let (start, end) = (part * self.rows, ((part + 1) * self.rows).min(self.scanned));
        Piece {
            outer: outer..(outer + self.outers).min(self.outer),
            columns: column..(column + self.columns).min(self.inner),
            part,
            rows: if reverse { self.scanned - end..self.scanned - start } else { start..end },
        }
    }

    /// Accumulators of a piece, at most: one for each column, or for each row of a strip.
    pub(super) fn accumulators(&self) -> usize {
        if self.inner == 1 { self.most } else { self.columns }
    }
}
