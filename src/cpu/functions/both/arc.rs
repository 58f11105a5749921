//! Arcs and distances, of `asin_short` and `atan_short`, and of `REST`, what the width cuts off of π/2.

macro_rules! arcs {
    ($t:ident) => {
        /// The angle of a sine, beyond 1/2 by that of half of what is missing to a right angle. Of more than 1 the root is NaN.
        #[inline(always)]
        pub(in crate::cpu) fn asin<M: Mad<$t>>(x: $t) -> $t {
            let size = x.abs();
            let far = size > 0.5;
            let half = 0.5 * (1.0 - size);
            let z = if far { half } else { x * x };
            let a = if far { half.sqrt() } else { size };
            let short = asin_short::<M>(a, z);
            let large = M::mad(-2.0, a, FRAC_PI_2) - M::mad(2.0, short, -REST);
            (if far { large } else { a + short }).copysign(x)
        }

        #[inline(always)]
        pub(in crate::cpu) fn acos<M: Mad<$t>>(x: $t) -> $t {
            let size = x.abs();
            let far = size > 0.5;
            let half = 0.5 * (1.0 - size);
            let z = if far { half } else { x * x };
            let a = if far { half.sqrt() } else { x };
            let short = asin_short::<M>(a, z);
            let double = 2.0 * (a + short);
            let wide = PI - (double - 2.0 * REST);
            let near = FRAC_PI_2 - (a + (short - REST));
            let beyond = if x < 0.0 { wide } else { double };
            if far { beyond } else { near }
        }

        #[inline(always)]
        pub(in crate::cpu) fn atan<M: Mad<$t>>(x: $t) -> $t {
            let size = x.abs();
            let (middle, far) = (size > 0.414_213_56, size > TAN_3_PI_8);
            let above = if far {
                -1.0
            } else if middle {
                size - 1.0
            } else {
                size
            };
            let below = if far {
                size
            } else if middle {
                size + 1.0
            } else {
                1.0
            };
            let turned = if far {
                FRAC_PI_2
            } else if middle {
                FRAC_PI_4
            } else {
                0.0
            };
            let lost = if far {
                REST
            } else if middle {
                0.5 * REST
            } else {
                0.0
            };
            signed(turned + (atan_short::<M>(above / below) + lost), x.to_bits())
        }

        /// A part of a point of that size: larger, where the size is tiny, and 2^-8 times it where it is huge.
        #[inline(always)]
        fn scaled(x: $t, size: $t) -> $t {
            let huge = if size > HUGE { x * 0.003_906_25 } else { x };
            if size < TINY { x * ENLARGED } else { huge }
        }

        #[inline(always)]
        pub(in crate::cpu) fn atan2<M: Mad<$t>>((y, x): ($t, $t)) -> $t {
            let (across, up) = (x.abs(), y.abs());
            let steep = up > across;
            let size = if steep { up } else { across };
            let small = scaled(if steep { across } else { up }, size);
            let large = scaled(size, size);
            // Two infinities are equal, as two zeros are, and one makes the angle exact.
            let infinite = size == $t::INFINITY;
            let equal = across == up;
            let far = ((small > 0.414_213_56 * large) & !infinite) | equal;
            let above = if far { small - large } else { small };
            let below = if far { small + large } else { large };
            let q = if equal | infinite { 0.0 } else { above / below };
            let short = atan_short::<M>(q);
            let r = if far & (size > 0.0) { short + FRAC_PI_4 } else { short };
            let turned = if steep { FRAC_PI_2 - (r - REST) } else { r };
            let angle = if x.is_sign_negative() { PI - (turned - 2.0 * REST) } else { turned };
            // Not a number of either, whatever was chosen.
            let angle = if x.is_nan() | y.is_nan() { $t::NAN } else { angle };
            signed(angle, y.to_bits())
        }

        /// The root of the sum of squares, which are brought to where none overflows or vanishes.
        #[inline(always)]
        pub(in crate::cpu) fn hypot<M: Mad<$t>>((a, b): ($t, $t)) -> $t {
            let (a, b) = (a.abs(), b.abs());
            let size = most(a, b);
            let is_huge = size > HUGE_SIDE;
            let is_tiny = size < TINY_SIDE;
            let middle = if is_huge { LESS } else { 1.0 };
            let scale = if is_tiny { MORE } else { middle };
            let middle = if is_huge { MORE } else { 1.0 };
            let back = if is_tiny { LESS } else { middle };
            let (x, y) = (a * scale, b * scale);
            let distance = M::mad(x, x, y * y).sqrt() * back;
            // What is infinitely far is so whatever the other part may be.
            if (a == $t::INFINITY) | (b == $t::INFINITY) { $t::INFINITY } else { distance }
        }
    };
}

pub(in crate::cpu::functions) use arcs;
