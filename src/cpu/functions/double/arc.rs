//! Arcs and distances: `lib/arc_f64.wgsl`, `lib/atan2_f64.wgsl`, `lib/hypot_f64.wgsl`. The arcs of sine and cosine are made as
//! Cephes' (Stephen Moshier), by a root alone; the polynomial interpolates `(asin(√z) / √z - 1) / z` at the Chebyshev nodes up
//! to 1/4, solved for with 60 digits (mpmath).

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::{Mad, most, poly, signed};

/// What f64 cuts off of π/2.
const REST: f64 = -6.123_233_995_736_766e-17;

/// `asin(a) - a`, for `a` whose square `z` is at most 1/4.
#[inline(always)]
fn asin_short<M: Mad<f64>>(a: f64, z: f64) -> f64 {
    a * z
        * poly!(
            M,
            z,
            0.028_757_851_367_421_566,
            -0.014_851_887_071_247_204,
            0.017_400_879_442_694_02,
            0.005_457_506_718_640_358,
            0.010_322_814_350_185_78,
            0.011_479_177_415_184_906,
            0.013_971_212_973_552_933,
            0.017_352_392_720_869_973,
            0.022_372_172_942_149_89,
            0.030_381_944_138_531_247,
            0.044_642_857_146_355_43,
            0.074_999_999_999_984_33,
            0.166_666_666_666_666_69
        )
}

/// The angle of a sine, beyond 1/2 by that of half of what is missing to a right angle. Of more than 1 the root is NaN.
#[inline(always)]
pub(in crate::cpu) fn asin<M: Mad<f64>>(x: f64) -> f64 {
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
pub(in crate::cpu) fn acos<M: Mad<f64>>(x: f64) -> f64 {
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
fn atan_short<M: Mad<f64>>(q: f64) -> f64 {
    let z = q * q;
    M::mad(
        q * z,
        poly!(
            M,
            z,
            -0.016_285_820_115_365_782,
            0.036_531_572_744_216_916,
            -0.049_768_779_946_159_324,
            0.058_335_701_337_905_735,
            -0.066_610_731_373_875_31,
            0.076_918_762_050_448_3,
            -0.090_908_871_334_365_07,
            0.111_111_104_054_623_56,
            -0.142_857_142_725_034_66,
            0.199_999_999_998_764_83,
            -0.333_333_333_333_329_3
        ),
        q,
    )
}

#[inline(always)]
pub(in crate::cpu) fn atan<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let (middle, far) = (size > 0.414_213_56, size > 2.414_213_562_373_095);
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

/// A part of a point of that size: 2^600 times it, where the size is tiny, and 2^-8 times it where it is huge.
#[inline(always)]
fn scaled(x: f64, size: f64) -> f64 {
    let huge = if size > 1e300 { x * 0.003_906_25 } else { x };
    if size < 1e-290 { x * 4.149_515_568_880_993e180 } else { huge }
}

#[inline(always)]
pub(in crate::cpu) fn atan2<M: Mad<f64>>((y, x): (f64, f64)) -> f64 {
    let (across, up) = (x.abs(), y.abs());
    let steep = up > across;
    let size = if steep { up } else { across };
    let small = scaled(if steep { across } else { up }, size);
    let large = scaled(size, size);
    // Two infinities are equal, as two zeros are, and one makes the angle exact.
    let infinite = size == f64::INFINITY;
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
    let angle = if x.is_nan() | y.is_nan() { f64::NAN } else { angle };
    signed(angle, y.to_bits())
}

/// The root of the sum of squares, which are brought to where none overflows or vanishes.
#[inline(always)]
pub(in crate::cpu) fn hypot<M: Mad<f64>>((a, b): (f64, f64)) -> f64 {
    let (a, b) = (a.abs(), b.abs());
    let size = most(a, b);
    let is_huge = size > 1e150;
    let is_tiny = size < 1e-135;
    let middle = if is_huge { 2.409_919_865_102_884e-181 } else { 1.0 };
    let scale = if is_tiny { 4.149_515_568_880_993e180 } else { middle };
    let middle = if is_huge { 4.149_515_568_880_993e180 } else { 1.0 };
    let back = if is_tiny { 2.409_919_865_102_884e-181 } else { middle };
    let (x, y) = (a * scale, b * scale);
    let distance = M::mad(x, x, y * y).sqrt() * back;
    // What is infinitely far is so whatever the other part may be.
    if (a == f64::INFINITY) | (b == f64::INFINITY) { f64::INFINITY } else { distance }
}
