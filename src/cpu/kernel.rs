//! Loops over strips: a function of elements becomes a function of strips, compiled for each instruction set.
//!
//! A kernel knows nothing of layouts. Its arguments are either as many elements in a row as it writes, or one element
//! that stands for all of them, so that a number or a broadcast column is never written out.

#![allow(clippy::cast_ptr_alignment, reason = "elements are aligned, as `Run` demands")]

use std::marker::PhantomData;
use std::ptr::NonNull;

use bytemuck::Pod;
use pulp::{Arch, NullaryFnOnce};

use super::plain::Plain;

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
/// for `n` writes; all aligned. `out` must not overlap an argument, unless the loop is one for that: then an argument
/// that it overlaps must be its very elements.
pub(super) type Run = unsafe fn(arch: Arch, args: &[Src], out: *mut u8, n: usize);

/// A function of elements as a function of strips.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    pub(super) run: Code,
    /// The same where the result may lie where an argument does, for functions that this makes no slower.
    pub(super) in_place: Option<Code>,
}

/// What a kernel runs.
#[derive(Clone, Copy)]
pub(super) enum Code {
    /// A loop compiled for one function.
    Loop(Run),
    /// The loop that all functions without one share.
    Plain(Plain),
}

impl Code {
    /// # Safety
    ///
    /// As [`Run`].
    pub(super) unsafe fn run(self, arch: Arch, args: &[Src], out: *mut u8, n: usize) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Loop(run) => run(arch, args, out, n),
                Self::Plain(plain) => plain.run(args, out, n),
            }
        }
    }
}

/// The elements of an argument, by index.
trait Stream: Copy {
    type Item;

    /// # Safety
    ///
    /// There is such an element, and nobody else writes there meanwhile.
    unsafe fn at(self, index: usize) -> Self::Item;
}

impl<T: Pod> Stream for *const T {
    type Item = T;
    #[inline(always)]
    unsafe fn at(self, index: usize) -> T {
        // SAFETY: the caller's; any bits are a `T`, and elements are aligned, as `Run` demands.
        unsafe { self.add(index).read() }
    }
}

#[derive(Clone, Copy)]
struct Splat<T>(T);

impl<T: Copy> Stream for Splat<T> {
    type Item = T;
    #[inline(always)]
    unsafe fn at(self, _index: usize) -> T {
        self.0
    }
}

/// SAFETY: as [`Run`] demands of an argument that is a splat.
unsafe fn splat<T: Pod>(src: Src) -> Splat<T> {
    // SAFETY: the caller vouches for one read, aligned; any bits are a `T`.
    Splat(unsafe { src.at.cast::<T>().read() })
}

/// How a loop writes.
trait Way {
    /// Writes `n` elements, each a function of its index.
    ///
    /// # Safety
    ///
    /// As [`Run`] demands of `out`.
    unsafe fn fill<O: Pod>(out: *mut O, n: usize, f: impl Fn(usize) -> O);
}

/// Where what is written lies apart from all that is read.
struct Apart;

impl Way for Apart {
    #[inline(always)]
    unsafe fn fill<O: Pod>(out: *mut O, n: usize, f: impl Fn(usize) -> O) {
        // SAFETY: the caller vouches for `n` writes, aligned, of memory that no argument overlaps.
        let out = unsafe { std::slice::from_raw_parts_mut(out, n) };
        for (i, out) in out.iter_mut().enumerate() {
            *out = f(i);
        }
    }
}

/// Where what is written may lie where it is read: some elements are computed before any of them is written. A compiler
/// makes vectors of them, if the function is a simple one.
struct InPlace;

/// A cache line of f32.
const STEP: usize = 16;

impl Way for InPlace {
    #[inline(always)]
    unsafe fn fill<O: Pod>(out: *mut O, n: usize, f: impl Fn(usize) -> O) {
        let mut start = 0;
        while start + STEP <= n {
            let values: [O; STEP] = std::array::from_fn(|i| f(start + i));
            // SAFETY: the caller's, and all that is read of these elements was.
            unsafe { out.add(start).cast::<[O; STEP]>().write(values) };
            start += STEP;
        }
        for i in start..n {
            // SAFETY: as above.
            unsafe { out.add(i).write(f(i)) };
        }
    }
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

/// A function of indices, and where its values go. Whoever makes one vouches that [`Way::fill`] may be called.
struct Loop<W, F, O> {
    f: F,
    out: *mut O,
    n: usize,
    way: PhantomData<W>,
}

impl<W: Way, O: Pod, F: Fn(usize) -> O> NullaryFnOnce for Loop<W, F, O> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        // SAFETY: promised by whoever made it.
        unsafe { W::fill(self.out, self.n, self.f) };
    }
}

/// Runs `$f` over `$n` elements of `$out` with `$x` standing for the elements of each argument, compiled once for each
/// way in which the arguments may be rows and splats. What `Run` demands is the caller's to see to.
macro_rules! streams {
    ($way:ty, $arch:ident, $n:ident, [$($done:ident),*], [], |$i:ident| $value:expr, $out:ident) => {{
        $arch.dispatch(Loop::<$way, _, _> { f: move |$i: usize| $value, out: $out.cast(), n: $n, way: PhantomData });
    }};
    ($way:ty, $arch:ident, $n:ident, [$($done:ident),*], [$x:ident: $ty:ty $(, $rest:ident: $rest_ty:ty)*], |$i:ident| $value:expr, $out:ident) => {
        if $x.splat {
            // SAFETY: what `Run` demands.
            let $x = unsafe { splat::<$ty>($x) };
            streams!($way, $arch, $n, [$($done,)* $x], [$($rest: $rest_ty),*], |$i| $value, $out)
        } else {
            let $x = $x.at.cast::<$ty>();
            streams!($way, $arch, $n, [$($done,)* $x], [$($rest: $rest_ty),*], |$i| $value, $out)
        }
    };
}

