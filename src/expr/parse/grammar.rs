//! The grammar, by recursive descent: each function reads one kind of part and leaves the parser behind it.

use super::Parser;
use super::aliases::Spelling;
use super::functions::Argument;
use super::lexer::Token;
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

/// How much deeper in parentheses and brackets what follows a token is.
fn nesting(token: &Token) -> isize {
    match token {
        Token::Op("(" | "[") => 1,
        Token::Op(")" | "]") => -1,
        _ => 0,
    }
}

fn tighter(op: &str) -> String {
    format!("'{op}' binds tighter than a comparison: put the comparisons in parentheses, (a > 1) {op} (a < 3)")
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Value, Mistake> {
        self.binary(COMPARISON)
    }

    /// Operators that bind at least as tightly as `least`, from left to right.
    fn binary(&mut self, least: u8) -> Result<Value, Mistake> {
        let mut lhs = self.sign()?;
        // Where the comparison was that a second must not follow.
        let mut compared: Option<usize> = None;
        while let Token::Op(op) = *self.peek() {
            let Some(tightness) = precedence(op).filter(|&p| p >= least) else { break };
            let column = self.advance();
            if tightness == COMPARISON {
                if let Some(first) = compared {
                    return mistake(column, self.why_not_chained(first, column));
                }
                compared = Some(column);
            }
            let rhs = self.binary(tightness + 1)?;
            lhs = self.operate(op, column, vec![lhs, rhs]).map_err(|mistake| self.beside_comparison(op, mistake))?;
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

    /// What to say of a comparison at `second` whose left side is the one at `first`.
    fn why_not_chained(&self, first: usize, second: usize) -> String {
        let between = self.tokens.iter().filter(|token| (first..second).contains(&token.1));
        let mut depth = 0;
        for (token, _) in between {
            depth += nesting(token);
            if let Token::Op(op @ ("&" | "|" | "^")) = token
                && depth == 0
            {
                return tighter(op);
            }
        }
        "comparisons do not chain: write (a < b) & (b < c)".to_owned()
    }

    /// A mistake made at an operator, with a word on precedence if the operator took its operands from a comparison
    /// beside it: `a > 1 & a < 3` is `a > (1 & a) < 3`.
    fn beside_comparison(&self, op: &str, mistake: Mistake) -> Mistake {
        let at = self.tokens.partition_point(|token| token.1 < mistake.column);
        let is_it = matches!(op, "&" | "|" | "^")
            && self.tokens.get(at).is_some_and(|t| matches!(t.0, Token::Op(o) if o == op));
        let (left, right) = self.tokens.split_at(at.min(self.tokens.len()));
        let near = |tokens: &mut dyn Iterator<Item = &Token<'_>>, inwards: isize| {
            let mut depth = 0;
            for token in tokens {
                depth += inwards * nesting(token);
                match token {
                    _ if depth < 0 => return false,
                    Token::Op(",") if depth == 0 => return false,
                    Token::Op(op) if depth == 0 && precedence(op) == Some(COMPARISON) => return true,
                    _ => {}
                }
            }
            false
        };
        if is_it && (near(&mut left.iter().rev().map(|t| &t.0), -1) || near(&mut right.iter().map(|t| &t.0), 1)) {
            let message = format!("{} ({})", tighter(op), mistake.message);
            return Mistake { message, ..mistake };
        }
        mistake
    }

    /// A value and the methods called on it.
    fn postfix(&mut self) -> Result<Value, Mistake> {
        let mut value = self.atom()?;
        loop {
            if let Some(column) = self.take("[") {
                value = self.subscript(value, column)?;
                continue;
            }
            if self.take(".").is_none() {
                return Ok(value);
            }
            let Token::Name(name) = *self.peek() else { return self.unexpected("a method") };
            let column = self.advance();
            value = if let Some(open) = self.take("(") {
                let receiver = Argument { keyword: None, value };
                self.call(name, column, open, Some(receiver), Spelling::Method)?
            } else {
                self.attribute(value, name, column)?
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
