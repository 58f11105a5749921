//! Matrix products, by the `matrixmultiply` crate.
//!
//! The factors are read where they lie, by strides; a factor that is an expression or of another dtype is computed
//! into memory first, over the dims it varies along. Threads take tiles of the result, and where those are few, parts
//! of the sum, which are added in order. Tiles and parts depend on the shape alone, so the same input gives the same
//! bits.

use smallvec::SmallVec;

use super::frame::Memory;
use super::map::{Destination, Map};
use super::region::{Region, Source};
use super::threads;
use crate::base::layout::Layout;
use crate::expr::contraction::Contraction;
use crate::{DType, Result, Shape};

/// Rows, columns and terms from which a product is computed here: below, one fused pass takes less time.
pub(super) const LEAST: usize = 4;
/// Multiplications that are worth a thread's while.
const TILE: usize = 1 << 18;
/// Pieces of work wanted, so that many threads share it evenly. Not the number of threads: results do not depend on it.
const PIECES: usize = 32;
/// Rows or columns of a tile at least: packing the other factor for each tile stays a small part of the product.
const EDGE: usize = 128;
/// Terms of a part of the sum at least.
const DEPTH: usize = 1024;
/// Elements a thread adds the parts of.
const CHUNK: usize = 16 * 1024;

pub(super) struct Contract {
    factors: [Factor; 2],
    dtype: DType,
    /// Which temporary takes the result, row-major.
    temp: usize,
    numel: usize,
    axes: Axes,
    tiles: Tiles,
}

/// One side of a product.
pub(super) struct Factor {
    source: Source,
    /// Over the whole domain.
    layout: Layout,
    /// What computes it, if it does not lie in memory.
    map: Option<(Map, usize)>,
}

impl Factor {
    /// What `region` computes, over the domain. `absent` are dims along which it does not vary; `temp` gives a
    /// temporary of so many elements.
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

/// One dim, or several that both factors and the result step through as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Axis {
    size: usize,
    /// Steps through the two factors and the result.
    steps: [isize; 3],
}

impl Axis {
    const NONE: Self = Self { size: 1, steps: [0; 3] };
}

/// The axes of one product, and those around it: of the result, and of the sum.
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
        // The longest axis of a group is multiplied; the others are walked around it.
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
        // The result over the domain: it does not vary along what is summed.
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

    /// # Safety
    ///
    /// `memory` must hold the graph's buffers, the temporaries, those of this product to be written by nobody else, and
    /// memory for parts.
    pub(super) unsafe fn run(&self, memory: &Memory) {
        if self.numel == 0 {
            return;
        }
        for (map, temp) in self.factors.iter().filter_map(|f| f.map.as_ref()) {
            let layout = Layout::contiguous(map.region.shape.clone());
            let to = [Destination { at: memory.temps[*temp], layout: &layout, buffer: None }];
            // SAFETY: the caller's.
            unsafe { map.run(&to, memory) };
        }
        match self.dtype {
            // SAFETY: the caller's; the factors and the result are of this dtype.
            DType::F64 => unsafe { self.multiply::<f64>(memory) },
            // SAFETY: as above.
            _ => unsafe { self.multiply::<f32>(memory) },
        }
    }

    /// # Safety
    ///
    /// As [`run`](Self::run); the factors and the result hold elements of `T`.
    unsafe fn multiply<T: Number>(&self, memory: &Memory) {
        let Self { axes, tiles, .. } = self;
        let [a, b] = [0, 1].map(|i| {
            let factor = &self.factors[i];
            At(memory.source(factor.source).cast::<T>().cast_mut().wrapping_add(factor.layout.offset()))
        });
        let out = At(memory.temps[self.temp].cast::<T>());
        let n_parts = self.n_parts();
        let parts = At(memory.parts.cast::<T>());
        let place = |part: usize| if part == 0 { out } else { parts.add(((part - 1) * self.numel) as isize) };

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
            let tile = Tile {
                rows: tiles.rows.min(axes.rows.size - row),
                columns: tiles.columns.min(axes.columns.size - column),
                terms: tiles.terms.min(axes.terms.size - term),
            };
            let (a, b, out) = (a.add(start(0)), b.add(start(1)), place(part).add(start(2)));
            let n_sums = axes.sums.iter().map(|s| s.size).product::<usize>();
            for sum in 0..n_sums {
                let (a, b) = (a.add(offset(&axes.sums, sum, 0)), b.add(offset(&axes.sums, sum, 1)));
                // SAFETY: the caller's; tiles of the result lie apart, and so do parts.
                unsafe { T::gemm(axes, &tile, [a, b, out], sum > 0) };
            }
        });
        if n_parts > 1 {
            threads::each(self.numel.div_ceil(CHUNK), self.numel * n_parts, |unit| {
                for i in unit * CHUNK..self.numel.min((unit + 1) * CHUNK) {
                    let at = |part: usize| place(part).add(i as isize).0;
                    // SAFETY: every part was written by now, and element `i` is this thread's.
                    unsafe { *at(0) = (1..n_parts).fold(*at(0), |sum, part| sum + *at(part)) };
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

struct Tile {
    rows: usize,
    columns: usize,
    terms: usize,
}

/// Memory that threads share.
#[derive(Clone, Copy)]
struct At<T>(*mut T);

// SAFETY: factors are only read, and each thread writes to tiles of its own.
unsafe impl<T> Sync for At<T> {}

impl<T> At<T> {
    fn add(self, elements: isize) -> Self {
        Self(self.0.wrapping_offset(elements))
    }
}

trait Number: Copy + Send + std::ops::Add<Output = Self> {
    /// Writes one tile, or adds to it. `at` is where the tile begins in the two factors and in the result.
    ///
    /// # Safety
    ///
    /// By the steps of `axes`, the factors must be readable and the result writable for the whole of the tile.
    unsafe fn gemm(axes: &Axes, tile: &Tile, at: [At<Self>; 3], add: bool);
}

macro_rules! number {
    ($t:ty, $gemm:path) => {
        impl Number for $t {
            unsafe fn gemm(axes: &Axes, tile: &Tile, [a, b, out]: [At<Self>; 3], add: bool) {
                let (m, k, n) = (tile.rows, tile.terms, tile.columns);
                let Axes { rows, terms, columns, .. } = axes;
                let beta = if add { 1.0 } else { 0.0 };
                // SAFETY: the caller's.
                unsafe {
                    $gemm(
                        m,
                        k,
                        n,
                        1.0,
                        a.0,
                        rows.steps[0],
                        terms.steps[0],
                        b.0,
                        terms.steps[1],
                        columns.steps[1],
                        beta,
                        out.0,
                        rows.steps[2],
                        columns.steps[2],
                    );
                }
            }
        }
    };
}
number!(f32, matrixmultiply::sgemm);
number!(f64, matrixmultiply::dgemm);
