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
use crate::cpu::lines::{fetch, set_past_cache};
use crate::cpu::strip::{Strip, set_each};
use crate::expr::scan::Scan;

/// Elements ahead for which memory is asked where results go past the cache.
const AHEAD: usize = 256;

/// Whether there are these loops, on this CPU.
pub(super) fn are_there() -> bool {
    avx2(Arch::new()).is_some()
}

/// [`along`](along::along) of sums of f32, into the cache or past it.
pub(super) fn along<'a, const PAST_CACHE: bool>(
    arch: Arch,
    x: Strip<'a>,
    out: Strip<'a>,
    acc: Strip<'a>,
    start: Strip<'a>,
    scan: Scan,
) {
    let len = x.len() / acc.len();
    let Some(simd) = avx2(arch).filter(|_| len >= BLOCK) else {
        return along::along::<f32, Sum, Plain, true>(arch, x, out, acc, start, scan);
    };
    let run = match (scan.exclusive, scan.reverse) {
        (false, false) => run::<false, false, PAST_CACHE>,
        (false, true) => run::<false, true, PAST_CACHE>,
        (true, false) => run::<true, false, PAST_CACHE>,
        (true, true) => run::<true, true, PAST_CACHE>,
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
    for (x, acc) in x.cells().chunks_exact(len).zip(acc.cells()) {
        if scan.reverse {
            simd.vectorize(Total::<true> { simd, x, acc });
        } else {
            simd.vectorize(Total::<false> { simd, x, acc });
        }
    }
}

fn avx2(arch: Arch) -> Option<V3> {
    if let Arch::V3(simd) = arch { Some(simd) } else { None }
}

fn run<const EXCLUSIVE: bool, const REVERSE: bool, const PAST_CACHE: bool>(
    simd: V3,
    x: &[Cell<f32>],
    out: &[Cell<f32>],
    acc: &Cell<f64>,
    start: f64,
) {
    simd.vectorize(Row::<EXCLUSIVE, REVERSE, PAST_CACHE> { simd, x, out, acc, start });
}

/// What a row comes to, to the bits of [`Row`], by less arithmetic.
struct Total<'a, const REVERSE: bool> {
    simd: V3,
    x: &'a [Cell<f32>],
    acc: &'a Cell<f64>,
}

impl<const REVERSE: bool> NullaryFnOnce for Total<'_, REVERSE> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { simd: V3 { sse2, avx, .. }, x, acc } = self;
        let (n, mut carry) = (x.len(), acc.get());
        for block in 0..n / BLOCK {
            let first = if REVERSE { n - (block + 1) * BLOCK } else { block * BLOCK };
            let Some(x) = x[first..].first_chunk::<BLOCK>() else { return };
            let mut fours = [avx._mm256_setzero_pd(); 4];
            for (four, x) in fours.iter_mut().zip(x.as_chunks::<4>().0) {
                *four = avx._mm256_cvtps_pd(cast([x[0].get(), x[1].get(), x[2].get(), x[3].get()]));
            }
            // Of two fours, what the halves of each come to, then each.
            let mut totals = [sse2._mm_setzero_pd(); 2];
            for (total, two) in totals.iter_mut().zip(fours.as_chunks::<2>().0) {
                let halves = avx._mm256_hadd_pd(two[0], two[1]);
                let upper = avx._mm256_extractf128_pd::<1>(halves);
                *total = sse2._mm_add_pd(avx._mm256_castpd256_pd128(halves), upper);
            }
            let [[a, b], [c, d]]: [[f64; 2]; 2] = cast(totals);
            carry += (a + b) + (c + d);
        }
        acc.set(rest::<f32, Sum, false, false>(x, &[], carry, 0.0, REVERSE));
    }
}

struct Row<'a, const EXCLUSIVE: bool, const REVERSE: bool, const PAST_CACHE: bool> {
    simd: V3,
    x: &'a [Cell<f32>],
    out: &'a [Cell<f32>],
    acc: &'a Cell<f64>,
    start: f64,
}

impl<const EXCLUSIVE: bool, const REVERSE: bool, const PAST_CACHE: bool> NullaryFnOnce
    for Row<'_, EXCLUSIVE, REVERSE, PAST_CACHE>
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
            if PAST_CACHE {
                fetch(x, if REVERSE { at(3).wrapping_sub(AHEAD) } else { at(0) + AHEAD }, BLOCK);
            }
            let mut fours = [carry; 4];
            for (i, four) in fours.iter_mut().enumerate() {
                let Some(x) = x[at(i)..].first_chunk::<4>() else { return };
                *four = self.prefixes(cast([x[0].get(), x[1].get(), x[2].get(), x[3].get()]));
            }
            // Each in all lanes.
            let [t0, t1, t2, t3] = fours.map(|four| self.simd.avx2._mm256_permute4x64_pd::<0b11_11_11_11>(four));
            let two = avx._mm256_add_pd(t0, t1);
            let first = avx._mm256_add_pd(start_all, carry);
            let before = [t0, two, avx._mm256_add_pd(two, t2)].map(|t| avx._mm256_add_pd(first, t));
            for (i, before) in [first, before[0], before[1], before[2]].into_iter().enumerate() {
                let four = if EXCLUSIVE { self.moved(fours[i]) } else { fours[i] };
                let results = avx._mm256_cvtpd_ps(avx._mm256_add_pd(before, four));
                let Some(out) = out[at(i)..].first_chunk::<4>() else { return };
                let results: [f32; 4] = cast(self.turned(results));
                if PAST_CACHE {
                    set_past_cache(out, results);
                } else {
                    set_each(out, results);
                }
            }
            carry = avx._mm256_add_pd(carry, avx._mm256_add_pd(two, avx._mm256_add_pd(t2, t3)));
        }
        let [carry, ..]: [f64; 4] = cast(carry);
        acc.set(rest::<f32, Sum, EXCLUSIVE, true>(x, out, carry, start, REVERSE));
    }
}

impl<const EXCLUSIVE: bool, const REVERSE: bool, const PAST_CACHE: bool> Row<'_, EXCLUSIVE, REVERSE, PAST_CACHE> {
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
