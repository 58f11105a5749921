//! Arcs and distances: `lib/arc.wgsl`, `lib/atan2.wgsl`, `lib/hypot.wgsl`. The arcs of sine and cosine are Cephes' (Stephen
//! Moshier), by a root alone.

use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::{Mad, most, poly, signed};
use crate::cpu::functions::both::arcs;

/// What f32 cuts off of π/2.
const REST: f32 = -4.371_139e-8;
/// The tangent of 3π/8.
const TAN_3_PI_8: f32 = 2.414_213_6;
/// The largest part of a point that is scaled down, and the smallest that is not enlarged, by 2^64.
const HUGE: f32 = 1e30;
const TINY: f32 = 1e-18;
const ENLARGED: f32 = 18_446_744_073_709_551_616.0;
/// Sides whose squares are neither too large nor too small, and what others are multiplied with: 2^-80 and 2^80.
const HUGE_SIDE: f32 = 1e18;
const TINY_SIDE: f32 = 1e-12;
const LESS: f32 = 8.271_806e-25;
const MORE: f32 = 1.208_925_8e24;

arcs!(f32);

/// `asin(a) - a`, for `a` whose square `z` is at most 1/4.
#[inline(always)]
fn asin_short<M: Mad<f32>>(a: f32, z: f32) -> f32 {
    a * z * poly!(M, z, 4.216_32e-2, 2.418_131e-2, 4.547_002_6e-2, 7.495_303e-2, 0.166_667_52)
}

/// `atan(q)`, for `q` up to tan(π/8).
#[inline(always)]
fn atan_short<M: Mad<f32>>(q: f32) -> f32 {
    let z = q * q;
    M::mad(q * z, poly!(M, z, 8.053_744_5e-2, -0.138_776_86, 0.199_777_1, -0.333_329_5), q)
}
