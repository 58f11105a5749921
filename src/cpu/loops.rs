//! Loops over strips: a function of elements becomes a function of strips, compiled for each instruction set.
//!
//! A loop knows nothing of layouts. Each of its arguments is as many elements in a row as it writes, or one element that
//! stands for all of them, so that a number or a broadcast column is never written out.
//!
//! Every loop may write where it reads, if it writes the very elements: the result for an element is written after the
//! element was read. It is slow there, though, unless it computes some elements before it writes any of them, since a
//! compiler makes vectors of several elements only where no write can change the next read. Loops of both kinds are
//! made of the functions that updates in place consist of, and loops of the first kind of all others.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::ptr::NonNull;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::lines::{AHEAD, fetch, set_past_cache};
use super::plain::Plain;
use super::strip::{Strip, set_each};
use crate::cpu::arch::Arch;

/// Computes the elements of `out` from the arguments, each as long as `out` or of one element.
pub(super) type Run = for<'a> fn(arch: Arch, args: &[Strip<'a>], out: Strip<'a>);

/// A function of elements as a function of strips.
#[derive(Clone, Copy)]
pub(super) struct Loop {
    pub(super) body: Body,
    /// What is as quick where the result lies where an argument does, for functions that have such a loop.
    pub(super) in_place: Option<Body>,
    /// What writes the result past the cache, apart from every argument: [`settle`](super::lines::settle) before another
    /// thread reads it.
    pub(super) past_cache: Option<Body>,
}

impl Loop {
    pub(super) const fn new(body: Body) -> Self {
        Self { body, in_place: None, past_cache: None }
    }
}

/// What a loop runs.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// A loop compiled for one function.
    Compiled(Run),
    /// The loop that all functions without one share.
    Plain(Plain),
}

impl Body {
    /// As [`Run`].
    #[inline]
    pub(super) fn run(self, arch: Arch, args: &[Strip<'_>], out: Strip<'_>) {
        match self {
            Self::Compiled(run) => run(arch, args, out),
            Self::Plain(plain) => plain.run(args, out),
        }
    }
}

/// The elements of an argument, by index.
pub(super) trait Stream: Copy {
    type Item: Copy;

    /// The same, known to have `n` elements, so that no index below `n` is checked again.
    fn of_len(self, n: usize) -> Self;

    fn at(self, index: usize) -> Self::Item;

    /// Elements `step * N..(step + 1) * N`, known to be so many.
    fn chunk<const N: usize>(self, step: usize) -> Self;

    /// Asks memory for those elements, which are read soon.
    fn fetch<const N: usize>(self, step: usize);

    /// The same elements themselves.
    fn step<const N: usize>(self, step: usize) -> [Self::Item; N];
}

impl<T: Pod> Stream for &[Cell<T>] {
    type Item = T;

    #[inline(always)]
    fn of_len(self, n: usize) -> Self {
        &self[..n]
    }

    #[inline(always)]
    fn at(self, index: usize) -> T {
        self[index].get()
    }

    #[inline(always)]
    fn chunk<const N: usize>(self, step: usize) -> Self {
        &self.as_chunks::<N>().0[step]
    }

    #[inline(always)]
    fn fetch<const N: usize>(self, step: usize) {
        fetch(self, step * N, N);
    }

    #[inline(always)]
    fn step<const N: usize>(self, step: usize) -> [T; N] {
        let cells = &self.as_chunks::<N>().0[step];
        let mut elements = [T::zeroed(); N];
        for i in 0..N {
            elements[i] = cells[i].get();
        }
        elements
    }
}

/// One element that stands for all.
#[derive(Clone, Copy)]
pub(super) struct Splat<T>(pub(super) T);

impl<T: Copy> Stream for Splat<T> {
    type Item = T;

    #[inline(always)]
    fn of_len(self, _n: usize) -> Self {
        self
    }

    #[inline(always)]
    fn at(self, _index: usize) -> T {
        self.0
    }

    #[inline(always)]
    fn chunk<const N: usize>(self, _step: usize) -> Self {
        self
    }

    #[inline(always)]
    fn fetch<const N: usize>(self, _step: usize) {}

