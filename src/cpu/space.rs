//! The domain a pass walks over, and where each tensor's elements lie along it.
//!
//! A [`Space`] is a shape with its dims in the order they are walked, joined where every tensor steps through them as
//! one. Its points are numbered in row-major order, and a strip is a range of points. What a strip reads lies in a row,
//! or is one element, or has to be gathered.

use bytemuck::Pod;
use smallvec::SmallVec;

use super::steps::{Steps, copy_steps};
use super::strip::{Span, Strip, copy};
use crate::Shape;
use crate::base::access::Access;
use crate::base::layout::{Layout, Strides, collapse};

/// Strips end where rows do if rows are at least this long; shorter rows are packed, several to a strip.
const LONG_ROW: usize = 256;

pub(super) struct Space {
    pub(super) sizes: SmallVec<[usize; 8]>,
    pub(super) numel: usize,
    pub(super) tracks: Vec<Track>,
}

/// Where the elements of one tensor lie along a space.
pub(super) struct Track {
    pub(super) strides: Strides,
    offset: isize,
    /// Bytes of an element.
    pub(super) size: usize,
    /// Each block of this many points lies in a row in memory.
    span: usize,
    /// The elements repeat after this many points.
    period: usize,
    /// The stages of the access after the first.
    pub(super) chain: Vec<Layout>,
    /// Whether the tensor is none: each element is its own position, as an i32.
    pub(super) is_index: bool,
    /// The track of what says how many places to go on.
    pub(super) by: Option<usize>,
}

/// A tensor to be walked: its layout over the domain, the stages that follow, and the bytes of an element.
pub(super) struct Walked<'a> {
    layout: &'a Layout,
    chain: &'a [Layout],
    size: usize,
    /// Whether it is no tensor: each element is its own position, as an i32.
    pub(super) is_index: bool,
    /// The tensor whose elements say how many places to go on.
    by: Option<usize>,
}

impl<'a> Walked<'a> {
    pub(super) fn access(access: &'a Access, size: usize) -> Self {
        Self { layout: &access.stages()[0], chain: &access.stages()[1..], size, is_index: false, by: None }
    }

    pub(super) fn index(access: &'a Access) -> Self {
        Self { is_index: true, ..Self::access(access, size_of::<i32>()) }
    }

    pub(super) fn layout(layout: &'a Layout, size: usize) -> Self {
        Self { layout, chain: &[], size, is_index: false, by: None }
    }

    pub(super) fn by(self, by: Option<usize>) -> Self {
        Self { by, ..self }
    }

    pub(super) fn stride(&self, dim: usize) -> isize {
        self.layout.strides()[dim]
    }
}

impl Space {
    /// The domain `shape` with its dims in the order of `dims`; dims it leaves out are not walked. Each of `tensors` gets
    /// a track of the same index.
    pub(super) fn new(shape: &Shape, dims: &[usize], tensors: &[Walked<'_>]) -> Self {
        let ordered: Shape = dims.iter().map(|&d| shape[d]).collect();
        let strides: SmallVec<[Strides; 8]> =
            tensors.iter().map(|t| dims.iter().map(|&d| t.stride(d)).collect()).collect();
        let borrowed: SmallVec<[&[isize]; 8]> = strides.iter().map(|s| &s[..]).collect();
        let (mut sizes, mut strides) = collapse(&ordered, &borrowed);
        if sizes.is_empty() {
            // One point: a row of one element in every tensor.
            sizes.push(1);
            for strides in &mut strides {
                strides.push(1);
            }
        }
        let tracks = tensors
            .iter()
            .zip(strides)
            .map(|(tensor, strides)| Track {
                offset: tensor.layout.offset() as isize,
                size: tensor.size,
                span: if tensor.chain.is_empty() && !tensor.is_index && tensor.by.is_none() {
                    span(&sizes, &strides)
                } else {
                    0
                },
                period: if tensor.by.is_none() { period(&sizes, &strides) } else { ordered.numel() },
                chain: tensor.chain.to_vec(),
                is_index: tensor.is_index,
                by: tensor.by,
                strides,
            })
            .collect();
        Self { numel: ordered.numel(), sizes, tracks }
    }

    pub(super) fn rank(&self) -> usize {
        self.sizes.len()
    }

    pub(super) fn inner(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// Whether `n` points from `point` on are of one row.
    #[inline]
    pub(super) fn is_in_row(&self, point: usize, n: usize) -> bool {
        point % self.inner() + n <= self.inner()
    }

    /// The length of the strip that begins at `point`: at most `most` points, none of them beyond `end`.
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

    /// Whether every strip of this track lies in a row.
    pub(super) fn is_linear(&self, track: usize) -> bool {
        self.tracks[track].span >= self.numel
    }

    /// After how many points the elements of this track repeat, at least 1.
    pub(super) fn period(&self, track: usize) -> usize {
        self.tracks[track].period.max(1)
    }

    /// The sizes of the last two dims, if rows are long and there are at least eight.
    pub(super) fn plane(&self) -> Option<[usize; 2]> {
        let rank = self.sizes.len();
        let plane = if rank < 2 { None } else { Some([self.sizes[rank - 2], self.sizes[rank - 1]]) };
        plane.filter(|&[rows, columns]| rows >= 8 && columns >= LONG_ROW)
    }

    /// Whether neighbours in memory are neighbours in a column of the last two dims, not in a row.
    pub(super) fn is_turned(&self, track: usize) -> bool {
        let Track { strides, chain, is_index, by, .. } = &self.tracks[track];
        let rank = strides.len();
        let step = |d: usize| strides[d].unsigned_abs();
        !is_index
            && by.is_none()
            && chain.is_empty()
            && rank >= 2
            && step(rank - 2) > 0
            && step(rank - 2) < step(rank - 1)
    }

    /// Where the first stage of `track` puts `point`.
    #[inline]
    pub(super) fn locate(&self, track: &Track, mut point: usize) -> isize {
        let mut at = track.offset;
        for d in (1..self.sizes.len()).rev() {
            at += (point % self.sizes[d]) as isize * track.strides[d];
            point /= self.sizes[d];
        }
        at + point as isize * track.strides[0]
    }

    /// The strip of `n` points from `point` on as it lies in `memory`, if it lies in a row or is one element for all.
    #[inline]
    pub(super) fn in_place<'a>(&self, track: usize, point: usize, n: usize, memory: Span<'a>) -> Option<Strip<'a>> {
        let track = &self.tracks[track];
        if track.is_index {
            return None;
        }
        let n = if track.span >= self.numel || track.span > 0 && point % track.span + n <= track.span {
            n
        } else if track.strides[self.sizes.len() - 1] == 0 && track.chain.is_empty() && self.is_in_row(point, n) {
            1
        } else {
            return None;
        };
        Some(memory.strip(self.locate(track, point), n, track.size))
    }

