//! Loops over strips: a function of elements becomes a function of strips, compiled for each instruction set.
//!
//! A kernel knows nothing of layouts. Its arguments are either as many elements in a row as it writes, or one element
//! that stands for all of them, so that a number or a broadcast column is never written out.

use std::ptr::NonNull;

use bytemuck::Pod;
use pulp::{Arch, NullaryFnOnce};

/// A strip of elements to read.
#[derive(Clone, Copy)]
pub(super) struct Src {
    pub(super) at: *const u8,
    /// Whether the one element at `at` stands for all.
    pub(super) splat: bool,
}

impl Src {
    pub(super) const NONE: Self = Self { at: std::ptr::null(), splat: false };
}

/// Writes `n` elements computed from the arguments.
///
/// # Safety
///
/// Each argument the function takes must be valid for `n` reads (one, if it is a splat) of its element type, and `out`
/// for `n` writes; all aligned. `out` must not overlap an argument.
pub(super) type Kernel = unsafe fn(arch: Arch, args: &[Src], out: *mut u8, n: usize);

/// The elements of an argument, by index.
trait Stream: Copy {
    type Item;
    fn at(self, index: usize) -> Self::Item;
}

#[derive(Clone, Copy)]
struct Run<'a, T>(&'a [T]);

impl<T: Copy> Stream for Run<'_, T> {
    type Item = T;
    #[inline(always)]
    fn at(self, index: usize) -> T {
        self.0[index]
    }
}

#[derive(Clone, Copy)]
struct Splat<T>(T);

impl<T: Copy> Stream for Splat<T> {
    type Item = T;
    #[inline(always)]
    fn at(self, _index: usize) -> T {
        self.0
    }
}

/// SAFETY: as [`Kernel`] demands of an argument that is no splat.
unsafe fn run<'a, T: Pod>(src: Src, n: usize) -> Run<'a, T> {
    // SAFETY: the caller vouches for `n` reads, aligned; any bits are a `T`; nothing writes there meanwhile.
    Run(unsafe { std::slice::from_raw_parts(src.at.cast::<T>(), n) })
}

/// SAFETY: as [`Kernel`] demands of an argument that is a splat.
unsafe fn splat<T: Pod>(src: Src) -> Splat<T> {
    // SAFETY: the caller vouches for one read, aligned; any bits are a `T`.
    Splat(unsafe { src.at.cast::<T>().read() })
}

/// SAFETY: as [`Kernel`] demands of `out`.
unsafe fn target<'a, T: Pod>(out: *mut u8, n: usize) -> &'a mut [T] {
    // SAFETY: the caller vouches for `n` writes, aligned, of memory that no argument overlaps.
    unsafe { std::slice::from_raw_parts_mut(out.cast::<T>(), n) }
}

/// The function item or closure of this type, which captures nothing.
///
/// A kernel is a plain function pointer, monomorphic in the function it maps, so there is nowhere to pass the function
/// itself, nor need: its type says all.
fn conjure<F: Copy>() -> F {
    const { assert!(size_of::<F>() == 0, "a kernel's function captures nothing") }
    // SAFETY: no bytes to read; the type is inhabited, as `map1` and its kin were handed one.
    unsafe { NonNull::<F>::dangling().read() }
}

struct Loop<'a, F, O>(F, &'a mut [O]);

impl<O, F: Fn(usize) -> O> NullaryFnOnce for Loop<'_, F, O> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(f, out) = self;
        for (i, out) in out.iter_mut().enumerate() {
            *out = f(i);
        }
    }
}

/// Runs `$f` over `$out` with `$x` standing for the elements of each argument, compiled once for each way in which the
/// arguments may be runs and splats.
macro_rules! streams {
    ($arch:ident, $n:ident, [$($done:ident),*], [], |$i:ident| $value:expr, $out:ident) => {{
        $arch.dispatch(Loop(move |$i: usize| $value, $out));
    }};
    ($arch:ident, $n:ident, [$($done:ident),*], [$x:ident: $ty:ty $(, $rest:ident: $rest_ty:ty)*], |$i:ident| $value:expr, $out:ident) => {
        if $x.splat {
            // SAFETY: what `Kernel` demands.
            let $x = unsafe { splat::<$ty>($x) };
            streams!($arch, $n, [$($done,)* $x], [$($rest: $rest_ty),*], |$i| $value, $out)
        } else {
            // SAFETY: what `Kernel` demands.
            let $x = unsafe { run::<$ty>($x, $n) };
            streams!($arch, $n, [$($done,)* $x], [$($rest: $rest_ty),*], |$i| $value, $out)
        }
    };
}

