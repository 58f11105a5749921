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
        DType::I64 | DType::U32 | DType::U64 => Form::Call,
        DType::I32 | DType::U8 | DType::I8 | DType::I16 | DType::U16 => wgsl.i32,
        DType::F32 | DType::F16 | DType::BF16 | DType::Bool => wgsl.f32,
    }
}

/// What the names of functions of a compute dtype end in.
pub(super) fn suffix(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "f64",
        DType::I32 | DType::U8 | DType::I8 | DType::I16 | DType::U16 => "i",
        DType::I64 | DType::U32 | DType::U64 => "l",
        DType::Bool => "b",
        DType::F32 | DType::F16 | DType::BF16 => "f",
    }
}

pub(super) fn binary(op: BinaryOp, dtype: DType, a: &str, b: &str) -> String {
    match form(&op.row().wgsl, dtype) {
        Form::Operator(symbol) => format!("{a} {symbol} {b}"),
        Form::Builtin(name) => format!("{name}({a}, {b})"),
        Form::Text(text) => text.replace("{0}", a).replace("{1}", b),
        Form::Call => format!("{}_{}({a}, {b})", op.name(), suffix(dtype)),
    }
}

/// What `f` makes of values: of both words of i64s, or of all of others. Its argument is the text of a value to that of
/// what it is to use of it.
pub(super) fn of_words(dtype: DType, f: impl Fn(&dyn Fn(&str) -> String) -> String) -> String {
    if dtype == DType::I64 {
        let word = |name: &'static str| move |value: &str| format!("{name}({value})");
        format!("l_of({}, {})", f(&word("low_l")), f(&word("high_l")))
    } else {
        f(&str::to_owned)
    }
}

/// `a` where a condition holds, else `b`.
pub(super) fn select(dtype: DType, condition: &str, a: &str, b: &str) -> String {
    // select() takes no structs.
    let name = if dtype == DType::I64 { "select_l" } else { "select" };
    format!("{name}({b}, {a}, {condition})")
}

pub(super) fn convert(from: DType, to: DType, a: &str) -> String {
    match (from, to) {
        _ if from == to => a.to_owned(),
        (DType::F32, DType::I32) => format!("to_i32({a})"),
        (DType::F64, DType::I32) => format!("f64_to_i32({a})"),
        (DType::I32, DType::I64) => format!("i_to_l({a})"),
        (DType::F32, DType::I64) => format!("f_to_l({a})"),
        (DType::F64, DType::I64) => format!("f64_to_l({a})"),
        (DType::Bool, DType::I64) => format!("b_to_l({a})"),
        (DType::I64, DType::I32) => format!("l_to_i({a})"),
        (DType::I64, DType::F32) => format!("l_to_f({a})"),
        (DType::I64, DType::F64) => format!("l_to_f64({a})"),
        (DType::I64, DType::Bool) => format!("l_to_b({a})"),
        // No adapter has to select f64s.
        (DType::Bool, DType::F64) => format!("D(select(F(0), F(1), {a}))"),
        (DType::Bool, _) => format!("select({0}(0), {0}(1), {a})", alias(to)),
        (_, DType::Bool) => format!("!({a} == {}(0))", alias(from)),
        _ => format!("{}({a})", alias(to)),
    }
}

/// A value as the f32 that a rounding to f16 or bf16 starts from.
pub(super) fn round_source(from: DType, a: &str) -> String {
    match from {
        DType::F64 => format!("f64_to_odd_f32({a})"),
        // The bits of one.
        DType::I64 => format!("f64_bits_to_odd_f({a})"),
        _ => a.to_owned(),
    }
}

pub(super) fn round(to: DType, from: DType, a: &str) -> String {
    match to {
        DType::F16 => format!("from_f16(to_f16({}))", round_source(from, a)),
        DType::BF16 => format!("bitcast<F>(to_bf16({}) << U(16u))", round_source(from, a)),
        DType::U8 => format!("{a} & I(0xff)"),
        DType::U16 => format!("{a} & I(0xffff)"),
        DType::U32 => format!("l_of(low_l({a}), U(0u))"),
        DType::I8 => format!("({a} << U(24u)) >> U(24u)"),
        DType::I16 => format!("({a} << U(16u)) >> U(16u)"),
        DType::Bool | DType::I32 | DType::I64 | DType::U64 | DType::F32 | DType::F64 => {
            unreachable!("{to} is computed in itself")
        }
    }
}
