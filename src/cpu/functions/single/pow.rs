//! Powers: `lib/pow.wgsl`.

use std::f32::consts::LN_2;

use super::exp::expm1_short;
use super::{Mad, high, poly, scale, within};
use crate::cpu::functions::both::powers;

powers!(f32);

/// size^exponent for a size above 0 and finite numbers.
#[inline(always)]
fn power<M: Mad<f32>>(size: f32, exponent: f32) -> f32 {
    // size = 2^n m with m between √¾ and √3; its logarithm is that of c, 1 or 3/2, and that of m / c.
    let tiny = size < f32::MIN_POSITIVE;
    let bits = (if tiny { size * 16_777_216.0 } else { size }).to_bits();
    let fraction = bits & 0x007f_ffff;
    let middle = (fraction > 0x001c_c471) & (fraction < 0x005d_b3d7);
    let upper = fraction >= 0x005d_b3d7;
    let n = ((bits >> 23) as i32 - 127) as f32 - if tiny { 24.0 } else { 0.0 } + if upper { 1.0 } else { 0.0 };
    let m = f32::from_bits(fraction | if upper { 0x3f00_0000 } else { 0x3f80_0000 });
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
    let r = poly!(M, z, 0.206_975_01, 0.230_660_75, 0.272_728_12, 0.333_333_34, 0.428_571_43, 0.6);
    let r = M::mad(r * z, z, s_low * (s_high + s));
    let square = s_high * s_high;
    let t_high = high(3.0 + square + r);
    let t_low = r - ((t_high - 3.0) - square);
    let product = s_high * t_high;
    let product_low = M::mad(s_low, t_high, t_low * s);
    let p_high = high(product + product_low);
    let p_low = product_low - (p_high - product);

    // log2(size) as log_high + log_low. 0.9617967 is 2 / (3 ln 2); the rest is log2(3/2) in two parts.
    let c_high = if middle { 0.584_960_94 } else { 0.0 };
    let c_low = if middle { 1.563_220_8e-6 } else { 0.0 };
    let z_high = 0.961_914_06 * p_high;
    let z_low = M::mad(-0.000_117_368_574, p_high, p_low * 0.961_796_7) + c_low;
    let log_high = high(((z_high + z_low) + c_high) + n);
    let log_low = z_low - (((log_high - n) - c_high) - z_high);

    // Beyond 2^40 every size but 1 has overflowed, or vanished.
    let y = within(exponent, -1.099_511_6e12, 1.099_511_6e12);
    let y_high = high(y);
    let low = M::mad(y - y_high, log_high, y * log_low);
    let high = y_high * log_high;
    let inside = (high + low).abs() < 160.0;
    let whole = (within(high + low, -160.0, 160.0) + 0.5).floor();
    let rest = if inside { (high - whole) + low } else { 0.0 };
    scale::<M>(1.0 + expm1_short::<M>(rest * LN_2), whole)
}
