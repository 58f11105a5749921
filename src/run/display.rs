//! Tensors as people read them: nested brackets, aligned columns, the middle of large ones left out.

use std::fmt::{self, Write};

use half::{bf16, f16};
use smallvec::SmallVec;

use crate::base::dtype::integers;
use crate::base::element::for_dtype;
use crate::{DType, Element, Result, Scalar, Tensor};

/// Tensors with more elements than this are shown in part.
const WHOLE: usize = 1000;
/// How many elements are shown at either end of a dim that is shown in part.
const EDGE: usize = 3;
/// Characters on a line.
const LINE: usize = 100;

/// Prints the elements, then dtype, shape and device.
///
/// Beyond 1000 elements only three at either end of each dim are read and shown. Numbers have as many decimals as
/// the one that needs most, up to 4 for f16 and bf16, 6 for f32 and 8 for f64; a tensor of one element has all. If
/// the elements cannot be read, the error stands in their place.
///
/// ```
/// use hadamard::{Device, Tensor};
/// let x = Tensor::from_slice(&[1.0_f32, -2.5, 0.125, 10.0], [2, 2], &Device::cpu())?;
/// assert_eq!(x.to_string(), "[[ 1.000, -2.500],\n [ 0.125, 10.000]]\nf32 [2, 2] on cpu");
/// # Ok::<(), hadamard::Error>(())
/// ```
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Shown::read(self) {
            Ok(shown) => f.write_str(&shown.text())?,
            Err(error) => write!(f, "<{error}>")?,
        }
        write!(f, "\n{} {} on {}", self.dtype(), self.shape(), self.device())
    }
}

/// The elements to show, in row-major order.
struct Shown {
    sizes: SmallVec<[usize; 8]>,
    /// Whether the middle of the dim is left out, after [`EDGE`] elements.
    gaps: SmallVec<[bool; 8]>,
    values: Vec<Scalar>,
    dtype: DType,
}

impl Shown {
    fn read(tensor: &Tensor) -> Result<Self> {
        let gaps: SmallVec<[bool; 8]> =
            tensor.shape().iter().map(|&n| tensor.numel() > WHOLE && n > 2 * EDGE).collect();
        let sizes: SmallVec<[usize; 8]> =
            tensor.shape().iter().zip(&gaps).map(|(&n, &gap)| if gap { 2 * EDGE } else { n }).collect();
        let mut values = vec![Scalar::Float(0.0); sizes.iter().product()];
        read_corners(tensor, &gaps, 0, &mut SmallVec::from_elem(0, sizes.len()), &sizes, &mut values)?;
        Ok(Self { sizes, gaps, values, dtype: tensor.dtype() })
    }

    fn text(&self) -> String {
        let format = Format::new(&self.values, self.dtype);
        let cells: Vec<String> = self.values.iter().map(|&v| format.cell(v)).collect();
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        let mut text = String::new();
        self.write(&mut text, 0, &cells, width);
        text
    }

    /// Writes the elements of one index of the first `depth` dims.
    fn write(&self, text: &mut String, depth: usize, cells: &[String], width: usize) {
        if depth == self.sizes.len() {
            text.extend(cells.first().map(String::as_str));
            return;
        }
        let (size, last) = (self.sizes[depth], depth + 1 == self.sizes.len());
        let inner: usize = self.sizes[depth + 1..].iter().product();
        let indent = " ".repeat(depth + 1);
        // A new line, and a blank one for each dim beyond the rows.
        let new_line = format!("{}{indent}", "\n".repeat((self.sizes.len() - 1 - depth).max(1)));
        let in_line = (LINE.saturating_sub(self.sizes.len()) / (width + 2)).max(1);
        text.push('[');
        for i in 0..size {
            if i > 0 {
                text.push(',');
                *text += if !last || i % in_line == 0 { &new_line } else { " " };
            }
            if self.gaps[depth] && i == EDGE {
                *text += "...,";
                *text += if last { " " } else { &new_line };
            }
            if last {
                // Writing to a String cannot fail.
                let _ = write!(text, "{:>width$}", cells[i]);
            } else {
                self.write(text, depth + 1, &cells[i * inner..(i + 1) * inner], width);
            }
        }
        text.push(']');
    }
}

/// Reads each corner of the dims that have gaps, and puts it in its place among what is shown. `start` is where.
fn read_corners(
    tensor: &Tensor,
    gaps: &[bool],
    dim: usize,
    start: &mut SmallVec<[usize; 8]>,
    sizes: &[usize],
    out: &mut [Scalar],
) -> Result<()> {
    if let Some(dim) = (dim..gaps.len()).find(|&d| gaps[d]) {
        let n = tensor.shape()[dim];
        for (from, to) in [(0, 0), (n - EDGE, EDGE)] {
            start[dim] = to;
            read_corners(&tensor.narrow(dim as isize, from, EDGE)?, gaps, dim + 1, start, sizes, out)?;
        }
        return Ok(());
    }
    for (i, value) in read_values(tensor)?.into_iter().enumerate() {
        let (mut rest, mut place, mut step) = (i, 0, 1);
        for d in (0..sizes.len()).rev() {
            place += (start[d] + rest % tensor.shape()[d]) * step;
            rest /= tensor.shape()[d];
            step *= sizes[d];
        }
        out[place] = value;
    }
    Ok(())
}

/// The elements as numbers that hold all of them exactly; of u64s, the bits.
fn read_values(tensor: &Tensor) -> Result<Vec<Scalar>> {
    fn read<T: Element>(tensor: &Tensor) -> Result<Vec<Scalar>> {
        Ok(tensor.to_vec::<T>()?.into_iter().map(|x| Scalar::Float(x.to_f64())).collect())
    }
    match tensor.dtype() {
        DType::I64 => Ok(tensor.to_vec::<i64>()?.into_iter().map(Scalar::Int).collect()),
        DType::U64 => Ok(tensor.to_vec::<u64>()?.into_iter().map(|x| Scalar::Int(x as i64)).collect()),
        dtype => for_dtype!(dtype, T => read::<T>(tensor)),
    }
}

