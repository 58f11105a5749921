//! Arithmetic on values that carry a bound: running error analysis, one operation at a time.
//!
//! Every operation takes intervals `v ± e` and gives one that holds whatever a correct engine may compute: the
//! image of the arguments' intervals, widened by the operation's own rounding ([`Allowance`]).

use crate::DType;

/// From here on f64 does not hold every integer, and none is judged.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A value, and how far from it a correct engine's may be. `e` is infinite where anything at all may come out, NaN
/// included: above the overflow threshold within the bound, say.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Approx {
    pub(super) v: f64,
    pub(super) e: f64,
}

impl Approx {
    pub(super) const fn exact(v: f64) -> Self {
        Self { v, e: 0.0 }
    }

    pub(super) const fn unknown(v: f64) -> Self {
        Self { v, e: f64::INFINITY }
    }

    pub(super) fn is_exact(self) -> bool {
        self.e == 0.0
    }

    pub(super) fn is_unknown(self) -> bool {
        self.e == f64::INFINITY
    }

    /// A truth value: `Some` where it is beyond doubt.
    pub(super) fn truth(self) -> Option<bool> {
        if self.is_exact() { Some(self.v != 0.0) } else { None }
    }

    pub(super) fn of_truth(v: bool, certain: bool) -> Self {
        Self { v: f64::from(u8::from(v)), e: if certain { 0.0 } else { 1.0 } }
    }

    /// A number or an element of a tensor, as arithmetic in `compute` sees it. Subnormals may be flushed as they are
    /// read.
    pub(super) fn read(v: f64, compute: DType) -> Self {
        match compute {
            DType::F32 | DType::F64 if v.abs() < smallest_normal(compute) => Self { v, e: v.abs() },
            DType::I64 if v.abs() >= WHOLE => Self::unknown(v),
            _ => Self::exact(v),
        }
    }

    /// A zero whose sign is no engine's promise: what is divided by it may be either infinity.
    pub(super) fn of_either_sign(self, compute: DType) -> Self {
        Self { e: self.e.max(smallest_normal(compute)), ..self }
    }

    /// `v`, widened to hold all of `others`. A distance that f64 rounds is rounded up: beside 1e30, all of 0.25 is lost.
    pub(super) fn hull(v: f64, others: &[f64]) -> Self {
        let mut e = 0.0_f64;
        for &other in others {
            if other == v || other.is_nan() && v.is_nan() {
                continue;
            }
            let rounded = (other - v).abs();
            let distance = if residue_of_sum(other, -v) == 0.0 { rounded } else { rounded.next_up() };
            e = if distance.is_nan() { f64::INFINITY } else { e.max(distance) };
        }
        Self { v, e }
    }

    /// The image under a monotone function.
    pub(super) fn monotone(self, f: impl Fn(f64) -> f64) -> Self {
        match self {
            Self { v, e: 0.0 } => Self::exact(f(v)),
            Self { v, e } if e == f64::INFINITY => Self::unknown(f(v)),
            Self { v, e } => Self::hull(f(v), &[f(v - e), f(v + e)]),
        }
    }

    /// The image under a function that falls up to `bottom` and rises from there.
    pub(super) fn valley(self, bottom: f64, f: impl Fn(f64) -> f64) -> Self {
        let ends = self.monotone(&f);
        if (self.v - bottom).abs() < self.e { Self { e: ends.e.max((f(bottom) - ends.v).abs()), ..ends } } else { ends }
    }

    /// The image under a function of two arguments whose extremes over a rectangle are at its corners: one that is
    /// monotone in each argument, or linear in each.
    pub(super) fn corners(self, rhs: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let (a, b) = (self, rhs);
        if a.is_exact() && b.is_exact() {
            return Self::exact(f(a.v, b.v));
        }
        if a.is_unknown() || b.is_unknown() {
            return Self::unknown(f(a.v, b.v));
        }
        let corners = [
            f(a.v - a.e, b.v - b.e),
            f(a.v - a.e, b.v + b.e),
            f(a.v + a.e, b.v - b.e),
            f(a.v + a.e, b.v + b.e),
            // A zero inside an interval matters where the other side is infinite.
            f(if a.v.abs() <= a.e { 0.0 } else { a.v }, if b.v.abs() <= b.e { 0.0 } else { b.v }),
        ];
        Self::hull(f(a.v, b.v), &corners)
    }

    /// Widened by an operation's own rounding in `compute`, and by what overflow and flushed subnormals may do.
    pub(super) fn rounded(self, allowance: Allowance, compute: DType) -> Self {
        let Self { v, e } = self;
        if !v.is_finite() || self.is_unknown() {
            return self;
        }
        let epsilon = compute.epsilon();
        let e = e + epsilon * (allowance.relative * (v.abs() + e) + allowance.absolute) + smallest_normal(compute);
        Self { v, e }.overflowed(compute)
    }

    /// Infinite where the value is beyond `compute`'s largest, and unknown where it may be.
    fn overflowed(self, compute: DType) -> Self {
        let Self { v, e } = self;
        if compute != DType::F32 || !v.is_finite() {
            return self;
        }
        // Halfway from the largest f32 to the next power of two: what rounds to infinity.
        let threshold = f64::from(f32::MAX) + 2f64.powi(103);
        if v.abs() - e >= threshold {
            return Self::exact(f64::INFINITY.copysign(v));
        }
        if v.abs() + e > f64::from(f32::MAX) { Self::unknown(v) } else { self }
    }
}

/// Rounding an operation may add: `ε (relative · |result| + absolute)`, where ε is the unit roundoff, half a unit in
/// the last place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Allowance {
    pub(super) relative: f64,
    pub(super) absolute: f64,
}

impl Allowance {
    /// Of an operation documented to be within so many units in the last place: one unit is two ε, or less.
    pub(super) const fn ulp(units: f64) -> Self {
        Self { relative: 2.0 * units, absolute: 0.0 }
    }
}

/// What is left of `a + b` after it is rounded to f64.
pub(super) fn residue_of_sum(a: f64, b: f64) -> f64 {
    let y = a + b;
    let part = y - a;
    (a - (y - part)) + (b - part)
}

/// The smallest value of a dtype that is no subnormal; 0 for integers.
pub(super) fn smallest_normal(dtype: DType) -> f64 {
    match dtype {
        DType::F32 | DType::BF16 => f64::from(f32::MIN_POSITIVE),
        DType::F64 => f64::MIN_POSITIVE,
        // f16 is put together by hand on every engine, subnormals included.
        _ => 0.0,
    }
}

/// An integer as arithmetic leaves it: wrapped to the dtype.
pub(super) fn integer(value: i64, dtype: DType, certain: bool) -> Approx {
    let v = dtype.wrap(value) as f64;
    if certain && v.abs() < WHOLE { Approx::exact(v) } else { Approx::unknown(v) }
}
