//! Modified Bessel functions, of where one series takes over from the other (`BEYOND`) and where there is infinity (`LAST`).

macro_rules! bessels {
    ($t:ident) => {
        /// Half of `|x|` for the series near 0, and `|x|` for the other.
        #[inline(always)]
        fn places(x: $t) -> ($t, $t) {
            let size = least(x.abs(), LAST);
            (0.5 * least(size, BEYOND), most(size, BEYOND))
        }

        /// The one for `x`: near 0 `near`, else `e^a q / √a`.
        #[inline(always)]
        fn chosen<M: Mad<$t>>(x: $t, near: $t, a: $t, q: $t) -> $t {
            let far = exp_shifted::<M>(a, 8.0) * (q / a.sqrt());
            if x.abs() > LAST {
                $t::INFINITY
            } else if x.abs() <= BEYOND {
                near
            } else {
                far
            }
        }

        #[inline(always)]
        pub(in crate::cpu) fn i0<M: Mad<$t>>(x: $t) -> $t {
            let (half, a) = places(x);
            let y = chosen::<M>(x, i0_near::<M>(half * half), a, i0_far::<M>(2.0 * BEYOND / a - 1.0));
            if x.is_nan() { x } else { y }
        }

        #[inline(always)]
        pub(in crate::cpu) fn i1<M: Mad<$t>>(x: $t) -> $t {
            let (half, a) = places(x);
            let y = chosen::<M>(x, half * i1_near::<M>(half * half), a, i1_far::<M>(2.0 * BEYOND / a - 1.0));
            if x.is_nan() {
                x
            } else if x < 0.0 {
                -y
            } else {
                y
            }
        }
    };
}

pub(in crate::cpu::functions) use bessels;
