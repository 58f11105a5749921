//! A pass that finds the places of elements in their order, along rows.
//!
//! Elements become integers of the same order, each with its place in the lower bits, so no two are equal and any sort is
//! stable. Rows are shared out among the threads; a long row is sorted by all of them, by `rayon`'s sort.

use std::cell::Cell;

use rayon::slice::ParallelSliceMut;

use super::frame::Memory;
use super::map::Map;
use super::math::order_of_f64;
use super::threads;
use crate::{DType, Shape};

/// Elements of a row that one thread sorts, at most, while others may have nothing to do.
const LONG: usize = 64 * 1024;

pub(super) struct Sort {
    /// What computes the elements.
    pub(super) keys: Map,
    /// i32, i64 or f64.
    pub(super) dtype: DType,
    pub(super) descending: bool,
    /// The temporaries of the elements and of their places, in row-major order.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Sort {
    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        let (shape, bytes) = self.keys.traffic();
        let places = shape.numel() * size_of::<i32>();
        (shape, bytes + places)
    }

    pub(super) fn run(&self, memory: &Memory<'_>) {
        self.keys.run(&[self.keys.temporary(self.from, memory)], memory);
        let shape = &self.keys.region.shape;
        let (numel, row) = (shape.numel(), shape.last().copied().unwrap_or(1));
        if numel == 0 {
            return;
        }
        let rows = numel / row;
        let sort = |unit: usize, all: bool| {
            let start = unit * row;
            let places = memory.temps[self.to].strip(start as isize, row, size_of::<i32>()).cells::<i32>();
            let keys = memory.temps[self.from].strip(start as isize, row, self.dtype.size());
            match self.dtype {
                DType::I64 => wide(keys.cells::<i64>(), self.descending, |x| x, places, all),
                DType::F64 => wide(keys.cells::<f64>(), self.descending, order_of_f64, places, all),
                _ => narrow(keys.cells::<i32>(), self.descending, places, all),
            }
        };
        if row > LONG && rows < threads::count() {
            (0..rows).for_each(|unit| sort(unit, true));
        } else {
            threads::each(rows, numel, |unit| sort(unit, false));
        }
    }
}

/// Writes the places of elements of 32 bits in their order.
fn narrow(x: &[Cell<i32>], descending: bool, places: &[Cell<i32>], all: bool) {
    let turn = if descending { u32::MAX } else { 0 };
    let key = |x: i32| u64::from((x as u32 ^ 1 << 31) ^ turn) << 32;
    let mut keys: Vec<u64> = x.iter().enumerate().map(|(place, x)| key(x.get()) | place as u64).collect();
    sort(&mut keys, all);
    places.iter().zip(keys).for_each(|(place, key)| place.set(key as u32 as i32));
}

/// The same of elements of 64 bits.
fn wide<T: Copy>(x: &[Cell<T>], descending: bool, of: impl Fn(T) -> i64, places: &[Cell<i32>], all: bool) {
    let key = |x: T| if descending { !of(x) } else { of(x) };
    let mut keys: Vec<(i64, i32)> = x.iter().enumerate().map(|(place, x)| (key(x.get()), place as i32)).collect();
    sort(&mut keys, all);
    places.iter().zip(keys).for_each(|(place, key)| place.set(key.1));
}

/// Sorts by all threads or by this one.
fn sort(keys: &mut [impl Ord + Send], all: bool) {
    if all {
        threads::within(|| keys.par_sort_unstable());
    } else {
        keys.sort_unstable();
    }
}