/// How the numbers of one tensor are written.
#[derive(Clone, Copy)]
enum Format {
    Bool,
    Integer,
    /// A u64, whose bits the number has.
    Unsigned,
    Float(Notation),
}

/// How floats are written.
#[derive(Clone, Copy)]
enum Notation {
    /// With this many decimals.
    Fixed(usize),
    /// `1.25e-07`, with this many decimals.
    Exponent(usize),
}

impl Format {
    fn new(values: &[Scalar], dtype: DType) -> Self {
        let most = match dtype {
            DType::Bool => return Self::Bool,
            integers!() => return if dtype == DType::U64 { Self::Unsigned } else { Self::Integer },
            _ if values.len() == 1 => 17,
            DType::F16 | DType::BF16 => 4,
            DType::F32 => 6,
            DType::F64 => 8,
        };
        let finite = || values.iter().map(|v| v.to_f64()).filter(|v| v.is_finite() && *v != 0.0);
        let (low, high) = finite().fold((1.0_f64, 1.0_f64), |(low, high), v| (low.min(v.abs()), high.max(v.abs())));
        let form = if low < 1e-4 || high >= 1e8 { Notation::Exponent } else { Notation::Fixed };
        let decimals = finite().map(|v| (1..most).find(|&n| same(&form(n).cell(v), v, dtype)).unwrap_or(most));
        Self::Float(form(decimals.max().unwrap_or(1)))
    }

    fn cell(self, value: Scalar) -> String {
        match self {
            Self::Bool => (if value.to_bool() { "True" } else { "False" }).to_owned(),
            Self::Integer => value.to_i64().to_string(),
            Self::Unsigned => (value.to_i64() as u64).to_string(),
            Self::Float(notation) => notation.cell(value.to_f64()),
        }
    }
}

impl Notation {
    fn cell(self, value: f64) -> String {
        match self {
            _ if value.is_nan() => "nan".to_owned(),
            _ if value.is_infinite() => (if value > 0.0 { "inf" } else { "-inf" }).to_owned(),
            Self::Fixed(decimals) => format!("{value:.decimals$}"),
            Self::Exponent(decimals) => {
                let text = format!("{value:.decimals$e}");
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
                format!("{mantissa}e{sign}{digits:0>2}")
            }
        }
    }
}

/// Whether the text, read back into the dtype, is the value.
fn same(text: &str, value: f64, dtype: DType) -> bool {
    let Ok(read) = text.parse::<f64>() else { return false };
    match dtype {
        DType::F16 => <f16 as Element>::from_f64(read).to_f64() == value,
        DType::BF16 => <bf16 as Element>::from_f64(read).to_f64() == value,
        DType::F32 => f64::from(read as f32) == value,
        _ => read == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, Shape};

    fn elements<T: Element>(values: &[T], shape: impl Into<Shape>) -> String {
        let text = Tensor::from_slice(values, shape, &Device::cpu()).unwrap().to_string();
        let (elements, _) = text.rsplit_once('\n').unwrap();
        elements.to_owned()
    }

    #[test]
    fn numbers_have_the_decimals_they_need() {
        assert_eq!(elements(&[0.1_f32], ()), "0.1");
        assert_eq!(elements(&[1.0_f32 / 3.0], ()), "0.33333334");
        assert_eq!(elements(&[1.0_f64 / 3.0], [1]), "[0.3333333333333333]");
        assert_eq!(elements(&[1.0_f32 / 3.0, 1.0], [2]), "[0.333333, 1.000000]");
        assert_eq!(elements(&[f16::from_f32(0.1), f16::from_f32(2.0)], [2]), "[0.1, 2.0]");
        assert_eq!(elements(&[1.0_f32, -10.0, 0.5], [3]), "[  1.0, -10.0,   0.5]");
        assert_eq!(elements(&[1e-7_f32, -1.0, 0.0], [3]), "[ 1.0e-07, -1.0e+00,  0.0e+00]");
        assert_eq!(elements(&[1.25e30_f64], [1]), "[1.25e+30]");
        assert_eq!(elements(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0], [4]), "[ nan,  inf, -inf, -0.0]");
        assert_eq!(elements(&[7_i32, -70, i32::MIN], [3]), "[          7,         -70, -2147483648]");
        assert_eq!(elements(&[true, false], [2]), "[ True, False]");
        assert_eq!(elements(&[0_u8; 0], [0]), "[]");
        assert_eq!(elements(&[0_u8; 0], [2, 0]), "[[],\n []]");
    }

    #[test]
    fn dims_nest() {
        let x: Vec<u8> = (0..8).collect();
        assert_eq!(elements(&x, [2, 4]), "[[0, 1, 2, 3],\n [4, 5, 6, 7]]");
        assert_eq!(elements(&x, [2, 2, 2]), "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
        let long = elements(&[100_u8; 40], [40]);
        assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [95, 95, 10]);
    }

    #[test]
    fn only_the_ends_of_large_tensors_are_shown() {
        let x: Vec<i32> = (0..3000).collect();
        assert_eq!(elements(&x, [3000]), "[   0,    1,    2, ..., 2997, 2998, 2999]");
        assert_eq!(elements(&x[..1000], [1000]).matches(',').count(), 999);
        assert_eq!(elements(&x, [500, 1, 6]).lines().nth(6), Some(" ...,"));
    }
}
