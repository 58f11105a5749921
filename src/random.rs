//! Random numbers as expressions. An element's number depends on its index and a seed, on nothing else.
//!
//! The generator is counter-based: Philox4x32-10 ([Salmon et al., 2011](https://doi.org/10.1145/2063384.2063405)), with
//! an element's row-major number as the counter and the seed as the key. So a seed gives the same numbers on the CPU
//! and on every GPU, however the work is cut up, and an expression of them takes no memory: a mask of dropout fuses
//! into what it masks.
//!
//! ```
//! use hadamard::{DType, Device, ScalarCell, Tensor, random};
//! let x = Tensor::ones([1000], DType::F32, &Device::cpu())?;
//! let step = ScalarCell::new(0.0);
//! let dropped = &x * random::uniform([1000], DType::F32, &step).ge(0.25) / 0.75;
//! let first = dropped.eval()?.to_vec::<f32>()?;
//! step.set(1.0); // another mask; nothing is built or compiled
//! assert_ne!(dropped.eval()?.to_vec::<f32>()?, first);
//! # Ok::<(), hadamard::Error>(())
//! ```
//!
//! The bits are the same everywhere, and so are uniform numbers from 0 to 1 or from `-a` to `a`. Numbers between other
//! bounds and normal numbers are rounded on the way, and devices may differ as far as `docs/accuracy.md` allows.

use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2, TAU};
use std::ops::Range;

use smallvec::smallvec;

use crate::expr::Op;
use crate::{DType, Device, Error, Expr, Result, ScalarCell, Shape, Tensor};

/// A seed: any `u64`, or a [`ScalarCell`], which holds a whole number below 2³² and is read at each evaluation.
#[derive(Clone, Debug)]
pub struct Seed {
    low: Expr,
    high: Expr,
}

impl From<u64> for Seed {
    fn from(seed: u64) -> Self {
        Self { low: i64::from(seed as u32).into(), high: ((seed >> 32) as i64).into() }
    }
}

impl From<&ScalarCell> for Seed {
    fn from(cell: &ScalarCell) -> Self {
        Self { low: cell.into(), high: 0.into() }
    }
}

/// 24 random bits for each element, as an i32. `word` is 0 to 3: four draws that are independent of each other.
fn bits(shape: &Shape, seed: &Seed, word: u8) -> Expr {
    let counter = match shape.checked_numel("random") {
        Ok(numel) => Expr::numbers(numel).reshape(shape.clone()),
        Err(error) => Expr::invalid(error),
    };
    if counter.error().is_some() {
        return counter;
    }
    Expr::new(Op::Random(word), smallvec![counter, seed.low.clone(), seed.high.clone()], shape.clone(), DType::I32)
}

/// 2⁻²⁴, the weight of the lowest of 24 bits.
const UNIT: f64 = 1.0 / 16_777_216.0;

/// Uniform numbers from 0 up to, but not including, 1, in this shape.
///
/// They are multiples of 2⁻²⁴ in f32, 2⁻¹¹ in f16, 2⁻⁸ in bf16 and 2⁻⁴⁸ in f64, so rounding never turns one into 1.
/// Any other dtype is a mistake, which the result carries.
///
/// ```
/// use hadamard::{DType, random};
/// let x = random::uniform([2, 3], DType::F32, 7).eval()?;
/// let same = random::uniform([6], DType::F32, 7).eval()?;
/// assert_eq!(x.to_vec::<f32>()?, same.to_vec::<f32>()?);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[must_use]
pub fn uniform(shape: impl Into<Shape>, dtype: DType, seed: impl Into<Seed>) -> Expr {
    let (shape, seed) = (shape.into(), seed.into());
    let coarse = |n_bits: i32| {
        let kept = (bits(&shape, &seed, 0) * 2_f64.powi(n_bits - 24)).floor();
        (kept * 2_f64.powi(-n_bits)).cast(dtype)
    };
    match dtype {
        DType::F32 => bits(&shape, &seed, 0) * UNIT,
        DType::F64 => fine(&shape, &seed, 0),
        DType::F16 => coarse(11),
        DType::BF16 => coarse(8),
        _ => Expr::invalid(no_float("uniform", dtype)),
    }
}

/// 48 bits of the words `word` and `word + 1`, as an f64 from 0 up to 1.
fn fine(shape: &Shape, seed: &Seed, word: u8) -> Expr {
    let wide = |word| bits(shape, seed, word).cast(DType::F64);
    wide(word) * UNIT + wide(word + 1) * (UNIT * UNIT)
}

