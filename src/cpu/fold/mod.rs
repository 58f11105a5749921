//! The loops of reductions: folding strips into accumulators, and accumulators into one another.
//!
//! Sums and products of f32 are accumulated in f64 and rounded at the end, everything else in its own dtype. Where terms
//! lie at hand, two to eight of them are folded by pairs before they are converted: to convert each would take half as
//! long again as the second-level cache takes to deliver it, and pairs of equal terms are exact.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

mod join;
mod pair;
mod placed;
mod products;
mod rows;
mod terms;

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::strip::Strip;
use crate::DType;
use crate::cpu::arch::Arch;
use crate::expr::graph::Fold;
use join::Magnitude;
pub(super) use join::{Amax, Amin, Join, Prod, Sum};
pub(super) use pair::PairLoops;
pub(super) use products::{PlaneLoops, Planes, ProductLoops, RowLoops};
use rows::{COLUMNS, Middle, add_each_cell, fold_row};
use terms::{Itself, Term};

/// Rows whose terms are folded by pairs in their own dtype, so that their accumulators are read and written less often.
pub(super) const ROWS: usize = 8;

/// Bytes of an accumulator, mostly.
pub(super) const WIDE: usize = 8;

/// Two rows whose elements are multiplied.
type Factors<'a> = [Strip<'a>; 2];

/// What is folded, where that makes a difference to those who call the loops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Sum,
    /// The largest magnitude.
    Magnitude,
    /// The sum of differences.
    Differences,
    /// The sum of their squares.
    Squares,
    /// Where the smallest is. The second factors are numbers: one for each element, one for all, or the first two of even
    /// steps.
    Place,
    Other,
}

/// The loops of one fold on elements of one dtype. What is written lies apart from what is read.
#[derive(Clone, Copy)]
pub(super) struct FoldLoops {
    /// Bytes of a result, of a term, and of an accumulator.
    pub(super) size: usize,
    pub(super) term_size: usize,
    pub(super) acc_size: usize,
    /// Whether it rounds as it goes on, so that it matters how many elements an accumulator has taken.
    pub(super) rounds: bool,
    /// Writes the fold of nothing to each accumulator.
    pub(super) clear: fn(acc: Strip<'_>),
    /// Folds each element of `x` into its accumulator.
    pub(super) accumulate: fn(arch: Arch, acc: Strip<'_>, x: Strip<'_>),
    /// As `accumulate`, of several rows.
    pub(super) accumulate_rows: for<'a> fn(arch: Arch, acc: Strip<'a>, x: [Strip<'a>; ROWS]),
    /// Folds all elements of `x` into the one accumulator.
    pub(super) total: fn(arch: Arch, acc: Strip<'_>, x: Strip<'_>),
    /// Writes the one element of `x` to all of `out`, of which it may be the first.
    pub(super) spread: fn(out: Strip<'_>, x: Strip<'_>),
    pub(super) kind: Kind,
    /// Folds `x`, of `outer` by `reduced` by `inner` elements, over its middle dim into the elements `out`.
    pub(super) middle: fn(arch: Arch, out: Strip<'_>, x: Strip<'_>, sizes: [usize; 3]),
    /// Folds each accumulator of `x` into that of `acc`.
    pub(super) merge: fn(arch: Arch, acc: Strip<'_>, x: Strip<'_>),
    /// Rounds accumulators to elements.
    pub(super) narrow: fn(arch: Arch, out: Strip<'_>, acc: Strip<'_>),
}

impl FoldLoops {
    /// Those of the largest magnitude of floats, of which there must be some.
    pub(super) fn of_magnitudes(dtype: DType) -> Option<Self> {
        let loops = match dtype {
            DType::F32 => loops::<f32, Magnitude>(),
            DType::F64 => loops::<f64, Magnitude>(),
            _ => return None,
        };
        Some(Self { kind: Kind::Magnitude, ..loops })
    }

    /// Those of `fold` on `dtype`, or `None` where it is not defined.
    pub(super) fn new(fold: Fold, dtype: DType) -> Option<Self> {
        Some(match (fold, dtype) {
            (Fold::Sum, DType::F32) => Self { kind: Kind::Sum, ..loops::<f32, Sum>() },
            (Fold::Sum, DType::F64) => Self { kind: Kind::Sum, ..loops::<f64, Sum>() },
            (Fold::Sum, DType::I32) => loops::<i32, Sum>(),
            (Fold::Sum, DType::I64) => loops::<i64, Sum>(),
            (Fold::Prod, DType::F32) => loops::<f32, Prod>(),
            (Fold::Prod, DType::F64) => loops::<f64, Prod>(),
            (Fold::Prod, DType::I32) => loops::<i32, Prod>(),
            (Fold::Prod, DType::I64) => loops::<i64, Prod>(),
            (Fold::Amax, DType::F32) => loops::<f32, Amax>(),
            (Fold::Amax, DType::F64) => loops::<f64, Amax>(),
            (Fold::Amax, DType::I32) => loops::<i32, Amax>(),
            (Fold::Amax, DType::I64) => loops::<i64, Amax>(),
            (Fold::Amin, DType::F32) => loops::<f32, Amin>(),
            (Fold::Amin, DType::F64) => loops::<f64, Amin>(),
            (Fold::Amin, DType::I32) => loops::<i32, Amin>(),
            (Fold::Amin, DType::I64) => loops::<i64, Amin>(),
            (Fold::Logaddexp | Fold::Last, _)
            | (
                _,
                DType::Bool
                | DType::U8
                | DType::I8
                | DType::I16
                | DType::U16
                | DType::U32
                | DType::U64
                | DType::F16
                | DType::BF16,
            ) => return None,
        })
    }
}

fn loops<T: Pod, R: Join<T>>() -> FoldLoops {
    FoldLoops {
        size: size_of::<T>(),
        term_size: size_of::<T>(),
        acc_size: size_of::<R::Acc>(),
        rounds: R::ROUNDS,
        clear: clear::<T, R>,
        accumulate: accumulate::<T, R>,
        total: total::<T, R>,
        accumulate_rows: accumulate_rows::<T, R>,
        spread: spread::<T>,
        kind: Kind::Other,
        middle: middle::<T, R>,
        merge: merge::<T, R>,
        narrow: narrow::<T, R>,
    }
}

/// A closure that is compiled for each instruction set, if it is small: a large one would not be inlined, and so be
/// compiled for the least of them.
struct Run<F>(F);

impl<R, F: FnOnce() -> R> NullaryFnOnce for Run<F> {
    type Output = R;
    #[inline(always)]
    fn call(self) -> R {
        (self.0)()
    }
}

pub(super) fn clear<T, R: Join<T>>(acc: Strip<'_>) {
    acc.cells().iter().for_each(|acc| acc.set(R::NONE));
}

pub(super) fn spread<T: Pod>(out: Strip<'_>, x: Strip<'_>) {
    let x = x.cells::<T>()[0].get();
    out.cells().iter().for_each(|out| out.set(x));
}

fn accumulate<T: Pod, R: Join<T>>(arch: Arch, acc: Strip<'_>, x: Strip<'_>) {
    let (acc, x) = (acc.cells::<R::Acc>(), x.cells::<T>());
    debug_assert_eq!(acc.len(), x.len(), "an element for each accumulator");
    arch.dispatch(Run(move || {
        for (acc, x) in acc.iter().zip(x) {
            acc.set(R::with(acc.get(), x.get()));
        }
    }));
}

fn accumulate_rows<'a, T: Pod, R: Join<T>>(arch: Arch, acc: Strip<'a>, x: [Strip<'a>; ROWS]) {
    arch.dispatch(Rows::<T, R, _> { acc: acc.cells(), x: x.map(Strip::cells), term: Itself, join: PhantomData });
}

/// The terms of several rows.
struct Rows<'a, T: Pod, R: Join<T>, M: Term<T>> {
    acc: &'a [Cell<R::Acc>],
    x: [&'a [Cell<M::From>]; ROWS],
    term: M,
    join: PhantomData<(T, R)>,
}

impl<T: Pod, R: Join<T>, M: Term<T>> NullaryFnOnce for Rows<'_, T, R, M> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let (acc, rest) = self.acc.as_chunks::<COLUMNS>();
        let x = self.x.map(|x| x.as_chunks::<COLUMNS>().0);
        for (column, acc) in acc.iter().enumerate() {
            let x = x.map(|x| &x[column]);
            add_each_cell::<T, R, COLUMNS>(acc, |i| R::eight(|k| self.term.of(x[k][i].get())));
        }
        let first = self.acc.len() - rest.len();
        for (i, acc) in rest.iter().enumerate() {
            acc.set(R::with(acc.get(), R::eight(|k| self.term.of(self.x[k][first + i].get()))));
        }
    }
}

