//! Inverse hyperbolic functions: `lib/area_f64.wgsl`.

use std::f64::consts::LN_2;

use super::Mad;
use super::log::{log, log_short, log1p};

/// log(1 + w), for w of at least 0.
#[inline(always)]
fn area_log<M: Mad<f64>>(w: f64) -> f64 {
    let sum = 1.0 + w;
    let lost = w - (sum - 1.0);
    let short = if w > 0.41 { 0.0 } else { w };
    if w < 0.41 { short + log_short::<M>(short) } else { log::<M>(sum) + lost / sum }
}

#[inline(always)]
pub(in crate::cpu) fn asinh<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let a = if size > 1.0e9 { 1.0e9 } else { size };
    let z = a * a;
    let middle = area_log::<M>(a + z / (1.0 + (1.0 + z).sqrt()));
    // From there on, the root of 1 + x^2 is x.
    let large = log::<M>(size) + LN_2;
    let y = if size > 1.0e9 { large } else { middle };
    if x.is_nan() {
        x
    } else if x.is_sign_negative() {
        -y
    } else {
        y
    }
}

#[inline(always)]
pub(in crate::cpu) fn acosh<M: Mad<f64>>(x: f64) -> f64 {
    let t = (if x > 1.0e9 { 1.0e9 } else { x }) - 1.0;
    let w = t + (t * (t + 2.0)).sqrt();
    let middle = area_log::<M>(if x < 1.0 { 0.0 } else { w });
    let y = if x > 1.0e9 { log::<M>(x) + LN_2 } else { middle };
    if x.is_nan() {
        x
    } else if x >= 1.0 {
        y
    } else {
        f64::NAN
    }
}

/// Half the logarithm of `(1 + a) / (1 - a)`, which is `1 + 2 a / (1 - a)`.
#[inline(always)]
pub(in crate::cpu) fn atanh<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let twice = 2.0 * size;
    let y = 0.5 * log1p::<M>(M::mad(twice, size / (1.0 - size), twice));
    if size > 1.0 { f64::NAN } else { y.copysign(x) }
}
