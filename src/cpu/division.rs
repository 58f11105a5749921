//! Divisions of integers without the instruction that divides them, which takes longer than all else of a loop.
//!
//! All give what `Integer::floored` does: quotients rounded down, 0 by 0.

use crate::expr::op::Integer;

/// The quotient, rounded down, and what it leaves, by way of f32, of which vectors hold eight.
///
/// A quotient of f32s misses that of the integers by less than `384 / |b|`, so that it leaves less than `|b| + 384`. Of
/// that a second one is right, or rounded up to the next integer. Both leave something of the wrong sign, or nothing.
#[inline(always)]
pub(super) fn floored(a: i32, b: i32) -> (i32, i32) {
    let near = |x: i32| to_i32(x as f32 / b as f32);
    let first = near(a);
    let rest = a.wrapping_sub(first.wrapping_mul(b));
    let second = near(rest);
    let rest = rest.wrapping_sub(second.wrapping_mul(b));
    let across = rest != 0 && (rest ^ b) < 0;
    let quotient = first.wrapping_add(second).wrapping_sub(i32::from(across));
    let rest = if across { rest.wrapping_add(b) } else { rest };
    if b == 0 { (0, 0) } else { (quotient, rest) }
}

/// Towards 0, at most the largest f32 below 2³¹. `as` would do one element at a time.
#[inline(always)]
#[expect(unsafe_code, reason = "a conversion without checks is one instruction, of whole vectors")]
#[allow(clippy::manual_clamp, reason = "`clamp` lets NaN through")]
fn to_i32(x: f32) -> i32 {
    let x = x.min(2_147_483_520.0).max(-2_147_483_648.0);
    // SAFETY: an i32 can hold all numbers between these two, and NaN became the first of them.
    unsafe { x.to_int_unchecked() }
}

/// What a quotient rounded towards 0 leaves: C's `%`.
#[inline(always)]
pub(super) fn fmod(a: i32, b: i32) -> i32 {
    let rest = floored(a, b).1;
    if rest != 0 && (a ^ b) < 0 { rest.wrapping_sub(b) } else { rest }
}

/// The quotient of two i64s, rounded down, and what it leaves. Small ones are divided in 32 bits, in half the time.
#[inline(always)]
pub(super) fn floored_long(a: i64, b: i64) -> (i64, i64) {
    let (Ok(size), Ok(by)) = (u32::try_from(a.unsigned_abs()), u32::try_from(b.unsigned_abs())) else {
        return a.floored(b);
    };
    if by == 0 {
        return (0, 0);
    }
    let (quotient, rest) = (i64::from(size / by), i64::from(size % by));
    // Rounded towards 0, as C's are.
    let rest = if a < 0 { -rest } else { rest };
    let quotient = if (a ^ b) < 0 { -quotient } else { quotient };
    if rest != 0 && (rest ^ b) < 0 { (quotient - 1, rest + b) } else { (quotient, rest) }
}

/// A number that many i64s are divided by: each division becomes a multiplication.
///
/// The quotient of `n < 2⁶³` by `size`, with `2^shift` the power of two from `size` on, is `n · factor / 2^(63 + shift)`
/// rounded down: `factor` exceeds `2^(63 + shift) / size` by at most 1, and so the product by less than `1 / size`. After
/// Granlund and Montgomery, "Division by invariant integers using multiplication", 1994.
#[derive(Clone, Copy)]
pub(super) struct Divisor {
    number: i64,
    size: i64,
    factor: u64,
    shift: u32,
}

impl Divisor {
    pub(super) fn new(number: i64) -> Self {
        let size = number.unsigned_abs().max(1);
        let shift = size.next_power_of_two().trailing_zeros();
        let factor = ((1_u128 << (63 + shift)) / u128::from(size)) as u64 + 1;
        Self { number, size: size as i64, factor, shift }
    }

    /// The quotient of `a`, rounded down, and what it leaves.
    #[inline(always)]
    pub(super) fn floored(self, a: i64) -> (i64, i64) {
        // A negative number is `-1 - n`, and so is its quotient.
        let sign = a >> 63;
        let twice = ((a ^ sign) as u64) << 1;
        let high = (u128::from(twice) * u128::from(self.factor)) >> 64;
        let quotient = (high as u64 >> self.shift) as i64 ^ sign;
        let rest = a.wrapping_sub(quotient.wrapping_mul(self.size));
        match self.number {
            0 => (0, 0),
            1.. => (quotient, rest),
            _ if rest == 0 => (quotient.wrapping_neg(), 0),
            _ => (!quotient, rest.wrapping_add(self.number)),
        }
    }

    /// As [`fmod`].
    #[inline(always)]
    pub(super) fn fmod(self, a: i64) -> i64 {
        let rest = self.floored(a).1;
        if rest != 0 && (a ^ self.number) < 0 { rest.wrapping_sub(self.number) } else { rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers about every power of two, and at both ends of i32.
    fn numbers() -> Vec<i32> {
        let powers = (0..32).map(|k| 1_i32 << k).flat_map(|power| [power, power.wrapping_neg()]);
        let near = |x: i32| (-3..=3).map(move |d| x.wrapping_add(d));
        powers.flat_map(near).chain((0..600).flat_map(|d| [d, -d, i32::MAX - d, i32::MIN + d])).collect()
    }

    fn random() -> impl FnMut() -> i64 {
        let mut state = 1_u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state ^ state >> 29) as i64
        }
    }

    #[test]
    fn i32s_divide_exactly_by_way_of_floats() {
        let check = |a: i32, b: i32| {
            assert_eq!(floored(a, b), a.floored(b), "{a} by {b}");
            assert_eq!(fmod(a, b), if b == 0 { 0 } else { a.wrapping_rem(b) }, "{a} by {b}");
        };
        let (numbers, mut random) = (numbers(), random());
        for &a in &numbers {
            numbers.iter().for_each(|&b| check(a, b));
        }
        for _ in 0..1_000_000 {
            let (a, b) = (random() as i32, random() as i32 >> (random() & 31));
            check(a, b);
            // Next to a multiple, where rounding could go either way.
            let multiple = a.floored(b).0.wrapping_mul(b);
            (-1..=1).for_each(|d| check(multiple.wrapping_add(d), b));
        }
    }

    #[test]
    fn i64s_divide_exactly_by_way_of_a_multiplication() {
        let check = |a: i64, b: i64| {
            let by = Divisor::new(b);
            assert_eq!(by.floored(a), a.floored(b), "{a} by {b}");
            assert_eq!(by.fmod(a), if b == 0 { 0 } else { a.wrapping_rem(b) }, "{a} by {b}");
            assert_eq!(floored_long(a, b), a.floored(b), "{a} by {b}");
        };
        let mut random = random();
        let powers = (0..64).map(|k| 1_i64 << k).flat_map(|power| [power, power.wrapping_neg()]);
        let numbers: Vec<i64> = powers.flat_map(|x| (-3..=3).map(move |d| x.wrapping_add(d))).collect();
        for &a in &numbers {
            numbers.iter().for_each(|&b| check(a, b));
        }
        for _ in 0..200_000 {
            let (a, b) = (random(), random() >> (random() & 63));
            check(a, b);
            let multiple = a.floored(b).0.wrapping_mul(b);
            (-1..=1).for_each(|d| check(multiple.wrapping_add(d), b));
        }
    }
}
