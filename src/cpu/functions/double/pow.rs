//! Powers: `lib/pow_f64.wgsl`.

use std::f64::consts::LN_2;

use super::exp::expm1_short;
use super::log::split;
use super::{Mad, high, poly, scale};
use crate::cpu::functions::both::powers;

powers!(f64);

/// size^exponent for a size above 0 and finite numbers.
#[inline(always)]
fn power<M: Mad<f64>>(size: f64, exponent: f64) -> f64 {
    // size = 2^n m with m between √¾ and √3; its logarithm is that of c, 1 or 3/2, and that of m / c.
    let (n, f) = split(size);
    let m = f + 1.0;
    let lower = m < 0.866_025_403_784_438_6;
    let (n, m) = if lower { (n - 1.0, 2.0 * m) } else { (n, m) };
    let middle = m > 1.224_744_871_391_589;
    let c = if middle { 1.5 } else { 1.0 };

    // s = (m - c) / (m + c), as s_high + s_low.
    let u = m - c;
    let v = 1.0 / (m + c);
    let s = u * v;
    let s_high = high(s);
    let sum_high = high(m + c);
    let sum_low = m - (sum_high - c);
    let s_low = v * (M::mad(-s_high, sum_low, M::mad(-s_high, sum_high, u)));

    // (3/2) log(m / c) = s (3 + s² + r), as p_high + p_low.
    let z = s * s;
    let r = poly!(
        M,
        z,
        0.206_975_017_800_338_42,
        0.230_660_745_775_561_75,
        0.272_728_123_808_534,
        0.333_333_329_818_377_43,
        0.428_571_428_578_550_2,
        0.599_999_999_999_994_6
    );
    let r = M::mad(r * z, z, s_low * (s_high + s));
    let square = s_high * s_high;
    let t_high = high(3.0 + square + r);
    let t_low = r - ((t_high - 3.0) - square);
    let product = s_high * t_high;
    let product_low = M::mad(s_low, t_high, t_low * s);
    let p_high = high(product + product_low);
    let p_low = product_low - (p_high - product);

    // log2(size) as log_high + log_low: p times 2 / (3 ln 2), and log2(3/2), both in two parts.
    let c_high = if middle { 0.584_962_487_220_764_2 } else { 0.0 };
    let c_low = if middle { 1.350_039_202_129_749e-8 } else { 0.0 };
    let z_high = 0.961_796_700_954_437_3 * p_high;
    let z_low = M::mad(-7.028_461_650_952_758e-9, p_high, p_low * 0.961_796_693_925_975_6) + c_low;
    let log_high = high(((z_high + z_low) + c_high) + n);
    let log_low = z_low - (((log_high - n) - c_high) - z_high);

    // Beyond 2^70 every size but 1 has overflowed, or vanished.
    let limit = 1.180_591_620_717_411_3e21;
    let above = if exponent > limit { limit } else { exponent };
    let y = if above < -limit { -limit } else { above };
    let y_high = high(y);
    let low = M::mad(y - y_high, log_high, y * log_low);
    let high = y_high * log_high;
    let sum = high + low;
    let inside = sum.abs() < 1_080.0;
    let whole = if inside {
        (sum + 0.5).floor()
    } else if sum > 0.0 {
        1_025.0
    } else {
        -1_080.0
    };
    let clamped = if whole > 1_024.0 { 1_024.0 } else { whole };
    let rest = if inside & (sum < 1_025.0) { (high - clamped) + low } else { 0.0 };
    scale::<M>(1.0 + expm1_short::<M>(rest * LN_2), clamped)
}