/// Uniform numbers between -1 and 1, both excluded, symmetric about 0; in f32 or f64.
fn symmetric(shape: &Shape, dtype: DType, seed: &Seed) -> Expr {
    match dtype {
        DType::F64 => fine(shape, seed, 0) * 2.0 - (1.0 - UNIT * UNIT),
        // An odd number of at most 24 bits, exact in f32.
        _ => (bits(shape, seed, 0) * 2 - 16_777_215) * UNIT,
    }
}

/// Numbers of the standard normal distribution: mean 0, standard deviation 1.
///
/// They come from the Box–Muller transform (1958), so none is further from 0 than 5.8 in f32 (8.2 in f64). A dtype that
/// is not a float is a mistake, which the result carries.
#[must_use]
pub fn normal(shape: impl Into<Shape>, dtype: DType, seed: impl Into<Seed>) -> Expr {
    let (shape, seed) = (shape.into(), seed.into());
    // From 2⁻²⁴ to 1, never 0, which has no logarithm.
    let (radius, turn) = match dtype {
        DType::F64 => (fine(&shape, &seed, 0) + UNIT * UNIT, fine(&shape, &seed, 2) * TAU),
        DType::F32 | DType::F16 | DType::BF16 => {
            ((bits(&shape, &seed, 0) + 1) * UNIT, bits(&shape, &seed, 1) * (TAU * UNIT))
        }
        _ => return Expr::invalid(no_float("normal", dtype)),
    };
    ((-2.0 * radius.log()).sqrt() * turn.cos()).cast(dtype)
}

/// Bools that are `true` with this probability, independently of each other.
#[must_use]
pub fn bernoulli(shape: impl Into<Shape>, probability: impl Into<Expr>, seed: impl Into<Seed>) -> Expr {
    uniform(shape, DType::F32, seed).lt(probability)
}

fn no_float(op: &'static str, dtype: DType) -> Error {
    Error::DType { op, expected: "a float", found: dtype }
}

fn require_float(op: &'static str, dtype: DType) -> Result<()> {
    if dtype.is_float() { Ok(()) } else { Err(no_float(op, dtype)) }
}

/// Numbers between bounds.
pub(crate) fn between(shape: &Shape, range: &Range<f64>, dtype: DType, seed: &Seed) -> Result<Expr> {
    let (low, high) = (range.start, range.end);
    if !(low <= high && (high - low).is_finite()) {
        return Err(Error::argument("uniform", "finite bounds, the lower first", format!("{range:?}")));
    }
    require_float("uniform", dtype)?;
    if low == -high {
        // One multiplication: the same on every device.
        return Ok((symmetric(shape, dtype, seed) * high).cast(dtype));
    }
    if (low, high) == (0.0, 1.0) {
        return Ok(uniform(shape.clone(), dtype, seed.clone()));
    }
    let wide = dtype.compute();
    Ok((low + (high - low) * uniform(shape.clone(), wide, seed.clone())).cast(dtype))
}

/// Normal numbers of a mean and a standard deviation.
pub(crate) fn gaussian(shape: &Shape, mean: f64, std: f64, dtype: DType, seed: &Seed) -> Result<Expr> {
    if !(std >= 0.0 && std.is_finite() && mean.is_finite()) {
        let found = format!("mean {mean:?}, std {std:?}");
        return Err(Error::argument("normal", "a finite mean and a std of at least 0", found));
    }
    require_float("normal", dtype)?;
    let wide = dtype.compute();
    let standard = normal(shape.clone(), wide, seed.clone());
    Ok((if mean == 0.0 { standard * std } else { mean + std * standard }).cast(dtype))
}

/// Normal numbers truncated to `range`, as by PyTorch's `trunc_normal_`: uniform numbers between the values of the
/// normal distribution function at the bounds, put through its inverse.
pub(crate) fn truncated(
    shape: &Shape,
    [mean, std]: [f64; 2],
    range: &Range<f64>,
    dtype: DType,
    seed: &Seed,
) -> Result<Expr> {
    const OP: &str = "trunc_normal";
    if !(std > 0.0 && std.is_finite() && mean.is_finite()) {
        let found = format!("mean {mean:?}, std {std:?}");
        return Err(Error::argument(OP, "a finite mean and a std above 0", found));
    }
    let in_order = range.start < range.end;
    if !in_order {
        return Err(Error::argument(OP, "bounds, the lower first", format!("{range:?}")));
    }
    require_float(OP, dtype)?;
    let wide = dtype.compute();
    let [low, high] = [range.start, range.end].map(|bound| libm::erf((bound - mean) / (std * SQRT_2)));
    let (middle, half) = (f64::midpoint(low, high), (high - low) / 2.0);
    let even = symmetric(shape, wide, seed) * half;
    let even = if middle == 0.0 { even } else { middle + even };
    Ok((mean + std * SQRT_2 * erfinv(&even)).clamp(range.start, range.end).cast(dtype))
}

