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

/// A dtype by our name or PyTorch's.
pub(super) fn dtype_named(name: &str) -> Option<DType> {
    match name {
        "float16" => Some(DType::F16),
        "bfloat16" => Some(DType::BF16),
        "float32" => Some(DType::F32),
        "float64" => Some(DType::F64),
        "int8" => Some(DType::I8),
        "int16" | "short" => Some(DType::I16),
        "int32" | "int" => Some(DType::I32),
        "int64" | "long" => Some(DType::I64),
        "uint8" => Some(DType::U8),
        _ => name.parse().ok(),
    }
}
