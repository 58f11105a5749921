//! What names stand for: tensors, constants, dtypes and functions.

use super::Parser;
use super::functions::{self, Argument, Function};
use super::lexer::Token;
use super::value::{Kind, Mistake, Value, dtype_named, mistake};
use crate::base::nearest::nearest;
use crate::{Result, Scalar};

impl<'a> Parser<'a> {
    pub(super) fn number(&mut self, number: Scalar, column: usize) -> Value {
        let expr = self.built.entry(format!("{number:?}")).or_insert_with(|| number.into());
        Value { kind: Kind::Expr(expr.clone()), column }
    }

    pub(super) fn name(&mut self, name: &'a str, column: usize) -> Result<Value, Mistake> {
        if let Some(open) = self.take("(") {
            return self.call(name, column, open, None);
        }
        match name {
            "True" | "False" => return Ok(self.number(Scalar::Bool(name == "True"), column)),
            "None" => return Ok(Value { kind: Kind::None, column }),
            _ => {}
        }
        if let Some(expr) = self.names.get(name) {
            return Ok(Value { kind: Kind::Expr(expr.clone()), column });
        }
        // So that code written for PyTorch can be pasted: torch.sum(x), torch.float16.
        if name == "torch" && self.take(".").is_some() {
            let Token::Name(name) = *self.peek() else { return self.unexpected("a name") };
            let column = self.advance();
            return self.name(name, column);
        }
        match name {
            "inf" => return Ok(self.number(Scalar::Float(f64::INFINITY), column)),
            "nan" => return Ok(self.number(Scalar::Float(f64::NAN), column)),
            "pi" => return Ok(self.number(Scalar::Float(std::f64::consts::PI), column)),
            _ => {}
        }
        if let Some(dtype) = dtype_named(name) {
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

    /// A call of `name`, whose `(` is behind us.
    pub(super) fn call(
        &mut self,
        name: &'a str,
        column: usize,
        open: usize,
        receiver: Option<Argument<'a>>,
    ) -> Result<Value, Mistake> {
        let is_method = receiver.is_some();
        let function = match Function::named(functions::method_alias(name).filter(|_| is_method).unwrap_or(name)) {
            Some(function) => function,
            None if self.names.contains_key(name) => {
                return mistake(open, format!("'{name}' is a tensor, not a function"));
            }
            None => return mistake(column, functions::unknown(name)),
        };
        let mut arguments: Vec<Argument> = receiver.into_iter().collect();
        while self.take(")").is_none() {
            arguments.push(self.argument()?);
            if self.take(",").is_none() {
                self.expect(")", "',' or ')'")?;
                break;
            }
        }
        let values = function.bind(column, arguments, is_method)?;
        self.build(name, column, values, |values| function.build(column, values))
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
