//! Logarithms, of `split`, `log_short` and of ln 2 in two parts, `LN_2_HIGH` and `LN_2_LOW`.

macro_rules! logarithms {
    ($t:ident) => {
        /// The logarithm `y`, but at the ends: infinity and NaN are their own logarithms, and nothing below zero has one.
        #[inline(always)]
        fn ended(x: $t, y: $t) -> $t {
            let y = if x < $t::INFINITY { y } else { x };
            let end = if x == 0.0 { $t::NEG_INFINITY } else { $t::NAN };
            if x > 0.0 { y } else { end }
        }

        /// `n ln 2 + log(1 + f)`, of which `short` is a part. The product of n with the larger part of ln 2 is exact.
        #[inline(always)]
        fn joined<M: Mad<$t>>(n: $t, f: $t, short: $t) -> $t {
            M::mad(n, LN_2_HIGH, f + M::mad(n, LN_2_LOW, short))
        }

        #[inline(always)]
        pub(in crate::cpu) fn log<M: Mad<$t>>(x: $t) -> $t {
            let (n, f) = split(x);
            ended(x, joined::<M>(n, f, log_short::<M>(f)))
        }

        /// Of `1 + x` what rounding takes is added to what the logarithm is short of, so that small `x` lose nothing.
        #[inline(always)]
        pub(in crate::cpu) fn log1p<M: Mad<$t>>(x: $t) -> $t {
            let sum = 1.0 + x;
            let lost = x - (sum - 1.0);
            let (n, f) = split(sum);
            ended(sum, joined::<M>(n, f, M::mad(lost, power_of_two(-least(n, 100.0)), log_short::<M>(f))))
        }
    };
}

pub(in crate::cpu::functions) use logarithms;
