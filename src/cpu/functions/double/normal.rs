//! The distribution function Φ of the normal distribution, and `x Φ(x)`: `lib/gelu_f64.wgsl`.

use super::exp::{exp_rest, exp_whole, expm1_short};
use super::{Mad, high, poly, scale};

/// a Phi(-a), from 1 on.
#[inline(always)]
fn gelu_tail<M: Mad<f64>>(size: f64) -> f64 {
    // Beyond it is 0.
    let a = if size > 38.6 { 38.6 } else { size };
    // a^2 in two parts, the first of which is exact: its rounding alone would be off by hundreds of units.
    let high = high(a);
    let square = -0.5 * (high * high);
    let rest = -0.5 * (a - high) * (a + high);
    let n = exp_whole::<M>(square);
    let e = expm1_short::<M>(exp_rest::<M>(square, n) + rest);
    let u = poly!(
        M,
        a,
        3.976_916_129_120_585e-6,
        8.643_424_639_986_237e-5,
        0.000_965_833_281_310_488_3,
        0.006_967_587_291_206_796,
        0.035_019_406_229_753_726,
        0.124_994_005_129_617_81,
        0.310_218_225_128_727,
        0.494_768_808_062_809_4,
        0.398_942_279_375_186_5
    );
    let v = poly!(
        M,
        a,
        9.968_650_414_849_827e-6,
        0.000_216_658_525_969_741_66,
        0.002_450_890_958_459_808,
        0.018_115_127_123_290_383,
        0.094_983_768_202_911_75,
        0.364_409_245_077_940_8,
        1.026_831_698_650_079_8,
        2.084_525_089_885_563_6,
        2.902_760_236_248_080_4,
        2.493_515_596_273_106_4,
        1.0
    );
    let t = 0.398_942_280_401_432_7 - u / v;
    scale::<M>(M::mad(t, e, t), n)
}

/// Phi(x), for x from -1 to 1.
#[inline(always)]
fn gelu_near<M: Mad<f64>>(x: f64) -> f64 {
    let z = x * x;
    let p = poly!(
        M,
        z,
        -1.687_823_163_189_687_5e-13,
        5.003_033_458_919_368e-12,
        -1.128_500_214_405_966_8e-10,
        2.273_377_017_346_831_7e-9,
        -4.122_657_837_266_453e-8,
        6.659_693_114_915_888e-7,
        -9.444_656_248_413_156e-6,
        0.000_115_434_687_614_210_87,
        -0.001_187_328_215_480_253,
        0.009_973_557_010_035_874,
        -0.066_490_380_066_905_54,
        0.398_942_280_401_432_7
    );
    M::mad(x, p, 0.5)
}

#[inline(always)]
pub(in crate::cpu) fn gelu<M: Mad<f64>>(x: f64) -> f64 {
    let tail = gelu_tail::<M>(x.abs());
    let y = if x.abs() < 1.0 {
        x * gelu_near::<M>(x)
    } else if x < 0.0 {
        -tail
    } else {
        x - tail
    };
    // Minus infinity times 0.
    let minus_infinite = !x.is_finite() & (x < 0.0);
    if x.is_nan() {
        x
    } else if minus_infinite {
        f64::NAN
    } else {
        y
    }
}

#[inline(always)]
pub(in crate::cpu) fn ndtr<M: Mad<f64>>(x: f64) -> f64 {
    let size = x.abs();
    let tail = gelu_tail::<M>(size) / (if size > 1.0 { size } else { 1.0 });
    let y = if size < 1.0 {
        gelu_near::<M>(x)
    } else if x < 0.0 {
        tail
    } else {
        1.0 - tail
    };
    if x.is_nan() { x } else { y }
}
