//! The loops of reductions: folding strips into one another, into sums of blocks, and into single values.
//!
//! A fold runs in the dtype of its elements for a block, and blocks are folded in a wider one, so that the error does
//! not grow with the number of elements: f32 in f64, i32 in i64 (which wraps to the same i32).

use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::{Arch, NullaryFnOnce};

use super::kernel::{Kernel, map2};
use crate::DType;
use crate::expr::graph::Fold;

/// Pairs of rows that are folded at once, so that the accumulator is passed less often.
pub(super) const ROWS: usize = 2;

/// The loops of one fold on elements of one dtype. A wide element takes 8 bytes.
///
/// All are unsafe to call: what pointers are read and written for is said at each, they are aligned, and what is
/// written overlaps nothing that is read.
#[derive(Clone, Copy)]
pub(super) struct FoldKernels {
    /// Bytes of an element.
    pub(super) size: usize,
    /// Writes the fold of nothing to `n` elements.
    pub(super) clear: unsafe fn(acc: *mut u8, n: usize),
    pub(super) clear_wide: unsafe fn(wide: *mut u64, n: usize),
    /// Folds `n` elements of `x` into those of `acc`.
    pub(super) accumulate: unsafe fn(arch: Arch, acc: *mut u8, x: *const u8, n: usize),
    /// As `accumulate`, of the products of the elements of two rows; and of several pairs, one after the other.
    pub(super) accumulate_product: unsafe fn(arch: Arch, acc: *mut u8, x: [[*const u8; 2]; 1], n: usize),
    pub(super) accumulate_products: unsafe fn(arch: Arch, acc: *mut u8, x: [[*const u8; 2]; ROWS], n: usize),
    /// Folds all `n` elements of `x` into the one of `wide`.
    pub(super) total: unsafe fn(arch: Arch, wide: *mut u64, x: *const u8, n: usize),
    /// As `total`, of the products of the elements of two rows.
    pub(super) total_product: unsafe fn(arch: Arch, wide: *mut u64, x: [*const u8; 2], n: usize),
    /// The products of the elements of two strips; the first of two strips.
    pub(super) multiply: Kernel,
    pub(super) spread: Kernel,
    /// Folds `x`, of `outer` by `reduced` by `inner` elements, over its middle dim into `out`.
    pub(super) middle: unsafe fn(arch: Arch, out: *mut u8, x: *const u8, sizes: [usize; 3]),
    /// Folds `n` elements of `x` into as many of `wide`.
    pub(super) widen: unsafe fn(arch: Arch, wide: *mut u64, x: *const u8, n: usize),
    /// Folds `n` wide elements of `x` into as many of `wide`.
    pub(super) merge: unsafe fn(arch: Arch, wide: *mut u64, x: *const u64, n: usize),
    /// Rounds `n` wide elements.
    pub(super) narrow: unsafe fn(arch: Arch, out: *mut u8, wide: *const u64, n: usize),
}

impl FoldKernels {
    /// Those of `fold` on `dtype`, or `None` where it is not defined.
    pub(super) fn new(fold: Fold, dtype: DType) -> Option<Self> {
        Some(match (fold, dtype) {
            (Fold::Sum, DType::F32) => kernels::<f32, Sum>(),
            (Fold::Sum, DType::F64) => kernels::<f64, Sum>(),
            (Fold::Sum, DType::I32) => kernels::<i32, Sum>(),
            (Fold::Prod, DType::F32) => kernels::<f32, Prod>(),
            (Fold::Prod, DType::F64) => kernels::<f64, Prod>(),
            (Fold::Prod, DType::I32) => kernels::<i32, Prod>(),
            (Fold::Amax, DType::F32) => kernels::<f32, Amax>(),
            (Fold::Amax, DType::F64) => kernels::<f64, Amax>(),
            (Fold::Amax, DType::I32) => kernels::<i32, Amax>(),
            (Fold::Amin, DType::F32) => kernels::<f32, Amin>(),
            (Fold::Amin, DType::F64) => kernels::<f64, Amin>(),
            (Fold::Amin, DType::I32) => kernels::<i32, Amin>(),
            _ => return None,
        })
    }
}

