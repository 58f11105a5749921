//! Exponentials: `lib/exp_f64.wgsl`, `lib/exp2_f64.wgsl`, `lib/hyperbolic_f64.wgsl`, but that e^r is a polynomial, where a CPU
//! would wait for a quotient.

use std::f64::consts::{LN_2, LOG2_E};

use super::{MAGIC, Mad, least, poly, power_of_two, rounded, scale, within};
use crate::cpu::functions::both::exponentials;

/// Below the first e^x is 0, above the second infinity; likewise of 2^x.
const ZERO: f64 = -746.0;
const INFINITE: f64 = 710.0;
const ZERO_2: f64 = -1076.0;
const INFINITE_2: f64 = 1024.0;
/// Where e^x / 2 is infinite, and with it the hyperbolic functions.
const HALF_INFINITE: f64 = 715.0;
/// From here on e^x - 1 is -1.
const MINUS_ONE: f64 = -40.0;
/// Powers of two below this one are made larger, and lowered.
const LOW: f64 = -900.0;
const LIFT: f64 = 129.0;
const LOWERED: f64 = 7.346_839_692_639_297e-40;

exponentials!(f64);

/// `x - n ln 2`. The first part of ln 2 ends in zeros, so that its product with n is exact.
#[inline(always)]
pub(super) fn exp_rest<M: Mad<f64>>(x: f64, n: f64) -> f64 {
    M::mad(n, -1.908_214_929_270_587_7e-10, M::mad(n, -0.693_147_180_369_123_8, x))
}

/// `e^r - 1`, for `r` up to 0.35.
///
/// The polynomial is Taylor's with its last coefficients moved: `(e^r - 1 - r) / r²` at the Chebyshev nodes from -0.35
/// to 0.35, solved for with 60 digits (mpmath).
#[inline(always)]
pub(super) fn expm1_short<M: Mad<f64>>(r: f64) -> f64 {
    let p = poly!(
        M,
        r,
        2.510_133_585_478_852_2e-8,
        2.762_132_426_931_368_7e-7,
        2.755_726_644_235_342_4e-6,
        2.480_151_867_226_835_5e-5,
        0.000_198_412_698_643_649_33,
        0.001_388_888_891_891_890_7,
        0.008_333_333_333_329_796,
        0.041_666_666_666_620_68,
        0.166_666_666_666_666_69,
        0.500_000_000_000_000_1
    );
    M::mad(r * r, p, r)
}

/// By e^2|x| - 1. From 22 on the nearest f64 is 1.
#[inline(always)]
pub(in crate::cpu) fn tanh<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let double = 2.0 * least(22.0, size);
    let n = exp_whole::<M>(double);
    let power = power_of_two(n);
    let t = M::mad(expm1_short::<M>(exp_rest::<M>(double, n)), power, power - 1.0);
    let far = size > 1.0;
    let q = (if far { 2.0 } else { t }) / (t + 2.0);
    (if far { 1.0 - q } else { q }).copysign(x)
}

/// Up to 1 it is its power series, to x^19.
#[inline(always)]
pub(in crate::cpu) fn sinh<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let half = exp_shifted::<M>(least(size, HALF_INFINITE), 1.0);
    let large = (half - 0.25 / half).copysign(x);
    let z = x * x;
    let p = poly!(
        M,
        z,
        8.220_635_246_624_33e-18,
        2.811_457_254_345_520_6e-15,
        7.647_163_731_819_816e-13,
        1.605_904_383_682_161_3e-10,
        2.505_210_838_544_172e-8,
        2.755_731_922_398_589_3e-6,
        0.000_198_412_698_412_698_4,
        0.008_333_333_333_333_333,
        0.166_666_666_666_666_66
    );
    let small = M::mad(x * z, p, x);
    if size >= 1.0 { large } else { small }
}
