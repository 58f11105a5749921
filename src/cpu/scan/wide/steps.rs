//! Sums and products of f32, and sums of i64, with AVX-512, step by step.

pub(super) use avx512::{floats, integers};

#[rustversion::since(1.89)]
mod avx512 {
    #![allow(unsafe_code, reason = "calls what is compiled for an instruction set, and loads and stores vectors")]
    #![allow(clippy::wildcard_imports, reason = "a list of instructions says nothing that their calls do not")]

    use std::arch::x86_64::*;
    use std::cell::Cell;

    use super::super::{STEP, Way};
    use crate::cpu::lines::LINE;
    use crate::cpu::widest;

    /// Bytes ahead that memory is asked for: what is read soon comes while this is computed.
    const AHEAD: usize = 8 * 1024;

    /// Scans some steps of f32, on a CPU that has the instructions, or only takes the accumulator on.
    pub(in crate::cpu::scan::wide) fn floats<const PROD: bool, const WRITE: bool>(
        x: &[Cell<f32>],
        out: &[Cell<f32>],
        acc: &Cell<f64>,
        start: f64,
        way: Way,
    ) {
        assert!(widest::is_there(), "AVX-512");
        // SAFETY: the CPU has what it is compiled for.
        unsafe { floats_of::<PROD, WRITE>(x, out, acc, start, way) }
    }

    /// Scans some steps of i64, on a CPU that has the instructions.
    pub(in crate::cpu::scan::wide) fn integers(
        x: &[Cell<i64>],
        out: &[Cell<i64>],
        acc: &Cell<i64>,
        start: i64,
        way: Way,
    ) {
        assert!(widest::is_there(), "AVX-512");
        // SAFETY: the CPU has what it is compiled for.
        unsafe { integers_of(x, out, acc, start, way) }
    }

    /// Which element of two vectors of 16 goes where.
    type Table = [i32; 16];

    /// Tables that deal 32 elements out to four vectors, two of these in a vector of f32, and tables that put them back; for
    /// each direction.
    const TABLES: [[[Table; 2]; 2]; 2] = [tables(false), tables(true)];

