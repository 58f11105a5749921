//! The complementary error function.
//!
//! `erfc(t) = e^(-t²) d p(1 - d)` with `d = 2 k / (t + k)` for every t from 0 on: a polynomial `p` and one quotient.
//! It interpolates at the Chebyshev nodes for t from 0 to
//! 27.3, with k = 3.75, and was solved for with 45 digits (mpmath). Transformations of this kind are from M. Shepherd and
//! J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x", 1981.

use super::exp::{exp_rest, exp_whole, expm1_short};
use super::{Mad, high, least, poly, scale};
use crate::cpu::functions::both::tails;

const K: f64 = 3.75;
/// Beyond this it is 0, or 2.
const LAST: f64 = 27.5;

tails!(f64);

/// The polynomial.
#[inline(always)]
fn tail_terms<M: Mad<f64>>(x: f64) -> f64 {
    poly!(
        M,
        x,
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
    )
}
