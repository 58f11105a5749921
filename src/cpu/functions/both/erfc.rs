//! The complementary error function, of `tail_terms`, `K`, and `LAST`, beyond which it is 0.

macro_rules! tails {
    ($t:ident) => {
        /// `e^(t²) erfc(t)`, and what it lacks.
        #[inline(always)]
        fn scaled_tail<M: Mad<$t>>(t: $t) -> ($t, $t) {
            let sum = t + K;
            let d = 2.0 * K / sum;
            // What d lacks: next to 0 the function falls three times as fast as d.
            let lost = if t < K { t - (sum - K) } else { K - (sum - t) };
            let rest = (missing::<M>(d, sum, 2.0 * K) - d * lost) * (d * (0.5 / K));
            let p = tail_terms::<M>((1.0 - d) - rest);
            let r = d * p;
            (r, M::mad(rest, p, -missing::<M>(d, p, r)))
        }

        /// `c - a b`, of which next to nothing is left.
        #[inline(always)]
        fn missing<M: Mad<$t>>(a: $t, b: $t, c: $t) -> $t {
            if M::FUSED {
                return M::mad(-a, b, c);
            }
            let (a_top, b_top) = (high(a), high(b));
            ((c - a_top * b_top) - a_top * (b - b_top)) - (a - a_top) * b
        }

        /// The `n` and `e` of `e^(-t²) = 2^n (1 + e)`. `t²` is in two parts, the first of which is exact or the second what it
        /// lacks: its rounding alone would be off by hundreds of units.
        #[inline(always)]
        fn exp_square<M: Mad<$t>>(t: $t) -> ($t, $t) {
            let (square, rest) = if M::FUSED {
                let square = t * t;
                (square, M::mad(t, t, -square))
            } else {
                let top = high(t);
                (top * top, (t - top) * (t + top))
            };
            let n = exp_whole::<M>(-square);
            (n, expm1_short::<M>(exp_rest::<M>(-square, n) - rest))
        }

        #[inline(always)]
        pub(in crate::cpu) fn erfc<M: Mad<$t>>(x: $t) -> $t {
            // NaN passes.
            let t = least(LAST, x.abs());
            let (n, e) = exp_square::<M>(t);
            let (r, lost) = scaled_tail::<M>(t);
            let tail = scale::<M>(r + M::mad(r, e, lost), n);
            if x < 0.0 { 2.0 - tail } else { tail }
        }
    };
}

pub(in crate::cpu::functions) use tails;
