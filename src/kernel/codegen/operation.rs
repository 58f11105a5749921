//! The text of each operation.

use super::alias;
use crate::DType;
use crate::expr::{BinaryOp, UnaryOp};

pub(super) fn unary(op: UnaryOp, dtype: DType, a: &str) -> String {
    match (op, dtype) {
        (UnaryOp::Not, _) => format!("!{a}"),
        (UnaryOp::Neg, _) => format!("-{a}"),
        (UnaryOp::Abs, _) => format!("abs({a})"),
        (UnaryOp::Floor, _) => format!("floor({a})"),
        (UnaryOp::Ceil, _) => format!("ceil({a})"),
        // llvmpipe takes an f64 too large for an f32 to have a fraction for whole.
        (UnaryOp::Trunc, DType::F64) => format!("select(floor({a}), ceil({a}), {a} < D(0))"),
        (UnaryOp::Trunc, _) => format!("trunc({a})"),
        (UnaryOp::Sqrt, _) => format!("sqrt({a})"),
        (UnaryOp::Sign, DType::I32) => format!("sign({a})"),
        (UnaryOp::Relu, DType::I32) => format!("max({a}, I(0))"),
        (UnaryOp::IsNan, DType::I32) => format!("{a} != {a}"),
        (_, DType::F64) => format!("{}_f64({a})", op.name()),
        _ => format!("{}_f({a})", op.name()),
    }
}

/// An operation on a number and itself. A compiler would take `x - x` for 0, `x / x` for 1 and `x == x` for true, which
/// NaN belies; and what it then knows to be 0 it takes for the product with NaN, too.
fn with_itself(op: BinaryOp, dtype: DType, x: &str) -> Option<String> {
    let never = || "B(params.zero != 0u)".to_owned();
    if dtype == DType::I32 {
        return Some(match op {
            BinaryOp::Sub => "I(bitcast<i32>(params.zero))".to_owned(),
            BinaryOp::Eq | BinaryOp::Le | BinaryOp::Ge => "B(params.zero == 0u)".to_owned(),
            BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Gt => never(),
            _ => return None,
        });
    }
    let suffix = if dtype == DType::F64 { "f64" } else { "f" };
    Some(match op {
        BinaryOp::Sub => format!("minus_itself_{suffix}({x})"),
        BinaryOp::Div => format!("over_itself_{suffix}({x})"),
        BinaryOp::Eq | BinaryOp::Le | BinaryOp::Ge => format!("!isnan_{suffix}({x})"),
        BinaryOp::Ne => format!("isnan_{suffix}({x})"),
        BinaryOp::Lt | BinaryOp::Gt => never(),
        _ => return None,
    })
}

pub(super) fn binary(op: BinaryOp, dtype: DType, a: &str, b: &str) -> String {
    if let Some(same) = with_itself(op, dtype, a).filter(|_| a == b && dtype != DType::Bool) {
        return same;
    }
    let symbol = match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Eq => "==",
        // WGSL's `!=` may take NaN for equal to itself.
        BinaryOp::Ne => return format!("!({a} == {b})"),
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "&",
        BinaryOp::Or => "|",
        BinaryOp::Maximum if dtype == DType::I32 => return format!("max({a}, {b})"),
        BinaryOp::Minimum if dtype == DType::I32 => return format!("min({a}, {b})"),
        BinaryOp::Pow | BinaryOp::Maximum | BinaryOp::Minimum => {
            let suffix = match dtype {
                DType::I32 => "i",
                DType::F64 => "f64",
                _ => "f",
            };
            return format!("{}_{suffix}({a}, {b})", op.name());
        }
    };
    format!("{a} {symbol} {b}")
}

pub(super) fn convert(from: DType, to: DType, a: &str) -> String {
    match (from, to) {
        (DType::F32, DType::I32) => format!("to_i32({a})"),
        (DType::F64, DType::I32) => format!("f64_to_i32({a})"),
        (DType::Bool, DType::F64) => format!("D(truth_f({a}))"),
        (DType::Bool, DType::F32) => format!("truth_f({a})"),
        (DType::Bool, _) => format!("select({0}(0), {0}(1), {a})", alias(to)),
        (_, DType::Bool) => format!("!({a} == {}(0))", alias(from)),
        _ => format!("{}({a})", alias(to)),
    }
}

/// A value as the f32 that a rounding to f16 or bf16 starts from.
pub(super) fn round_source(from: DType, a: &str) -> String {
    if from == DType::F64 { format!("f64_to_odd_f32({a})") } else { a.to_owned() }
}

pub(super) fn round(to: DType, from: DType, a: &str) -> String {
    match to {
        DType::F16 => format!("from_f16(to_f16({}))", round_source(from, a)),
        DType::BF16 => format!("bitcast<F>(to_bf16({}) << U(16u))", round_source(from, a)),
        _ => format!("{a} & I(0xff)"),
    }
}

/// Whether either of two floats is NaN.
pub(super) fn either_nan(dtype: DType, p: &str, q: &str) -> String {
    let isnan = if dtype == DType::F64 { "isnan_f64" } else { "isnan_f" };
    format!("({isnan}({p}) | {isnan}({q}))")
}
