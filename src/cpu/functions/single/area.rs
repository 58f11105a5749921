//! Inverse hyperbolic functions: `lib/area.wgsl`.

use std::f32::consts::LN_2;

use super::log::{log, log_short};
use super::{Mad, least, poly};

/// log(1 + w), for w of at least 0.
#[inline(always)]
fn area_log<M: Mad<f32>>(w: f32) -> f32 {
    let sum = 1.0 + w;
    let lost = w - (sum - 1.0);
    if w < 0.41 { w + log_short::<M>(w) } else { log::<M>(sum) + lost / sum }
}

#[inline(always)]
pub(in crate::cpu) fn asinh<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let a = least(size, 16_384.0);
    let z = a * a;
    let middle = area_log::<M>(a + z / (1.0 + (1.0 + z).sqrt()));
    let p = poly!(M, z, 0.020_122_003, -0.042_699_34, 0.074_847_59, -0.166_662_89);
    let small = M::mad(a * z, p, a);
    // From there on, the root of 1 + x^2 is x.
    let large = log::<M>(size) + LN_2;
    let y = if size < 0.5 {
        small
    } else if size > 16_384.0 {
        large
    } else {
        middle
    };
    // A zero keeps its sign.
    let minus = x.is_sign_negative();
    if x.is_nan() {
        x
    } else if minus {
        -y
    } else {
        y
    }
}

#[inline(always)]
pub(in crate::cpu) fn acosh<M: Mad<f32>>(x: f32) -> f32 {
    let t = least(x, 16_384.0) - 1.0;
    let middle = area_log::<M>(t + (t * (t + 2.0)).sqrt());
    let y = if x > 16_384.0 { log::<M>(x) + LN_2 } else { middle };
    if x.is_nan() {
        x
    } else if x >= 1.0 {
        y
    } else {
        f32::NAN
    }
}

#[inline(always)]
pub(in crate::cpu) fn atanh<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let z = x * x;
    let p = poly!(M, z, 0.181_740_08, 0.082_437_03, 0.146_691_43, 0.199_782_16, 0.333_337_3);
    let small = M::mad(x * z, p, x);
    let inner = least(size, 0.999_999_94);
    let large = 0.5 * log::<M>((1.0 + inner) / (1.0 - inner));
    let ends = if size < 1.0 {
        large
    } else if size == 1.0 {
        f32::INFINITY
    } else {
        f32::NAN
    };
    if x.is_nan() {
        x
    } else if size < 0.5 {
        small
    } else if x < 0.0 {
        -ends
    } else {
        ends
    }
}
