//! One thread's share of a reduction.

use pulp::Arch;

use super::partition::{BLOCK, Partition, Piece, Way};
use super::{Folded, Reduce, partial};
use crate::cpu::fold::{FoldLoops, ROWS, WIDE};
use crate::cpu::frame::{Constants, Frame, Memory, scratch_bytes};
use crate::cpu::strip::Strip;

/// What a thread folds with: for each fold a spare strip, an accumulator, and a wide accumulator.
pub(super) struct Worker<'a, 'm> {
    reduce: &'a Reduce,
    partition: &'a Partition,
    memory: &'a Memory<'m>,
    /// What the frame wants, then the strips of each fold.
    scratch: Strip<'a>,
    /// Bytes of the former, and of the strips of one fold.
    frame_bytes: usize,
    fold_bytes: usize,
    arch: Arch,
}

/// What a strip has for a fold: elements, or two rows of them to be multiplied.
enum Terms<'a> {
    One(Strip<'a>),
    Product(Strip<'a>, Strip<'a>),
}

impl<'a, 'm: 'a> Worker<'a, 'm> {
    pub(super) fn new(
        reduce: &'a Reduce,
        partition: &'a Partition,
        memory: &'a Memory<'m>,
        scratch: Strip<'a>,
    ) -> Self {
        let frame_bytes = scratch_bytes(&reduce.region, &partition.space, partition.most);
        let fold_bytes = fold_bytes(partition);
        Self { reduce, partition, memory, scratch, frame_bytes, fold_bytes, arch: Arch::new() }
    }

    /// Bytes of scratch memory it wants.
    pub(super) fn scratch_bytes(reduce: &Reduce, partition: &Partition) -> usize {
        scratch_bytes(&reduce.region, &partition.space, partition.most) + reduce.folds.len() * fold_bytes(partition)
    }

    /// `n` elements of `size` bytes, of the strips of a fold, from byte `at` on.
    fn own(&self, fold: usize, at: usize, n: usize, size: usize) -> Strip<'a> {
        debug_assert!(at + n * size <= self.fold_bytes, "within the strips of this fold");
        self.scratch.carve(self.frame_bytes + fold * self.fold_bytes + at, n, size)
    }

    /// `n` elements of a fold's spare strip, from element `first` on.
    fn spare(&self, fold: usize, first: usize, n: usize) -> Strip<'a> {
        debug_assert!(first + n <= self.partition.most, "a strip has {} elements", self.partition.most);
        let size = self.reduce.folds[fold].loops.size;
        self.own(fold, first * size, n, size)
    }

    /// `n` elements of a fold's accumulator, from element `first` on.
    fn accumulator(&self, fold: usize, first: usize, n: usize) -> Strip<'a> {
        debug_assert!(first + n <= self.partition.accumulator(), "within the accumulator");
        let size = self.reduce.folds[fold].loops.size;
        self.own(fold, self.partition.most * WIDE + first * size, n, size)
    }

    /// `n` elements of a fold's wide accumulator, from element `first` on.
    fn wide(&self, fold: usize, first: usize, n: usize) -> Strip<'a> {
        let before = self.partition.most + self.partition.accumulator();
        self.own(fold, (before + first) * WIDE, n, WIDE)
    }

    fn loops(&self) -> impl Iterator<Item = (usize, &'a FoldLoops)> {
        self.reduce.folds.iter().map(|fold| &fold.loops).enumerate()
    }

    pub(super) fn run(&self, piece: &Piece, constants: &Constants) {
        let Partition { space, most, way, .. } = self.partition;
        let mut frame = Frame::new(&self.reduce.region, space, self.memory, constants, *most, self.scratch);
        match way {
            Way::Packed => self.packed(&mut frame, piece),
            Way::Rows => self.rows(&mut frame, piece),
            Way::Columns => self.columns(&mut frame, piece),
        }
    }

    fn packed(&self, frame: &mut Frame<'a, 'm>, piece: &Piece) {
        let Partition { reduced, inner, most, .. } = *self.partition;
        let block = reduced * inner;
        let at_once = (most / block).max(1);
        let mut outer = piece.outer.start;
        while outer < piece.outer.end {
            let n = at_once.min(piece.outer.end - outer);
            self.assemble(frame, outer * block, n * block, |fold, loops, x| {
                let (start, len) = (outer * inner, n * inner);
                let place = self.place(fold, start, len);
                let out = place.unwrap_or_else(|| self.accumulator(fold, 0, len));
                (loops.middle)(self.arch, out, x, [n, reduced, inner]);
                if place.is_none() {
                    self.store(fold, start, out);
                }
            });
            outer += n;
        }
    }

    fn rows(&self, frame: &mut Frame<'a, 'm>, piece: &Piece) {
        let Partition { space, reduced, most, .. } = self.partition;
        for outer in piece.outer.clone() {
            let (mut point, end) = (outer * reduced + piece.rows.start, outer * reduced + piece.rows.end);
            self.clear_wide(1);
            while point < end {
                let n = space.strip(point, end, *most);
                self.evaluate(frame, point, n, |fold, loops, terms| match terms {
                    Terms::One(x) => (loops.total)(self.arch, self.wide(fold, 0, 1), x),
                    Terms::Product(a, b) => (loops.total_product)(self.arch, self.wide(fold, 0, 1), [a, b]),
                });
                point += n;
            }
            self.finish(piece.part, outer, 1);
        }
    }

    fn columns(&self, frame: &mut Frame<'a, 'm>, piece: &Piece) {
        let Partition { inner, n_columns, n_parts, .. } = *self.partition;
        let width = piece.columns.len();
        // Where rows are short, several are folded as one long one, which is folded at the end.
        let packed = if n_columns == 1 { self.partition.accumulator() / width } else { 1 };
        // A single block needs no wide accumulator.
        let single = packed == 1 && n_parts == 1 && piece.rows.len() <= BLOCK;
        for outer in piece.outer.clone() {
            let result = outer * inner + piece.columns.start;
            if single {
                self.block(frame, piece, outer, 1, 0..piece.rows.end);
                for (fold, _) in self.loops() {
                    self.store(fold, result, self.accumulator(fold, 0, width));
                }
                continue;
            }
            self.clear_wide(width * packed);
            for row in piece.rows.clone().step_by(BLOCK * packed) {
                self.block(frame, piece, outer, packed, row..piece.rows.end.min(row + BLOCK * packed));
                for (fold, loops) in self.loops() {
                    let (wide, x) = (self.wide(fold, 0, width * packed), self.accumulator(fold, 0, width * packed));
                    (loops.widen)(self.arch, wide, x);
                }
            }
            for (fold, loops) in self.loops() {
                let rows = self.wide(fold, 0, width * packed);
                for i in 1..packed {
                    (loops.merge)(self.arch, rows.part(0, width), rows.part(i * width, width));
                }
            }
            self.finish(piece.part, result, width);
        }
    }

    /// Folds rows `rows` of a piece into the accumulators, `packed` of them as one.
    fn block(
        &self,
        frame: &mut Frame<'a, 'm>,
        piece: &Piece,
        outer: usize,
        packed: usize,
        rows: std::ops::Range<usize>,
    ) {
        let Partition { inner, reduced, in_place, .. } = *self.partition;
        let width = piece.columns.len();
        for (fold, loops) in self.loops() {
            (loops.clear)(self.accumulator(fold, 0, width * packed));
        }
        let mut row = rows.start;
        while row < rows.end {
            let start = (outer * reduced + row) * inner + piece.columns.start;
            if in_place && packed == 1 && row + ROWS <= rows.end {
                self.accumulate_products(frame, start, width);
                row += ROWS;
            } else {
                let n_rows = packed.min(rows.end - row);
                self.accumulate(frame, start, n_rows * width);
                row += n_rows;
            }
        }
    }

    fn clear_wide(&self, n: usize) {
        for (fold, loops) in self.loops() {
            (loops.clear_wide)(self.wide(fold, 0, n));
        }
    }

    /// Folds `len` points from `start` on into as many elements of the accumulators.
    fn accumulate(&self, frame: &mut Frame<'a, 'm>, start: usize, len: usize) {
        let (mut point, end) = (start, start + len);
        while point < end {
            let n = self.partition.space.strip(point, end, self.partition.most);
            self.evaluate(frame, point, n, |fold, loops, terms| {
                let acc = self.accumulator(fold, point - start, n);
                match terms {
                    Terms::One(x) => (loops.accumulate)(self.arch, acc, x),
                    Terms::Product(a, b) => (loops.accumulate_product)(self.arch, acc, [[a, b]]),
                }
            });
            point += n;
        }
    }

    /// Folds [`ROWS`] rows of `len` points, the first of them from `start` on, of products whose factors lie in memory.
    fn accumulate_products(&self, frame: &mut Frame<'a, 'm>, start: usize, len: usize) {
        let Partition { space, inner, most, .. } = self.partition;
        let mut done = 0;
        while done < len {
            let n = space.strip(start + done, start + len, *most);
            for (fold, Folded { loops, output, .. }) in self.reduce.folds.iter().enumerate() {
                // Factors stay where they are when the next row is evaluated.
                let factors = std::array::from_fn(|row| {
                    frame.eval(start + row * inner + done, n, &[]);
                    [*output, output + 1].map(|factor| frame.output(factor))
                });
                (loops.accumulate_products)(self.arch, self.accumulator(fold, done, n), factors);
            }
            done += n;
        }
    }

    /// Evaluates a strip and hands each fold its terms.
    fn evaluate(
        &self,
        frame: &mut Frame<'a, 'm>,
        point: usize,
        n: usize,
        mut f: impl FnMut(usize, &FoldLoops, Terms<'a>),
    ) {
        frame.eval(point, n, &[]);
        for (i, fold) in self.reduce.folds.iter().enumerate() {
            let factors = if fold.product { Some([0, 1].map(|j| frame.output(fold.output + j))) } else { None };
            let terms = match factors {
                Some([a, b]) if a.len() == n && b.len() == n => Terms::Product(a, b),
                _ => Terms::One(self.elements(frame, fold, self.spare(i, 0, n))),
            };
            f(i, &fold.loops, terms);
        }
    }

    /// The strip of elements that a fold is of, in a row: where they are, or at `to`.
    fn elements(&self, frame: &Frame<'a, 'm>, fold: &Folded, to: Strip<'a>) -> Strip<'a> {
        let mut value = frame.output(fold.output);
        if fold.product {
            let other = frame.output(fold.output + 1);
            let out = to.part(0, value.len().max(other.len()));
            fold.loops.multiply.body.run(self.arch, &[value, other], out);
            value = out;
        }
        if value.len() != to.len() {
            (fold.loops.spread)(to, value);
            value = to;
        }
        value
    }

    /// Evaluates points that may be more than one strip of the space, and hands each fold its elements.
    fn assemble(
        &self,
        frame: &mut Frame<'a, 'm>,
        start: usize,
        len: usize,
        mut f: impl FnMut(usize, &FoldLoops, Strip<'a>),
    ) {
        let Partition { space, most, .. } = self.partition;
        let (mut point, end) = (start, start + len);
        while point < end {
            let n = space.strip(point, end, *most);
            frame.eval(point, n, &[]);
            for (i, fold) in self.reduce.folds.iter().enumerate() {
                let to = self.spare(i, point - start, n);
                let x = self.elements(frame, fold, to);
                if n == len {
                    f(i, &fold.loops, x);
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
            f(i, loops, self.spare(i, 0, len));
        }
    }

    /// Puts `n` wide results from `start` on with the other parts, or stores them if there are none.
    fn finish(&self, part: usize, start: usize, n: usize) {
        for (fold, loops) in self.loops() {
            let wide = self.wide(fold, 0, n);
            if self.partition.n_parts > 1 {
                wide.copy_to(partial(self.memory.parts, self.partition, [fold, part, start], n));
            } else {
                // Straight to where they belong, if that is a row of elements.
                let place = self.place(fold, start, n);
                let narrow = place.unwrap_or_else(|| self.accumulator(fold, 0, n));
                (loops.narrow)(self.arch, narrow, wide);
                if place.is_none() {
                    self.store(fold, start, narrow);
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

/// Bytes of the strips of one fold.
fn fold_bytes(partition: &Partition) -> usize {
    let accumulator = partition.accumulator();
    (partition.most + accumulator + accumulator.max(partition.most)) * WIDE
}
