//! Sine, cosine and tangent, of arguments up to [`is_far`].
//!
//! The sine and the cosine are sines of `x - n π` or `x - (n + 1/2) π`, which need one polynomial where `lib/trig_f64.wgsl` has
//! two. The polynomial is that of SLEEF (Naoki Shibata); those of the tangent are those of `lib/trig_f64.wgsl`.

use std::f64::consts::{FRAC_1_PI, FRAC_2_PI, FRAC_PI_2, PI};

use super::{MAGIC, Mad, low_bits, poly, rounded, signed};
use crate::cpu::functions::both::turns;

turns!(f64, u64);

/// Whether `x` is too large for digits to be left of it without multiples of π.
#[inline(always)]
pub(in crate::cpu) fn is_far<M: Mad<f64>>(x: f64) -> bool {
    x.abs() > if M::FUSED { 1e9 } else { 1e6 }
}

/// `x - n π/2`. Fused, each product is exact beside what is left; else the parts of π/2 have 33 digits, so that products are
/// exact for `n` below 2^20.
#[inline(always)]
pub(super) fn turned<M: Mad<f64>>(x: f64, n: f64) -> f64 {
    if M::FUSED {
        let r = M::mad(n, -FRAC_PI_2, x);
        M::mad(n, 1.497_384_904_859_169_8e-33, M::mad(n, -6.123_233_995_736_766e-17, r))
    } else {
        let r = x - n * 1.570_796_326_734_125_6;
        let r = r - n * 6.077_100_506_303_966e-11;
        let r = r - n * 2.022_266_248_711_166_5e-21;
        r - n * 8.478_427_660_368_9e-32
    }
}

/// The sine of `r`, for `r` from -π/2 to π/2.
#[inline(always)]
fn sine<M: Mad<f64>>(r: f64) -> f64 {
    let z = r * r;
    let p = poly!(
        M,
        z,
        -7.972_559_550_090_379e-18,
        2.810_099_727_108_632e-15,
        -7.647_122_191_181_588e-13,
        1.605_904_306_056_645e-10,
        -2.505_210_837_635_020_5e-8,
        2.755_731_922_391_987_5e-6,
        -1.984_126_984_126_961_6e-4,
        8.333_333_333_333_33e-3,
        -0.166_666_666_666_666_66
    );
    M::mad(r * z, p, r)
}

/// The sine and the cosine of `r`, for `r` from -π/4 to π/4.
#[inline(always)]
fn both<M: Mad<f64>>(r: f64) -> (f64, f64) {
    let z = r * r;
    let p = poly!(
        M,
        z,
        1.589_690_995_211_55e-10,
        -2.505_076_025_340_686_3e-8,
        2.755_731_370_707_006_8e-6,
        -0.000_198_412_698_298_579_5,
        0.008_333_333_333_322_49,
        -0.166_666_666_666_666_32
    );
    let q = poly!(
        M,
        z,
        -1.135_964_755_778_819_5e-11,
        2.087_572_321_298_175e-9,
        -2.755_731_435_139_066_3e-7,
        2.480_158_728_947_673e-5,
        -0.001_388_888_888_887_411,
        0.041_666_666_666_666_6
    );
    (M::mad(r * z, p, r), M::mad(z * z, q, M::mad(z, -0.5, 1.0)))
}

/// The sine of `n π/2 + r`; the lowest two bits of `n` count.
#[inline(always)]
pub(super) fn sin_turned<M: Mad<f64>>(r: f64, n: f64) -> f64 {
    let (sine, cosine) = both::<M>(r);
    let n = low_bits(n);
    signed(if n & 1 == 1 { cosine } else { sine }, n << 62)
}

/// The tangent of `n π/2 + r`; the lowest bit of `n` counts.
#[inline(always)]
pub(super) fn tan_turned<M: Mad<f64>>(r: f64, n: f64) -> f64 {
    let (sine, cosine) = both::<M>(r);
    let odd = low_bits(n) & 1 == 1;
    (if odd { -cosine } else { sine }) / if odd { sine } else { cosine }
}
