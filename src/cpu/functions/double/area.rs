//! Inverse hyperbolic functions: `lib/area_f64.wgsl`.

use std::f64::consts::LN_2;

use super::log::{log, log_short};
use super::Mad;

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
    if x.is_nan() { x } else if x.is_sign_negative() { -y } else { y }
}

#[inline(always)]
pub(in crate::cpu) fn acosh<M: Mad<f64>>(x: f64) -> f64 {
    let t = (if x > 1.0e9 { 1.0e9 } else { x }) - 1.0;
    let w = t + (t * (t + 2.0)).sqrt();
    let middle = area_log::<M>((if x < 1.0 { 0.0 } else { w }));
    let y = if x > 1.0e9 { log::<M>(x) + LN_2 } else { middle };
    if x.is_nan() { x } else if x >= 1.0 { y } else { f64::NAN }
}

#[inline(always)]
pub(in crate::cpu) fn atanh<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let inner = if size < 1.0 { size } else { 0.0 };
    // Up to 1/2, (1 + a) / (1 - a) is 1 + (2 a + 2 a^2 / (1 - a)).
    let missing = 1.0 - inner;
    let twice = 2.0 * inner;
    let near = 0.5 * area_log::<M>(twice + twice * inner / missing);
    let far = 0.5 * log::<M>((1.0 + inner) / missing);
    let y = if size < 0.5 { near } else { far };
    let ends = if size < 1.0 { y } else if size == 1.0 { f64::INFINITY } else { f64::NAN };
    if x.is_nan() { x } else if x.is_sign_negative() { -ends } else { ends }
}
