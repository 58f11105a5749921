//! Powers, of `power`, those of sizes above 0 and of finite numbers.

macro_rules! powers {
    ($t:ident) => {
        /// A negative base has a power if the exponent is whole; zero and infinity have powers whatever the exponent.
        #[inline(always)]
        pub(in crate::cpu) fn pow<M: Mad<$t>>((base, exponent): ($t, $t)) -> $t {
            let infinity = $t::INFINITY;
            let size = base.abs();
            let grows = (size > 1.0) == (exponent > 0.0);
            let extreme = (size == 0.0) | (size == infinity) | (exponent.abs() == infinity);
            let limit = if size == 1.0 {
                1.0
            } else if grows {
                infinity
            } else {
                0.0
            };
            let magnitude = if extreme { limit } else { power::<M>(size, exponent) };
            let whole = exponent.floor() == exponent;
            let half = 0.5 * exponent;
            let odd = whole & (exponent.abs() != infinity) & !(half.floor() == half);
            let signed = if odd { -magnitude } else { magnitude };
            let negative = if whole | extreme { signed } else { $t::NAN };
            let result = if base.is_sign_negative() { negative } else { magnitude };
            let result = if base.is_nan() | exponent.is_nan() { $t::NAN } else { result };
            if (exponent == 0.0) | (base == 1.0) { 1.0 } else { result }
        }
    };
}

pub(in crate::cpu::functions) use powers;
