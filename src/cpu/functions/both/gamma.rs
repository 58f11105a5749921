//! The gamma function's logarithm and its derivative, of `lgamma_low`, `lgamma_mid`, `lgamma_high` and `digamma_up`; of `WHOLE`,
//! from which on all numbers are whole, and of `NEXT`, below which the function reflected is that of infinity.

macro_rules! gammas {
    ($t:ident) => {
        /// The whole number nearest to `x`, whatever its size.
        #[inline(always)]
        fn whole(x: $t) -> $t {
            let size = x.abs();
            (if size < WHOLE { (size + WHOLE) - WHOLE } else { size }).copysign(x)
        }

        /// What the function between 2 and 3 is to be multiplied with for that of `y` and a whole number from 2 to 7.
        #[inline(always)]
        fn raised(y: $t, whole: $t) -> $t {
            let mut product = 1.0;
            product = if whole >= 7.0 { product * (y + 6.0) } else { product };
            product = if whole >= 6.0 { product * (y + 5.0) } else { product };
            product = if whole >= 5.0 { product * (y + 4.0) } else { product };
            product = if whole >= 4.0 { product * (y + 3.0) } else { product };
            if whole >= 3.0 { product * (y + 2.0) } else { product }
        }

        #[inline(always)]
        pub(in crate::cpu) fn lgamma<M: Mad<$t>>(x: $t) -> $t {
            let infinity = $t::INFINITY;
            let size = x.abs();
            let finite = if size < infinity { size } else { 1.0 };
            let (is_low, is_mid) = (size < 2.0, size < 8.0);
            let (low, taken) = lgamma_low::<M>(least(finite, 2.0));
            let (mid, product) = lgamma_mid::<M>(if is_mid { most(finite, 2.0) } else { 7.5 });
            let log_up = log::<M>(if is_low {
                taken
            } else if is_mid {
                product
            } else {
                finite
            });
            let high = lgamma_high::<M>(most(finite, 8.0), log_up);
            let up = if is_low {
                low - log_up
            } else if is_mid {
                mid + log_up
            } else {
                high
            };
            // The sine of pi x, of what x is away from a whole number: exactly 0 there.
            let away = finite - whole(finite);
            let sine = (sin_pi::<M>(away)).abs();
            let next = size < NEXT;
            let reflected = log::<M>(PI / ((if next { 1.0 } else { sine }) * (if next { 1.0 } else { finite }))) - up;
            let down = if next {
                -log::<M>(finite)
            } else if sine == 0.0 {
                infinity
            } else {
                reflected
            };
            let y = if x < 0.0 { down } else { up };
            let ends = if (size == infinity) | (x == 0.0) { infinity } else { y };
            if x.is_nan() { x } else { ends }
        }

        #[inline(always)]
        pub(in crate::cpu) fn digamma<M: Mad<$t>>(x: $t) -> $t {
            let infinity = $t::INFINITY;
            let minus = x < 0.0;
            let finite = if x.abs() < infinity { x } else { 1.0 };
            let reflected = if minus { 1.0 - finite } else { finite };
            let up = digamma_up::<M>(if x == 0.0 { 1.0 } else { reflected });
            // pi / tan(pi x), of what x is away from a whole number: exactly 0 there.
            let away = finite - whole(finite);
            let down = up - PI / tan_pi::<M>(if away == 0.0 { 0.25 } else { away });
            let y = if minus { if away == 0.0 { $t::NAN } else { down } } else { up };
            let sign = x.is_sign_negative();
            let at_zero = if x == 0.0 { if sign { infinity } else { -infinity } } else { y };
            let at_ends = if x.abs() == infinity { if minus { $t::NAN } else { infinity } } else { at_zero };
            if x.is_nan() { x } else { at_ends }
        }
    };
}

pub(in crate::cpu::functions) use gammas;