fn total<T: Pod, R: Join<T>>(arch: Arch, acc: Strip<'_>, x: Strip<'_>) {
    let acc = &acc.cells()[0];
    acc.set(R::join(acc.get(), arch.dispatch(Total::<T, R>(x.cells(), PhantomData))));
}

struct Total<'a, T, R>(&'a [Cell<T>], PhantomData<R>);

impl<T: Pod, R: Join<T>> NullaryFnOnce for Total<'_, T, R> {
    type Output = R::Acc;
    #[inline(always)]
    fn call(self) -> R::Acc {
        fold_row::<T, R>(self.0)
    }
}

fn middle<T: Pod, R: Join<T>>(arch: Arch, out: Strip<'_>, x: Strip<'_>, [outer, reduced, inner]: [usize; 3]) {
    debug_assert_eq!((out.len(), x.len()), (outer * inner, outer * reduced * inner), "elements of these sizes");
    let (out, x) = (out.cells(), x.cells());
    arch.dispatch(Middle::<T, R> { out, x, reduced, inner, join: PhantomData });
}

pub(super) fn merge<T, R: Join<T>>(arch: Arch, acc: Strip<'_>, x: Strip<'_>) {
    let (acc, x) = (acc.cells::<R::Acc>(), x.cells::<R::Acc>());
    debug_assert_eq!(acc.len(), x.len(), "as many of one part as of the other");
    arch.dispatch(Run(move || {
        for (acc, x) in acc.iter().zip(x) {
            acc.set(R::join(acc.get(), x.get()));
        }
    }));
}

fn narrow<T: Pod, R: Join<T>>(arch: Arch, out: Strip<'_>, acc: Strip<'_>) {
    let (out, acc) = (out.cells::<T>(), acc.cells::<R::Acc>());
    debug_assert_eq!(out.len(), acc.len(), "an element for each accumulator");
    arch.dispatch(Run(move || {
        for (out, acc) in out.iter().zip(acc) {
            out.set(R::narrow(acc.get()));
        }
    }));
}
