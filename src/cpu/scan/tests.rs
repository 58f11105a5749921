//! Loops for one instruction set against those for any CPU, bit by bit.

use std::cell::Cell;
use std::fmt::Debug;

use bytemuck::Pod;

use super::along::{self, Plain};
use super::join::Kept;
use super::loops::{Along, ScanLoops, TotalAlong};
use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::fold::{Prod, Sum};
use crate::cpu::strip::Strip;
use crate::expr::graph::Fold;
use crate::expr::scan::Scan;

/// An element, and an accumulator, as bits; all NaNs as one, since which of two an addition hands on is nobody's business.
trait Bits: Pod {
    fn bits(self) -> [u64; 2];
}

impl Bits for f32 {
    fn bits(self) -> [u64; 2] {
        [if self.is_nan() { 1 << 40 } else { self.to_bits().into() }, 0]
    }
}

impl Bits for f64 {
    fn bits(self) -> [u64; 2] {
        [if self.is_nan() { u64::MAX } else { self.to_bits() }, 0]
    }
}

impl Bits for i64 {
    fn bits(self) -> [u64; 2] {
        [self as u64, 0]
    }
}

impl Bits for [f64; 2] {
    fn bits(self) -> [u64; 2] {
        self.map(|x| x.bits()[0])
    }
}

/// Calls `f` with elements as a strip that begins a cache line.
fn with_strip<T: Pod, R>(x: &mut Vec<T>, f: impl FnOnce(Strip<'_>) -> R) -> R {
    let (n, size) = (x.len(), size_of::<T>());
    x.resize(n + 64 / size, T::zeroed());
    let shift = x.as_ptr().align_offset(64);
    x.copy_within(..n, shift);
    let bytes = Cell::from_mut(bytemuck::cast_slice_mut::<T, u8>(x)).as_slice_of_cells();
    let result = f(Strip::of(bytes).carve(shift * size, n, size));
    x.copy_within(shift..shift + n, 0);
    x.truncate(n);
    result
}

/// What a scan of some rows writes, its accumulators, and those of totals alone.
fn scanned<T: Bits, A: Bits>(
    (along, total): (Along, TotalAlong),
    x: &[T],
    rows: usize,
    [first, start]: [A; 2],
    scan: Scan,
) -> [Vec<[u64; 2]>; 3] {
    let (mut x, mut out) = (x.to_vec(), vec![T::zeroed(); x.len()]);
    let (mut acc, mut totals, mut start) = (vec![first; rows], vec![first; rows], vec![start]);
    with_strip(&mut x, |x| {
        with_strip(&mut acc, |acc| {
            with_strip(&mut start, |start| with_strip(&mut out, |out| along(Arch::new(), x, out, acc, start, scan)));
        });
        with_strip(&mut totals, |totals| total(Arch::new(), x, totals, scan));
    });
    [
        out.into_iter().map(Bits::bits).collect(),
        acc.into_iter().map(Bits::bits).collect(),
        totals.into_iter().map(Bits::bits).collect(),
    ]
}

/// Holds the loops of a fold against others, with rows of many lengths whose elements are `at` their places.
fn compare<T: Bits, A: Bits + Debug>(
    loops: &ScanLoops,
    any: (Along, TotalAlong),
    first: [A; 2],
    at: impl Fn(usize) -> T,
) {
    let past_cache = loops.along_past_cache.map(|along| (along, loops.total_along));
    for n in [1, 15, 16, 31, 32, 33, 47, 48, 64, 95, 96, 127, 128, 129, 200, 1000, 1007, 1024] {
        for rows in [1, 2, 8, 9, 17] {
            let x: Vec<T> = (0..rows * n).map(&at).collect();
            for [exclusive, reverse] in [[false, false], [false, true], [true, false], [true, true]] {
                let scan = Scan { exclusive, reverse };
                let want = scanned(any, &x, rows, first, scan);
                for (name, loops) in [("here", Some((loops.along, loops.total_along))), ("past the cache", past_cache)]
                {
                    let Some(loops) = loops else { continue };
                    let got = scanned(loops, &x, rows, first, scan);
                    for (what, got, want) in
                        [("results", &got[0], &want[0]), ("sums", &got[1], &want[1]), ("totals", &got[2], &want[2])]
                    {
                        let wrong = got.iter().zip(want).position(|(got, want)| got != want);
                        assert_eq!(wrong, None, "{what} of {rows} rows of {n} by {scan:?}, {name}, from {first:?}");
                    }
                }
                if loops.total_by_the_way[1] && (rows == 1 || n >= 16) {
                    assert_eq!(want[1], want[2], "totals by the way of {rows} rows of {n} by {scan:?}");
                }
            }
        }
    }
}

/// Numbers whose sums round, with a few that are large, infinite, NaN or -0 where `odd` is set.
fn number(i: usize, odd: bool) -> f64 {
    match i % 1009 {
        450 if odd => f64::INFINITY,
        777 if odd => f64::NAN,
        900 if odd => f64::NEG_INFINITY,
        300 | 950 => 1e30,
        301 => -1e30,
        17 => -0.0,
        _ => ((i * 7919 % 1000) as f64 - 500.0) * 1.1,
    }
}

#[test]
fn sums_along_rows_are_those_of_the_loop_for_any_machine() {
    let any: (Along, TotalAlong) = (along::along::<f32, Sum, Plain, true>, along::total_along::<f32, Sum, Plain, true>);
    let loops = ScanLoops::new(Fold::Sum, DType::F32).unwrap();
    for odd in [false, true] {
        compare(&loops, any, [0.1_f64, 0.3], |i| number(i, odd) as f32);
        #[cfg(target_arch = "x86_64")]
        compare(
            &ScanLoops {
                along: super::sums::along::<false>,
                total_along: super::sums::total_along,
                along_past_cache: Some(super::sums::along::<true>),
                ..loops
            },
            any,
            [0.1_f64, 0.3],
            |i| number(i, odd) as f32,
        );
    }
}

#[test]
fn products_along_rows_are_those_of_the_loop_for_any_machine() {
    let any: (Along, TotalAlong) =
        (along::along::<f32, Prod, Plain, true>, along::total_along::<f32, Prod, Plain, true>);
    let loops = ScanLoops::new(Fold::Prod, DType::F32).unwrap();
    compare(&loops, any, [1.1_f64, 0.7], |i| 1.0 + number(i, false).clamp(-600.0, 600.0) as f32 / 4000.0);
    compare(&loops, any, [1.1_f64, 0.7], |i| 1.0 + number(i, true) as f32 / 4000.0);
}

#[test]
fn sums_of_integers_along_rows_wrap_as_those_of_the_loop_for_any_machine() {
    let any: (Along, TotalAlong) = (along::along::<i64, Sum, Plain, true>, along::total_along::<i64, Sum, Plain, true>);
    let loops = ScanLoops::new(Fold::Sum, DType::I64).unwrap();
    compare(&loops, any, [i64::MAX - 5, 77], |i| (i as i64).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
}

#[test]
fn sums_of_f64_along_rows_are_those_of_the_loop_for_any_machine() {
    let any: (Along, TotalAlong) =
        (along::along::<f64, Kept, Plain, false>, along::total_along::<f64, Kept, Plain, false>);
    let loops = ScanLoops::new(Fold::Sum, DType::F64).unwrap();
    for odd in [false, true] {
        compare(&loops, any, [[0.1_f64, 1e-18], [0.0; 2]], |i| number(i, odd));
    }
}
