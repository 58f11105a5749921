//! How far each function is from the exact result, in units in the last place (ULP), on a device.
//!
//! Every function is given its whole range: bit patterns from all over, numbers from the intervals in its row, and runs
//! of neighbours around the places in its row, where its formula changes or cancels. The exact result is the operation's meaning in f64; for f64 itself
//! that is the standard library's, which is within one ULP. What may be flushed to zero (subnormals, as arguments and
//! as results) is left out.

mod composed;

use std::f64::consts::FRAC_PI_4;

use composed::Composed;

use crate::expr::op::{Draw, UnaryBound};
use crate::{BinaryOp, DType, Device, Element, Expr, Result, Tensor, UnaryOp};

/// The largest error of a function on a device.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Accuracy {
    /// The function.
    pub function: &'static str,
    /// The dtype, f32 or f64: f16 and bf16 are computed in f32.
    pub dtype: DType,
    /// Results that were looked at.
    pub elements: usize,
    /// The largest error, in ULP of the exact result. Infinite where a NaN or an infinity is missing or out of place.
    pub worst: f64,
    /// The documented bound on it.
    pub bound: f64,
    /// The arguments that gave the largest error; a function of one argument ignores the second.
    pub at: (f64, f64),
    /// What came out there.
    pub got: f64,
    /// What is exact there.
    pub want: f64,
}

impl Accuracy {
    /// Whether the function keeps its bound.
    pub fn passed(&self) -> bool {
        self.worst <= self.bound
    }
}

/// Something to measure.
#[derive(Clone, Copy)]
enum Function {
    Unary(UnaryOp),
    Binary(BinaryOp),
    Composed(&'static Composed),
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Self::Unary(op) => op.name(),
            Self::Binary(op) => op.name(),
            Self::Composed(composed) => composed.name,
        }
    }

    fn bound(self) -> f64 {
        match self {
            Self::Unary(op) => op.ulp(),
            Self::Binary(op) => op.ulp(),
            Self::Composed(composed) => composed.ulp,
        }
    }

    fn exact(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Unary(op) => op.apply(a),
            Self::Binary(op) => op.apply(a, b),
            Self::Composed(composed) => (composed.exact)(a),
        }
    }

    /// What it is measured at; of one argument, twice the same.
    fn arguments<T: Float>(self) -> Vec<(T, T)> {
        let twice = |x: Vec<T>| x.into_iter().map(|x| (x, x)).collect();
        match self {
            Self::Unary(op) => twice(arguments(op)),
            Self::Binary(op) => pairs(op),
            Self::Composed(composed) => twice(usual(composed.draws, composed.places)),
        }
    }
}

/// The functions with a rounding of their own.
fn functions() -> impl Iterator<Item = Function> {
    let unary = UnaryOp::ALL.into_iter().filter(|op| op.ulp() > 0.0).map(Function::Unary);
    let binary = BinaryOp::ALL.into_iter().filter(|op| op.ulp() > 0.0).map(Function::Binary);
    unary.chain(binary).chain(composed::ALL.iter().map(Function::Composed))
}

/// Measures every function with a rounding of its own, in f32 and, where the device has it, f64.
///
/// # Errors
///
/// What the device reports.
pub fn measure(device: &Device) -> Result<Vec<Accuracy>> {
    let mut out = Vec::new();
    for function in functions() {
        out.push(measure_one::<f32>(function, device)?);
        if device.info().f64 {
            out.push(measure_one::<f64>(function, device)?);
        }
    }
    Ok(out)
}

/// The two dtypes that arithmetic is done in.
pub(super) trait Float: Element {
    const DIGITS: i32;
    const LOWEST: i32;
    const MAX: f64;
    fn from_bits_of(bits: u64) -> Self;
    /// Some neighbours on, or back.
    fn step(self, by: i64) -> Self;
}

impl Float for f32 {
    const DIGITS: i32 = 23;
    const LOWEST: i32 = -126;
    const MAX: f64 = f32::MAX as f64;

    fn from_bits_of(bits: u64) -> Self {
        Self::from_bits((bits >> 32) as u32)
    }

    fn step(self, by: i64) -> Self {
        Self::from_bits((i64::from(self.to_bits()) + by) as u32)
    }
}

impl Float for f64 {
    const DIGITS: i32 = 52;
    const LOWEST: i32 = -1022;
    const MAX: f64 = f64::MAX;

    fn from_bits_of(bits: u64) -> Self {
        Self::from_bits(bits)
    }

    fn step(self, by: i64) -> Self {
        Self::from_bits(self.to_bits().wrapping_add_signed(by))
    }
}

/// Bit patterns from all over a dtype: a sequence that leaves no large gap anywhere.
const SPREAD: u64 = 60_000;
/// Arguments drawn evenly from where a function is mostly used.
const USUAL: u64 = 60_000;
/// Neighbours on each side of a difficult place.
const NEAR: i64 = 1000;

