//! Folding what two rows of factors make: one pair of rows into accumulators, several, or all of a row into one.

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::rows::{COLUMNS, add_each_cell, fold_products, fold_terms};
use super::terms::{By, Minus, Multiply, Product, Square, SquareOfMinus};
use super::{Factors, FoldLoops, Join, Kind, ROWS, Rows, Run, Sum, loops, spread};
use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::loops::{Loop, map2};
use crate::cpu::strip::Strip;

/// The loops of a fold of what two factors make, beside the [`FoldLoops`] of what is made already. What is written lies apart
/// from what is read.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct ProductLoops {
    /// Folds the products of two rows into their accumulators. The second factor may be one element.
    pub(in crate::cpu) accumulate: for<'a> fn(arch: Arch, acc: Strip<'a>, x: Factors<'a>),
    /// The same of several pairs of whole rows.
    pub(in crate::cpu) accumulate_rows: RowLoops,
    /// Folds the products of two rows into the one accumulator. The second factor may be one element.
    pub(in crate::cpu) total: for<'a> fn(arch: Arch, acc: Strip<'a>, x: Factors<'a>),
    /// Folds the products of two strips, each of as many rows of `reduced` elements as `out` has elements. The second factor may
    /// be one element.
    pub(in crate::cpu) middle: for<'a> fn(arch: Arch, out: Strip<'a>, x: Factors<'a>, reduced: usize),
    /// The products themselves.
    pub(in crate::cpu) multiply: Loop,
    /// Writes the one factor of `x` to all of `out`, of which it may be the first.
    pub(in crate::cpu) spread: fn(out: Strip<'_>, x: Strip<'_>),
}

/// How several pairs of whole rows are folded.
#[derive(Clone, Copy)]
pub(in crate::cpu) enum RowLoops {
    /// Into accumulators.
    Plain(for<'a> fn(arch: Arch, acc: Strip<'a>, x: [Factors<'a>; ROWS])),
    Planes(PlaneLoops),
}

/// Folds rows into two planes of as many columns, or, where that does not go, into accumulators; and in the end what the planes
/// hold into these.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct PlaneLoops {
    pub(in crate::cpu) accumulate: for<'a> fn(arch: Arch, acc: Strip<'a>, planes: Planes<'a>, x: [Factors<'a>; ROWS]),
    pub(in crate::cpu) join: for<'a> fn(arch: Arch, acc: Strip<'a>, planes: Planes<'a>),
}

/// Two planes, which take the room of as many accumulators.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Planes<'a> {
    pub(in crate::cpu) elements: Strip<'a>,
    /// As wide as the elements.
    pub(in crate::cpu) numbers: Strip<'a>,
    /// Whether they hold nothing yet.
    pub(in crate::cpu) are_new: bool,
    /// Whether numbers are known to rise from one row to the next, whatever these are.
    pub(in crate::cpu) rise: bool,
}

impl ProductLoops {
    /// Those of sums of products of two floats.
    pub(in crate::cpu) fn of_sums(dtype: DType) -> Option<Self> {
        Some(match dtype {
            DType::F32 => products::<f32, Sum, Multiply>(),
            DType::F64 => products::<f64, Sum, Multiply>(),
            _ => return None,
        })
    }

    /// Those of sums of the differences of two floats, or of their squares.
    pub(in crate::cpu) fn of_differences(dtype: DType, squared: bool) -> Option<(FoldLoops, Self)> {
        let (fold, products) = match (dtype, squared) {
            (DType::F32, false) => (loops::<f32, Sum>(), products::<f32, Sum, Minus>()),
            (DType::F32, true) => (loops::<f32, Sum>(), products::<f32, Sum, SquareOfMinus>()),
            (DType::F64, false) => (loops::<f64, Sum>(), products::<f64, Sum, Minus>()),
            (DType::F64, true) => (loops::<f64, Sum>(), products::<f64, Sum, SquareOfMinus>()),
            _ => return None,
        };
        Some((FoldLoops { kind: if squared { Kind::Squares } else { Kind::Differences }, ..fold }, products))
    }
}

