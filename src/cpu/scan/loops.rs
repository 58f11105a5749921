//! The loops of scans: strips in, strips out, and accumulators that carry on.
//!
//! Sums and products of f32 are carried in f64, sums of f64 with what rounding leaves out of them, everything else in its own
//! dtype.
//!
//! One addition waits for the one before, which takes several times as long as fetching the element. So columns are taken on
//! side by side (`down.rs`), rows by blocks (`blocks.rs`) or, if they are short, eight side by side. Where two elements take
//! long to join, a long row is scanned as eight pieces, whose totals are found first (`along.rs`). AVX-512 has loops of its own
//! for sums (`wide/`).
//!
//! What is scanned may be a part of a longer row. Where it can be found by the way what a part comes to, accumulators hold
//! that, and `start` what the parts before it come to, which each result is joined to. Else they go on from what was before.

use bytemuck::Pod;

use super::along::{Plain, along, total_along};
use super::down::{Down, Rows};
use super::join::{Kept, Logaddexp};
#[cfg(target_arch = "x86_64")]
use super::{sums, wide};
use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::fold::{Amax, Amin, Join, Prod, Sum, clear, merge, spread};
use crate::cpu::strip::Strip;
use crate::cpu::widest;
use crate::expr::graph::Fold;
use crate::expr::scan::Scan;

/// Bytes of the widest accumulator.
pub(super) const WIDE: usize = 16;

/// Scans a strip into another, from accumulators on; the last strip is what each result is joined to.
pub(super) type Along =
    for<'a> fn(arch: Arch, x: Strip<'a>, out: Strip<'a>, acc: Strip<'a>, start: Strip<'a>, scan: Scan);
/// Scans rows down into others.
pub(super) type DownRows =
    for<'a> fn(arch: Arch, x: Rows<'a>, out: Rows<'a>, acc: Strip<'a>, start: Strip<'a>, scan: Scan);
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
    pub(super) down: DownRows,
    /// As `down`, past the cache. Rows of `out` begin a cache line and are whole ones.
    pub(super) down_past_cache: DownRows,
    /// Scans along rows, of which there are as many as accumulators. `start` is one for all.
    pub(super) along: Along,
    /// As `along`, past the cache, if there is a loop that does so.
    pub(super) along_past_cache: Option<Along>,
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
            (Fold::Sum, DType::F32) => floats::<Sum, false>(),
            (Fold::Sum, DType::F64) => kept(),
            (Fold::Sum, DType::I64) => integers(),
            (Fold::Prod, DType::F32) => floats::<Prod, true>(),
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

/// Sums of f32, or products.
fn floats<R: Join<f32>, const PROD: bool>() -> ScanLoops {
    #[cfg(target_arch = "x86_64")]
    return ScanLoops {
        along: wide::floats::<PROD, false>,
        along_past_cache: (widest::is_there() || !PROD && sums::are_there()).then_some(wide::floats::<PROD, true>),
        total_along: wide::total_floats::<PROD>,
        ..loops::<f32, R, true>()
    };
    #[cfg(not(target_arch = "x86_64"))]
    loops::<f32, R, true>()
}

/// Sums of i64.
fn integers() -> ScanLoops {
    #[cfg(target_arch = "x86_64")]
    return ScanLoops {
        along: wide::integers::<false>,
        along_past_cache: widest::is_there().then_some(wide::integers::<true>),
        ..loops::<i64, Sum, true>()
    };
    #[cfg(not(target_arch = "x86_64"))]
    loops::<i64, Sum, true>()
}

/// Sums of f64.
fn kept() -> ScanLoops {
    #[cfg(target_arch = "x86_64")]
    return ScanLoops { along: wide::kept, total_along: wide::total_kept, ..loops::<f64, Kept, false>() };
    #[cfg(not(target_arch = "x86_64"))]
    loops::<f64, Kept, false>()
}

/// `BY_BLOCKS`: whether rows are scanned by blocks, not by pieces.
fn loops<T: Pod, R: Join<T>, const BY_BLOCKS: bool>() -> ScanLoops {
    ScanLoops {
        size: size_of::<T>(),
        acc_size: size_of::<R::Acc>(),
        total_by_the_way: [is_light::<T, R>(), BY_BLOCKS],
        clear: clear::<T, R>,
        merge: merge::<T, R>,
        down: down::<T, R, false>,
        down_past_cache: down::<T, R, true>,
        along: along::<T, R, Plain, BY_BLOCKS>,
        along_past_cache: None,
        total_down: |arch, x, acc, scan| {
            let out = (&[][..], x.step);
            arch.dispatch(Down::<T, R, false> { x: x.cells(), out, acc: acc.cells(), start: &[], scan });
        },
        total_along: total_along::<T, R, Plain, BY_BLOCKS>,
        spread: spread::<T>,
    }
}

fn down<'a, T: Pod, R: Join<T>, const PAST_CACHE: bool>(
    arch: Arch,
    x: Rows<'a>,
    out: Rows<'a>,
    acc: Strip<'a>,
    start: Strip<'a>,
    scan: Scan,
) {
    let (x, out, acc, start) = (x.cells(), out.cells(), acc.cells(), start.cells());
    let down = Down::<T, R, PAST_CACHE> { x, out, acc, start, scan };
    // Where memory takes longer than arithmetic does, vectors may as well be narrow.
    if is_light::<T, R>() { arch.dispatch(down) } else { widest::run(arch, down) }
}
