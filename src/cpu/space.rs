//! The domain a pass walks over, and where each tensor's elements lie along it.
//!
//! A [`Space`] is a shape with its dims in the order they are walked, joined where every tensor steps through them as
//! one. Its points have row-major numbers, and a strip is a range of those. What a strip reads lies in a row, or is
//! one element, or has to be gathered.

use smallvec::SmallVec;

use super::kernel::Src;
use crate::Shape;
use crate::base::access::Access;
use crate::base::layout::{Layout, Strides, collapse};

/// Strips end where rows do if rows are at least this long; shorter rows are packed, several to a strip.
const LONG_ROW: usize = 256;

pub(super) struct Space {
    sizes: SmallVec<[usize; 8]>,
    pub(super) numel: usize,
    pub(super) views: Vec<View>,
}

/// One tensor along a space.
pub(super) struct View {
    strides: Strides,
    offset: isize,
    /// Bytes an element takes.
    size: usize,
    /// The points of each block of this many lie in a row.
    span: usize,
    /// The elements repeat after this many points.
    pub(super) period: usize,
    /// What follows the first stage of the access.
    chain: Vec<Layout>,
    is_index: bool,
}

/// A tensor to be walked: its layout over the domain, what follows it, and the size of an element.
pub(super) struct Operand<'a> {
    layout: &'a Layout,
    chain: &'a [Layout],
    size: usize,
    /// Whether it is no tensor: an element is its own position, as an i32.
    is_index: bool,
}

impl<'a> Operand<'a> {
    pub(super) fn of(access: &'a Access, size: usize) -> Self {
        Self { layout: &access.stages()[0], chain: &access.stages()[1..], size, is_index: false }
    }

    pub(super) fn index(access: &'a Access) -> Self {
        Self { is_index: true, ..Self::of(access, size_of::<i32>()) }
    }

    pub(super) fn layout(layout: &'a Layout, size: usize) -> Self {
        Self { layout, chain: &[], size, is_index: false }
    }

    pub(super) fn stride(&self, dim: usize) -> isize {
        self.layout.strides()[dim]
    }
}

