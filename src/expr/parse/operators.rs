//! What operators build.

use super::Parser;
use super::value::{Mistake, Value};
use crate::Result;
use crate::expr::{BinaryOp, Expr};

impl Parser<'_> {
    pub(super) fn operate(&mut self, op: &'static str, column: usize, values: Vec<Value>) -> Result<Value, Mistake> {
        let start = values[0].column;
        let name = if values.len() == 1 { format!("unary {op}") } else { op.to_owned() };
        let mut value = self.build(&name, column, values, |values| {
            let args = values.into_iter().map(Value::expr).collect::<Result<Vec<_>, _>>()?;
            match &args[..] {
                [x] => Ok(unary(op, x)),
                [a, b] => Ok(binary(op, a, b)),
                _ => unreachable!("operators have one or two arguments"),
            }
        })?;
        value.column = start.min(column);
        Ok(value)
    }
}

fn unary(op: &str, x: &Expr) -> Expr {
    match op {
        "-" => -x,
        "+" => x.positive(),
        _ => x.bitwise_not(),
    }
}

fn binary(op: &str, a: &Expr, b: &Expr) -> Expr {
    let op = match op {
        "@" => return a.matmul(b),
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "//" => BinaryOp::FloorDivide,
        "%" => BinaryOp::Remainder,
        "**" => BinaryOp::Pow,
        "==" => BinaryOp::Eq,
        "!=" => BinaryOp::Ne,
        "<" => BinaryOp::Lt,
        "<=" => BinaryOp::Le,
        ">" => BinaryOp::Gt,
        ">=" => BinaryOp::Ge,
        "&" => BinaryOp::BitwiseAnd,
        "|" => BinaryOp::BitwiseOr,
        "^" => BinaryOp::BitwiseXor,
        "<<" => BinaryOp::BitwiseLeftShift,
        _ => BinaryOp::BitwiseRightShift,
    };
    a.binary(op, b)
}
