//! Functions that are not one operation and not elementwise: views, compositions, and what takes arguments of other kinds.

use super::arguments::Arguments;
use super::value::{Kind, Mistake, Value, mistake};
use crate::expr::einsum::einsum;
use crate::expr::{BinaryOp, Expr, ReduceOp};
use crate::{DType, Dims, Result, Scalar, Shape};

/// A function that is not one operation.
pub(super) struct Special {
    pub(super) name: &'static str,
    pub(super) params: &'static [&'static str],
    /// How many of the parameters must be given.
    pub(super) required: usize,
    pub(super) build: fn(&Arguments) -> Result<Expr, Mistake>,
}

pub(super) const fn special(
    name: &'static str,
    params: &'static [&'static str],
    required: usize,
    build: fn(&Arguments) -> Result<Expr, Mistake>,
) -> Special {
    Special { name, params, required, build }
}

/// Alphabetical.
pub(super) static SPECIALS: [Special; 44] = [
    special("addcdiv", &["input", "tensor1", "tensor2", "value"], 3, |c| {
        Ok(c.expr(0)?.addcdiv(c.expr(1)?, c.expr(2)?, c.or(3, 1)?))
    }),
    special("addcmul", &["input", "tensor1", "tensor2", "value"], 3, |c| {
        Ok(c.expr(0)?.addcmul(c.expr(1)?, c.expr(2)?, c.or(3, 1)?))
    }),
    special("arange", &["start", "end", "step", "dtype"], 1, arange),
    special("bmm", &["input", "mat2"], 2, |c| Ok(c.expr(0)?.bmm(c.expr(1)?))),
    special("broadcast_to", &["input", "size"], 2, |c| Ok(c.expr(0)?.broadcast_to(c.sizes(1)?))),
    special("cast", &["input", "dtype"], 2, |c| Ok(c.expr(0)?.cast(c.dtype(1)?))),
    special("clamp", &["input", "min", "max"], 1, clamp),
    special("clip", &["input", "min", "max"], 1, clamp),
    special("cosine_similarity", &["x1", "x2", "dim", "eps"], 2, |c| {
        Ok(c.expr(0)?.cosine_similarity(c.expr(1)?, c.integer_or(2, 1)?, c.number(3, 1e-8)?))
    }),
    special("count_nonzero", &["input", "dim"], 1, |c| Ok(c.expr(0)?.count_nonzero(c.dims(1)?))),
    special("dot", &["input", "other"], 2, |c| Ok(c.expr(0)?.dot(c.expr(1)?))),
    special("einsum", &["equation", "operands"], 2, einsum_of),
    special("flip", &["input", "dims"], 2, flip),
    special("float", &["input"], 1, float),
    special("full_like", &["input", "fill_value"], 2, full_like),
    special("layer_norm", &["input", "normalized_shape", "weight", "bias", "eps"], 2, layer_norm),
    special("lerp", &["input", "end", "weight"], 3, |c| Ok(c.expr(0)?.lerp(c.expr(1)?, c.expr(2)?))),
    special("linspace", &["start", "end", "steps", "dtype"], 3, |c| {
        let dtype = if c.is_none(3) { DType::F32 } else { c.dtype(3)? };
        // Integers are cut from floats.
        let x = Expr::linspace_in(dtype.to_float(), c.number(0, 0.0)?, c.number(1, 0.0)?, c.size(2)?);
        Ok(x.cast(dtype))
    }),
    special("log_softmax", &["input", "dim"], 2, |c| Ok(c.expr(0)?.log_softmax(c.integer(1)?))),
    special("logsumexp", &["input", "dim", "keepdim"], 2, |c| c.keepdim(2, c.expr(0)?.logsumexp(c.dims(1)?))),
    special("masked_fill", &["input", "mask", "value"], 3, |c| Ok(c.expr(0)?.masked_fill(c.expr(1)?, c.expr(2)?))),
    special("matmul", &["input", "other"], 2, |c| Ok(c.expr(0)?.matmul(c.expr(1)?))),
    special("max", &["input", "other"], 1, |c| extremum(c, BinaryOp::Maximum, ReduceOp::Amax)),
    special("min", &["input", "other"], 1, |c| extremum(c, BinaryOp::Minimum, ReduceOp::Amin)),
    special("mm", &["input", "mat2"], 2, |c| Ok(c.expr(0)?.mm(c.expr(1)?))),
    special("mv", &["input", "vec"], 2, |c| Ok(c.expr(0)?.mv(c.expr(1)?))),
    special("nanmean", &["input", "dim", "keepdim"], 1, |c| {
        let x = c.expr(0)?;
        c.keepdim(2, x.nanmean(c.dims(1)?))
    }),
    special("nansum", &["input", "dim", "keepdim"], 1, |c| c.keepdim(2, c.expr(0)?.nansum(c.dims(1)?))),
    special("narrow", &["input", "dim", "start", "length"], 4, narrow),
    special("norm", &["input", "p", "dim", "keepdim"], 1, norm),
    special("ones_like", &["input"], 1, |c| Ok(c.expr(0)?.ones_like())),
    special("outer", &["input", "vec2"], 2, |c| Ok(c.expr(0)?.outer(c.expr(1)?))),
    special("permute", &["input", "dims"], 2, |c| Ok(c.expr(0)?.permute(&c.integers(1)?))),
    special("reshape", &["input", "shape"], 2, reshape),
    special("softmax", &["input", "dim"], 2, |c| Ok(c.expr(0)?.softmax(c.integer(1)?))),
    special("squeeze", &["input", "dim"], 1, squeeze),
    special("std", &["input", "dim", "correction", "keepdim"], 1, |c| {
        c.keepdim(3, c.expr(0)?.std(c.dims(1)?, c.number(2, 1.0)?))
    }),
    special("transpose", &["input", "dim0", "dim1"], 3, |c| Ok(c.expr(0)?.transpose(c.integer(1)?, c.integer(2)?))),
    special("tril", &["input", "diagonal"], 1, |c| Ok(c.expr(0)?.tril(c.diagonal(1)?))),
    special("triu", &["input", "diagonal"], 1, |c| Ok(c.expr(0)?.triu(c.diagonal(1)?))),
    special("unsqueeze", &["input", "dim"], 2, |c| Ok(c.expr(0)?.unsqueeze(c.integer(1)?))),
    special("var", &["input", "dim", "correction", "keepdim"], 1, |c| {
        c.keepdim(3, c.expr(0)?.var(c.dims(1)?, c.number(2, 1.0)?))
    }),
    special("where", &["condition", "input", "other"], 1, choose),
    special("zeros_like", &["input"], 1, |c| Ok(c.expr(0)?.zeros_like())),
];

