//! Reading expressions from text: Python's syntax and precedence, PyTorch's function names.
//!
//! One pass: the parser builds nodes as it reads, so a mistake in shapes is reported at the operator that made it.
//! Text comes from anywhere, so nothing in it may panic, overflow the stack or take more than linear time.

mod functions;
mod lexer;

use std::fmt::Write;

use rustc_hash::FxHashMap;

use super::node::Expr;
use super::op::{BinaryOp, UnaryOp};
use crate::{DType, Error, Result, Scalar, Tensor};
use functions::{Argument, Function};
use lexer::{Token, tokens};

/// How deep parentheses, calls, signs and powers may nest. Each level takes stack, and a thread may have little.
const MAX_DEPTH: usize = 128;

/// What is wrong, and the column (in characters, from 1) where.
struct Mistake {
    column: usize,
    message: String,
}

fn mistake<T>(column: usize, message: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { column, message: message.into() })
}

/// What a part of the text stands for, and where it begins.
struct Value {
    kind: Kind,
    column: usize,
}

enum Kind {
    Expr(Expr),
    List(Vec<Value>),
    Text(String),
    DType(DType),
    None,
}

impl Kind {
    fn describe(&self) -> &'static str {
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
    fn expr(self) -> Result<Expr, Mistake> {
        match self.kind {
            Kind::Expr(expr) => Ok(expr),
            other => mistake(self.column, format!("expected a tensor or a number, found {}", other.describe())),
        }
    }