/// How two elements become one, and what stands for none.
trait Rule<T>: 'static {
    const NONE: T;
    fn join(a: T, b: T) -> T;
}

struct Sum;
struct Prod;
struct Amax;
struct Amin;

macro_rules! rules {
    ($($t:ident: $add:expr, $mul:expr, $zero:expr, $one:expr, $low:expr, $high:expr;)*) => {$(
        impl Rule<$t> for Sum {
            const NONE: $t = $zero;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { $add(a, b) }
        }
        impl Rule<$t> for Prod {
            const NONE: $t = $one;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { $mul(a, b) }
        }
        impl Rule<$t> for Amax {
            const NONE: $t = $low;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { super::math::maximum(a, b) }
        }
        impl Rule<$t> for Amin {
            const NONE: $t = $high;
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { super::math::minimum(a, b) }
        }
    )*};
}
rules! {
    f32: std::ops::Add::add, std::ops::Mul::mul, 0.0, 1.0, f32::NEG_INFINITY, f32::INFINITY;
    f64: std::ops::Add::add, std::ops::Mul::mul, 0.0, 1.0, f64::NEG_INFINITY, f64::INFINITY;
    i32: i32::wrapping_add, i32::wrapping_mul, 0, 1, i32::MIN, i32::MAX;
    i64: i64::wrapping_add, i64::wrapping_mul, 0, 1, i64::MIN, i64::MAX;
}

