//! A pass that folds values over some dims of their domain.
//!
//! The dims are put in the order in which memory is walked, and told apart into three: `outer`, kept; `reduced`; and
//! `inner`, kept and walked fastest. What is folded is evaluated strip by strip and never stored. There are three ways:
//!
//! - *packed*: where `reduced × inner` fits a strip, whole blocks of it are folded strip by strip;
//! - *rows*: where `inner` is 1, and rows are longer than a strip or of products, each strip is folded to one value;
//! - *columns*: otherwise, strips are folded into an accumulator as wide as a strip, walking down the rows; products
//!   of what lies in memory two rows at a time.
//!
//! How the work is cut up depends on the sizes alone, and parts are put together in order, so the same input gives the
//! same bits on any number of threads. Blocks are folded in the dtype itself and put together in a wider one.

use std::sync::OnceLock;

use pulp::Arch;
use smallvec::SmallVec;

use super::fold::{FoldKernels, ROWS};
use super::frame::{Frame, Memory, Numbers, numbers, operands, scratch_bytes, strip_len, with_scratch};
use super::kernel::Src;
use super::region::Region;
use super::space::{Operand, Space};
use super::threads;
use crate::Shape;
use crate::base::layout::Layout;

/// Elements a thread takes at a time, where there is no lack of them.
const CHUNK: usize = 64 * 1024;
/// Pieces of work wanted, so that many threads share it evenly. Not the number of threads: results do not depend on it.
const PIECES: usize = 32;
/// Columns walked down together: rows of them are long enough for the memory to stream.
const COLUMNS: usize = 4096;
/// Elements of a row that is long.
const LONG_ROW: usize = 1024;
/// Strips folded into an accumulator before it is folded into the wide one.
const BLOCK: usize = 64;

pub(super) struct Reduce {
    /// What is folded.
    region: Region,
    folds: Vec<Folded>,
    dims: SmallVec<[usize; 4]>,
    walk: OnceLock<Walk>,
}

/// One of the folds of a pass.
pub(super) struct Folded {
    pub(super) kernels: FoldKernels,
    /// The output of the region that is folded: or two, whose product is.
    pub(super) output: usize,
    pub(super) product: bool,
    /// Which temporary takes the results.
    pub(super) temp: usize,
}

/// What a strip has for a fold: elements, or two rows of them to be multiplied.
enum Terms {
    One(*const u8),
    Product(*const u8, *const u8),
}

/// The order of the walk, and how it is cut up.
struct Walk {
    /// Over outer, reduced and inner dims.
    space: Space,
    /// Over outer and inner dims, with a view of each fold's results.
    kept: Space,
    outer: usize,
    reduced: usize,
    inner: usize,
    /// Elements of a strip.
    most: usize,
    /// Whether all that is folded are products of what lies in memory as it is walked.
    in_place: bool,
    way: Way,
    /// Outer indices to a piece of work.
    outers: usize,
    /// Pieces of work along `inner` and its columns in each.
    n_columns: usize,
    columns: usize,
    /// Pieces of work along `reduced` and its rows in each.
    n_parts: usize,
    rows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Packed,
    Rows,
    Columns,
}

