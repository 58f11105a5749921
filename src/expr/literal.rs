//! Operations on numbers alone, which are numbers again.

use super::op::{BinaryOp, DTypeRule, UnaryOp};
use crate::base::dtype::Category;
use crate::{Error, Result, Scalar};

/// A function of a number is a number, computed in f64 or, of an integer that gives one, in i64.
pub(super) fn fold_unary(op: UnaryOp, value: Scalar) -> Result<Scalar> {
    let row = op.row();
    let (_, to) = row.rule.dtypes(op.name(), value.dtype())?;
    Ok(match (to.category(), value) {
        (Category::Int, _) => match row.on_numbers([value.to_i64()]) {
            Some(result) => Scalar::Int(result),
            None => return Err(beyond(op.name(), format!("that of {}", value.to_i64()))),
        },
        (Category::Bool, _) => Scalar::Bool(op.apply(value.to_f64()) != 0.0),
        (Category::Float, _) => Scalar::Float(op.apply(value.to_f64())),
    })
}

/// An operation on two numbers is a number, computed in f64 or, of integers that give one, in i64.
pub(super) fn fold_binary(op: BinaryOp, a: Scalar, b: Scalar) -> Result<Scalar> {
    let row = op.row();
    let promoted = a.dtype().promoted(b.dtype(), op.name())?;
    let (_, to) = row.rule.dtypes(op.name(), promoted)?;
    let (x, y) = (a.to_i64(), b.to_i64());
    Ok(match to.category() {
        // As in Python, a negative power of an integer is a float.
        Category::Int if op == BinaryOp::Pow && y < 0 => Scalar::Float((x as f64).powf(y as f64)),
        Category::Int => match row.on_numbers([x, y]) {
            Some(result) => Scalar::Int(result),
            None if y == 0 && matches!(op, BinaryOp::Fmod | BinaryOp::Remainder | BinaryOp::FloorDivide) => {
                return Err(Error::argument(op.name(), "a divisor that is not 0", "0"));
            }
            None => return Err(beyond(op.name(), format!("that of {x} and {y}"))),
        },
        // An f64 does not tell all integers apart, but it tells in which order they are.
        Category::Bool if promoted.category() == Category::Int && row.rule == DTypeRule::Predicate => {
            Scalar::Bool(op.apply(f64::from(x.cmp(&y) as i8), 0.0) != 0.0)
        }
        Category::Bool => Scalar::Bool(op.apply(a.to_f64(), b.to_f64()) != 0.0),
        Category::Float => Scalar::Float(op.apply(a.to_f64(), b.to_f64())),
    })
}

/// Python's integers grow; ours must not wrap without a word.
fn beyond(op: &'static str, found: String) -> Error {
    Error::argument(op, "a result within 64 bits (write a number as a float for more)", found)
}
