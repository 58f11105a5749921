//! Holding a tensor against a reference.

use std::fmt;

use super::approx::smallest_normal;
use super::convert::round_to;
use super::{Reference, elements};
use crate::{DType, Error, Result, Tensor};

/// How a tensor compares with what was wanted.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// Elements compared.
    pub elements: usize,
    /// Elements whose bound is infinite: whatever came out there is right.
    pub undetermined: usize,
    /// The largest error as a fraction of its bound; above 1 is a mismatch. Infinite where a NaN, an infinity or an
    /// exact value was missed.
    pub worst: f64,
    /// Elements out of bounds.
    pub mismatches: usize,
    /// The first element out of bounds, in row-major order.
    pub first: Option<Mismatch>,
}

/// An element out of bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Its row-major number.
    pub index: usize,
    /// What the engine computed.
    pub got: f64,
    /// What the reference computed, rounded to the dtype.
    pub want: f64,
    /// How far apart they may be.
    pub bound: f64,
}

impl Comparison {
    /// Whether every element is within its bound.
    pub fn passed(&self) -> bool {
        self.mismatches == 0
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.first {
            None => write!(f, "{} elements, worst error {:.3} of its bound", self.elements, self.worst),
            Some(first) => write!(f, "{} of {} elements wrong, first {first}", self.mismatches, self.elements),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, got, want, bound } = self;
        write!(f, "[{index}]: got {got:e}, want {want:e} ± {bound:.3e}")
    }
}

/// Compares a tensor with a reference, element by element. NaN is judged first: it matches NaN and nothing else.
///
/// To each bound the rounding to the tensor's dtype is added: what may be stored is what the ends of `value ± bound`
/// round to, and all that lies between.
///
/// # Errors
///
/// [`Error::Argument`] if shape or dtype differ; what the device reports.
pub fn compare(tensor: &Tensor, want: &Reference) -> Result<Comparison> {
    if (tensor.shape(), tensor.dtype()) != (&want.shape, want.dtype) {
        let expected = format!("{}{}", want.dtype, want.shape);
        return Err(Error::argument("compare", expected, format!("{}{}", tensor.dtype(), tensor.shape())));
    }
    Ok(compare_values(&elements(tensor)?, want))
}

/// The same for elements that were read already.
pub(crate) fn compare_values(got: &[f64], want: &Reference) -> Comparison {
    let mut out = Comparison { elements: got.len(), ..Comparison::default() };
    for (index, (&got, (&v, &e))) in got.iter().zip(want.values.iter().zip(&want.bounds)).enumerate() {
        if e == f64::INFINITY {
            out.undetermined += 1;
            continue;
        }
        let (bound, fraction) = judge(got, v, e, want.dtype);
        out.worst = out.worst.max(fraction);
        if fraction > 1.0 {
            out.mismatches += 1;
            out.first = out.first.or(Some(Mismatch { index, got, want: round_to(want.dtype, v), bound }));
        }
    }
    out
}

/// The bound with the store's rounding in it, and the error as a fraction of it.
fn judge(got: f64, v: f64, e: f64, dtype: DType) -> (f64, f64) {
    let want = round_to(dtype, v);
    if got.is_nan() || want.is_nan() {
        return (0.0, if got.is_nan() && want.is_nan() { 0.0 } else { f64::INFINITY });
    }
    if got == want {
        return (e, 0.0);
    }
    let (mut low, mut high) = (round_to(dtype, v - e), round_to(dtype, v + e));
    // A result that small may be flushed to zero.
    let tiny = smallest_normal(dtype);
    if dtype.is_float() && low.abs().min(high.abs()) < tiny {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    let bound = (want - low).max(high - want);
    let fraction = if low <= got && got <= high {
        if bound.is_finite() { (got - want).abs() / bound } else { 1.0 }
    } else {
        // At least a little above 1, whatever rounding in this division makes of it.
        let fraction = (got - want).abs() / bound;
        if fraction.is_nan() { f64::INFINITY } else { fraction.max(1.0 + 1e-9) }
    };
    (bound, fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, Shape};

    fn reference(dtype: DType, values: Vec<f64>, bound: f64) -> Reference {
        Reference { shape: Shape::from([values.len()]), dtype, bounds: vec![bound; values.len()], values }
    }

    #[test]
    fn one_wrong_element_in_a_million_is_noticed() {
        let want = reference(DType::F32, vec![1.0; 1 << 20], 1e-6);
        let mut got = vec![1.0_f32; 1 << 20];
        got[777_777] = 1.000_01;
        let tensor = Tensor::from_slice(&got, [1 << 20], &Device::cpu()).unwrap();
        let comparison = compare(&tensor, &want).unwrap();
        assert_eq!((comparison.mismatches, comparison.first.unwrap().index), (1, 777_777));
        assert!(comparison.worst > 9.0 && comparison.worst < 11.0);
    }

    #[test]
    fn nan_and_infinity_match_themselves_only() {
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0];
        for (i, &want) in values.iter().enumerate() {
            for (j, &got) in values.iter().enumerate() {
                let comparison = compare_values(&[got], &reference(DType::F32, vec![want], 1e-3));
                assert_eq!(comparison.passed(), i == j, "got {got}, want {want}");
            }
        }
    }

    #[test]
    fn the_store_rounds_once_and_to_even() {
        let passes = |dtype, v: f64, e: f64, got: f64| compare_values(&[got], &reference(dtype, vec![v], e)).passed();
        let ulp = 2f64.powi(-10);
        // Halfway between 1 and 1 + ulp goes to even; a bound above 0 lets it go either way.
        assert!(passes(DType::F16, 1.0 + ulp / 2.0, 0.0, 1.0) && !passes(DType::F16, 1.0 + ulp / 2.0, 0.0, 1.0 + ulp));
        assert!(passes(DType::F16, 1.0 + ulp / 2.0, 1e-7, 1.0) && passes(DType::F16, 1.0 + ulp / 2.0, 1e-7, 1.0 + ulp));
        assert!(!passes(DType::F16, 1.0 + ulp / 4.0, 1e-7, 1.0 + ulp));
        assert!(passes(DType::F16, 65520.0, 0.0, f64::INFINITY) && passes(DType::F16, 65519.0, 0.0, 65504.0));
        assert!(
            !passes(DType::F16, 65519.0, 1e-3, f64::INFINITY) && passes(DType::F16, 65519.9999, 1e-3, f64::INFINITY)
        );
        assert!(
            passes(DType::F32, 1e-40, 1e-38, 0.0)
                && passes(DType::I32, 7.0, 0.0, 7.0)
                && !passes(DType::I32, 7.0, 0.0, 8.0)
        );
    }

    #[test]
    fn shape_and_dtype_are_part_of_the_answer() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu()).unwrap();
        let mut want = reference(DType::F32, vec![1.0, 2.0], 0.0);
        assert!(compare(&x, &want).unwrap().passed());
        want.shape = Shape::from([2, 1]);
        assert!(compare(&x, &want).is_err());
        want = reference(DType::F64, vec![1.0, 2.0], 0.0);
        assert!(compare(&x, &want).is_err());
    }

    #[test]
    fn undetermined_elements_are_counted_not_judged() {
        let comparison = compare_values(&[f64::NAN], &reference(DType::F32, vec![1.0], f64::INFINITY));
        assert!(comparison.passed() && comparison.undetermined == 1);
    }
}