/// One piece of work.
struct Piece {
    outer: std::ops::Range<usize>,
    part: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl Walk {
    fn new(region: &Region, dims: &[usize], folds: &[Folded]) -> Self {
        let shape = &region.shape;
        let leaves: Vec<_> = operands(region).collect();
        // Dims in which memory is walked in long steps come first.
        let mut order: SmallVec<[usize; 8]> = (0..shape.rank()).filter(|&d| shape[d] != 1).collect();
        let steps = |d: usize| leaves.iter().fold(0, |sum: usize, l| sum.saturating_add(l.stride(d).unsigned_abs()));
        order.sort_by_key(|&d| std::cmp::Reverse(steps(d)));
        let is_reduced = |d: &usize| dims.contains(d);
        let n_inner = order.iter().rev().take_while(|d| !is_reduced(d)).count();
        let (front, inner_dims) = order.split_at(order.len() - n_inner);
        let (reduced_dims, outer_dims): (SmallVec<[usize; 8]>, SmallVec<[usize; 8]>) =
            front.iter().copied().partition(is_reduced);
        let product = |dims: &[usize]| dims.iter().map(|&d| shape[d]).product::<usize>();
        let (mut outer, reduced, mut inner) = (product(&outer_dims), product(&reduced_dims), product(inner_dims));
        if reduced_dims.is_empty() {
            // All the dims folded over have one element: nothing is, and everything is outer.
            (outer, inner) = (inner, 1);
        }
        let walked: SmallVec<[usize; 8]> = outer_dims.iter().chain(&reduced_dims).chain(inner_dims).copied().collect();
        let space = Space::new(shape, &walked, &leaves);

        let kept_shape = shape.iter().enumerate().filter(|(d, _)| !dims.contains(d)).map(|(_, &n)| n).collect();
        let result = Layout::contiguous(kept_shape);
        let place = |d: usize| d - dims.iter().filter(|&&r| r < d).count();
        let kept_dims: SmallVec<[usize; 8]> = outer_dims.iter().chain(inner_dims).map(|&d| place(d)).collect();
        let results: Vec<_> = folds.iter().map(|fold| Operand::layout(&result, fold.kernels.size)).collect();
        let kept = Space::new(result.shape(), &kept_dims, &results);

        let most = strip_len(region, &space);
        let in_place = folds.iter().all(|fold| fold.product)
            && region.outputs.iter().all(|&output| output < leaves.len() && space.is_linear(output));
        let block = reduced * inner;
        let way = match () {
            // The products of a long row need not be written down.
            () if in_place && inner == 1 && reduced >= LONG_ROW => Way::Rows,
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
        if way != Way::Packed && n_outer < PIECES {
            let parts = PIECES.div_ceil(n_outer.max(1)).min((reduced * columns).div_ceil(CHUNK / 2)).max(1);
            rows = reduced.div_ceil(parts);
        }
        let n_parts = reduced.div_ceil(rows.max(1)).max(1);
        let outers = if n_parts > 1 || n_columns > 1 { 1 } else { (CHUNK / block.max(1)).max(1) };
        Self { space, kept, outer, reduced, inner, most, in_place, way, outers, n_columns, columns, n_parts, rows }
    }

    fn units(&self) -> usize {
        self.outer.div_ceil(self.outers) * self.n_columns * self.n_parts
    }

    fn piece(&self, unit: usize) -> Piece {
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

    /// Elements of an accumulator: a row of columns, or as many short rows as fit a strip.
    fn accumulator(&self) -> usize {
        self.columns * (self.most / self.columns.max(1)).max(1)
    }
}

impl Reduce {
    pub(super) fn new(region: Region, folds: Vec<Folded>, dims: SmallVec<[usize; 4]>) -> Self {
        Self { region, folds, dims, walk: OnceLock::new() }
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        let results =
            self.region.shape.numel() / self.dims.iter().map(|&d| self.region.shape[d]).product::<usize>().max(1);
        let written: usize = self.folds.iter().map(|fold| results * fold.kernels.size).sum();
        (self.region.shape.clone(), self.region.bytes_read() + written)
    }

    fn walk(&self) -> &Walk {
        self.walk.get_or_init(|| Walk::new(&self.region, &self.dims, &self.folds))
    }

    /// Bytes it needs for parts of results: of every fold, of every part, of every result; wide.
    pub(super) fn parts_bytes(&self) -> usize {
        match self.walk().n_parts {
            0 | 1 => 0,
            n_parts => self.folds.len() * n_parts * self.walk().kept.numel * size_of::<u64>(),
        }
    }

    /// # Safety
    ///
    /// `memory` must hold the graph's buffers, the temporaries, those of these folds to be written by nobody else, and
    /// memory for parts.
    pub(super) unsafe fn run(&self, memory: &Memory) {
        let walk = self.walk();
        let n_kept = walk.kept.numel;
        if n_kept == 0 {
            return;
        }
        let numel = walk.space.numel;
        if numel == 0 {
            for fold in &self.folds {
                // SAFETY: the caller's; results are contiguous.
                unsafe { (fold.kernels.clear)(memory.temps[fold.temp], n_kept) };
            }
            return;
        }
        let numbers = numbers(&self.region, memory);
        let partials = Partials(memory.parts.cast());
        let own = scratch_bytes(&self.region, &walk.space, walk.most).next_multiple_of(64);
        // For each fold: a strip, an accumulator and a wide one.
        let extra = (walk.most + walk.accumulator()) * 8 + walk.accumulator().max(walk.most) * 8;
        threads::each(walk.units(), numel, |unit| {
            with_scratch(own + extra * self.folds.len(), |scratch| {
                let worker = Worker {
                    reduce: self,
                    walk,
                    memory,
                    partials: &partials,
                    extra: scratch.wrapping_add(own),
                    extra_bytes: extra,
                    arch: Arch::new(),
                };
                // SAFETY: the caller's; scratch memory is as large as said.
                unsafe { worker.piece(&walk.piece(unit), &numbers, scratch) };
            });
        });
        if walk.n_parts > 1 {
            threads::each(n_kept.div_ceil(COLUMNS), n_kept * walk.n_parts, |unit| {
                let (start, end) = (unit * COLUMNS, n_kept.min((unit + 1) * COLUMNS));
                // SAFETY: the caller's; ranges lie apart.
                unsafe { self.put_together(walk, memory, &partials, start, end - start) };
            });
        }
    }

    /// Folds the parts of `n` results from `start` on, in order, and stores them.
    ///
    /// # Safety
    ///
    /// As [`run`](Self::run).
    unsafe fn put_together(&self, walk: &Walk, memory: &Memory, partials: &Partials, start: usize, n: usize) {
        let arch = Arch::new();
        with_scratch(n * 8, |scratch| {
            for (i, fold) in self.folds.iter().enumerate() {
                let first = partials.at(walk, i, 0, start);
                // SAFETY: every part was written; this range is nobody else's.
                unsafe {
                    for part in 1..walk.n_parts {
                        (fold.kernels.merge)(arch, first, partials.at(walk, i, part, start), n);
                    }
                    (fold.kernels.narrow)(arch, scratch, first, n);
                    walk.kept.scatter(i, start, n, memory.temps[fold.temp], Src { at: scratch, splat: false });
                }
            }
        });
    }
}

/// Where parts of results are kept, wide: by fold, part and result.
struct Partials(*mut u64);

// SAFETY: pieces of work write to ranges of their own.
unsafe impl Sync for Partials {}

impl Partials {
    fn at(&self, walk: &Walk, fold: usize, part: usize, result: usize) -> *mut u64 {
        self.0.wrapping_add((fold * walk.n_parts + part) * walk.kept.numel + result)
    }
}

/// What a thread folds with.
struct Worker<'a> {
    reduce: &'a Reduce,
    walk: &'a Walk,
    memory: &'a Memory,
    partials: &'a Partials,
    extra: *mut u8,
    extra_bytes: usize,
    arch: Arch,
}

impl Worker<'_> {
    /// A strip of a fold's own.
    fn spare(&self, fold: usize) -> *mut u8 {
        self.extra.wrapping_add(fold * self.extra_bytes)
    }

    fn accumulator(&self, fold: usize) -> *mut u8 {
        self.spare(fold).wrapping_add(self.walk.most * 8)
    }

    fn wide(&self, fold: usize) -> *mut u64 {
        self.accumulator(fold).wrapping_add(self.walk.accumulator() * 8).cast()
    }

    /// # Safety
    ///
    /// As [`Reduce::run`]; `scratch` is what the frame wants.
    unsafe fn piece(&self, piece: &Piece, numbers: &Numbers, scratch: *mut u8) {
        let walk = self.walk;
        let mut frame = Frame::new(&self.reduce.region, &walk.space, self.memory, numbers, walk.most, scratch);
        // SAFETY: the caller's.
        unsafe {
            match walk.way {
                Way::Packed => self.packed(&mut frame, piece),
                Way::Rows => self.rows(&mut frame, piece),
                Way::Columns => self.columns(&mut frame, piece),
            }
        }
    }

    /// # Safety
    ///
    /// As [`Reduce::run`]; so for all that follow.
    unsafe fn packed(&self, frame: &mut Frame<'_>, piece: &Piece) {
        let walk = self.walk;
        let block = walk.reduced * walk.inner;
        let at_once = (walk.most / block).max(1);
        let mut outer = piece.outer.start;
        while outer < piece.outer.end {
            let n = at_once.min(piece.outer.end - outer);
            // SAFETY: the caller's; spare strips and accumulators are this thread's.
            unsafe {
                self.assemble(frame, outer * block, n * block, |fold, kernels, x| {
                    let (start, len) = (outer * walk.inner, n * walk.inner);
                    let place = self.place(fold, start, len);
                    let out = place.unwrap_or(self.accumulator(fold));
                    (kernels.middle)(self.arch, out, x, [n, walk.reduced, walk.inner]);
                    if place.is_none() {
                        self.store(fold, start, len, out);
                    }
                });
            }
            outer += n;
        }
    }

    unsafe fn rows(&self, frame: &mut Frame<'_>, piece: &Piece) {
        let walk = self.walk;
        for outer in piece.outer.clone() {
            let (mut point, end) = (outer * walk.reduced + piece.rows.start, outer * walk.reduced + piece.rows.end);
            // SAFETY: the caller's; spare strips and accumulators are this thread's.
            unsafe {
                self.clear_wide(1);
                while point < end {
                    let n = walk.space.strip(point, end, walk.most);
                    self.evaluate(frame, point, n, |fold, kernels, terms| match terms {
                        Terms::One(x) => (kernels.total)(self.arch, self.wide(fold), x, n),
                        Terms::Product(a, b) => (kernels.total_product)(self.arch, self.wide(fold), [a, b], n),
                    });
                    point += n;
                }
                self.finish(piece.part, outer, 1);
            }
        }
    }

    unsafe fn columns(&self, frame: &mut Frame<'_>, piece: &Piece) {
        let walk = self.walk;
        let width = piece.columns.len();
        // Where rows are short, several are folded as one long one, and that at the end.
        let packed = if walk.n_columns == 1 { walk.accumulator() / width } else { 1 };
        for outer in piece.outer.clone() {
            let first = outer * walk.reduced;
            // SAFETY: the caller's; spare strips and accumulators are this thread's.
            unsafe {
                // A single block needs no wide accumulator.
                let single = packed == 1 && walk.n_parts == 1 && piece.rows.len() <= BLOCK;
                if !single {
                    self.clear_wide(width * packed);
                }
                let mut row = piece.rows.start;
                while row < piece.rows.end {
                    self.clear(width * packed);
                    let block = piece.rows.end.min(row + BLOCK * packed);
                    while row < block {
                        let start = (first + row) * walk.inner + piece.columns.start;
                        if walk.in_place && packed == 1 && row + ROWS <= block {
                            self.accumulate_products(frame, start, width);
                            row += ROWS;
                        } else {
                            let n_rows = packed.min(block - row);
                            self.accumulate(frame, start, n_rows * width);
                            row += n_rows;
                        }
                    }
                    if single {
                        for fold in 0..self.reduce.folds.len() {
                            let start = outer * walk.inner + piece.columns.start;
                            self.store(fold, start, width, self.accumulator(fold));
                        }
                        break;
                    }
                    for (fold, Folded { kernels, .. }) in self.reduce.folds.iter().enumerate() {
                        (kernels.widen)(self.arch, self.wide(fold), self.accumulator(fold), width * packed);
                    }
                }
                if single {
                    continue;
                }
                for (fold, Folded { kernels, .. }) in self.reduce.folds.iter().enumerate() {
                    for i in 1..packed {
                        (kernels.merge)(self.arch, self.wide(fold), self.wide(fold).add(i * width), width);
                    }
                }
                self.finish(piece.part, outer * walk.inner + piece.columns.start, width);
            }
        }
    }

    unsafe fn clear(&self, n: usize) {
        for (fold, Folded { kernels, .. }) in self.reduce.folds.iter().enumerate() {
            // SAFETY: the accumulators are this thread's.
            unsafe { (kernels.clear)(self.accumulator(fold), n) };
        }
    }

    unsafe fn clear_wide(&self, n: usize) {
        for (fold, Folded { kernels, .. }) in self.reduce.folds.iter().enumerate() {
            // SAFETY: the accumulators are this thread's.
            unsafe { (kernels.clear_wide)(self.wide(fold), n) };
        }
    }

    /// Folds `len` points from `start` on into as many elements of the accumulators.
    unsafe fn accumulate(&self, frame: &mut Frame<'_>, start: usize, len: usize) {
        let (mut point, end) = (start, start + len);
        while point < end {
            let n = self.walk.space.strip(point, end, self.walk.most);
            // SAFETY: the caller's.
            unsafe {
                self.evaluate(frame, point, n, |fold, kernels, terms| {
                    let acc = self.accumulator(fold).add((point - start) * kernels.size);
                    match terms {
                        Terms::One(x) => (kernels.accumulate)(self.arch, acc, x, n),
                        Terms::Product(a, b) => (kernels.accumulate_product)(self.arch, acc, [[a, b]], n),
                    }
                });
            }
            point += n;
        }
    }

    /// Folds [`ROWS`] rows of `len` points, the first from `start` on, of products whose factors lie in memory.
    unsafe fn accumulate_products(&self, frame: &mut Frame<'_>, start: usize, len: usize) {
        let mut done = 0;
        while done < len {
            let n = self.walk.space.strip(start + done, start + len, self.walk.most);
            for (i, Folded { kernels, output, .. }) in self.reduce.folds.iter().enumerate() {
                let factors = std::array::from_fn(|row| {
                    // SAFETY: the caller's.
                    unsafe { frame.eval(start + row * self.walk.inner + done, n, &[]) };
                    [*output, output + 1].map(|factor| frame.output(factor).at)
                });
                // SAFETY: the caller's; factors stay where they are.
                unsafe {
                    let acc = self.accumulator(i).add(done * kernels.size);
                    (kernels.accumulate_products)(self.arch, acc, factors, n);
                }
            }
            done += n;
        }
    }

    /// Evaluates a strip and hands each fold its terms.
    unsafe fn evaluate(
        &self,
        frame: &mut Frame<'_>,
        point: usize,
        n: usize,
        mut f: impl FnMut(usize, &FoldKernels, Terms),
    ) {
        // SAFETY: the caller's.
        unsafe { frame.eval(point, n, &[]) };
        for (i, fold) in self.reduce.folds.iter().enumerate() {
            let terms = if fold.product {
                let (a, b) = (frame.output(fold.output), frame.output(fold.output + 1));
                if a.splat || b.splat { None } else { Some(Terms::Product(a.at, b.at)) }
            } else {
                None
            };
            // SAFETY: a strip of this fold's own.
            let terms = terms.unwrap_or_else(|| Terms::One(unsafe { self.elements(frame, fold, n, self.spare(i)) }));
            f(i, &fold.kernels, terms);
        }
    }

    /// The strip of elements that a fold is of, in a row: where they are, or at `to`.
    unsafe fn elements(&self, frame: &Frame<'_>, fold: &Folded, n: usize, to: *mut u8) -> *const u8 {
        let value = frame.output(fold.output);
        if !fold.product && !value.splat {
            return value.at;
        }
        let other = if fold.product { frame.output(fold.output + 1) } else { value };
        let kernel = if fold.product { fold.kernels.multiply } else { fold.kernels.spread };
        // SAFETY: `to` has room for `n` elements, and is nobody else's.
        unsafe { kernel.run.run(self.arch, &[value, other, Src::NONE], to, n) };
        to
    }

    /// Evaluates points that may be more than one strip of the space, at most `most`, and hands each fold its elements.
    unsafe fn assemble(
        &self,
        frame: &mut Frame<'_>,
        start: usize,
        len: usize,
        mut f: impl FnMut(usize, &FoldKernels, *const u8),
    ) {
        let space = &self.walk.space;
        let (mut point, end) = (start, start + len);
        while point < end {
            let n = space.strip(point, end, self.walk.most);
            // SAFETY: the caller's; spare strips have room for `len` elements of 8 bytes.
            unsafe {
                frame.eval(point, n, &[]);
                for (i, fold) in self.reduce.folds.iter().enumerate() {
                    let to = self.spare(i).add((point - start) * fold.kernels.size);
                    let at = self.elements(frame, fold, n, to);
                    if n == len {
                        f(i, &fold.kernels, at);
                    } else if at != to {
                        to.copy_from_nonoverlapping(at, n * fold.kernels.size);
                    }
                }
            }
            point += n;
            if n == len {
                return;
            }
        }
        for (i, fold) in self.reduce.folds.iter().enumerate() {
            f(i, &fold.kernels, self.spare(i));
        }
    }

    /// Puts `n` wide results from `start` on with the other parts, or stores them if there are none.
    unsafe fn finish(&self, part: usize, start: usize, n: usize) {
        for (fold, Folded { kernels, .. }) in self.reduce.folds.iter().enumerate() {
            // SAFETY: the caller's; this piece's parts and results are its own.
            unsafe {
                if self.walk.n_parts > 1 {
                    self.partials.at(self.walk, fold, part, start).copy_from_nonoverlapping(self.wide(fold), n);
                } else {
                    (kernels.narrow)(self.arch, self.accumulator(fold), self.wide(fold), n);
                    self.store(fold, start, n, self.accumulator(fold));
                }
            }
        }
    }

    /// Where `n` results of a fold from `start` on lie, if they lie in a row.
    fn place(&self, fold: usize, start: usize, n: usize) -> Option<*mut u8> {
        let base = self.memory.temps[self.reduce.folds[fold].temp];
        let place = self.walk.kept.in_place(fold, start, n, base)?;
        (!place.splat).then_some(place.at.cast_mut())
    }

    unsafe fn store(&self, fold: usize, start: usize, n: usize, from: *const u8) {
        let base = self.memory.temps[self.reduce.folds[fold].temp];
        // SAFETY: the caller's; results of this piece are its own.
        unsafe { self.walk.kept.scatter(fold, start, n, base, Src { at: from, splat: false }) };
    }
}
