//! The loops of reductions: folding strips into one another, into sums of blocks, and into single values.
//!
//! A fold runs in the dtype of its elements for a block, and blocks are folded in a wider one, so that the error does
//! not grow with the number of elements: f32 in f64, i32 in i64 (which wraps to the same i32).

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

mod rows;

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::{Arch, NullaryFnOnce};

use super::loops::{Loop, map2};
use super::math::{maximum, minimum};
use super::strip::Strip;
use crate::DType;
use crate::expr::graph::Fold;
use rows::{LANES, Middle, fold_products, fold_row};

/// Pairs of rows that are folded at once, so that the accumulator is passed less often.
pub(super) const ROWS: usize = 2;

/// Bytes of a wide element.
pub(super) const WIDE: usize = 8;

/// Two rows whose elements are multiplied.
type Pair<'a> = [Strip<'a>; 2];

/// The loops of one fold on elements of one dtype. What is written lies apart from what is read.
#[derive(Clone, Copy)]
pub(super) struct FoldLoops {
    /// Bytes of an element.
    pub(super) size: usize,
    /// Writes the fold of nothing to each element of `acc`, or of `wide`.
    pub(super) clear: fn(acc: Strip<'_>),
    pub(super) clear_wide: fn(wide: Strip<'_>),
    /// Folds each element of `x` into that of `acc`.
    pub(super) accumulate: fn(arch: Arch, acc: Strip<'_>, x: Strip<'_>),
    /// As `accumulate`, of the products of the elements of two rows; and of several pairs, one after the other.
    pub(super) accumulate_product: for<'a> fn(arch: Arch, acc: Strip<'a>, x: [Pair<'a>; 1]),
    pub(super) accumulate_products: for<'a> fn(arch: Arch, acc: Strip<'a>, x: [Pair<'a>; ROWS]),
    /// Folds all elements of `x` into the one of `wide`.
    pub(super) total: fn(arch: Arch, wide: Strip<'_>, x: Strip<'_>),
    /// As `total`, of the products of the elements of two rows.
    pub(super) total_product: for<'a> fn(arch: Arch, wide: Strip<'a>, x: Pair<'a>),
    /// The products of the elements of two strips.
    pub(super) multiply: Loop,
    /// Writes the one element of `x` to all of `out`, of which it may be the first.
    pub(super) spread: fn(out: Strip<'_>, x: Strip<'_>),
    /// Folds `x`, of `outer` by `reduced` by `inner` elements, over its middle dim into `out`.
    pub(super) middle: fn(arch: Arch, out: Strip<'_>, x: Strip<'_>, sizes: [usize; 3]),
    /// Folds each element of `x` into the wide one of `wide`.
    pub(super) widen: fn(arch: Arch, wide: Strip<'_>, x: Strip<'_>),
    /// Folds each wide element of `x` into that of `wide`.
    pub(super) merge: fn(arch: Arch, wide: Strip<'_>, x: Strip<'_>),
    /// Rounds wide elements.
    pub(super) narrow: fn(arch: Arch, out: Strip<'_>, wide: Strip<'_>),
}

impl FoldLoops {
    /// Those of `fold` on `dtype`, or `None` where it is not defined.
    pub(super) fn new(fold: Fold, dtype: DType) -> Option<Self> {
        Some(match (fold, dtype) {
            (Fold::Sum, DType::F32) => loops::<f32, Sum>(),
            (Fold::Sum, DType::F64) => loops::<f64, Sum>(),
            (Fold::Sum, DType::I32) => loops::<i32, Sum>(),
            (Fold::Prod, DType::F32) => loops::<f32, Prod>(),
            (Fold::Prod, DType::F64) => loops::<f64, Prod>(),
            (Fold::Prod, DType::I32) => loops::<i32, Prod>(),
            (Fold::Amax, DType::F32) => loops::<f32, Amax>(),
            (Fold::Amax, DType::F64) => loops::<f64, Amax>(),
            (Fold::Amax, DType::I32) => loops::<i32, Amax>(),
            (Fold::Amin, DType::F32) => loops::<f32, Amin>(),
            (Fold::Amin, DType::F64) => loops::<f64, Amin>(),
            (Fold::Amin, DType::I32) => loops::<i32, Amin>(),
            (_, DType::Bool | DType::U8 | DType::F16 | DType::BF16) => return None,
        })
    }
}

/// How two elements become one, and what stands for none.
trait Join<T>: 'static {
    const NONE: T;
    fn join(a: T, b: T) -> T;
}

struct Sum;
struct Prod;
struct Amax;
struct Amin;

macro_rules! joins {
    ($($t:ident: $add:expr, $mul:expr, $zero:expr, $one:expr, $low:expr, $high:expr;)*) => {$(
        impl Join<$t> for Sum {
            const NONE: $t = $zero;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { $add(a, b) }
        }
        impl Join<$t> for Prod {
            const NONE: $t = $one;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { $mul(a, b) }
        }
        impl Join<$t> for Amax {
            const NONE: $t = $low;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { maximum(a, b) }
        }
        impl Join<$t> for Amin {
            const NONE: $t = $high;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { minimum(a, b) }
        }
    )*};
}
joins! {
    f32: std::ops::Add::add, std::ops::Mul::mul, 0.0, 1.0, f32::NEG_INFINITY, f32::INFINITY;
    f64: std::ops::Add::add, std::ops::Mul::mul, 0.0, 1.0, f64::NEG_INFINITY, f64::INFINITY;
    i32: i32::wrapping_add, i32::wrapping_mul, 0, 1, i32::MIN, i32::MAX;
    i64: i64::wrapping_add, i64::wrapping_mul, 0, 1, i64::MIN, i64::MAX;
}

/// An element and the wide one its blocks are folded in.
trait Widen: Pod {
    type Wide: Pod;
    fn widen(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
}

macro_rules! wide {
    ($($t:ty => $wide:ty),*) => {$(
        impl Widen for $t {
            type Wide = $wide;
            #[inline(always)]
            #[allow(clippy::unnecessary_cast, reason = "f64 is its own wide type")]
            fn widen(self) -> $wide { self as $wide }
            #[inline(always)]
            #[allow(clippy::unnecessary_cast, reason = "as above")]
            fn narrow(wide: $wide) -> Self { wide as $t }
        }
    )*};
}
wide!(f32 => f64, f64 => f64, i32 => i64);

fn loops<T: Widen, R: Join<T> + Join<T::Wide>>() -> FoldLoops
where
    Prod: Join<T>,
{
    FoldLoops {
        size: size_of::<T>(),
        clear: clear::<T, R>,
        clear_wide: clear_wide::<T, R>,
        accumulate: accumulate::<T, R>,
        total: total::<T, R>,
        accumulate_product: accumulate_products::<T, R, 1>,
        accumulate_products: accumulate_products::<T, R, ROWS>,
        total_product: total_product::<T, R>,
        multiply: map2(<Prod as Join<T>>::join),
        spread: spread::<T>,
        middle: middle::<T, R>,
        widen: widen::<T, R>,
        merge: merge::<T, R>,
        narrow: narrow::<T>,
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

fn clear<T: Widen, R: Join<T>>(acc: Strip<'_>) {
    acc.cells().iter().for_each(|acc| acc.set(R::NONE));
}

fn clear_wide<T: Widen, R: Join<T::Wide>>(wide: Strip<'_>) {
    wide.cells().iter().for_each(|wide| wide.set(R::NONE));
}

fn spread<T: Widen>(out: Strip<'_>, x: Strip<'_>) {
    let x = x.cells::<T>()[0].get();
    out.cells().iter().for_each(|out| out.set(x));
}

fn accumulate<T: Widen, R: Join<T>>(arch: Arch, acc: Strip<'_>, x: Strip<'_>) {
    let (acc, x) = (acc.cells::<T>(), x.cells::<T>());
    debug_assert_eq!(acc.len(), x.len(), "an element for each accumulator");
    arch.dispatch(Run(move || {
        for (acc, x) in acc.iter().zip(x) {
            acc.set(R::join(acc.get(), x.get()));
        }
    }));
}

fn total<T: Widen, R: Join<T> + Join<T::Wide>>(arch: Arch, wide: Strip<'_>, x: Strip<'_>) {
    let wide = &wide.cells::<T::Wide>()[0];
    let sum = arch.dispatch(Total::<T, R>(x.cells(), PhantomData));
    wide.set(R::join(wide.get(), sum.widen()));
}

fn accumulate_products<'a, T: Widen, R: Join<T>, const N: usize>(arch: Arch, acc: Strip<'a>, x: [Pair<'a>; N])
where
    Prod: Join<T>,
{
    let (acc, x) = (acc.cells(), x.map(|pair| pair.map(Strip::cells)));
    arch.dispatch(Products::<T, R, N> { acc, x, join: PhantomData });
}

struct Products<'a, T, R, const N: usize> {
    acc: &'a [Cell<T>],
    x: [[&'a [Cell<T>]; 2]; N],
    join: PhantomData<R>,
}

impl<T: Widen, R: Join<T>, const N: usize> NullaryFnOnce for Products<'_, T, R, N>
where
    Prod: Join<T>,
{
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { acc, mut x, .. } = self;
        let n = acc.len();
        for pair in &mut x {
            *pair = [&pair[0][..n], &pair[1][..n]];
        }
        for i in 0..n {
            let mut sum = acc[i].get();
            for k in 0..N {
                sum = R::join(sum, Prod::join(x[k][0][i].get(), x[k][1][i].get()));
            }
            acc[i].set(sum);
        }
    }
}

fn total_product<'a, T: Widen, R: Join<T> + Join<T::Wide>>(arch: Arch, wide: Strip<'a>, x: Pair<'a>)
where
    Prod: Join<T>,
{
    let wide = &wide.cells::<T::Wide>()[0];
    debug_assert_eq!(x[0].len(), x[1].len(), "a factor for each");
    let sum = arch.dispatch(TotalProduct::<T, R>(x.map(Strip::cells), PhantomData));
    wide.set(R::join(wide.get(), sum.widen()));
}

struct Total<'a, T, R>(&'a [Cell<T>], PhantomData<R>);

impl<T: Widen, R: Join<T>> NullaryFnOnce for Total<'_, T, R> {
    type Output = T;
    #[inline(always)]
    fn call(self) -> T {
        fold_row::<T, R, LANES>(self.0)
    }
}

struct TotalProduct<'a, T, R>([&'a [Cell<T>]; 2], PhantomData<R>);

impl<T: Widen, R: Join<T>> NullaryFnOnce for TotalProduct<'_, T, R>
where
    Prod: Join<T>,
{
    type Output = T;
    #[inline(always)]
    fn call(self) -> T {
        fold_products::<T, R>(self.0[0], self.0[1])
    }
}

fn middle<T: Widen, R: Join<T> + Join<T::Wide>>(
    arch: Arch,
    out: Strip<'_>,
    x: Strip<'_>,
    [outer, reduced, inner]: [usize; 3],
) {
    debug_assert_eq!((out.len(), x.len()), (outer * inner, outer * reduced * inner), "elements of these sizes");
    let (out, x) = (out.cells(), x.cells());
    arch.dispatch(Middle::<T, R> { out, x, reduced, inner, join: PhantomData });
}

fn widen<T: Widen, R: Join<T::Wide>>(arch: Arch, wide: Strip<'_>, x: Strip<'_>) {
    let (wide, x) = (wide.cells::<T::Wide>(), x.cells::<T>());
    debug_assert_eq!(wide.len(), x.len(), "an element for each wide one");
    arch.dispatch(Run(move || {
        for (wide, x) in wide.iter().zip(x) {
            wide.set(R::join(wide.get(), x.get().widen()));
        }
    }));
}

fn merge<T: Widen, R: Join<T::Wide>>(arch: Arch, wide: Strip<'_>, x: Strip<'_>) {
    let (wide, x) = (wide.cells::<T::Wide>(), x.cells::<T::Wide>());
    debug_assert_eq!(wide.len(), x.len(), "as many of one part as of the other");
    arch.dispatch(Run(move || {
        for (wide, x) in wide.iter().zip(x) {
            wide.set(R::join(wide.get(), x.get()));
        }
    }));
}

fn narrow<T: Widen>(arch: Arch, out: Strip<'_>, wide: Strip<'_>) {
    let (out, wide) = (out.cells::<T>(), wide.cells::<T::Wide>());
    debug_assert_eq!(out.len(), wide.len(), "an element for each wide one");
    arch.dispatch(Run(move || {
        for (out, wide) in out.iter().zip(wide) {
            out.set(T::narrow(wide.get()));
        }
    }));
}
