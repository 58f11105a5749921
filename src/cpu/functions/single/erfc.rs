//! The complementary error function.
//!
//! `erfc(t) = e^(-t²) d p(1 - d)` with `d = 2 k / (t + k)` for every t from 0 on: a polynomial `p` and one quotient.
//! It interpolates at the Chebyshev nodes for t from 0 to
//! 10.3, with k = 3, and was solved for with 45 digits (mpmath). Transformations of this kind are from M. Shepherd and
//! J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x", 1981.

use super::exp::{exp_rest, exp_whole, expm1_short};
use super::{Mad, high, least, poly, scale};
use crate::cpu::functions::both::tails;

const K: f32 = 3.0;
/// Beyond this it is 0, or 2.
const LAST: f32 = 10.5;

tails!(f32);

/// The polynomial.
#[inline(always)]
fn tail_terms<M: Mad<f32>>(x: f32) -> f32 {
    poly!(
        M,
        x,
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
    )
}