/// The inverse of the error function between -1 and 1, by the polynomials of [Giles, "Approximating the
/// erfinv function", 2012](https://people.maths.ox.ac.uk/gilesm/files/gems_erfinv.pdf), followed in f64 by two steps of
/// Newton's method.
fn erfinv(x: &Expr) -> Expr {
    const CENTRE: [f64; 9] = [
        2.810_226_36e-8,
        3.432_739_39e-7,
        -3.523_387_7e-6,
        -4.391_506_54e-6,
        2.185_808_7e-4,
        -1.253_725_03e-3,
        -4.177_681_64e-3,
        2.466_407_27e-1,
        1.501_409_41,
    ];
    const TAIL: [f64; 9] = [
        -2.002_142_57e-4,
        1.009_505_58e-4,
        1.349_343_22e-3,
        -3.673_428_44e-3,
        5.739_507_73e-3,
        -7.622_461_3e-3,
        9.438_870_47e-3,
        1.001_674_06,
        2.832_976_82,
    ];
    let horner = |w: &Expr, p: [f64; 9]| p[1..].iter().fold(Expr::from(p[0]), |sum, &c| sum * w + c);
    let w = -((1 - x) * (1 + x)).log();
    let centre = horner(&(&w - 2.5), CENTRE);
    let tail = horner(&(w.sqrt() - 3.0), TAIL);
    let mut y = Expr::select(w.lt(5.0), centre, tail) * x;
    if x.dtype() == DType::F64 {
        for _ in 0..2 {
            y = &y - (y.erf() - x) / (FRAC_2_SQRT_PI * (-y.square()).exp());
        }
    }
    y
}

impl Tensor {
    /// A tensor of uniform numbers from a range, made by [`random`](crate::random).
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor};
    /// let x = Tensor::uniform([2, 3], -0.5..0.5, DType::F32, 42, &Device::best()?)?;
    /// assert!(x.to_vec::<f32>()?.iter().all(|x| x.abs() < 0.5));
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Only rounding can produce the upper bound itself; between `-a` and `a` in f32 it never does.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for bounds that are not finite or in the wrong order, [`Error::DType`] unless the dtype is a
    /// float; what the device reports.
    pub fn uniform(
        shape: impl Into<Shape>,
        range: Range<f64>,
        dtype: DType,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let shape = shape.into();
        let values = between(&shape, &range, dtype, &seed.into())?;
        Self::made("uniform", &shape, dtype, device, values)
    }

    /// A tensor of normal numbers with this mean and standard deviation, made by [`random`](crate::random).
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] unless both are finite and `std` at least 0, [`Error::DType`] unless the dtype is a float;
    /// what the device reports.
    pub fn normal(
        shape: impl Into<Shape>,
        mean: f64,
        std: f64,
        dtype: DType,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let shape = shape.into();
        let values = gaussian(&shape, mean, std, dtype, &seed.into())?;
        Self::made("normal", &shape, dtype, device, values)
    }

    fn made(op: &'static str, shape: &Shape, dtype: DType, device: &Device, values: Expr) -> Result<Self> {
        let tensor = Self::empty(op, shape.clone(), dtype, device)?;
        tensor.assign(values)?;
        Ok(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_error_function_is_inverse() {
        let device = Device::cpu();
        let x: Vec<f64> = (-999..1000).map(|i| f64::from(i) / 1000.0).chain([1.0 - 1e-7, 1e-7 - 1.0, 1e-9]).collect();
        let wide = Tensor::from_slice(&x, [x.len()], &device).unwrap();
        let narrow = wide.to_dtype(DType::F32).unwrap();
        let y = erfinv(&(&wide).into()).eval().unwrap().to_vec::<f64>().unwrap();
        let y32 = erfinv(&(&narrow).into()).eval().unwrap().to_vec::<f32>().unwrap();
        for ((x, y), y32) in x.iter().zip(&y).zip(y32) {
            // Rounding, times the slope of the function.
            let slope = FRAC_2_SQRT_PI * (-y * y).exp();
            assert!((libm::erf(*y) - x).abs() <= 1e-14 * (x.abs() + (slope * y).abs()), "{x}: {y}");
            // Giles: 3.5e-7 relative; the argument is rounded to f32, too.
            let allowed = 4e-7 * y.abs() + 6e-8 * x.abs() / slope;
            assert!((f64::from(y32) - y).abs() <= allowed, "{x}: {y32} instead of {y}");
        }
    }
}