    /// Writes what tells this value from others while every expression of the parse is alive.
    fn key(&self, key: &mut String) {
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

impl Expr {
    /// Reads an expression from text in which `names` stand for tensors.
    ///
    /// The language is Python's syntax, with PyTorch's function names and arguments: what it reads, PyTorch would
    /// read. There are numbers, `True`, `False`, `inf`, `nan` and `pi`; `+ - * / **`, comparisons, and `& | ^ ~` on
    /// bools, with Python's precedence; every function that [`Expr`] has, called as `sum(x, 0)` or as `x.sum(0)`;
    /// keyword arguments (`sum(x, dim=[0, 2], keepdim=True)`); `cast(x, f16)`; and `x.T`. A part that is written
    /// twice is built once.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let device = Device::cpu();
    /// let w = Tensor::from_slice(&[0.5_f32, 2.0], [2], &device)?;
    /// let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &device)?;
    /// let expr = Expr::parse("sum(w * a, 0) / 2", &[("w", &w), ("a", &a)])?;
    /// assert_eq!(expr.shape().dims(), [2]);
    ///
    /// let error = Expr::parse("sum(w * b, 0)", &[("w", &w), ("a", &a)]).unwrap_err();
    /// assert!(error.to_string().starts_with("column 9: unknown name 'b'"), "{error}");
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Parse`], with the column of what is wrong: the syntax, an unknown name, an argument, or shapes and
    /// dtypes that do not go together.
    pub fn parse(text: &str, names: &[(&str, &Tensor)]) -> Result<Self> {
        let names: Vec<(&str, Self)> = names.iter().map(|&(name, tensor)| (name, tensor.into())).collect();
        Self::parse_with(text, &names)
    }

    /// Reads an expression from text in which `names` stand for expressions: numbers, tensors, or parts built before.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let x = Tensor::from_slice(&[3_u8, 5], [2], &Device::cpu())?;
    /// let expr = Expr::parse_with("x * scale", &[("x", x.into()), ("scale", 0.5.into())])?;
    /// assert_eq!(expr.dtype(), hadamard::DType::F32);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_with(text: &str, names: &[(&str, Self)]) -> Result<Self> {
        let mut parser = Parser {
            tokens: tokens(text),
            at: 0,
            depth: 0,
            names: names.iter().map(|(name, expr)| (*name, expr.clone())).collect(),
            order: names.iter().map(|&(name, _)| name).collect(),
            built: FxHashMap::default(),
        };
        parser.whole().map_err(|Mistake { column, message }| {
            // Tabs and line ends would carry the caret below the text to another place.
            let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            Error::Parse { text, column, message }
        })
    }
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    at: usize,
    depth: usize,
    names: FxHashMap<&'a str, Expr>,
    /// The names as they were given, for messages.
    order: Vec<&'a str>,
    /// Everything built so far, by how it was written. It also keeps all of it alive, so that an address is a name.
    built: FxHashMap<String, Expr>,
}

/// How tightly an operator binds, in Python.
fn precedence(op: &str) -> Option<u8> {
    Some(match op {
        "==" | "!=" | "<" | "<=" | ">" | ">=" => COMPARISON,
        "|" => 2,
        "^" => 3,
        "&" => 4,
        "+" | "-" => 5,
        "*" | "/" => 6,
        _ => return None,
    })
}
const COMPARISON: u8 = 1;

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Result<Expr, Mistake> {
        if matches!(self.peek(), Token::End) {
            return mistake(self.column(), "expected an expression, found nothing");
        }
        let value = self.expression()?;
        if !matches!(self.peek(), Token::End) {
            return self.unexpected("an operator or the end");
        }
        let expr = value.expr()?;
        match expr.error() {
            None => Ok(expr),
            // Only a name can still carry one: what was built here was checked.
            Some(error) => mistake(1, error.to_string()),
        }
    }

    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at].0
    }

    fn column(&self) -> usize {
        self.tokens[self.at].1
    }

    /// The next token's column; steps over it. The last token is [`Token::End`], which stays.
    fn advance(&mut self) -> usize {
        let column = self.column();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        column
    }

    fn take(&mut self, op: &str) -> Option<usize> {
        matches!(self.peek(), Token::Op(found) if *found == op).then(|| self.advance())
    }

    fn expect(&mut self, op: &str, wanted: &str) -> Result<usize, Mistake> {
        self.take(op).map_or_else(|| self.unexpected(wanted), Ok)
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T, Mistake> {
        let found = match self.peek() {
            Token::Bad(message) => return mistake(self.column(), message),
            Token::End => "the end".to_owned(),
            Token::Op(op) => format!("'{op}'"),
            Token::Name(name) => match *name {
                "and" | "or" | "not" => {
                    let op = if *name == "not" { "~" } else { &name[..1].replace('a', "&").replace('o', "|") };
                    return mistake(self.column(), format!("'{name}' is not for tensors: write '{op}'"));
                }
                "if" | "else" => {
                    return mistake(self.column(), "write where(condition, a, b) for 'a if condition else b'");
                }
                name => format!("'{name}'"),
            },
            Token::Number(_) => "a number".to_owned(),
            Token::Text(_) => "text".to_owned(),
        };
        mistake(self.column(), format!("expected {wanted}, found {found}"))
    }

    fn expression(&mut self) -> Result<Value, Mistake> {
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
                self.build("T", column, vec![value], |args| functions::matrix_transpose(column, &args[0]))?
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

    fn number(&mut self, number: Scalar, column: usize) -> Value {
        let expr = self.built.entry(format!("{number:?}")).or_insert_with(|| number.into());
        Value { kind: Kind::Expr(expr.clone()), column }
    }

    fn name(&mut self, name: &'a str, column: usize) -> Result<Value, Mistake> {
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
        if let Some(dtype) = functions::dtype(name) {
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
        let hint = functions::nearest(name, self.order.iter().copied());
        let hint = hint.map_or_else(String::new, |near| format!(", did you mean '{near}'?"));
        mistake(column, format!("unknown name '{name}'{hint} ({known})"))
    }

    /// A call of `name`, whose `(` is behind us.
    fn call(
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

    /// Builds a part, or finds it built before.
    fn build(
        &mut self,
        name: &str,
        column: usize,
        values: Vec<Value>,
        make: impl FnOnce(Vec<Value>) -> Result<Expr, Mistake>,
    ) -> Result<Value, Mistake> {
        let mut key = name.to_owned();
        for value in &values {
            key.push(' ');
            value.key(&mut key);
        }
        if let Some(expr) = self.built.get(&key) {
            return Ok(Value { kind: Kind::Expr(expr.clone()), column });
        }
        let expr = make(values)?;
        if let Some(error) = expr.error() {
            return mistake(column, error.to_string());
        }
        self.built.insert(key, expr.clone());
        Ok(Value { kind: Kind::Expr(expr), column })
    }

    fn operate(&mut self, op: &'static str, column: usize, values: Vec<Value>) -> Result<Value, Mistake> {
        let start = values[0].column;
        let name = if values.len() == 1 { format!("unary {op}") } else { op.to_owned() };
        let mut value = self.build(&name, column, values, |values| {
            let args = values.into_iter().map(Value::expr).collect::<Result<Vec<_>, _>>()?;
            match &args[..] {
                [x] => unary(op, column, x),
                [a, b] => binary(op, column, a, b),
                _ => unreachable!("operators have one or two arguments"),
            }
        })?;
        value.column = start.min(column);
        Ok(value)
    }
}

fn unary(op: &str, column: usize, x: &Expr) -> Result<Expr, Mistake> {
    match op {
        "-" => match x.as_scalar() {
            Some(Scalar::Int(i64::MIN)) => mistake(column, OVERFLOW),
            _ => Ok(-x),
        },
        "+" => Ok(x.clone()),
        _ => {
            only_bools(op, column, x)?;
            Ok(x.unary(UnaryOp::Not))
        }
    }
}

const OVERFLOW: &str = "a number beyond 64 bits: write it as a float";

fn binary(op: &str, column: usize, a: &Expr, b: &Expr) -> Result<Expr, Mistake> {
    let op = match op {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "**" => BinaryOp::Pow,
        "==" => BinaryOp::Eq,
        "!=" => BinaryOp::Ne,
        "<" => BinaryOp::Lt,
        "<=" => BinaryOp::Le,
        ">" => BinaryOp::Gt,
        ">=" => BinaryOp::Ge,
        _ => {
            only_bools(op, column, a)?;
            only_bools(op, column, b)?;
            match op {
                "&" => BinaryOp::And,
                "|" => BinaryOp::Or,
                _ => BinaryOp::Ne,
            }
        }
    };
    // Python's integers grow; ours would wrap without a word.
    if let (Some(Scalar::Int(x)), Some(Scalar::Int(y))) = (a.as_scalar(), b.as_scalar()) {
        let fits = match op {
            BinaryOp::Add => x.checked_add(y).is_some(),
            BinaryOp::Sub => x.checked_sub(y).is_some(),
            BinaryOp::Mul => x.checked_mul(y).is_some(),
            BinaryOp::Pow if y >= 0 => {
                matches!(x, -1..=1) || u32::try_from(y).is_ok_and(|y| x.checked_pow(y).is_some())
            }
            _ => true,
        };
        if !fits {
            return mistake(column, OVERFLOW);
        }
    }
    Ok(a.binary(op, b))
}

/// On integers PyTorch's `&` works bit by bit, and this library has no such operation: better none than another.
fn only_bools(op: &str, column: usize, x: &Expr) -> Result<(), Mistake> {
    if x.dtype() == DType::Bool {
        return Ok(());
    }
    let instead = match op {
        "&" => ": compare first, or write logical_and(a, b)",
        "|" => ": compare first, or write logical_or(a, b)",
        "^" => ": compare first",
        _ => ": compare first, or write logical_not(x)",
    };
    mistake(column, format!("'{op}' is for bools, not {}{instead}", x.dtype()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Device;

    #[test]
    fn a_part_written_twice_is_built_once() {
        let a = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu()).unwrap();
        let expr = Expr::parse("exp(2 * a) / sum( exp(a.mul(2) * 1 + 0*a) + exp((2*a)) )", &[("a", &a)]).unwrap();
        let [top, sum] = &expr.0.args[..] else { panic!("{expr:?}") };
        let terms = &sum.0.args[0].0.args;
        assert!(Arc::ptr_eq(&top.0, &terms[1].0));
        assert!(!Arc::ptr_eq(&top.0, &terms[0].0), "another part is another node");
        // What differs in a number, a list or a keyword's value is not the same part.
        for (a, b) in [
            ("sum(x, 0)", "sum(x, 1)"),
            ("x * 1.5", "x * 2.5"),
            ("x.reshape(4)", "x.reshape(1, 4)"),
            ("-x", "~(x > 0)"),
        ] {
            let x = Tensor::from_slice(&[1.0_f32; 4], [2, 2], &Device::cpu()).unwrap();
            let both = Expr::parse(&format!("where(x > 9, sum({a}), sum({b}))"), &[("x", &x)]).unwrap();
            assert!(!Arc::ptr_eq(&both.0.args[1].0, &both.0.args[2].0), "{a} {b}");
        }
    }
}
