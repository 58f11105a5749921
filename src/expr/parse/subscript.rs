//! Subscripts: `x[0, 1:, ..., None]`.

use super::Parser;
use super::lexer::Token;
use super::value::{Kind, Mistake, Value, mistake};
use crate::base::index::{dims_of_ellipsis, position, range};
use crate::expr::Expr;
use crate::expr::views::carry;
use crate::{DType, Index, Result, Scalar, Shape};

/// What stands between two commas of a subscript.
enum Item {
    /// What shapes alone decide.
    Basic(Index),
    /// A tensor whose elements say which elements to take, and the column where it is written.
    Tensor(Expr, usize),
}

impl Parser<'_> {
    /// The elements of `value` that the subscript names whose `[`, at `column`, is behind us.
    pub(super) fn subscript(&mut self, value: Value, column: usize) -> Result<Value, Mistake> {
        let start = value.column;
        let items = self.subscript_items()?;
        let rank = if let Kind::Expr(x) = &value.kind { x.shape().rank() } else { 0 };
        let (mut basic, mut chosen) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Basic(index) => basic.push(index),
                Item::Tensor(index, column) => {
                    refuse(&index, column)?;
                    chosen.push((basic.len(), Value { kind: Kind::Expr(index), column }));
                    basic.push(Index::from(..));
                }
            }
        }
        let dims: Vec<usize> = chosen.iter().map(|&(item, _)| dim_of(&basic, item, rank)).collect();
        let value = match value.kind {
            Kind::Expr(_) => value,
            Kind::List(_) if !chosen.is_empty() => {
                return mistake(column, "an index of a list is an integer or a slice, found a tensor");
            }
            Kind::List(list) => return of_list(list, &basic, column),
            other => return mistake(column, format!("an index is for tensors, found {}", other.describe())),
        };
        let written: Vec<String> = basic.iter().map(Index::to_string).collect();
        let name = format!("[{}]", written.join(", "));
        // Tensors stand where a whole dim was put for them.
        let name = dims.iter().fold(name, |name, dim| format!("{name}@{dim}"));
        let values = std::iter::once(value).chain(chosen.into_iter().map(|(_, index)| index)).collect();
        let mut found = self.build(&name, column, values, |values| {
            let mut values = values.into_iter().map(Value::expr).collect::<Result<Vec<_>, _>>()?;
            let x = values.remove(0).at(&basic[..]);
            let indices: Vec<(usize, Expr)> = dims.into_iter().zip(values).collect();
            Ok(if indices.is_empty() { x } else { carry(x.chosen("index", &indices, true)) })
        })?;
        found.column = start;
        Ok(found)
    }

    fn subscript_items(&mut self) -> Result<Vec<Item>, Mistake> {
        if matches!(self.peek(), Token::Op("]")) {
            return self.unexpected("an index");
        }
        let mut items = Vec::new();
        while self.take("]").is_none() {
            items.push(self.subscript_item()?);
            if self.take(",").is_none() {
                self.expect("]", "',', ':' or ']'")?;
                break;
            }
        }
        Ok(items)
    }

    fn subscript_item(&mut self) -> Result<Item, Mistake> {
        if self.take("...").is_some() {
            return Ok(Item::Basic(Index::Ellipsis));
        }
        let start = if matches!(self.peek(), Token::Op(":")) { None } else { Some(self.expression()?) };
        if self.take(":").is_none() {
            return start.map_or_else(|| self.unexpected("an index"), item);
        }
        let start = start.as_ref().map_or(Ok(None), bound)?;
        let stop = self.bound()?;
        let has_step = self.take(":").is_some();
        let column = self.column();
        let step = if has_step { self.bound()? } else { None }.unwrap_or(1);
        if step < 1 {
            let message = format!("a step is at least 1, found {step}: flip(x, dim) reads a dim backwards");
            return mistake(column, message);
        }
        Ok(Item::Basic(Index::Slice { start, stop, step }))
    }

    /// A bound of a slice, if one is written here.
    fn bound(&mut self) -> Result<Option<isize>, Mistake> {
        if matches!(self.peek(), Token::Op(":" | "," | "]")) {
            return Ok(None);
        }
        bound(&self.expression()?)
    }
}

/// An element of a list, or a part of it: `x.shape[-1]`, `x.shape[1:]`.
fn of_list(mut list: Vec<Value>, items: &[Index], column: usize) -> Result<Value, Mistake> {
    let [item] = items else {
        return mistake(column, format!("an index of a list is one integer or slice, found {}", items.len()));
    };
    let shape = Shape::from([list.len()]);
    match *item {
        Index::At(i) => match position(i, 0, &shape) {
            Ok(at) => Ok(list.swap_remove(at)),
            Err(error) => mistake(column, error.to_string()),
        },
        Index::Slice { start, stop, step } => match range(start, stop, step, list.len()) {
            Ok((start, len, step)) => {
                let list = list.into_iter().skip(start).step_by(step).take(len).collect();
                Ok(Value { kind: Kind::List(list), column })
            }
            Err(error) => mistake(column, error.to_string()),
        },
        Index::NewAxis | Index::Ellipsis => mistake(column, "an index of a list is an integer or a slice"),
    }
}

/// What a value says as an item.
fn item(value: Value) -> Result<Item, Mistake> {
    match value.kind {
        Kind::None => Ok(Item::Basic(Index::NewAxis)),
        Kind::List(_) => mistake(value.column, "an index does not stand in brackets of its own: write x[0, 1]"),
        Kind::Expr(expr) => match expr.as_scalar() {
            Some(Scalar::Int(i)) => Ok(Item::Basic(Index::At(saturated(i)))),
            None if expr.as_number().is_none() => Ok(Item::Tensor(expr, value.column)),
            _ => mistake(value.column, "an index is an integer, a slice, None or '...', found a number that is none"),
        },
        other => {
            mistake(value.column, format!("an index is an integer, a slice, None or '...', found {}", other.describe()))
        }
    }
}

/// A bound of a slice. None is none, as in Python.
fn bound(value: &Value) -> Result<Option<isize>, Mistake> {
    match &value.kind {
        Kind::None => Ok(None),
        Kind::Expr(expr) if matches!(expr.as_scalar(), Some(Scalar::Int(_))) => {
            Ok(expr.as_scalar().map(|n| saturated(n.to_i64())))
        }
        other => mistake(value.column, format!("a slice goes from one integer to another, found {}", other.describe())),
    }
}

/// No dim is as long as the largest isize.
fn saturated(i: i64) -> isize {
    isize::try_from(i).unwrap_or(if i < 0 { isize::MIN } else { isize::MAX })
}

/// The dim of the result that item `item` makes; the result is of something with `rank` dims.
fn dim_of(items: &[Index], item: usize, rank: usize) -> usize {
    let dims = |index: &Index| match index {
        Index::At(_) => 0,
        Index::Slice { .. } | Index::NewAxis => 1,
        // Too many items are refused when they are used.
        Index::Ellipsis => dims_of_ellipsis(items, rank).unwrap_or(0),
    };
    items[..item].iter().map(dims).sum()
}

/// Refuses a tensor that is no index.
fn refuse(index: &Expr, column: usize) -> Result<(), Mistake> {
    match index.dtype() {
        DType::Bool | DType::U8 => {
            mistake(column, "what a mask selects has a shape that depends on values: write where(mask, x, 0)")
        }
        dtype if dtype.is_float() => mistake(column, format!("a tensor as an index is of integers, found {dtype}")),
        _ => Ok(()),
    }
}
