//! The order in which a reduction is walked, and how the work is cut up.

use std::cmp::Reverse;
use std::ops::Range;

use smallvec::SmallVec;

use super::{Folded, folded};
use crate::Shape;
use crate::base::layout::Layout;
use crate::cpu::fold::{Kind, WIDE};
use crate::cpu::frame::{strip_len, walked};
use crate::cpu::region::{Reading, Region, Source};
use crate::cpu::space::{Space, Walked};

/// Elements a thread takes at a time, where there is no lack of them.
const CHUNK: usize = 64 * 1024;
/// Pieces of work wanted, so that many threads share it evenly. Not the number of threads: results do not depend on it.
const PIECES: usize = 32;
/// Elements of a piece at most, where partial results stay few: between pieces an evaluation can be ended.
const MOST: usize = 1 << 22;
/// Partial results at most for that alone: 64 MiB of them.
const PARTIALS: usize = 1 << 22;
/// Columns walked down together: rows of them are long enough for the memory to stream.
pub(super) const COLUMNS: usize = 4096;
/// Accumulators of short rows that are folded as one long one: with the terms they stay in the innermost cache.
const ACCUMULATORS: usize = 1024;
/// From how many elements on the products of a row are not written down.
const LONG_ROW: usize = 1024;
/// From how many elements on a packed row is folded where it is evaluated, and its products are not written down. Shorter
/// ones are put beside each other first: to set up and join the accumulators of each would take longer.
const PACKED_ROW: usize = 512;
/// Rows that are folded by themselves before they are folded into the rest, so that errors of f64 grow less.
pub(super) const BLOCK: usize = 64;

pub(super) struct Partition {
    /// The domain: outer, then reduced, then inner dims.
    pub(super) space: Space,
    /// Those dims, in this order.
    pub(super) walked: SmallVec<[usize; 8]>,
    /// The results: outer, then inner dims. Track `i` is where the results of fold `i` lie.
    pub(super) kept: Space,
    pub(super) outer: usize,
    pub(super) reduced: usize,
    pub(super) inner: usize,
    /// Elements of a strip at most.
    pub(super) most: usize,
    /// Bytes of the widest accumulator, or more.
    pub(super) wide: usize,
    /// Whether all that is folded, or its factors, lies in memory in the order of the walk, and nothing else is evaluated.
    pub(super) in_place: bool,
    /// Whether it does, or is positions in even steps, wherever a row of the walk is long.
    pub(super) at_hand: bool,
    /// Whether the numbers of elements among which the smallest is looked for rise along the walk.
    pub(super) numbers_rise: bool,
    pub(super) way: Way,
    /// Outer indices of a piece of work.
    pub(super) outers: usize,
    /// Pieces of work along `inner`, and the columns of each.
    pub(super) n_columns: usize,
    pub(super) columns: usize,
    /// Pieces of work along `reduced`, and the rows of each.
    pub(super) n_parts: usize,
    pub(super) rows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Packed,
    Rows,
    Columns,
}

