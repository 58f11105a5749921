//! The logarithm of the gamma function and its derivative: `lib/lgamma.wgsl`, `lib/digamma.wgsl`.

use std::f32::consts::PI;

use super::log::log;
use super::trig::{sin_pi, tan_pi};
use super::{Mad, least, most, poly};
use crate::cpu::functions::both::gammas;

const WHOLE: f32 = 8_388_608.0;
const NEXT: f32 = 1.0e-15;

gammas!(f32);

/// Above 0 and below 2: of the distance to 1 or 2, or to the minimum between.
#[inline(always)]
fn lgamma_low<M: Mad<f32>>(x: f32) -> (f32, f32) {
    let low = x <= 0.9;
    let is_upper = if low { x >= 0.731_6 } else { x >= 1.731_6 };
    let is_middle = if low { x >= 0.231_6 } else { x >= 1.231_6 };
    let from_upper = (if low { 1.0 } else { 2.0 }) - x;
    let from_middle = x - (if low { 0.461_632_13 } else { 1.461_632_1 });
    let from_lower = x - (if low { 0.0 } else { 1.0 });
    let y = if is_upper {
        from_upper
    } else if is_middle {
        from_middle
    } else {
        from_lower
    };
    let z = y * y;
    let a = poly!(M, z, 2.521_445_6e-5, 0.000_220_862_78, 0.001_192_707_7, 0.007_385_551, 0.067_352_3, 0.077_215_664);
    let b =
        poly!(M, z, 4.486_409_7e-5, 0.000_108_011_57, 0.000_510_069_8, 0.002_890_513_7, 0.020_580_808, 0.322_467_03);
    let upper = M::mad(-0.5, y, M::mad(y, a, z * b));
    let cube = z * y;
    let c = poly!(M, cube, 0.000_315_632_06, -0.001_403_464_7, 0.006_100_538_7, -0.032_788_54, 0.483_836_1);
    let d = poly!(M, cube, -0.000_312_754_16, 0.000_881_081_85, -0.003_684_520_3, 0.017_970_676, -0.147_587_72);
    let e = poly!(M, cube, 0.000_335_529_18, -0.000_538_595_3, 0.002_259_647_7, -0.010_314_224, 0.064_624_94);
    let middle = -0.121_486_284 + (M::mad(z, c, -(M::mad(-cube, M::mad(y, e, d), 6.697_100_7e-9))));
    let u = poly!(M, y, 0.013_381_092, 0.228_963_73, 0.977_717_5, 1.454_922_6, 0.632_827_04, -0.077_215_664);
    let v = poly!(M, y, 0.003_217_092_5, 0.104_222_65, 0.769_285_14, 2.128_489_7, 2.455_978, 1.0);
    let lower = M::mad(-0.5, y, y * u / v);
    let sum = if is_upper {
        upper
    } else if is_middle {
        middle
    } else {
        lower
    };
    // Up to 0.9, by the function of x + 1: the logarithm of the second is to be taken off.
    (sum, if low { x } else { 1.0 })
}

/// From 2 to 8: by the function between 2 and 3, and the number whose logarithm is to be added.
#[inline(always)]
fn lgamma_mid<M: Mad<f32>>(x: f32) -> (f32, f32) {
    let whole = x.floor();
    let y = x - whole;
    let p = poly!(
        M,
        y,
        3.194_753_3e-5,
        0.001_840_284_6,
        0.026_642_27,
        0.146_350_47,
        0.325_778_78,
        0.214_982_42,
        -0.077_215_664
    );
    let q = poly!(M, y, 7.326_684e-6, 0.000_777_942_5, 0.018_645_92, 0.171_933_86, 0.721_935_6, 1.392_005_3, 1.0);
    (M::mad(0.5, y, y * p / q), raised(y, whole))
}

/// From 8 on: Stirling's series, by the logarithm.
#[inline(always)]
fn lgamma_high<M: Mad<f32>>(x: f32, log: f32) -> f32 {
    let z = 1.0 / x;
    let square = z * z;
    let w = poly!(
        M,
        square,
        -0.001_630_929_3,
        0.000_836_339_9,
        -0.000_595_187_54,
        0.000_793_650_6,
        -0.002_777_777_8,
        0.083_333_336
    );
    M::mad(x - 0.5, log - 1.0, M::mad(z, w, 0.418_938_55))
}

/// Above 0.
#[inline(always)]
fn digamma_up<M: Mad<f32>>(x: f32) -> f32 {
    // To between 1 and 2, by steps of 1, which are exact.
    let below = x < 1.0;
    let mut u = if below { x + 1.0 } else { x };
    let mut sum = if below { -1.0 / x } else { 0.0 };
    for _ in 0..2 {
        let beyond = u > 2.0;
        let less = u - 1.0;
        sum = if beyond & (x < 4.0) { sum + 1.0 / less } else { sum };
        u = if beyond { less } else { u };
    }
    let u = if x >= 4.0 { 1.0 } else { u };
    let from_root = (u - 1.461_632_1) - 1.243_815e-8;
    let v = u - 1.0;
    let p = poly!(M, v, -0.002_071_332_2, -0.045_251_32, -0.289_191_28, -0.650_318_56, -0.325_550_32, 0.254_798_5);
    let q = poly!(M, v, -5.578_984_3e-7, 0.002_128_498_6, 0.054_151_796, 0.435_935_3, 1.460_624_3, 2.076_711_7, 1.0);
    let near = M::mad(from_root, 0.995_581_6, from_root * (p / q)) + sum;
    let large = if x < 4.0 { 4.0 } else { x };
    let z = 1.0 / (large * large);
    let b = poly!(M, z, -0.021_092_797, 0.007_575_758, -0.004_166_667, 0.003_968_254, -0.008_333_334, 0.083_333_336);
    let far = log::<M>(large) - M::mad(z, b, 0.5 / large);
    if x >= 4.0 { far } else { near }
}
