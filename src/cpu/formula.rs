//! Loops of several operations of f32 arithmetic, in vectors and in place.
//!
//! A [`Formula`] is written once for vectors of any length, so nothing is left to a compiler's vectorizer: its loops take
//! a fraction of the time to compile, and are as quick where the result lies where an argument does.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::{Scalar, Simd, WithSimd};

use super::lines::set_past_cache;
use super::loops::{Loop, Splat, Stream, anywhere};
use super::strip::{Strip, set_each};
use crate::cpu::arch::Arch;

/// A function of `N` values and `K` numbers, element by element, each of whose operations rounds by itself.
pub(super) trait Formula<const N: usize, const K: usize>: Copy + 'static {
    fn of<S: Simd>(simd: S, values: [S::f32s; N], numbers: [S::f32s; K]) -> S::f32s;
}

/// The loop of a formula of two values. Its arguments are the values, then the numbers, which are one element each.
pub(super) fn formula2<const K: usize, F: Formula<2, K>>(_: F) -> Loop {
    fn run<const K: usize, F: Formula<2, K>, const PAST: bool>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>) {
        arch.dispatch(Vectors::<2, K, F, PAST>::new(args, out));
    }
    anywhere(run::<K, F, false>, run::<K, F, false>, run::<K, F, true>)
}

/// As [`formula2`], of three values.
pub(super) fn formula3<const K: usize, F: Formula<3, K>>(_: F) -> Loop {
    fn run<const K: usize, F: Formula<3, K>, const PAST: bool>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>) {
        arch.dispatch(Vectors::<3, K, F, PAST>::new(args, out));
    }
    anywhere(run::<K, F, false>, run::<K, F, false>, run::<K, F, true>)
}

/// With `PAST`, results are written past the cache.
struct Vectors<'a, const N: usize, const K: usize, F, const PAST: bool> {
    values: [Strip<'a>; N],
    numbers: [f32; K],
    out: Strip<'a>,
    formula: PhantomData<F>,
}

impl<'a, const N: usize, const K: usize, F: Formula<N, K>, const PAST: bool> Vectors<'a, N, K, F, PAST> {
    fn new(args: &[Strip<'a>], out: Strip<'a>) -> Self {
        debug_assert_eq!(args.len(), N + K, "values and numbers");
        let numbers = std::array::from_fn(|i| args[N + i].cells()[0].get());
        Self { values: std::array::from_fn(|i| args[i]), numbers, out, formula: PhantomData }
    }

    /// The elements from `start` on, which fill no vector, by ones.
    #[inline(always)]
    fn rest(&self, start: usize) {
        let out = self.out.cells::<f32>();
        for i in start..out.len() {
            let mut values = [0.0; N];
            for k in 0..N {
                let value = self.values[k].cells::<f32>();
                values[k] = value[if value.len() == out.len() { i } else { 0 }].get();
            }
            out[i].set(F::of(Scalar, values, self.numbers));
        }
    }
}

/// Writes to each element of `out` what `f` makes of the arguments' elements there, two at a time.
#[inline(always)]
fn each<X: Stream, V: Pod, const PAST: bool>(args: X, out: &[Cell<V>], f: impl Fn(X::Item) -> V) {
    let args = args.of_len(out.len());
    let (pairs, last) = out.as_chunks::<2>();
    for s in 0..pairs.len() {
        let [x, y] = args.step::<2>(s);
        let (x, y) = (f(x), f(y));
        if PAST {
            set_past_cache(&pairs[s], [x, y]);
        } else {
            set_each(&pairs[s], [x, y]);
        }
    }
    if let [last] = last {
        last.set(f(args.at(out.len() - 1)));
    }
}

#[inline(always)]
pub(super) fn row<S: Simd>(x: Strip<'_>) -> &[Cell<S::f32s>] {
    x.vectors::<f32, S::f32s>()
}

#[inline(always)]
pub(super) fn splat<S: Simd>(simd: S, x: Strip<'_>) -> Splat<S::f32s> {
    Splat(simd.splat_f32s(x.cells()[0].get()))
}

// As with other loops, arguments are never all one element where the result has more.

impl<const K: usize, F: Formula<2, K>, const PAST: bool> WithSimd for Vectors<'_, 2, K, F, PAST> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let numbers = self.numbers.map(|x| simd.splat_f32s(x));
        let f = |(a, b)| F::of(simd, [a, b], numbers);
        let ([a, b], out) = (self.values, row::<S>(self.out));
        match self.values.map(|x| x.len() == self.out.len()) {
            [true, true] => each::<_, _, PAST>((row::<S>(a), row::<S>(b)), out, f),
            [true, false] => each::<_, _, PAST>((row::<S>(a), splat(simd, b)), out, f),
            [false, _] => each::<_, _, PAST>((splat(simd, a), row::<S>(b)), out, f),
        }
        self.rest(out.len() * S::F32_LANES);
    }
}

impl<const K: usize, F: Formula<3, K>, const PAST: bool> WithSimd for Vectors<'_, 3, K, F, PAST> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let numbers = self.numbers.map(|x| simd.splat_f32s(x));
        let f = |(a, b, c)| F::of(simd, [a, b, c], numbers);
        let ([a, b, c], out) = (self.values, row::<S>(self.out));
        match self.values.map(|x| x.len() == self.out.len()) {
            [true, true, true] => each::<_, _, PAST>((row::<S>(a), row::<S>(b), row::<S>(c)), out, f),
            [true, true, false] => each::<_, _, PAST>((row::<S>(a), row::<S>(b), splat(simd, c)), out, f),
            [true, false, true] => each::<_, _, PAST>((row::<S>(a), splat(simd, b), row::<S>(c)), out, f),
            [true, false, false] => each::<_, _, PAST>((row::<S>(a), splat(simd, b), splat(simd, c)), out, f),
            [false, true, true] => each::<_, _, PAST>((splat(simd, a), row::<S>(b), row::<S>(c)), out, f),
            [false, true, false] => each::<_, _, PAST>((splat(simd, a), row::<S>(b), splat(simd, c)), out, f),
            [false, false, _] => each::<_, _, PAST>((splat(simd, a), splat(simd, b), row::<S>(c)), out, f),
        }
        self.rest(out.len() * S::F32_LANES);
    }
}
