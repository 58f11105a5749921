//! Which names a text does nothing with but to cast them.

use super::aliases;
use super::lexer::{Token, tokens};
use crate::{DType, Expr};

impl Expr {
    /// The dtype that a text casts a name to wherever it stands, if it does nothing else with it: what the name stands for
    /// may then as well be handed over in that dtype. Of [`names_in`](Self::names_in), it tells what a file can be
    /// converted to before it is uploaded.
    ///
    /// ```
    /// # use hadamard::{DType, Expr};
    /// assert_eq!(Expr::cast_in("cast(d, f32) * 2 + d.float()", "d"), Some(DType::F32));
    /// assert_eq!(Expr::cast_in("cast(d, f32) + d", "d"), None);
    /// ```
    pub fn cast_in(text: &str, name: &str) -> Option<DType> {
        let tokens: Vec<Token<'_>> = tokens(text).into_iter().map(|(token, _)| token).collect();
        let at = |i: usize| tokens.get(i).unwrap_or(&Token::End);
        let mut found = None;
        for (i, _) in tokens.iter().enumerate().filter(|(_, token)| **token == Token::Name(name)) {
            // A method or a keyword of that name is no use of it.
            if i > 0 && *at(i - 1) == Token::Op(".") || matches!(at(i + 1), Token::Op("(" | "=")) {
                continue;
            }
            let dtype = if i >= 2 && tokens[i - 2..i] == [Token::Name("cast"), Token::Op("(")] {
                dtype_at(&tokens, i + 1, ",")
            } else {
                cast_behind(&tokens, i + 1)
            }?;
            if *found.get_or_insert(dtype) != dtype {
                return None;
            }
        }
        found
    }
}

/// The dtype of a method that casts, called here: `.float()`, `.to(f32)`.
fn cast_behind(tokens: &[Token<'_>], at: usize) -> Option<DType> {
    match tokens.get(at..)? {
        [Token::Op("."), Token::Name(method), Token::Op("("), Token::Op(")"), ..] => aliases::cast_method(method),
        [Token::Op("."), Token::Name("to" | "type" | "astype" | "cast"), ..] => dtype_at(tokens, at + 2, "("),
        _ => None,
    }
}

/// The dtype between `open` and a parenthesis: `f32`, `torch.float32`.
fn dtype_at(tokens: &[Token<'_>], at: usize, open: &str) -> Option<DType> {
    match tokens.get(at..)? {
        [Token::Op(op), Token::Name(name), Token::Op(")"), ..] if *op == open => aliases::dtype(name),
        [Token::Op(op), Token::Name(module), Token::Op("."), Token::Name(name), Token::Op(")"), ..] if *op == open => {
            match *module {
                "torch" => aliases::torch_dtype(name),
                "np" | "numpy" => aliases::dtype(name),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_only_cast_is_told() {
        for (text, want) in [
            ("cast(d, f32) * 2", Some(DType::F32)),
            ("-d.float() ** 2 + sum(cast(d, torch.float))", Some(DType::F32)),
            ("d.to(torch.float16) + d.half()", Some(DType::F16)),
            ("d.astype(np.int32)", Some(DType::I32)),
            ("x.sum(d=1) + cast(d, bf16)", Some(DType::BF16)),
            ("cast(d, f32) + cast(d, f16)", None),
            ("cast(d, f32) + d", None),
            ("cast(d + 1, f32)", None),
            ("cast(d[0], f32)", None),
            ("d[0].float()", None),
            ("cast(d.T, f32)", None),
            ("forecast(d, f32)", None),
            ("d.sum()", None),
            ("cast(d, d.dtype)", None),
            ("cast(x, f32)", None),
            ("cast(d,", None),
            ("d.to(", None),
            ("", None),
        ] {
            assert_eq!(Expr::cast_in(text, "d"), want, "{text}");
        }
    }
}
