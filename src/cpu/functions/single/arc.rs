//! Arcs and distances: `lib/arc.wgsl`, `lib/atan2.wgsl`, `lib/hypot.wgsl`. The arcs of sine and cosine are Cephes' (Stephen
//! Moshier), by a root alone.

use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::{Mad, most, poly, signed};

/// What f32 cuts off of π/2.
const REST: f32 = -4.371_139e-8;

/// `asin(a) - a`, for `a` whose square `z` is at most 1/4.
#[inline(always)]
fn asin_short<M: Mad<f32>>(a: f32, z: f32) -> f32 {
    a * z * poly!(M, z, 4.216_32e-2, 2.418_131e-2, 4.547_002_6e-2, 7.495_303e-2, 0.166_667_52)
}

/// The angle of a sine, beyond 1/2 by that of half of what is missing to a right angle. Of more than 1 the root is NaN.
#[inline(always)]
pub(in crate::cpu) fn asin<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let far = size > 0.5;
    let half = 0.5 * (1.0 - size);
    let z = if far { half } else { x * x };
    let a = if far { half.sqrt() } else { size };
    let short = asin_short::<M>(a, z);
    let large = M::mad(-2.0, a, FRAC_PI_2) - M::mad(2.0, short, -REST);
    (if far { large } else { a + short }).copysign(x)
}

#[inline(always)]
pub(in crate::cpu) fn acos<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let far = size > 0.5;
    let half = 0.5 * (1.0 - size);
    let z = if far { half } else { x * x };
    let a = if far { half.sqrt() } else { x };
    let short = asin_short::<M>(a, z);
    let double = 2.0 * (a + short);
    let wide = PI - (double - 2.0 * REST);
    let near = FRAC_PI_2 - (a + (short - REST));
    let beyond = if x < 0.0 { wide } else { double };
    if far { beyond } else { near }
}

/// `atan(q)`, for `q` up to tan(π/8).
#[inline(always)]
fn atan_short<M: Mad<f32>>(q: f32) -> f32 {
    let z = q * q;
    M::mad(q * z, poly!(M, z, 8.053_744_5e-2, -0.138_776_86, 0.199_777_1, -0.333_329_5), q)
}

#[inline(always)]
pub(in crate::cpu) fn atan<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let (middle, far) = (size > 0.414_213_56, size > 2.414_213_6);
    let above = if far {
        -1.0
    } else if middle {
        size - 1.0
    } else {
        size
    };
    let below = if far {
        size
    } else if middle {
        size + 1.0
    } else {
        1.0
    };
    let turned = if far {
        FRAC_PI_2
    } else if middle {
        FRAC_PI_4
    } else {
        0.0
    };
    let lost = if far {
        REST
    } else if middle {
        0.5 * REST
    } else {
        0.0
    };
    signed(turned + (atan_short::<M>(above / below) + lost), x.to_bits())
}

/// A part of a point of that size: 2^64 times it, where the size is tiny, and 2^-8 times it where it is huge.
#[inline(always)]
fn scaled(x: f32, size: f32) -> f32 {
    let huge = if size > 1e30 { x * 0.003_906_25 } else { x };
    if size < 1e-18 { x * 18_446_744_073_709_551_616.0 } else { huge }
}

#[inline(always)]
pub(in crate::cpu) fn atan2<M: Mad<f32>>((y, x): (f32, f32)) -> f32 {
    let (across, up) = (x.abs(), y.abs());
    let steep = up > across;
    let size = if steep { up } else { across };
    let small = scaled(if steep { across } else { up }, size);
    let large = scaled(size, size);
    // Two infinities are equal, as two zeros are, and one makes the angle exact.
    let infinite = size == f32::INFINITY;
    let equal = across == up;
    let far = ((small > 0.414_213_56 * large) & !infinite) | equal;
    let above = if far { small - large } else { small };
    let below = if far { small + large } else { large };
    let q = if equal | infinite { 0.0 } else { above / below };
    let short = atan_short::<M>(q);
    let r = if far & (size > 0.0) { short + FRAC_PI_4 } else { short };
    let turned = if steep { FRAC_PI_2 - (r - REST) } else { r };
    let angle = if x.is_sign_negative() { PI - (turned - 2.0 * REST) } else { turned };
    // Not a number of either, whatever was chosen.
    let angle = if x.is_nan() | y.is_nan() { f32::NAN } else { angle };
    signed(angle, y.to_bits())
}

/// The root of the sum of squares, which are brought to where none overflows or vanishes.
#[inline(always)]
pub(in crate::cpu) fn hypot<M: Mad<f32>>((a, b): (f32, f32)) -> f32 {
    let (a, b) = (a.abs(), b.abs());
    let size = most(a, b);
    let is_huge = size > 1e18;
    let is_tiny = size < 1e-12;
    let middle = if is_huge { 8.271_806e-25 } else { 1.0 };
    let scale = if is_tiny { 1.208_925_8e24 } else { middle };
    let middle = if is_huge { 1.208_925_8e24 } else { 1.0 };
    let back = if is_tiny { 8.271_806e-25 } else { middle };
    let (x, y) = (a * scale, b * scale);
    let distance = M::mad(x, x, y * y).sqrt() * back;
    // What is infinitely far is so whatever the other part may be.
    if (a == f32::INFINITY) | (b == f32::INFINITY) { f32::INFINITY } else { distance }
}