fn weyl(i: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Evenly from -1 to 1.
fn unit(i: u64) -> f64 {
    weyl(i) as f64 / 2f64.powi(63) - 1.0
}

/// One of [`USUAL`] numbers of a draw.
fn drawn(draw: Draw, i: u64) -> f64 {
    let (low, high, step) = match draw {
        Draw::Uniform(low, high) => (low, high, None),
        Draw::Whole(low, high) => (low.into(), high.into(), Some(1.0)),
        Draw::Quarters(low, high) => (low.into(), high.into(), Some(0.25)),
    };
    let x = low + (0.5 + 0.5 * unit(i)) * (high - low);
    step.map_or(x, |step| (x / step).round() * step)
}

/// Arguments from all over, from the draws, and next to the places and their negatives.
fn usual<T: Float>(draws: &[[Draw; 1]], places: &[[f64; 1]]) -> Vec<T> {
    let mut out: Vec<T> = (0..SPREAD).map(|i| T::from_bits_of(weyl(i))).collect();
    for &[draw] in draws {
        out.extend((0..USUAL).map(|i| T::from_f64(drawn(draw, i))));
    }
    for place in places.iter().flat_map(|&[p]| [p, -p]) {
        out.extend((-NEAR..NEAR).map(|by| T::from_f64(place).step(by)));
    }
    out
}

/// The arguments a function is measured at, of whatever size.
fn arguments<T: Float>(op: UnaryOp) -> Vec<T> {
    let row = op.row();
    let mut out = usual::<T>(row.draws, row.places);
    match row.bound {
        UnaryBound::Lipschitz { within } if within.is_finite() => {
            // Around multiples of a quarter of π, where a periodic function cancels or its formula changes.
            let quarters = (within / FRAC_PI_4) as i64;
            out.extend(
                (-quarters..=quarters).flat_map(|n| (-2..=2).map(move |by| T::from_f64(n as f64 * FRAC_PI_4).step(by))),
            );
            out.extend((0..USUAL).map(|i| T::from_f64(unit(i) * within)));
            out.retain(|x| !(x.to_f64().abs() > within && x.to_f64().is_finite()));
        }
        UnaryBound::Piecewise { .. } => {
            // Poles and the places where a formula changes, and only where errors are last places of the result.
            let (low, high) = row.domain[0];
            if low.is_finite() && high.is_finite() {
                let quarters = (high / FRAC_PI_4) as i64;
                let near = |n: i64| (-2..=2).map(move |by| T::from_f64(n as f64 * FRAC_PI_4).step(by));
                out.extend((-quarters..=quarters).flat_map(near));
            }
            out.retain(|x| (low..=high).contains(&x.to_f64()) || !x.to_f64().is_finite());
        }
        UnaryBound::Lipschitz { .. }
        | UnaryBound::Monotone
        | UnaryBound::Valley { .. }
        | UnaryBound::IsNan
        | UnaryBound::IsZero => {}
    }
    out
}

/// The pairs of arguments an operation is measured at.
fn pairs<T: Float>(op: BinaryOp) -> Vec<(T, T)> {
    let row = op.row();
    let mut out: Vec<(T, T)> = (0..SPREAD)
        .map(|i| (T::from_bits_of(weyl(i)), T::from_bits_of(weyl(i.wrapping_mul(0x5851_f42d) + 77))))
        .collect();
    // Another sequence than the first argument's.
    let other = |i: u64| i.wrapping_mul(0x2545_f491) + 13;
    let second = |i: u64| unit(other(i));
    out.extend((0..USUAL).map(|i| (T::from_f64(unit(i) * 4.0), T::from_f64(second(i) * 4.0))));
    for &[a, b] in row.draws {
        out.extend((0..USUAL).map(|i| (T::from_f64(drawn(a, i)), T::from_f64(drawn(b, other(i))))));
    }
    for &[a, b] in row.places {
        for signs in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]] {
            let [a, b] = [a * signs[0], b * signs[1]];
            out.push((T::from_f64(a), T::from_f64(b)));
            let near = |at: f64, i: u64| T::from_f64(at).step((unit(i) * NEAR as f64) as i64);
            out.extend((0..2 * NEAR as u64).map(|i| (near(a, i), near(b, other(i)))));
        }
    }
    if op == BinaryOp::Pow {
        // Positive bases all over, with exponents that bring the result anywhere in the range.
        let most = T::MAX.log2();
        for i in 0..USUAL * 2 {
            let log = unit(i) * if i % 2 == 0 { 3.0 } else { most };
            let exponent = second(i) * 1.02 * most / log;
            out.push((T::from_f64(log.exp2()), T::from_f64(exponent)));
        }
        // Bases next to 1, and whole exponents of bases of either sign.
        for i in 0..USUAL {
            let base = T::from_f64(1.0).step((unit(i) * 3e5) as i64);
            let log = base.to_f64().log2();
            out.push((base, T::from_f64(second(i) * 1.02 * most / if log == 0.0 { 1.0 } else { log })));
            out.push((T::from_f64(unit(i) * 20.0), T::from_f64((second(i) * 40.0).round())));
        }
    }
    out
}