/// The kernel that maps `f` over one strip.
pub(super) fn map1<A: Pod, O: Pod, F: Fn(A) -> O + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Kernel`].
    unsafe fn kernel<A: Pod, O: Pod, F: Fn(A) -> O + Copy>(arch: Arch, args: &[Src], out: *mut u8, n: usize) {
        // SAFETY: what `Kernel` demands. A splat of one argument gives one element, so a run of one.
        let (a, out) = unsafe { (run::<A>(args[0], n), target::<O>(out, n)) };
        let f = conjure::<F>();
        arch.dispatch(Loop(move |i: usize| f(a.at(i)), out));
    }
    kernel::<A, O, F>
}

/// The kernel that maps `f` over two strips.
pub(super) fn map2<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Kernel`].
    unsafe fn kernel<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy>(
        arch: Arch,
        args: &[Src],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: what `Kernel` demands.
        let out = unsafe { target::<O>(out, n) };
        let (a, b) = (args[0], args[1]);
        let f = conjure::<F>();
        streams!(arch, n, [], [a: A, b: B], |i| f(a.at(i), b.at(i)), out);
    }
    kernel::<A, B, O, F>
}

/// The kernel that maps `f` over three strips.
pub(super) fn map3<A: Pod, B: Pod, C: Pod, O: Pod, F: Fn(A, B, C) -> O + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Kernel`].
    unsafe fn kernel<A: Pod, B: Pod, C: Pod, O: Pod, F: Fn(A, B, C) -> O + Copy>(
        arch: Arch,
        args: &[Src],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: what `Kernel` demands.
        let out = unsafe { target::<O>(out, n) };
        let (a, b, c) = (args[0], args[1], args[2]);
        let f = conjure::<F>();
        streams!(arch, n, [], [a: A, b: B, c: C], |i| f(a.at(i), b.at(i), c.at(i)), out);
    }
    kernel::<A, B, C, O, F>
}

/// The numbers that follow the strips among the arguments.
///
/// SAFETY: as [`Kernel`] demands of arguments that are splats.
unsafe fn numbers<const N: usize>(args: &[Src]) -> [f32; N] {
    // SAFETY: the caller's.
    std::array::from_fn(|i| unsafe { splat::<f32>(args[i]).0 })
}

/// The kernel that maps `f` over two strips and some numbers.
pub(super) fn map2_by<const N: usize, F: Fn([f32; 2], [f32; N]) -> f32 + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Kernel`]; the arguments after the second are one element each.
    unsafe fn kernel<const N: usize, F: Fn([f32; 2], [f32; N]) -> f32 + Copy>(
        arch: Arch,
        args: &[Src],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: what `Kernel` demands.
        let (out, numbers) = unsafe { (target::<f32>(out, n), numbers::<N>(&args[2..])) };
        let (a, b) = (args[0], args[1]);
        let f = conjure::<F>();
        streams!(arch, n, [], [a: f32, b: f32], |i| f([a.at(i), b.at(i)], numbers), out);
    }
    kernel::<N, F>
}

/// The kernel that maps `f` over three strips and some numbers.
pub(super) fn map3_by<const N: usize, F: Fn([f32; 3], [f32; N]) -> f32 + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Kernel`]; the arguments after the third are one element each.
    unsafe fn kernel<const N: usize, F: Fn([f32; 3], [f32; N]) -> f32 + Copy>(
        arch: Arch,
        args: &[Src],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: what `Kernel` demands.
        let (out, numbers) = unsafe { (target::<f32>(out, n), numbers::<N>(&args[3..])) };
        let (a, b, c) = (args[0], args[1], args[2]);
        let f = conjure::<F>();
        streams!(arch, n, [], [a: f32, b: f32, c: f32], |i| f([a.at(i), b.at(i), c.at(i)], numbers), out);
    }
    kernel::<N, F>
}
