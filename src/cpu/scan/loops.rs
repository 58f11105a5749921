//! The loops of scans: strips in, strips out, and accumulators that carry on.
//!
//! Sums and products of f32 are carried in f64, sums of f64 with what rounding leaves out of them, everything else in its own
//! dtype.
//!
//! One addition waits for the one before, which takes several times as long as fetching the element. So rows are scanned
//! eight side by side, and one long row as eight pieces of it, whose totals are found first.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::fold::{Amax, Amin, Join, Prod, Sum, clear, merge, spread};
use crate::cpu::strip::Strip;
use crate::expr::graph::Fold;
use crate::expr::scan::Scan;

/// Bytes of the widest accumulator.
pub(super) const WIDE: usize = 16;

/// Rows that are scanned side by side.
const ROWS: usize = 8;
/// Elements from which on one row is scanned in pieces.
const LONG: usize = 16 * ROWS;
/// Columns computed at a time before any of them is written.
const STEP: usize = 16;

/// The loops of one scan on elements of one dtype. `out` may be `x` itself.
#[derive(Clone, Copy)]
pub(super) struct ScanLoops {
    /// Bytes of an element, and of an accumulator.
    pub(super) size: usize,
    pub(super) acc_size: usize,
    /// Writes what no elements come to to each accumulator.
    pub(super) clear: fn(acc: Strip<'_>),
    /// Takes each accumulator on by that of `x`.
    pub(super) merge: fn(arch: Arch, acc: Strip<'_>, x: Strip<'_>),
    /// Scans rows down: each element belongs to the accumulator of its column, of which there are as many as a row is long.
    pub(super) down: for<'a> fn(arch: Arch, x: Strip<'a>, out: Strip<'a>, acc: Strip<'a>, scan: Scan),
    /// Scans along rows, of which there are as many as accumulators.
    pub(super) along: for<'a> fn(arch: Arch, x: Strip<'a>, out: Strip<'a>, acc: Strip<'a>, scan: Scan),
    /// What `down` and `along` do to the accumulators, which is all.
    pub(super) total_down: for<'a> fn(arch: Arch, x: Strip<'a>, acc: Strip<'a>, scan: Scan),
    pub(super) total_along: for<'a> fn(arch: Arch, x: Strip<'a>, acc: Strip<'a>, scan: Scan),
    /// Writes the one element of `x` to all of `out`, of which it may be the first.
    pub(super) spread: fn(out: Strip<'_>, x: Strip<'_>),
}

impl ScanLoops {
    /// Those of `fold` on `dtype`, or `None` where it is not defined.
    pub(super) fn new(fold: Fold, dtype: DType) -> Option<Self> {
        Some(match (fold, dtype) {
            (Fold::Sum, DType::F32) => loops::<f32, Sum>(),
            (Fold::Sum, DType::F64) => loops::<f64, Kept>(),
            (Fold::Sum, DType::I64) => loops::<i64, Sum>(),
            (Fold::Prod, DType::F32) => loops::<f32, Prod>(),
            (Fold::Prod, DType::F64) => loops::<f64, Prod>(),
            (Fold::Prod, DType::I64) => loops::<i64, Prod>(),
            (Fold::Amax, DType::F32) => loops::<f32, Amax>(),
            (Fold::Amax, DType::F64) => loops::<f64, Amax>(),
            (Fold::Amax, DType::I32) => loops::<i32, Amax>(),
            (Fold::Amax, DType::I64) => loops::<i64, Amax>(),
            (Fold::Amin, DType::F32) => loops::<f32, Amin>(),
            (Fold::Amin, DType::F64) => loops::<f64, Amin>(),
            (Fold::Amin, DType::I32) => loops::<i32, Amin>(),
            (Fold::Amin, DType::I64) => loops::<i64, Amin>(),
            (Fold::Logaddexp, DType::F32) => loops::<f32, Logaddexp>(),
            (Fold::Logaddexp, DType::F64) => loops::<f64, Logaddexp>(),
            _ => return None,
        })
    }
}