pub(super) fn products<T: Pod, R: Join<T>, P: Product<T>>() -> ProductLoops {
    ProductLoops {
        accumulate: accumulate::<T, R, P>,
        accumulate_rows: RowLoops::Plain(accumulate_rows::<T, R, P>),
        total: total::<T, R, P>,
        middle: middle::<T, R, P>,
        multiply: map2(P::of),
        spread: spread::<P::Factor>,
    }
}

fn accumulate<'a, T: Pod, R: Join<T>, P: Product<T>>(arch: Arch, acc: Strip<'a>, x: Factors<'a>) {
    let (acc, [a, b]) = (acc.cells::<R::Acc>(), x.map(Strip::cells::<P::Factor>));
    debug_assert!(acc.len() == a.len() && [1, a.len()].contains(&b.len()), "a product for each accumulator");
    if let ([b], true) = (b, a.len() > 1) {
        let b = b.get();
        return arch.dispatch(Run(move || {
            for (acc, a) in acc.iter().zip(a) {
                acc.set(R::with(acc.get(), P::of(a.get(), b)));
            }
        }));
    }
    arch.dispatch(Run(move || {
        for (acc, (a, b)) in acc.iter().zip(a.iter().zip(b)) {
            acc.set(R::with(acc.get(), P::of(a.get(), b.get())));
        }
    }));
}

fn accumulate_rows<'a, T: Pod, R: Join<T>, P: Product<T>>(arch: Arch, acc: Strip<'a>, x: [Factors<'a>; ROWS]) {
    // Half the loads of a product of two rows.
    if x.iter().all(|[a, b]| a.is(*b)) {
        let x = x.map(|[a, _]| a.cells());
        return arch.dispatch(Rows::<T, R, _> {
            acc: acc.cells(),
            x,
            term: Square::<P>(PhantomData),
            join: PhantomData,
        });
    }
    let (acc, second) = (acc.cells(), x[0][1]);
    if x.iter().all(|[_, b]| b.is(second)) {
        let x = x.map(|[a, _]| a.cells());
        return arch.dispatch(ProductsByRow::<T, R, P> { acc, x, by: second.cells() });
    }
    let x = x.map(|factors| factors.map(Strip::cells));
    arch.dispatch(Products::<T, R, P> { acc, x });
}

/// The products of several rows and one.
struct ProductsByRow<'a, T, R: Join<T>, P: Product<T>> {
    acc: &'a [Cell<R::Acc>],
    x: [&'a [Cell<P::Factor>]; ROWS],
    by: &'a [Cell<P::Factor>],
}

impl<T: Pod, R: Join<T>, P: Product<T>> NullaryFnOnce for ProductsByRow<'_, T, R, P> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let (acc, rest) = self.acc.as_chunks::<COLUMNS>();
        let x = self.x.map(|x| x.as_chunks::<COLUMNS>().0);
        let by = &self.by.as_chunks::<COLUMNS>().0[..acc.len()];
        for (column, acc) in acc.iter().enumerate() {
            let (x, by) = (x.map(|x| &x[column]), &by[column]);
            add_each_cell::<T, R, COLUMNS>(acc, |i| R::eight(|k| P::of(x[k][i].get(), by[i].get())));
        }
        let first = self.acc.len() - rest.len();
        for (i, acc) in rest.iter().enumerate() {
            let by = self.by[first + i].get();
            acc.set(R::with(acc.get(), R::eight(|k| P::of(self.x[k][first + i].get(), by))));
        }
    }
}

struct Products<'a, T, R: Join<T>, P: Product<T>> {
    acc: &'a [Cell<R::Acc>],
    x: [Cells<'a, P::Factor>; ROWS],
}

/// The elements of two rows.
type Cells<'a, T> = [&'a [Cell<T>]; 2];

