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
use super::loops::{Loop, Run, Splat, Stream, anywhere};
use super::strip::{Strip, set_each};
use crate::cpu::arch::Arch;

/// A function of `N` values and `K` numbers, element by element, each of whose operations rounds by itself.
pub(super) trait Formula<const N: usize, const K: usize>: Copy + 'static {
    fn of<S: Simd>(simd: S, values: [S::f32s; N], numbers: [S::f32s; K]) -> S::f32s;
}

/// The loop of a formula of two values. Its arguments are the values, then the numbers, which are one element each.
pub(super) fn formula2<const K: usize, F: Formula<2, K>>(_: F) -> Loop {
    #[inline(never)]
    fn run<const K: usize, F: Formula<2, K>>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>, past_cache: bool) {
        arch.dispatch(Vectors::<2, K, F>::new(args, out, past_cache));
    }
    let body: Run = |arch, args, out| run::<K, F>(arch, args, out, false);
    anywhere(body, body, |arch, args, out| run::<K, F>(arch, args, out, true))
}

/// As [`formula2`], of three values.
pub(super) fn formula3<const K: usize, F: Formula<3, K>>(_: F) -> Loop {
    #[inline(never)]
    fn run<const K: usize, F: Formula<3, K>>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>, past_cache: bool) {
        arch.dispatch(Vectors::<3, K, F>::new(args, out, past_cache));
    }
    let body: Run = |arch, args, out| run::<K, F>(arch, args, out, false);
    anywhere(body, body, |arch, args, out| run::<K, F>(arch, args, out, true))
}

struct Vectors<'a, const N: usize, const K: usize, F> {
    values: [Strip<'a>; N],
    numbers: [f32; K],
    out: Strip<'a>,
    past_cache: bool,
    formula: PhantomData<F>,
}

impl<'a, const N: usize, const K: usize, F: Formula<N, K>> Vectors<'a, N, K, F> {
    fn new(args: &[Strip<'a>], out: Strip<'a>, past_cache: bool) -> Self {
        debug_assert_eq!(args.len(), N + K, "values and numbers");
        let (mut values, mut numbers) = ([Strip::EMPTY; N], [0.0; K]);
        values.copy_from_slice(&args[..N]);
        for i in 0..K {
            numbers[i] = args[N + i].cells()[0].get();
        }
        Self { values, numbers, out, past_cache, formula: PhantomData }
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
fn each<X: Stream, V: Pod>(args: X, out: &[Cell<V>], past_cache: bool, f: impl Fn(X::Item) -> V) {
    let args = args.of_len(out.len());
    let (pairs, last) = out.as_chunks::<2>();
    for s in 0..pairs.len() {
        let [x, y] = args.step::<2>(s);
        let (x, y) = (f(x), f(y));
        if past_cache {
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

#[inline(always)]
fn splat_each<S: Simd, const K: usize>(simd: S, numbers: [f32; K]) -> [S::f32s; K] {
    let mut vectors = [simd.splat_f32s(0.0); K];
    for i in 0..K {
        vectors[i] = simd.splat_f32s(numbers[i]);
    }
    vectors
}

// As with other loops, arguments are never all one element where the result has more.

impl<const K: usize, F: Formula<2, K>> WithSimd for Vectors<'_, 2, K, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let numbers = splat_each(simd, self.numbers);
        let f = |(a, b)| F::of(simd, [a, b], numbers);
        let ([a, b], out, past) = (self.values, row::<S>(self.out), self.past_cache);
        match (a.len() == self.out.len(), b.len() == self.out.len()) {
            (true, true) => each((row::<S>(a), row::<S>(b)), out, past, f),
            (true, false) => each((row::<S>(a), splat(simd, b)), out, past, f),
            (false, _) => each((splat(simd, a), row::<S>(b)), out, past, f),
        }
        self.rest(out.len() * S::F32_LANES);
    }
}

impl<const K: usize, F: Formula<3, K>> WithSimd for Vectors<'_, 3, K, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let numbers = splat_each(simd, self.numbers);
        let f = |(a, b, c)| F::of(simd, [a, b, c], numbers);
        let ([a, b, c], out, past) = (self.values, row::<S>(self.out), self.past_cache);
        let n = self.out.len();
        match (a.len() == n, b.len() == n, c.len() == n) {
            (true, true, true) => each((row::<S>(a), row::<S>(b), row::<S>(c)), out, past, f),
            (true, true, false) => each((row::<S>(a), row::<S>(b), splat(simd, c)), out, past, f),
            (true, false, true) => each((row::<S>(a), splat(simd, b), row::<S>(c)), out, past, f),
            (true, false, false) => each((row::<S>(a), splat(simd, b), splat(simd, c)), out, past, f),
            (false, true, true) => each((splat(simd, a), row::<S>(b), row::<S>(c)), out, past, f),
            (false, true, false) => each((splat(simd, a), row::<S>(b), splat(simd, c)), out, past, f),
            (false, false, _) => each((splat(simd, a), splat(simd, b), row::<S>(c)), out, past, f),
        }
        self.rest(out.len() * S::F32_LANES);
    }
}
