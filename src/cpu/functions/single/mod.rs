//! Functions of f32. Whole numbers that scale results are floats here, which costs a CPU nothing.

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
const MAGIC: f32 = 12_582_912.0;

/// The whole number nearest to `x`, for `x` of less than 2^22.
#[inline(always)]
fn rounded(x: f32) -> f32 {
    (x + MAGIC) - MAGIC
}

/// The lowest bits of a whole number.
#[inline(always)]
fn low_bits(n: f32) -> u32 {
    (n + MAGIC).to_bits()
}

/// `2^n` for a whole `n` from -126 to 127.
#[inline(always)]
fn power_of_two(n: f32) -> f32 {
    f32::from_bits(low_bits(n).wrapping_add(127) << 23)
}

/// `x 2^n`, for `n` from -252 to 254. In two steps: 2^n may be infinite or zero where the product is neither.
#[inline(always)]
fn scale<M: Mad<f32>>(x: f32, n: f32) -> f32 {
    let half = M::mad(0.5, n, MAGIC) - MAGIC;
    x * power_of_two(half) * power_of_two(n - half)
}

/// The first twelve digits.
#[inline(always)]
fn high(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0xffff_f000)
}

/// `x` with the sign of another turned by that of `sign`.
#[inline(always)]
fn signed(x: f32, sign: u32) -> f32 {
    f32::from_bits(x.to_bits() ^ (sign & 0x8000_0000))
}