impl<T: Pod, R: Join<T>, P: Product<T>> NullaryFnOnce for Products<'_, T, R, P> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let (acc, rest) = self.acc.as_chunks::<COLUMNS>();
        let x = self.x.map(|factors| factors.map(|x| x.as_chunks::<COLUMNS>().0));
        for (column, acc) in acc.iter().enumerate() {
            let x = x.map(|factors| factors.map(|x| &x[column]));
            add_each_cell::<T, R, COLUMNS>(acc, |i| R::eight(|k| P::of(x[k][0][i].get(), x[k][1][i].get())));
        }
        let first = self.acc.len() - rest.len();
        for (i, acc) in rest.iter().enumerate() {
            let product = |k: usize| P::of(self.x[k][0][first + i].get(), self.x[k][1][first + i].get());
            acc.set(R::with(acc.get(), R::eight(product)));
        }
    }
}

fn total<'a, T: Pod, R: Join<T>, P: Product<T>>(arch: Arch, acc: Strip<'a>, x: Factors<'a>) {
    let acc = &acc.cells()[0];
    debug_assert!([1, x[0].len()].contains(&x[1].len()), "a factor for each, or one for all");
    let [a, b] = x.map(Strip::cells::<P::Factor>);
    let total = match b {
        [b] if a.len() > 1 => arch.dispatch(TotalBy::<T, R, P>(a, By(b.get()), PhantomData)),
        _ => arch.dispatch(TotalProduct::<T, R, P>([a, b], PhantomData)),
    };
    acc.set(R::join(acc.get(), total));
}

/// The total of what each factor makes with one.
struct TotalBy<'a, T, R, P: Product<T>>(&'a [Cell<P::Factor>], By<T, P>, PhantomData<R>);

impl<T: Pod, R: Join<T>, P: Product<T>> NullaryFnOnce for TotalBy<'_, T, R, P> {
    type Output = R::Acc;
    #[inline(always)]
    fn call(self) -> R::Acc {
        fold_terms::<T, R, _>(self.0, self.1)
    }
}

struct TotalProduct<'a, T, R, P: Product<T>>(Cells<'a, P::Factor>, PhantomData<(T, R)>);

impl<T: Pod, R: Join<T>, P: Product<T>> NullaryFnOnce for TotalProduct<'_, T, R, P> {
    type Output = R::Acc;
    #[inline(always)]
    fn call(self) -> R::Acc {
        fold_products::<T, R, P>(self.0[0], self.0[1])
    }
}

fn middle<'a, T: Pod, R: Join<T>, P: Product<T>>(arch: Arch, out: Strip<'a>, x: Factors<'a>, reduced: usize) {
    let (out, x) = (out.cells(), x.map(Strip::cells));
    let n = out.len() * reduced;
    debug_assert!(
        x[0].len() == n && [1, n].contains(&x[1].len()),
        "a row of each for each result, or one factor for all"
    );
    match x {
        [a, [b]] if n > 1 => {
            for (out, a) in out.iter().zip(a.chunks_exact(reduced)) {
                out.set(R::narrow(arch.dispatch(TotalBy::<T, R, P>(a, By(b.get()), PhantomData))));
            }
        }
        x => arch.dispatch(MiddleProduct::<T, R, P> { out, x, reduced, join: PhantomData }),
    }
}

struct MiddleProduct<'a, T, R, P: Product<T>> {
    out: &'a [Cell<T>],
    x: Cells<'a, P::Factor>,
    reduced: usize,
    join: PhantomData<R>,
}

impl<T: Pod, R: Join<T>, P: Product<T>> NullaryFnOnce for MiddleProduct<'_, T, R, P> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let [a, b] = self.x;
        let rows = a.chunks_exact(self.reduced).zip(b.chunks_exact(self.reduced));
        for (out, (a, b)) in self.out.iter().zip(rows) {
            out.set(R::narrow(fold_products::<T, R, P>(a, b)));
        }
    }
}
