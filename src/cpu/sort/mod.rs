//! A pass that puts elements in their order along rows, or finds their places in it, or some of them.
//!
//! Elements become unsigned integers of the same order (`item.rs`), alone or each with its place. Rows are shared out among
//! the threads, each sorted in a cache (`radix.rs`); few long rows are sorted by all of them (`long.rs`). Either way equal
//! elements stay as they stand.

mod item;
mod long;
mod radix;
mod row;

use std::marker::PhantomData;

use self::item::{Element, Item, Key32, Key64, Placed32, Placed64};
use self::row::Row;
use super::frame::Memory;
use super::map::Map;
use super::region::{Leaf, Source};
use super::threads;
use crate::base::layout::Layout;
use crate::expr::order::Sort as Options;
use crate::{DType, Shape};

/// Elements of a row from which on it is cut into groups.
const LONG: usize = 64 * 1024;
/// Elements of the rows a thread takes at a time.
const CHUNK: usize = 64 * 1024;

pub(super) struct Sort {
    /// What computes the elements, of which there are some.
    pub(super) keys: Map,
    /// i32, i64, f32 or f64.
    pub(super) dtype: DType,
    pub(super) options: Options,
    /// The temporaries of what is sorted, unless that lies somewhere in a row; of the items of long rows; and of the
    /// results, elements and places.
    pub(super) from: Option<usize>,
    pub(super) moved: Option<usize>,
    pub(super) values: Option<usize>,
    pub(super) places: Option<usize>,
}

impl Sort {
    /// The leaf that is what is sorted, in row-major order.
    pub(super) fn in_row(keys: &Map) -> Option<&Leaf> {
        let is_in_row =
            |leaf: &&Leaf| leaf.source != Source::Index && leaf.access.layout().is_some_and(Layout::is_contiguous);
        keys.region.plain().filter(is_in_row)
    }

    /// Bytes of memory for the items of long rows, if there are such.
    pub(super) fn moved_bytes(shape: &Shape, dtype: DType, with_places: bool) -> Option<usize> {
        let size = if with_places { 2 * dtype.size() } else { dtype.size() };
        shape.last().is_some_and(|&row| row > LONG).then(|| shape.numel() * size)
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        let shape = &self.keys.region.shape;
        let row = shape.last().copied().unwrap_or(1).max(1);
        let size = self.values.map_or(0, |_| self.dtype.size()) + self.places.map_or(0, |_| size_of::<i32>());
        (shape.clone(), self.keys.region.bytes_read() + shape.numel() / row * self.options.count * size)
    }

    pub(super) fn run(&self, memory: &Memory<'_>) {
        if let Some(from) = self.from {
            self.keys.fill(from, memory);
        }
        match (self.dtype, self.places.is_none()) {
            (DType::I64, false) => self.rows::<i64, Placed64>(memory),
            (DType::I64, true) => self.rows::<i64, Key64>(memory),
            (DType::F64, false) => self.rows::<f64, Placed64>(memory),
            (DType::F64, true) => self.rows::<f64, Key64>(memory),
            (DType::F32, false) => self.rows::<f32, Placed32>(memory),
            (DType::F32, true) => self.rows::<f32, Key32>(memory),
            (_, false) => self.rows::<i32, Placed32>(memory),
            (_, true) => self.rows::<i32, Key32>(memory),
        }
    }

    /// Threads take rows, each of which has results of its own, or all take one long row after the other. So no thread
    /// writes what another reads or writes, as [`Span::new`](super::strip::Span::new) demands.
    fn rows<T: Element, I: Item>(&self, memory: &Memory<'_>) {
        let shape = &self.keys.region.shape;
        let (numel, n) = (shape.numel(), shape.last().copied().unwrap_or(1));
        if numel == 0 || self.options.count == 0 {
            return;
        }
        let (rows, count) = (numel / n, self.options.count);
        let from = match (self.from, Self::in_row(&self.keys)) {
            (Some(from), _) => memory.temps[from],
            (None, Some(leaf)) => {
                let offset = leaf.access.layout().map_or(0, Layout::offset);
                memory.source(leaf.source).from(offset * size_of::<T>())
            }
            (None, None) => unreachable!("what does not lie in a row is computed"),
        };
        let by_all = n > LONG && rows < threads::count();
        let row = |i: usize| Row::<T> {
            from: from.from(i * n * size_of::<T>()),
            moved: self.moved.map_or(from, |moved| memory.temps[moved].from(i * n * size_of::<I>())),
            values: self.values.map(|to| memory.temps[to].from(i * count * size_of::<T>())),
            places: self.places.map(|to| memory.temps[to].from(i * count * size_of::<i32>())),
            n,
            turn: if self.options.descending { T::LAST } else { 0 },
            ranks: self.options.first..self.options.first + count,
            by_all,
            element: PhantomData,
        };
        let sort = |rows: std::ops::Range<usize>| {
            let mut held = [Vec::new(), Vec::new()];
            rows.for_each(|i| row(i).sort::<I>(n > LONG, &mut held));
        };
        if by_all {
            return sort(0..rows);
        }
        let at_once = (CHUNK / n).max(1);
        threads::each(rows.div_ceil(at_once), numel, |unit| sort(unit * at_once..rows.min((unit + 1) * at_once)));
    }
}
