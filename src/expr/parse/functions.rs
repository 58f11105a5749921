//! The functions of the language: PyTorch's names and parameters.

use super::super::einsum::einsum;
use super::super::node::Expr;
use super::super::op::{BinaryOp, ReduceOp, UnaryOp};
use super::{Kind, Mistake, Value, mistake};
use crate::{DType, Dims, Result, Scalar, Shape};

/// An argument as written: `value` or `keyword=value`.
pub(super) struct Argument<'a> {
    pub(super) keyword: Option<(&'a str, usize)>,
    pub(super) value: Value,
}

/// A function of the language.
#[derive(Clone, Copy)]
pub(super) enum Function {
    Unary(UnaryOp),
    Binary(BinaryOp),
    Reduce(ReduceOp),
    Special(&'static Special),
}

/// A function that is not one operation.
pub(super) struct Special {
    name: &'static str,
    params: &'static [&'static str],
    /// How many of the parameters must be given.
    required: usize,
    build: fn(&Call) -> Result<Expr, Mistake>,
}

const fn special(
    name: &'static str,
    params: &'static [&'static str],
    required: usize,
    build: fn(&Call) -> Result<Expr, Mistake>,
) -> Special {
    Special { name, params, required, build }
}

/// Alphabetical.
static SPECIALS: [Special; 25] = [
    special("arange", &["end"], 1, |c| Ok(Expr::arange(c.size(0)?))),
    special("broadcast_to", &["input", "size"], 2, |c| Ok(c.expr(0)?.broadcast_to(c.sizes(1)?))),
    special("cast", &["input", "dtype"], 2, |c| Ok(c.expr(0)?.cast(c.dtype(1)?))),
    special("clamp", &["input", "min", "max"], 1, clamp),
    special("dot", &["input", "other"], 2, |c| Ok(c.expr(0)?.dot(c.expr(1)?))),
    special("einsum", &["equation", "operands"], 2, einsum_of),
    special("flip", &["input", "dims"], 2, flip),
    special("gelu", &["input"], 1, |c| Ok(c.expr(0)?.gelu())),
    special("layer_norm", &["input", "normalized_shape", "weight", "bias", "eps"], 2, layer_norm),
    special("lerp", &["input", "end", "weight"], 3, |c| Ok(c.expr(0)?.lerp(c.expr(1)?, c.expr(2)?))),
    special("log_softmax", &["input", "dim"], 2, |c| Ok(c.expr(0)?.log_softmax(c.integer(1)?))),
    special("logsumexp", &["input", "dim", "keepdim"], 2, |c| c.keepdim(2, c.expr(0)?.logsumexp(c.dims(1)?))),
    special("narrow", &["input", "dim", "start", "length"], 4, narrow),
    special("norm", &["input", "p", "dim", "keepdim"], 1, norm),
    special("permute", &["input", "dims"], 2, |c| Ok(c.expr(0)?.permute(&c.integers(1)?))),
    special("reciprocal", &["input"], 1, |c| Ok(c.expr(0)?.reciprocal())),
    special("reshape", &["input", "shape"], 2, reshape),
    special("softmax", &["input", "dim"], 2, |c| Ok(c.expr(0)?.softmax(c.integer(1)?))),
    special("square", &["input"], 1, |c| Ok(c.expr(0)?.square())),
    special("squeeze", &["input", "dim"], 1, squeeze),
    special("std", &["input", "dim", "correction", "keepdim"], 1, |c| {
        c.keepdim(3, c.expr(0)?.std(c.dims(1)?, c.number(2, 1.0)?))
    }),
    special("transpose", &["input", "dim0", "dim1"], 3, |c| Ok(c.expr(0)?.transpose(c.integer(1)?, c.integer(2)?))),
    special("unsqueeze", &["input", "dim"], 2, |c| Ok(c.expr(0)?.unsqueeze(c.integer(1)?))),
    special("var", &["input", "dim", "correction", "keepdim"], 1, |c| {
        c.keepdim(3, c.expr(0)?.var(c.dims(1)?, c.number(2, 1.0)?))
    }),
    special("where", &["condition", "input", "other"], 3, |c| Ok(Expr::select(c.expr(0)?, c.expr(1)?, c.expr(2)?))),
];

