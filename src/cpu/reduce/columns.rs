//! Walking down the rows, with accumulators for each column.

use std::ops::Range;

use super::Folded;
use super::partition::{BLOCK, Partition, Piece};
use super::worker::{Accumulators, Worker};
use crate::cpu::fold::{Planes, ProductLoops, ROWS, RowLoops};
use crate::cpu::frame::Frame;

impl<'a, 'm: 'a> Worker<'a, 'm> {
    /// Folds the rows of a piece, for each outer index. What rounds as it goes on is folded by blocks of rows, and these into
    /// all.
    pub(super) fn columns(&self, frame: &mut Frame<'a, 'm>, piece: &Piece) {
        let Partition { inner, n_columns, .. } = *self.partition;
        let width = piece.columns.len();
        // Where rows are short, several are folded as one long one, which is folded at the end.
        let packed = if n_columns == 1 { self.partition.accumulators() / width } else { 1 };
        for outer in piece.outer.clone() {
            let result = outer * inner + piece.columns.start;
            let (rows, n) = (piece.rows.clone(), width * packed);
            let by_blocks = rows.len() > BLOCK * packed;
            self.clear(Self::of_all, n);
            for row in rows.clone().step_by(BLOCK * packed) {
                let block = row..rows.end.min(row + BLOCK * packed);
                if !by_blocks {
                    self.block(frame, piece, outer, packed, block, Self::of_all);
                    continue;
                }
                let that_round = || self.loops().filter(|(_, loops)| loops.rounds);
                that_round().for_each(|(fold, loops)| (loops.clear)(self.of_block(fold, 0, n)));
                self.block(frame, piece, outer, packed, block, Self::of_block);
                for (fold, loops) in that_round() {
                    (loops.merge)(self.arch, self.of_all(fold, 0, n), self.of_block(fold, 0, n));
                }
            }
            if rows.len() >= ROWS * packed {
                self.join_planes(n);
            }
            for (fold, loops) in self.loops() {
                let rows = self.of_all(fold, 0, width * packed);
                for i in 1..packed {
                    (loops.merge)(self.arch, rows.part(0, width), rows.part(i * width, width));
                }
            }
            self.finish(piece.part, result, width);
        }
    }

    /// Folds rows `rows` of a piece into the accumulators `into`, `packed` of them as one.
    fn block(
        &self,
        frame: &mut Frame<'a, 'm>,
        piece: &Piece,
        outer: usize,
        packed: usize,
        rows: Range<usize>,
        into: Accumulators<'a, 'm>,
    ) {
        let Partition { inner, reduced, .. } = *self.partition;
        let width = piece.columns.len();
        let mut row = rows.start;
        while row < rows.end {
            let start = (outer * reduced + row) * inner + piece.columns.start;
            if row + ROWS * packed <= rows.end {
                let is_first = row == piece.rows.start;
                self.accumulate_rows(frame, start, packed * inner, packed * width, into, is_first);
                row += ROWS * packed;
            } else {
                let n_rows = packed.min(rows.end - row);
                self.accumulate(frame, start, n_rows * width, into);
                row += n_rows;
            }
        }
    }

    /// `n` columns of a fold's planes, from the one numbered `first` on, which lie where accumulators of a block would.
    pub(super) fn planes(&self, fold: usize, first: usize, n: usize, are_new: bool) -> Planes<'a> {
        let (size, all) = (self.reduce.folds[fold].loops.acc_size / 2, self.partition.accumulators());
        let plane = |i: usize| {
            let at = self.partition.most * self.partition.wide + (i * all + first) * size;
            self.own(fold, at, n, size)
        };
        Planes { elements: plane(0), numbers: plane(1), are_new, rise: self.partition.numbers_rise }
    }

    /// Folds what planes hold into as many accumulators.
    fn join_planes(&self, n: usize) {
        for (fold, Folded { products, .. }) in self.reduce.folds.iter().enumerate() {
            if let Some(ProductLoops { accumulate_rows: RowLoops::Planes(planes), .. }) = products {
                (planes.join)(self.arch, self.of_all(fold, 0, n), self.planes(fold, 0, n, false));
            }
        }
    }
}
