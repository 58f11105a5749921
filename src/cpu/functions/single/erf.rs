//! Error functions: the inverse, and `erf` after Norbert Juffa's `erff`.

use super::exp::exp;
use super::log::log;
use super::{Mad, poly};

#[inline(always)]
pub(in crate::cpu) fn erf<M: Mad<f32>>(x: f32) -> f32 {
    let (t, s) = (x.abs(), x * x);
    let p = M::mad(t, -1.728_534_7e-5, 3.831_971_3e-4);
    let q = M::mad(t, -3.883_964_4e-3, 2.425_462_2e-2);
    let p = poly!(M, t, M::mad(p, s, q), -0.106_777_88, -0.634_846_7, -0.128_717_51);
    let large = (1.0 - exp::<M>(M::mad(p, t, -t))).copysign(x);
    let p = poly!(M, s, -5.967_617e-4, 4.991_194_3e-3, -2.676_813_5e-2, 0.112_819_925, -0.376_125_34, 0.128_379_17);
    let small = M::mad(p, x, x);
    if t > 0.927_734_4 { large } else { small }
}

/// `x p(w)` with `w = -log(1 - x²)`, in two ranges. Of this form is M. Giles, "Approximating the erfinv function", 2010; the
/// polynomials interpolate at the Chebyshev nodes and were solved for with 32 digits (mpmath).
#[inline(always)]
pub(in crate::cpu) fn erfinv<M: Mad<f32>>(x: f32) -> f32 {
    let size = x.abs();
    let w = -log::<M>((1.0 - size) * (1.0 + size));
    let near = poly!(
        M,
        w - 2.5,
        -8.931_926e-9,
        2.333_596_8e-8,
        4.681_313_6e-7,
        -3.463_985_2e-6,
        -4.972_42e-6,
        0.000_218_349_39,
        -0.001_252_726_4,
        -0.004_177_393,
        0.246_640_28,
        1.501_409_4
    );
    let far = poly!(
        M,
        w.sqrt() - 3.125,
        0.000_113_908_17,
        -0.000_179_766_59,
        -0.000_297_566_5,
        0.001_319_655_9,
        -0.002_535_065_9,
        0.003_777_516_5,
        -0.005_298_208_4,
        0.007_049_646_7,
        1.003_718_5,
        2.958_320_1
    );
    let y = x * if w < 5.0 { near } else { far };
    if size == 1.0 { f32::INFINITY.copysign(x) } else { y }
}