    #[inline(always)]
    fn step<const N: usize>(self, _step: usize) -> [T; N] {
        [self.0; N]
    }
}

/// Several streams side by side.
macro_rules! zipped {
    ($($stream:ident $index:tt),*) => {
        impl<$($stream: Stream),*> Stream for ($($stream,)*) {
            type Item = ($($stream::Item,)*);

            #[inline(always)]
            fn of_len(self, n: usize) -> Self {
                ($(self.$index.of_len(n),)*)
            }

            #[inline(always)]
            fn at(self, index: usize) -> Self::Item {
                ($(self.$index.at(index),)*)
            }

            #[inline(always)]
            fn chunk<const N: usize>(self, step: usize) -> Self {
                ($(self.$index.chunk::<N>(step),)*)
            }

            #[inline(always)]
            fn fetch<const N: usize>(self, step: usize) {
                $(self.$index.fetch::<N>(step);)*
            }

            #[inline(always)]
            fn step<const N: usize>(self, step: usize) -> [Self::Item; N] {
                let steps = ($(self.$index.step::<N>(step),)*);
                let mut items = [($(steps.$index[0],)*); N];
                for i in 0..N {
                    items[i] = ($(steps.$index[i],)*);
                }
                items
            }
        }
    };
}
zipped!(A 0, B 1);
zipped!(A 0, B 1, C 2);
zipped!(A 0, B 1, C 2, D 3);

/// How a loop writes.
trait Way: Copy {
    /// Writes to each element of `out` what `f` makes of the arguments' elements there.
    fn run<X: Stream, O: Pod>(self, args: X, f: impl Fn(X::Item) -> O, out: &[Cell<O>]);
}

/// Each element is written as soon as it is computed.
#[derive(Clone, Copy)]
struct ByElement;

impl Way for ByElement {
    #[inline(always)]
    fn run<X: Stream, O: Pod>(self, args: X, f: impl Fn(X::Item) -> O, out: &[Cell<O>]) {
        let args = args.of_len(out.len());
        for i in 0..out.len() {
            out[i].set(f(args.at(i)));
        }
    }
}

/// Whole cache lines are computed before any of them is written, past the cache or not: one loop does both, since a line takes
/// longer than a look at a flag.
#[derive(Clone, Copy)]
struct ByLine {
    past_cache: bool,
}

impl Way for ByLine {
    #[inline(always)]
    fn run<X: Stream, O: Pod>(self, args: X, f: impl Fn(X::Item) -> O, out: &[Cell<O>]) {
        // As constants, so that a compiler makes one of the four.
        if const { size_of::<O>() == 1 } {
            self.by_steps::<_, _, 64>(args, f, out);
        } else if const { size_of::<O>() == 2 } {
            self.by_steps::<_, _, 32>(args, f, out);
        } else if const { size_of::<O>() == 4 } {
            self.by_steps::<_, _, 16>(args, f, out);
        } else {
            self.by_steps::<_, _, 8>(args, f, out);
        }
    }
}

impl ByLine {
    /// Computes `N` elements before any of them is written, and by ones what is left.
    #[inline(always)]
    fn by_steps<X: Stream, O: Pod, const N: usize>(self, args: X, f: impl Fn(X::Item) -> O, out: &[Cell<O>]) {
        let args = args.of_len(out.len());
        let steps = out.as_chunks::<N>().0;
        for s in 0..steps.len() {
            let x = args.step::<N>(s);
            let mut y = [O::zeroed(); N];
            for i in 0..N {
                y[i] = f(x[i]);
            }
            if self.past_cache {
                args.fetch::<N>(s + AHEAD);
                set_past_cache(&steps[s], y);
            } else {
                set_each(&steps[s], y);
            }
        }
        for i in steps.len() * N..out.len() {
            out[i].set(f(args.at(i)));
        }
    }
}

/// A loop over some streams, to be compiled for each instruction set.
struct Dispatched<'a, W, X, F, O> {
    way: W,
    args: X,
    f: F,
    out: &'a [Cell<O>],
}

impl<W: Way, X: Stream, O: Pod, F: Fn(X::Item) -> O> NullaryFnOnce for Dispatched<'_, W, X, F, O> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.way.run(self.args, self.f, self.out);
    }
}

fn dispatch<W: Way, X: Stream, O: Pod>(way: W, arch: Arch, args: X, out: &[Cell<O>], f: impl Fn(X::Item) -> O) {
    arch.dispatch(Dispatched { way, args, f, out });
}

pub(super) fn row<T: Pod>(x: Strip<'_>) -> &[Cell<T>] {
    x.cells()
}

pub(super) fn splat<T: Pod>(x: Strip<'_>) -> Splat<T> {
    Splat(x.cells()[0].get())
}

/// The function item or closure of this type, which captures nothing.
///
/// A loop is a plain function pointer, monomorphic in the function it maps, so there is nowhere to pass the function
/// itself, nor need: its type says all.
#[expect(unsafe_code, reason = "makes a value of a type without bytes")]
fn conjure<F: Copy>() -> F {
    const { assert!(size_of::<F>() == 0, "a loop's function captures nothing") }
    // SAFETY: no bytes to read; the type is inhabited, as `map1` and its kin were handed one.
    unsafe { NonNull::<F>::dangling().read() }
}

