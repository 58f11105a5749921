//! Operations on numbers alone, which are numbers again.

use super::op::{BinaryOp, UnaryOp};
use crate::base::dtype::Category;
use crate::{Result, Scalar};

/// A function of a number is a number, computed in f64 or, of an integer that gives one, in i64.
pub(super) fn fold_unary(op: UnaryOp, value: Scalar) -> Result<Scalar> {
    let row = op.row();
    let (_, to) = row.rule.dtypes(op.name(), value.dtype())?;
    Ok(match (to.category(), value) {
        (Category::Int, Scalar::Int(i)) => Scalar::Int(row.on_i64([i]).unwrap_or(i)),
        (Category::Bool, _) => Scalar::Bool(op.apply(value.to_f64()) != 0.0),
        (Category::Int | Category::Float, _) => Scalar::Float(op.apply(value.to_f64())),
    })
}

/// An operation on two numbers is a number, computed in f64 or, of integers that give one, in i64.
pub(super) fn fold_binary(op: BinaryOp, a: Scalar, b: Scalar) -> Result<Scalar> {
    let row = op.row();
    let (_, to) = row.rule.dtypes(op.name(), a.dtype().promote(b.dtype()))?;
    if let (Scalar::Int(x), Scalar::Int(y), Category::Int) = (a, b, to.category()) {
        // As in Python, a negative power of an integer is a float.
        if op == BinaryOp::Pow && u32::try_from(y).is_err() {
            return Ok(Scalar::Float((x as f64).powf(y as f64)));
        }
        if let Some(value) = row.on_i64([x, y]) {
            return Ok(Scalar::Int(value));
        }
    }
    let value = op.apply(a.to_f64(), b.to_f64());
    Ok(match to.category() {
        Category::Bool => Scalar::Bool(value != 0.0),
        Category::Int => Scalar::Int(value as i64),
        Category::Float => Scalar::Float(value),
    })
}
