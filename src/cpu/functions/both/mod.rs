//! What formulas of f32 and of f64 have in common, but for numbers and polynomials that each width has of its own.
//!
//! Each macro makes functions of one width where it is called, of the constants and functions with those names there.

mod arc;
mod bessel;
mod erfc;
mod exp;
mod gamma;
mod log;
mod pow;
mod trig;

pub(in crate::cpu::functions) use arc::arcs;
pub(in crate::cpu::functions) use bessel::bessels;
pub(in crate::cpu::functions) use erfc::tails;
pub(in crate::cpu::functions) use exp::exponentials;
pub(in crate::cpu::functions) use gamma::gammas;
pub(in crate::cpu::functions) use log::logarithms;
pub(in crate::cpu::functions) use pow::powers;
pub(in crate::cpu::functions) use trig::turns;

/// How floats are taken apart: of `MAGIC`, `BIAS`, `DIGITS` (of the fraction) and `HIGH` (the bits of a number's first digits).
macro_rules! basics {
    ($t:ident, $bits:ident) => {
        /// The whole number nearest to `x`, of so many digits that one of MAGIC's is left.
        #[inline(always)]
        fn rounded(x: $t) -> $t {
            (x + MAGIC) - MAGIC
        }

        /// The lowest bits of a whole number.
        #[inline(always)]
        fn low_bits(n: $t) -> $bits {
            (n + MAGIC).to_bits()
        }

        /// `2^n` for a whole `n`, unless that is subnormal.
        #[inline(always)]
        fn power_of_two(n: $t) -> $t {
            $t::from_bits(low_bits(n).wrapping_add(BIAS) << DIGITS)
        }

        /// `x 2^n`, in two steps: 2^n may be infinite or zero where the product is neither.
        #[inline(always)]
        fn scale<M: Mad<$t>>(x: $t, n: $t) -> $t {
            let half = M::mad(0.5, n, MAGIC) - MAGIC;
            x * power_of_two(half) * power_of_two(n - half)
        }

        /// The first digits, of which products are exact.
        #[inline(always)]
        fn high(x: $t) -> $t {
            $t::from_bits(x.to_bits() & HIGH)
        }

        /// `x` with the sign of another turned by that of `sign`.
        #[inline(always)]
        fn signed(x: $t, sign: $bits) -> $t {
            $t::from_bits(x.to_bits() ^ (sign & (1 << ($bits::BITS - 1))))
        }
    };
}
pub(super) use basics;
