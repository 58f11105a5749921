//! Exponentials, of `exp_rest` and `expm1_short`.

macro_rules! exponentials {
    ($t:ident) => {
        /// The whole number nearest to `x / ln 2`.
        #[inline(always)]
        pub(super) fn exp_whole<M: Mad<$t>>(x: $t) -> $t {
            M::mad(x, LOG2_E, MAGIC) - MAGIC
        }

        /// `2^n (1 + e)`, for `n` from that of the smallest number to that of infinity: what is subnormal is made small at last,
        /// and twice of half.
        #[inline(always)]
        fn raised<M: Mad<$t>>(n: $t, e: $t) -> $t {
            let is_low = n < LOW;
            let less = if is_low { LIFT } else { -1.0 };
            M::mad(e, 2.0, 2.0) * power_of_two(n + less) * if is_low { LOWERED } else { 1.0 }
        }

        #[inline(always)]
        pub(in crate::cpu) fn exp<M: Mad<$t>>(x: $t) -> $t {
            // Beyond these it is infinity and 0.
            let x = within(x, ZERO, INFINITE);
            let n = exp_whole::<M>(x);
            raised::<M>(n, expm1_short::<M>(exp_rest::<M>(x, n)))
        }

        #[inline(always)]
        pub(in crate::cpu) fn exp2<M: Mad<$t>>(x: $t) -> $t {
            // Beyond these it is infinity and 0.
            let x = within(x, ZERO_2, INFINITE_2 + 1.0);
            let n = least(rounded(x), INFINITE_2);
            raised::<M>(n, expm1_short::<M>((x - n) * LN_2))
        }

        /// `2^-shift e^x`, unless that is 0: it overflows where the quotient does.
        #[inline(always)]
        pub(super) fn exp_shifted<M: Mad<$t>>(x: $t, shift: $t) -> $t {
            let n = exp_whole::<M>(x);
            scale::<M>(1.0 + expm1_short::<M>(exp_rest::<M>(x, n)), n - shift)
        }

        /// `2^n ((e^r - 1) + (1 - 2^-n))`: nothing cancels.
        #[inline(always)]
        pub(in crate::cpu) fn expm1<M: Mad<$t>>(x: $t) -> $t {
            let x = within(x, MINUS_ONE, INFINITE);
            let n = exp_whole::<M>(x);
            let short = expm1_short::<M>(exp_rest::<M>(x, n));
            // Twice 2^(n-1): 2^n may be infinite where the product is not.
            let power = power_of_two(n - 1.0);
            let large = M::mad(short, power, power - 0.5) * 2.0;
            if n == 0.0 { short } else { large }
        }

        /// `1 / (1 + e^-x)`.
        #[inline(always)]
        pub(in crate::cpu) fn sigmoid<M: Mad<$t>>(x: $t) -> $t {
            1.0 / (1.0 + exp::<M>(-x))
        }

        #[inline(always)]
        pub(in crate::cpu) fn cosh<M: Mad<$t>>(x: $t) -> $t {
            let half = exp_shifted::<M>(least(HALF_INFINITE, x.abs()), 1.0);
            half + 0.25 / half
        }
    };
}

pub(in crate::cpu::functions) use exponentials;
