//! Logarithms: `lib/log_f64.wgsl`, `lib/log2_f64.wgsl`, `lib/log10_f64.wgsl`.

use std::f64::consts::LOG10_E;

use super::{Mad, high, least, poly, power_of_two};
use crate::cpu::functions::both::logarithms;

/// ln 2 in two parts.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

logarithms!(f64);

/// The bits of the square root of 1/2.
const HALF: u64 = 0x3fe6_a09e_667f_3bcd;

/// `log(1 + f) - f`, for `1 + f` between √½ and √2.
#[inline(always)]
pub(super) fn log_short<M: Mad<f64>>(f: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let p = poly!(
        M,
        z,
        0.147_981_986_051_165_86,
        0.153_138_376_992_093_73,
        0.181_835_721_616_180_5,
        0.222_221_984_321_497_84,
        0.285_714_287_436_623_9,
        0.399_999_999_994_094_2,
        0.666_666_666_666_673_5
    );
    let square = 0.5 * f * f;
    M::mad(s, M::mad(z, p, square), -square)
}

/// The `n` and `f` of `x = 2^n (1 + f)`, of positive numbers.
#[inline(always)]
pub(super) fn split(x: f64) -> (f64, f64) {
    // Subnormals are made normal first.
    let tiny = x < f64::MIN_POSITIVE;
    let normal = if tiny { x * 18_014_398_509_481_984.0 } else { x };
    // The mantissa between √½ and √2, and an exponent that is not negative: it becomes the end of a large float.
    let bits = normal.to_bits().wrapping_sub(HALF).wrapping_add(1023 << 52);
    let n = f64::from_bits(bits >> 52 | 0x4330_0000_0000_0000);
    let n = n - if tiny { 4_503_599_627_371_519.0 + 54.0 } else { 4_503_599_627_371_519.0 };
    (n, f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(HALF)) - 1.0)
}

/// 1 / ln 2 is 1 + 0.4427: the 1 costs no rounding, so the result is accurate near x = 1, too.
#[inline(always)]
pub(in crate::cpu) fn log2<M: Mad<f64>>(x: f64) -> f64 {
    let (n, f) = split(x);
    let short = log_short::<M>(f);
    ended(x, n + (f + M::mad(f + short, 0.442_695_040_888_963_4, short)))
}

/// Powers of ten are exact. 1 + f is given as f and a part of its logarithm, both as a number of 21 digits and a rest, so
/// that what the larger is multiplied with is exact.
#[inline(always)]
pub(in crate::cpu) fn log10<M: Mad<f64>>(x: f64) -> f64 {
    let (n, f) = split(x);
    let short = log_short::<M>(f);
    let top = high(f + short);
    let low = (f - top) + short;
    // 1 / ln 10 and log10(2), each in two parts, the first of 32 and of 40 digits.
    let rest = M::mad(n, 3.694_239_077_158_931e-13, M::mad(top, 2.508_294_671_164_527_5e-11, low * LOG10_E));
    ended(x, M::mad(n, 0.301_029_995_663_611_77, M::mad(top, 0.434_294_481_878_168_9, rest)))
}