impl Function {
    fn all() -> impl Iterator<Item = Self> {
        let unary = UnaryOp::ALL.into_iter().map(Self::Unary);
        let binary = BinaryOp::ALL.into_iter().map(Self::Binary);
        let reduce = ReduceOp::ALL.into_iter().map(Self::Reduce);
        unary.chain(binary).chain(reduce).chain(SPECIALS.iter().map(Self::Special))
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::all().find(|function| function.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unary(op) => op.name(),
            Self::Binary(op) => op.name(),
            Self::Reduce(op) => op.name(),
            Self::Special(special) => special.name,
        }
    }

    fn params(self) -> &'static [&'static str] {
        match self {
            Self::Unary(op) => op.params(),
            Self::Binary(op) => op.params(),
            Self::Reduce(op) => op.params(),
            Self::Special(special) => special.params,
        }
    }

    fn required(self) -> usize {
        match self {
            Self::Unary(_) | Self::Reduce(_) => 1,
            Self::Binary(_) => 2,
            Self::Special(special) => special.required,
        }
    }

    /// Whether the arguments from the last parameter on may stand without brackets: `x.reshape(3, -1)`.
    fn spreads(self, is_method: bool) -> bool {
        self.name() == "einsum" || is_method && matches!(self.name(), "broadcast_to" | "flip" | "permute" | "reshape")
    }

    /// The arguments in the order of the parameters; what is not given is None, as in Python.
    pub(super) fn bind(self, column: usize, arguments: Vec<Argument>, is_method: bool) -> Result<Vec<Value>, Mistake> {
        let (name, params) = (self.name(), self.params());
        if is_method && params[0] != "input" {
            return mistake(column, format!("'{name}' is not a method: write {}", self.usage()));
        }
        let mut bound: Vec<Option<Value>> = params.iter().map(|_| None).collect();
        let (mut given, mut keywords) = (0, false);
        for Argument { keyword, value } in arguments {
            let Some((keyword, at)) = keyword else {
                if keywords {
                    return mistake(value.column, "an argument by position stands after one by keyword");
                }
                if given < params.len() {
                    bound[given] = Some(value);
                } else if self.spreads(is_method) {
                    spread(&mut bound[params.len() - 1], value);
                } else {
                    let plural = if params.len() == 1 { "" } else { "s" };
                    let message = format!("{name} takes at most {} argument{plural}: {}", params.len(), self.usage());
                    return mistake(value.column, message);
                }
                given += 1;
                continue;
            };
            keywords = true;
            // NumPy's words, which PyTorch takes, too.
            let word = match keyword {
                "axis" => "dim",
                "keepdims" => "keepdim",
                "x" => "input",
                other => other,
            };
            let Some(slot) = params.iter().position(|&p| p == word) else {
                let hint = nearest(keyword, params.iter().copied());
                let hint = hint.map_or_else(String::new, |near| format!(", did you mean '{near}'?"));
                return mistake(at, format!("{name} has no parameter '{keyword}'{hint} ({})", self.usage()));
            };
            if bound[slot].is_some() {
                return mistake(at, format!("{name} is given '{word}' twice"));
            }
            bound[slot] = Some(value);
        }
        if let Some(missing) = (0..self.required()).find(|&i| bound[i].is_none()) {
            return mistake(column, format!("{name} needs '{}': {}", params[missing], self.usage()));
        }
        Ok(bound.into_iter().map(|value| value.unwrap_or(Value { kind: Kind::None, column })).collect())
    }

    /// How it is called: `sum(input, dim=None, keepdim=None)`.
    fn usage(self) -> String {
        let required = self.required();
        let params = self.params().iter().enumerate();
        let params: Vec<_> =
            params.map(|(i, p)| if i < required { (*p).to_owned() } else { format!("{p}=None") }).collect();
        format!("{}({})", self.name(), params.join(", "))
    }

    pub(super) fn build(self, column: usize, values: Vec<Value>) -> Result<Expr, Mistake> {
        let call = Call { name: self.name(), column, values };
        match self {
            Self::Unary(op) => Ok(call.expr(0)?.unary(op)),
            Self::Binary(op) => Ok(call.expr(0)?.binary(op, call.expr(1)?)),
            Self::Reduce(op) => call.keepdim(2, call.expr(0)?.reduce(op, call.dims(1)?)),
            Self::Special(special) => (special.build)(&call),
        }
    }
}

