//! Elementwise functions made of others, beside [activations](super::activations).

use std::f64::consts::{LN_2, PI};

use super::compose::of_float;
use super::node::Expr;
use super::op::{BinaryOp, DTypeRule, UnaryOp};
use super::views::carry;
use crate::DType;
use crate::base::dtype::Category;

impl Expr {
    /// The element itself; bools are refused, as by PyTorch's `+`.
    #[must_use]
    pub fn positive(&self) -> Self {
        carry(DTypeRule::Number.dtypes("positive", self.dtype()).map(|_| self.clone()))
    }

    /// The sign, as [`sign`](Self::sign): PyTorch's name for what is also defined on complex numbers.
    #[must_use]
    pub fn sgn(&self) -> Self {
        self.sign()
    }

    /// What follows the point, `x - trunc(x)`. Anything but a float is an error.
    #[must_use]
    pub fn frac(&self) -> Self {
        of_float("frac", self, || self - self.trunc())
    }

    /// Degrees to radians.
    #[must_use]
    pub fn deg2rad(&self) -> Self {
        self * (PI / 180.0)
    }

    /// Radians to degrees.
    #[must_use]
    pub fn rad2deg(&self) -> Self {
        self * (180.0 / PI)
    }

    /// Whether elements are neither infinite nor NaN.
    #[must_use]
    pub fn isfinite(&self) -> Self {
        if self.dtype().is_float() { self.abs().lt(f64::INFINITY) } else { self.eq(self) }
    }

    /// Whether elements are infinite, of either sign.
    #[must_use]
    pub fn isinf(&self) -> Self {
        if self.dtype().is_float() { self.abs().eq(f64::INFINITY) } else { self.ne(self) }
    }

    /// Whether elements have a minus: -0 has, and NaN may.
    #[must_use]
    pub fn signbit(&self) -> Self {
        if self.dtype().is_float() {
            return Self::from(1.0).copysign(self).lt(0);
        }
        self.lt(0)
    }

