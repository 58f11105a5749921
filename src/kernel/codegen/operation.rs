//! The text of each operation.

use super::alias;
use crate::DType;
use crate::expr::op::{Form, Wgsl};
use crate::expr::{BinaryOp, UnaryOp};

pub(super) fn unary(op: UnaryOp, dtype: DType, a: &str) -> String {
    let row = op.row();
    match form(&row.wgsl, dtype) {
        Form::Operator(symbol) => format!("{symbol}{a}"),
        Form::Builtin(name) => format!("{name}({a})"),
        Form::Text(text) => text.replace("{0}", a),
        Form::Call => format!("{}_{}({a})", op.name(), suffix(dtype)),
    }
}

/// How a row has an operation written in a compute dtype.
fn form(wgsl: &Wgsl, dtype: DType) -> Form {
    match dtype {
        DType::F64 => wgsl.f64,
        DType::I32 | DType::U8 => wgsl.i32,
        DType::F32 | DType::F16 | DType::BF16 | DType::Bool => wgsl.f32,
    }
}

/// What the names of functions of a compute dtype end in.
fn suffix(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "f64",
        DType::I32 | DType::U8 => "i",
        DType::F32 | DType::F16 | DType::BF16 | DType::Bool => "f",
    }
}

/// An operation on a number and itself, where compilers know one. They would take `x - x` for 0, `x / x` for 1 and
/// `x == x` for true, which NaN belies; and what they then know to be 0 they take for its product with NaN, too.
fn with_itself(op: BinaryOp, dtype: DType, x: &str) -> Option<String> {
    let never = || "B(uniforms.zero != 0u)".to_owned();
    if dtype == DType::I32 {
        return Some(match op {
            BinaryOp::Sub => "I(bitcast<i32>(uniforms.zero))".to_owned(),
            BinaryOp::Eq | BinaryOp::Le | BinaryOp::Ge => "B(uniforms.zero == 0u)".to_owned(),
            BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Gt => never(),
            _ => return None,
        });
    }
    let suffix = suffix(dtype);
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
    match form(&op.row().wgsl, dtype) {
        Form::Operator(symbol) => format!("{a} {symbol} {b}"),
        Form::Builtin(name) => format!("{name}({a}, {b})"),
        Form::Text(text) => text.replace("{0}", a).replace("{1}", b),
        Form::Call => format!("{}_{}({a}, {b})", op.name(), suffix(dtype)),
    }
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
        DType::U8 => format!("{a} & I(0xff)"),
        DType::Bool | DType::I32 | DType::F32 | DType::F64 => unreachable!("{to} is computed in itself"),
    }
}

/// Whether either of two floats is NaN.
pub(super) fn either_nan(dtype: DType, p: &str, q: &str) -> String {
    let isnan = if dtype == DType::F64 { "isnan_f64" } else { "isnan_f" };
    format!("({isnan}({p}) | {isnan}({q}))")
}
