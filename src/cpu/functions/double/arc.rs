//! Arcs and distances: `lib/arc_f64.wgsl`, `lib/atan2_f64.wgsl`, `lib/hypot_f64.wgsl`. The arcs of sine and cosine are made as
//! Cephes' (Stephen Moshier), by a root alone; the polynomial interpolates `(asin(√z) / √z - 1) / z` at the Chebyshev nodes up
//! to 1/4, solved for with 60 digits (mpmath).

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::{Mad, most, poly, signed};
use crate::cpu::functions::both::arcs;

/// What f64 cuts off of π/2.
const REST: f64 = -6.123_233_995_736_766e-17;
/// The tangent of 3π/8.
const TAN_3_PI_8: f64 = 2.414_213_562_373_095;
/// The largest part of a point that is scaled down, and the smallest that is not enlarged, by 2^600.
const HUGE: f64 = 1e300;
const TINY: f64 = 1e-290;
const ENLARGED: f64 = 4.149_515_568_880_993e180;
/// Sides whose squares are neither too large nor too small, and what others are multiplied with: 2^-600 and 2^600.
const HUGE_SIDE: f64 = 1e150;
const TINY_SIDE: f64 = 1e-135;
const LESS: f64 = 2.409_919_865_102_884e-181;
const MORE: f64 = 4.149_515_568_880_993e180;

arcs!(f64);

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