    const fn tables(reverse: bool) -> [[Table; 2]; 2] {
        let (mut apart, mut together) = ([[0; 16]; 2], [[0; 16]; 2]);
        let mut i = 0;
        while i < STEP {
            let place = if reverse { STEP - 1 - i } else { i };
            // Element `i` of the scan, which is in memory at `place`, is in lane `i / 4` of vector `i % 4`.
            let dealt = i % 4 * 8 + i / 4;
            apart[dealt / 16][dealt % 16] = place as i32;
            together[place / 16][place % 16] = dealt as i32;
            i += 1;
        }
        [apart, together]
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn floats_of<const PROD: bool, const WRITE: bool>(
        x: &[Cell<f32>],
        out: &[Cell<f32>],
        acc: &Cell<f64>,
        start: f64,
        way: Way,
    ) {
        let [apart, together] = &TABLES[usize::from(way.reverse)];
        let (apart, together) = ([table(&apart[0]), table(&apart[1])], [table(&together[0]), table(&together[1])]);
        let (start, mut carry) = (_mm512_set1_pd(start), _mm512_set1_pd(acc.get()));
        let mut lines = Lines::new(out, way);
        let n = x.len();
        for step in 0..n / STEP {
            let at = if way.reverse { n - (step + 1) * STEP } else { step * STEP };
            let Some(x) = x[at..].first_chunk::<STEP>() else { return };
            if way.past_cache || !WRITE {
                ask(x, way.reverse);
            }
            let [a, b] = load(x);
            let [a, b] = [_mm512_permutex2var_ps(a, apart[0], b), _mm512_permutex2var_ps(a, apart[1], b)];
            let fours = [low(a), high(a), low(b), high(b)];
            let results = two_blocks::<PROD>(fours, &mut carry, start, way.exclusive);
            if WRITE {
                let Some(out) = out[at..].first_chunk::<STEP>() else { return };
                let [a, b] = [both(results[0], results[1]), both(results[2], results[3])];
                let [a, b] = [_mm512_permutex2var_ps(a, together[0], b), _mm512_permutex2var_ps(a, together[1], b)];
                let [a, b] = [a, b].map(|x| _mm512_castps_si512(x));
                let (first, second) = out.split_at(STEP / 2);
                let halves = if way.reverse { [(second, b), (first, a)] } else { [(first, a), (second, b)] };
                for (out, x) in halves {
                    lines.write(out, x);
                }
            }
        }
        lines.finish();
        acc.set(_mm512_cvtsd_f64(carry));
    }

    /// The results of eight fours, dealt out to four vectors. `carry` is what was before them, in all lanes, and is taken on.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn two_blocks<const PROD: bool>(
        [x0, x1, x2, x3]: [__m512d; 4],
        carry: &mut __m512d,
        start: __m512d,
        exclusive: bool,
    ) -> [__m512d; 4] {
        let p1 = join::<PROD>(x0, x1);
        let p2 = join::<PROD>(x0, join::<PROD>(x1, x2));
        let p3 = join::<PROD>(p1, join::<PROD>(x2, x3));
        // What fours come to, `[t0, t1, t2, t3]` of each block. Its neighbour in each lane, and what both come to.
        let other = _mm512_permute_pd::<0b0101_0101>(p3);
        let two = join::<PROD>(p3, other);
        let other_two = _mm512_permutex_pd::<0b01_00_11_10>(two);
        let block = join::<PROD>(two, other_two);
        let after_first = join::<PROD>(*carry, _mm512_shuffle_f64x2::<0b00_00_00_00>(block, block));
        let before = join::<PROD>(start, _mm512_mask_blend_pd(0b1111_0000, *carry, after_first));
        *carry = join::<PROD>(after_first, _mm512_shuffle_f64x2::<0b11_11_11_11>(block, block));
        // `[-, t0, t0 + t1, (t0 + t1) + t2]`.
        let so_far = _mm512_mask_blend_pd(0b0010_0010, other_two, other);
        let so_far = join_where::<PROD>(0b1000_1000, so_far, other);
        let before = join_where::<PROD>(0b1110_1110, before, so_far);
        if exclusive {
            [before, join::<PROD>(before, x0), join::<PROD>(before, p1), join::<PROD>(before, p2)]
        } else {
            [join::<PROD>(before, x0), join::<PROD>(before, p1), join::<PROD>(before, p2), join::<PROD>(before, p3)]
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn join<const PROD: bool>(a: __m512d, b: __m512d) -> __m512d {
        if PROD { _mm512_mul_pd(a, b) } else { _mm512_add_pd(a, b) }
    }

    /// `a`, joined to `b` in the lanes of a mask.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn join_where<const PROD: bool>(lanes: u8, a: __m512d, b: __m512d) -> __m512d {
        if PROD { _mm512_mask_mul_pd(a, lanes, a, b) } else { _mm512_mask_add_pd(a, lanes, a, b) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn low(x: __m512) -> __m512d {
        _mm512_cvtps_pd(_mm512_castps512_ps256(x))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn high(x: __m512) -> __m512d {
        _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn both(low: __m512d, high: __m512d) -> __m512 {
        _mm512_insertf32x8::<1>(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn table(table: &Table) -> __m512i {
        // SAFETY: a table is as many bytes, and need not be aligned.
        unsafe { _mm512_loadu_si512(table.as_ptr().cast()) }
    }

    /// Asks memory for the elements some way further on in the direction of the scan, which need not be anybody's.
    #[inline]
    fn ask<T, const N: usize>(x: &[Cell<T>; N], reverse: bool) {
        let first = x.as_ptr().cast::<i8>();
        let first = if reverse { first.wrapping_sub(AHEAD) } else { first.wrapping_add(AHEAD) };
        for line in 0..size_of::<[T; N]>() / LINE {
            // SAFETY: a hint, and nothing is read: any address will do.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(line * LINE)) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(x: &[Cell<f32>; STEP]) -> [__m512; 2] {
        let first = x.as_ptr().cast::<f32>();
        // SAFETY: both vectors are within the step, and need not be aligned.
        unsafe { [_mm512_loadu_ps(first), _mm512_loadu_ps(first.add(16))] }
    }

    /// Vectors that follow each other in memory as they are written: past the cache in whole lines, each made of parts of two
    /// where they do not begin one.
    struct Lines<'a, T> {
        way: Way,
        /// Lanes of 32 bits from where a vector begins to where a line does.
        shift: usize,
        /// Those lanes.
        before: u16,
        /// The last vector, and where it belongs, if a part of it waits for the next.
        last: Option<(&'a [Cell<T>], __m512i)>,
    }

    impl<'a, T> Lines<'a, T> {
        fn new(out: &[Cell<T>], way: Way) -> Self {
            let shift = out.as_ptr().addr().wrapping_neg() % LINE / size_of::<i32>();
            Self { way, shift, before: (1 << shift) - 1, last: None }
        }

        /// Writes a vector to `out`, which is as long.
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn write(&mut self, out: &'a [Cell<T>], x: __m512i) {
            debug_assert!(size_of_val(out) == LINE, "as long as a vector");
            let first = |out: &[Cell<T>]| out.as_ptr().cast_mut().cast::<i32>();
            if !self.way.past_cache {
                // SAFETY: the vector is these elements, which a cell allows to be written, and need not be aligned.
                return unsafe { _mm512_storeu_si512(first(out).cast(), x) };
            }
            if self.shift == 0 {
                // SAFETY: the vector is these elements, which a cell allows to be written, and begins a line.
                return unsafe { _mm512_stream_si512(first(out).cast(), x) };
            }
            match self.last {
                None => self.part(out, x, !self.way.reverse),
                Some((last, held)) => {
                    let (to, low, high) = if self.way.reverse { (out, x, held) } else { (last, held, x) };
                    let numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
                    let lanes = _mm512_add_epi32(numbers, _mm512_set1_epi32(self.shift as i32));
                    let line = _mm512_permutex2var_epi32(low, lanes, high);
                    // SAFETY: it is the end of the vector that is lower in memory and the begin of the one that follows it there,
                    // which cells allow to be written, and begins a line, which is so many lanes on from where vectors begin.
                    unsafe { _mm512_stream_si512(first(to).add(self.shift).cast(), line) }
                }
            }
            self.last = Some((out, x));
        }

        /// Writes the lanes of a vector before a line begins, or the others.
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn part(&self, out: &[Cell<T>], x: __m512i, before: bool) {
            let lanes = if before { self.before } else { !self.before };
            // SAFETY: the vector is these elements, which a cell allows to be written, and need not be aligned.
            unsafe { _mm512_mask_storeu_epi32(out.as_ptr().cast_mut().cast(), lanes, x) }
        }

        /// Writes what waits.
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn finish(self) {
            if let Some((out, x)) = self.last {
                self.part(out, x, self.way.reverse);
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    fn integers_of(x: &[Cell<i64>], out: &[Cell<i64>], acc: &Cell<i64>, start: i64, way: Way) {
        const LANES: usize = 8;
        let last = _mm512_set1_epi64(7);
        let turn = _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7);
        let nothing = _mm512_setzero_si512();
        let mut carry = _mm512_set1_epi64(acc.get().wrapping_add(start));
        let mut lines = Lines::new(out, way);
        let n = x.len();
        for step in 0..n / LANES {
            let at = if way.reverse { n - (step + 1) * LANES } else { step * LANES };
            let Some(x) = x[at..].first_chunk::<LANES>() else { return };
            let Some(out) = out[at..].first_chunk::<LANES>() else { return };
            if way.past_cache {
                ask(x, way.reverse);
            }
            // SAFETY: the vector is within the step, and need not be aligned.
            let x = unsafe { _mm512_loadu_si512(x.as_ptr().cast()) };
            let x = if way.reverse { _mm512_permutexvar_epi64(turn, x) } else { x };
            // Joined to the lane before, to that two before, and to that four before.
            let sums = _mm512_add_epi64(x, _mm512_alignr_epi64::<7>(x, nothing));
            let sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<6>(sums, nothing));
            let sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<4>(sums, nothing));
            let results = if way.exclusive { _mm512_alignr_epi64::<7>(sums, nothing) } else { sums };
            let results = _mm512_add_epi64(carry, results);
            let results = if way.reverse { _mm512_permutexvar_epi64(turn, results) } else { results };
            carry = _mm512_add_epi64(carry, _mm512_permutexvar_epi64(last, sums));
            lines.write(out, results);
        }
        lines.finish();
        acc.set(_mm_cvtsi128_si64(_mm512_castsi512_si128(carry)).wrapping_sub(start));
    }
}

/// This Rust has no AVX-512, and no CPU is said to have it.
#[rustversion::before(1.89)]
mod avx512 {
    use std::cell::Cell;

    use super::super::Way;

    pub(in crate::cpu::scan::wide) fn floats<const PROD: bool, const WRITE: bool>(
        _: &[Cell<f32>],
        _: &[Cell<f32>],
        _: &Cell<f64>,
        _: f64,
        _: Way,
    ) {
        unreachable!("AVX-512")
    }

    pub(in crate::cpu::scan::wide) fn integers(_: &[Cell<i64>], _: &[Cell<i64>], _: &Cell<i64>, _: i64, _: Way) {
        unreachable!("AVX-512")
    }
}
