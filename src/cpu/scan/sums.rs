//! Sums of f32 along rows by blocks (`blocks.rs`), with the instructions of AVX2: a compiler's own vectors of that loop take
//! half as long again.

use std::arch::x86_64::{__m128, __m256d};
use std::cell::Cell;

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::along::{self, Plain};
use super::blocks::{BLOCK, rest};
use crate::cpu::arch::Arch;
use crate::cpu::fold::Sum;
use crate::cpu::strip::Strip;
use crate::expr::scan::Scan;

/// [`along`](along::along) of sums of f32.
pub(super) fn along<'a>(arch: Arch, x: Strip<'a>, out: Strip<'a>, acc: Strip<'a>, start: Strip<'a>, scan: Scan) {
    let len = x.len() / acc.len();
    let Some(simd) = avx2(arch).filter(|_| len >= BLOCK) else {
        return along::along::<f32, Sum, Plain, true>(arch, x, out, acc, start, scan);
    };
    let run = match (scan.exclusive, scan.reverse) {
        (false, false) => run::<false, false, true>,
        (false, true) => run::<false, true, true>,
        (true, false) => run::<true, false, true>,
        (true, true) => run::<true, true, true>,
    };
    let start = start.cells::<f64>()[0].get();
    let rows = x.cells().chunks_exact(len).zip(out.cells().chunks_exact(len));
    for ((x, out), acc) in rows.zip(acc.cells()) {
        run(simd, x, out, acc, start);
    }
}

/// [`total_along`](along::total_along) of sums of f32.
pub(super) fn total_along<'a>(arch: Arch, x: Strip<'a>, acc: Strip<'a>, scan: Scan) {
    let len = x.len() / acc.len();
    let Some(simd) = avx2(arch) else {
        return along::total_along::<f32, Sum, Plain, true>(arch, x, acc, scan);
    };
    let run = if scan.reverse { run::<false, true, false> } else { run::<false, false, false> };
    for (x, acc) in x.cells().chunks_exact(len).zip(acc.cells()) {
        run(simd, x, &[], acc, 0.0);
    }
}

fn avx2(arch: Arch) -> Option<V3> {
    if let Arch::V3(simd) = arch { Some(simd) } else { None }
}

fn run<const EXCLUSIVE: bool, const REVERSE: bool, const WRITE: bool>(
    simd: V3,
    x: &[Cell<f32>],
    out: &[Cell<f32>],
    acc: &Cell<f64>,
    start: f64,
) {
    simd.vectorize(Row::<EXCLUSIVE, REVERSE, WRITE> { simd, x, out, acc, start });
}

struct Row<'a, const EXCLUSIVE: bool, const REVERSE: bool, const WRITE: bool> {
    simd: V3,
    x: &'a [Cell<f32>],
    out: &'a [Cell<f32>],
    acc: &'a Cell<f64>,
    start: f64,
}

impl<const EXCLUSIVE: bool, const REVERSE: bool, const WRITE: bool> NullaryFnOnce
    for Row<'_, EXCLUSIVE, REVERSE, WRITE>
{
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { simd: V3 { avx, .. }, x, out, acc, start, .. } = self;
        let n = x.len();
        let (start_all, mut carry) = (avx._mm256_set1_pd(start), avx._mm256_set1_pd(acc.get()));
        for block in 0..n / BLOCK {
            let at = |four: usize| {
                let first = block * BLOCK + 4 * four;
                if REVERSE { n - first - 4 } else { first }
            };
            let mut fours = [carry; 4];
            for (i, four) in fours.iter_mut().enumerate() {
                let Some(x) = x[at(i)..].first_chunk::<4>() else { return };
                *four = self.prefixes(cast([x[0].get(), x[1].get(), x[2].get(), x[3].get()]));
            }
            // Each in all lanes.
            let [t0, t1, t2, t3] = fours.map(|four| self.simd.avx2._mm256_permute4x64_pd::<0b11_11_11_11>(four));
            let two = avx._mm256_add_pd(t0, t1);
            if WRITE {
                let first = avx._mm256_add_pd(start_all, carry);
                let before = [t0, two, avx._mm256_add_pd(two, t2)].map(|t| avx._mm256_add_pd(first, t));
                for (i, before) in [first, before[0], before[1], before[2]].into_iter().enumerate() {
                    let four = if EXCLUSIVE { self.moved(fours[i]) } else { fours[i] };
                    let results = avx._mm256_cvtpd_ps(avx._mm256_add_pd(before, four));
                    let Some(out) = out[at(i)..].first_chunk::<4>() else { return };
                    let results: [f32; 4] = cast(self.turned(results));
                    for (out, result) in out.iter().zip(results) {
                        out.set(result);
                    }
                }
            }
            carry = avx._mm256_add_pd(carry, avx._mm256_add_pd(two, avx._mm256_add_pd(t2, t3)));
        }
        let [carry, ..]: [f64; 4] = cast(carry);
        acc.set(rest::<f32, Sum, EXCLUSIVE, WRITE>(x, out, carry, start, REVERSE));
    }
}

impl<const EXCLUSIVE: bool, const REVERSE: bool, const WRITE: bool> Row<'_, EXCLUSIVE, REVERSE, WRITE> {
    /// The sums of the first one, two, three and four of four elements, in the order of the scan.
    #[inline(always)]
    fn prefixes(&self, x: __m128) -> __m256d {
        let avx = self.simd.avx;
        let x = avx._mm256_cvtps_pd(self.turned(x));
        let pairs = avx._mm256_add_pd(x, self.moved(x));
        avx._mm256_add_pd(pairs, avx._mm256_permute2f128_pd::<0b1000>(pairs, pairs))
    }

    /// `[0, x0, x1, x2]`.
    #[inline(always)]
    fn moved(&self, x: __m256d) -> __m256d {
        let V3 { avx, avx2, .. } = self.simd;
        avx._mm256_blend_pd::<1>(avx2._mm256_permute4x64_pd::<0b10_01_00_00>(x), avx._mm256_setzero_pd())
    }

    /// The order of the scan for that of memory, and the other way round.
    #[inline(always)]
    fn turned(&self, x: __m128) -> __m128 {
        if REVERSE { self.simd.avx._mm_permute_ps::<0b00_01_10_11>(x) } else { x }
    }
}
