//! Exponentials: `lib/exp_f64.wgsl`, `lib/exp2_f64.wgsl`, `lib/hyperbolic_f64.wgsl`, but that e^r is a polynomial, where a CPU
//! would wait for a quotient.

use std::f64::consts::{LN_2, LOG2_E};

use super::{MAGIC, Mad, least, poly, power_of_two, rounded, scale, within};

/// The whole number nearest to `x / ln 2`.
#[inline(always)]
pub(super) fn exp_whole<M: Mad<f64>>(x: f64) -> f64 {
    M::mad(x, LOG2_E, MAGIC) - MAGIC
}

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

/// `2^n (1 + e)`, for `n` from -1076 to 1024: what is subnormal is made small at last, and twice of half.
#[inline(always)]
fn raised<M: Mad<f64>>(n: f64, e: f64) -> f64 {
    let is_low = n < -900.0;
    let less = if is_low { 129.0 } else { -1.0 };
    M::mad(e, 2.0, 2.0) * power_of_two(n + less) * if is_low { 7.346_839_692_639_297e-40 } else { 1.0 }
}

#[inline(always)]
pub(in crate::cpu) fn exp<M: Mad<f64>>(x: f64) -> f64 {
    // Beyond these it is infinity and 0.
    let x = within(x, -746.0, 710.0);
    let n = exp_whole::<M>(x);
    raised::<M>(n, expm1_short::<M>(exp_rest::<M>(x, n)))
}

#[inline(always)]
pub(in crate::cpu) fn exp2<M: Mad<f64>>(x: f64) -> f64 {
    // Beyond these it is infinity and 0.
    let x = within(x, -1076.0, 1025.0);
    let n = least(rounded(x), 1024.0);
    raised::<M>(n, expm1_short::<M>((x - n) * LN_2))
}

/// `2^-shift e^x`, for x from -700 to 725: it overflows where the quotient does.
#[inline(always)]
pub(super) fn exp_shifted<M: Mad<f64>>(x: f64, shift: f64) -> f64 {
    let n = exp_whole::<M>(x);
    scale::<M>(1.0 + expm1_short::<M>(exp_rest::<M>(x, n)), n - shift)
}

/// `2^n ((e^r - 1) + (1 - 2^-n))`: nothing cancels.
#[inline(always)]
pub(in crate::cpu) fn expm1<M: Mad<f64>>(x: f64) -> f64 {
    let x = within(x, -40.0, 710.0);
    let n = exp_whole::<M>(x);
    let short = expm1_short::<M>(exp_rest::<M>(x, n));
    // Twice 2^(n-1): 2^1024 is infinite where the product is not.
    let power = power_of_two(n - 1.0);
    let large = M::mad(short, power, power - 0.5) * 2.0;
    if n == 0.0 { short } else { large }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(in crate::cpu) fn sigmoid<M: Mad<f64>>(x: f64) -> f64 {
    1.0 / (1.0 + exp::<M>(-x))
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
    let half = exp_shifted::<M>(least(size, 715.0), 1.0);
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

#[inline(always)]
pub(in crate::cpu) fn cosh<M: Mad<f64>>(x: f64) -> f64 {
    let half = exp_shifted::<M>(least(715.0, x.abs()), 1.0);
    half + 0.25 / half
}
