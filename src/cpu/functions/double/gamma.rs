//! The logarithm of the gamma function and its derivative: `lib/lgamma_f64.wgsl`, `lib/digamma_f64.wgsl`.

use std::f64::consts::PI;

use super::log::log;
use super::trig::{sin_pi, tan_pi};
use super::{Mad, least, most, poly};
use crate::cpu::functions::both::gammas;

const WHOLE: f64 = 4_503_599_627_370_496.0;
const NEXT: f64 = 1.0e-30;

gammas!(f64);

/// Above 0 and below 2: of the distance to 1 or 2, or to the minimum between.
#[inline(always)]
fn lgamma_low<M: Mad<f64>>(x: f64) -> (f64, f64) {
    let low = x <= 0.9;
    let is_upper = if low { x >= 0.731_6 } else { x >= 1.731_6 };
    let is_middle = if low { x >= 0.231_6 } else { x >= 1.231_6 };
    let from_upper = (if low { 1.0 } else { 2.0 }) - x;
    let from_middle = x - (if low { 0.461_632_144_968_362_25 } else { 1.461_632_144_968_362_2 });
    let from_lower = x - (if low { 0.0 } else { 1.0 });
    let y = if is_upper {
        from_upper
    } else if is_middle {
        from_middle
    } else {
        from_lower
    };
    let z = y * y;
    let a = poly!(
        M,
        z,
        2.521_445_654_512_573_3e-5,
        0.000_220_862_790_713_908_39,
        0.001_192_707_631_833_620_7,
        0.007_385_550_860_814_029,
        0.067_352_301_053_129_27,
        0.077_215_664_901_532_87
    );
    let b = poly!(
        M,
        z,
        4.486_409_496_189_151_6e-5,
        0.000_108_011_567_247_583_94,
        0.000_510_069_792_153_511_3,
        0.002_890_513_836_734_156_3,
        0.020_580_808_432_516_733,
        0.322_467_033_424_113_6
    );
    let upper = M::mad(-0.5, y, M::mad(y, a, z * b));
    let cube = z * y;
    let c = poly!(
        M,
        cube,
        0.000_315_632_070_903_625_95,
        -0.001_403_464_699_892_328_4,
        0.006_100_538_702_462_913,
        -0.032_788_541_075_985_965,
        0.483_836_122_723_810_05
    );
    let d = poly!(
        M,
        cube,
        -0.000_312_754_168_375_120_86,
        0.000_881_081_882_437_654,
        -0.003_684_520_167_811_382_6,
        0.017_970_675_081_182_04,
        -0.147_587_722_994_593_9
    );
    let e = poly!(
        M,
        cube,
        0.000_335_529_192_635_519_1,
        -0.000_538_595_305_356_740_5,
        0.002_259_647_809_006_124_7,
        -0.010_314_224_129_834_144,
        0.064_624_940_239_133_39
    );
    let middle =
        -0.121_486_290_535_849_61 + (M::mad(z, c, -(M::mad(-cube, M::mad(y, e, d), -3.638_676_997_039_505e-18))));
    let u = poly!(
        M,
        y,
        0.013_381_091_853_678_766,
        0.228_963_728_064_692_45,
        0.977_717_527_963_372_7,
        1.454_922_501_372_347_7,
        0.632_827_064_025_093_4,
        -0.077_215_664_901_532_87
    );
    let v = poly!(
        M,
        y,
        0.003_217_092_422_824_239,
        0.104_222_645_593_369_13,
        0.769_285_150_456_672_8,
        2.128_489_763_798_934,
        2.455_977_937_130_411_3,
        1.0
    );
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
fn lgamma_mid<M: Mad<f64>>(x: f64) -> (f64, f64) {
    let whole = x.floor();
    let y = x - whole;
    let p = poly!(
        M,
        y,
        3.194_753_265_841_009e-5,
        0.001_840_284_514_073_377_2,
        0.026_642_270_303_363_86,
        0.146_350_472_652_464_45,
        0.325_778_796_408_931,
        0.214_982_415_960_608_85,
        -0.077_215_664_901_532_87
    );
    let q = poly!(
        M,
        y,
        7.326_684_307_446_256e-6,
        0.000_777_942_496_381_893_6,
        0.018_645_919_171_565_29,
        0.171_933_865_632_803_08,
        0.721_935_547_567_138_1,
        1.392_005_334_676_210_5,
        1.0
    );
    (M::mad(0.5, y, y * p / q), raised(y, whole))
}

/// From 8 on: Stirling's series, by the logarithm.
#[inline(always)]
fn lgamma_high<M: Mad<f64>>(x: f64, log: f64) -> f64 {
    let z = 1.0 / x;
    let square = z * z;
    let w = poly!(
        M,
        square,
        -0.001_630_929_340_965_752_7,
        0.000_836_339_918_996_282_1,
        -0.000_595_187_557_450_34,
        0.000_793_650_558_643_019_6,
        -0.002_777_777_777_287_755_4,
        0.083_333_333_333_332_97
    );
    M::mad(x - 0.5, log - 1.0, M::mad(z, w, 0.418_938_533_204_672_7))
}

/// Above 0.
#[inline(always)]
fn digamma_up<M: Mad<f64>>(x: f64) -> f64 {
    // To between 1 and 2, by steps of 1, which are exact.
    let below = x < 1.0;
    let mut u = if below { x + 1.0 } else { x };
    let mut sum = if below { -1.0 / x } else { 0.0 };
    for _ in 0..8 {
        let beyond = u > 2.0;
        let less = u - 1.0;
        sum = if beyond { sum + 1.0 / less } else { sum };
        u = if beyond { less } else { u };
    }
    let u = if x >= 10.0 { 1.0 } else { u };
    let from_root = (u - 1.461_632_144_968_362_2) - 9.549_995_43e-17;
    let v = u - 1.0;
    let p = poly!(
        M,
        v,
        -0.002_071_332_116_774_595,
        -0.045_251_321_448_739_06,
        -0.289_191_264_447_747_84,
        -0.650_318_537_708_965_1,
        -0.325_550_311_868_044_9,
        0.254_798_510_611_315_53
    );
    let q = poly!(
        M,
        v,
        -5.578_984_132_167_551e-7,
        0.002_128_498_701_782_114_6,
        0.054_151_797_245_674_226,
        0.435_935_296_926_659_67,
        1.460_624_290_976_351_6,
        2.076_711_702_373_047,
        1.0
    );
    let near = M::mad(from_root, 0.995_581_626_892_089_8, from_root * (p / q)) + sum;
    let large = if x < 10.0 { 10.0 } else { x };
    let z = 1.0 / (large * large);
    let b = poly!(
        M,
        z,
        0.083_333_333_333_333_33,
        -0.021_092_796_092_796_094,
        0.007_575_757_575_757_576,
        -0.004_166_666_666_666_667,
        0.003_968_253_968_253_968,
        -0.008_333_333_333_333_333,
        0.083_333_333_333_333_33
    );
    let far = log::<M>(large) - M::mad(z, b, 0.5 / large);
    if x >= 10.0 { far } else { near }
}
