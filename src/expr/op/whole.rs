//! Arithmetic on the integers that engines compute in: it wraps, and divisions by 0 give 0.

/// An integer that arithmetic is done in.
pub(crate) trait Integer: Copy {
    /// To a power; a negative one gives 0 unless the base is 1 or -1.
    fn raised(self, exponent: Self) -> Self;

    /// The quotient, rounded down, and what it leaves, which has the divisor's sign.
    fn floored(self, divisor: Self) -> (Self, Self);

    /// By as many bits as there are, or by a negative number of them, nothing is left.
    fn shifted_left(self, n: Self) -> Self;

    /// By as many bits as there are, or by a negative number of them, the sign is left: 0 or -1.
    fn shifted_right(self, n: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Integer for $t {
            fn raised(self, exponent: Self) -> Self {
                if exponent < 0 {
                    return match self {
                        1 => 1,
                        -1 => 1 - 2 * (exponent & 1),
                        _ => 0,
                    };
                }
                let (mut power, mut square, mut rest) = (1 as $t, self, exponent);
                while rest != 0 {
                    if rest & 1 == 1 {
                        power = power.wrapping_mul(square);
                    }
                    square = square.wrapping_mul(square);
                    rest >>= 1;
                }
                power
            }

            #[inline(always)]
            fn floored(self, divisor: Self) -> (Self, Self) {
                if divisor == 0 {
                    return (0, 0);
                }
                let (quotient, rest) = (self.wrapping_div(divisor), self.wrapping_rem(divisor));
                if rest != 0 && (rest < 0) != (divisor < 0) { (quotient - 1, rest + divisor) } else { (quotient, rest) }
            }

            #[inline(always)]
            fn shifted_left(self, n: Self) -> Self {
                if (0..Self::BITS as Self).contains(&n) { self << n } else { 0 }
            }

            #[inline(always)]
            fn shifted_right(self, n: Self) -> Self {
                self >> if (0..Self::BITS as Self).contains(&n) { n } else { Self::BITS as Self - 1 }
            }
        }
    )*};
}
integers!(i32, i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_wrap() {
        assert_eq!(3_i32.raised(4), 81);
        assert_eq!((-1_i32).raised(-3), -1);
        assert_eq!((-1_i32).raised(-4), 1);
        assert_eq!(7_i32.raised(-1), 0);
        assert_eq!((2_i32.raised(33), 2_i64.raised(33)), (0, 1 << 33));
    }

    #[test]
    fn quotients_are_rounded_down_and_remainders_have_the_sign_of_the_divisor() {
        for (a, b, want) in [
            (7, 2, (3, 1)),
            (-7, 2, (-4, 1)),
            (7, -2, (-4, -1)),
            (-7, -2, (3, -1)),
            (i32::MIN, -1, (i32::MIN, 0)),
            (5, 0, (0, 0)),
        ] {
            assert_eq!(a.floored(b), want, "{a} by {b}");
        }
        assert_eq!(i64::MIN.floored(-1), (i64::MIN, 0));
    }

    #[test]
    fn shifts_beyond_all_bits_leave_the_sign_at_most() {
        assert_eq!((5_i32.shifted_left(32), 5_i32.shifted_left(-1), 5_i64.shifted_left(32)), (0, 0, 5 << 32));
        assert_eq!(((-5_i32).shifted_right(40), 5_i64.shifted_right(-1), (-8_i64).shifted_right(2)), (-1, 0, -2));
    }
}