    /// `self` with NaN, infinity and minus infinity replaced; by default, for `None`, by 0 and by the largest and the least
    /// number of the dtype. Integers have none of them and stay.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[f32::NAN, f32::INFINITY, 1.0], [3], &Device::cpu())?;
    /// assert_eq!(x.nan_to_num(None, Some(9.0), None).eval()?.to_vec::<f32>()?, [0.0, 9.0, 1.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn nan_to_num(&self, nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>) -> Self {
        if !self.dtype().is_float() {
            return self.clone();
        }
        let largest = self.dtype().largest().unwrap_or(f64::MAX);
        let below = Self::select(self.eq(f64::NEG_INFINITY), neginf.unwrap_or(-largest), self);
        let above = Self::select(self.eq(f64::INFINITY), posinf.unwrap_or(largest), below);
        Self::select(self.isnan(), nan.unwrap_or(0.0), above)
    }

    /// `sin(πx) / (πx)`, and 1 at 0. Of whole numbers it is exactly 0.
    #[must_use]
    pub fn sinc(&self) -> Self {
        let x = if self.dtype().is_float() { self.clone() } else { self.cast(DType::F32) };
        // What x is away from a whole number is exact, and the sine of it has the digits that the sine of πx would lose.
        let whole = x.round();
        let half = &whole * 0.5;
        let sign = 1 - (&half - half.floor()) * 4;
        let is_zero = x.eq(0);
        let sine = ((&x - whole) * PI).sin() * sign;
        Self::select(&is_zero, 1, sine / (Self::select(&is_zero, 1, x) * PI))
    }

    /// `log(x / (1 - x))`, the inverse of [`sigmoid`](Self::sigmoid), accurate where it is near 0. With `eps`, `x` is kept
    /// between that and 1 - `eps` first; else it is NaN beyond 0 and 1.
    #[must_use]
    pub fn logit(&self, eps: Option<f64>) -> Self {
        // At these bounds the slope is that between them.
        let x = eps.map_or_else(|| self.clone(), |eps| Self::select(self.lt(eps), eps, self.capped(1.0 - eps)));
        let is_low = x.lt(0.25);
        let low = Self::select(&is_low, &x, 0.125);
        let high = Self::select(&is_low, 0.5, x);
        Self::select(is_low, low.log() - (-low).log1p(), (high * 2 - 1).atanh() * 2)
    }

    /// `self` rounded to so many decimals, halves to even; to tens, hundreds and so on if `decimals` is negative.
    #[must_use]
    pub fn round_to(&self, decimals: i32) -> Self {
        let scale = 10_f64.powi(decimals.saturating_abs());
        of_float("round", self, || match decimals {
            0 => self.round(),
            1.. => (self * scale).round() / scale,
            _ => (self / scale).round() * scale,
        })
    }

    /// The other bits of integers; of bools, logical not.
    #[must_use]
    pub fn bitwise_not(&self) -> Self {
        if self.dtype() == DType::Bool {
            return self.unary(UnaryOp::Not);
        }
        self.binary(BinaryOp::BitwiseXor, -1)
    }

    /// Whether one element is true or not 0 and the other is not.
    #[must_use]
    pub fn logical_xor(&self, other: impl Into<Self>) -> Self {
        self.ne(0).ne(other.into().ne(0))
    }

    /// The larger of each pair of elements; NaN loses.
    #[must_use]
    pub fn fmax(&self, other: impl Into<Self>) -> Self {
        let other = other.into();
        self.unless_nan(&other, self.maximum(&other))
    }

    /// The smaller of each pair of elements; NaN loses.
    #[must_use]
    pub fn fmin(&self, other: impl Into<Self>) -> Self {
        let other = other.into();
        self.unless_nan(&other, self.minimum(&other))
    }

    /// `chosen`, and where one of two elements is NaN the other.
    fn unless_nan(&self, other: &Self, chosen: Self) -> Self {
        if !chosen.dtype().is_float() {
            return chosen;
        }
        Self::select(self.isnan(), other, Self::select(other.isnan(), self, chosen))
    }

    /// `log(exp(self) + exp(other))`, without overflow. Anything but floats is an error.
    #[must_use]
    pub fn logaddexp(&self, other: impl Into<Self>) -> Self {
        let other = other.into();
        of_floats("logaddexp", self, &other, || self.maximum(&other) + (-self.apart(&other)).exp().log1p())
    }

    /// `log2(2^self + 2^other)`, without overflow. Anything but floats is an error.
    #[must_use]
    pub fn logaddexp2(&self, other: impl Into<Self>) -> Self {
        let other = other.into();
        of_floats("logaddexp2", self, &other, || {
            self.maximum(&other) + (-self.apart(&other)).exp2().log1p() * (1.0 / LN_2)
        })
    }

    /// How far two elements are apart; 0 where they are equal, infinite ones, too.
    fn apart(&self, other: &Self) -> Self {
        Self::select(self.eq(other), 0, self - other).abs()
    }

    /// 0 below 0, 1 above, and `values` at 0; NaN stays.
    #[must_use]
    pub fn heaviside(&self, values: impl Into<Self>) -> Self {
        let values = values.into();
        carry(self.dtype().promoted(values.dtype(), "heaviside").map(|dtype| {
            let step = Self::select(self.isnan(), self, self.gt(0).cast(dtype));
            Self::select(self.eq(0), values, step)
        }))
    }

    /// `self * log(other)`, and 0 where `self` is 0 and `other` is not NaN.
    #[must_use]
    pub fn xlogy(&self, other: impl Into<Self>) -> Self {
        let other = other.into();
        // A number chosen instead of another number would be an f32.
        let other = if other.as_number().is_some() { other.cast(self.dtype().to_float()) } else { other };
        let has_logarithm = other.gt(0).logical_and(other.lt(f64::INFINITY)).logical_or(other.isnan());
        let is_0 = self.eq(0).logical_and(has_logarithm.logical_not());
        self * Self::select(is_0, 1, other).log()
    }

    /// `self * 2^other`.
    #[must_use]
    pub fn ldexp(&self, other: impl Into<Self>) -> Self {
        self * other.into().exp2()
    }

    /// The quotient as `mode` has it: PyTorch's `div(self, other, rounding_mode=...)`. [`Rounding::Floor`] is
    /// [`floor_divide`](Self::floor_divide).
    #[must_use]
    pub fn div_rounded(&self, other: impl Into<Self>, mode: Rounding) -> Self {
        let other = other.into();
        if mode == Rounding::Floor {
            return self.floor_divide(other);
        }
        let quotient = self.binary(BinaryOp::Div, &other);
        let is_whole = |x: &Self| x.dtype().category() == Category::Int;
        if quotient.error().is_none() && is_whole(self) && is_whole(&other) {
            // Without a detour by way of floats.
            return (self - self.fmod(&other)).floor_divide(other);
        }
        quotient.trunc()
    }
}

/// How [`Expr::div_rounded`] rounds a quotient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// Towards 0, as C divides integers.
    Trunc,
    /// Down, as Python's `//`.
    Floor,
}

/// Calls `build` if both are floats or numbers; otherwise carries the mistake.
fn of_floats(op: &'static str, a: &Expr, b: &Expr, build: impl FnOnce() -> Expr) -> Expr {
    let of_one = |x: &Expr| if x.as_number().is_some() { Expr::from(0.0) } else { x.clone() };
    of_float(op, &of_one(a), || of_float(op, &of_one(b), build))
}