/// Python's `range`, of floats if one of the numbers is.
fn arange(c: &Arguments) -> Result<Expr, Mistake> {
    let whole = |i: usize| {
        c.is_none(i) || matches!(&c.values[i].kind, Kind::Expr(x) if matches!(x.as_scalar(), Some(Scalar::Int(_))))
    };
    let numbers = if (0..3).all(whole) {
        let (start, end) = if c.is_none(1) { (0, c.integer(0)?) } else { (c.integer(0)?, c.integer(1)?) };
        let step = c.integer_or(2, 1)?;
        let n = match step {
            0 => return mistake(c.values[2].column, "a step of 0 goes nowhere"),
            1.. => (end.saturating_sub(start).max(0) as usize).div_ceil(step as usize),
            _ => (start.saturating_sub(end).max(0) as usize).div_ceil(step.unsigned_abs()),
        };
        let steps = if step == 1 { Expr::arange(n) } else { Expr::arange(n) * step as i64 };
        if start == 0 { steps } else { steps + start as i64 }
    } else {
        let (start, end) = if c.is_none(1) { (0.0, c.number(0, 0.0)?) } else { (c.number(0, 0.0)?, c.number(1, 0.0)?) };
        let step = c.number(2, 1.0)?;
        let n = ((end - start) / step).ceil();
        if !n.is_finite() {
            return mistake(c.column, format!("arange from {start} to {end} in steps of {step} has no end"));
        }
        Expr::arange(n.max(0.0) as usize) * step + start
    };
    Ok(if c.is_none(3) { numbers } else { numbers.cast(c.dtype(3)?) })
}

fn choose(c: &Arguments) -> Result<Expr, Mistake> {
    if c.is_none(1) || c.is_none(2) {
        let message =
            "where of a condition alone gives as many indices as it is true: write where(condition, input, other)";
        return mistake(c.column, message);
    }
    Ok(Expr::select(c.expr(0)?, c.expr(1)?, c.expr(2)?))
}

/// PyTorch's `max` and `min`: of all elements, or of pairs of them. Along a dim they give indices, too.
fn extremum(c: &Arguments, of_pairs: BinaryOp, of_all: ReduceOp) -> Result<Expr, Mistake> {
    let x = c.expr(0)?;
    if c.is_none(1) {
        return Ok(x.reduce(of_all, ..));
    }
    let other = c.expr(1)?;
    if other.as_scalar().is_some() {
        let message = format!(
            "{0} along a dim gives indices, too: write a{0}(input, dim) for the elements, {1}(input, number) for pairs",
            c.name,
            of_pairs.name()
        );
        return mistake(c.values[1].column, message);
    }
    Ok(x.binary(of_pairs, other))
}

/// Python's `float("nan")`, and PyTorch's method.
fn float(c: &Arguments) -> Result<Expr, Mistake> {
    if let Kind::Text(text) = &c.values[0].kind {
        let message = || format!("float expects a number, found \"{text}\"");
        return text.trim().parse::<f64>().map_or_else(|_| mistake(c.values[0].column, message()), |x| Ok(x.into()));
    }
    let x = c.expr(0)?;
    Ok(x.as_scalar().map_or_else(|| x.cast(DType::F32), |number| number.to_f64().into()))
}

