//! Matrix products, by the `matrixmultiply` crate.
//!
//! The factors are read where they lie, by strides; a factor that is an expression or of another dtype is computed
//! into memory first, over the dims it varies along. Threads take tiles of the result, and where those are few, parts
//! of the sum, which are added in order. Tiles and parts depend on the shape alone, so the same input gives the same
//! bits.

#![allow(unsafe_code, reason = "`matrixmultiply` takes pointers")]

use std::cell::Cell;

use bytemuck::Pod;
use smallvec::SmallVec;

use super::frame::Memory;
use super::map::Map;
use super::region::{Region, Source};
use super::strip::Span;
use super::threads;
use crate::base::layout::Layout;
use crate::expr::contraction::Contraction;
use crate::{DType, Result, Shape};

/// A product of fewer rows, columns or terms is left to a fused pass, which takes less time.
pub(super) const LEAST: usize = 4;
/// How many multiplications are worth a thread's while.
const TILE: usize = 1 << 18;
/// Pieces of work wanted, so that many threads share it evenly. Not the number of threads: results do not depend on it.
const PIECES: usize = 32;
/// Least rows or columns of a tile: packing the other factor for each tile stays a small part of the product.
const EDGE: usize = 128;
/// Least terms of a part of the sum.
const DEPTH: usize = 1024;
/// Elements whose parts a thread adds at a time.
const CHUNK: usize = 16 * 1024;

pub(super) struct Contract {
    factors: [Factor; 2],
    dtype: DType,
    /// The temporary for the result, which is row-major.
    temp: usize,
    numel: usize,
    axes: Axes,
    tiles: Tiles,
}

/// A factor of a product.
pub(super) struct Factor {
    source: Source,
    /// Where its elements lie, over the whole domain.
    layout: Layout,
    /// If it does not lie in memory: what computes it, and the temporary it is computed into.
    map: Option<(Map, usize)>,
}

impl Factor {
    /// The factor that `region` computes over the domain. It does not vary along the dims `absent`. `temp` makes a
    /// temporary of a number of elements, and gives its index.
    pub(super) fn new(region: Region, absent: &[usize], temp: impl FnOnce(usize) -> usize) -> Result<Self> {
        if let Some(leaf) = region.plain()
            && let Some(layout) = leaf.access.layout()
        {
            return Ok(Self { source: leaf.source, layout: layout.clone(), map: None });
        }
        let domain = region.shape.clone();
        let region = region.narrowed(absent);
        let layout = Layout::contiguous(region.shape.clone()).broadcast_to(&domain, "einsum")?;
        let temp = temp(region.shape.numel());
        Ok(Self { source: Source::Temp(temp), layout, map: Some((Map::new(region), temp)) })
    }
}

/// One dim, or several that are stepped through as one in both factors and in the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Axis {
    size: usize,
    /// Its steps in the two factors and in the result.
    steps: [isize; 3],
}

impl Axis {
    const NONE: Self = Self { size: 1, steps: [0; 3] };
}

/// The three axes of one product, and those around it: of the result (`batch`) and of the sum (`sums`).
#[derive(Debug)]
struct Axes {
    rows: Axis,
    columns: Axis,
    terms: Axis,
    batch: SmallVec<[Axis; 4]>,
    sums: SmallVec<[Axis; 2]>,
}

impl Axes {
    fn new(domain: &Shape, found: &Contraction, layouts: [&Layout; 3]) -> Self {
        let collapsed = |dims: &[usize]| {
            let mut axes: SmallVec<[Axis; 4]> = SmallVec::new();
            for &d in dims {
                let axis = Axis { size: domain[d], steps: layouts.map(|l| l.strides()[d]) };
                match axes.last_mut() {
                    Some(last) if (0..3).all(|i| last.steps[i] == axis.steps[i] * axis.size as isize) => {
                        *last = Axis { size: last.size * axis.size, ..axis };
                    }
                    _ => axes.push(axis),
                }
            }
            axes
        };
        // A product runs along the longest axis of each group; the others are walked around it.
        let longest = |mut axes: SmallVec<[Axis; 4]>| {
            let at = (0..axes.len()).max_by_key(|&i| axes[i].size);
            (at.map_or(Axis::NONE, |at| axes.remove(at)), axes)
        };
        let (rows, mut batch) = longest(collapsed(&found.rows));
        let (columns, more) = longest(collapsed(&found.columns));
        let (terms, sums) = longest(collapsed(&found.summed));
        batch.extend(more);
        batch.extend(collapsed(&found.batch));
        Self { rows, columns, terms, batch, sums: sums.into_iter().collect() }
    }
}

/// How the work is cut up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tiles {
    n_batch: usize,
    /// Rows and columns of a tile.
    rows: usize,
    columns: usize,
    /// Terms of a part.
    terms: usize,
}

