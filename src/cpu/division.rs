//! Divisions of integers without the instruction that divides them, which takes longer than all else of a loop.
//!
//! All give what `Integer::floored` does: quotients rounded down, 0 by 0.

use std::marker::PhantomData;

use super::loops::Loop;
use super::widest::{self, Formula, Prepare, wide2, wide2_prepared};
use crate::expr::op::Integer;
use crate::{BinaryOp, DType};

/// What is wanted of a division, of which the quotient is rounded down.
trait Wanted<T>: Copy + 'static {
    fn of(a: T, b: T, quotient_and_rest: (T, T)) -> T;
}

#[derive(Clone, Copy)]
struct Quotient;

/// What is left, which has the sign of the divisor.
#[derive(Clone, Copy)]
struct Remainder;

/// What a quotient rounded towards 0 leaves: C's `%`.
#[derive(Clone, Copy)]
struct Fmod;

macro_rules! wanted {
    ($($t:ty)*) => {$(
        impl Wanted<$t> for Quotient {
            #[inline(always)]
            fn of(_: $t, _: $t, (quotient, _): ($t, $t)) -> $t {
                quotient
            }
        }

        impl Wanted<$t> for Remainder {
            #[inline(always)]
            fn of(_: $t, _: $t, (_, rest): ($t, $t)) -> $t {
                rest
            }
        }

        impl Wanted<$t> for Fmod {
            #[inline(always)]
            fn of(a: $t, b: $t, (_, rest): ($t, $t)) -> $t {
                if rest != 0 && (a ^ b) < 0 { rest.wrapping_sub(b) } else { rest }
            }
        }
    )*};
}
wanted!(i32 i64);

/// The loop of a division of integers.
pub(super) fn divide(op: BinaryOp, dtype: DType) -> Option<Loop> {
    match op {
        BinaryOp::FloorDivide => wanted::<Quotient>(dtype),
        BinaryOp::Remainder => wanted::<Remainder>(dtype),
        BinaryOp::Fmod => wanted::<Fmod>(dtype),
        _ => None,
    }
}

