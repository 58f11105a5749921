//! The rows of divisions by whole numbers of times. Integers divided by 0 give 0, as in NumPy: no device reports an error
//! from within its work, and none may give whatever it likes.

use super::binary::BinaryBound;
use super::row::{DTypeRule, Draw, EVERYWHERE, Grad, Integers, Row, Wgsl, Whole, lib, wraps};
use super::whole::Integer;

const DRAWS: &[[Draw; 2]] = &[
    [Draw::Uniform(-9.0, 9.0), Draw::Uniform(0.5, 4.0)],
    [Draw::Quarters(-9, 9), Draw::Quarters(1, 3)],
    [Draw::Uniform(-1e6, 1e6), Draw::Uniform(-3.0, -0.5)],
];

/// A divisor from which quotients below 9 have one sign and lie apart from 0.
const DOMAIN: [(f64, f64); 2] = [EVERYWHERE, (0.3, f64::INFINITY)];

const FILES: &[&str] = &[lib!("fmod"), lib!("fmod_f64")];

pub(super) const FMOD: Row<2, BinaryBound> = Row {
    rule: DTypeRule::Number,
    meaning: |[a, b]| a % b,
    integers: wraps!(|[a, b]| if b == 0 { 0 } else { a.wrapping_rem(b) }, |[a, b]| (b != 0).then(|| a.wrapping_rem(b))),
    grad: Grad::Parts([|grad, _, _| Some(grad.clone()), |grad, [a, b], _| Some(-(grad * (a / b).trunc()))]),
    bound: BinaryBound::Corners { jump: |ends| leftover_jump(ends, f64::trunc) },
    wgsl: Wgsl::call(FILES),
    domain: DOMAIN,
    draws: DRAWS,
    places: &[[1.0, 1.0], [3.0, 1.0], [2.5, 0.5], [1e30, 3.0]],
};

pub(super) const REMAINDER: Row<2, BinaryBound> = Row {
    rule: DTypeRule::Number,
    meaning: |[a, b]| remainder(a, b),
    integers: wraps!(|[a, b]| a.floored(b).1, |[a, b]| (b != 0).then(|| a.floored(b).1)),
    grad: Grad::Parts([|grad, _, _| Some(grad.clone()), |grad, [a, b], _| Some(-(grad * a.floor_divide(b)))]),
    bound: BinaryBound::Corners { jump: |ends| leftover_jump(ends, f64::floor) },
    wgsl: Wgsl::call(FILES),
    domain: DOMAIN,
    draws: DRAWS,
    places: &[[1.0, 1.0], [3.0, 1.0], [2.5, 0.5], [1e30, 3.0]],
};

pub(super) const FLOOR_DIVIDE: Row<2, BinaryBound> = Row {
    rule: DTypeRule::Number,
    meaning: |[a, b]| floor_divide(a, b),
    // The quotient beyond 64 bits is that of the least number by -1.
    integers: wraps!(|[a, b]| a.floored(b).0, |[a, b]| a.checked_div(b).map(|_| a.floored(b).0)),
    grad: Grad::None,
    bound: BinaryBound::Corners {
        jump: |[a, b]| (!is_point([a, b]) && has_zero(b)).then_some((f64::NEG_INFINITY, f64::INFINITY)),
    },
    wgsl: Wgsl::call(FILES),
    domain: DOMAIN,
    draws: DRAWS,
    places: &[[1.0, 1.0], [3.0, 1.0], [2.5, 0.5], [1e30, 3.0]],
};

/// Whether what a truncated division leaves has another sign than the divisor.
fn is_across(rest: f64, b: f64) -> bool {
    rest != 0.0 && (rest < 0.0) != (b < 0.0)
}

fn remainder(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if is_across(rest, b) { rest + b } else { rest }
}

fn floor_divide(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if b == 0.0 || rest.is_nan() {
        return if b == 0.0 { a / b } else { f64::NAN };
    }
    // Without the rest the quotient is whole, but for rounding.
    let whole = ((a - rest) / b).round();
    let quotient = if is_across(rest, b) { whole - 1.0 } else { whole };
    if quotient == 0.0 { 0.0_f64.copysign(a.signum() * b.signum()) } else { quotient }
}

/// Whether a rectangle is one pair of numbers.
pub(super) fn is_point([(a, b), (c, d)]: [(f64, f64); 2]) -> bool {
    a == b && c == d
}

/// Whether 0, or NaN, is among the numbers between two.
pub(super) fn has_zero((low, high): (f64, f64)) -> bool {
    !(low > 0.0 || high < 0.0)
}

/// What is left jumps where the quotient, rounded by `round`, does; it is never larger than the divisor.
fn leftover_jump([a, b]: [(f64, f64); 2], round: fn(f64) -> f64) -> Option<(f64, f64)> {
    if is_point([a, b]) {
        return None;
    }
    let quotients = [a.0 / b.0, a.0 / b.1, a.1 / b.0, a.1 / b.1].map(round);
    let same = !has_zero(b) && quotients.iter().all(|&q| q == quotients[0]);
    let size = b.0.abs().max(b.1.abs());
    (!same).then_some((-size, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_down_and_remainders_have_the_sign_of_the_divisor() {
        for (a, b, quotient, rest) in
            [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -4, -1), (-7, -2, 3, -1), (i32::MIN, -1, i32::MIN, 0)]
        {
            let [x, y] = [a, b].map(f64::from);
            assert_eq!(remainder(x, y), f64::from(rest), "{a} by {b}");
            if a != i32::MIN {
                assert_eq!(floor_divide(x, y), f64::from(quotient), "{a} by {b}");
            }
        }
        assert_eq!(FLOOR_DIVIDE.on_i32([5, 0]), 0);
        assert_eq!(FMOD.on_i32([-7, 2]), -1);
        assert_eq!(
            (FMOD.on_numbers([5, 0]), REMAINDER.on_numbers([-5, 3]), FLOOR_DIVIDE.on_numbers([i64::MIN, -1])),
            (None, Some(1), None)
        );
    }

    /// As PyTorch has them.
    #[test]
    fn infinities_and_zeros_divide() {
        let infinity = f64::INFINITY;
        assert_eq!([floor_divide(1.0, infinity), floor_divide(-1.0, infinity)], [0.0, -1.0]);
        assert_eq!([remainder(1.0, infinity), remainder(-1.0, infinity)], [1.0, infinity]);
        assert_eq!(floor_divide(5.0, 0.0), infinity);
        assert!(
            remainder(1.0, 0.0).is_nan() && floor_divide(infinity, 2.0).is_nan() && floor_divide(0.0, 0.0).is_nan()
        );
        assert!(floor_divide(0.0, -3.0).is_sign_negative() && floor_divide(-1.0, -3.0).is_sign_positive());
    }
}
