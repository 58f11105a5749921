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

use super::both::basics;
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

/// Adding this to a number of less than 2^22 rounds it to an integer, to nearest even, in the low bits of the sum.
const MAGIC: f32 = 12_582_912.0;
const BIAS: u32 = 127;
const DIGITS: u32 = 23;
/// The first twelve digits.
const HIGH: u32 = 0xffff_f000;

basics!(f32, u32);
