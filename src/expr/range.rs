//! Numbers beyond the integers of a dtype: nothing wraps without a word.
//!
//! An operation that would need such a number as an element refuses it. One that only compares with it has an answer:
//! every element lies on the same side of it.

use super::node::Expr;
use super::op::BinaryOp;
use crate::{DType, Error, Result, Scalar};

impl DType {
    /// The least and the largest number that may stand for an element of an integer dtype. As in PyTorch, a negative
    /// number counts backwards from 256 among u8s: adding -1 takes 1 away.
    const fn numbers(self) -> Option<(i64, i64)> {
        match self.integer_range() {
            Some((0, high)) => Some((-high, high)),
            bounds => bounds,
        }
    }

    /// The largest finite element, of a float dtype.
    pub(super) fn largest(self) -> Option<f64> {
        match self {
            Self::F16 => Some(half::f16::MAX.to_f64()),
            Self::BF16 => Some(half::bf16::MAX.to_f64()),
            Self::F32 => Some(f32::MAX.into()),
            Self::F64 => Some(f64::MAX),
            Self::Bool
            | Self::U8
            | Self::I8
            | Self::I16
            | Self::I32
            | Self::I64
            | Self::U16
            | Self::U32
            | Self::U64 => None,
        }
    }
}

/// Refuses an integer that cannot stand for an element of `dtype`. Floats hold any, rounded or as an infinity.
pub(crate) fn check_integer(op: &'static str, number: i64, dtype: DType) -> Result<()> {
    match dtype.numbers() {
        Some((low, high)) if !(low..=high).contains(&number) => Err(beyond(op, number.to_string(), dtype)),
        _ => Ok(()),
    }
}

/// Refuses a number that is to become an element of `dtype` as it is and cannot: an integer or a float beyond its range,
/// or NaN among integers. An infinity is an element of every float dtype.
pub(crate) fn check_element(op: &'static str, number: Scalar, dtype: DType) -> Result<()> {
    let value = match number {
        Scalar::Float(value) => value,
        Scalar::Int(_) | Scalar::Bool(_) if dtype.is_float() => number.to_f64(),
        Scalar::Int(_) | Scalar::Bool(_) => return check_integer(op, number.to_i64(), dtype),
    };
    let holds = match (dtype.numbers(), dtype.largest()) {
        (Some((low, high)), _) => value >= low as f64 && value <= high as f64,
        (None, Some(largest)) => !value.is_finite() || value.abs() <= largest,
        (None, None) => true,
    };
    if holds { Ok(()) } else { Err(beyond(op, format!("{value:?}"), dtype)) }
}

fn beyond(op: &'static str, found: String, dtype: DType) -> Error {
    let range = match (dtype.numbers(), dtype.largest()) {
        (Some((low, high)), _) => format!("{low} to {high}"),
        (None, largest) => format!("up to {:e}", largest.unwrap_or(f64::MAX)),
    };
    Error::argument(op, format!("a number in the range of {dtype} ({range})"), found)
}

/// What an operation comes to if one argument is an integer beyond `from`, the dtype that both are converted to; `None`
/// if none is. `to` is the dtype of the result.
pub(super) fn settle(op: BinaryOp, [a, b]: [&Expr; 2], from: DType, to: DType) -> Result<Option<Expr>> {
    let (number, tensor) = match (a.as_scalar(), b.as_scalar()) {
        (Some(Scalar::Int(number)), None) => (number, b),
        (None, Some(Scalar::Int(number))) => (number, a),
        _ => return Ok(None),
    };
    let Some((low, high)) = from.integer_range() else { return Ok(None) };
    match op {
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
            // It is compared in the dtype that elements are computed in, whose numbers are more, but for u64.
            let wide = if from == DType::U64 { from } else { from.compute() };
            let Some((least, largest)) = wide.integer_range() else { return Ok(None) };
            if (least..=largest).contains(&number) {
                return Ok(None);
            }
            // All elements give the answer that 0 gives.
            let answer = match a.as_scalar() {
                Some(_) => op.apply(number as f64, 0.0),
                None => op.apply(0.0, number as f64),
            };
            let always = if answer == 1.0 { BinaryOp::Eq } else { BinaryOp::Ne };
            Ok(Some(tensor.binary(always, tensor)))
        }
        BinaryOp::Maximum | BinaryOp::Minimum if (low..=high).contains(&number) => Ok(None),
        BinaryOp::Maximum | BinaryOp::Minimum => {
            let is_result = (op == BinaryOp::Maximum) == (number > high);
            if is_result {
                let range = format!("a number in the range of {from} ({low} to {high})");
                return Err(Error::argument(op.name(), range, number.to_string()));
            }
            Ok(Some(tensor.convert(to)))
        }
        BinaryOp::Pow if number < 0 && b.as_scalar().is_some() => {
            let expected = format!("an exponent of at least 0 for {to} (or a float)");
            Err(Error::argument(op.name(), expected, number.to_string()))
        }
        BinaryOp::Fmod | BinaryOp::Remainder | BinaryOp::FloorDivide => {
            if number == 0 && b.as_scalar().is_some() {
                return Err(Error::argument(op.name(), "a divisor that is not 0", "0"));
            }
            // -1 stands for 255 in sums and products, not in quotients.
            if !(low..=high).contains(&number) {
                let range = format!("a number in the range of {from} ({low} to {high})");
                return Err(Error::argument(op.name(), range, number.to_string()));
            }
            Ok(None)
        }
        BinaryOp::Add
        | BinaryOp::Sub
        | BinaryOp::Mul
        | BinaryOp::Pow
        | BinaryOp::BitwiseAnd
        | BinaryOp::BitwiseOr
        | BinaryOp::BitwiseXor
        | BinaryOp::BitwiseLeftShift
        | BinaryOp::BitwiseRightShift => check_integer(op.name(), number, from).map(|()| None),
        // They work on floats or bools.
        BinaryOp::Div
        | BinaryOp::Atan2
        | BinaryOp::Hypot
        | BinaryOp::Copysign
        | BinaryOp::Nextafter
        | BinaryOp::And
        | BinaryOp::Or => Ok(None),
    }
}