fn wanted<W: Wanted<i32> + Wanted<i64>>(dtype: DType) -> Option<Loop> {
    Some(match dtype {
        DType::I32 => wide2_prepared::<i32, Divisor, _>(ByFloats::<W>(PhantomData)),
        // Only there do vectors make floats of i64s.
        DType::I64 if widest::is_there() => wide2::<i64, _>(ByFloats::<W>(PhantomData)),
        DType::I64 => wide2_prepared::<i64, LongDivisor, _>(OneByOne::<W>(PhantomData)),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
struct ByFloats<W>(PhantomData<W>);

impl<W: Wanted<i32>> Formula<(i32, i32)> for ByFloats<W> {
    type Out = i32;

    #[inline(always)]
    fn near<const FUSED: bool>((a, b): (i32, i32)) -> i32 {
        W::of(a, b, floored(a, b))
    }
}

impl<W: Wanted<i32>> Formula<(i32, Divisor)> for ByFloats<W> {
    type Out = i32;

    #[inline(always)]
    fn near<const FUSED: bool>((a, by): (i32, Divisor)) -> i32 {
        W::of(a, by.number, by.floored(a))
    }
}

impl<W: Wanted<i64>> Formula<(i64, i64)> for ByFloats<W> {
    type Out = i64;
    const GUARDED: bool = true;
    const FAR_IS_FORMULA: bool = true;

    #[inline(always)]
    fn near<const FUSED: bool>((a, b): (i64, i64)) -> i64 {
        W::of(a, b, floored_exact(a, b))
    }

    #[inline(always)]
    fn is_far<const FUSED: bool>((a, b): (i64, i64)) -> bool {
        !(is_exact(a) & is_exact(b))
    }

    #[inline(always)]
    fn far((a, b): (i64, i64)) -> i64 {
        W::of(a, b, floored_by_f64(a, b))
    }
}

/// Without vectors.
#[derive(Clone, Copy)]
struct OneByOne<W>(PhantomData<W>);

impl<W: Wanted<i64>> Formula<(i64, i64)> for OneByOne<W> {
    type Out = i64;

    #[inline(always)]
    fn near<const FUSED: bool>((a, b): (i64, i64)) -> i64 {
        W::of(a, b, floored_long(a, b))
    }
}

impl<W: Wanted<i64>> Formula<(i64, LongDivisor)> for OneByOne<W> {
    type Out = i64;

    #[inline(always)]
    fn near<const FUSED: bool>((a, by): (i64, LongDivisor)) -> i64 {
        W::of(a, by.number, by.floored(a))
    }
}

/// Whether [`floored_exact`] is for this.
#[inline(always)]
fn is_exact(x: i64) -> bool {
    const LEAST: i64 = -(1 << 51);
    (x.wrapping_sub(LEAST) as u64) < 1 << 52
}

/// The quotient of two integers below 2^51 in size, rounded down, and what it leaves, in f64, which holds both.
///
/// The product with the reciprocal is within two roundings of the quotient, and so within `1 / 2|b|`. Rounded to the nearest
/// integer it leaves at most `|b| / 2 + 1 / 2`, which a fused step finds exactly: less than `|b|`, as the reciprocal of 1 is
/// exact. If it has the wrong sign, one more `b` is to be added.
#[inline(always)]
fn floored_exact(a: i64, b: i64) -> (i64, i64) {
    let (x, y) = (a as f64, b as f64);
    let by = if b == 0 { 0.0 } else { 1.0 / y };
    let quotient = (x * by).round_ties_even();
    let rest = (-quotient).mul_add(y, x);
    let across = rest != 0.0 && ((rest < 0.0) != (y < 0.0));
    let quotient = if across { quotient - 1.0 } else { quotient };
    let rest = if across { rest + y } else { rest };
    if b == 0 { (0, 0) } else { (to_exact(quotient), to_exact(rest)) }
}

/// An integer below 2^51 in size. Of anything else, which is computed before anyone looks and thrown away, any integer.
#[inline(always)]
fn to_exact(x: f64) -> i64 {
    // From here on, up to 2^52 further, one is the last digit of a float.
    const FIRST: f64 = 6_755_399_441_055_744.0;
    (x + FIRST).to_bits().wrapping_sub(FIRST.to_bits()) as i64
}

macro_rules! floored {
    ($($name:ident $whole:ident of $t:ident by $f:ident, at most $most:literal;)*) => {$(
        /// The quotient, rounded down, and what it leaves, by way of floats, of which vectors hold as many.
        ///
        /// A quotient by the reciprocal is within four roundings of the true one. So of k bits and d digits the first leaves less
        /// than `|b| + 2^(k + 1 - d)`, and the second, which is rounded to the nearest integer, misses its quotient by less than
        /// 1: what that leaves is less than `|b|`, and if it has the wrong sign, one more `b` is to be added.
        #[inline(always)]
        pub(super) fn $name(a: $t, b: $t) -> ($t, $t) {
            let by = if b == 0 { 0.0 } else { 1.0 / b as $f };
            // The largest that fits. Nothing is too far below 0: that is what is left by 1, of which the reciprocal is exact.
            let first = $whole((a as $f * by).min($most));
            let rest = a.wrapping_sub(first.wrapping_mul(b));
            let second = $whole((rest as $f * by).round_ties_even());
            let rest = rest.wrapping_sub(second.wrapping_mul(b));
            let across = rest != 0 && (rest ^ b) < 0;
            let quotient = first.wrapping_add(second).wrapping_sub($t::from(across));
            let rest = if across { rest.wrapping_add(b) } else { rest };
            if b == 0 { (0, 0) } else { (quotient, rest) }
        }

        /// Towards 0. `as` would do one element at a time.
        #[inline(always)]
        #[expect(unsafe_code, reason = "a conversion without checks is one instruction, of whole vectors")]
        fn $whole(x: $f) -> $t {
            debug_assert!(($t::MIN as $f..=$most).contains(&x), "{x} is out of range");
            // SAFETY: an integer times a finite reciprocal is not NaN, and in range as its caller says.
            unsafe { x.to_int_unchecked() }
        }
    )*};
}
floored! {
    floored to_i32 of i32 by f32, at most 2_147_483_520.0;
    floored_by_f64 to_i64 of i64 by f64, at most 9_223_372_036_854_774_784.0;
}

/// The quotient of two i64s, rounded down, and what it leaves, where no vector holds floats of i64s. Small ones are divided in
/// 32 bits, in half the time.
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

macro_rules! divisors {
    ($($name:ident of $t:ident, $size:ident, $twice:ident;)*) => {$(
        /// A number that many integers are divided by: each division becomes a multiplication.
        ///
        /// Of `k` bits, the quotient of `n < 2^(k - 1)` by `size`, with `2^shift` the power of two from `size` on, is
        /// `n · factor / 2^(k - 1 + shift)` rounded down: `factor` exceeds `2^(k - 1 + shift) / size` by at most 1, and so the
        /// product by less than `1 / size`. After Granlund and Montgomery, "Division by invariant integers using
        /// multiplication", 1994.
        #[derive(Clone, Copy)]
        pub(super) struct $name {
            number: $t,
            size: $t,
            factor: $size,
            shift: u32,
        }

        impl $name {
            pub(super) fn new(number: $t) -> Self {
                let size = number.unsigned_abs().max(1);
                let shift = size.next_power_of_two().trailing_zeros();
                let factor = ((1 << ($t::BITS - 1 + shift)) / $twice::from(size)) as $size + 1;
                Self { number, size: size as $t, factor, shift }
            }

            /// The quotient of `a`, rounded down, and what it leaves.
            #[inline(always)]
            pub(super) fn floored(self, a: $t) -> ($t, $t) {
                // A negative number is `-1 - n`, and so is its quotient.
                let sign = a >> ($t::BITS - 1);
                let twice = ((a ^ sign) as $size) << 1;
                let high = ($twice::from(twice) * $twice::from(self.factor)) >> $t::BITS;
                let quotient = (high as $size >> self.shift) as $t ^ sign;
                let rest = a.wrapping_sub(quotient.wrapping_mul(self.size));
                match self.number {
                    0 => (0, 0),
                    1.. => (quotient, rest),
                    _ if rest == 0 => (quotient.wrapping_neg(), 0),
                    _ => (!quotient, rest.wrapping_add(self.number)),
                }
            }
        }

        impl Prepare<$t> for $name {
            fn prepare(number: $t) -> Self {
                Self::new(number)
            }
        }
    )*};
}
divisors! {
    Divisor of i32, u32, u64;
    LongDivisor of i64, u64, u128;
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
    fn i32s_divide_exactly() {
        let check = |a: i32, b: i32| {
            assert_eq!(floored(a, b), a.floored(b), "{a} by {b}");
            let left = if b == 0 { 0 } else { a.wrapping_rem(b) };
            assert_eq!(Fmod::of(a, b, floored(a, b)), left, "{a} by {b}");
            assert_eq!(Divisor::new(b).floored(a), a.floored(b), "{a} by {b}, a number");
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
    fn i64s_divide_exactly() {
        let check = |a: i64, b: i64| {
            let floored = a.floored(b);
            assert_eq!(LongDivisor::new(b).floored(a), floored, "{a} by {b}, a number");
            assert_eq!(floored_long(a, b), floored, "{a} by {b}");
            assert_eq!(floored_by_f64(a, b), floored, "{a} by {b}, by way of f64");
            assert_eq!(Fmod::of(a, b, floored), if b == 0 { 0 } else { a.wrapping_rem(b) }, "{a} by {b}");
            // What is not exact is computed, too, and must not fail.
            let by_floats = floored_exact(a, b);
            assert!(by_floats == floored || !(is_exact(a) && is_exact(b)), "{a} by {b}, in f64: {by_floats:?}");
        };
        let mut random = random();
        let powers = (0..64).map(|k| 1_i64 << k).flat_map(|power| [power, power.wrapping_neg()]);
        let numbers: Vec<i64> = powers.flat_map(|x| (-3..=3).map(move |d| x.wrapping_add(d))).collect();
        for &a in &numbers {
            numbers.iter().for_each(|&b| check(a, b));
        }
        for _ in 0..200_000 {
            let (a, b) = (random() >> (random() & 63), random() >> (random() & 63));
            check(a, b);
            let multiple = a.floored(b).0.wrapping_mul(b);
            (-1..=1).for_each(|d| check(multiple.wrapping_add(d), b));
        }
    }
}
