//! Functions of floats without branches or calls, so that a loop over them becomes SIMD code.
//!
//! Each is the twin of one in `shaders/lib/`, which names the owner of its formula; where the CPU has another formula, the
//! file here says whose. Every formula is written once, for CPUs that add to a product in one step ([`Fused`]) and for
//! those that do not ([`Split`]): the loops are made for both, and the CPU chooses when it is first used. What differs between
//! f32 and f64 in numbers alone is in `both`.

#![allow(clippy::needless_bitwise_bool, reason = "a lazy operator would be a branch")]

mod both;
pub(super) mod division;
pub(super) mod double;
pub(super) mod single;

#[cfg(test)]
mod tests;

/// How `a * b + c` is computed.
pub(super) trait Mad<T>: Copy {
    /// Whether the product is exact when `c` is added.
    const FUSED: bool;

    /// `a * b + c`.
    fn mad(a: T, b: T, c: T) -> T;
}

/// In one step, rounded once.
#[derive(Clone, Copy)]
pub(super) struct Fused;

/// In two steps, for CPUs without a fused one: there `mul_add` is a slow call.
#[derive(Clone, Copy)]
pub(super) struct Split;

macro_rules! mad {
    ($t:ty) => {
        impl Mad<$t> for Fused {
            const FUSED: bool = true;

            #[inline(always)]
            fn mad(a: $t, b: $t, c: $t) -> $t {
                a.mul_add(b, c)
            }
        }

        impl Mad<$t> for Split {
            const FUSED: bool = false;

            #[inline(always)]
            fn mad(a: $t, b: $t, c: $t) -> $t {
                a * b + c
            }
        }
    };
}
mad!(f32);
mad!(f64);

/// A polynomial in `$x`, highest powers first.
macro_rules! poly {
    ($m:ident, $x:expr, $first:expr $(, $next:expr)+ $(,)?) => {{
        let (p, x) = ($first, $x);
        $(let p = $m::mad(p, x, $next);)+
        p
    }};
}
use poly;

/// The smaller; the second if the first is NaN, which is one instruction.
#[inline(always)]
fn least<T: PartialOrd>(a: T, b: T) -> T {
    if a < b { a } else { b }
}

/// The larger; the second if the first is NaN.
#[inline(always)]
fn most<T: PartialOrd>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// `x`, no less than `low` and no more than `high`. NaN passes.
#[inline(always)]
fn within<T: PartialOrd>(x: T, low: T, high: T) -> T {
    most(low, least(high, x))
}
