//! What parts of a text stand for, and mistakes in them.

use std::fmt::Write;

use crate::expr::Expr;
use crate::{DType, Result};

/// What is wrong, and the column (in characters, from 1) where.
pub(super) struct Mistake {
    pub(super) column: usize,
    pub(super) message: String,
}

pub(super) fn mistake<T>(column: usize, message: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { column, message: message.into() })
}

/// What a part of the text stands for, and where it begins.
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) column: usize,
}

pub(super) enum Kind {
    Expr(Expr),
    List(Vec<Value>),
    Text(String),
    DType(DType),
    None,
}

impl Kind {
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Expr(e) if e.as_scalar().is_some() => "a number",
            Self::Expr(_) => "a tensor",
            Self::List(_) => "a list",
            Self::Text(_) => "text",
            Self::DType(_) => "a dtype",
            Self::None => "None",
        }
    }
}

impl Value {
    pub(super) fn expr(self) -> Result<Expr, Mistake> {
        match self.kind {
            Kind::Expr(expr) => Ok(expr),
            other => mistake(self.column, format!("expected a tensor or a number, found {}", other.describe())),
        }
    }

    /// Writes what tells this value from others while every expression of the parse is alive.
    pub(super) fn key(&self, key: &mut String) {
        // Writing to a String cannot fail.
        let _ = match &self.kind {
            Kind::Expr(expr) => write!(key, "{:p}", std::sync::Arc::as_ptr(&expr.0)),
            Kind::List(items) => {
                key.push('[');
                for item in items {
                    item.key(key);
                    key.push(' ');
                }
                write!(key, "]")
            }
            Kind::Text(text) => write!(key, "{text:?}"),
            Kind::DType(dtype) => write!(key, "{dtype}"),
            Kind::None => write!(key, "None"),
        };
    }
}