/// An element and the wide one its blocks are folded in.
trait Number: Pod {
    type Wide: Pod;
    fn widen(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
}

macro_rules! numbers {
    ($($t:ty => $wide:ty),*) => {$(
        impl Number for $t {
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
numbers!(f32 => f64, f64 => f64, i32 => i64);

fn kernels<T: Number, R: Rule<T> + Rule<T::Wide>>() -> FoldKernels
where
    Prod: Rule<T>,
{
    FoldKernels {
        size: size_of::<T>(),
        clear: clear::<T, R>,
        clear_wide: clear_wide::<T, R>,
        accumulate: accumulate::<T, R>,
        total: total::<T, R>,
        accumulate_product: accumulate_products::<T, R, 1>,
        accumulate_products: accumulate_products::<T, R, ROWS>,
        total_product: total_product::<T, R>,
        multiply: map2(<Prod as Rule<T>>::join),
        spread: map2(|a: T, _: T| a),
        middle: middle::<T, R>,
        widen: widen::<T, R>,
        merge: merge::<T, R>,
        narrow: narrow::<T>,
    }
}

/// SAFETY: readable for `n` elements, aligned, and not written while in use.
unsafe fn read<'a, T: Pod, P>(at: *const P, n: usize) -> &'a [T] {
    // SAFETY: the caller's; any bits are a `T`.
    unsafe { std::slice::from_raw_parts(at.cast(), n) }
}

/// SAFETY: writable for `n` elements, aligned, and nobody else's while in use.
unsafe fn write<'a, T: Pod, P>(at: *mut P, n: usize) -> &'a mut [T] {
    // SAFETY: the caller's; any bits are a `T`.
    unsafe { std::slice::from_raw_parts_mut(at.cast(), n) }
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

/// # Safety
///
/// See [`FoldKernels`]; so for all that follow.
unsafe fn clear<T: Number, R: Rule<T>>(acc: *mut u8, n: usize) {
    // SAFETY: the caller's.
    unsafe { write::<T, _>(acc, n) }.fill(R::NONE);
}

unsafe fn clear_wide<T: Number, R: Rule<T::Wide>>(wide: *mut u64, n: usize) {
    // SAFETY: the caller's.
    unsafe { write::<T::Wide, _>(wide, n) }.fill(R::NONE);
}

unsafe fn accumulate<T: Number, R: Rule<T>>(arch: Arch, acc: *mut u8, x: *const u8, n: usize) {
    // SAFETY: the caller's.
    let (acc, x) = unsafe { (write::<T, _>(acc, n), read::<T, _>(x, n)) };
    arch.dispatch(Run(move || {
        for (acc, &x) in acc.iter_mut().zip(x) {
            *acc = R::join(*acc, x);
        }
    }));
}

unsafe fn total<T: Number, R: Rule<T> + Rule<T::Wide>>(arch: Arch, wide: *mut u64, x: *const u8, n: usize) {
    // SAFETY: the caller's.
    let (wide, x) = unsafe { (&mut write::<T::Wide, _>(wide, 1)[0], read::<T, _>(x, n)) };
    let sum = arch.dispatch(Total::<T, R>(x, PhantomData));
    *wide = R::join(*wide, sum.widen());
}

/// # Safety
///
/// See [`FoldKernels`].
unsafe fn accumulate_products<T: Number, R: Rule<T>, const N: usize>(
    arch: Arch,
    acc: *mut u8,
    x: [[*const u8; 2]; N],
    n: usize,
) where
    Prod: Rule<T>,
{
    // SAFETY: the caller's.
    let (acc, x) = unsafe { (write::<T, _>(acc, n), x.map(|row| row.map(|x| read::<T, _>(x, n)))) };
    arch.dispatch(Run(move || {
        for (i, acc) in acc.iter_mut().enumerate() {
            *acc = x.iter().fold(*acc, |acc, [a, b]| R::join(acc, Prod::join(a[i], b[i])));
        }
    }));
}

unsafe fn total_product<T: Number, R: Rule<T> + Rule<T::Wide>>(arch: Arch, wide: *mut u64, x: [*const u8; 2], n: usize)
where
    Prod: Rule<T>,
{
    // SAFETY: the caller's.
    let (wide, a, b) = unsafe { (&mut write::<T::Wide, _>(wide, 1)[0], read::<T, _>(x[0], n), read::<T, _>(x[1], n)) };
    let sum = arch.dispatch(TotalProduct::<T, R>([a, b], PhantomData));
    *wide = R::join(*wide, sum.widen());
}

struct Total<'a, T, R>(&'a [T], PhantomData<R>);

impl<T: Number, R: Rule<T>> NullaryFnOnce for Total<'_, T, R> {
    type Output = T;
    #[inline(always)]
    fn call(self) -> T {
        fold_row::<T, R, LANES>(self.0)
    }
}

struct TotalProduct<'a, T, R>([&'a [T]; 2], PhantomData<R>);

impl<T: Number, R: Rule<T>> NullaryFnOnce for TotalProduct<'_, T, R>
where
    Prod: Rule<T>,
{
    type Output = T;
    #[inline(always)]
    fn call(self) -> T {
        fold_products::<T, R>(self.0[0], self.0[1])
    }
}

/// Accumulators of a row: enough to keep SIMD units busy while each waits for itself.
const LANES: usize = 32;

/// Folds a row in interleaved accumulators.
#[inline(always)]
fn fold_row<T: Number, R: Rule<T>, const N: usize>(x: &[T]) -> T {
    let (chunks, rest) = x.as_chunks::<N>();
    let mut lanes = [R::NONE; N];
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = R::join(*lane, x);
        }
    }
    // A copy: accumulators that are indexed by what is known only later would not stay in registers.
    let mut all = lanes;
    for (lane, &x) in all.iter_mut().zip(rest) {
        *lane = R::join(*lane, x);
    }
    join_halves::<T, R, _>(&all)
}

/// As [`fold_row`], of the products of the elements of two rows.
#[inline(always)]
fn fold_products<T: Number, R: Rule<T>>(a: &[T], b: &[T]) -> T
where
    Prod: Rule<T>,
{
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [R::NONE; LANES];
    for (a, b) in a.iter().zip(b) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane = R::join(*lane, Prod::join(a, b));
        }
    }
    let mut all = lanes;
    for (lane, (&a, &b)) in all.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane = R::join(*lane, Prod::join(a, b));
    }
    join_halves::<T, R, _>(&all)
}

/// Folds accumulators by halves. Apart, so that the loop before it is compiled as if nothing followed.
#[inline(never)]
fn join_halves<T: Number, R: Rule<T>, const N: usize>(lanes: &[T; N]) -> T {
    let mut lanes = *lanes;
    let mut n = N / 2;
    while n > 0 {
        for i in 0..n {
            lanes[i] = R::join(lanes[i], lanes[i + n]);
        }
        n /= 2;
    }
    lanes[0]
}

