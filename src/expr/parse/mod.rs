//! Reading expressions from text: Python's syntax and precedence, PyTorch's function names.
//!
//! One pass: the parser builds nodes as it reads, so a mistake in shapes is reported at the operator that made it.
//! Text comes from anywhere, so nothing in it may panic, overflow the stack or take more than linear time.
//!
//! [`lexer`] makes tokens of the text, [`grammar`] calls itself along them, [`names`] finds what a name stands for, and
//! [`operators`] and [`functions`] build.

mod absent;
mod aliases;
mod arguments;
mod casts;
mod functions;
mod grammar;
mod indexing;
mod lexer;
mod losses;
mod names;
mod operators;
mod order;
mod pointwise;
mod scans;
mod shapes;
mod sizes;
mod special;
mod subscript;
mod value;

use rustc_hash::FxHashMap;

use super::node::Expr;
use crate::{Error, Result, Tensor};
use lexer::{Token, tokens};
pub(crate) use sizes::{Asks, asks};
use value::{Kind, Mistake, Value, mistake};

impl Expr {
    /// Reads an expression from text in which `names` stand for tensors.
    ///
    /// The language is Python's syntax, with PyTorch's function names and arguments: what it reads, PyTorch would
    /// read. There are numbers, `True`, `False`, `inf`, `nan`, `pi` and `e`; `+ - * / **`, comparisons, and `& | ^ ~` on
    /// bools, with Python's precedence; indices (`x[0, 1:, ..., None]`); every function that [`Expr`] has, called as
    /// `sum(x, 0)` or as `x.sum(0)`; keyword arguments (`sum(x, dim=[0, 2], keepdim=True)`); `cast(x, f16)`,
    /// `x.to(torch.float16)` or `x.half()`; `x.T`, `x.shape`, `x.ndim` and `x.dtype`; and comments. Functions may stand
    /// behind their modules (`torch.sum`, `F.relu`, `np.concatenate`), and go by NumPy's names, too; after `np.`, `std`
    /// and `var` divide by `n`, as NumPy's do. A part that is written twice is built once.
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

    /// The names in a text that stand for tensors or other expressions, each once: what [`parse`](Self::parse) would look
    /// up, and nothing that it calls. In a text that is no expression, those before the mistake.
    ///
    /// ```
    /// # use hadamard::Expr;
    /// assert_eq!(Expr::names_in("sum(w * a, dim=0, keepdim=True).sqrt() + w.T"), ["w", "a"]);
    /// ```
    ///
    /// Words that have a meaning of their own if nothing else is given for them, such as `pi`, `float32` and `torch`, are
    /// among them.
    pub fn names_in(text: &str) -> Vec<&str> {
        let tokens = tokens(text);
        let mut found = Vec::new();
        for (i, (token, _)) in tokens.iter().enumerate() {
            let Token::Name(name) = *token else { continue };
            let after_dot = i > 0 && tokens[i - 1].0 == Token::Op(".");
            let next = tokens.get(i + 1).map(|(token, _)| token);
            let called_or_keyword = matches!(next, Some(Token::Op("(" | "=")));
            let other = after_dot || called_or_keyword || matches!(name, "True" | "False" | "None");
            if !other && !found.contains(&name) {
                found.push(name);
            }
        }
        found
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

/// Whether a name has a meaning of its own, if nothing is given for it: a constant, a dtype, or a module.
pub(crate) fn has_meaning(name: &str) -> bool {
    let is_constant = names::constant(name).is_some() || name == names::NEW_AXIS;
    is_constant || aliases::dtype(name).is_some() || aliases::module(name).is_some()
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    at: usize,
    depth: usize,
    names: FxHashMap<&'a str, Expr>,
    /// The names as they were given, for messages.
    order: Vec<&'a str>,
    /// Everything built so far, by how it was written. It keeps all nodes alive, so that an address stands for one.
    built: FxHashMap<String, Expr>,
}

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Result<Expr, Mistake> {
        if matches!(self.peek(), Token::End) {
            return mistake(self.column(), "expected an expression, found nothing");
        }
        let value = self.expression()?;
        if matches!(self.peek(), Token::Op("=")) {
            let message =
                "expected an operator or the end, found '=': an expression writes nothing, assign its value instead";
            return mistake(self.column(), message);
        }
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
