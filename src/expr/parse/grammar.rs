//! The grammar, by recursive descent: each function reads one kind of part and leaves the parser behind it.

use super::Parser;
use super::functions::Argument;
use super::lexer::Token;
use super::special;
use super::value::{Kind, Mistake, Value, mistake};
use crate::Result;

/// How deep parentheses, calls, signs and powers may nest. Each level takes stack, and a thread may have little.
const MAX_DEPTH: usize = 128;

/// How tightly an operator binds, in Python.
fn precedence(op: &str) -> Option<u8> {
    Some(match op {
        "==" | "!=" | "<" | "<=" | ">" | ">=" => COMPARISON,
        "|" => 2,
        "^" => 3,
        "&" => 4,
        "<<" | ">>" => 5,
        "+" | "-" => 6,
        "*" | "/" | "//" | "%" | "@" => 7,
        _ => return None,
    })
}
const COMPARISON: u8 = 1;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Value, Mistake> {
        self.binary(COMPARISON)
    }

    /// Operators that bind at least as tightly as `least`, from left to right.
    fn binary(&mut self, least: u8) -> Result<Value, Mistake> {
        let mut lhs = self.sign()?;
        let mut compared = false;
        while let Token::Op(op) = *self.peek() {
            let Some(tightness) = precedence(op).filter(|&p| p >= least) else { break };
            let column = self.advance();
            if tightness == COMPARISON {
                if compared {
                    return mistake(column, "comparisons do not chain: write (a < b) & (b < c)");
                }
                compared = true;
            }
            let rhs = self.binary(tightness + 1)?;
            lhs = self.operate(op, column, vec![lhs, rhs])?;
        }
        Ok(lhs)
    }

    /// Signs bind looser than a power on their right: `-x ** 2` is `-(x ** 2)`.
    fn sign(&mut self) -> Result<Value, Mistake> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return mistake(self.column(), format!("nested more than {MAX_DEPTH} levels deep"));
        }
        let value = match *self.peek() {
            Token::Op(op @ ("-" | "+" | "~")) => {
                let column = self.advance();
                let value = self.sign()?;
                self.operate(op, column, vec![value])
            }
            _ => self.power(),
        };
        self.depth -= 1;
        value
    }

    fn power(&mut self) -> Result<Value, Mistake> {
        let base = self.postfix()?;
        match self.take("**") {
            Some(column) => {
                let exponent = self.sign()?;
                self.operate("**", column, vec![base, exponent])
            }
            None => Ok(base),
        }
    }

    /// A value and the methods called on it.
    fn postfix(&mut self) -> Result<Value, Mistake> {
        let mut value = self.atom()?;
        loop {
            if let Some(column) = self.take("[") {
                return mistake(column, "indexing is not in the language: write narrow(x, dim, start, length)");
            }
            if self.take(".").is_none() {
                return Ok(value);
            }
            let Token::Name(name) = *self.peek() else { return self.unexpected("a method") };
            let column = self.advance();
            value = if let Some(open) = self.take("(") {
                let receiver = Argument { keyword: None, value };
                self.call(name, column, open, Some(receiver))?
            } else if name == "T" {
                self.build("T", column, vec![value], |args| special::matrix_transpose(column, &args[0]))?
            } else {
                return mistake(
                    column,
                    format!("unknown attribute '{name}': there is T, and methods are called, .{name}(…)"),
                );
            };
        }
    }

    fn atom(&mut self) -> Result<Value, Mistake> {
        let column = self.column();
        match self.peek() {
            Token::Number(number) => {
                let number = *number;
                self.advance();
                Ok(self.number(number, column))
            }
            Token::Text(text) => {
                let kind = Kind::Text((*text).to_owned());
                self.advance();
                Ok(Value { kind, column })
            }
            Token::Name("and" | "or" | "not" | "if" | "else") => self.unexpected("a value"),
            Token::Name(name) => {
                let name = *name;
                self.advance();
                self.name(name, column)
            }
            Token::Op("(") => {
                self.advance();
                self.parenthesis(column)
            }
            Token::Op("[") => {
                self.advance();
                let items = self.items(Vec::new(), "]")?;
                Ok(Value { kind: Kind::List(items), column })
            }
            _ => self.unexpected("a value"),
        }
    }

    /// What `(` begins: a value in parentheses or a tuple, which is a list.
    fn parenthesis(&mut self, column: usize) -> Result<Value, Mistake> {
        if self.take(")").is_some() {
            return Ok(Value { kind: Kind::List(Vec::new()), column });
        }
        let first = self.expression()?;
        if self.take(",").is_some() {
            let items = self.items(vec![first], ")")?;
            return Ok(Value { kind: Kind::List(items), column });
        }
        self.expect(")", "')' or an operator")?;
        Ok(first)
    }

    /// The rest of a list, up to `close`; a comma may stand before it.
    fn items(&mut self, mut items: Vec<Value>, close: &str) -> Result<Vec<Value>, Mistake> {
        while self.take(close).is_none() {
            items.push(self.expression()?);
            if self.take(",").is_none() {
                self.expect(close, &format!("',' or '{close}'"))?;
                break;
            }
        }
        Ok(items)
    }
}
