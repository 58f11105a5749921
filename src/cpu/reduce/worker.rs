//! One thread's share of a reduction.

use super::partition::{Partition, Piece, Way};
use super::rows::rows_bytes;
use super::{Folded, Pair, Reduce, partial};
use crate::cpu::arch::Arch;
use crate::cpu::destination::Outputs;
use crate::cpu::fold::{FoldLoops, Kind, ProductLoops};
use crate::cpu::frame::{Constants, Frame, Memory, scratch_bytes};
use crate::cpu::strip::Strip;
use crate::cpu::window::{Size, Window};

/// What a thread folds with: for each fold a spare strip, accumulators of a block, and accumulators of all blocks.
pub(super) struct Worker<'a, 'm> {
    pub(super) reduce: &'a Reduce,
    pub(super) partition: &'a Partition,
    /// What is written beside.
    pub(super) beside: Outputs<'a>,
    memory: &'a Memory<'m>,
    /// What the frame wants, then the rows of each output, then the strips of each fold.
    pub(super) scratch: Strip<'a>,
    /// Where the rows and the strips of folds begin, and bytes of the strips of one fold.
    pub(super) rows_at: usize,
    folds_at: usize,
    fold_bytes: usize,
    pub(super) arch: Arch,
}

/// Bytes of a window at most.
const WINDOW: usize = 512 << 10;

/// `n` of a worker's accumulators of a fold, from the one numbered `first` on.
pub(super) type Accumulators<'a, 'm> = fn(worker: &Worker<'a, 'm>, fold: usize, first: usize, n: usize) -> Strip<'a>;

/// What a strip has for a fold: elements, or two rows of them to be multiplied, of which the second may be one element.
enum Terms<'a> {
    One(Strip<'a>),
    Product(&'a ProductLoops, [Strip<'a>; 2]),
}

