//! How elements are joined in scans, where that is other than in reductions.

use crate::cpu::fold::Join;

/// Sums of f64, each with what its rounding leaves out, which is added up beside it.
pub(super) struct Kept;

impl Join<f64> for Kept {
    type Acc = [f64; 2];
    const NONE: [f64; 2] = [0.0; 2];
    #[inline(always)]
    fn pair(a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn widen(x: f64) -> [f64; 2] {
        [x, 0.0]
    }
    #[inline(always)]
    fn join(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        let sum = a[0] + b[0];
        let part = sum - a[0];
        let left_out = (a[0] - (sum - part)) + (b[0] - part);
        [sum, a[1] + b[1] + left_out]
    }
    #[inline(always)]
    fn narrow(acc: [f64; 2]) -> f64 {
        // Nothing is left out of what is infinite.
        if acc[0].is_finite() { acc[0] + acc[1] } else { acc[0] }
    }
}

/// Logarithms of sums of exponentials: the largest so far, and the sum of the exponentials of differences from it.
pub(super) struct Logaddexp;

macro_rules! logaddexp {
    ($t:ty) => {
        #[allow(clippy::unnecessary_cast, reason = "for f32 they are none")]
        impl Join<$t> for Logaddexp {
            type Acc = [f64; 2];
            const NONE: [f64; 2] = [f64::NEG_INFINITY, 0.0];
            fn pair(a: $t, b: $t) -> $t {
                <Self as Join<$t>>::narrow(<Self as Join<$t>>::join([a as f64, 1.0], [b as f64, 1.0]))
            }
            #[inline(always)]
            fn widen(x: $t) -> [f64; 2] {
                [x as f64, 1.0]
            }
            #[inline(always)]
            fn join([a, sum_a]: [f64; 2], [b, sum_b]: [f64; 2]) -> [f64; 2] {
                // Infinities of one sign are equal, and their difference NaN.
                if a == b {
                    [a, sum_a + sum_b]
                } else if a > b {
                    [a, sum_a + sum_b * (b - a).exp()]
                } else {
                    [b, sum_a * (a - b).exp() + sum_b]
                }
            }
            #[inline(always)]
            fn narrow([largest, sum]: [f64; 2]) -> $t {
                (largest + sum.ln()) as $t
            }
        }
    };
}
logaddexp!(f32);
logaddexp!(f64);
