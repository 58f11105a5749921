//! The loops of scans: strips in, strips out, and accumulators that carry on.
//!
//! Sums and products of f32 are carried in f64, sums of f64 with what rounding leaves out of them, everything else in its own
//! dtype.
//!
//! One addition waits for the one before, which takes several times as long as fetching the element. So columns are taken on
//! side by side (`down.rs`), rows by blocks (`blocks.rs`) or, if they are short, eight side by side. Where two elements take
//! long to join, a long row is scanned as eight pieces, whose totals are found first.
//!
//! What is scanned may be a part of a longer row. Where it can be found by the way what a part comes to, accumulators hold
//! that, and `start` what the parts before it come to, which each result is joined to. Else they go on from what was before.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::blocks::{BLOCK, blocks};
use super::down::{Down, Rows};
#[cfg(target_arch = "x86_64")]
use super::sums;
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

/// Scans a strip into another, from accumulators on; the last strip is what each result is joined to.
pub(super) type Along =
    for<'a> fn(arch: Arch, x: Strip<'a>, out: Strip<'a>, acc: Strip<'a>, start: Strip<'a>, scan: Scan);
/// What a scan does to the accumulators, which is all.
pub(super) type TotalAlong = for<'a> fn(arch: Arch, x: Strip<'a>, acc: Strip<'a>, scan: Scan);

/// The loops of one scan on elements of one dtype. `out` may be `x` itself.
#[derive(Clone, Copy)]
pub(super) struct ScanLoops {
    /// Bytes of an element, and of an accumulator.
    pub(super) size: usize,
    pub(super) acc_size: usize,
    /// Whether results are joined to `start`, so that `down` or `along` find by the way, to the same bits, what `total_down`
    /// or `total_along` do.
    pub(super) total_by_the_way: [bool; 2],
    /// Writes what no elements come to to each accumulator.
    pub(super) clear: fn(acc: Strip<'_>),
    /// Takes each accumulator on by that of `x`.
    pub(super) merge: fn(arch: Arch, acc: Strip<'_>, x: Strip<'_>),
    /// Scans rows down: each element belongs to the accumulator of its column, and is joined to that of `start`.
    pub(super) down: for<'a> fn(arch: Arch, x: Rows<'a>, out: Rows<'a>, acc: Strip<'a>, start: Strip<'a>, scan: Scan),
    /// Scans along rows, of which there are as many as accumulators. `start` is one for all.
    pub(super) along: Along,
    pub(super) total_down: for<'a> fn(arch: Arch, x: Rows<'a>, acc: Strip<'a>, scan: Scan),
    pub(super) total_along: TotalAlong,
    /// Writes the one element of `x` to all of `out`, of which it may be the first.
    pub(super) spread: fn(out: Strip<'_>, x: Strip<'_>),
}

/// Whether accumulators are joined quickly: single numbers are.
pub(super) const fn is_light<T, R: Join<T>>() -> bool {
    size_of::<R::Acc>() <= 8
}

/// A result of a part, joined to what was before it where accumulators do not go on from that themselves.
#[inline(always)]
pub(super) fn from<T, R: Join<T>>(start: R::Acc, acc: R::Acc) -> R::Acc {
    if is_light::<T, R>() { R::join(start, acc) } else { acc }
}

impl ScanLoops {
    /// Those of `fold` on `dtype`, or `None` where it is not defined.
    pub(super) fn new(fold: Fold, dtype: DType) -> Option<Self> {
        Some(match (fold, dtype) {
            #[cfg(target_arch = "x86_64")]
            (Fold::Sum, DType::F32) => {
                ScanLoops { along: sums::along, total_along: sums::total_along, ..loops::<f32, Sum, true>() }
            }
            #[cfg(not(target_arch = "x86_64"))]
            (Fold::Sum, DType::F32) => loops::<f32, Sum, true>(),
            (Fold::Sum, DType::F64) => loops::<f64, Kept, false>(),
            (Fold::Sum, DType::I64) => loops::<i64, Sum, false>(),
            (Fold::Prod, DType::F32) => loops::<f32, Prod, true>(),
            (Fold::Prod, DType::F64) => loops::<f64, Prod, false>(),
            (Fold::Prod, DType::I64) => loops::<i64, Prod, false>(),
            (Fold::Amax, DType::F32) => loops::<f32, Amax, false>(),
            (Fold::Amax, DType::F64) => loops::<f64, Amax, false>(),
            (Fold::Amax, DType::I32) => loops::<i32, Amax, false>(),
            (Fold::Amax, DType::I64) => loops::<i64, Amax, false>(),
            (Fold::Amin, DType::F32) => loops::<f32, Amin, false>(),
            (Fold::Amin, DType::F64) => loops::<f64, Amin, false>(),
            (Fold::Amin, DType::I32) => loops::<i32, Amin, false>(),
            (Fold::Amin, DType::I64) => loops::<i64, Amin, false>(),
            (Fold::Logaddexp, DType::F32) => loops::<f32, Logaddexp, false>(),
            (Fold::Logaddexp, DType::F64) => loops::<f64, Logaddexp, false>(),
            _ => return None,
        })
    }
}

/// `BY_BLOCKS`: whether rows are scanned by blocks, not by pieces.
fn loops<T: Pod, R: Join<T>, const BY_BLOCKS: bool>() -> ScanLoops {
    ScanLoops {
        size: size_of::<T>(),
        acc_size: size_of::<R::Acc>(),
        total_by_the_way: [is_light::<T, R>(), BY_BLOCKS],
        clear: clear::<T, R>,
        merge: merge::<T, R>,
        down: |arch, x, out, acc, start, scan| {
            let down = Down::<T, R> { x: x.cells(), out: out.cells(), acc: acc.cells(), start: start.cells(), scan };
            arch.dispatch(down);
        },
        along: along::<T, R, BY_BLOCKS>,
        total_down: |arch, x, acc, scan| {
            let out = (&[][..], x.step);
            arch.dispatch(Down::<T, R> { x: x.cells(), out, acc: acc.cells(), start: &[], scan });
        },
        total_along: total_along::<T, R, BY_BLOCKS>,
        spread: spread::<T>,
    }
}

/// [`ScanLoops::along`] of any elements.
pub(super) fn along<'a, T: Pod, R: Join<T>, const BY_BLOCKS: bool>(
    arch: Arch,
    x: Strip<'a>,
    out: Strip<'a>,
    acc: Strip<'a>,
    start: Strip<'a>,
    scan: Scan,
) {
    let (acc, start) = (acc.cells::<R::Acc>(), start.cells::<R::Acc>()[0].get());
    let work = (x.cells::<T>(), out.cells::<T>(), acc, start, scan.reverse);
    if scan.exclusive {
        arch.dispatch(Scanned::<T, R, BY_BLOCKS, true>(work, PhantomData));
    } else {
        arch.dispatch(Scanned::<T, R, BY_BLOCKS, false>(work, PhantomData));
    }
}

