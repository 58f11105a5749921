//! Functions of f64, the wider twins of those of f32. Whole numbers that scale results are floats here: AVX2 converts no
//! 64-bit integers.

mod arc;
mod area;
mod bessel;
mod erf;
mod erfc;
mod exp;
mod gamma;
mod log;
mod normal;
mod pow;
mod trig;

use super::{Mad, least, most, poly, within};

pub(in crate::cpu) use arc::{acos, asin, atan, atan2, hypot};
pub(in crate::cpu) use area::{acosh, asinh, atanh};
pub(in crate::cpu) use bessel::{i0, i1};
pub(in crate::cpu) use erf::{erf, erfinv};
pub(in crate::cpu) use erfc::erfc;
pub(in crate::cpu) use exp::{cosh, exp, exp2, expm1, sigmoid, sinh, tanh};
pub(in crate::cpu) use gamma::{digamma, lgamma};
pub(in crate::cpu) use log::{log, log1p, log2, log10};
pub(in crate::cpu) use normal::{gelu, ndtr};
pub(in crate::cpu) use pow::pow;
pub(in crate::cpu) use trig::{cos, is_far, sin, tan};

/// Adding this to a small number rounds it to an integer, to nearest even, in the low bits of the sum.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// The whole number nearest to `x`, for `x` of less than 2^51.
#[inline(always)]
fn rounded(x: f64) -> f64 {
    (x + MAGIC) - MAGIC
}

/// The lowest bits of a whole number.
#[inline(always)]
fn low_bits(n: f64) -> u64 {
    (n + MAGIC).to_bits()
}

/// `2^n` for a whole `n` from -1022 to 1023.
#[inline(always)]
fn power_of_two(n: f64) -> f64 {
    f64::from_bits(low_bits(n).wrapping_add(1023) << 52)
}

/// `x 2^n`, for `n` from -2044 to 2046. In two steps: 2^n may be infinite or zero where the product is neither.
#[inline(always)]
fn scale<M: Mad<f64>>(x: f64, n: f64) -> f64 {
    let half = M::mad(0.5, n, MAGIC) - MAGIC;
    x * power_of_two(half) * power_of_two(n - half)
}

/// The first 21 digits.
#[inline(always)]
fn high(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0xffff_ffff_0000_0000)
}

/// `x` with the sign of another turned by that of `sign`.
#[inline(always)]
fn signed(x: f64, sign: u64) -> f64 {
    f64::from_bits(x.to_bits() ^ (sign & (1 << 63)))
}