fn full_like(c: &Arguments) -> Result<Expr, Mistake> {
    let Some(value) = c.expr(1)?.as_scalar() else { return c.refuse(&c.values[1], "a number") };
    Ok(c.expr(0)?.full_like(value))
}

fn clamp(c: &Arguments) -> Result<Expr, Mistake> {
    let x = c.expr(0)?;
    match (c.is_none(1), c.is_none(2)) {
        (false, false) => Ok(x.clamp(c.expr(1)?, c.expr(2)?)),
        (false, true) => Ok(x.clamp_min(c.expr(1)?)),
        (true, false) => Ok(x.clamp_max(c.expr(2)?)),
        (true, true) => mistake(c.column, format!("{} needs min, max or both", c.name)),
    }
}

fn einsum_of(c: &Arguments) -> Result<Expr, Mistake> {
    let Kind::Text(equation) = &c.values[0].kind else {
        return c.refuse(&c.values[0], "an equation such as \"ik,ik->k\"");
    };
    let operands = match &c.values[1].kind {
        Kind::List(items) => items
            .iter()
            .map(|item| match &item.kind {
                Kind::Expr(expr) => Ok(expr.clone()),
                _ => c.refuse(item, "a tensor"),
            })
            .collect::<Result<Vec<_>, _>>()?,
        _ => vec![c.expr(1)?],
    };
    Ok(einsum(equation, &operands))
}

fn flip(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, dims) = (c.expr(0)?, c.integers(1)?);
    let checked = if dims.is_empty() { Ok(()) } else { Dims::from(&dims[..]).resolve(x.shape(), "flip").map(|_| ()) };
    match checked {
        Ok(()) => Ok(dims.into_iter().fold(x, |x, dim| x.flip(dim))),
        Err(error) => mistake(c.column, error.to_string()),
    }
}

fn narrow(c: &Arguments) -> Result<Expr, Mistake> {
    Ok(c.expr(0)?.narrow(c.integer(1)?, c.size(2)?, c.size(3)?))
}

fn norm(c: &Arguments) -> Result<Expr, Mistake> {
    c.keepdim(3, c.expr(0)?.norm(c.number(1, 2.0)?, c.dims(2)?))
}

/// Over the last dims, whose sizes PyTorch wants repeated.
fn layer_norm(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, sizes) = (c.expr(0)?, c.sizes(1)?);
    if sizes.rank() == 0 || !x.shape().ends_with(&sizes) {
        let message = format!("layer_norm expects the sizes of the last dims of {}, found {sizes}", x.shape());
        return mistake(c.values[1].column, message);
    }
    let dims: Vec<isize> = (0..sizes.rank() as isize).map(|d| -1 - d).collect();
    let mut y = x.layer_norm(&dims[..], c.number(4, 1e-5)?);
    if !c.is_none(2) {
        y = y * c.expr(2)?;
    }
    if !c.is_none(3) {
        y = y + c.expr(3)?;
    }
    Ok(y)
}

/// One size may be -1: what is left.
fn reshape(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, mut sizes) = (c.expr(0)?, c.integers(1)?);
    if let Some(unknown) = sizes.iter().position(|&n| n == -1) {
        let known = sizes.iter().enumerate().filter(|&(i, _)| i != unknown);
        let known = known.map(|(_, &n)| usize::try_from(n).ok()).try_fold(1_usize, |all, n| all.checked_mul(n?));
        match known {
            Some(known) if known > 0 && x.shape().numel() % known == 0 => {
                sizes[unknown] = (x.shape().numel() / known) as isize;
            }
            _ => {
                let message = format!(
                    "reshape: no size for -1 gives {sizes:?} the {} elements of {}",
                    x.shape().numel(),
                    x.shape()
                );
                return mistake(c.column, message);
            }
        }
    }
    let size = |n: isize| usize::try_from(n).or_else(|_| mistake(c.values[1].column, format!("{n} is no size")));
    let shape: Shape = sizes.into_iter().map(size).collect::<Result<_, _>>()?;
    Ok(x.reshape(shape))
}

fn squeeze(c: &Arguments) -> Result<Expr, Mistake> {
    let x = c.expr(0)?;
    if c.is_none(1) {
        return Ok(x.reshape(x.shape().iter().copied().filter(|&n| n != 1).collect::<Shape>()));
    }
    Ok(x.squeeze(c.integer(1)?))
}

/// `x.T`, the `T` being at `column`.
pub(super) fn matrix_transpose(column: usize, value: &Value) -> Result<Expr, Mistake> {
    match &value.kind {
        Kind::Expr(x) if x.shape().rank() < 2 => Ok(x.clone()),
        Kind::Expr(x) if x.shape().rank() == 2 => Ok(x.transpose(0, 1)),
        Kind::Expr(x) => mistake(column, format!("T is for matrices, found {}: write permute(x, dims)", x.shape())),
        other => mistake(column, format!("T is for matrices, found {}", other.describe())),
    }
}