#[inline(never)]
fn run1<A: Pod, O: Pod, F: Fn(A) -> O + Copy>(way: impl Way, arch: Arch, args: &[Strip<'_>], out: Strip<'_>) {
    dispatch(way, arch, row::<A>(args[0]), out.cells::<O>(), conjure::<F>());
}

/// The loop that maps `f` over one strip.
pub(super) fn map1<A: Pod, O: Pod, F: Fn(A) -> O + Copy>(_: F) -> Loop {
    Loop::new(Body::Compiled(|arch, args, out| run1::<A, O, F>(ByElement, arch, args, out)))
}

/// The same, also in place and past the cache.
pub(super) fn map1_in_place<A: Pod, O: Pod, F: Fn(A) -> O + Copy>(_: F) -> Loop {
    anywhere(
        |arch, args, out| run1::<A, O, F>(ByElement, arch, args, out),
        |arch, args, out| run1::<A, O, F>(ByLine { past_cache: false }, arch, args, out),
        |arch, args, out| run1::<A, O, F>(ByLine { past_cache: true }, arch, args, out),
    )
}

/// A loop that writes apart from its arguments, in place, or past the cache.
pub(super) fn anywhere(body: Run, in_place: Run, past_cache: Run) -> Loop {
    let [body, in_place, past_cache] = [body, in_place, past_cache].map(Body::Compiled);
    Loop { body, in_place: Some(in_place), past_cache: Some(past_cache) }
}

// Arguments are never all one element where the result has more: a frame computes that element once. So where all but
// one are, there is one loop less.

#[inline(never)]
fn run2<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy>(
    way: impl Way,
    arch: Arch,
    args: &[Strip<'_>],
    out: Strip<'_>,
) {
    let ([a, b], out) = ([args[0], args[1]], out.cells::<O>());
    let f = conjure::<F>();
    let f = move |(a, b)| f(a, b);
    match (a.len() == out.len(), b.len() == out.len()) {
        (true, true) => dispatch(way, arch, (row::<A>(a), row::<B>(b)), out, f),
        (true, false) => dispatch(way, arch, (row::<A>(a), splat::<B>(b)), out, f),
        (false, _) => dispatch(way, arch, (splat::<A>(a), row::<B>(b)), out, f),
    }
}

/// The loop that maps `f` over two strips.
pub(super) fn map2<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy>(_: F) -> Loop {
    Loop::new(Body::Compiled(|arch, args, out| run2::<A, B, O, F>(ByElement, arch, args, out)))
}

/// The same, also in place and past the cache.
pub(super) fn map2_in_place<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy>(_: F) -> Loop {
    anywhere(
        |arch, args, out| run2::<A, B, O, F>(ByElement, arch, args, out),
        |arch, args, out| run2::<A, B, O, F>(ByLine { past_cache: false }, arch, args, out),
        |arch, args, out| run2::<A, B, O, F>(ByLine { past_cache: true }, arch, args, out),
    )
}

#[inline(never)]
fn run3<A: Pod, B: Pod, C: Pod, O: Pod, F>(way: impl Way, arch: Arch, args: &[Strip<'_>], out: Strip<'_>)
where
    F: Fn(A, B, C) -> O + Copy,
{
    let ([a, b, c], out) = ([args[0], args[1], args[2]], out.cells::<O>());
    let f = conjure::<F>();
    let f = move |(a, b, c)| f(a, b, c);
    match (a.len() == out.len(), b.len() == out.len(), c.len() == out.len()) {
        (true, true, true) => dispatch(way, arch, (row::<A>(a), row::<B>(b), row::<C>(c)), out, f),
        (true, true, false) => dispatch(way, arch, (row::<A>(a), row::<B>(b), splat::<C>(c)), out, f),
        (true, false, true) => dispatch(way, arch, (row::<A>(a), splat::<B>(b), row::<C>(c)), out, f),
        (true, false, false) => dispatch(way, arch, (row::<A>(a), splat::<B>(b), splat::<C>(c)), out, f),
        (false, true, true) => dispatch(way, arch, (splat::<A>(a), row::<B>(b), row::<C>(c)), out, f),
        (false, true, false) => dispatch(way, arch, (splat::<A>(a), row::<B>(b), splat::<C>(c)), out, f),
        (false, false, _) => dispatch(way, arch, (splat::<A>(a), splat::<B>(b), row::<C>(c)), out, f),
    }
}

/// The loop that maps `f` over three strips.
pub(super) fn map3<A: Pod, B: Pod, C: Pod, O: Pod, F: Fn(A, B, C) -> O + Copy>(_: F) -> Loop {
    Loop::new(Body::Compiled(|arch, args, out| run3::<A, B, C, O, F>(ByElement, arch, args, out)))
}

/// The same, also in place and past the cache.
pub(super) fn map3_in_place<A: Pod, B: Pod, C: Pod, O: Pod, F: Fn(A, B, C) -> O + Copy>(_: F) -> Loop {
    anywhere(
        |arch, args, out| run3::<A, B, C, O, F>(ByElement, arch, args, out),
        |arch, args, out| run3::<A, B, C, O, F>(ByLine { past_cache: false }, arch, args, out),
        |arch, args, out| run3::<A, B, C, O, F>(ByLine { past_cache: true }, arch, args, out),
    )
}
