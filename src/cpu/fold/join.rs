//! How two elements, or two accumulators, become one.

use bytemuck::Pod;

use crate::cpu::math::{maximum, minimum};

/// How elements of type `T` are folded: in which type, how two become one, and what stands for none.
pub(in crate::cpu) trait Join<T>: 'static {
    type Acc: Pod;
    const NONE: Self::Acc;
    /// Whether a join need not be exact.
    const ROUNDS: bool = true;
    fn pair(a: T, b: T) -> T;
    fn widen(x: T) -> Self::Acc;
    fn join(a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn narrow(acc: Self::Acc) -> T;
    /// `acc` with one more element.
    #[inline(always)]
    fn with(acc: Self::Acc, x: T) -> Self::Acc {
        Self::join(acc, Self::widen(x))
    }
    /// Four elements, by pairs.
    #[inline(always)]
    fn four(x: impl Fn(usize) -> T) -> T {
        Self::pair(Self::pair(x(0), x(1)), Self::pair(x(2), x(3)))
    }
    /// Eight elements, by pairs.
    #[inline(always)]
    fn eight(x: impl Fn(usize) -> T) -> T {
        Self::pair(Self::four(&x), Self::four(|k| x(k + 4)))
    }
}

pub(in crate::cpu) struct Sum;
pub(in crate::cpu) struct Prod;
pub(in crate::cpu) struct Amax;
pub(in crate::cpu) struct Amin;

macro_rules! joins {
    ($($fold:ident of $t:ident in $acc:ident: $join:expr, $none:expr, $rounds:expr;)*) => {$(
        #[allow(clippy::unnecessary_cast, reason = "most types accumulate in themselves")]
        impl Join<$t> for $fold {
            type Acc = $acc;
            const NONE: $acc = $none;
            const ROUNDS: bool = $rounds;
            #[inline(always)]
            fn pair(a: $t, b: $t) -> $t { $join(a, b) }
            #[inline(always)]
            fn widen(x: $t) -> $acc { x as $acc }
            #[inline(always)]
            fn join(a: $acc, b: $acc) -> $acc { $join(a, b) }
            #[inline(always)]
            fn narrow(acc: $acc) -> $t { acc as $t }
        }
    )*};
}
joins! {
    Sum of f32 in f64: std::ops::Add::add, 0.0, true;
    Sum of f64 in f64: std::ops::Add::add, 0.0, true;
    Sum of i32 in i32: i32::wrapping_add, 0, false;
    Sum of i64 in i64: i64::wrapping_add, 0, false;
    Prod of f32 in f64: std::ops::Mul::mul, 1.0, true;
    Prod of f64 in f64: std::ops::Mul::mul, 1.0, true;
    Prod of i32 in i32: i32::wrapping_mul, 1, false;
    Prod of i64 in i64: i64::wrapping_mul, 1, false;
    Amax of f32 in f32: maximum, f32::NEG_INFINITY, false;
    Amax of f64 in f64: maximum, f64::NEG_INFINITY, false;
    Amax of i32 in i32: maximum, i32::MIN, false;
    Amax of i64 in i64: maximum, i64::MIN, false;
    Amin of f32 in f32: minimum, f32::INFINITY, false;
    Amin of f64 in f64: minimum, f64::INFINITY, false;
    Amin of i32 in i32: minimum, i32::MAX, false;
    Amin of i64 in i64: minimum, i64::MAX, false;
}

/// The largest magnitude. Without their signs, floats have the order of their bits, in which NaN is last, so NaN wins.
pub(super) struct Magnitude;

macro_rules! magnitudes {
    ($($t:ident)*) => {$(
        impl Join<$t> for Magnitude {
            type Acc = $t;
            const NONE: $t = 0.0;
            const ROUNDS: bool = false;
            #[inline(always)]
            fn pair(a: $t, b: $t) -> $t {
                $t::from_bits(a.abs().to_bits().max(b.abs().to_bits()))
            }
            #[inline(always)]
            fn widen(x: $t) -> $t { x.abs() }
            #[inline(always)]
            fn join(a: $t, b: $t) -> $t { Self::pair(a, b) }
            #[inline(always)]
            fn narrow(acc: $t) -> $t { acc }
        }
    )*};
}
magnitudes!(f32 f64);
