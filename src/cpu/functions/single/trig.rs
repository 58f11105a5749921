//! Sine, cosine and tangent, of arguments up to [`is_far`].
//!
//! The sine and the cosine are sines of `x - n π` or `x - (n + 1/2) π`, which need one polynomial where `lib/trig.wgsl` has
//! two. The polynomial is that of SLEEF (Naoki Shibata); the tangent's is that of `lib/tan.wgsl`.

use std::f32::consts::{FRAC_1_PI, FRAC_2_PI, PI};

use super::{MAGIC, Mad, low_bits, poly, rounded, signed};
use crate::cpu::functions::both::turns;

turns!(f32, u32);

/// Whether `x` is too large for digits to be left of it without multiples of π.
#[inline(always)]
pub(in crate::cpu) fn is_far<M: Mad<f32>>(x: f32) -> bool {
    x.abs() > if M::FUSED { 100_000.0 } else { 10_000.0 }
}

/// `x - n π/2`. Fused, each product is exact beside what is left, for `n` below 2^17; else the parts of π/2 have eleven
/// digits, so that products are exact for `n` below 2^13.
#[inline(always)]
pub(super) fn turned<M: Mad<f32>>(x: f32, n: f32) -> f32 {
    if M::FUSED {
        let r = M::mad(n, -1.570_796_4, x);
        M::mad(n, 1.715_123_9e-15, M::mad(n, 4.371_139e-8, r))
    } else {
        let r = x - n * 1.570_312_5;
        let r = r - n * 4.837_513e-4;
        let r = r - n * 7.549_534e-8;
        let r = r - n * 2.563_283e-12;
        r - n * 6.123_234e-17
    }
}

/// The sine of `r`, for `r` from -π/2 to π/2.
#[inline(always)]
fn sine<M: Mad<f32>>(r: f32) -> f32 {
    let z = r * r;
    let p = poly!(M, z, 2.608_316e-6, -1.981_069e-4, 8.333_079e-3, -0.166_666_6);
    M::mad(r * z, p, r)
}

/// The sine of `n π/2 + r`; the lowest two bits of `n` count.
#[inline(always)]
pub(super) fn sin_turned<M: Mad<f32>>(r: f32, n: f32) -> f32 {
    let z = r * r;
    let sine = M::mad(r * z, poly!(M, z, -1.951_529_6e-4, 8.332_161e-3, -0.166_666_55), r);
    let p = poly!(M, z, 2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2);
    let cosine = M::mad(z * z, p, M::mad(z, -0.5, 1.0));
    let n = low_bits(n);
    signed(if n & 1 == 1 { cosine } else { sine }, n << 30)
}

/// The tangent of `n π/2 + r`; the lowest bit of `n` counts.
#[inline(always)]
pub(super) fn tan_turned<M: Mad<f32>>(r: f32, n: f32) -> f32 {
    let z = r * r;
    let p = poly!(M, z, 9.385_402e-3, 3.119_922_3e-3, 2.443_013_5e-2, 5.341_128e-2, 0.133_387_99, 0.333_331_57);
    let t = M::mad(r * z, p, r);
    // One quotient for both.
    let odd = low_bits(n) & 1 == 1;
    (if odd { -1.0 } else { t }) / if odd { t } else { 1.0 }
}
