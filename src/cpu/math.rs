//! Formulas on single elements, written without branches so that a loop over them becomes SIMD code.

/// Elements that are compared.
pub(super) trait Compared: PartialOrd + Copy {
    /// What is larger and smaller than any other where there is such an element; no integer is.
    const NAN: Self;
}

macro_rules! compared {
    ($($t:ident: $nan:expr;)*) => {$(
        impl Compared for $t {
            const NAN: Self = $nan;
        }
    )*};
}
compared! { f32: f32::NAN; f64: f64::NAN; i32: 0; i64: 0; }

/// The larger; NaN if either is.
#[inline(always)]
pub(super) fn maximum<T: Compared>(a: T, b: T) -> T {
    // One instruction, which gives `b` where either is NaN. Were it `a` itself that is given for NaN, a compiler would make
    // one selection of both, after two comparisons.
    let larger = if a > b { a } else { b };
    if is_nan(a) { T::NAN } else { larger }
}

/// The smaller; NaN if either is.
#[inline(always)]
pub(super) fn minimum<T: Compared>(a: T, b: T) -> T {
    let smaller = if a < b { a } else { b };
    if is_nan(a) { T::NAN } else { smaller }
}

/// As [`Step::Order`](crate::expr::graph::Step::Order).
#[inline(always)]
pub(super) fn order(x: f32) -> i32 {
    // Of -0 this makes 0.
    let bits = (x + 0.0).to_bits() as i32;
    let order = bits ^ ((bits >> 31) as u32 >> 1) as i32;
    if x.is_nan() { i32::MIN } else { order }
}

/// The float that has this [`order`].
#[inline(always)]
pub(super) fn of_order(order: i32) -> f32 {
    f32::from_bits((order ^ ((order >> 31) as u32 >> 1) as i32) as u32)
}

/// An i64 for an f64, in the same order: of both zeros 0, of NaN less than of any number.
#[inline(always)]
pub(super) fn order_of_f64(x: f64) -> i64 {
    // Of -0 this makes 0.
    let bits = (x + 0.0).to_bits() as i64;
    let order = bits ^ ((bits >> 63) as u64 >> 1) as i64;
    if x.is_nan() { i64::MIN } else { order }
}

/// The float that has this [order](order_of_f64).
#[inline(always)]
pub(super) fn f64_of_order(order: i64) -> f64 {
    f64::from_bits((order ^ ((order >> 63) as u64 >> 1) as i64) as u64)
}

/// As [`Step::Words`](crate::expr::graph::Step::Words).
#[inline(always)]
pub(super) fn words(upper: i32, lower: i32) -> i64 {
    i64::from(upper) << 32 | i64::from(lower as u32)
}

#[inline(always)]
#[allow(clippy::eq_op, reason = "what differs from itself is NaN, whatever the type")]
fn is_nan<T: PartialOrd + Copy>(x: T) -> bool {
    x != x
}

/// Exact. After Fabian Giesen's half-to-float.
#[inline(always)]
pub(super) fn f16_to_f32(half: u16) -> f32 {
    let bits = u32::from(half & 0x7fff) << 13;
    // The exponent's bias goes from 15 to 127 by a multiplication, which also makes subnormals normal.
    let value = f32::from_bits(bits) * f32::from_bits((254 - 15) << 23);
    let special = if half & 0x7c00 == 0x7c00 { 0xff << 23 } else { 0 };
    f32::from_bits(value.to_bits() | special | u32::from(half & 0x8000) << 16)
}

/// To nearest, ties to even. After Fabian Giesen's float-to-half.
#[inline(always)]
pub(super) fn f32_to_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let sign = (bits >> 16) & 0x8000;
    // Subnormal halves: adding this makes the FPU shift and round where half's last bit is.
    let shift = f32::from_bits(((127 - 15) + (23 - 10) + 1) << 23);
    let small = (f32::from_bits(magnitude) + shift).to_bits().wrapping_sub(shift.to_bits());
    let odd = (magnitude >> 13) & 1;
    let normal = magnitude.wrapping_add((15_u32.wrapping_sub(127) << 23).wrapping_add(0xfff)).wrapping_add(odd) >> 13;
    // From 65520 on, what is nearest is infinity.
    let large = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let value = if magnitude < (113 << 23) { small } else { normal };
    let value = if magnitude >= (143 << 23) { large } else { value };
    (value | sign) as u16
}

/// The half next to `x`, as [`f32_to_f16`] has it, in half the time of going there and back.
#[inline(always)]
pub(super) fn nearest_f16(x: f32) -> f32 {
    let magnitude = x.to_bits() & 0x7fff_ffff;
    let odd = (magnitude >> 13) & 1;
    let normal = (magnitude + 0xfff + odd) & !0x1fff;
    // Subnormal halves are multiples of 2^-24, as sums from 1/2 to 1 are.
    let small = (f32::from_bits(magnitude) + 0.5 - 0.5).to_bits();
    let value = if magnitude < (113 << 23) { small } else { normal };
    // What is rounded to 65536 is infinite.
    let large = if magnitude > 0x7f80_0000 { 0x7fc0_0000 } else { 0x7f80_0000 };
    let value = if value >= (143 << 23) { large } else { value };
    f32::from_bits(value).copysign(x)
}

