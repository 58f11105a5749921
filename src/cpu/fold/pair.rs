//! Sums of differences and of their squares in one go, as variances want them: what is subtracted from what is read once.

use std::cell::Cell;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::rows::{COLUMNS, add_each_cell, fold_pair};
use super::terms::{Minus, Product, SquareOfMinus};
use super::{Factors, Join, ROWS, Sum};
use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::strip::Strip;

/// The loops of both sums of one dtype. The accumulators are those of the differences, then those of their squares.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct PairLoops {
    /// Folds a row, of which one element is subtracted, into an accumulator each.
    pub(in crate::cpu) total: for<'a> fn(arch: Arch, acc: [Strip<'a>; 2], x: Factors<'a>),
    /// Folds several rows, of which the same row is subtracted, into as many accumulators as each has elements.
    pub(in crate::cpu) accumulate: for<'a> fn(arch: Arch, acc: [Strip<'a>; 2], x: [Strip<'a>; ROWS], by: Strip<'a>),
}

impl PairLoops {
    pub(in crate::cpu) fn new(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(pair::<f32>()),
            DType::F64 => Some(pair::<f64>()),
            _ => None,
        }
    }
}

fn pair<T: Pod>() -> PairLoops
where
    Sum: Join<T>,
    Minus: Product<T, Factor = T>,
    SquareOfMinus: Product<T, Factor = T>,
{
    PairLoops {
        total: |arch, acc, [a, b]| {
            let totals = arch.dispatch(Total::<T> { x: a.cells(), by: b.cells()[0].get() });
            for (acc, total) in acc.into_iter().zip(totals) {
                let acc = &acc.cells()[0];
                acc.set(Sum::join(acc.get(), total));
            }
        },
        accumulate: |arch, acc, x, by| {
            arch.dispatch(Accumulate::<T> { acc: acc.map(Strip::cells), x: x.map(Strip::cells), by: by.cells() });
        },
    }
}

struct Total<'a, T> {
    x: &'a [Cell<T>],
    by: T,
}

impl<T: Pod> NullaryFnOnce for Total<'_, T>
where
    Sum: Join<T>,
    Minus: Product<T, Factor = T>,
    SquareOfMinus: Product<T, Factor = T>,
{
    type Output = [<Sum as Join<T>>::Acc; 2];
    #[inline(always)]
    fn call(self) -> Self::Output {
        fold_pair::<T, Sum, Minus, SquareOfMinus>(self.x, self.by)
    }
}

struct Accumulate<'a, T>
where
    Sum: Join<T>,
{
    acc: [&'a [Cell<<Sum as Join<T>>::Acc>]; 2],
    x: [&'a [Cell<T>]; ROWS],
    by: &'a [Cell<T>],
}

impl<T: Pod> NullaryFnOnce for Accumulate<'_, T>
where
    Sum: Join<T>,
    Minus: Product<T, Factor = T>,
    SquareOfMinus: Product<T, Factor = T>,
{
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let (acc, rest) = self.acc[0].as_chunks::<COLUMNS>();
        let squares = &self.acc[1].as_chunks::<COLUMNS>().0[..acc.len()];
        let x = self.x.map(|x| x.as_chunks::<COLUMNS>().0);
        let by = &self.by.as_chunks::<COLUMNS>().0[..acc.len()];
        for (column, acc) in acc.iter().enumerate() {
            let (x, by) = (x.map(|x| &x[column]), &by[column]);
            add_each_cell::<T, Sum, COLUMNS>(acc, |i| Sum::eight(|k| Minus::of(x[k][i].get(), by[i].get())));
            let squares = &squares[column];
            add_each_cell::<T, Sum, COLUMNS>(squares, |i| {
                Sum::eight(|k| SquareOfMinus::of(x[k][i].get(), by[i].get()))
            });
        }
        let first = self.acc[0].len() - rest.len();
        for (i, acc) in rest.iter().enumerate() {
            let (by, squares) = (self.by[first + i].get(), &self.acc[1][first + i]);
            let x = self.x.map(|x| x[first + i].get());
            acc.set(Sum::with(acc.get(), Sum::eight(|k| Minus::of(x[k], by))));
            squares.set(Sum::with(squares.get(), Sum::eight(|k| SquareOfMinus::of(x[k], by))));
        }
    }
}
