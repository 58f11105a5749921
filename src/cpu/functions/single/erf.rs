//! Error functions: `lib/erfc.wgsl`, `lib/erfinv.wgsl`, and `erf` after Norbert Juffa's `erff`.

use super::exp::{exp, exp_rest, exp_whole, expm1_short};
use super::log::log;
use super::{Mad, least, most, poly, scale, within};

#[inline(always)]
pub(in crate::cpu) fn erf<M: Mad<f32>>(x: f32) -> f32 {
    let (t, s) = (x.abs(), x * x);
    let p = M::mad(t, -1.728_534_7e-5, 3.831_971_3e-4);
    let q = M::mad(t, -3.883_964_4e-3, 2.425_462_2e-2);
    let p = poly!(M, t, M::mad(p, s, q), -0.106_777_88, -0.634_846_7, -0.128_717_51);
    let large = (1.0 - exp::<M>(M::mad(p, t, -t))).copysign(x);
    let p = poly!(M, s, -5.967_617e-4, 4.991_194_3e-3, -2.676_813_5e-2, 0.112_819_925, -0.376_125_34, 0.128_379_17);
    let small = M::mad(p, x, x);
    if t > 0.927_734_4 { large } else { small }
}

/// (erf(x) - x) / x, below 27/32.
#[inline(always)]
fn erfc_small<M: Mad<f32>>(x: f32) -> f32 {
    let z = x * x;
    let p = poly!(M, z, -2.376_301_7e-5, -0.005_770_270_2, -0.028_481_75, -0.325_042_1, 0.128_379_17);
    let q = poly!(M, z, -3.960_228_2e-6, 0.000_132_494_74, 0.005_081_306, 0.065_022_25, 0.397_917_2, 1.0);
    p / q
}

/// erf(a) - 0.845, around 1.
#[inline(always)]
fn erfc_middle<M: Mad<f32>>(a: f32) -> f32 {
    let s = a - 1.0;
    let p = poly!(M, s, -0.002_166_375_5, 0.035_478_305, -0.110_894_695, 0.318_346_62, -0.372_207_88, 0.414_856_1, -0.002_362_118_6);
    let q = poly!(M, s, 0.011_984_5, 0.013_637_084, 0.126_171_22, 0.071_828_656, 0.540_397_94, 0.106_420_88, 1.0);
    p / q
}

/// erfc(a) from 5/4 on: e^(-a^2 - 9/16 + r / s) / a. Of a^2 a part is exact; the rounding of all of it would count as often
/// as it is large.
#[inline(always)]
fn erfc_large<M: Mad<f32>>(a: f32) -> f32 {
    let s = 1.0 / (a * a);
    let ra = poly!(M, s, -9.814_329, -81.287_44, -184.605_09, -162.396_67, -62.375_33, -10.558_626, -0.693_858_56, -0.009_864_944);
    let sa = poly!(M, s, -0.060_424_414, 6.570_249_6, 108.635, 429.008_15, 645.387_27, 434.565_9, 137.657_76, 19.651_272, 1.0);
    let rb = poly!(M, s, -483.519_2, -1_025.095_1, -637.566_47, -160.636_38, -17.757_956, -0.799_283_27, -0.009_864_943);
    let sb = poly!(M, s, -22.440_952, 474.528_53, 2_553.050_3, 3_199.858_2, 1_536.729_6, 325.792_5, 30.338_06, 1.0);
    let far = a > 2.857_143;
    let p = (if far { rb } else { ra }) / (if far { sb } else { sa });
    // Eleven digits, so that 9/16 fits beside the square, too.
    let high = f32::from_bits(a.to_bits() & 0xffff_e000);
    let square = M::mad(-high, high, -0.562_5);
    let rest = M::mad(-((a - high)), (a + high), p);
    let n = exp_whole::<M>(square);
    let short = exp_rest::<M>(square, n) + rest;
    // What is left may be more than an exponential's short form is made for.
    let m = exp_whole::<M>(short);
    scale::<M>(1.0 + expm1_short::<M>(exp_rest::<M>(short, m)), n + m) / a
}

#[inline(always)]
pub(in crate::cpu) fn erfc<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    // From 10.1 on it is 0, or 2.
    let a = least(size, 10.5);
    let minus = x < 0.0;
    let small = erfc_small::<M>(within(x, -1.0, 1.0));
    let near = if x < 0.25 { 1.0 - M::mad(x, small, x) } else { 0.5 - (M::mad(x, small, (x - 0.5))) };
    let middle = erfc_middle::<M>(least(a, 1.25));
    let around = if minus { 1.0 + (0.845_062_9 + middle) } else { 0.154_937_09 - middle };
    let tail = erfc_large::<M>(most(a, 1.25));
    let far = if minus { 2.0 - tail } else { tail };
    let y = if size < 0.843_75 { near } else if size >= 1.25 { far } else { around };
    if x.is_nan() { x } else { y }
}

#[inline(always)]
pub(in crate::cpu) fn erfinv<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let inner = if !(size < 1.0) { 0.0 } else { x };
    // Around 0, x times its slope there and the square times a rational function, which interpolates at Chebyshev nodes
    // and was solved for with 60 digits (mpmath).
    let z = inner * inner;
    let w = 0.722_6 - z;
    let p = poly!(M, w, 0.011_371_755, 0.869_613_9, 2.708_108_4, 2.078_832_6, 0.430_937_4);
    let q = poly!(M, w, 1.555_529_4, 8.683_19, 12.600_415, 6.330_473_4, 1.0);
    let near = inner * (M::mad(z, (p / q), 0.886_226_95));
    // Beyond, one of the root of the logarithm of what is missing to 1.
    let missing = 0.5 * (1.0 - inner.abs());
    let root = (-log::<M>(missing)).sqrt();
    let r = root - 1.6;
    let c = poly!(M, r, 0.000_547_686, 0.016_068_185, 0.170_964_79, 0.898_349_64, 2.579_418_2, 4.079_650_4, 3.274_143_2, 1.006_522);
    let d = poly!(M, r, 1.050_75e-9, 0.000_547_593_8, 0.015_198_667, 0.148_103_98, 0.689_767_36, 1.676_384_8, 2.053_191_7, 1.0);
    let far = c / d;
    let y = if size <= 0.85 { near } else if x < 0.0 { -far } else { far };
    let ends = if (size > 1.0) | x.is_nan() { f32::NAN } else if x > 0.0 { f32::INFINITY } else { -f32::INFINITY };
    if size < 1.0 { y } else { ends }
}
