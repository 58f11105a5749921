//! The functions of the language: PyTorch's names and parameters.

use super::absent::ABSENT;
use super::aliases;
use super::arguments::Arguments;
use super::indexing::INDEXING;
use super::losses::LOSSES;
use super::order::ORDER;
use super::pointwise::POINTWISE;
use super::scans::SCANS;
use super::shapes::SHAPES;
use super::special::{SPECIALS, Special};
use super::value::{Kind, Mistake, Value, mistake};
use crate::Result;
use crate::base::nearest::{nearest, slip};
use crate::expr::{BinaryOp, Expr, ReduceOp, UnaryOp};

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

impl Function {
    fn all() -> impl Iterator<Item = Self> {
        let tables = [&POINTWISE[..], &SPECIALS, &SHAPES, &INDEXING, &LOSSES, &ORDER, &SCANS];
        let special = tables.into_iter().flatten().map(Self::Special);
        // Those with a parameter more than their operation, or with another meaning of it, come first.
        let has_more = |name: &str| POINTWISE.iter().any(|special| special.name == name);
        let unary = UnaryOp::ALL.into_iter().filter(move |op| !has_more(op.name())).map(Self::Unary);
        let binary = BinaryOp::ALL.into_iter().filter(move |op| !has_more(op.name())).map(Self::Binary);
        let reduce = ReduceOp::ALL.into_iter().map(Self::Reduce);
        unary.chain(binary).chain(reduce).chain(special)
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
            Self::Binary(BinaryOp::Add | BinaryOp::Sub) => &["input", "other", "alpha"],
            Self::Binary(op) => op.params(),
            Self::Reduce(ReduceOp::Sum | ReduceOp::Mean | ReduceOp::Prod) => &["input", "dim", "keepdim", "dtype"],
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

    /// How many of the parameters may be given by position.
    fn positional(self) -> usize {
        let by_keyword_alone = matches!(self.params().last(), Some(&"alpha")) && matches!(self, Self::Binary(_))
            || matches!(self.params().last(), Some(&"dtype")) && matches!(self, Self::Reduce(_));
        self.params().len() - usize::from(by_keyword_alone)
    }

    /// Whether the arguments from the last parameter on may stand without brackets: `x.reshape(3, -1)`.
    fn spreads(self, is_method: bool) -> bool {
        self.name() == "einsum"
            || is_method
                && matches!(self.name(), "broadcast_to" | "expand" | "flip" | "permute" | "repeat" | "reshape" | "tile")
    }

    /// The arguments in the order of the parameters; what is not given is None, as in Python.
    pub(super) fn bind(self, column: usize, arguments: Vec<Argument>, is_method: bool) -> Result<Vec<Value>, Mistake> {
        let (name, params, positional) = (self.name(), self.params(), self.positional());
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
                if given < positional {
                    bound[given] = Some(value);
                } else if self.spreads(is_method) {
                    spread(&mut bound[params.len() - 1], value);
                } else {
                    let plural = if positional == 1 { "" } else { "s" };
                    let message = format!("{name} takes at most {positional} argument{plural}: {}", self.usage());
                    return mistake(value.column, message);
                }
                given += 1;
                continue;
            };
            keywords = true;
            if keyword == "out" {
                return mistake(at, "an expression writes nowhere: assign it to a tensor");
            }
            let word = aliases::parameter(keyword, params);
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
        let params: Vec<_> = params
            .map(|(i, p)| {
                let by_keyword = if i == self.positional() { "*, " } else { "" };
                if i < required { (*p).to_owned() } else { format!("{by_keyword}{p}=None") }
            })
            .collect();
        format!("{}({})", self.name(), params.join(", "))
    }

    pub(super) fn build(self, column: usize, values: Vec<Value>) -> Result<Expr, Mistake> {
        let call = Arguments { name: self.name(), column, values };
        match self {
            Self::Unary(op) => Ok(call.expr(0)?.unary(op)),
            Self::Binary(op) => {
                let has_alpha = call.values.len() > 2 && !call.is_none(2);
                let other = if has_alpha { call.expr(1)? * call.expr(2)? } else { call.expr(1)? };
                Ok(call.expr(0)?.binary(op, other))
            }
            Self::Reduce(op) if call.values.len() > 3 && !call.is_none(3) => {
                let dtype = call.dtype(3)?;
                call.keepdim(2, call.expr(0)?.cast(dtype).reduce(op, call.dims(1)?).cast(dtype))
            }
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

/// What to say of a function that does not exist: what to write for one of PyTorch's, else a name that a slip of the
/// hand may have made it of. A function with another meaning is no answer to a name that has one.
pub(super) fn unknown(name: &str) -> String {
    if let Some((_, instead)) = ABSENT.iter().find(|absent| absent.0 == name) {
        return format!("'{name}' is not in the language{instead}");
    }
    let mut names: Vec<_> = Function::all().map(Function::name).collect();
    names.sort_unstable();
    slip(name, names.iter().copied()).map_or_else(
        || format!("unknown function '{name}' (there are {})", names.join(", ")),
        |near| format!("unknown function '{name}', did you mean '{near}'?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_once() {
        assert!(SPECIALS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(POINTWISE.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(SHAPES.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(INDEXING.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(ORDER.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(SCANS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let names: Vec<_> = Function::all().map(Function::name).collect();
        assert!((0..names.len()).all(|i| !names[..i].contains(&names[i])));
    }

    #[test]
    fn the_table_from_pytorch_names_every_function() {
        let table = include_str!("../../../docs/pytorch.md");
        let missing: Vec<_> =
            Function::all().map(Function::name).filter(|name| !table.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "not in docs/pytorch.md: {}", missing.join(", "));
    }

    #[test]
    fn what_is_absent_is_not_there() {
        assert!(ABSENT.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, _) in ABSENT {
            assert!(Function::named(name).is_none(), "{name} is there: take it out of the table");
        }
    }
}
