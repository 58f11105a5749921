//! Circular functions, of `turned`, `sine`, `sin_turned` and `tan_turned`.

macro_rules! turns {
    ($t:ident, $bits:ident) => {
        #[inline(always)]
        pub(in crate::cpu) fn sin<M: Mad<$t>>(x: $t) -> $t {
            let turns = M::mad(x, FRAC_1_PI, MAGIC);
            let r = turned::<M>(x, 2.0 * (turns - MAGIC));
            signed(sine::<M>(r), turns.to_bits() << ($bits::BITS - 1))
        }

        #[inline(always)]
        pub(in crate::cpu) fn cos<M: Mad<$t>>(x: $t) -> $t {
            // Of n + 1/2 turns the sine is the cosine, or minus it.
            let turns = M::mad(x, FRAC_1_PI, -0.5) + MAGIC;
            let r = turned::<M>(x, M::mad(2.0, turns - MAGIC, 1.0));
            signed(sine::<M>(r), !turns.to_bits() << ($bits::BITS - 1))
        }

        #[inline(always)]
        pub(in crate::cpu) fn tan<M: Mad<$t>>(x: $t) -> $t {
            let n = rounded(x * FRAC_2_PI);
            tan_turned::<M>(turned::<M>(x, n), n)
        }

        /// The sine of π x, for x from -1/2 to 1/2.
        #[inline(always)]
        pub(super) fn sin_pi<M: Mad<$t>>(x: $t) -> $t {
            let n = rounded(2.0 * x);
            sin_turned::<M>(PI * (x - 0.5 * n), n)
        }

        /// The tangent of π x, for x from -1/2 to 1/2.
        #[inline(always)]
        pub(super) fn tan_pi<M: Mad<$t>>(x: $t) -> $t {
            let n = rounded(2.0 * x);
            tan_turned::<M>(PI * (x - 0.5 * n), n)
        }
    };
}

pub(in crate::cpu::functions) use turns;
