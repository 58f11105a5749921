//! The error function, and its inverse: `lib/erfinv_f64.wgsl`.

use super::exp::{exp_rest, exp_whole, expm1_short};
use super::log::log;
use super::{Mad, least, poly, power_of_two};

/// Up to 3/4 it is x times a polynomial, which interpolates at Chebyshev nodes. From there on it is one less e^(p - x²): of
/// the form of Norbert Juffa's `erff`, with a polynomial `p` that was fitted to the logarithm by Lawson's algorithm with 40
/// digits (mpmath), with the weight that is left beside 1.
#[inline(always)]
pub(in crate::cpu) fn erf<M: Mad<f64>>(x: f64) -> f64 {
    let t = least(5.95, x.abs());
    let p = poly!(
        M,
        t - 3.25,
        1.956_024_765_586_364_7e-12,
        2.999_267_178_956_272e-11,
        2.043_082_808_274_104e-10,
        8.120_114_320_480_953e-10,
        1.867_475_874_007_352e-9,
        2.262_565_178_383_554_3e-9,
        -1.057_290_094_299_310_5e-9,
        -7.796_675_308_343_373e-9,
        2.878_593_695_308_357_3e-10,
        -1.127_680_644_705_194_8e-7,
        8.006_047_647_773_289e-7,
        -5.251_848_106_252_159e-6,
        3.233_721_906_631_772_4e-5,
        -0.000_189_537_021_059_305_16,
        0.001_082_968_003_937_686_5,
        -0.006_199_593_511_459_697,
        0.037_518_349_746_801_655,
        -0.283_760_504_093_799_66,
        -1.793_749_357_179_290_8
    );
    let exponent = M::mad(-t, t, p);
    let n = exp_whole::<M>(exponent);
    let power = power_of_two(n);
    let large = (1.0 - M::mad(expm1_short::<M>(exp_rest::<M>(exponent, n)), power, power)).copysign(x);
    let small = M::mad(
        x,
        poly!(
            M,
            x * x,
            1.147_249_970_109_469_1e-8,
            -1.594_006_685_466_171_7e-7,
            1.643_068_417_974_155e-6,
            -1.492_419_630_556_961_7e-5,
            0.000_120_552_895_675_417_06,
            -0.000_854_832_618_875_975_2,
            0.005_223_977_615_420_539,
            -0.026_866_170_644_428_485,
            0.112_837_916_709_525_96,
            -0.376_126_389_031_837_15,
            0.128_379_167_095_512_6
        ),
        x,
    );
    if t > 0.75 { large } else { small }
}

#[inline(always)]
pub(in crate::cpu) fn erfinv<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let inner = if size < 1.0 { x } else { 0.0 };
    // Around 0, x times its slope there and the square times a rational function, which interpolates at Chebyshev nodes
    // and was solved for with 60 digits (mpmath).
    let z = inner * inner;
    let w = 0.722_6 - z;
    let p = poly!(
        M,
        w,
        0.000_844_579_641_137_301_2,
        0.370_656_781_072_694_95,
        5.220_684_331_280_599,
        22.721_839_220_980_07,
        42.927_967_804_075_83,
        40.244_615_364_708_245,
        19.489_711_228_433_855,
        4.649_477_473_164_725,
        0.430_937_413_427_930_6
    );
    let q = poly!(
        M,
        w,
        0.542_762_108_138_175,
        10.513_720_229_976_895,
        62.031_363_378_582_62,
        160.674_530_383_620_15,
        212.405_854_026_192_26,
        153.046_887_198_711_91,
        60.529_064_861_501_7,
        12.295_713_990_492_299,
        1.0
    );
    let near = inner * (M::mad(z, p / q, 0.886_226_925_452_758));
    // Beyond, one of the root of the logarithm of what is missing to 1.
    let missing = 0.5 * (1.0 - inner.abs());
    let root = (-log::<M>(missing)).sqrt();
    let r = root - 1.6;
    let c = poly!(
        M,
        r,
        0.000_547_686_031_930_446_5,
        0.016_068_184_886_544_188,
        0.170_964_790_333_176_35,
        0.898_349_645_523_480_4,
        2.579_418_287_180_049,
        4.079_650_609_331_799,
        3.274_143_290_202_006,
        1.006_522_033_603_688
    );
    let d = poly!(
        M,
        r,
        1.050_750_071_644_416_9e-9,
        0.000_547_593_808_499_534_5,
        0.015_198_666_563_616_457,
        0.148_103_976_427_480_08,
        0.689_767_334_985_1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0
    );
    let v = root - 5.0;
    let e = poly!(
        M,
        v,
        1.421_521_086_192_161_4e-7,
        1.917_359_330_222_665_8e-5,
        0.000_878_693_982_613_809_8,
        0.018_761_091_133_968_67,
        0.209_699_991_372_496,
        1.262_062_949_617_238_9,
        3.863_479_361_628_883_6,
        4.707_849_521_913_034
    );
    let f = poly!(
        M,
        v,
        2.044_263_103_389_939_7e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        0.000_786_869_131_145_613_3,
        0.014_875_361_290_850_615,
        0.136_929_880_922_735_8,
        0.599_832_206_555_888,
        1.0
    );
    let high = root > 5.0;
    let far = (if high { e } else { c }) / (if high { f } else { d });
    let y = if size <= 0.85 {
        near
    } else if x < 0.0 {
        -far
    } else {
        far
    };
    let ends = if (size > 1.0) | x.is_nan() {
        f64::NAN
    } else if x > 0.0 {
        f64::INFINITY
    } else {
        -f64::INFINITY
    };
    if size < 1.0 { y } else { ends }
}