impl Tiles {
    fn new(axes: &Axes) -> Self {
        let n_batch = axes.batch.iter().map(|a| a.size).product::<usize>();
        let work = axes.rows.size.saturating_mul(axes.columns.size).saturating_mul(axes.terms.size);
        let pieces = PIECES.div_ceil(n_batch.max(1)).min(work / TILE).max(1);
        // The longer side is cut first, then the other.
        let cut = |size: usize, pieces: usize| size.div_ceil(pieces).max(EDGE).min(size);
        let (mut rows, mut columns) = (axes.rows.size, axes.columns.size);
        if rows >= columns {
            rows = cut(rows, pieces);
            columns = cut(columns, pieces / axes.rows.size.div_ceil(rows));
        } else {
            columns = cut(columns, pieces);
            rows = cut(rows, pieces / axes.columns.size.div_ceil(columns));
        }
        let n_tiles = axes.rows.size.div_ceil(rows) * axes.columns.size.div_ceil(columns);
        let n_parts = if axes.sums.is_empty() { (pieces / n_tiles).min(axes.terms.size / DEPTH).max(1) } else { 1 };
        Self { n_batch, rows, columns, terms: axes.terms.size.div_ceil(n_parts) }
    }
}

impl Contract {
    pub(super) fn new(
        domain: &Shape,
        result: &Shape,
        found: &Contraction,
        factors: [Factor; 2],
        dtype: DType,
        temp: usize,
    ) -> Result<Self> {
        // Where the result lies, over the domain: it does not vary along the dims that are summed.
        let out = Layout::contiguous(domain.with_ones(&found.summed)).broadcast_to(domain, "einsum")?;
        let axes = Axes::new(domain, found, [&factors[0].layout, &factors[1].layout, &out]);
        let tiles = Tiles::new(&axes);
        Ok(Self { factors, dtype, temp, numel: result.numel(), axes, tiles })
    }

    /// The shape of its domain, and the bytes it must read and write: each factor and the result once.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        let read: usize = self.factors.iter().map(|factor| factor.layout.touched()).sum();
        (self.factors[0].layout.shape().clone(), (read + self.numel) * self.dtype.size())
    }

    /// How many parts the sums are cut into.
    fn n_parts(&self) -> usize {
        self.axes.terms.size.div_ceil(self.tiles.terms)
    }

    /// Bytes it needs for parts of the result: all but the first, which is the result's own memory.
    pub(super) fn parts_bytes(&self) -> usize {
        self.n_parts().saturating_sub(1) * self.numel * self.dtype.size()
    }

    /// Writes the result to its temporary.
    ///
    /// Threads take tiles and parts, which lie apart, then ranges of elements, whose parts they add. So no thread writes
    /// what another reads or writes, as [`Span::new`] demands.
    pub(super) fn run(&self, memory: &Memory<'_>) {
        if self.numel == 0 {
            return;
        }
        for (map, temp) in self.factors.iter().filter_map(|f| f.map.as_ref()) {
            map.fill(*temp, memory);
        }
        match self.dtype {
            DType::F32 => self.multiply::<f32>(memory),
            DType::F64 => self.multiply::<f64>(memory),
            _ => {
                unreachable!("no matrix product is computed in {}", self.dtype)
            }
        }
    }

    fn multiply<T: Gemm>(&self, memory: &Memory<'_>) {
        let Self { axes, tiles, .. } = self;
        let factors = self
            .factors
            .each_ref()
            .map(|factor| memory.source(factor.source).from(factor.layout.offset() * size_of::<T>()));
        let n_parts = self.n_parts();
        // The first part is the result's own memory.
        let place = |part: usize| match part {
            0 => memory.temps[self.temp],
            _ => memory.parts.from((part - 1) * self.numel * size_of::<T>()),
        };

        let (n_rows, n_columns) = (axes.rows.size.div_ceil(tiles.rows), axes.columns.size.div_ceil(tiles.columns));
        let units = tiles.n_batch * n_rows * n_columns * n_parts;
        let work = self.numel.saturating_mul(axes.terms.size);
        threads::each(units, work, |unit| {
            let (part, unit) = (unit % n_parts, unit / n_parts);
            let (column, unit) = (unit % n_columns * tiles.columns, unit / n_columns);
            let (row, batch) = (unit % n_rows * tiles.rows, unit / n_rows);
            let term = part * tiles.terms;
            let start = |i: usize| {
                let along = [(axes.rows, row), (axes.columns, column), (axes.terms, term)];
                along.iter().map(|(axis, at)| axis.steps[i] * *at as isize).sum::<isize>()
                    + offset(&axes.batch, batch, i)
            };
            let n_sums = axes.sums.iter().map(|s| s.size).product::<usize>();
            for sum in 0..n_sums {
                let tile = Tile {
                    rows: tiles.rows.min(axes.rows.size - row),
                    columns: tiles.columns.min(axes.columns.size - column),
                    terms: tiles.terms.min(axes.terms.size - term),
                    memory: [factors[0], factors[1], place(part)],
                    start: [0, 1, 2].map(|i| start(i) + offset(&axes.sums, sum, i)),
                    add: sum > 0,
                };
                tile.multiply::<T>(axes);
            }
        });
        if n_parts > 1 {
            threads::each(self.numel.div_ceil(CHUNK), self.numel * n_parts, |unit| {
                let (start, end) = (unit * CHUNK, self.numel.min((unit + 1) * CHUNK));
                let part = |part: usize| place(part).strip(start as isize, end - start, size_of::<T>()).cells::<T>();
                let sum = part(0);
                for part in (1..n_parts).map(part) {
                    sum.iter().zip(part).for_each(|(sum, part)| sum.set(sum.get() + part.get()));
                }
            });
        }
    }
}

