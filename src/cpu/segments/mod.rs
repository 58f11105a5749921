//! A pass that folds rows of values into those of a base that an index names.
//!
//! The places of the index are put in the order of their destinations, equal ones as they stand (`order.rs`). Then each
//! destination is computed by one thread, its rows one after the other, so bits do not depend on the number of threads. Rows of
//! few columns are folded as they come instead, into accumulators for
//! all destinations (`narrow.rs`). Where the result is the base's own memory, destinations that nobody names are not touched.

mod fold;
mod narrow;
mod order;

use super::frame::Memory;
use super::map::Map;
use super::program::unsupported;
use super::region::{Region, Source, Temps};
use super::strip::Span;
use super::threads;
use crate::expr::graph::{Fold, Graph, Id, Step, Value};
use crate::{DType, Result, Shape};
use fold::Loops;
use narrow::Narrow;
use order::{Order, Room};

/// Columns from which destinations are computed one after the other.
const NARROW: usize = 8;
/// By how many times there are more destinations than rows where rows of few columns are put in order, too.
const SPARSE: usize = 16;
/// Rows that a thread folds at a time.
const CHUNK: usize = 2048;
/// Bytes that a thread copies at a time.
const COPIED: usize = 256 * 1024;
/// Least columns of a row that is shared out among threads: two cache lines of the widest elements.
const SHARE: usize = 16;

pub(super) struct Segments {
    index: Map,
    /// The temporary of the index.
    keys: usize,
    values: Rows,
    base: Rows,
    loops: Loops,
    dtype: DType,
    /// Elements of a row.
    row: usize,
    /// Rows of the values, and of the base.
    places: usize,
    size: usize,
    to: usize,
    way: Way,
}

/// How rows are folded.
enum Way {
    /// As they come.
    Narrow(Narrow),
    /// In the order of their destinations: the temporaries of that.
    Ordered { rows: usize, moved: Option<usize> },
}

/// Where rows are.
enum Rows {
    /// In memory, in row-major order, from this element on.
    Lie(Source, usize),
    /// In a temporary, which this fills.
    Computed(Box<Map>, usize),
}

impl Rows {
    fn new(region: Region, apart_from: Option<Source>, temp: impl FnOnce() -> usize) -> Self {
        let lies = region.plain().and_then(|leaf| {
            let layout = leaf.access.layout()?;
            let lies = layout.is_contiguous() && leaf.source != Source::Index && apart_from != Some(leaf.source);
            lies.then_some((leaf.source, layout.offset()))
        });
        match lies {
            Some((source, offset)) => Self::Lie(source, offset),
            None => Self::Computed(Box::new(Map::new(region)), temp()),
        }
    }

    fn source(&self) -> Option<Source> {
        if let Self::Lie(source, _) = self { Some(*source) } else { None }
    }

    /// Computes them, if they are to be, and says where they are.
    fn run<'m>(&self, memory: &Memory<'m>, size: usize) -> Span<'m> {
        match self {
            Self::Lie(source, offset) => memory.source(*source).from(offset * size),
            Self::Computed(map, temp) => {
                map.fill(*temp, memory);
                memory.temps[*temp]
            }
        }
    }

    fn bytes(&self, rows: usize, row: usize, dtype: DType) -> usize {
        match self {
            Self::Lie(..) => rows * row * dtype.size(),
            Self::Computed(map, _) => map.traffic().1,
        }
    }
}

/// What a run works on.
struct Work<'m> {
    values: Span<'m>,
    /// Where the base is, if it is not where the result goes.
    base: Option<Span<'m>>,
    out: Span<'m>,
}

impl Segments {
    /// The pass of a value of a graph. `temp` makes a temporary of so many bytes, for the index and for values that do not lie in
    /// memory in rows.
    pub(super) fn of(
        op: &'static str,
        graph: &Graph,
        id: Id,
        temp_of: &Temps,
        temp: impl FnMut(usize) -> usize,
    ) -> Result<Self> {
        let value = &graph.values[id];
        let Step::Segments { op: fold, row, index, values, base } = value.step else {
            unreachable!("a group of segments holds them")
        };
        let [index, values, base] = [index, values, base].map(|id| {
            let Value { shape, dtype, .. } = &graph.values[id];
            Region::new(op, graph, shape, &[(id, *dtype)], temp_of, true)
        });
        Self::new(fold, value.dtype, row, [index?, values?, base?], temp_of[&id].index, temp)
            .ok_or_else(|| unsupported(op, fold, value))
    }

    /// The pass that computes temporary `to` from the regions of an index, of values and of a base. `temp` makes a temporary of
    /// so many bytes. `None` where the fold is not defined.
    fn new(
        fold: Fold,
        dtype: DType,
        row: usize,
        [index, values, base]: [Region; 3],
        to: usize,
        mut temp: impl FnMut(usize) -> usize,
    ) -> Option<Self> {
        let (places, elements) = (index.shape.numel(), values.shape.numel());
        let size = base.shape.numel().checked_div(row).unwrap_or(0);
        let base = Rows::new(base, None, || to);
        // The base's memory may be the result's.
        let values = Rows::new(values, base.source(), || temp(elements * dtype.size()));
        let keys = temp(places * size_of::<i32>());
        let loops = Loops::new(fold, dtype)?;
        let way = if row < NARROW && size <= places.saturating_mul(SPARSE) {
            Way::Narrow(Narrow::new(fold, [places, size, row], loops.wide, &mut temp))
        } else {
            let rows = temp(places * size_of::<u32>());
            Way::Ordered { rows, moved: order::are_many(size).then(|| temp(places * size_of::<u64>())) }
        };
        Some(Self { way, index: Map::new(index), keys, values, base, loops, dtype, row, places, size, to })
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        let Self { row, places, size, dtype, .. } = *self;
        let read = self.values.bytes(places, row, dtype) + self.base.bytes(size, row, dtype);
        (Shape::from([places, row]), self.index.traffic().1 + read + size * row * dtype.size())
    }