impl Space {
    /// The domain `shape` with its dims in the order `dims` names them; those it leaves out are not walked.
    pub(super) fn new(shape: &Shape, dims: &[usize], operands: &[Operand<'_>]) -> Self {
        let ordered: Shape = dims.iter().map(|&d| shape[d]).collect();
        let strides: SmallVec<[Strides; 8]> =
            operands.iter().map(|o| dims.iter().map(|&d| o.stride(d)).collect()).collect();
        let borrowed: SmallVec<[&[isize]; 8]> = strides.iter().map(|s| &s[..]).collect();
        let (mut sizes, mut strides) = collapse(&ordered, &borrowed);
        if sizes.is_empty() {
            // One point, which every tensor may be said to have in a row.
            sizes.push(1);
            for strides in &mut strides {
                strides.push(1);
            }
        }
        let views = operands
            .iter()
            .zip(strides)
            .map(|(operand, strides)| View {
                offset: operand.layout.offset() as isize,
                size: operand.size,
                span: if operand.chain.is_empty() && !operand.is_index { span(&sizes, &strides) } else { 0 },
                period: period(&sizes, &strides),
                chain: operand.chain.to_vec(),
                is_index: operand.is_index,
                strides,
            })
            .collect();
        Self { numel: ordered.numel(), sizes, views }
    }

    fn inner(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// How many points from `point` on make a strip, of `most` at most and ending at `end` at the latest.
    #[inline]
    pub(super) fn strip(&self, point: usize, end: usize, most: usize) -> usize {
        let left = end - point;
        let inner = self.inner();
        if self.sizes.len() == 1 {
            return left.min(most);
        }
        let within = point % inner;
        if inner >= LONG_ROW || inner > most {
            return left.min(most).min(inner - within);
        }
        left.min(most / inner * inner - within)
    }

    /// Whether the elements of any strip of this view lie in a row.
    pub(super) fn is_linear(&self, view: usize) -> bool {
        self.views[view].span >= self.numel
    }

    /// The sizes of the last two dims if strips are pieces of long rows and there are rows to speak of.
    pub(super) fn plane(&self) -> Option<[usize; 2]> {
        let rank = self.sizes.len();
        let plane = if rank < 2 { None } else { Some([self.sizes[rank - 2], self.sizes[rank - 1]]) };
        plane.filter(|&[rows, columns]| rows >= 8 && columns >= LONG_ROW)
    }

    /// Whether what lies together in memory are columns of the last two dims, not rows.
    pub(super) fn is_turned(&self, view: usize) -> bool {
        let View { strides, chain, is_index, .. } = &self.views[view];
        let rank = strides.len();
        let step = |d: usize| strides[d].unsigned_abs();
        !is_index && chain.is_empty() && rank >= 2 && step(rank - 2) > 0 && step(rank - 2) < step(rank - 1)
    }

    /// Copies `rows` by `columns` points of the last two dims, from `point` on, to `out`, row by row.
    ///
    /// # Safety
    ///
    /// As [`gather`](Self::gather).
    pub(super) unsafe fn gather_turned(
        &self,
        view: usize,
        point: usize,
        [rows, columns]: [usize; 2],
        base: *const u8,
        out: *mut u8,
    ) {
        /// # Safety
        ///
        /// As [`Space::gather`].
        unsafe fn copy<T: Copy>(from: *const T, steps: [isize; 2], [rows, columns]: [usize; 2], out: *mut T) {
            for column in 0..columns {
                for row in 0..rows {
                    // SAFETY: the caller's.
                    unsafe {
                        let x = from.offset(row as isize * steps[0] + column as isize * steps[1]).read();
                        out.add(row * columns + column).write(x);
                    }
                }
            }
        }
        let view = &self.views[view];
        let rank = view.strides.len();
        let steps = [view.strides[rank - 2], view.strides[rank - 1]];
        let from = base.wrapping_offset(self.locate(view, point) * view.size as isize);
        // SAFETY: the caller's.
        unsafe {
            match view.size {
                1 => copy::<u8>(from, steps, [rows, columns], out),
                2 => copy::<u16>(from.cast(), steps, [rows, columns], out.cast()),
                4 => copy::<u32>(from.cast(), steps, [rows, columns], out.cast()),
                _ => copy::<u64>(from.cast(), steps, [rows, columns], out.cast()),
            }
        }
    }

    /// Where the first stage of `view` puts `point`.
    #[inline]
    fn locate(&self, view: &View, mut point: usize) -> isize {
        let mut at = view.offset;
        for d in (1..self.sizes.len()).rev() {
            at += (point % self.sizes[d]) as isize * view.strides[d];
            point /= self.sizes[d];
        }
        at + point as isize * view.strides[0]
    }

    /// The strip of `n` points from `point` on as it lies in memory from `base`, if it lies in a row or is one element.
    #[inline]
    pub(super) fn in_place(&self, view: usize, point: usize, n: usize, base: *const u8) -> Option<Src> {
        let view = &self.views[view];
        if view.is_index {
            return None;
        }
        let splat = if view.span >= self.numel || view.span > 0 && point % view.span + n <= view.span {
            false
        } else if view.strides[self.sizes.len() - 1] == 0
            && view.chain.is_empty()
            && point % self.inner() + n <= self.inner()
        {
            true
        } else {
            return None;
        };
        let at = self.locate(view, point);
        Some(Src { at: base.wrapping_offset(at * view.size as isize), splat })
    }

    /// Calls `f` for each piece of the strip that lies in even steps: with where it starts and how many rows of how
    /// many elements it has, and the steps of both.
    fn pieces(&self, view: &View, point: usize, n: usize, mut f: impl FnMut(Piece)) {
        let rank = self.sizes.len();
        let inner = self.inner();
        let step = view.strides[rank - 1];
        let (mut point, end) = (point, point + n);
        while point < end {
            let within = point % inner;
            let start = self.locate(view, point);
            if within != 0 || end - point < inner || rank == 1 {
                let count = (inner - within).min(end - point);
                f(Piece { start, rows: 1, row_step: 0, count, step });
                point += count;
            } else {
                let room = self.sizes[rank - 2] - point / inner % self.sizes[rank - 2];
                let rows = room.min((end - point) / inner);
                f(Piece { start, rows, row_step: view.strides[rank - 2], count: inner, step });
                point += rows * inner;
            }
        }
    }

    /// Copies the strip of `n` points from `point` on to `out`, in a row; of an index, writes its numbers there.
    ///
    /// # Safety
    ///
    /// The view's elements must be readable from `base`, `out` be writable for `n` elements, both aligned to the
    /// element's size, and the two apart.
    pub(super) unsafe fn gather(&self, view: usize, point: usize, n: usize, base: *const u8, out: *mut u8) {
        // SAFETY: the caller's.
        unsafe {
            if self.views[view].is_index {
                return self.number(&self.views[view], point, n, out.cast());
            }
            match self.views[view].size {
                1 => self.gather_as::<u8>(view, point, n, base, out),
                2 => self.gather_as::<u16>(view, point, n, base, out),
                4 => self.gather_as::<u32>(view, point, n, base, out),
                _ => self.gather_as::<u64>(view, point, n, base, out),
            }
        }
    }

    /// # Safety
    ///
    /// `out` must be writable for `n` numbers.
    unsafe fn number(&self, view: &View, point: usize, n: usize, mut out: *mut i32) {
        self.pieces(view, point, n, |piece| {
            for row in 0..piece.rows {
                let start = piece.start + row as isize * piece.row_step;
                for i in 0..piece.count {
                    let number = (start + i as isize * piece.step) as usize;
                    let number = view.chain.iter().fold(number, |at, layout| layout.at(at));
                    // SAFETY: the pieces have `n` elements in all.
                    unsafe { out.add(i).write(number as i32) };
                }
                out = out.wrapping_add(piece.count);
            }
        });
    }

    /// # Safety
    ///
    /// As [`gather`](Self::gather).
    unsafe fn gather_as<T: Copy>(&self, view: usize, point: usize, n: usize, base: *const u8, out: *mut u8) {
        let view = &self.views[view];
        let base = base.cast::<T>();
        let mut out = out.cast::<T>();
        let chain = &view.chain[..];
        self.pieces(view, point, n, |piece| {
            for row in 0..piece.rows {
                let start = piece.start + row as isize * piece.row_step;
                // SAFETY: the view's elements are readable, and the pieces have `n` elements in all.
                unsafe {
                    if !chain.is_empty() {
                        for i in 0..piece.count {
                            let number = (start + i as isize * piece.step) as usize;
                            let at = chain.iter().fold(number, |at, layout| layout.at(at));
                            out.add(i).write(base.add(at).read());
                        }
                    } else if piece.step == 1 && piece.count >= 16 {
                        out.copy_from_nonoverlapping(base.offset(start), piece.count);
                    } else if piece.step == 0 && piece.count % 4 == 0 {
                        // Four at a time: for short rows a call to fill memory takes longer than the filling.
                        let four = [base.offset(start).read(); 4];
                        for i in (0..piece.count).step_by(4) {
                            out.add(i).cast::<[T; 4]>().write_unaligned(four);
                        }
                    } else {
                        let from = base.offset(start);
                        for i in 0..piece.count {
                            out.add(i).write(from.offset(i as isize * piece.step).read());
                        }
                    }
                    out = out.add(piece.count);
                }
            }
        });
    }

    /// Copies a row of `n` elements to where the strip from `point` on lies; a splat to all of them.
    ///
    /// # Safety
    ///
    /// As [`gather`](Self::gather), with reading and writing exchanged, but that the two may be the same. The view must
    /// have a single stage.
    pub(super) unsafe fn scatter(&self, view: usize, point: usize, n: usize, base: *mut u8, from: Src) {
        // SAFETY: the caller's.
        unsafe {
            match self.views[view].size {
                1 => self.scatter_as::<u8>(view, point, n, base, from),
                2 => self.scatter_as::<u16>(view, point, n, base, from),
                4 => self.scatter_as::<u32>(view, point, n, base, from),
                _ => self.scatter_as::<u64>(view, point, n, base, from),
            }
        }
    }

    /// # Safety
    ///
    /// As [`scatter`](Self::scatter).
    unsafe fn scatter_as<T: Copy>(&self, view: usize, point: usize, n: usize, base: *mut u8, from: Src) {
        let view = &self.views[view];
        let base = base.cast::<T>();
        let mut src = from.at.cast::<T>();
        self.pieces(view, point, n, |piece| {
            for row in 0..piece.rows {
                let start = piece.start + row as isize * piece.row_step;
                // SAFETY: the view's elements are writable, and the pieces have `n` elements in all.
                unsafe {
                    let to = base.offset(start);
                    if from.splat {
                        let value = src.read();
                        for i in 0..piece.count {
                            to.offset(i as isize * piece.step).write(value);
                        }
                        continue;
                    }
                    if piece.step == 1 && piece.count >= 16 {
                        // A tensor assigned to itself is copied to where it is.
                        to.copy_from(src, piece.count);
                    } else {
                        for i in 0..piece.count {
                            to.offset(i as isize * piece.step).write(src.add(i).read());
                        }
                    }
                    src = src.add(piece.count);
                }
            }
        });
    }
}

/// Rows of elements in even steps.
struct Piece {
    start: isize,
    rows: usize,
    row_step: isize,
    count: usize,
    step: isize,
}

/// How many innermost points lie in a row without gaps.
fn span(sizes: &[usize], strides: &[isize]) -> usize {
    let mut span = 1;
    for (&size, &stride) in sizes.iter().zip(strides).rev() {
        if stride != span as isize {
            break;
        }
        span *= size;
    }
    span
}

/// After how many points the elements repeat: the product of the dims within the innermost broadcast ones.
fn period(sizes: &[usize], strides: &[isize]) -> usize {
    let outer = strides.iter().take_while(|&&stride| stride == 0).count();
    sizes[outer..].iter().product()
}
