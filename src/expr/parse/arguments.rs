//! A function's arguments, each read as what the function wants there.

use super::aliases;
use super::value::{Kind, Mistake, Value, mistake};
use crate::expr::Expr;
use crate::{DType, Dims, Result, Scalar, Shape};

/// A function's arguments, in the order of its parameters.
pub(super) struct Arguments {
    pub(super) name: &'static str,
    pub(super) column: usize,
    pub(super) values: Vec<Value>,
}

impl Arguments {
    pub(super) fn refuse<T>(&self, value: &Value, expected: &str) -> Result<T, Mistake> {
        mistake(value.column, format!("{} expects {expected} here, found {}", self.name, value.kind.describe()))
    }

    pub(super) fn is_none(&self, i: usize) -> bool {
        matches!(self.values[i].kind, Kind::None)
    }

    pub(super) fn expr(&self, i: usize) -> Result<Expr, Mistake> {
        match &self.values[i].kind {
            Kind::Expr(expr) => Ok(expr.clone()),
            _ => self.refuse(&self.values[i], "a tensor or a number"),
        }
    }

    /// A tensor or a number, or what stands for it where none is given.
    pub(super) fn or(&self, i: usize, default: i32) -> Result<Expr, Mistake> {
        if self.is_none(i) { Ok(default.into()) } else { self.expr(i) }
    }

    /// Which diagonal: 0 where none is given.
    pub(super) fn diagonal(&self, i: usize) -> Result<i64, Mistake> {
        if self.is_none(i) { Ok(0) } else { self.integer(i).map(|d| d as i64) }
    }

    fn integer_of(&self, value: &Value) -> Result<isize, Mistake> {
        if let Kind::Expr(expr) = &value.kind
            && let Some(Scalar::Int(i)) = expr.as_scalar()
        {
            return isize::try_from(i).or_else(|_| mistake(value.column, format!("{i} is too large")));
        }
        self.refuse(value, "an integer")
    }

    pub(super) fn integer(&self, i: usize) -> Result<isize, Mistake> {
        self.integer_of(&self.values[i])
    }

    /// A number, or what stands for it where none is given.
    pub(super) fn number(&self, i: usize, default: f64) -> Result<f64, Mistake> {
        match &self.values[i].kind {
            Kind::None => Ok(default),
            Kind::Expr(expr) => {
                expr.as_scalar().map_or_else(|| self.refuse(&self.values[i], "a number"), |n| Ok(n.to_f64()))
            }
            _ => self.refuse(&self.values[i], "a number"),
        }
    }

    /// A number, if one is given.
    pub(super) fn option(&self, i: usize) -> Result<Option<f64>, Mistake> {
        if self.is_none(i) { Ok(None) } else { self.number(i, 0.0).map(Some) }
    }

    pub(super) fn size(&self, i: usize) -> Result<usize, Mistake> {
        let n = self.integer(i)?;
        usize::try_from(n).or_else(|_| mistake(self.values[i].column, format!("{n} is below 0")))
    }

    pub(super) fn integer_or(&self, i: usize, default: isize) -> Result<isize, Mistake> {
        if self.is_none(i) { Ok(default) } else { self.integer(i) }
    }

    /// A list of tensors.
    pub(super) fn exprs(&self, i: usize) -> Result<Vec<Expr>, Mistake> {
        let Kind::List(items) = &self.values[i].kind else {
            return self.refuse(&self.values[i], "a list of tensors");
        };
        let of = |item: &Value| match &item.kind {
            Kind::Expr(expr) => Ok(expr.clone()),
            _ => self.refuse(item, "a tensor"),
        };
        items.iter().map(of).collect()
    }

    /// A list of integers, or one.
    pub(super) fn integers(&self, i: usize) -> Result<Vec<isize>, Mistake> {
        match &self.values[i].kind {
            Kind::List(items) => items.iter().map(|item| self.integer_of(item)).collect(),
            _ => Ok(vec![self.integer(i)?]),
        }
    }

    pub(super) fn sizes(&self, i: usize) -> Result<Shape, Mistake> {
        let size = |n: isize| usize::try_from(n).or_else(|_| mistake(self.values[i].column, format!("{n} is no size")));
        self.integers(i)?.into_iter().map(size).collect()
    }

    pub(super) fn dims(&self, i: usize) -> Result<Dims, Mistake> {
        Ok(if self.is_none(i) { Dims::from(..) } else { Dims::from(&self.integers(i)?[..]) })
    }

    pub(super) fn dtype(&self, i: usize) -> Result<DType, Mistake> {
        let value = &self.values[i];
        match &value.kind {
            Kind::DType(found) => Ok(*found),
            Kind::Text(name) => {
                aliases::dtype(name).map_or_else(|| mistake(value.column, aliases::unknown_dtype(name)), Ok)
            }
            _ => self.refuse(value, "a dtype"),
        }
    }

    /// `reduced` with its dims kept if the `i`th argument says so.
    pub(super) fn keepdim(&self, i: usize, reduced: Expr) -> Result<Expr, Mistake> {
        Ok(if self.flag(i, false)? { reduced.keepdim() } else { reduced })
    }

    /// True or False, or what stands for it where none is given.
    pub(super) fn flag(&self, i: usize, default: bool) -> Result<bool, Mistake> {
        let given = match &self.values[i].kind {
            Kind::None => return Ok(default),
            Kind::Expr(expr) => expr.as_scalar(),
            _ => None,
        };
        match given {
            Some(Scalar::Bool(flag)) => Ok(flag),
            _ => self.refuse(&self.values[i], "True or False"),
        }
    }
}
