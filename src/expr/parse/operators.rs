//! What operators build.

use super::Parser;
use super::value::{Mistake, Value, mistake};
use crate::expr::{BinaryOp, Expr, UnaryOp};
use crate::{DType, Result};

impl Parser<'_> {
    pub(super) fn operate(&mut self, op: &'static str, column: usize, values: Vec<Value>) -> Result<Value, Mistake> {
        let start = values[0].column;
        let name = if values.len() == 1 { format!("unary {op}") } else { op.to_owned() };
        let mut value = self.build(&name, column, values, |values| {
            let args = values.into_iter().map(Value::expr).collect::<Result<Vec<_>, _>>()?;
            match &args[..] {
                [x] => unary(op, column, x),
                [a, b] => binary(op, column, a, b),
                _ => unreachable!("operators have one or two arguments"),
            }
        })?;
        value.column = start.min(column);
        Ok(value)
    }
}

fn unary(op: &str, column: usize, x: &Expr) -> Result<Expr, Mistake> {
    match op {
        "-" => Ok(-x),
        "+" => Ok(x.clone()),
        _ => {
            only_bools(op, column, x)?;
            Ok(x.unary(UnaryOp::Not))
        }
    }
}

fn binary(op: &str, column: usize, a: &Expr, b: &Expr) -> Result<Expr, Mistake> {
    let op = match op {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "**" => BinaryOp::Pow,
        "==" => BinaryOp::Eq,
        "!=" => BinaryOp::Ne,
        "<" => BinaryOp::Lt,
        "<=" => BinaryOp::Le,
        ">" => BinaryOp::Gt,
        ">=" => BinaryOp::Ge,
        _ => {
            only_bools(op, column, a)?;
            only_bools(op, column, b)?;
            match op {
                "&" => BinaryOp::And,
                "|" => BinaryOp::Or,
                _ => BinaryOp::Ne,
            }
        }
    };
    Ok(a.binary(op, b))
}

/// On integers PyTorch's `&` works bit by bit, and this library has no such operation: better none than another.
fn only_bools(op: &str, column: usize, x: &Expr) -> Result<(), Mistake> {
    if x.dtype() == DType::Bool {
        return Ok(());
    }
    let instead = match op {
        "&" => ": compare first, or write logical_and(a, b)",
        "|" => ": compare first, or write logical_or(a, b)",
        "^" => ": compare first",
        _ => ": compare first, or write logical_not(x)",
    };
    mistake(column, format!("'{op}' is for bools, not {}{instead}", x.dtype()))
}