/// The size of a last place at `x`.
pub(super) fn ulp<T: Float>(x: f64) -> f64 {
    let power = f64::from_bits(x.to_bits() & (0x7ff << 52));
    power.max(2f64.powi(T::LOWEST)) * 2f64.powi(-T::DIGITS)
}

/// How far `got` is from `want`, in ULP.
fn error<T: Float>(got: f64, want: f64) -> f64 {
    let rounded = T::from_f64(want).to_f64();
    if got == rounded || got.is_nan() && want.is_nan() {
        // For f64 the standard library's result is all there is to compare with.
        return if got == want || got.is_nan() || got.is_infinite() {
            0.0
        } else {
            (got - want).abs() / ulp::<T>(want)
        };
    }
    if want.is_infinite() || got.is_nan() || want.is_nan() {
        return f64::INFINITY;
    }
    let last = ulp::<T>(T::MAX);
    let past = |x: f64| if x.is_infinite() { (T::MAX + last).copysign(x) } else { x };
    (past(got) - want).abs() / if rounded.is_infinite() || got.is_infinite() { last } else { ulp::<T>(want) }
}

fn measure_one<T: Float>(function: Function, device: &Device) -> Result<Accuracy> {
    let pairs = function.arguments::<T>();
    let first: Vec<T> = pairs.iter().map(|p| p.0).collect();
    let first = Tensor::from_slice(&first, [pairs.len()], device)?;
    let expr: Expr = match function {
        Function::Unary(op) => first.unary(op),
        Function::Composed(composed) => (composed.of)(&Expr::from(&first)),
        Function::Binary(op) => {
            let second: Vec<T> = pairs.iter().map(|p| p.1).collect();
            first.binary(op, Tensor::from_slice(&second, [pairs.len()], device)?)
        }
    };
    Ok(judge(function, &pairs, &expr.eval()?.to_vec::<T>()?))
}

/// How far results are from what is exact for the arguments.
fn judge<T: Float>(function: Function, pairs: &[(T, T)], got: &[T]) -> Accuracy {
    let mut out = Accuracy {
        function: function.name(),
        dtype: T::DTYPE,
        elements: 0,
        worst: 0.0,
        bound: function.bound(),
        at: (0.0, 0.0),
        got: 0.0,
        want: 0.0,
    };
    let tiny = 2f64.powi(T::LOWEST);
    let subnormal = |x: f64| x != 0.0 && x.abs() < tiny;
    for (&(a, b), &got) in pairs.iter().zip(got) {
        let (a, b, got) = (a.to_f64(), b.to_f64(), got.to_f64());
        let want = function.exact(a, b);
        // WGSL leaves division by what is above 2^126 open: the reciprocal is subnormal.
        let vast = matches!(function, Function::Binary(BinaryOp::Div)) && b.abs() > 0.25 / tiny;
        if subnormal(a) || subnormal(b) || want.abs() < tiny * (1.0 + 1e-6) && want != 0.0 || vast {
            continue;
        }
        out.elements += 1;
        let error = error::<T>(got, want);
        if error > out.worst {
            (out.worst, out.at, out.got, out.want) = (error, (a, b), got, want);
        }
    }
    out
}

#[cfg(test)]
mod fast_math;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_in_last_places() {
        let next = 1.0 + f64::from(f32::EPSILON);
        assert_eq!(error::<f32>(next, 1.0), 1.0);
        assert_eq!(error::<f32>(1.0, 1.0 + 2f64.powi(-25)), 0.25);
        assert_eq!(error::<f64>(1.0_f64.next_down(), 1.0), 0.5);
        assert_eq!(error::<f32>(f64::INFINITY, 1e39), 0.0);
        assert_eq!(error::<f32>(f64::INFINITY, f64::from(f32::MAX)), 1.0);
        assert_eq!(error::<f32>(f64::NAN, f64::NAN), 0.0);
        for (got, want) in [(f64::NAN, 1.0), (1.0, f64::NAN), (f64::INFINITY, f64::NEG_INFINITY), (3e38, f64::INFINITY)]
        {
            assert_eq!(error::<f32>(got, want), f64::INFINITY, "{got} for {want}");
        }
    }

    #[test]
    fn every_function_is_given_enough_and_ordinary_arguments() {
        for op in UnaryOp::ALL {
            let normal = arguments::<f32>(op).into_iter().filter(|x| x.is_normal()).count();
            assert!(normal > 60_000, "{op:?}: {normal}");
        }
    }

    /// A measurement that cannot fail says nothing.
    #[test]
    fn a_bound_too_tight_is_noticed() {
        let tanh = measure_one::<f32>(Function::Unary(UnaryOp::Tanh), &Device::cpu()).unwrap();
        assert!(tanh.passed() && tanh.worst > 0.5 && tanh.elements > 100_000, "{tanh:?}");
        assert!(!Accuracy { bound: 0.4, ..tanh }.passed());
    }
}