/// Adds a value to a list that began as a single value.
fn spread(list: &mut Option<Value>, value: Value) {
    *list = Some(match list.take() {
        Some(Value { kind: Kind::List(mut items), column }) => {
            items.push(value);
            Value { kind: Kind::List(items), column }
        }
        Some(first) => Value { column: first.column, kind: Kind::List(vec![first, value]) },
        None => value,
    });
}

/// A function's arguments, in the order of its parameters.
struct Call {
    name: &'static str,
    column: usize,
    values: Vec<Value>,
}

impl Call {
    fn refuse<T>(&self, value: &Value, expected: &str) -> Result<T, Mistake> {
        mistake(value.column, format!("{} expects {expected} here, found {}", self.name, value.kind.describe()))
    }

    fn is_none(&self, i: usize) -> bool {
        matches!(self.values[i].kind, Kind::None)
    }

    fn expr(&self, i: usize) -> Result<Expr, Mistake> {
        match &self.values[i].kind {
            Kind::Expr(expr) => Ok(expr.clone()),
            _ => self.refuse(&self.values[i], "a tensor or a number"),
        }
    }

    fn integer_of(&self, value: &Value) -> Result<isize, Mistake> {
        if let Kind::Expr(expr) = &value.kind
            && let Some(Scalar::Int(i)) = expr.as_scalar()
        {
            return isize::try_from(i).or_else(|_| mistake(value.column, format!("{i} is too large")));
        }
        self.refuse(value, "an integer")
    }

    fn integer(&self, i: usize) -> Result<isize, Mistake> {
        self.integer_of(&self.values[i])
    }

    /// A number, or what stands for it where none is given.
    fn number(&self, i: usize, default: f64) -> Result<f64, Mistake> {
        match &self.values[i].kind {
            Kind::None => Ok(default),
            Kind::Expr(expr) => {
                expr.as_scalar().map_or_else(|| self.refuse(&self.values[i], "a number"), |n| Ok(n.to_f64()))
            }
            _ => self.refuse(&self.values[i], "a number"),
        }
    }

    fn size(&self, i: usize) -> Result<usize, Mistake> {
        let n = self.integer(i)?;
        usize::try_from(n).or_else(|_| mistake(self.values[i].column, format!("{n} is below 0")))
    }

    /// A list of integers, or one.
    fn integers(&self, i: usize) -> Result<Vec<isize>, Mistake> {
        match &self.values[i].kind {
            Kind::List(items) => items.iter().map(|item| self.integer_of(item)).collect(),
            _ => Ok(vec![self.integer(i)?]),
        }
    }

    fn sizes(&self, i: usize) -> Result<Shape, Mistake> {
        let size = |n: isize| usize::try_from(n).or_else(|_| mistake(self.values[i].column, format!("{n} is no size")));
        self.integers(i)?.into_iter().map(size).collect()
    }

    fn dims(&self, i: usize) -> Result<Dims, Mistake> {
        Ok(if self.is_none(i) { Dims::from(..) } else { Dims::from(&self.integers(i)?[..]) })
    }

    fn dtype(&self, i: usize) -> Result<DType, Mistake> {
        let value = &self.values[i];
        match &value.kind {
            Kind::DType(found) => Ok(*found),
            Kind::Text(name) => {
                dtype(name).map_or_else(|| mistake(value.column, format!("unknown dtype '{name}'")), Ok)
            }
            _ => self.refuse(value, "a dtype"),
        }
    }

    /// `reduced` with its dims kept if the `i`th argument says so.
    fn keepdim(&self, i: usize, reduced: Expr) -> Result<Expr, Mistake> {
        match &self.values[i].kind {
            Kind::None => Ok(reduced),
            Kind::Expr(expr) => match expr.as_scalar() {
                Some(Scalar::Bool(true)) => Ok(reduced.keepdim()),
                Some(Scalar::Bool(false)) => Ok(reduced),
                _ => self.refuse(&self.values[i], "True or False"),
            },
            _ => self.refuse(&self.values[i], "True or False"),
        }
    }
}

