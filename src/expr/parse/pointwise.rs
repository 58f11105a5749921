//! Elementwise functions that are not one operation, by PyTorch's names, `torch.nn.functional`'s among them.

use super::arguments::Arguments;
use super::special::{Special, special};
use super::value::{Kind, Mistake, mistake};
use crate::Result;
use crate::expr::pointwise::Rounding;
use crate::expr::{BinaryOp, Expr, UnaryOp};

const X: &[&str] = &["input"];
const XY: &[&str] = &["input", "other"];

/// Alphabetical.
pub(super) static POINTWISE: [Special; 41] = [
    special("bitwise_not", X, 1, |c| Ok(c.expr(0)?.bitwise_not())),
    special("celu", &["input", "alpha"], 1, |c| Ok(c.expr(0)?.celu(c.number(1, 1.0)?))),
    special("deg2rad", X, 1, |c| Ok(c.expr(0)?.deg2rad())),
    special("div", &["input", "other", "rounding_mode"], 2, div),
    special("elu", &["input", "alpha"], 1, |c| Ok(c.expr(0)?.elu(c.number(1, 1.0)?))),
    special("fmax", XY, 2, |c| Ok(c.expr(0)?.fmax(c.expr(1)?))),
    special("fmin", XY, 2, |c| Ok(c.expr(0)?.fmin(c.expr(1)?))),
    special("frac", X, 1, |c| Ok(c.expr(0)?.frac())),
    special("gelu", &["input", "approximate"], 1, gelu),
    special("hardshrink", &["input", "lambd"], 1, |c| Ok(c.expr(0)?.hardshrink(c.number(1, 0.5)?))),
    special("hardsigmoid", X, 1, |c| Ok(c.expr(0)?.hardsigmoid())),
    special("hardswish", X, 1, |c| Ok(c.expr(0)?.hardswish())),
    special("hardtanh", &["input", "min_val", "max_val"], 1, |c| Ok(c.expr(0)?.hardtanh(c.or(1, -1)?, c.or(2, 1)?))),
    special("heaviside", &["input", "values"], 2, |c| Ok(c.expr(0)?.heaviside(c.expr(1)?))),
    special("isfinite", X, 1, |c| Ok(c.expr(0)?.isfinite())),
    special("isinf", X, 1, |c| Ok(c.expr(0)?.isinf())),
    special("ldexp", XY, 2, |c| Ok(c.expr(0)?.ldexp(c.expr(1)?))),
    special("leaky_relu", &["input", "negative_slope"], 1, |c| Ok(c.expr(0)?.leaky_relu(c.number(1, 0.01)?))),
    special("logaddexp", XY, 2, |c| Ok(c.expr(0)?.logaddexp(c.expr(1)?))),
    special("logaddexp2", XY, 2, |c| Ok(c.expr(0)?.logaddexp2(c.expr(1)?))),
    special("logical_xor", XY, 2, |c| Ok(c.expr(0)?.logical_xor(c.expr(1)?))),
    special("logit", &["input", "eps"], 1, |c| Ok(c.expr(0)?.logit(c.option(1)?))),
    special("logsigmoid", X, 1, |c| Ok(c.expr(0)?.logsigmoid())),
    special("mish", X, 1, |c| Ok(c.expr(0)?.mish())),
    special("nan_to_num", &["input", "nan", "posinf", "neginf"], 1, |c| {
        Ok(c.expr(0)?.nan_to_num(c.option(1)?, c.option(2)?, c.option(3)?))
    }),
    special("positive", X, 1, |c| Ok(c.expr(0)?.positive())),
    special("rad2deg", X, 1, |c| Ok(c.expr(0)?.rad2deg())),
    special("reciprocal", X, 1, |c| Ok(c.expr(0)?.reciprocal())),
    special("relu6", X, 1, |c| Ok(c.expr(0)?.relu6())),
    special("round", &["input", "decimals"], 1, round),
    special("selu", X, 1, |c| Ok(c.expr(0)?.selu())),
    special("sgn", X, 1, |c| Ok(c.expr(0)?.sgn())),
    special("signbit", X, 1, |c| Ok(c.expr(0)?.signbit())),
    special("silu", X, 1, |c| Ok(c.expr(0)?.silu())),
    special("sinc", X, 1, |c| Ok(c.expr(0)?.sinc())),
    special("softplus", &["input", "beta", "threshold"], 1, |c| {
        Ok(c.expr(0)?.softplus(c.number(1, 1.0)?, c.number(2, 20.0)?))
    }),
    special("softshrink", &["input", "lambd"], 1, |c| Ok(c.expr(0)?.softshrink(c.number(1, 0.5)?))),
    special("softsign", X, 1, |c| Ok(c.expr(0)?.softsign())),
    special("square", X, 1, |c| Ok(c.expr(0)?.square())),
    special("tanhshrink", X, 1, |c| Ok(c.expr(0)?.tanhshrink())),
    special("xlogy", XY, 2, |c| Ok(c.expr(0)?.xlogy(c.expr(1)?))),
];

fn div(c: &Arguments) -> Result<Expr, Mistake> {
    let (a, b) = (c.expr(0)?, c.expr(1)?);
    match &c.values[2].kind {
        Kind::None => Ok(a.binary(BinaryOp::Div, b)),
        Kind::Text(mode) if mode == "floor" => Ok(a.div_rounded(b, Rounding::Floor)),
        Kind::Text(mode) if mode == "trunc" => Ok(a.div_rounded(b, Rounding::Trunc)),
        _ => c.refuse(&c.values[2], "rounding_mode=\"floor\", \"trunc\" or None"),
    }
}

fn gelu(c: &Arguments) -> Result<Expr, Mistake> {
    match &c.values[1].kind {
        Kind::None => Ok(c.expr(0)?.unary(UnaryOp::Gelu)),
        Kind::Text(form) if form == "none" => Ok(c.expr(0)?.unary(UnaryOp::Gelu)),
        Kind::Text(form) if form == "tanh" => Ok(c.expr(0)?.gelu_tanh()),
        _ => c.refuse(&c.values[1], "approximate=\"none\" or \"tanh\""),
    }
}

fn round(c: &Arguments) -> Result<Expr, Mistake> {
    if c.is_none(1) {
        return Ok(c.expr(0)?.unary(UnaryOp::Round));
    }
    let decimals = c.integer(1)?;
    match i32::try_from(decimals) {
        Ok(decimals) if decimals.abs() <= 300 => Ok(c.expr(0)?.round_to(decimals)),
        _ => mistake(c.values[1].column, format!("round expects decimals from -300 to 300, found {decimals}")),
    }
}
