//! What is left of a division by a whole number of times: `fmod`, `remainder`, `floor_divide`, of quotients that a float holds
//! exactly. Others, and zeros and infinities, are for the meaning in the table of operations.

use super::Mad;

/// The quotient rounded towards 0, and what is left, exactly: of f32, in f64.
///
/// Unless it is whole, a quotient of two f32 is further from a whole number than 2^-25, so that below 2^28 no rounding in f64
/// reaches one; its product with the divisor has 52 digits.
#[inline(always)]
fn divided_f32(a: f32, b: f32) -> (f64, f64) {
    let (a, b) = (f64::from(a), f64::from(b));
    let quotient = (a / b).trunc();
    (quotient, a - quotient * b)
}

/// Whether `divided_f32` is not for these.
#[inline(always)]
pub(in crate::cpu) fn is_far_f32((a, b): (f32, f32)) -> bool {
    !((a.abs() < 268_435_456.0 * b.abs()) & (b.abs() < f32::INFINITY))
}

#[inline(always)]
pub(in crate::cpu) fn fmod_f32((a, b): (f32, f32)) -> f32 {
    (divided_f32(a, b).1 as f32).copysign(a)
}

/// Whether what is left has another sign than the divisor.
#[inline(always)]
fn is_across(rest: f64, b: f64) -> bool {
    (rest != 0.0) & ((rest < 0.0) != (b < 0.0))
}

#[inline(always)]
pub(in crate::cpu) fn remainder_f32((a, b): (f32, f32)) -> f32 {
    let rest = divided_f32(a, b).1;
    let other = (rest + f64::from(b)) as f32;
    if is_across(rest, f64::from(b)) { other } else { (rest as f32).copysign(a) }
}

#[inline(always)]
pub(in crate::cpu) fn floor_divide_f32((a, b): (f32, f32)) -> f32 {
    let (quotient, rest) = divided_f32(a, b);
    let quotient = if is_across(rest, f64::from(b)) { quotient - 1.0 } else { quotient };
    let signed = if a.is_sign_negative() == b.is_sign_negative() { 0.0 } else { -0.0 };
    if quotient == 0.0 { signed } else { quotient as f32 }
}

/// The quotient of two f64 rounded towards 0, and what is left, exactly where a fused step has the digits of the product. The
/// quotient's rounding may have reached a whole number: then what is left is below 0, and one divisor short.
#[inline(always)]
fn divided_f64<M: Mad<f64>>(a: f64, b: f64) -> (f64, f64) {
    let quotient = (a / b).trunc();
    let rest = M::mad(-quotient, b, a);
    let beyond = (rest != 0.0) & ((rest < 0.0) != (a < 0.0));
    let step = if (a < 0.0) == (b < 0.0) { 1.0 } else { -1.0 };
    (if beyond { quotient - step } else { quotient }, if beyond { M::mad(step, b, rest) } else { rest })
}

/// Whether `divided_f64` is not for these: all, where products are rounded.
#[inline(always)]
pub(in crate::cpu) fn is_far_f64<M: Mad<f64>>((a, b): (f64, f64)) -> bool {
    let is_near = (a.abs() < 1_125_899_906_842_624.0 * b.abs()) & (b.abs() < f64::INFINITY) & (b.abs() > 1e-290);
    !(M::FUSED & is_near)
}

#[inline(always)]
pub(in crate::cpu) fn fmod_f64<M: Mad<f64>>((a, b): (f64, f64)) -> f64 {
    divided_f64::<M>(a, b).1.copysign(a)
}

#[inline(always)]
pub(in crate::cpu) fn remainder_f64<M: Mad<f64>>((a, b): (f64, f64)) -> f64 {
    let rest = divided_f64::<M>(a, b).1;
    if is_across(rest, b) { rest + b } else { rest.copysign(a) }
}

#[inline(always)]
pub(in crate::cpu) fn floor_divide_f64<M: Mad<f64>>((a, b): (f64, f64)) -> f64 {
    let (quotient, rest) = divided_f64::<M>(a, b);
    let quotient = if is_across(rest, b) { quotient - 1.0 } else { quotient };
    let signed = if a.is_sign_negative() == b.is_sign_negative() { 0.0 } else { -0.0 };
    if quotient == 0.0 { signed } else { quotient }
}
