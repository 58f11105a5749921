//! Conversions between dtypes, and rounding to them.

use super::approx::{Approx, integer};
use crate::DType;
use crate::base::dtype::integers;

/// Converts a value to another dtype. A cast rounds to that dtype; a promotion only to the one that it is computed in.
pub(super) fn convert(x: Approx, from: DType, to: DType, is_cast: bool) -> Approx {
    match to {
        DType::Bool => {
            let surely_not_zero = x.v.abs() > x.e;
            Approx::of_truth(x.v != 0.0, x.is_exact() || surely_not_zero)
        }
        integers!() => {
            // Rust's conversion truncates, saturates and makes 0 of NaN.
            let low = |v: f64| if to.compute() == DType::I64 { v as i64 as f64 } else { f64::from(v as i32) };
            let y = if from.is_float() { x.monotone(low) } else { x };
            let whole = from.is_float() && to.compute() == to;
            if whole { y } else { integer(y.v as i64, to, y.is_exact()) }
        }
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
            let compute = to.compute();
            let y = match (from, compute) {
                (DType::F64, DType::F32) if !is_cast || to == DType::F32 => x.monotone(|v| round_to(DType::F32, v)),
                // WGSL leaves the direction open in which a large integer is rounded.
                (DType::I32 | DType::I64 | DType::U32, DType::F32)
                    if x.is_exact() && round_to(DType::F32, x.v) != x.v =>
                {
                    Approx { v: x.v, e: 2.0 * compute.epsilon() * x.v.abs() }
                }
                _ => x,
            };
            if is_cast && matches!(to, DType::F16 | DType::BF16) { y.monotone(|v| round_to(to, v)) } else { y }
        }
    }
}

/// The value of a float dtype nearest to `v`, ties to even; other dtypes hold what is stored in them already.
pub(super) fn round_to(dtype: DType, v: f64) -> f64 {
    match dtype {
        DType::F32 => f64::from(v as f32),
        DType::F16 => round_by_hand(v, 11, -24, 65504.0),
        DType::BF16 => round_by_hand(v, 8, -133, f64::from(f32::from_bits(0x7f7f_0000))),
        _ => v,
    }
}

/// To `digits` binary digits, none below `2^lowest`, and infinity where that is above `largest`. Written out so that
/// one rounding from f64 is one rounding, whatever a conversion goes by way of.
fn round_by_hand(v: f64, digits: i32, lowest: i32, largest: f64) -> f64 {
    if !v.is_finite() || v == 0.0 {
        return v;
    }
    let exponent = ((v.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let unit = (exponent - digits + 1).max(lowest);
    let step = 2f64.powi(unit);
    let rounded = (v / step).round_ties_even() * step;
    if rounded.abs() > largest { f64::INFINITY.copysign(v) } else { rounded.copysign(v) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_by_hand_is_what_the_half_crate_does() {
        let mut state = 1_u64;
        for i in 0..200_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Any f32: from there one rounding leads to f16 and bf16 in that crate, too.
            let v = f32::from_bits((state >> 32) as u32 ^ i);
            if v.is_nan() {
                continue;
            }
            assert_eq!(round_to(DType::F16, v.into()), half::f16::from_f32(v).to_f64(), "{v:e}");
            assert_eq!(round_to(DType::BF16, v.into()), half::bf16::from_f32(v).to_f64(), "{v:e}");
        }
        // Just above halfway: by way of f32 this would round to the tie, then down.
        assert_eq!(round_to(DType::F16, 1.0 + 2f64.powi(-11) + 2f64.powi(-40)), 1.0 + 2f64.powi(-10));
    }
}