    /// Calls `f` with each piece of the strip that lies in even steps.
    pub(super) fn pieces(&self, track: &Track, point: usize, n: usize, mut f: impl FnMut(Piece)) {
        let rank = self.sizes.len();
        let inner = self.inner();
        let step = track.strides[rank - 1];
        let (mut point, end) = (point, point + n);
        while point < end {
            let within = point % inner;
            let start = self.locate(track, point);
            if within != 0 || end - point < inner || rank == 1 {
                let count = (inner - within).min(end - point);
                f(Piece { start, rows: 1, row_step: 0, count, step });
                point += count;
            } else {
                let room = self.sizes[rank - 2] - point / inner % self.sizes[rank - 2];
                let rows = room.min((end - point) / inner);
                f(Piece { start, rows, row_step: track.strides[rank - 2], count: inner, step });
                point += rows * inner;
            }
        }
    }

    /// Copies the points from `point` on, as many as `out` is long, from `memory` to `out`. Of an index, writes its
    /// positions there.
    pub(super) fn gather(&self, track: usize, point: usize, memory: Span<'_>, out: Strip<'_>) {
        let track = &self.tracks[track];
        if track.is_index {
            return self.positions(track, point, out.cells());
        }
        match track.size {
            1 => self.gather_as::<u8>(track, point, memory, out),
            2 => self.gather_as::<u16>(track, point, memory, out),
            4 => self.gather_as::<u32>(track, point, memory, out),
            8 => self.gather_as::<u64>(track, point, memory, out),
            size => unreachable!("elements of {size} bytes"),
        }
    }

    fn gather_as<T: Pod>(&self, track: &Track, point: usize, memory: Span<'_>, out: Strip<'_>) {
        let (from, origin) = memory.cells::<T>();
        let mut out = out.cells::<T>();
        let chain = &track.chain[..];
        self.pieces(track, point, out.len(), |piece| {
            let (now, later) = out.split_at(piece.rows * piece.count);
            out = later;
            let start = (origin + piece.start) as usize;
            let is_run = piece.step == 1 && piece.count >= 16;
            let is_splat = piece.step == 0 && piece.count.is_multiple_of(4);
            if chain.is_empty() && !is_run && !is_splat {
                let from = Steps { cells: from, first: start, steps: [piece.row_step, piece.step] };
                let to = Steps { cells: now, first: 0, steps: [piece.count as isize, 1] };
                return copy_steps(from, to, [piece.rows, piece.count]);
            }
            for (row, now) in now.chunks_exact(piece.count).enumerate() {
                let start = start.wrapping_add_signed(row as isize * piece.row_step);
                if !chain.is_empty() {
                    for (i, out) in now.iter().enumerate() {
                        let at = chain.iter().fold(piece.at(row, i) as usize, |at, layout| layout.at(at));
                        out.set(from[origin as usize + at].get());
                    }
                } else if is_run {
                    copy(&from[start..][..piece.count], now);
                } else {
                    // Four at a time: for short rows a call to fill memory takes longer than the filling.
                    let element = from[start].get();
                    for out in now.as_chunks::<4>().0 {
                        out.iter().for_each(|out| out.set(element));
                    }
                }
            }
        });
    }

