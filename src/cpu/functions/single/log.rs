//! Logarithms: `lib/log.wgsl`, `lib/log2.wgsl`, `lib/log10.wgsl`.

use std::f32::consts::LOG10_E;

use super::{Mad, high, least, poly, power_of_two};
use crate::cpu::functions::both::logarithms;

/// ln 2 in two parts.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

logarithms!(f32);

/// `log(1 + f) - f`, for `1 + f` between √½ and √2.
#[inline(always)]
pub(super) fn log_short<M: Mad<f32>>(f: f32) -> f32 {
    let p = poly!(
        M,
        f,
        7.037_683_6e-2,
        -0.115_146_1,
        0.116_769_984,
        -0.124_201_41,
        0.142_493_22,
        -0.166_680_57,
        0.200_007_14,
        -0.249_999_94,
        0.333_333_3
    );
    let z = f * f;
    M::mad(p * f, z, -0.5 * z)
}

/// The `n` and `f` of `x = 2^n (1 + f)`, of positive numbers.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    // Subnormals are made normal first.
    let tiny = x < f32::MIN_POSITIVE;
    let normal = if tiny { x * 8_388_608.0 } else { x };
    // The mantissa between √½ and √2.
    let bits = normal.to_bits().wrapping_sub(0x3f35_04f3);
    let n = (bits as i32 >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    (n, f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0)
}

/// 1 / ln 2 is 1 + 0.4427: the 1 costs no rounding, so the result is accurate near x = 1, too.
#[inline(always)]
pub(in crate::cpu) fn log2<M: Mad<f32>>(x: f32) -> f32 {
    let (n, f) = split(x);
    let short = log_short::<M>(f);
    ended(x, n + (f + M::mad(f + short, 0.442_695_05, short)))
}

/// Powers of ten are exact. 1 + f is given as f and a part of its logarithm, both as a number of twelve digits and a rest, so
/// that what the larger is multiplied with is exact.
#[inline(always)]
pub(in crate::cpu) fn log10<M: Mad<f32>>(x: f32) -> f32 {
    let (n, f) = split(x);
    let short = log_short::<M>(f);
    let top = high(f + short);
    let low = (f - top) + short;
    // 1 / ln 10 and log10(2), each in two parts, the first of twelve and of seventeen digits.
    let rest = M::mad(n, 7.903_415e-7, M::mad(top, -3.168_997e-5, low * LOG10_E));
    ended(x, M::mad(n, 0.301_029_2, M::mad(top, 0.434_326_17, rest)))
}