fn loops<T: Pod, R: Join<T>>() -> ScanLoops {
    ScanLoops {
        size: size_of::<T>(),
        acc_size: size_of::<R::Acc>(),
        clear: clear::<T, R>,
        merge: merge::<T, R>,
        down: |arch, x, out, acc, scan| {
            let (x, out, acc) = (x.cells::<T>(), out.cells::<T>(), acc.cells::<R::Acc>());
            if scan.exclusive {
                dispatch(arch, || down::<T, R, true>(x, out, acc, scan.reverse));
            } else {
                dispatch(arch, || down::<T, R, false>(x, out, acc, scan.reverse));
            }
        },
        along: |arch, x, out, acc, scan| {
            let (x, out, acc) = (x.cells::<T>(), out.cells::<T>(), acc.cells::<R::Acc>());
            if scan.exclusive {
                dispatch(arch, || along::<T, R, true>(x, out, acc, scan.reverse));
            } else {
                dispatch(arch, || along::<T, R, false>(x, out, acc, scan.reverse));
            }
        },
        total_down: |arch, x, acc, scan| {
            let (x, acc) = (x.cells::<T>(), acc.cells::<R::Acc>());
            dispatch(arch, || {
                rows(x, acc.len(), scan.reverse, |row| {
                    for (x, acc) in row.iter().zip(acc) {
                        acc.set(R::with(acc.get(), x.get()));
                    }
                });
            });
        },
        total_along: |arch, x, acc, _| {
            let (x, acc) = (x.cells::<T>(), acc.cells::<R::Acc>());
            dispatch(arch, || {
                let len = x.len() / acc.len();
                for (row, acc) in x.chunks_exact(len).zip(acc) {
                    acc.set(R::join(acc.get(), total::<T, R>(row)));
                }
            });
        },
        spread: spread::<T>,
    }
}

/// Sums of f64, each with what its rounding leaves out, which is added up beside it.
pub(super) struct Kept;

