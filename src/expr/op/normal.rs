//! The normal distribution Φ, and the Gaussian error linear unit `x Φ(x)`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::row::{DTypeRule, Draw, EVERYWHERE, Grad, Integers, Row, Wgsl, lib};
use super::unary::UnaryBound;
use crate::{DType, Expr};

pub(super) const GELU: Row<1, UnaryBound> = Row {
    rule: DTypeRule::OnlyFloat,
    meaning: |[x]| gelu(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * (x.ndtr() + x * density(x)))]),
    bound: UnaryBound::Valley { bottom: -0.751_791_524_693_564_5 },
    wgsl: Wgsl::call(&[lib!("gelu"), lib!("gelu_f64")]),
    domain: [EVERYWHERE],
    draws: DRAWS,
    places: &[[0.0], [0.5], [0.751_791_5], [1.0], [5.0], [8.0], [13.146], [14.5], [30.0], [37.6], [38.6]],
};

pub(super) const NDTR: Row<1, UnaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[x]| ndtr(x),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [x], _| Some(grad * density(x))]),
    bound: UnaryBound::Monotone,
    wgsl: Wgsl::call(&[lib!("gelu"), lib!("gelu_f64"), lib!("exp"), lib!("exp_f64")]),
    domain: [EVERYWHERE],
    draws: DRAWS,
    places: &[[0.0], [1.0], [5.0], [8.0], [13.0], [14.17], [14.5], [30.0], [37.5], [38.5]],
};

const DRAWS: &[[Draw; 1]] = &[[Draw::Uniform(-6.0, 6.0)], [Draw::Uniform(-1e-3, 1e-3)], [Draw::Uniform(-40.0, 40.0)]];

/// 1 / √2π.
const DENSITY_AT_0: f64 = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// The rational function u / v of `shaders/lib/gelu_f64.wgsl`, which says how it was made, lowest powers first.
const U: [f64; 9] = [
    0.398_942_279_375_186_5,
    0.494_768_808_062_809_4,
    0.310_218_225_128_727,
    0.124_994_005_129_617_81,
    0.035_019_406_229_753_726,
    0.006_967_587_291_206_796,
    0.000_965_833_281_310_488_3,
    8.643_424_639_986_237e-5,
    3.976_916_129_120_585e-6,
];
const V: [f64; 11] = [
    1.0,
    2.493_515_596_273_106_4,
    2.902_760_236_248_080_4,
    2.084_525_089_885_563_6,
    1.026_831_698_650_079_8,
    0.364_409_245_077_940_8,
    0.094_983_768_202_911_75,
    0.018_115_127_123_290_383,
    0.002_450_890_958_459_808,
    0.000_216_658_525_969_741_66,
    9.968_650_414_849_827e-6,
];

/// `x Φ(x)`, where Φ is the normal distribution.
///
/// `x erfc(-x / √2) / 2` would lose digits far below 0, where the rounding of `x / √2` counts a thousand times.
pub(crate) fn gelu(x: f64) -> f64 {
    if x > -1.0 || x.is_nan() {
        return 0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2);
    }
    if x < -39.0 {
        // Less than half the smallest subnormal, but NaN of minus infinity.
        return x * 0.0;
    }
    let polynomial = |c: &[f64]| c.iter().rev().fold(0.0, |sum, c| sum * -x + c);
    let t = DENSITY_AT_0 - polynomial(&U) / polynomial(&V);
    // x² in two parts, the first of which is exact.
    let high = f64::from(x as f32);
    let rest = -0.5 * (x - high) * (x + high);
    -(t + t * rest.exp_m1()) * (-0.5 * high * high).exp()
}

/// Φ(x), where Φ is the normal distribution. Below -1 the quotient loses nothing that gelu has.
pub(crate) fn ndtr(x: f64) -> f64 {
    if x < -39.0 {
        0.0
    } else if x < -1.0 {
        gelu(x) / x
    } else {
        0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
    }
}