/// How far index `index` over `axes` lies from the first, in operand `operand`.
fn offset(axes: &[Axis], mut index: usize, operand: usize) -> isize {
    let mut offset = 0;
    for axis in axes.iter().rev() {
        offset += (index % axis.size) as isize * axis.steps[operand];
        index /= axis.size;
    }
    offset
}

/// Part of a product: where it begins in the two factors and in the result, and how far it goes.
struct Tile<'a> {
    rows: usize,
    columns: usize,
    terms: usize,
    memory: [Span<'a>; 3],
    start: [isize; 3],
    /// Whether the product is added to what the result holds.
    add: bool,
}

impl Tile<'_> {
    fn multiply<T: Gemm>(&self, axes: &Axes) {
        let sides = [[self.rows, self.terms], [self.terms, self.columns], [self.rows, self.columns]];
        let along = [[axes.rows, axes.terms], [axes.terms, axes.columns], [axes.rows, axes.columns]];
        let matrices = [0, 1, 2].map(|i| {
            let (cells, origin) = self.memory[i].cells::<T>();
            Matrix::new(cells, origin + self.start[i], sides[i], along[i].map(|axis| axis.steps[i]))
        });
        // SAFETY: each thread writes to tiles of its own, which nothing else reads meanwhile, and which lie apart from
        // the factors; `Matrix::new` has seen that all three lie within their memory.
        unsafe { T::gemm([self.rows, self.terms, self.columns], matrices, self.add) }
    }
}

/// A matrix in memory: its first element, and the steps from row to row and from column to column.
struct Matrix<T> {
    at: *mut T,
    steps: [isize; 2],
}

impl<T> Matrix<T> {
    /// The matrix whose first element is `cells[first]`.
    fn new(cells: &[Cell<T>], first: isize, sizes: [usize; 2], steps: [isize; 2]) -> Self {
        // All elements lie between two corners: that of every negative step, and that of every positive one.
        let ends = [0, 1].map(|d| (sizes[d] as isize - 1) * steps[d]);
        let low = first + ends.iter().map(|&end| end.min(0)).sum::<isize>();
        let high = first + ends.iter().map(|&end| end.max(0)).sum::<isize>();
        assert!(low >= 0 && high < cells.len() as isize, "a matrix lies within its memory");
        Self { at: cells.as_ptr().cast::<T>().cast_mut().wrapping_offset(first), steps }
    }
}

trait Gemm: Pod + std::ops::Add<Output = Self> {
    /// Writes the product of two matrices to the third, or adds it to what is there. The sizes are rows, terms, columns.
    ///
    /// # Safety
    ///
    /// - The factors are valid for reads by their sizes and steps, and the third matrix for reads and writes.
    /// - No element of the third matrix is an element of a factor, or has two indices.
    unsafe fn gemm(sizes: [usize; 3], matrices: [Matrix<Self>; 3], add: bool);
}

macro_rules! gemm {
    ($t:ty, $gemm:path) => {
        impl Gemm for $t {
            #[rustfmt::skip]
            unsafe fn gemm([m, k, n]: [usize; 3], [a, b, out]: [Matrix<Self>; 3], add: bool) {
                        debug_assert!([a.at, b.at, out.at].iter().all(|at| at.is_aligned()), "elements are aligned");
                        let beta = if add { 1.0 } else { 0.0 };
                        // SAFETY: the caller's.
                        unsafe {
                            $gemm(
                                m, k, n, 1.0,
                                a.at, a.steps[0], a.steps[1],
                                b.at, b.steps[0], b.steps[1],
                                beta,
                                out.at, out.steps[0], out.steps[1],
                            );
                        }
                    }
        }
    };
}
gemm!(f32, matrixmultiply::sgemm);
gemm!(f64, matrixmultiply::dgemm);