/// [`ScanLoops::total_along`] of any elements.
pub(super) fn total_along<T: Pod, R: Join<T>, const BY_BLOCKS: bool>(
    arch: Arch,
    x: Strip<'_>,
    acc: Strip<'_>,
    scan: Scan,
) {
    arch.dispatch(Totals::<T, R, BY_BLOCKS>(x.cells(), acc.cells(), scan.reverse, PhantomData));
}

struct Totals<'a, T, R: Join<T>, const BY_BLOCKS: bool>(&'a [Cell<T>], &'a [Cell<R::Acc>], bool, PhantomData<R>);

impl<T: Pod, R: Join<T>, const BY_BLOCKS: bool> NullaryFnOnce for Totals<'_, T, R, BY_BLOCKS> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(x, acc, reverse, _) = self;
        for (row, acc) in x.chunks_exact(x.len() / acc.len()).zip(acc) {
            if BY_BLOCKS {
                row_by_blocks::<T, R, false, false>(row, &[], acc, R::NONE, reverse);
            } else {
                acc.set(R::join(acc.get(), total::<T, R>(row)));
            }
        }
    }
}

#[inline(always)]
fn row_by_blocks<T: Pod, R: Join<T>, const EXCLUSIVE: bool, const WRITE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &Cell<R::Acc>,
    start: R::Acc,
    reverse: bool,
) {
    if reverse {
        blocks::<T, R, EXCLUSIVE, true, WRITE>(x, out, acc, start);
    } else {
        blocks::<T, R, EXCLUSIVE, false, WRITE>(x, out, acc, start);
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

/// Rows, their results, their accumulators, what each result is joined to, and whether rows are reversed.
type Work<'a, T, A> = (&'a [Cell<T>], &'a [Cell<T>], &'a [Cell<A>], A, bool);

struct Scanned<'a, T, R: Join<T>, const BY_BLOCKS: bool, const EXCLUSIVE: bool>(Work<'a, T, R::Acc>, PhantomData<R>);

impl<T: Pod, R: Join<T>, const BY_BLOCKS: bool, const EXCLUSIVE: bool> NullaryFnOnce
    for Scanned<'_, T, R, BY_BLOCKS, EXCLUSIVE>
{
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let (x, out, acc, start, reverse) = self.0;
        let len = x.len() / acc.len();
        if BY_BLOCKS && (len >= BLOCK || acc.len() == 1) {
            for ((x, out), acc) in x.chunks_exact(len).zip(out.chunks_exact(len)).zip(acc) {
                row_by_blocks::<T, R, EXCLUSIVE, true>(x, out, acc, start, reverse);
            }
            return;
        }
        if let [acc] = acc
            && len >= LONG
        {
            return in_pieces::<T, R, EXCLUSIVE>(x, out, acc, reverse);
        }
        let (groups, rest) = acc.as_chunks::<ROWS>();
        let mut first = 0;
        for acc in groups {
            let row = |i: usize| (first + i) * len;
            let rows = (std::array::from_fn(|i| &x[row(i)..][..len]), std::array::from_fn(|i| &out[row(i)..][..len]));
            let carry = std::array::from_fn(|i| acc[i].get());
            let carry = beside::<T, R, ROWS, EXCLUSIVE>(rows, carry, len, reverse);
            acc.iter().zip(carry).for_each(|(acc, carry)| acc.set(carry));
            first += ROWS;
        }
        for acc in rest {
            let (x, out) = (&x[first * len..][..len], &out[first * len..][..len]);
            let [carry] = beside::<T, R, 1, EXCLUSIVE>(([x], [out]), [acc.get()], len, reverse);
            acc.set(carry);
            first += 1;
        }
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
    let carries = beside::<T, R, ROWS, EXCLUSIVE>((x_pieces, out_pieces), carries, len, reverse);
    let rest = if reverse { 0..left } else { x.len() - left..x.len() };
    let last = [carries[ROWS - 1]];
    let rest = ([&x[rest.clone()]], [&out[rest]]);
    let [carry] = beside::<T, R, 1, EXCLUSIVE>(rest, last, left, reverse);
    acc.set(carry);
}

/// Scans `N` rows of `len` elements side by side into as many others, and returns their accumulators.
#[inline(always)]
fn beside<T: Pod, R: Join<T>, const N: usize, const EXCLUSIVE: bool>(
    (x, out): ([&[Cell<T>]; N], [&[Cell<T>]; N]),
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
