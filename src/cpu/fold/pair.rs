//! Two folds of the same elements in one go, which reads those once: what variances and deviations are made of.

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::join::Magnitude;
use super::rows::{COLUMNS, add_each_cell, fold_pair};
use super::terms::{Minus, Product, SquareOfMinus};
use super::{Factors, Join, Kind, ROWS, Sum};
use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::strip::Strip;

/// The loops of two folds of one dtype, whose accumulators go in this order.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct PairLoops {
    /// Whether one element or row is subtracted from what is folded.
    pub(in crate::cpu) subtracts: bool,
    /// Folds a row into an accumulator each. The second factor is one element.
    pub(in crate::cpu) total: for<'a> fn(arch: Arch, acc: [Strip<'a>; 2], x: Factors<'a>),
    /// Folds several rows, with the same second factor, into as many accumulators as each has elements.
    pub(in crate::cpu) accumulate: for<'a> fn(arch: Arch, acc: [Strip<'a>; 2], x: [Strip<'a>; ROWS], by: Strip<'a>),
}

impl PairLoops {
    /// Those of two folds of floats, in this order, if there are any.
    pub(in crate::cpu) fn new(kinds: [Kind; 2], dtype: DType) -> Option<Self> {
        Some(match (kinds, dtype) {
            ([Kind::Differences, Kind::Squares], DType::F32) => pair::<f32, (Sum, Minus), (Sum, SquareOfMinus)>(true),
            ([Kind::Differences, Kind::Squares], DType::F64) => pair::<f64, (Sum, Minus), (Sum, SquareOfMinus)>(true),
            ([Kind::Sum, Kind::Magnitude], DType::F32) => pair::<f32, (Sum, First), (Magnitude, First)>(false),
            ([Kind::Sum, Kind::Magnitude], DType::F64) => pair::<f64, (Sum, First), (Magnitude, First)>(false),
            _ => return None,
        })
    }
}

/// The first of two factors.
struct First;

impl<T: Pod> Product<T> for First {
    type Factor = T;
    #[inline(always)]
    fn of(a: T, _: T) -> T {
        a
    }
}

/// One of two folds: how elements are joined, and what each makes with the second factor.
pub(super) trait Part<T: Pod>: 'static {
    type Join: Join<T>;
    type Term: Product<T, Factor = T>;
}

impl<T: Pod, R: Join<T>, P: Product<T, Factor = T>> Part<T> for (R, P) {
    type Join = R;
    type Term = P;
}

fn pair<T: Pod, A: Part<T>, B: Part<T>>(subtracts: bool) -> PairLoops {
    PairLoops {
        subtracts,
        total: |arch, [first, second], [x, by]| {
            let (x, by) = (x.cells::<T>(), by.cells::<T>()[0].get());
            let totals = arch.dispatch(Total::<T, A, B> { x, by, of: PhantomData });
            let (first, second) = (&first.cells()[0], &second.cells()[0]);
            first.set(A::Join::join(first.get(), totals.0));
            second.set(B::Join::join(second.get(), totals.1));
        },
        accumulate: |arch, [first, second], x, by| {
            let acc = (first.cells(), second.cells());
            arch.dispatch(Accumulate::<T, A, B> { acc, x: x.map(Strip::cells), by: by.cells() });
        },
    }
}

pub(super) type Acc<T, P> = <<P as Part<T>>::Join as Join<T>>::Acc;

struct Total<'a, T, A, B> {
    x: &'a [Cell<T>],
    by: T,
    of: PhantomData<(A, B)>,
}

impl<T: Pod, A: Part<T>, B: Part<T>> NullaryFnOnce for Total<'_, T, A, B> {
    type Output = (Acc<T, A>, Acc<T, B>);
    #[inline(always)]
    fn call(self) -> Self::Output {
        fold_pair::<T, A, B>(self.x, self.by)
    }
}

struct Accumulate<'a, T: Pod, A: Part<T>, B: Part<T>> {
    acc: (&'a [Cell<Acc<T, A>>], &'a [Cell<Acc<T, B>>]),
    x: [&'a [Cell<T>]; ROWS],
    by: &'a [Cell<T>],
}

impl<T: Pod, A: Part<T>, B: Part<T>> NullaryFnOnce for Accumulate<'_, T, A, B> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let (first, rest) = self.acc.0.as_chunks::<COLUMNS>();
        let second = &self.acc.1.as_chunks::<COLUMNS>().0[..first.len()];
        let x = self.x.map(|x| x.as_chunks::<COLUMNS>().0);
        let by = &self.by.as_chunks::<COLUMNS>().0[..first.len()];
        for (column, acc) in first.iter().enumerate() {
            let (x, by) = (x.map(|x| &x[column]), &by[column]);
            let term = |k: usize, i: usize| A::Term::of(x[k][i].get(), by[i].get());
            add_each_cell::<T, A::Join, COLUMNS>(acc, |i| A::Join::eight(|k| term(k, i)));
            let term = |k: usize, i: usize| B::Term::of(x[k][i].get(), by[i].get());
            add_each_cell::<T, B::Join, COLUMNS>(&second[column], |i| B::Join::eight(|k| term(k, i)));
        }
        let start = self.acc.0.len() - rest.len();
        for (i, acc) in rest.iter().enumerate() {
            let (by, second) = (self.by[start + i].get(), &self.acc.1[start + i]);
            let x = self.x.map(|x| x[start + i].get());
            acc.set(A::Join::with(acc.get(), A::Join::eight(|k| A::Term::of(x[k], by))));
            second.set(B::Join::with(second.get(), B::Join::eight(|k| B::Term::of(x[k], by))));
        }
    }
}