unsafe fn middle<T: Number, R: Rule<T> + Rule<T::Wide>>(
    arch: Arch,
    out: *mut u8,
    x: *const u8,
    [outer, reduced, inner]: [usize; 3],
) {
    // SAFETY: the caller's.
    let (out, x) = unsafe { (write::<T, _>(out, outer * inner), read::<T, _>(x, outer * reduced * inner)) };
    arch.dispatch(Middle::<T, R> { out, x, reduced, inner, rule: PhantomData });
}

struct Middle<'a, T, R> {
    out: &'a mut [T],
    x: &'a [T],
    reduced: usize,
    inner: usize,
    rule: PhantomData<R>,
}

impl<T: Number, R: Rule<T>> NullaryFnOnce for Middle<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { out, x, reduced, inner, .. } = self;
        match (reduced, inner) {
            (0, _) => out.fill(<R as Rule<T>>::NONE),
            (2, 1) => fold_short::<T, R, 2>(out, x),
            (3, 1) => fold_short::<T, R, 3>(out, x),
            (4, 1) => fold_short::<T, R, 4>(out, x),
            (8, 1) => fold_short::<T, R, 8>(out, x),
            (_, 1) if reduced < 32 => {
                for (out, row) in out.iter_mut().zip(x.chunks_exact(reduced)) {
                    *out = row.iter().fold(<R as Rule<T>>::NONE, |sum, &x| R::join(sum, x));
                }
            }
            // Joining more lanes takes longer than a short row.
            (_, 1) if reduced < 256 => {
                for (out, row) in out.iter_mut().zip(x.chunks_exact(reduced)) {
                    *out = fold_row::<T, R, 8>(row);
                }
            }
            (_, 1) => {
                for (out, row) in out.iter_mut().zip(x.chunks_exact(reduced)) {
                    *out = fold_row::<T, R, LANES>(row);
                }
            }
            _ => {
                for (out, block) in out.chunks_exact_mut(inner).zip(x.chunks_exact(reduced * inner)) {
                    out.fill(<R as Rule<T>>::NONE);
                    for row in block.chunks_exact(inner) {
                        for (out, &x) in out.iter_mut().zip(row) {
                            *out = R::join(*out, x);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn fold_short<T: Number, R: Rule<T>, const N: usize>(out: &mut [T], x: &[T]) {
    for (out, row) in out.iter_mut().zip(x.as_chunks::<N>().0) {
        *out = row.iter().fold(R::NONE, |sum, &x| R::join(sum, x));
    }
}

unsafe fn widen<T: Number, R: Rule<T::Wide>>(arch: Arch, wide: *mut u64, x: *const u8, n: usize) {
    // SAFETY: the caller's.
    let (wide, x) = unsafe { (write::<T::Wide, _>(wide, n), read::<T, _>(x, n)) };
    arch.dispatch(Run(move || {
        for (wide, x) in wide.iter_mut().zip(x) {
            *wide = R::join(*wide, x.widen());
        }
    }));
}

unsafe fn merge<T: Number, R: Rule<T::Wide>>(arch: Arch, wide: *mut u64, x: *const u64, n: usize) {
    // SAFETY: the caller's.
    let (wide, x) = unsafe { (write::<T::Wide, _>(wide, n), read::<T::Wide, _>(x, n)) };
    arch.dispatch(Run(move || {
        for (wide, &x) in wide.iter_mut().zip(x) {
            *wide = R::join(*wide, x);
        }
    }));
}

unsafe fn narrow<T: Number>(arch: Arch, out: *mut u8, wide: *const u64, n: usize) {
    // SAFETY: the caller's.
    let (out, wide) = unsafe { (write::<T, _>(out, n), read::<T::Wide, _>(wide, n)) };
    arch.dispatch(Run(move || {
        for (out, &wide) in out.iter_mut().zip(wide) {
            *out = T::narrow(wide);
        }
    }));
}