/// Φ's density. Half the square is taken of a part that is short enough for it to be exact: its rounding would count as
/// often as it is large. The exponential of the rest, at most 0.05 where anything is left of the first part's, is a short
/// series. Beyond 100 all is 0, in f64 too.
fn density(x: &Expr) -> Expr {
    let x = x.clamp(-100.0, 100.0);
    let short = if x.dtype() == DType::F64 { DType::F32 } else { DType::F16 };
    let high = x.cast(short).cast(x.dtype());
    let rest = (&x - &high) * (&x + &high) * -0.5;
    let series = ((&rest * (1.0 / 6.0) + 0.5) * &rest + 1) * &rest + 1;
    (high.square() * -0.5).exp() * series * DENSITY_AT_0
}

#[cfg(test)]
mod tests {
    /// Against 40 digits of mpmath, from where erfc is subnormal up.
    #[test]
    fn digits_are_right_as_long_as_results_are_normal() {
        let table = [
            (-37.6, -4.041_290_298_447_291e-308),
            (-35.0, -3.937_187_472_653_422e-267),
            (-30.25, -7.891_136_864_367_313e-200),
            (-29.9, -2.941_851_531_384_776_8e-195),
            (-20.3, -1.305_136_626_942_764_4e-90),
            (-12.7, -3.754_736_413_362_103e-36),
            (-8.1, -2.225_847_107_842_565e-15),
            (-5.0, -1.433_257_859_395_969_5e-6),
            (-3.3, -0.001_595_299_669_866_465_8),
            (-2.0, -0.045_500_263_896_358_42),
            (-1.1, -0.149_232_667_041_020_92),
            (-0.75, -0.169_970_514_282_651_14),
            (-0.51, -0.155_563_122_757_734_9),
            (-0.4, -0.137_831_303_355_870_35),
            (-1.0e-5, -4.999_960_105_771_961e-6),
            (1.0e-9, 5.000_000_003_989_423e-10),
            (0.3, 0.185_373_426_656_685_77),
            (0.9, 0.734_345_887_187_916_5),
            (1.7, 1.624_238_713_310_476_8),
            (4.2, 4.199_943_947_854_133),
            (9.0, 9.0),
        ];
        for (x, want) in table {
            let got = super::gelu(x);
            assert!((got / want - 1.0).abs() < 2.0 * f64::EPSILON, "{x}: {got:e} not {want:e}");
        }
        assert!(super::gelu(f64::NEG_INFINITY).is_nan() && super::gelu(f64::NAN).is_nan());
        assert_eq!(super::gelu(f64::INFINITY), f64::INFINITY);
        assert_eq!([super::gelu(-1e300), super::gelu(0.0)], [0.0, 0.0]);
    }

    /// Against 50 digits of mpmath.
    #[test]
    fn digits_of_the_distribution_are_right() {
        let table = [
            (-35.0, 1.124_910_706_472_406_2e-268),
            (-20.3, 6.429_244_467_698_346e-92),
            (-8.1, 2.747_959_392_398_228_6e-16),
            (-3.3, 0.000_483_424_142_383_777_5),
            (-1.1, 0.135_666_060_946_382_64),
            (-0.75, 0.226_627_352_376_868_2),
            (-1.0e-5, 0.499_996_010_577_196_06),
            (0.0, 0.5),
            (0.3, 0.617_911_422_188_952_7),
            (1.7, 0.955_434_537_241_457),
            (4.2, 0.999_986_654_250_984_1),
            (9.0, 1.0),
        ];
        for (x, want) in table {
            let got = super::ndtr(x);
            assert!((got / want - 1.0).abs() < 2.0 * f64::EPSILON, "{x}: {got:e} not {want:e}");
        }
        assert!(super::ndtr(f64::NAN).is_nan());
        assert_eq!([f64::NEG_INFINITY, -39.5, f64::INFINITY].map(super::ndtr), [0.0, 0.0, 1.0]);
    }
}
