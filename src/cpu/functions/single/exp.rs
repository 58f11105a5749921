//! Exponentials: `lib/exp.wgsl`, `lib/exp2.wgsl`, `lib/hyperbolic.wgsl`.

use std::f32::consts::{LN_2, LOG2_E};

use super::{MAGIC, Mad, least, poly, power_of_two, rounded, scale, within};
use crate::cpu::functions::both::exponentials;

/// Below the first e^x is 0, above the second infinity; likewise of 2^x.
const ZERO: f32 = -104.0;
const INFINITE: f32 = 89.0;
const ZERO_2: f32 = -151.0;
const INFINITE_2: f32 = 128.0;
/// Where e^x / 2 is infinite, and with it the hyperbolic functions.
const HALF_INFINITE: f32 = 95.0;
/// From here on e^x - 1 is -1.
const MINUS_ONE: f32 = -18.0;
/// Powers of two below this one are made as ones 2^64 and half as large, and lowered.
const LOW: f32 = -100.0;
const LIFT: f32 = 65.0;
const LOWERED: f32 = 1.355_252_7e-20;

exponentials!(f32);

/// `x - n ln 2`. The first part of ln 2 has nine digits, so that its product with n is exact.
#[inline(always)]
pub(super) fn exp_rest<M: Mad<f32>>(x: f32, n: f32) -> f32 {
    M::mad(n, 2.121_944_4e-4, M::mad(n, -0.693_359_4, x))
}

/// `e^r - 1` for `r` up to half of ln 2.
#[inline(always)]
pub(super) fn expm1_short<M: Mad<f32>>(r: f32) -> f32 {
    let p = poly!(M, r, 1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5);
    M::mad(r * r, p, r)
}

#[inline(always)]
pub(in crate::cpu) fn tanh<M: Mad<f32>>(x: f32) -> f32 {
    let z = x * x;
    let p = poly!(M, z, -5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8);
    let small = M::mad(x * z, p, x);
    let size = x.abs();
    // From 10 on it is 1. NaN passes by the small one.
    let double = 2.0 * least(size, 10.0);
    let n = exp_whole::<M>(double);
    let power = power_of_two(n);
    let e = M::mad(expm1_short::<M>(exp_rest::<M>(double, n)), power, power);
    let large = (1.0 - 2.0 / (e + 1.0)).copysign(x);
    if size >= 0.625 { large } else { small }
}

#[inline(always)]
pub(in crate::cpu) fn sinh<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let half = exp_shifted::<M>(least(size, HALF_INFINITE), 1.0);
    let large = (half - 0.25 / half).copysign(x);
    let z = x * x;
    let p = poly!(M, z, 2.037_219_1e-4, 8.330_284e-3, 0.166_667_16);
    let small = M::mad(x * z, p, x);
    if size >= 1.0 { large } else { small }
}
