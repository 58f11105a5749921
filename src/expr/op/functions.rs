//! Functions that neither the standard library nor libm has, in f64.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

/// A polynomial, lowest powers first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// The inverse of the error function. Around 0 it is its slope there and the square times a rational function, which
/// interpolates at Chebyshev nodes and was solved for with 60 digits (mpmath); beyond, it is by quantiles of the normal
/// distribution: Michael Wichura, "Algorithm AS 241", 1988.
pub(super) fn erfinv(x: f64) -> f64 {
    const A: [f64; 9] = [
        0.430_937_413_427_930_6,
        4.649_477_473_164_725,
        19.489_711_228_433_855,
        40.244_615_364_708_245,
        42.927_967_804_075_83,
        22.721_839_220_980_07,
        5.220_684_331_280_599,
        0.370_656_781_072_694_95,
        0.000_844_579_641_137_301_2,
    ];
    const B: [f64; 9] = [
        1.0,
        12.295_713_990_492_299,
        60.529_064_861_501_7,
        153.046_887_198_711_91,
        212.405_854_026_192_26,
        160.674_530_383_620_15,
        62.031_363_378_582_62,
        10.513_720_229_976_895,
        0.542_762_108_138_175,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let size = x.abs();
    if size <= 0.85 {
        let z = x * x;
        let w = 0.7226 - z;
        return x * (1.0 / FRAC_2_SQRT_PI + z * (polynomial(&A, w) / polynomial(&B, w)));
    }
    if size >= 1.0 || x.is_nan() {
        return if size == 1.0 { f64::INFINITY.copysign(x) } else { f64::NAN };
    }
    let root = (-(0.5 * (1.0 - size)).ln()).sqrt();
    let quantile = if root <= 5.0 {
        polynomial(&C, root - 1.6) / polynomial(&D, root - 1.6)
    } else {
        polynomial(&E, root - 5.0) / polynomial(&F, root - 5.0)
    };
    (quantile * FRAC_1_SQRT_2).copysign(x)
}

/// The root of the function below, and what f64 cuts off of it.
const ROOT: [f64; 2] = [1.461_632_144_968_362_2, 9.549_995_429_965_697e-17];

/// The logarithmic derivative of the gamma function. Between 1 and 2 it is its distance from the root times a rational
/// function (John Maddock, Boost), from 10 on it is Stirling's series, derived.
pub(crate) fn digamma(x: f64) -> f64 {
    const P: [f64; 6] = [
        0.254_798_510_611_315_5,
        -0.325_550_311_868_044_9,
        -0.650_318_537_708_965_1,
        -0.289_191_264_447_747_84,
        -0.045_251_321_448_739_06,
        -0.002_071_332_116_774_595,
    ];
    const Q: [f64; 7] = [
        1.0,
        2.076_711_702_373_047,
        1.460_624_290_976_351_5,
        0.435_935_296_926_659_7,
        0.054_151_797_245_674_22,
        0.002_128_498_701_782_114_4,
        -5.578_984_132_167_551e-7,
    ];
    const SERIES: [f64; 7] =
        [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32_760.0, 1.0 / 12.0];
    if x == 0.0 {
        return f64::NEG_INFINITY.copysign(-x);
    }
    if x < 0.0 {
        let away = x - x.round_ties_even();
        return if away == 0.0 || x.is_infinite() { f64::NAN } else { digamma(1.0 - x) - PI / tan_pi(away) };
    }
    if x >= 10.0 {
        let z = 1.0 / (x * x);
        return x.ln() - (0.5 / x + z * polynomial(&SERIES, z));
    }
    let (mut u, mut sum) = if x < 1.0 { (x + 1.0, -1.0 / x) } else { (x, 0.0) };
    while u > 2.0 {
        u -= 1.0;
        sum += 1.0 / u;
    }
    let from_root = (u - ROOT[0]) - ROOT[1];
    from_root * 0.995_581_626_892_089_8 + from_root * (polynomial(&P, u - 1.0) / polynomial(&Q, u - 1.0)) + sum
}

/// The tangent of π x, for x from -1/2 to 1/2.
fn tan_pi(x: f64) -> f64 {
    if x.abs() <= 0.25 { (PI * x).tan() } else { 1.0 / (PI * (0.5 - x.abs())).tan().copysign(x) }
}

/// The modified Bessel function of the first kind of order 0.
pub(super) fn i0(x: f64) -> f64 {
    const FAR: [f64; 21] = [
        0.402_176_509_445_008_1,
        0.003_360_551_983_666_910_3,
        0.000_136_216_074_389_317_58,
        1.114_303_386_049_501_7e-05,
        1.483_847_767_880_802_3e-06,
        2.973_583_433_473_054e-07,
        8.871_772_134_958_215e-08,
        3.934_115_196_762_157_4e-08,
        2.159_392_128_418_983_7e-08,
        7.468_652_718_445_711e-09,
        -7.004_556_901_394_248e-09,
        -1.311_387_487_994_189_7e-08,
        -4.522_137_715_543_013e-09,
        6.905_503_273_684_613e-09,
        5.492_774_410_203_639e-09,
        -2.582_450_900_335_183_7e-09,
        -3.186_802_166_228_750_6e-09,
        6.702_584_046_528_111e-10,
        1.091_589_316_101_665_3e-09,
        -8.853_076_246_050_108e-11,
        -1.716_616_493_817_548_8e-10,
    ];
    if x.abs() > 8.0 { beyond(&FAR, x.abs()) } else { near(0.25 * x * x, |k| k * k) }
}

/// The modified Bessel function of the first kind of order 1.
pub(super) fn i1(x: f64) -> f64 {
    const FAR: [f64; 21] = [
        0.389_398_459_025_872_33,
        -0.009_749_577_193_234_856,
        -0.000_219_235_763_831_170_2,
        -1.503_854_726_488_347_1e-05,
        -1.834_910_342_966_338_8e-06,
        -3.483_841_753_091_222e-07,
        -1.000_082_249_807_129_7e-07,
        -4.314_332_246_730_572e-08,
        -2.342_132_138_672_380_2e-08,
        -8.348_298_361_333_79e-09,
        7.001_787_078_487_752_4e-09,
        1.376_187_255_844_138_9e-08,
        5.056_045_544_132_708e-09,
        -7.045_449_593_614_895e-09,
        -5.872_315_764_049_016e-09,
        2.575_022_015_245_385e-09,
        3.364_402_906_942_886e-09,
        -6.563_550_610_824_565e-10,
        -1.145_987_549_208_438_1e-09,
        8.556_534_373_260_018e-11,
        1.797_080_762_021_27e-10,
    ];
    if x.abs() > 8.0 { beyond(&FAR, x.abs()).copysign(x) } else { 0.5 * x * near(0.25 * x * x, |k| k * (k + 1.0)) }
}

/// The power series of which each term is the one before times `z / divisor(k)`: no term cancels.
fn near(z: f64, divisor: impl Fn(f64) -> f64) -> f64 {
    (1..27).rev().fold(1.0, |sum, k| 1.0 + sum * z / divisor(f64::from(k)))
}

/// From 8 on, √x e⁻ˣ times the function is a polynomial in 1 / x, which interpolates at the Chebyshev nodes and was solved
/// for with 50 digits (mpmath). The exponential is taken in two parts, as it overflows before the function does.
fn beyond(far: &[f64], x: f64) -> f64 {
    if x.is_infinite() {
        return x;
    }
    let half = (0.5 * x).exp();
    half * (polynomial(far, 16.0 / x - 1.0) / x.sqrt()) * half
}

#[cfg(test)]
mod tests {
    /// Against 40 digits of mpmath.
    #[test]
    fn digits_are_right() {
        let near = |name: &str, f: fn(f64) -> f64, table: &[(f64, f64)]| {
            for &(x, want) in table {
                let got = f(x);
                assert!((got - want).abs() <= 4.0 * f64::EPSILON * want.abs(), "{name}({x}): {got:e} not {want:e}");
            }
        };
        near(
            "erfinv",
            super::erfinv,
            &[
                (1.0e-300, 8.862_269_254_527_58e-301),
                (0.001, 0.000_886_227_157_466_552_1),
                (-0.3, -0.272_462_714_726_754_3),
                (0.85, 1.017_902_464_832_027_6),
                (0.850_1, 1.018_152_291_584_008),
                (-0.99, -1.821_386_367_718_449_4),
                (0.999_999_9, 3.766_562_581_638_470_7),
                (0.999_999_999_999_999_1, 5.686_128_441_310_391),
            ],
        );
        near(
            "digamma",
            super::digamma,
            &[
                (1.0e-10, -10_000_000_000.577_215),
                (0.3, -3.502_524_222_200_133),
                (1.0, -0.577_215_664_901_532_9),
                (1.461_6, -3.110_625_123_034_165e-05),
                (1.5, 0.036_489_973_978_576_52),
                (2.0, 0.422_784_335_098_467_13),
                (3.7, 1.167_153_539_361_511_3),
                (9.99, 2.250_700_372_831_201),
                (10.0, 2.251_752_589_066_721),
                (100_000.0, 11.512_920_464_961_896),
                (-0.3, 2.113_309_779_635_399),
                (-7.75, -1.030_768_832_830_931_5),
            ],
        );
        near(
            "i0",
            super::i0,
            &[
                (0.0, 1.0),
                (-0.5, 1.063_483_370_741_323_6),
                (3.0, 4.880_792_585_865_024_5),
                (8.0, 427.564_115_721_804_8),
                (-8.5, 683.161_926_990_115_6),
                (40.0, 1.489_477_479_341_99e+16),
                (710.0, 3.345_334_558_619_656e+306),
            ],
        );
        near(
            "i1",
            super::i1,
            &[
                (0.0, 0.0),
                (-0.5, -0.257_894_305_390_896_3),
                (3.0, 3.953_370_217_402_609_3),
                (8.0, 399.873_136_782_560_1),
                (-8.5, -641.619_902_540_066_7),
                (40.0, 1.470_739_616_325_935_2e+16),
                (710.0, 3.342_977_858_509_762_6e+306),
            ],
        );
    }

    #[test]
    fn ends_and_poles_are_pytorchs() {
        use super::{digamma, erfinv, i0, i1};
        let infinity = f64::INFINITY;
        assert_eq!([erfinv(1.0), erfinv(-1.0)], [infinity, -infinity]);
        assert!(erfinv(1.5).is_nan() && erfinv(f64::NAN).is_nan());
        assert_eq!([digamma(0.0), digamma(-0.0), digamma(infinity)], [-infinity, infinity, infinity]);
        assert!(digamma(-3.0).is_nan() && digamma(-infinity).is_nan() && digamma(f64::NAN).is_nan());
        assert_eq!([i0(infinity), i0(-infinity), i1(-infinity)], [infinity, infinity, -infinity]);
        assert!(i0(f64::NAN).is_nan() && i1(f64::NAN).is_nan());
    }
}