    /// Threads take destinations, or columns of them, which they alone write. What is read is written before or not at all: so
    /// no thread writes what another reads or writes, as [`Span::new`] demands.
    pub(super) fn run(&self, memory: &Memory<'_>) -> Result<()> {
        let element = self.dtype.size();
        self.index.fill(self.keys, memory);
        let values = self.values.run(memory, element);
        // Nothing is written into a base that is overwritten unless all indices are in bounds.
        memory.astray.check()?;
        if threads::is_stopped() {
            // Of the keys some are missing.
            return Ok(());
        }
        let out = memory.temps[self.to];
        let base = Some(self.base.run(memory, element)).filter(|base| !base.is(out));
        if self.row == 0 || self.size == 0 {
            return Ok(());
        }
        let work = Work { values, base, out };
        let keys = memory.temps[self.keys];
        match &self.way {
            Way::Narrow(narrow) => narrow.run(&self.loops, &work, keys, memory.temps[narrow.acc]),
            &Way::Ordered { rows, moved } => {
                let moved = moved.map_or(Span::EMPTY, |moved| memory.temps[moved]);
                let order = Order::new(keys, self.places, self.size, Room { rows: memory.temps[rows], moved });
                if !threads::is_stopped() {
                    self.by_destination(&work, &order);
                }
            }
        }
        Ok(())
    }

    fn by_destination(&self, work: &Work<'_>, order: &Order<'_>) {
        let row = self.row;
        // A destination that most rows go to is shared out by columns.
        let skewed = order.longest() > self.places.div_ceil(2 * threads::count());
        let shares = if skewed { (row / SHARE).clamp(1, threads::count()) } else { 1 };
        // Mostly all are named: then the others are copied on the way.
        let on_the_way = shares == 1 && order.len() * 2 >= self.size;
        let base = work.base.filter(|_| on_the_way);
        if let (Some(base), false) = (work.base, on_the_way) {
            self.copy(base, work.out, 0..self.size);
        }
        let units = self.places.div_ceil(CHUNK).max(1);
        threads::each(units * shares, self.places * row + self.size, |unit| {
            let (unit, share) = (unit / shares, unit % shares);
            let columns = share * row / shares..(share + 1) * row / shares;
            let runs = order.first_from(unit * CHUNK)..order.first_from((unit + 1) * CHUNK);
            if let Some(base) = base {
                // From the first destination of these runs up to that of the next, but for those that are named.
                let from = if unit == 0 { 0 } else { order.destination(runs.start, self.size) };
                let to = if unit + 1 == units { self.size } else { order.destination(runs.end, self.size) };
                let mut next = from;
                for run in runs.clone() {
                    let named = order.destination(run, self.size);
                    self.copy_part(base, work.out, next..named);
                    next = named + 1;
                }
                self.copy_part(base, work.out, next..to);
            }
            (self.loops.by_destination)(
                work.values.strip(0, self.places * row, self.dtype.size()),
                [base.unwrap_or(work.out), work.out],
                row,
                columns,
                order,
                runs,
            );
        });
    }

    /// Copies rows, by all threads.
    fn copy(&self, from: Span<'_>, to: Span<'_>, rows: std::ops::Range<usize>) {
        let chunk = (COPIED / (self.row * self.dtype.size())).max(1);
        threads::each(rows.len().div_ceil(chunk), rows.len() * self.row, |unit| {
            let first = rows.start + unit * chunk;
            self.copy_part(from, to, first..rows.end.min(first + chunk));
        });
    }

    fn copy_part(&self, from: Span<'_>, to: Span<'_>, rows: std::ops::Range<usize>) {
        if !rows.is_empty() {
            let (at, n) = (rows.start * self.row, rows.len() * self.row);
            let [from, to] = [from, to].map(|x| x.strip(at as isize, n, self.dtype.size()));
            from.copy_to(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cpu::threads;
    use crate::{DType, Device, ReduceOp, Tensor};

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads() {
        let device = Device::cpu();
        for [m, n, row] in [[70_000, 300, 1], [70_000, 40_000, 3], [9000, 3000, 20], [9000, 1, 70], [3000, 90_000, 20]]
        {
            let index = Tensor::uniform([m], 0.0..n as f64, DType::F32, 1, &device).unwrap().cast(DType::I64);
            let index = index.clamp(0, n as i64 - 1).eval().unwrap();
            let values = Tensor::normal([m, row], 0.0, 1.0, DType::F32, 2, &device).unwrap();
            let base = Tensor::normal([n, row], 0.0, 1.0, DType::F32, 3, &device).unwrap();
            for op in [ReduceOp::Sum, ReduceOp::Amin] {
                let folded = base.index_reduce(0, &index, &values, op, true);
                let bits = || {
                    folded.eval().unwrap().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                assert_eq!(threads::alone(bits), bits(), "{op:?} of {m} into {n} by {row}");
            }
        }
    }
}
