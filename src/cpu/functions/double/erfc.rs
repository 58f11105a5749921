//! The complementary error function.
//!
//! `erfc(t) = e^(-t²) d p(1 - d)` with `d = 2 k / (t + k)` for every t from 0 on: a polynomial `p` and one quotient. It interpolates at the Chebyshev nodes for t from 0 to
//! 27.3, with k = 3.75, and was solved for with 45 digits (mpmath). Transformations of this kind are from M. Shepherd and
//! J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x", 1981.

use super::exp::{exp_rest, exp_whole, expm1_short};
use super::{Mad, high, least, poly, scale};

/// `e^(t²) erfc(t)`, and what it lacks.
#[inline(always)]
fn scaled_tail<M: Mad<f64>>(t: f64, k: f64) -> (f64, f64) {
    let sum = t + k;
    let d = 2.0 * k / sum;
    // What d lacks: next to 0 the function falls three times as fast as d.
    let lost = if t < k { t - (sum - k) } else { k - (sum - t) };
    let rest = (missing::<M>(d, sum, 2.0 * k) - d * lost) * (d * (0.5 / k));
    let p = poly!(
        M,
        (1.0 - d) - rest,
        -1.735_266_912_244_732e-10,
        -6.182_563_078_265_934e-10,
        8.273_943_972_039_634e-10,
        5.387_347_734_626_079_6e-9,
        -4.097_185_871_245_859e-9,
        -3.530_548_566_703_565e-8,
        3.767_134_661_184_327_6e-8,
        2.209_496_881_259_130_5e-7,
        -4.387_420_106_725_047e-7,
        -1.187_265_439_367_471_2e-6,
        4.996_265_582_427_145e-6,
        1.412_554_296_807_321e-6,
        -4.648_625_283_864_955e-5,
        0.000_105_976_409_091_550_05,
        0.000_131_511_744_439_262_8,
        -0.001_671_450_671_673_400_6,
        0.006_549_170_482_014_162,
        -0.017_594_053_490_499_886,
        0.037_208_273_204_504_92,
        -0.065_396_038_827_689_66,
        0.098_175_856_696_233_55,
        -0.127_832_210_220_387_96,
        0.145_589_721_275_038_55
    );
    let r = d * p;
    (r, M::mad(rest, p, -missing::<M>(d, p, r)))
}

/// `c - a b`, of which next to nothing is left.
#[inline(always)]
fn missing<M: Mad<f64>>(a: f64, b: f64, c: f64) -> f64 {
    if M::FUSED {
        return M::mad(-a, b, c);
    }
    let (a_top, b_top) = (high(a), high(b));
    ((c - a_top * b_top) - a_top * (b - b_top)) - (a - a_top) * b
}

/// The `n` and `e` of `e^(-f t²) = 2^n (1 + e)`. `t²` is in two parts, the first of which is exact or the second what it lacks: its
/// rounding alone would be off by hundreds of units.
#[inline(always)]
fn exp_square<M: Mad<f64>>(f: f64, t: f64) -> (f64, f64) {
    let (square, rest) = if M::FUSED {
        let square = t * t;
        (square, M::mad(t, t, -square))
    } else {
        let top = high(t);
        (top * top, (t - top) * (t + top))
    };
    let n = exp_whole::<M>(-f * square);
    let r = M::mad(-f, rest, exp_rest::<M>(-f * square, n));
    (n, expm1_short::<M>(r))
}

#[inline(always)]
pub(in crate::cpu) fn erfc<M: Mad<f64>>(x: f64) -> f64 {
    // Beyond this it is 0, or 2. NaN passes.
    let t = least(27.5, x.abs());
    let (n, e) = exp_square::<M>(1.0, t);
    let (r, lost) = scaled_tail::<M>(t, 3.75);
    let tail = scale::<M>(r + M::mad(r, e, lost), n);
    if x < 0.0 { 2.0 - tail } else { tail }
}