/// One piece of work: some outer indices, rows and columns. Results of its rows are part `part` of the final ones.
pub(super) struct Piece {
    pub(super) outer: Range<usize>,
    pub(super) part: usize,
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Partition {
    pub(super) fn new(region: &Region, dims: &[usize], folds: &[Folded]) -> Self {
        let shape = &region.shape;
        let leaves: Vec<_> = walked(region).collect();
        // Dims in which memory is walked in long steps come first.
        let mut order: SmallVec<[usize; 8]> = (0..shape.rank()).filter(|&d| shape[d] != 1).collect();
        let steps = |d: usize| leaves.iter().fold(0, |sum: usize, l| sum.saturating_add(l.stride(d).unsigned_abs()));
        order.sort_by_key(|&d| Reverse(steps(d)));
        let is_reduced = |d: &usize| dims.contains(d);
        let n_inner = order.iter().rev().take_while(|d| !is_reduced(d)).count();
        let (front, inner_dims) = order.split_at(order.len() - n_inner);
        let (reduced_dims, outer_dims): (SmallVec<[usize; 8]>, SmallVec<[usize; 8]>) =
            front.iter().copied().partition(is_reduced);
        let product = |dims: &[usize]| dims.iter().map(|&d| shape[d]).product::<usize>();
        let (mut outer, reduced, mut inner) = (product(&outer_dims), product(&reduced_dims), product(inner_dims));
        if reduced_dims.is_empty() {
            // All the reduced dims have size 1, so there is nothing to fold: every dim is outer.
            (outer, inner) = (inner, 1);
        }
        let walked: SmallVec<[usize; 8]> = outer_dims.iter().chain(&reduced_dims).chain(inner_dims).copied().collect();
        let space = Space::new(shape, &walked, &leaves);

        let kept_shape = shape.iter().enumerate().filter(|(d, _)| !dims.contains(d)).map(|(_, &n)| n).collect();
        let result = Layout::contiguous(kept_shape);
        let place = |d: usize| d - dims.iter().filter(|&&r| r < d).count();
        let kept_dims: SmallVec<[usize; 8]> = outer_dims.iter().chain(inner_dims).map(|&d| place(d)).collect();
        let results: Vec<_> = folds.iter().map(|fold| Walked::layout(&result, fold.loops.size)).collect();
        let kept = Space::new(result.shape(), &kept_dims, &results);

        let most = strip_len(region, &space);
        let in_place = |&output: &usize| output < leaves.len() && space.is_linear(output);
        let by_steps = |output: usize| region.leaves.get(output).is_some_and(|leaf| leaf.reading == Reading::Steps);
        let alone = region.outputs.len() == folded(folds);
        let at_hand = alone && region.outputs.iter().all(|output| in_place(output) || by_steps(*output));
        let in_place = alone && region.outputs.iter().all(in_place);
        let numbers_rise = folds.iter().filter(|fold| fold.loops.kind == Kind::Place).all(|fold| {
            let numbers = region.leaves.get(region.outputs[fold.output + 1]);
            let numbers = numbers.filter(|leaf| leaf.source == Source::Index).and_then(|leaf| leaf.access.layout());
            numbers.is_some_and(|numbers| rise(shape, &reduced_dims, numbers.strides()))
        });
        let products = folds.iter().all(|fold| fold.products.is_some());
        let block = reduced * inner;
        let way = match () {
            // Products are added as they are computed, so a long row of them is never written down.
            () if products && at_hand && inner == 1 && reduced >= LONG_ROW => Way::Rows,
            () if block <= most && (inner == 1 || reduced <= BLOCK) => Way::Packed,
            () if inner == 1 => Way::Rows,
            () => Way::Columns,
        };
        let (mut columns, mut rows) = (inner, reduced);
        if way == Way::Columns && inner > COLUMNS {
            columns = COLUMNS;
        }
        let n_columns = inner.div_ceil(columns.max(1));
        let n_outer = outer * n_columns;
        if way != Way::Packed {
            let shares = PIECES.div_ceil(n_outer.max(1)).min((reduced * columns).div_ceil(CHUNK / 2));
            let short = (reduced * columns).div_ceil(MOST).min(PARTIALS / (outer * inner).max(1));
            rows = reduced.div_ceil(shares.max(short).max(1));
        }
        let n_parts = reduced.div_ceil(rows.max(1)).max(1);
        let outers = if n_parts > 1 || n_columns > 1 { 1 } else { (CHUNK / block.max(1)).max(1) };
        Self {
            space,
            walked,
            kept,
            outer,
            reduced,
            inner,
            most,
            wide: folds.iter().map(|fold| fold.loops.acc_size).fold(WIDE, usize::max),
            in_place,
            at_hand,
            numbers_rise,
            way,
            outers,
            n_columns,
            columns,
            n_parts,
            rows,
        }
    }

    /// Whether packed rows are so long that each is folded where it is evaluated.
    pub(super) fn has_long_rows(&self) -> bool {
        self.inner == 1 && self.reduced >= PACKED_ROW
    }

    pub(super) fn units(&self) -> usize {
        self.outer.div_ceil(self.outers) * self.n_columns * self.n_parts
    }

    pub(super) fn piece(&self, unit: usize) -> Piece {
        let part = unit % self.n_parts;
        let column = unit / self.n_parts % self.n_columns * self.columns;
        let outer = unit / (self.n_parts * self.n_columns) * self.outers;
        Piece {
            outer: outer..(outer + self.outers).min(self.outer),
            part,
            rows: part * self.rows..((part + 1) * self.rows).min(self.reduced),
            columns: column..(column + self.columns).min(self.inner),
        }
    }

    /// Accumulators of a fold: one row of a piece, or as many short rows as fit a strip.
    pub(super) fn accumulators(&self) -> usize {
        self.columns * (self.most.min(ACCUMULATORS) / self.columns.max(1)).max(1)
    }
}

/// Whether positions rise along dims, the last of which is walked fastest.
fn rise(shape: &Shape, dims: &[usize], strides: &[isize]) -> bool {
    let mut most = 0;
    dims.iter().rev().all(|&d| {
        let rises = strides[d] > most;
        most += (shape[d] as isize - 1) * strides[d];
        rises
    })
}
