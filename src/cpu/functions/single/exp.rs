//! Exponentials: `lib/exp.wgsl`, `lib/exp2.wgsl`, `lib/hyperbolic.wgsl`.

use std::f32::consts::{LN_2, LOG2_E};

use super::{MAGIC, Mad, least, poly, power_of_two, rounded, scale, within};

/// The whole number nearest to `x / ln 2`.
#[inline(always)]
pub(super) fn exp_whole<M: Mad<f32>>(x: f32) -> f32 {
    M::mad(x, LOG2_E, MAGIC) - MAGIC
}

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

/// `2^n (1 + e)`, for `n` from -151 to 128: what is subnormal is made small at last, and twice of half.
#[inline(always)]
fn raised<M: Mad<f32>>(n: f32, e: f32) -> f32 {
    let is_low = n < -100.0;
    let less = if is_low { 65.0 } else { -1.0 };
    M::mad(e, 2.0, 2.0) * power_of_two(n + less) * if is_low { 1.355_252_7e-20 } else { 1.0 }
}

#[inline(always)]
pub(in crate::cpu) fn exp<M: Mad<f32>>(x: f32) -> f32 {
    // Beyond these it is infinity and 0.
    let x = within(x, -104.0, 89.0);
    let n = exp_whole::<M>(x);
    raised::<M>(n, expm1_short::<M>(exp_rest::<M>(x, n)))
}

#[inline(always)]
pub(in crate::cpu) fn exp2<M: Mad<f32>>(x: f32) -> f32 {
    // Beyond these it is infinity and 0.
    let x = within(x, -151.0, 129.0);
    let n = least(rounded(x), 128.0);
    raised::<M>(n, expm1_short::<M>((x - n) * LN_2))
}

/// `2^-shift e^x`, for x from -104 to 96: it overflows where the quotient does.
#[inline(always)]
pub(super) fn exp_shifted<M: Mad<f32>>(x: f32, shift: f32) -> f32 {
    let n = exp_whole::<M>(x);
    scale::<M>(1.0 + expm1_short::<M>(exp_rest::<M>(x, n)), n - shift)
}

/// `2^n ((e^r - 1) + (1 - 2^-n))`: nothing cancels.
#[inline(always)]
pub(in crate::cpu) fn expm1<M: Mad<f32>>(x: f32) -> f32 {
    let x = within(x, -18.0, 89.0);
    let n = exp_whole::<M>(x);
    let short = expm1_short::<M>(exp_rest::<M>(x, n));
    // Twice 2^(n-1): 2^128 is infinite where the product is not.
    let power = power_of_two(n - 1.0);
    let large = M::mad(short, power, power - 0.5) * 2.0;
    if n == 0.0 { short } else { large }
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(in crate::cpu) fn sigmoid<M: Mad<f32>>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<M>(-x))
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
    let half = exp_shifted::<M>(least(size, 95.0), 1.0);
    let large = (half - 0.25 / half).copysign(x);
    let z = x * x;
    let p = poly!(M, z, 2.037_219_1e-4, 8.330_284e-3, 0.166_667_16);
    let small = M::mad(x * z, p, x);
    if size >= 1.0 { large } else { small }
}

#[inline(always)]
pub(in crate::cpu) fn cosh<M: Mad<f32>>(x: f32) -> f32 {
    let half = exp_shifted::<M>(least(95.0, x.abs()), 1.0);
    half + 0.25 / half
}
