//! What names stand for: tensors, constants, dtypes and functions.

use super::Parser;
use super::aliases::{self, Spelling};
use super::functions::{self, Argument, Function};
use super::lexer::Token;
use super::special;
use super::value::{Kind, Mistake, Value, mistake};
use crate::base::nearest::nearest;
use crate::{Result, Scalar};

impl<'a> Parser<'a> {
    pub(super) fn number(&mut self, number: Scalar, column: usize) -> Value {
        let expr = self.built.entry(format!("{number:?}")).or_insert_with(|| number.into());
        Value { kind: Kind::Expr(expr.clone()), column }
    }

    pub(super) fn name(&mut self, name: &'a str, column: usize) -> Result<Value, Mistake> {
        if let Some(open) = self.take("(") {
            return self.call(name, column, open, None, Spelling::Function);
        }
        match name {
            "True" | "False" => return Ok(self.number(Scalar::Bool(name == "True"), column)),
            "None" => return Ok(Value { kind: Kind::None, column }),
            _ => {}
        }
        if let Some(expr) = self.names.get(name) {
            return Ok(Value { kind: Kind::Expr(expr.clone()), column });
        }
        // So that code written for PyTorch or NumPy can be pasted: torch.sum(x), np.float32.
        if let Some(spelling) = aliases::module(name)
            && self.take(".").is_some()
        {
            return self.member(name, spelling);
        }
        if let Some(value) = self.constant(name, column) {
            return Ok(value);
        }
        if let Some(dtype) = aliases::dtype(name) {
            return Ok(Value { kind: Kind::DType(dtype), column });
        }
        if Function::named(name).is_some() {
            return mistake(column, format!("'{name}' is a function: call it, {name}(…)"));
        }
        let known = match self.order.len() {
            0 => "there are none".to_owned(),
            1..=20 => format!("known: {}", self.order.join(", ")),
            n => format!("known: {} and {} more", self.order[..20].join(", "), n - 20),
        };
        let hint = nearest(name, self.order.iter().copied());
        let hint = hint.map_or_else(String::new, |near| format!(", did you mean '{near}'?"));
        mistake(column, format!("unknown name '{name}'{hint} ({known})"))
    }

    /// What follows a value and a dot and is not called.
    pub(super) fn attribute(&mut self, value: Value, name: &str, column: usize) -> Result<Value, Mistake> {
        let shape = match &value.kind {
            Kind::Expr(x) => x.shape().clone(),
            other => return mistake(column, format!("'{name}' is of tensors, found {}", other.describe())),
        };
        match name {
            "T" => self.build("T", column, vec![value], |args| special::matrix_transpose(column, &args[0])),
            "dtype" => Ok(Value { kind: Kind::DType(value.expr()?.dtype()), column }),
            "ndim" => Ok(self.number(Scalar::Int(shape.rank() as i64), column)),
            "shape" => {
                let sizes = shape.iter().map(|&n| self.number(Scalar::Int(n as i64), column)).collect();
                Ok(Value { kind: Kind::List(sizes), column })
            }
            _ => {
                let message = format!(
                    "unknown attribute '{name}': there are T, dtype, ndim and shape, and methods are called, .{name}(…)"
                );
                mistake(column, message)
            }
        }
    }

    fn constant(&mut self, name: &str, column: usize) -> Option<Value> {
        if name == NEW_AXIS {
            return Some(Value { kind: Kind::None, column });
        }
        constant(name).map(|number| self.number(Scalar::Float(number), column))
    }

    /// What a module has under the name that follows; `module.` is behind us.
    fn member(&mut self, module: &'a str, spelling: Spelling) -> Result<Value, Mistake> {
        let mut module = module;
        loop {
            let Token::Name(name) = *self.peek() else { return self.unexpected("a name") };
            let column = self.advance();
            if aliases::is_submodule(name) && self.take(".").is_some() {
                module = name;
                continue;
            }
            if let Some(open) = self.take("(") {
                if (module, name) == ("linalg", "norm") {
                    let message =
                        "linalg.norm of a matrix is another norm: write norm(x, p) or linalg.vector_norm(x, p)";
                    return mistake(column, message);
                }
                return self.call(name, column, open, None, spelling);
            }
            let dtype = if module == "torch" { aliases::torch_dtype(name) } else { aliases::dtype(name) };
            return match (self.constant(name, column), dtype) {
                (Some(value), _) => Ok(value),
                (None, Some(dtype)) => Ok(Value { kind: Kind::DType(dtype), column }),
                (None, None) if Function::named(aliases::function(name, spelling)).is_some() => {
                    mistake(column, format!("'{name}' is a function: call it, {name}(…)"))
                }
                (None, None) => mistake(column, format!("unknown name '{name}'")),
            };
        }
    }

    /// A call of `name`, whose `(` is behind us.
    pub(super) fn call(
        &mut self,
        name: &'a str,
        column: usize,
        open: usize,
        receiver: Option<Argument<'a>>,
        spelling: Spelling,
    ) -> Result<Value, Mistake> {
        if let (Some(receiver), Some(dtype)) = (&receiver, aliases::cast_method(name)) {
            self.expect(")", &format!("')': {name} takes no argument"))?;
            let Kind::Expr(x) = &receiver.value.kind else {
                return mistake(column, format!("{name} is for tensors, found {}", receiver.value.kind.describe()));
            };
            let x = Value { kind: Kind::Expr(x.clone()), column: receiver.value.column };
            let values = vec![x, Value { kind: Kind::DType(dtype), column }];
            return self.build("cast", column, values, |mut values| Ok(values.swap_remove(0).expr()?.cast(dtype)));
        }
        let own = aliases::function(name, spelling);
        let function = match Function::named(own) {
            Some(function) => function,
            None if self.names.contains_key(name) => {
                return mistake(open, format!("'{name}' is a tensor, not a function"));
            }
            None => return mistake(column, functions::unknown(own)),
        };
        let mut arguments: Vec<Argument> = receiver.into_iter().collect();
        while self.take(")").is_none() {
            arguments.push(self.argument()?);
            if self.take(",").is_none() {
                self.expect(")", "',' or ')'")?;
                break;
            }
        }
        // NumPy divides by n where PyTorch divides by n - 1.
        let by_keyword = |words: &[&str]| arguments.iter().any(|a| a.keyword.is_some_and(|k| words.contains(&k.0)));
        if spelling == Spelling::NumPy && matches!(own, "std" | "var") && !by_keyword(&["ddof", "correction"]) {
            let value = self.number(Scalar::Int(0), column);
            arguments.push(Argument { keyword: Some(("correction", column)), value });
        }
        let values = function.bind(column, arguments, spelling == Spelling::Method)?;
        self.build(own, column, values, |values| function.build(column, values))
    }

    fn argument(&mut self) -> Result<Argument<'a>, Mistake> {
        if let (Token::Name(name), column) = self.tokens[self.at]
            && matches!(self.tokens.get(self.at + 1), Some((Token::Op("="), _)))
        {
            self.at += 2;
            return Ok(Argument { keyword: Some((name, column)), value: self.expression()? });
        }
        Ok(Argument { keyword: None, value: self.expression()? })
    }
}

/// The numbers that have names.
pub(super) fn constant(name: &str) -> Option<f64> {
    Some(match name {
        "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        "pi" => std::f64::consts::PI,
        "e" => std::f64::consts::E,
        _ => return None,
    })
}

/// NumPy's name for None in an index.
pub(super) const NEW_AXIS: &str = "newaxis";
