//! The complementary error function.
//!
//! `erfc(t) = e^(-t²) d p(1 - d)` with `d = 2 k / (t + k)` for every t from 0 on: a polynomial `p` and one quotient. It interpolates at the Chebyshev nodes for t from 0 to
//! 10.3, with k = 3, and was solved for with 45 digits (mpmath). Transformations of this kind are from M. Shepherd and
//! J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x", 1981.

use super::exp::{exp_rest, exp_whole, expm1_short};
use super::{Mad, high, least, poly, scale};

/// `e^(t²) erfc(t)`, and what it lacks.
#[inline(always)]
fn scaled_tail<M: Mad<f32>>(t: f32, k: f32) -> (f32, f32) {
    let sum = t + k;
    let d = 2.0 * k / sum;
    // What d lacks: next to 0 the function falls three times as fast as d.
    let lost = if t < k { t - (sum - k) } else { k - (sum - t) };
    let rest = (missing::<M>(d, sum, 2.0 * k) - d * lost) * (d * (0.5 / k));
    let p = poly!(
        M,
        (1.0 - d) - rest,
        -5.560_152_6e-5,
        -8.307_439e-5,
        0.000_513_099_9,
        -0.000_202_838_13,
        -0.004_472_819_6,
        0.019_921_195,
        -0.051_744_43,
        0.098_371_41,
        -0.147_232_41,
        0.179_001_15
    );
    let r = d * p;
    (r, M::mad(rest, p, -missing::<M>(d, p, r)))
}

/// `c - a b`, of which next to nothing is left.
#[inline(always)]
fn missing<M: Mad<f32>>(a: f32, b: f32, c: f32) -> f32 {
    if M::FUSED {
        return M::mad(-a, b, c);
    }
    let (a_top, b_top) = (high(a), high(b));
    ((c - a_top * b_top) - a_top * (b - b_top)) - (a - a_top) * b
}

/// The `n` and `e` of `e^(-f t²) = 2^n (1 + e)`. `t²` is in two parts, the first of which is exact or the second what it lacks: its
/// rounding alone would be off by hundreds of units.
#[inline(always)]
fn exp_square<M: Mad<f32>>(f: f32, t: f32) -> (f32, f32) {
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
pub(in crate::cpu) fn erfc<M: Mad<f32>>(x: f32) -> f32 {
    // Beyond this it is 0, or 2. NaN passes.
    let t = least(10.5, x.abs());
    let (n, e) = exp_square::<M>(1.0, t);
    let (r, lost) = scaled_tail::<M>(t, 3.0);
    let tail = scale::<M>(r + M::mad(r, e, lost), n);
    if x < 0.0 { 2.0 - tail } else { tail }
}