impl Join<f64> for Kept {
    type Acc = [f64; 2];
    const NONE: [f64; 2] = [0.0; 2];
    #[inline(always)]
    fn pair(a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn widen(x: f64) -> [f64; 2] {
        [x, 0.0]
    }
    #[inline(always)]
    fn join(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        let sum = a[0] + b[0];
        let part = sum - a[0];
        let left_out = (a[0] - (sum - part)) + (b[0] - part);
        [sum, a[1] + b[1] + left_out]
    }
    #[inline(always)]
    fn narrow(acc: [f64; 2]) -> f64 {
        // Nothing is left out of what is infinite.
        if acc[0].is_finite() { acc[0] + acc[1] } else { acc[0] }
    }
}

/// Logarithms of sums of exponentials: the largest so far, and the sum of the exponentials of differences from it.
pub(super) struct Logaddexp;

macro_rules! logaddexp {
    ($t:ty) => {
        #[allow(clippy::unnecessary_cast, reason = "for f32 they are none")]
        impl Join<$t> for Logaddexp {
            type Acc = [f64; 2];
            const NONE: [f64; 2] = [f64::NEG_INFINITY, 0.0];
            fn pair(a: $t, b: $t) -> $t {
                <Self as Join<$t>>::narrow(<Self as Join<$t>>::join([a as f64, 1.0], [b as f64, 1.0]))
            }
            #[inline(always)]
            fn widen(x: $t) -> [f64; 2] {
                [x as f64, 1.0]
            }
            #[inline(always)]
            fn join([a, sum_a]: [f64; 2], [b, sum_b]: [f64; 2]) -> [f64; 2] {
                // Infinities of one sign are equal, and their difference NaN.
                if a == b {
                    [a, sum_a + sum_b]
                } else if a > b {
                    [a, sum_a + sum_b * (b - a).exp()]
                } else {
                    [b, sum_a * (a - b).exp() + sum_b]
                }
            }
            #[inline(always)]
            fn narrow([largest, sum]: [f64; 2]) -> $t {
                (largest + sum.ln()) as $t
            }
        }
    };
}
logaddexp!(f32);
logaddexp!(f64);

/// Calls `f`, compiled for the machine's instruction set.
#[inline(always)]
fn dispatch(arch: Arch, f: impl FnOnce()) {
    struct Call<F>(F);
    impl<F: FnOnce()> NullaryFnOnce for Call<F> {
        type Output = ();
        #[inline(always)]
        fn call(self) {
            (self.0)();
        }
    }
    arch.dispatch(Call(f));
}

/// Calls `f` with each row of `width` elements, in the order of the scan.
#[inline(always)]
fn rows<'a, T>(x: &'a [Cell<T>], width: usize, reverse: bool, mut f: impl FnMut(&'a [Cell<T>])) {
    let n = x.len() / width;
    for row in 0..n {
        let row = if reverse { n - 1 - row } else { row };
        f(&x[row * width..][..width]);
    }
}

#[inline(always)]
fn down<T: Pod, R: Join<T>, const EXCLUSIVE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &[Cell<R::Acc>],
    reverse: bool,
) {
    let width = acc.len();
    match width {
        2 => return narrow_down::<T, R, 2, EXCLUSIVE>(x, out, acc, reverse),
        3 => return narrow_down::<T, R, 3, EXCLUSIVE>(x, out, acc, reverse),
        4 => return narrow_down::<T, R, 4, EXCLUSIVE>(x, out, acc, reverse),
        _ => {}
    }
    let (acc_steps, acc_rest) = acc.as_chunks::<STEP>();
    let n = x.len() / width;
    for row in 0..n {
        let row = if reverse { n - 1 - row } else { row };
        let (x_steps, x_rest) = x[row * width..][..width].as_chunks::<STEP>();
        let (out_steps, out_rest) = out[row * width..][..width].as_chunks::<STEP>();
        for ((acc, x), out) in acc_steps.iter().zip(x_steps).zip(out_steps) {
            let before: [R::Acc; STEP] = std::array::from_fn(|i| acc[i].get());
            let after: [R::Acc; STEP] = std::array::from_fn(|i| R::with(before[i], x[i].get()));
            for i in 0..STEP {
                out[i].set(R::narrow(if EXCLUSIVE { before[i] } else { after[i] }));
            }
            for i in 0..STEP {
                acc[i].set(after[i]);
            }
        }
        for ((acc, x), out) in acc_rest.iter().zip(x_rest).zip(out_rest) {
            step::<T, R, EXCLUSIVE>(acc, x, out);
        }
    }
}

/// As [`down`], of so few columns that their accumulators need not go through memory from row to row.
#[inline(always)]
fn narrow_down<T: Pod, R: Join<T>, const N: usize, const EXCLUSIVE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &[Cell<R::Acc>],
    reverse: bool,
) {
    let mut carry = [R::NONE; N];
    for i in 0..N {
        carry[i] = acc[i].get();
    }
    let (x, out) = (x.as_chunks::<N>().0, &out.as_chunks::<N>().0[..x.len() / N]);
    for row in 0..x.len() {
        let row = if reverse { x.len() - 1 - row } else { row };
        for i in 0..N {
            let after = R::with(carry[i], x[row][i].get());
            out[row][i].set(R::narrow(if EXCLUSIVE { carry[i] } else { after }));
            carry[i] = after;
        }
    }
    for i in 0..N {
        acc[i].set(carry[i]);
    }
}

/// Takes an accumulator one element on.
#[inline(always)]
fn step<T: Pod, R: Join<T>, const EXCLUSIVE: bool>(acc: &Cell<R::Acc>, x: &Cell<T>, out: &Cell<T>) {
    let before = acc.get();
    let after = R::with(before, x.get());
    out.set(R::narrow(if EXCLUSIVE { before } else { after }));
    acc.set(after);
}