impl<'a, 'm: 'a> Worker<'a, 'm> {
    pub(super) fn new(
        reduce: &'a Reduce,
        partition: &'a Partition,
        beside: Outputs<'a>,
        memory: &'a Memory<'m>,
        scratch: Strip<'a>,
    ) -> Self {
        let rows_at = frame_bytes(reduce, partition);
        let folds_at = rows_at + rows_bytes(reduce, partition);
        let fold_bytes = fold_bytes(partition);
        Self { reduce, partition, beside, memory, scratch, rows_at, folds_at, fold_bytes, arch: Arch::new() }
    }

    /// Bytes of scratch memory it wants.
    pub(super) fn scratch_bytes(reduce: &Reduce, partition: &Partition) -> usize {
        frame_bytes(reduce, partition) + rows_bytes(reduce, partition) + reduce.folds.len() * fold_bytes(partition)
    }

    /// `n` elements of `size` bytes, of the strips of a fold, from byte `at` on.
    pub(super) fn own(&self, fold: usize, at: usize, n: usize, size: usize) -> Strip<'a> {
        debug_assert!(at + n * size <= self.fold_bytes, "within the strips of this fold");
        self.scratch.carve(self.folds_at + fold * self.fold_bytes + at, n, size)
    }

    /// `n` elements of a fold's spare strip, from element `first` on.
    fn spare(&self, fold: usize, first: usize, n: usize) -> Strip<'a> {
        debug_assert!(first + n <= self.partition.most, "a strip has {} elements", self.partition.most);
        let size = self.reduce.folds[fold].loops.term_size;
        self.own(fold, first * size, n, size)
    }

    /// `n` of a fold's accumulators of a block, from the one numbered `first` on. What does not round has one block.
    pub(super) fn of_block(&self, fold: usize, first: usize, n: usize) -> Strip<'a> {
        if !self.reduce.folds[fold].loops.rounds {
            return self.of_all(fold, first, n);
        }
        debug_assert!(first + n <= self.partition.accumulators(), "within the accumulators");
        let size = self.reduce.folds[fold].loops.acc_size;
        self.own(fold, self.partition.most * self.partition.wide + first * size, n, size)
    }

    /// `n` of a fold's accumulators of all blocks, from the one numbered `first` on.
    pub(super) fn of_all(&self, fold: usize, first: usize, n: usize) -> Strip<'a> {
        debug_assert!(first + n <= self.partition.accumulators(), "within the accumulators");
        let size = self.reduce.folds[fold].loops.acc_size;
        self.own(
            fold,
            (self.partition.most + self.partition.accumulators()) * self.partition.wide + first * size,
            n,
            size,
        )
    }

    /// `n` results of a fold, in the room of its accumulators of a block.
    fn results(&self, fold: usize, n: usize) -> Strip<'a> {
        self.own(fold, self.partition.most * self.partition.wide, n, self.reduce.folds[fold].loops.size)
    }

    pub(super) fn loops(&self) -> impl Iterator<Item = (usize, &'a FoldLoops)> {
        self.reduce.folds.iter().map(|fold| &fold.loops).enumerate()
    }

    pub(super) fn run(&self, piece: &Piece, constants: &Constants) {
        let Partition { space, most, way, inner, .. } = self.partition;
        let region = &self.reduce.region;
        let mut frame = Frame::new(region, space, self.memory, constants, *most, self.scratch);
        if let Some(size) = window(self.reduce, self.partition) {
            let scratch = self.scratch.carve(scratch_bytes(region, space, *most), size.bytes, 1);
            frame = frame.through(Window::new(region, space, size, scratch));
            if size.columns == *inner {
                frame.move_window(piece.columns.clone());
            }
        }
        match way {
            Way::Packed => self.packed(&mut frame, piece),
            Way::Rows => self.rows(&mut frame, piece),
            Way::Columns => self.columns(&mut frame, piece),
        }
    }

    /// Evaluates a strip of `n` points, and writes what is written beside.
    fn eval(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize) {
        self.beside.eval_alone(&self.reduce.region, frame, point, n);
    }

    fn packed(&self, frame: &mut Frame<'a, 'm>, piece: &Piece) {
        let Partition { ref space, reduced, inner, most, .. } = *self.partition;
        let block = reduced * inner;
        let strip = space.strip(piece.outer.start * block, piece.outer.end * block, most);
        let at_once = (if self.partition.has_long_rows() { strip } else { most } / block).max(1);
        let mut outer = piece.outer.start;
        while outer < piece.outer.end {
            let n = at_once.min(piece.outer.end - outer);
            self.assemble(frame, outer * block, n * block, |fold, loops, terms| {
                let (start, len) = (outer * inner, n * inner);
                let place = self.place(fold, start, len);
                let out = place.unwrap_or_else(|| self.results(fold, len));
                match terms {
                    Terms::One(x) => (loops.middle)(self.arch, out, x, [n, reduced, inner]),
                    Terms::Product(products, x) => (products.middle)(self.arch, out, x, reduced),
                }
                if place.is_none() {
                    self.store(fold, start, out);
                }
            });
            outer += n;
        }
    }

    fn rows(&self, frame: &mut Frame<'a, 'm>, piece: &Piece) {
        let Partition { space, reduced, most, in_place, at_hand, .. } = self.partition;
        for outer in piece.outer.clone() {
            let (mut point, end) = (outer * reduced + piece.rows.start, outer * reduced + piece.rows.end);
            self.clear(Self::of_all, 1);
            while point < end {
                // What lies in memory is folded there: what is read once need not fit the cache.
                let whole = *in_place || *at_hand && space.is_in_row(point, end - point);
                let n = if whole && self.reads_once() { end - point } else { space.strip(point, end, *most) };
                self.eval(frame, point, n);
                if !self.total_of_pair(frame, n) {
                    self.each_fold(frame, n, |fold, loops, terms| match terms {
                        Terms::One(x) => (loops.total)(self.arch, self.of_all(fold, 0, 1), x),
                        Terms::Product(products, x) => (products.total)(self.arch, self.of_all(fold, 0, 1), x),
                    });
                }
                point += n;
            }
            self.finish(piece.part, outer, 1);
        }
    }

    pub(super) fn clear(&self, accumulators: Accumulators<'a, 'm>, n: usize) {
        for (fold, loops) in self.loops() {
            (loops.clear)(accumulators(self, fold, 0, n));
        }
    }

    /// Folds `len` points from `start` on into as many accumulators.
    pub(super) fn accumulate(&self, frame: &mut Frame<'a, 'm>, start: usize, len: usize, into: Accumulators<'a, 'm>) {
        let (mut point, end) = (start, start + len);
        while point < end {
            let n = self.partition.space.strip(point, end, self.partition.most);
            self.eval(frame, point, n);
            self.each_fold(frame, n, |fold, loops, terms| {
                let acc = into(self, fold, point - start, n);
                match terms {
                    Terms::One(x) => (loops.accumulate)(self.arch, acc, x),
                    Terms::Product(products, x) => (products.accumulate)(self.arch, acc, x),
                }
            });
            point += n;
        }
    }

    /// Folds a strip of `n` points into the totals of a pair, if no more than one element is subtracted from all. Whether
    /// it did.
    fn total_of_pair(&self, frame: &Frame<'a, 'm>, n: usize) -> bool {
        let Some(Pair { order, loops, .. }) = &self.reduce.pair else { return false };
        let output = self.reduce.folds[0].output;
        let x = frame.output(output);
        let by = if loops.subtracts { frame.output(output + 1) } else { x.part(0, 1) };
        let fits = x.len() == n && by.len() == 1;
        if fits {
            (loops.total)(self.arch, order.map(|fold| self.of_all(fold, 0, 1)), [x, by]);
        }
        fits
    }

    /// Whether each row is read once, from its first element to its last, however long it is.
    fn reads_once(&self) -> bool {
        let Reduce { folds, pair, .. } = self.reduce;
        folds.len() == 1 || pair.as_ref().is_some_and(|pair| !pair.loops.subtracts)
    }

    /// Hands each fold its terms of the evaluated strip of `n` points.
    fn each_fold(&self, frame: &Frame<'a, 'm>, n: usize, mut f: impl FnMut(usize, &FoldLoops, Terms<'a>)) {
        for (i, fold) in self.reduce.folds.iter().enumerate() {
            f(i, &fold.loops, self.terms(frame, fold, n, || self.spare(i, 0, n)));
        }
    }

    /// What the evaluated strip of `n` points has for a fold: two factors, the first of them a row, or elements, if need be
    /// at `spare`.
    fn terms(&self, frame: &Frame<'a, 'm>, fold: &'a Folded, n: usize, spare: impl FnOnce() -> Strip<'a>) -> Terms<'a> {
        if let Some(products) = &fold.products {
            let [a, b] = [0, 1].map(|j| frame.output(fold.output + j));
            if a.len() == n && (b.len() == n || b.len() == 1 || fold.loops.kind == Kind::Place) {
                return Terms::Product(products, [a, b]);
            }
        }
        Terms::One(self.elements(frame, fold, n, spare))
    }

    /// The strip of `n` elements that a fold is of: where they are, or at `to`.
    fn elements(&self, frame: &Frame<'a, 'm>, fold: &Folded, n: usize, to: impl FnOnce() -> Strip<'a>) -> Strip<'a> {
        let mut value = frame.output(fold.output);
        if value.len() == n && fold.products.is_none() {
            return value;
        }
        let to = to();
        if let Some(products) = &fold.products {
            let other = frame.output(fold.output + 1);
            let out = to.part(0, value.len().max(other.len()));
            products.multiply.body.run(self.arch, &[value, other], out);
            value = out;
        }
        if value.len() != n {
            (fold.loops.spread)(to, value);
            value = to;
        }
        value
    }

    /// Evaluates points that may be more than one strip of the space, and hands each fold its terms.
    fn assemble(
        &self,
        frame: &mut Frame<'a, 'm>,
        start: usize,
        len: usize,
        mut f: impl FnMut(usize, &FoldLoops, Terms<'a>),
    ) {
        let Partition { space, most, .. } = self.partition;
        let products = self.partition.has_long_rows();
        let (mut point, end) = (start, start + len);
        while point < end {
            let n = space.strip(point, end, *most);
            self.eval(frame, point, n);
            for (i, fold) in self.reduce.folds.iter().enumerate() {
                let to = self.spare(i, point - start, n);
                if n == len && products {
                    f(i, &fold.loops, self.terms(frame, fold, n, || to));
                    continue;
                }
                let x = self.elements(frame, fold, n, || to);
                if n == len {
                    f(i, &fold.loops, Terms::One(x));
                } else if !x.is(to) {
                    x.copy_to(to);
                }
            }
            point += n;
            if n == len {
                return;
            }
        }
        for (i, loops) in self.loops() {
            f(i, loops, Terms::One(self.spare(i, 0, len)));
        }
    }

    /// Puts the first `n` accumulators of all blocks, of results from `start` on, with the other parts; or stores them if
    /// there are none.
    pub(super) fn finish(&self, part: usize, start: usize, n: usize) {
        for (fold, loops) in self.loops() {
            let acc = self.of_all(fold, 0, n);
            if self.partition.n_parts > 1 {
                acc.copy_to(partial(self.memory.parts, self.partition, loops, [fold, part, start], n));
            } else {
                // Straight to where they belong, if that is a row of elements.
                let place = self.place(fold, start, n);
                let out = place.unwrap_or_else(|| self.results(fold, n));
                (loops.narrow)(self.arch, out, acc);
                if place.is_none() {
                    self.store(fold, start, out);
                }
            }
        }
    }

    /// Where `n` results of a fold from `start` on lie, if they lie in a row.
    fn place(&self, fold: usize, start: usize, n: usize) -> Option<Strip<'a>> {
        let memory = self.memory.temps[self.reduce.folds[fold].temp];
        self.partition.kept.in_place(fold, start, n, memory).filter(|place| place.len() == n)
    }

    /// Stores results of a fold, the first of them `start`.
    fn store(&self, fold: usize, start: usize, from: Strip<'_>) {
        let memory = self.memory.temps[self.reduce.folds[fold].temp];
        self.partition.kept.scatter(fold, start, from.len(), memory, from);
    }
}

fn frame_bytes(reduce: &Reduce, partition: &Partition) -> usize {
    let bytes = scratch_bytes(&reduce.region, &partition.space, partition.most);
    bytes + window(reduce, partition).map_or(0, |size| size.bytes)
}

/// A window onto all columns, if there is one that stays in the cache.
fn window(reduce: &Reduce, partition: &Partition) -> Option<Size> {
    let [_, columns] = partition.space.plane()?;
    Size::new(&reduce.region, &partition.space, columns, WINDOW)
}

/// Bytes of the strips of one fold. Packed results, as many as a strip has elements where dims of 1 are reduced, lie where
/// the accumulators do.
fn fold_bytes(partition: &Partition) -> usize {
    (partition.most + partition.most.max(2 * partition.accumulators())) * partition.wide
}
