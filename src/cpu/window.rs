//! A window through which leaves are seen that lie in memory column by column: some rows of some columns, gathered together.
//!
//! A cache line of such a leaf has elements of many rows. Row by row it would be fetched again for each: where columns are a
//! power of two apart, lines of all of them share few places of a cache, and are gone before the next row.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::region::{Reading, Region};
use super::space::Space;
use super::strip::{Span, Strip};

/// Bytes that a window has of each column: two cache lines, or one where two are too much.
const DEPTHS: [usize; 2] = [128, 64];
/// Elements that fill up its rows, which else might be a power of two apart.
const PAD: usize = 16;

/// How much a window shows.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Bytes of scratch memory for it.
    pub(super) bytes: usize,
}

impl Size {
    /// A window onto so many columns that has at most `most` bytes; `None` if there is none, or no leaf lies column by column along
    /// the last two dims.
    pub(super) fn new(region: &Region, space: &Space, columns: usize, most: usize) -> Option<Self> {
        space.plane()?;
        let turned = || (0..region.leaves.len()).filter(|&leaf| is_turned(region, space, leaf));
        let smallest = turned().map(|leaf| region.leaves[leaf].dtype.size()).min()?;
        let sizes = DEPTHS.map(|depth| {
            let rows = depth / smallest;
            Self { rows, columns, bytes: turned().count() * rows * (columns + PAD) * region.width }
        });
        sizes.into_iter().find(|size| size.bytes <= most)
    }

    fn pitch(self) -> usize {
        self.columns + PAD
    }
}

fn is_turned(region: &Region, space: &Space, leaf: usize) -> bool {
    region.leaves[leaf].reading != Reading::Index && space.is_turned(leaf)
}

pub(super) struct Window<'a> {
    region: &'a Region,
    space: &'a Space,
    scratch: Strip<'a>,
    /// At which byte of that the rows begin of each leaf that lies column by column.
    at: SmallVec<[Option<usize>; 4]>,
    size: Size,
    columns: Range<usize>,
    /// The first point that it has of each leaf.
    first: SmallVec<[usize; 4]>,
}

impl<'a> Window<'a> {
    /// A window that shows no more columns than `size` says, in as many bytes of scratch memory.
    pub(super) fn new(region: &'a Region, space: &'a Space, size: Size, scratch: Strip<'a>) -> Self {
        let first = smallvec![usize::MAX; region.leaves.len()];
        let bytes = size.rows * size.pitch() * region.width;
        let mut free = (0..).step_by(bytes);
        let turned = (0..region.leaves.len()).map(|leaf| is_turned(region, space, leaf));
        let at = turned.map(|turned| if turned { free.next() } else { None }).collect();
        Self { region, space, scratch, at, size, columns: 0..size.columns, first }
    }

    /// Moves it to other columns, no more than it has room for.
    pub(super) fn move_to(&mut self, columns: Range<usize>) {
        debug_assert!(columns.len() <= self.size.columns, "a window of {} columns", self.size.columns);
        self.columns = columns;
        self.first.fill(usize::MAX);
    }

    /// The `n` elements of a leaf from `point` on, if it lies column by column and they are within these columns.
    pub(super) fn strip(&mut self, leaf: usize, point: usize, n: usize, memory: Span<'_>) -> Option<Strip<'a>> {
        let (at, [rows, columns]) = (self.at[leaf]?, self.space.plane()?);
        let (row, column) = (point / columns % rows, point % columns);
        if column < self.columns.start || column + n > self.columns.end {
            return None;
        }
        let size = self.region.leaves[leaf].dtype.size();
        let (within, pitch) = (row % self.size.rows, self.size.pitch());
        let first = point - within * columns - (column - self.columns.start);
        let seen = self.size.rows.min(rows - (row - within));
        let strip = self.scratch.carve(at, seen * pitch, size);
        if self.first[leaf] != first {
            self.space.gather_turned(leaf, first, [seen, self.columns.len()], memory, strip, pitch);
            self.first[leaf] = first;
        }
        Some(strip.part(within * pitch + column - self.columns.start, n))
    }
}