#[inline(always)]
fn along<T: Pod, R: Join<T>, const EXCLUSIVE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &[Cell<R::Acc>],
    reverse: bool,
) {
    let len = x.len() / acc.len();
    if let [acc] = acc
        && len >= LONG
    {
        return in_pieces::<T, R, EXCLUSIVE>(x, out, acc, reverse);
    }
    let (groups, rest) = acc.as_chunks::<ROWS>();
    let mut first = 0;
    for acc in groups {
        let row = |i: usize| (first + i) * len;
        let (x, out) = (std::array::from_fn(|i| &x[row(i)..][..len]), std::array::from_fn(|i| &out[row(i)..][..len]));
        let carry = beside::<T, R, ROWS, EXCLUSIVE>(x, out, std::array::from_fn(|i| acc[i].get()), len, reverse);
        acc.iter().zip(carry).for_each(|(acc, carry)| acc.set(carry));
        first += ROWS;
    }
    for acc in rest {
        let (x, out) = (&x[first * len..][..len], &out[first * len..][..len]);
        let [carry] = beside::<T, R, 1, EXCLUSIVE>([x], [out], [acc.get()], len, reverse);
        acc.set(carry);
        first += 1;
    }
}

/// A long row: the totals of its pieces, with which each piece begins, then all pieces side by side.
#[inline(always)]
fn in_pieces<T: Pod, R: Join<T>, const EXCLUSIVE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &Cell<R::Acc>,
    reverse: bool,
) {
    let len = x.len() / ROWS;
    // The pieces in the order of the scan; what is left over comes last.
    let left = x.len() - ROWS * len;
    let (mut x_pieces, mut out_pieces, mut carries) = ([x; ROWS], [out; ROWS], [R::NONE; ROWS]);
    let mut carry = acc.get();
    for i in 0..ROWS {
        let start = if reverse { left + (ROWS - 1 - i) * len } else { i * len };
        (x_pieces[i], out_pieces[i], carries[i]) = (&x[start..][..len], &out[start..][..len], carry);
        carry = R::join(carry, total::<T, R>(x_pieces[i]));
    }
    let carries = beside::<T, R, ROWS, EXCLUSIVE>(x_pieces, out_pieces, carries, len, reverse);
    let rest = if reverse { 0..left } else { x.len() - left..x.len() };
    let last = [carries[ROWS - 1]];
    let [carry] = beside::<T, R, 1, EXCLUSIVE>([&x[rest.clone()]], [&out[rest]], last, left, reverse);
    acc.set(carry);
}

/// Scans `N` rows of `len` elements side by side, and returns their accumulators.
#[inline(always)]
fn beside<T: Pod, R: Join<T>, const N: usize, const EXCLUSIVE: bool>(
    x: [&[Cell<T>]; N],
    out: [&[Cell<T>]; N],
    mut acc: [R::Acc; N],
    len: usize,
    reverse: bool,
) -> [R::Acc; N] {
    for i in 0..len {
        let i = if reverse { len - 1 - i } else { i };
        for row in 0..N {
            let after = R::with(acc[row], x[row][i].get());
            out[row][i].set(R::narrow(if EXCLUSIVE { acc[row] } else { after }));
            acc[row] = after;
        }
    }
    acc
}

/// What a row comes to: every eighth element into one of eight accumulators, which are put together in order.
#[inline(always)]
fn total<T: Pod, R: Join<T>>(x: &[Cell<T>]) -> R::Acc {
    let mut acc = [R::NONE; ROWS];
    let (steps, rest) = x.as_chunks::<ROWS>();
    for step in steps {
        for i in 0..ROWS {
            acc[i] = R::with(acc[i], step[i].get());
        }
    }
    for (acc, x) in acc.iter_mut().zip(rest) {
        *acc = R::with(*acc, x.get());
    }
    acc.into_iter().fold(R::NONE, R::join)
}
