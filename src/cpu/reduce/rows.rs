//! Several rows folded at once, so that their accumulators are read and written once for all of them.
//!
//! What does not lie in memory is written down first. That takes less than to pass accumulators twice as wide for each row,
//! though all these strips together fill the innermost cache and more: shorter ones would have the memory read in pieces.

use smallvec::{SmallVec, smallvec};

use super::partition::{Partition, Way};
use super::worker::{Accumulators, Worker};
use super::{Folded, Pair, Reduce};
use crate::cpu::fold::{PlaneLoops, ROWS, RowLoops};
use crate::cpu::frame::{Direct, Frame};
use crate::cpu::strip::Strip;

/// The rows of each output of a region.
type OutputRows<'a> = SmallVec<[[Strip<'a>; ROWS]; 3]>;

impl<'a, 'm: 'a> Worker<'a, 'm> {
    /// Folds [`ROWS`] rows of `len` points, the first of them from `start` on and each `step` after the one before. Whether
    /// no rows came before them.
    pub(super) fn accumulate_rows(
        &self,
        frame: &mut Frame<'a, 'm>,
        start: usize,
        step: usize,
        len: usize,
        into: Accumulators<'a, 'm>,
        are_first: bool,
    ) {
        let Partition { space, most, .. } = self.partition;
        let mut done = 0;
        while done < len {
            let n = space.strip(start + done, start + len, *most);
            let rows = self.evaluate_rows(frame, start + done, step, n);
            if let Some((Pair { order, loops, .. }, by)) = self.pair_by_row(&rows) {
                let acc = order.map(|fold| into(self, fold, done, n));
                (loops.accumulate)(self.arch, acc, rows[self.reduce.folds[0].output], by);
                done += n;
                continue;
            }
            for (fold, &Folded { ref loops, output, ref products, .. }) in self.reduce.folds.iter().enumerate() {
                let acc = into(self, fold, done, n);
                let Some(products) = products else {
                    (loops.accumulate_rows)(self.arch, acc, rows[output]);
                    continue;
                };
                let factors = std::array::from_fn(|row| [rows[output][row], rows[output + 1][row]]);
                match products.accumulate_rows {
                    RowLoops::Plain(accumulate) => accumulate(self.arch, acc, factors),
                    RowLoops::Planes(PlaneLoops { accumulate, .. }) => {
                        accumulate(self.arch, acc, self.planes(fold, done, n, are_first), factors);
                    }
                }
            }
            done += n;
        }
    }

    /// The pair that folds all of `rows` with the same second factor, and that.
    fn pair_by_row(&self, rows: &OutputRows<'a>) -> Option<(&'a Pair, Strip<'a>)> {
        let pair = self.reduce.pair.as_ref()?;
        let output = self.reduce.folds[0].output;
        if !pair.loops.subtracts {
            return Some((pair, rows[output][0]));
        }
        let by = rows[output + 1][0];
        rows[output + 1].iter().all(|row| row.is(by)).then_some((pair, by))
    }

    /// Evaluates `n` points of each of [`ROWS`] rows, the first of them from `start` on, and returns the rows of each output:
    /// where they lie in memory, or in strips of their own.
    fn evaluate_rows(&self, frame: &mut Frame<'a, 'm>, start: usize, step: usize, n: usize) -> OutputRows<'a> {
        let Reduce { region, folds, .. } = self.reduce;
        let mut found: OutputRows<'a> = smallvec![[Strip::EMPTY; ROWS]; self.reduce.folded()];
        for row in 0..ROWS {
            // What lies in memory stays where it is when the next row is evaluated; the number of a row does not.
            if self.partition.at_hand {
                frame.eval(start + row * step, n, &[]);
                for (output, found) in found.iter_mut().enumerate() {
                    let x = frame.output(output);
                    found[row] =
                        if x.is_within(self.scratch) { x.copied_to(self.row(output, row, x.len())) } else { x };
                }
                continue;
            }
            let own: SmallVec<[Strip<'a>; 3]> = (0..found.len()).map(|output| self.row(output, row, n)).collect();
            let direct = own.iter().map(|&at| Direct { at: Some(at), last_read: None, past_cache: false });
            self.beside.eval(region, frame, start + row * step, n, direct);
            for fold in folds {
                for output in fold.outputs() {
                    // What is several outputs is written as the first of them.
                    let same = region.outputs.iter().position(|&other| other == region.outputs[output]);
                    let (x, own) = (frame.output(output), own[same.unwrap_or(output)]);
                    let stays = x.len() == n && !x.is_within(self.scratch);
                    if x.len() != n && fold.is_numbered_by(output) {
                        found[output][row] = x.copied_to(own.part(0, x.len()));
                        continue;
                    }
                    if x.len() != n {
                        let spread = fold.products.as_ref().map_or(fold.loops.spread, |products| products.spread);
                        spread(own, x);
                    } else if !stays && !x.is(own) {
                        x.copy_to(own);
                    }
                    found[output][row] = if stays { x } else { own };
                }
            }
        }
        found
    }

    /// `n` elements of the strip for row `row` of an output.
    fn row(&self, output: usize, row: usize, n: usize) -> Strip<'a> {
        debug_assert!(n <= self.partition.most, "a strip has {} elements", self.partition.most);
        let first = self.rows_at + (output * ROWS + row) * row_bytes(self.reduce, self.partition);
        self.scratch.carve(first, n, self.reduce.region.dtypes[output].size())
    }
}

/// Bytes of the strips for the rows of all outputs, if there will be any.
pub(super) fn rows_bytes(reduce: &Reduce, partition: &Partition) -> usize {
    match partition.way {
        Way::Columns if !partition.in_place => reduce.folded() * ROWS * row_bytes(reduce, partition),
        _ => 0,
    }
}

fn row_bytes(reduce: &Reduce, partition: &Partition) -> usize {
    partition.most * reduce.region.width
}
