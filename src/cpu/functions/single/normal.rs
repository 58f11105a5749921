//! The distribution function Φ of the normal distribution, and `x Φ(x)`: `lib/gelu.wgsl`.

use super::exp::{exp_rest, exp_whole, expm1_short};
use super::{Mad, high, least, poly, scale};

/// As in `shaders/lib/gelu.wgsl`.
#[inline(always)]
pub(in crate::cpu) fn gelu<M: Mad<f32>>(x: f32) -> f32 {
    let z = x * x;
    let p = poly!(
        M,
        z,
        5.372_643e-7,
        -9.274_401e-6,
        1.153_207_5e-4,
        -1.187_288_8e-3,
        9.973_581e-3,
        -6.649_042e-2,
        0.398_942_3
    );
    let near = x * M::mad(x, p, 0.5);
    // Beyond this the tail is 0. NaN passes.
    let size = x.abs();
    let a = least(14.5, size);
    let (n, e) = exp_half_square::<M>(a);
    let u = poly!(M, a, 1.207_606e-2, 7.667_377e-2, 0.254_889_16, 0.399_200_05);
    let v = poly!(M, a, 3.027_012_8e-2, 0.192_154_27, 0.730_986_24, 1.558_476_7, 1.895_927_2, 1.0);
    let t = 0.398_942_3 - u / v;
    let tail = scale::<M>(M::mad(t, e, t), n);
    // NaN of minus infinity, which is multiplied by 0.
    let far = if x < 0.0 { x * 0.0 - tail } else { x - tail };
    if size < 1.0 { near } else { far }
}

/// The distribution function Φ of the normal distribution.
///
/// For `a = |x|`, Φ(-a) is `e^(-a²/2) / (√2π a + u(a) / v(a))`, all of whose terms are positive, so that nothing cancels; what
/// rounding makes of `u` and `v` counts less, the larger `a` is. It is quicker than the formulas of `shaders/lib/gelu.wgsl`,
/// and as accurate where division is exact.
/// `u / v` interpolates at the Chebyshev nodes of `(a - 2) / (a + 2)` for `a` from 0 to 14.5, solved for with 90 digits
/// (mpmath). The first coefficient of `u` is twice that of `v`, so that Φ(0) is 1/2.
#[inline(always)]
pub(in crate::cpu) fn ndtr<M: Mad<f32>>(x: f32) -> f32 {
    // Beyond this the tail is 0. NaN passes.
    let size = x.abs();
    let a = least(14.5, size);
    let (n, e) = exp_half_square::<M>(a);
    let u = poly!(M, a, 2.452_292_7e-3, 2.952_041_3e-2, 0.165_004_83, 0.501_033, 0.797_884_6);
    let v = poly!(M, a, 9.782_275e-4, 1.178_183_9e-2, 6.767_548_6e-2, 0.224_838_53, 0.432_206_6, 0.398_942_3);
    let t = v / M::mad(2.506_628_3 * a, v, u);
    let tail = scale::<M>(M::mad(t, e, t), n);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// `n` and `e` of `e^(-a²/2) = 2^n (1 + e)`. `a²` is in two parts, the first of which is exact: its rounding alone would be
/// off by hundreds of units.
#[inline(always)]
fn exp_half_square<M: Mad<f32>>(a: f32) -> (f32, f32) {
    let top = high(a);
    let square = -0.5 * (top * top);
    let n = exp_whole::<M>(square);
    let r = M::mad(-0.5 * (a - top), a + top, exp_rest::<M>(square, n));
    (n, expm1_short::<M>(r))
}