    /// Copies `rows` by `columns` points of the last two dims, from `point` on, to `out`, row by row, each `pitch` elements after the
    /// one before.
    pub(super) fn gather_turned(
        &self,
        track: usize,
        point: usize,
        sizes: [usize; 2],
        memory: Span<'_>,
        out: Strip<'_>,
        pitch: usize,
    ) {
        let track = &self.tracks[track];
        match track.size {
            1 => self.gather_turned_as::<u8>(track, point, sizes, memory, out, pitch),
            2 => self.gather_turned_as::<u16>(track, point, sizes, memory, out, pitch),
            4 => self.gather_turned_as::<u32>(track, point, sizes, memory, out, pitch),
            8 => self.gather_turned_as::<u64>(track, point, sizes, memory, out, pitch),
            size => unreachable!("elements of {size} bytes"),
        }
    }

    fn gather_turned_as<T: Pod>(
        &self,
        track: &Track,
        point: usize,
        [rows, columns]: [usize; 2],
        memory: Span<'_>,
        out: Strip<'_>,
        pitch: usize,
    ) {
        let (from, origin) = memory.cells::<T>();
        let out = &out.cells::<T>()[..rows * pitch];
        let rank = track.strides.len();
        let (row_step, step) = (track.strides[rank - 2], track.strides[rank - 1]);
        let start = (origin + self.locate(track, point)) as usize;
        // Column by column, as they lie in memory.
        let from = Steps { cells: from, first: start, steps: [step, row_step] };
        copy_steps(from, Steps { cells: out, first: 0, steps: [1, pitch as isize] }, [columns, rows]);
    }

    /// Copies `from` to where `n` points from `point` on lie in `memory`; one element to all of them. The track must
    /// have a single stage. `from` may be the very elements that are written.
    pub(super) fn scatter(&self, track: usize, point: usize, n: usize, memory: Span<'_>, from: Strip<'_>) {
        let track = &self.tracks[track];
        match track.size {
            1 => self.scatter_as::<u8>(track, point, n, memory, from),
            2 => self.scatter_as::<u16>(track, point, n, memory, from),
            4 => self.scatter_as::<u32>(track, point, n, memory, from),
            8 => self.scatter_as::<u64>(track, point, n, memory, from),
            size => unreachable!("elements of {size} bytes"),
        }
    }

    fn scatter_as<T: Pod>(&self, track: &Track, point: usize, n: usize, memory: Span<'_>, from: Strip<'_>) {
        debug_assert!(track.chain.is_empty(), "nothing is written through several stages");
        let (to, origin) = memory.cells::<T>();
        let mut from = from.cells::<T>();
        let splat = from.len() != n;
        self.pieces(track, point, n, |piece| {
            let sizes = [piece.rows, piece.count];
            let start = (origin + piece.start) as usize;
            let target = Steps { cells: to, first: start, steps: [piece.row_step, piece.step] };
            if splat {
                return copy_steps(Steps { cells: from, first: 0, steps: [0, 0] }, target, sizes);
            }
            let (now, later) = from.split_at(piece.rows * piece.count);
            from = later;
            if piece.step == 1 && piece.count >= 16 {
                for (row, now) in now.chunks_exact(piece.count).enumerate() {
                    // A tensor assigned to itself is copied to where it is.
                    let start = start.wrapping_add_signed(row as isize * piece.row_step);
                    copy(now, &to[start..][..piece.count]);
                }
            } else {
                copy_steps(Steps { cells: now, first: 0, steps: [piece.count as isize, 1] }, target, sizes);
            }
        });
    }
}

/// Rows of elements in even steps.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) start: isize,
    pub(super) rows: usize,
    pub(super) row_step: isize,
    /// Elements of a row.
    pub(super) count: usize,
    pub(super) step: isize,
}

impl Piece {
    /// Where element `i` of row `row` lies.
    #[inline]
    pub(super) fn at(&self, row: usize, i: usize) -> isize {
        self.start + row as isize * self.row_step + i as isize * self.step
    }
}

/// How many of the innermost points lie in a row without gaps.
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

/// After how many points the elements repeat: the product of the dims inside the outermost broadcast ones.
fn period(sizes: &[usize], strides: &[isize]) -> usize {
    let outer = strides.iter().take_while(|&&stride| stride == 0).count();
    sizes[outer..].iter().product()
}
