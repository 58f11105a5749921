//! Sums of f64 with AVX-512, each with what its rounding leaves out: eight rows side by side, a row in each lane.

pub(super) use avx512::{beside, total};

#[rustversion::since(1.89)]
mod avx512 {
    #![allow(unsafe_code, reason = "calls what is compiled for an instruction set, and loads and stores vectors")]
    #![allow(clippy::wildcard_imports, reason = "a list of instructions says nothing that their calls do not")]
    #![allow(clippy::large_types_passed_by_value, reason = "vectors that are in registers")]

    use std::arch::x86_64::*;
    use std::cell::Cell;

    use super::super::{ROWS, Way};
    use crate::cpu::lines::fetch;
    use crate::cpu::widest;

    /// Elements ahead that memory is asked for.
    const AHEAD: usize = 1024;

    /// Every eighth element into one of eight sums, on a CPU that has the instructions.
    pub(in crate::cpu::scan::wide) fn total(x: &[[Cell<f64>; ROWS]]) -> [[f64; 2]; ROWS] {
        assert!(widest::is_there(), "AVX-512");
        // SAFETY: the CPU has what it is compiled for.
        unsafe { total_of(x) }
    }

    /// Scans eight rows side by side, but for what is no multiple of eight elements, on a CPU that has the instructions.
    pub(in crate::cpu::scan::wide) fn beside(
        x: [&[Cell<f64>]; ROWS],
        out: [&[Cell<f64>]; ROWS],
        acc: [[f64; 2]; ROWS],
        way: Way,
    ) -> [[f64; 2]; ROWS] {
        assert!(widest::is_there(), "AVX-512");
        // SAFETY: the CPU has what it is compiled for.
        unsafe { beside_of(x, out, acc, way) }
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn total_of(x: &[[Cell<f64>; ROWS]]) -> [[f64; 2]; ROWS] {
        let mut acc = [_mm512_setzero_pd(); 2];
        for step in x {
            fetch(step, AHEAD, ROWS);
            // SAFETY: the vector is the step, and need not be aligned.
            acc = with(acc, unsafe { _mm512_loadu_pd(step.as_ptr().cast()) });
        }
        lanes(acc)
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn beside_of(
        x: [&[Cell<f64>]; ROWS],
        out: [&[Cell<f64>]; ROWS],
        acc: [[f64; 2]; ROWS],
        way: Way,
    ) -> [[f64; 2]; ROWS] {
        let mut acc = vectors(acc);
        let len = x[0].len();
        for step in 0..len / ROWS {
            let at = if way.reverse { len - (step + 1) * ROWS } else { step * ROWS };
            let mut square = [_mm512_setzero_pd(); ROWS];
            for (row, x) in square.iter_mut().zip(x) {
                let Some(x) = x[at..].first_chunk::<ROWS>() else { return lanes(acc) };
                // SAFETY: the vector is these elements, and need not be aligned.
                *row = unsafe { _mm512_loadu_pd(x.as_ptr().cast()) };
            }
            let mut columns = turned(square);
            for i in 0..ROWS {
                let column = &mut columns[if way.reverse { ROWS - 1 - i } else { i }];
                let after = with(acc, *column);
                *column = narrow(if way.exclusive { acc } else { after });
                acc = after;
            }
            for (row, out) in turned(columns).into_iter().zip(out) {
                let Some(out) = out[at..].first_chunk::<ROWS>() else { return lanes(acc) };
                // SAFETY: the vector is these elements, which a cell allows to be written, and need not be aligned.
                unsafe { _mm512_storeu_pd(out.as_ptr().cast_mut().cast(), row) }
            }
        }
        lanes(acc)
    }

    /// `Kept::with` in each lane. What is left out so far is no -0, so that 0 need not be added to it.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn with([sum, left_out]: [__m512d; 2], x: __m512d) -> [__m512d; 2] {
        let after = _mm512_add_pd(sum, x);
        let part = _mm512_sub_pd(after, sum);
        let of_sum = _mm512_sub_pd(sum, _mm512_sub_pd(after, part));
        [after, _mm512_add_pd(left_out, _mm512_add_pd(of_sum, _mm512_sub_pd(x, part)))]
    }

    /// `Kept::narrow` in each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn narrow([sum, left_out]: [__m512d; 2]) -> __m512d {
        // NaNs of both kinds and infinities of both signs.
        let finite = !_mm512_fpclass_pd_mask::<0b1001_1001>(sum);
        _mm512_mask_add_pd(sum, finite, sum, left_out)
    }

    /// Eight rows of eight elements as columns.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn turned(rows: [__m512d; ROWS]) -> [__m512d; ROWS] {
        // Of pairs of rows the even columns and the odd ones; then of fours every fourth column; then of all every eighth.
        let mut pairs = rows;
        for i in 0..4 {
            let [a, b] = [rows[2 * i], rows[2 * i + 1]];
            [pairs[2 * i], pairs[2 * i + 1]] = [_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)];
        }
        let mut fours = pairs;
        for i in [0, 1, 4, 5] {
            [fours[i], fours[i + 2]] = halves(pairs[i], pairs[i + 2]);
        }
        let mut all = fours;
        for i in 0..4 {
            [all[i], all[i + 4]] = halves(fours[i], fours[i + 4]);
        }
        all
    }

    /// The even pairs of lanes of two vectors, and the odd ones.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn halves(a: __m512d, b: __m512d) -> [__m512d; 2] {
        [_mm512_shuffle_f64x2::<0b10_00_10_00>(a, b), _mm512_shuffle_f64x2::<0b11_01_11_01>(a, b)]
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn vectors(acc: [[f64; 2]; ROWS]) -> [__m512d; 2] {
        [0, 1].map(|i| {
            let lanes: [f64; ROWS] = acc.map(|acc| acc[i]);
            // SAFETY: the vector is these lanes, and need not be aligned.
            unsafe { _mm512_loadu_pd(lanes.as_ptr()) }
        })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn lanes(acc: [__m512d; 2]) -> [[f64; 2]; ROWS] {
        let [sums, left_out] = acc.map(|acc| {
            let mut lanes = [0.0; ROWS];
            // SAFETY: the vector is these lanes, and need not be aligned.
            unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), acc) }
            lanes
        });
        std::array::from_fn(|i| [sums[i], left_out[i]])
    }
}

/// This Rust has no AVX-512, and no CPU is said to have it.
#[rustversion::before(1.89)]
mod avx512 {
    use std::cell::Cell;

    use super::super::{ROWS, Way};

    pub(in crate::cpu::scan::wide) fn total(_: &[[Cell<f64>; ROWS]]) -> [[f64; 2]; ROWS] {
        unreachable!("AVX-512")
    }

    pub(in crate::cpu::scan::wide) fn beside(
        _: [&[Cell<f64>]; ROWS],
        _: [&[Cell<f64>]; ROWS],
        _: [[f64; 2]; ROWS],
        _: Way,
    ) -> [[f64; 2]; ROWS] {
        unreachable!("AVX-512")
    }
}
