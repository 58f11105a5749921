//! Scans along rows with the instructions of AVX-512, where the CPU has them: to the bits of the loops for any CPU.
//!
//! Sums and products of f32 go by two blocks (`blocks.rs`) at a time. Their elements are dealt out to four vectors, the first
//! of each four to one, the second to another, and so on: then what the elements of a four do to each other is one
//! instruction for all eight fours, and only what fours come to is joined across the lanes of a vector.
//!
//! Sums of i64 are the same in any order, and are taken vector by vector. Eight rows of f64 side by side are turned, so that
//! each lane of a vector holds a row.

mod kept;
mod steps;

use std::cell::Cell;

use self::kept as kept_sums;
use super::along::{self, Plain, ROWS, Sides, SidesOf};
use super::blocks::BLOCK;
use super::join::Kept;
use super::sums;
use crate::cpu::arch::Arch;
use crate::cpu::fold::{Prod, Sum};
use crate::cpu::strip::Strip;
use crate::cpu::widest;
use crate::expr::scan::Scan;

/// Elements that go at a time.
const STEP: usize = 2 * BLOCK;

/// How a row is scanned.
#[derive(Clone, Copy)]
struct Way {
    exclusive: bool,
    reverse: bool,
    /// Whether results go past the cache.
    past_cache: bool,
}

/// [`along`](super::loops::ScanLoops::along) of sums of f32, or of products.
pub(super) fn floats<'a, const PROD: bool, const PAST_CACHE: bool>(
    arch: Arch,
    x: Strip<'a>,
    out: Strip<'a>,
    acc: Strip<'a>,
    start: Strip<'a>,
    scan: Scan,
) {
    let any = if PROD { along::along::<f32, Prod, Plain, true> } else { sums::along::<PAST_CACHE> };
    let first = start.cells::<f64>()[0].get();
    let wide = |x: Strip<'_>, out: Strip<'_>, acc: Strip<'_>, way| {
        steps::floats::<PROD, true>(x.cells(), out.cells(), &acc.cells()[0], first, way);
    };
    rows(x, Some(out), acc, scan, PAST_CACHE, wide, |x, out, acc| any(arch, x, out, acc, start, scan));
}

/// [`total_along`](super::loops::ScanLoops::total_along) of sums of f32, or of products.
pub(super) fn total_floats<const PROD: bool>(arch: Arch, x: Strip<'_>, acc: Strip<'_>, scan: Scan) {
    let any = if PROD { along::total_along::<f32, Prod, Plain, true> } else { sums::total_along };
    let one = if PROD { 1.0 } else { 0.0 };
    let wide = |x: Strip<'_>, _: Strip<'_>, acc: Strip<'_>, way| {
        steps::floats::<PROD, false>(x.cells(), &[], &acc.cells()[0], one, way);
    };
    rows(x, None, acc, scan, false, wide, |x, _, acc| any(arch, x, acc, scan));
}

/// [`along`](super::loops::ScanLoops::along) of sums of i64.
pub(super) fn integers<'a, const PAST_CACHE: bool>(
    arch: Arch,
    x: Strip<'a>,
    out: Strip<'a>,
    acc: Strip<'a>,
    start: Strip<'a>,
    scan: Scan,
) {
    let first = start.cells::<i64>()[0].get();
    let wide = |x: Strip<'_>, out: Strip<'_>, acc: Strip<'_>, way| {
        steps::integers(x.cells(), out.cells(), &acc.cells()[0], first, way);
    };
    rows(x, Some(out), acc, scan, PAST_CACHE, wide, |x, out, acc| {
        along::along::<i64, Sum, Plain, true>(arch, x, out, acc, start, scan);
    });
}

/// Scans rows, of which there are as many as accumulators: whole steps by `wide`, and what is left by `any`.
fn rows<'a>(
    x: Strip<'a>,
    out: Option<Strip<'a>>,
    acc: Strip<'a>,
    scan: Scan,
    past_cache: bool,
    wide: impl Fn(Strip<'a>, Strip<'a>, Strip<'a>, Way),
    any: impl Fn(Strip<'a>, Strip<'a>, Strip<'a>),
) {
    // What is not written is as good as what is read.
    let out = out.unwrap_or(x);
    let len = x.len() / acc.len();
    if len < STEP || !widest::is_there() {
        return any(x, out, acc);
    }
    let (steps, left) = (len / STEP * STEP, len % STEP);
    let way = Way { exclusive: scan.exclusive, reverse: scan.reverse, past_cache };
    let [main, rest] = if scan.reverse { [left, 0] } else { [0, steps] };
    for row in 0..acc.len() {
        let part = |strip: Strip<'a>, from, n| strip.part(row * len + from, n);
        let acc = acc.part(row, 1);
        wide(part(x, main, steps), part(out, main, steps), acc, way);
        if left > 0 {
            any(part(x, rest, left), part(out, rest, left), acc);
        }
    }
}

/// [`along`](super::loops::ScanLoops::along) of sums of f64.
pub(super) fn kept<'a>(arch: Arch, x: Strip<'a>, out: Strip<'a>, acc: Strip<'a>, start: Strip<'a>, scan: Scan) {
    let along = if widest::is_there() {
        along::along::<f64, Kept, Wide, false>
    } else {
        along::along::<f64, Kept, Plain, false>
    };
    along(arch, x, out, acc, start, scan);
}

/// [`total_along`](super::loops::ScanLoops::total_along) of sums of f64.
pub(super) fn total_kept(arch: Arch, x: Strip<'_>, acc: Strip<'_>, scan: Scan) {
    let total = if widest::is_there() {
        along::total_along::<f64, Kept, Wide, false>
    } else {
        along::total_along::<f64, Kept, Plain, false>
    };
    total(arch, x, acc, scan);
}

/// Sums of f64 side by side on a CPU that has AVX-512.
struct Wide;

impl Sides<f64, Kept> for Wide {
    #[inline(always)]
    fn total(x: &[Cell<f64>]) -> [f64; 2] {
        let (steps, rest) = x.as_chunks::<ROWS>();
        along::joined::<f64, Kept>(kept_sums::total(steps), rest)
    }

    #[inline(always)]
    fn beside<const EXCLUSIVE: bool>(
        (x, out): SidesOf<'_, f64, ROWS>,
        acc: [[f64; 2]; ROWS],
        len: usize,
        reverse: bool,
    ) -> [[f64; 2]; ROWS] {
        let way = Way { exclusive: EXCLUSIVE, reverse, past_cache: false };
        let acc = kept_sums::beside(x.map(|x| &x[..len]), out.map(|out| &out[..len]), acc, way);
        let left = len % ROWS;
        let rest = if reverse { 0..left } else { len - left..len };
        let sides = (x.map(|x| &x[rest.clone()]), out.map(|out| &out[rest.clone()]));
        along::beside::<f64, Kept, ROWS, EXCLUSIVE>(sides, acc, left, reverse)
    }
}