fn clamp(c: &Call) -> Result<Expr, Mistake> {
    let x = c.expr(0)?;
    match (c.is_none(1), c.is_none(2)) {
        (false, false) => Ok(x.clamp(c.expr(1)?, c.expr(2)?)),
        (false, true) => Ok(x.at_least(&c.expr(1)?)),
        (true, false) => Ok(x.at_most(&c.expr(2)?)),
        (true, true) => mistake(c.column, "clamp needs min, max or both"),
    }
}

fn einsum_of(c: &Call) -> Result<Expr, Mistake> {
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

fn flip(c: &Call) -> Result<Expr, Mistake> {
    let (x, dims) = (c.expr(0)?, c.integers(1)?);
    let checked = if dims.is_empty() { Ok(()) } else { Dims::from(&dims[..]).resolve(x.shape(), "flip").map(|_| ()) };
    match checked {
        Ok(()) => Ok(dims.into_iter().fold(x, |x, dim| x.flip(dim))),
        Err(error) => mistake(c.column, error.to_string()),
    }
}

fn narrow(c: &Call) -> Result<Expr, Mistake> {
    Ok(c.expr(0)?.narrow(c.integer(1)?, c.size(2)?, c.size(3)?))
}

fn norm(c: &Call) -> Result<Expr, Mistake> {
    c.keepdim(3, c.expr(0)?.norm(c.number(1, 2.0)?, c.dims(2)?))
}

/// Over the last dims, whose sizes PyTorch wants repeated.
fn layer_norm(c: &Call) -> Result<Expr, Mistake> {
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
fn reshape(c: &Call) -> Result<Expr, Mistake> {
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

fn squeeze(c: &Call) -> Result<Expr, Mistake> {
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

/// The function a method stands for where the names differ.
pub(super) fn method_alias(name: &str) -> Option<&'static str> {
    match name {
        "view" => Some("reshape"),
        "to" => Some("cast"),
        _ => None,
    }
}

/// A dtype by our name or PyTorch's.
pub(super) fn dtype(name: &str) -> Option<DType> {
    match name {
        "float16" => Some(DType::F16),
        "bfloat16" => Some(DType::BF16),
        "float32" => Some(DType::F32),
        "float64" => Some(DType::F64),
        "int32" => Some(DType::I32),
        "uint8" => Some(DType::U8),
        _ => name.parse().ok(),
    }
}

/// What to say of a function that does not exist.
pub(super) fn unknown(name: &str) -> String {
    let mut names: Vec<_> = Function::all().map(Function::name).collect();
    names.sort_unstable();
    nearest(name, names.iter().copied()).map_or_else(
        || format!("unknown function '{name}' (there are {})", names.join(", ")),
        |near| format!("unknown function '{name}', did you mean '{near}'?"),
    )
}

/// The candidate most like `name`, if one is so much like it that a slip of the hand explains the difference.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    // A long name costs its square, and is no slip.
    if length > 64 {
        return None;
    }
    let (found, distance) = candidates.map(|c| (c, distance(name, c))).min_by_key(|&(_, d)| d)?;
    (distance <= (length / 3).max(1) && distance < length).then_some(found)
}

/// How many letters to insert, drop, replace or swap with their neighbour to come from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().take(80).collect();
    // Distances from the first i letters of `a`, for the last three i.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut best = (last[j] + usize::from(a[i] != b[j])).min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_once() {
        assert!(SPECIALS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let names: Vec<_> = Function::all().map(Function::name).collect();
        assert!((0..names.len()).all(|i| !names[..i].contains(&names[i])));
    }

    #[test]
    fn distances_count_edits() {
        for (a, b, want) in [
            ("", "", 0),
            ("sum", "sum", 0),
            ("sun", "sum", 1),
            ("maxmum", "maximum", 1),
            ("smu", "sum", 1),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
            assert_eq!(distance(b, a), want, "{b} {a}");
        }
        assert_eq!(nearest("sigmod", ["sign", "sigmoid"].into_iter()), Some("sigmoid"));
        assert_eq!(nearest("nosuch", ["sum"].into_iter()), None);
    }
}