/// The kernel that maps `f` over one strip.
pub(super) fn map1<A: Pod, O: Pod, F: Fn(A) -> O + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Run`].
    unsafe fn run<A: Pod, O: Pod, F: Fn(A) -> O + Copy>(arch: Arch, args: &[Src], out: *mut u8, n: usize) {
        // A splat of one argument gives one element, so a row of one.
        let a = args[0].at.cast::<A>();
        let f = conjure::<F>();
        // SAFETY: what `Run` demands.
        let f = move |i: usize| f(unsafe { a.at(i) });
        arch.dispatch(Loop::<Apart, _, _> { f, out: out.cast::<O>(), n, way: PhantomData });
    }
    Kernel { run: Code::Loop(run::<A, O, F>), in_place: None }
}

/// # Safety
///
/// As [`Run`].
unsafe fn run2<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy, W: Way>(
    arch: Arch,
    args: &[Src],
    out: *mut u8,
    n: usize,
) {
    let (a, b) = (args[0], args[1]);
    let f = conjure::<F>();
    // SAFETY: what `Run` demands.
    streams!(W, arch, n, [], [a: A, b: B], |i| unsafe { f(a.at(i), b.at(i)) }, out);
}

/// The kernel that maps `f` over two strips.
pub(super) fn map2<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy>(_: F) -> Kernel {
    Kernel { run: Code::Loop(run2::<A, B, O, F, Apart>), in_place: None }
}

/// The same, also in place.
pub(super) fn map2_in_place<A: Pod, B: Pod, O: Pod, F: Fn(A, B) -> O + Copy>(_: F) -> Kernel {
    Kernel { run: Code::Loop(run2::<A, B, O, F, Apart>), in_place: Some(Code::Loop(run2::<A, B, O, F, InPlace>)) }
}

/// # Safety
///
/// As [`Run`].
unsafe fn run3<A: Pod, B: Pod, C: Pod, O: Pod, F: Fn(A, B, C) -> O + Copy, W: Way>(
    arch: Arch,
    args: &[Src],
    out: *mut u8,
    n: usize,
) {
    let (a, b, c) = (args[0], args[1], args[2]);
    let f = conjure::<F>();
    // SAFETY: what `Run` demands.
    streams!(W, arch, n, [], [a: A, b: B, c: C], |i| unsafe { f(a.at(i), b.at(i), c.at(i)) }, out);
}

/// The kernel that maps `f` over three strips.
pub(super) fn map3<A: Pod, B: Pod, C: Pod, O: Pod, F: Fn(A, B, C) -> O + Copy>(_: F) -> Kernel {
    Kernel { run: Code::Loop(run3::<A, B, C, O, F, Apart>), in_place: None }
}

/// The same, also in place.
pub(super) fn map3_in_place<A: Pod, B: Pod, C: Pod, O: Pod, F: Fn(A, B, C) -> O + Copy>(_: F) -> Kernel {
    Kernel { run: Code::Loop(run3::<A, B, C, O, F, Apart>), in_place: Some(Code::Loop(run3::<A, B, C, O, F, InPlace>)) }
}

/// The numbers that follow the strips among the arguments.
///
/// SAFETY: as [`Run`] demands of arguments that are splats.
unsafe fn numbers<const N: usize>(args: &[Src]) -> [f32; N] {
    // SAFETY: the caller's.
    std::array::from_fn(|i| unsafe { splat::<f32>(args[i]).0 })
}

/// The kernel that maps `f` over two strips and some numbers, also in place.
pub(super) fn map2_by<const N: usize, F: Fn([f32; 2], [f32; N]) -> f32 + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Run`]; the arguments after the second are one element each.
    unsafe fn run<const N: usize, F: Fn([f32; 2], [f32; N]) -> f32 + Copy, W: Way>(
        arch: Arch,
        args: &[Src],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: what `Run` demands.
        let numbers = unsafe { numbers::<N>(&args[2..]) };
        let (a, b) = (args[0], args[1]);
        let f = conjure::<F>();
        // SAFETY: what `Run` demands.
        streams!(W, arch, n, [], [a: f32, b: f32], |i| f(unsafe { [a.at(i), b.at(i)] }, numbers), out);
    }
    Kernel { run: Code::Loop(run::<N, F, Apart>), in_place: Some(Code::Loop(run::<N, F, InPlace>)) }
}

/// The kernel that maps `f` over three strips and some numbers.
pub(super) fn map3_by<const N: usize, F: Fn([f32; 3], [f32; N]) -> f32 + Copy>(_: F) -> Kernel {
    /// # Safety
    ///
    /// As [`Run`]; the arguments after the third are one element each.
    unsafe fn run<const N: usize, F: Fn([f32; 3], [f32; N]) -> f32 + Copy>(
        arch: Arch,
        args: &[Src],
        out: *mut u8,
        n: usize,
    ) {
        // SAFETY: what `Run` demands.
        let numbers = unsafe { numbers::<N>(&args[3..]) };
        let (a, b, c) = (args[0], args[1], args[2]);
        let f = conjure::<F>();
        // SAFETY: what `Run` demands.
        streams!(Apart, arch, n, [], [a: f32, b: f32, c: f32], |i| f(unsafe { [a.at(i), b.at(i), c.at(i)] }, numbers), out);
    }
    Kernel { run: Code::Loop(run::<N, F>), in_place: None }
}