/// Exact.
#[inline(always)]
pub(super) fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// To nearest, ties to even.
#[inline(always)]
pub(super) fn f32_to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding could carry a NaN into infinity, or past it.
    (if x.is_nan() { (bits >> 16) | 0x40 } else { rounded }) as u16
}

macro_rules! to_i32 {
    ($($name:ident of $t:ident, at most $most:literal;)*) => {$(
        /// As `x as i32`, of which no vector would be made: towards 0, what is out of range as the end of it, NaN as 0.
        #[inline(always)]
        #[expect(unsafe_code, reason = "a conversion without checks is one instruction, of whole vectors")]
        #[allow(clippy::manual_clamp, reason = "`clamp` lets NaN through")]
        pub(super) fn $name(x: $t) -> i32 {
            let near = (if x.is_nan() { 0.0 } else { x }).min($most).max(-2_147_483_648.0);
            // SAFETY: it is no NaN, and an i32 holds all numbers between these two.
            let whole: i32 = unsafe { near.to_int_unchecked() };
            if x > $most { i32::MAX } else { whole }
        }
    )*};
}
to_i32! {
    f32_to_i32 of f32, at most 2_147_483_520.0;
    f64_to_i32 of f64, at most 2_147_483_647.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::element::to_odd;
    use half::{bf16, f16};

    #[test]
    fn halves_of_every_bit_pattern_go_there_and_back() {
        for bits in 0..=u16::MAX {
            let (h, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            if h.is_nan() {
                assert!(f16_to_f32(bits).is_nan() && f16::from_bits(f32_to_f16(f16_to_f32(bits))).is_nan());
            } else {
                assert_eq!(f16_to_f32(bits).to_bits(), h.to_f32_const().to_bits(), "{bits:#x}");
                assert_eq!(f32_to_f16(f16_to_f32(bits)), bits);
            }
            if b.is_nan() {
                assert!(bf16::from_bits(f32_to_bf16(bf16_to_f32(bits))).is_nan());
            } else {
                assert_eq!(f32_to_bf16(bf16_to_f32(bits)), bits);
            }
        }
    }

    #[test]
    fn floats_become_i32s_as_they_do_by_themselves() {
        for bits in (0..=u32::MAX).step_by(499).chain([0x4eff_ffff, 0x4f00_0000, 0xcf00_0000, 0xcf00_0001, 0x7f80_0000])
        {
            let x = f32::from_bits(bits);
            assert_eq!(f32_to_i32(x), x as i32, "{x:e}");
            for x in
                [f64::from(x), f64::from(x).next_up(), f64::from(bits as i32) + 0.75, 2_147_483_647.5, -2_147_483_648.5]
            {
                assert_eq!(f64_to_i32(x), x as i32, "{x:e}");
            }
        }
    }

    #[test]
    fn the_nearest_half_is_the_one_there_and_back() {
        let middles = (0..=0x7c00_u16).map(|bits| f16_to_f32(bits).to_bits() + 0x1000);
        let around = middles.flat_map(|bits| [bits - 1, bits, bits + 1]);
        for bits in around.chain((0..=u32::MAX).step_by(997)) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let (got, want) = (nearest_f16(x), f16_to_f32(f32_to_f16(x)));
                assert!(
                    got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                    "{x:e}: {got:e} not {want:e}"
                );
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_even_and_happens_once() {
        // Between each half and the next: the middle goes to the even one, its neighbours to their own side.
        for bits in 0..0x7c00_u16 {
            let low = f64::from(f16_to_f32(bits));
            let high = if bits == 0x7bff { 65536.0 } else { f64::from(f16_to_f32(bits + 1)) };
            let middle = low.midpoint(high);
            let even = bits + (bits & 1);
            for (x, want) in [(middle.next_down(), bits), (middle, even), (middle.next_up(), bits + 1)] {
                assert_eq!(f32_to_f16(to_odd(x)), want, "{x:e}");
                assert_eq!(f32_to_f16(to_odd(-x)), want | 0x8000, "-{x:e}");
                if f64::from(x as f32) == x {
                    assert_eq!(f32_to_f16(x as f32), want);
                }
            }
        }
        for bits in 0..0x7f7f_u16 {
            let (low, high) = (f64::from(bf16_to_f32(bits)), f64::from(bf16_to_f32(bits + 1)));
            let middle = low.midpoint(high);
            let even = bits + (bits & 1);
            for (x, want) in [(middle.next_down(), bits), (middle, even), (middle.next_up(), bits + 1)] {
                assert_eq!(f32_to_bf16(to_odd(x)), want, "{x:e}");
            }
        }
        for x in [f64::MAX, f64::INFINITY, 1e300] {
            assert_eq!((f32_to_f16(to_odd(x)), f32_to_bf16(to_odd(x))), (0x7c00, 0x7f80));
        }
        assert!(to_odd(f64::NAN).is_nan());
        assert_eq!(f32_to_f16(to_odd(-0.0)), 0x8000);
        assert_eq!(f32_to_f16(to_odd(1e-320)), 0);
    }
}
