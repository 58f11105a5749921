//! What a text asks of the sizes of dims.
//!
//! Most texts ask of them no more than whether shapes broadcast, or which sizes are the same: what was built and planned for
//! one shape is, but for the sizes, what would be for another. It is told from the words of a text, by lists of what is
//! allowed: a function that is new asks for everything until someone has looked at it.

use super::aliases::{self, Spelling};
use super::functions::Function;
use super::lexer::{Token, tokens};
use super::names;
use super::pointwise::POINTWISE;
use crate::expr::ReduceOp;

/// What decides on an expression beside dtypes and ranks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Asks {
    /// Which dims have size 1: each element of a result is computed of those at its place.
    Ones,
    /// Which sizes are the same, too: reductions take dims away, and with them the places of others.
    Same,
    /// All sizes.
    Sizes,
}

/// Functions among the [`SPECIALS`](super::special::SPECIALS) that ask for no size.
const ELEMENTWISE: [&str; 10] =
    ["addcdiv", "addcmul", "astype", "cast", "clamp", "clip", "float", "lerp", "masked_fill", "where"];
/// Those that are made of reductions, and do not count what they reduce.
const REDUCTIONS: [&str; 6] = ["log_softmax", "logsumexp", "max", "min", "norm", "softmax"];

/// What a text asks of sizes. One that is no expression may be said to ask for anything.
pub(crate) fn asks(text: &str) -> Asks {
    let tokens: Vec<Token<'_>> = tokens(text).into_iter().map(|(token, _)| token).collect();
    let of = |(i, token): (usize, &Token<'_>)| match *token {
        Token::Op("[" | "]" | "@" | "..." | ":") | Token::Bad(_) => Asks::Sizes,
        Token::Name(name) => match tokens.get(i + 1) {
            Some(Token::Op("(")) => called(name),
            Some(Token::Op("=")) => Asks::Ones,
            _ if i > 0 && tokens[i - 1] == Token::Op(".") => word(name),
            _ => Asks::Ones,
        },
        Token::Op(_) | Token::Number(_) | Token::Text(_) | Token::End => Asks::Ones,
    };
    tokens.iter().enumerate().map(of).max().unwrap_or(Asks::Ones)
}

/// What is asked by what is called by this name, wherever it stands: `repeat` is one thing to PyTorch, another to NumPy.
fn called(name: &str) -> Asks {
    let spellings = [Spelling::Function, Spelling::Method, Spelling::NumPy];
    let functions = spellings.into_iter().filter_map(|spelling| Function::named(aliases::function(name, spelling)));
    let of = |function: Function| match function {
        Function::Unary(_) | Function::Binary(_) => Asks::Ones,
        // What finds places counts them.
        Function::Reduce(ReduceOp::Argmax | ReduceOp::Argmin) => Asks::Sizes,
        Function::Reduce(_) => Asks::Same,
        Function::Special(special) if POINTWISE.iter().any(|other| other.name == special.name) => Asks::Ones,
        Function::Special(special) if ELEMENTWISE.contains(&special.name) => Asks::Ones,
        Function::Special(special) if REDUCTIONS.contains(&special.name) => Asks::Same,
        Function::Special(_) => Asks::Sizes,
    };
    let cast = aliases::cast_method(name).map(|_| Asks::Ones);
    functions.map(of).chain(cast).max().unwrap_or(Asks::Sizes)
}

/// What is asked by what stands behind a point and is not called: nothing by `torch.float32`, `np.pi` and `x.dtype`.
fn word(name: &str) -> Asks {
    let in_module = aliases::is_submodule(name) || names::constant(name).is_some();
    if name == "dtype" || in_module || aliases::torch_dtype(name).is_some() { Asks::Ones } else { Asks::Sizes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_sizes_is_told_from_what_does_not() {
        for text in [
            "a",
            "w * a + (1 - w) * b",
            "-a ** 2 // 3 % b << 1 & 7 | ~c ^ d",
            "where(a > b, a, b).clamp(-1, max=1)",
            "torch.nn.functional.gelu(x, approximate=\"tanh\") + np.pi",
            "x.to(torch.float16) * x.half() + cast(y, f32) + x.astype(np.int32)",
            "np.equal(a, b) + np.mod(a, b) + x.type(y.dtype)",
            "lerp(a, b, 0.5) + float(\"nan\")",
            "F.relu(a) # of all [0]",
        ] {
            assert_eq!(asks(text), Asks::Ones, "{text}");
        }
        for text in [
            "sum(a)",
            "a.sum() + b",
            "a.mean(0, keepdim=True) + b",
            "max(a, b)",
            "np.max(a)",
            "softmax(a, 0)",
            "torch.linalg.vector_norm(a, dim=(0, 1))",
        ] {
            assert_eq!(asks(text), Asks::Same, "{text}");
        }
        for text in [
            "a[0:100]",
            "a @ b",
            "a.T",
            "a * a.shape",
            "a * a.ndim",
            "argmax(a)",
            "a.view(3, 4)",
            "a.repeat(2)",
            "reshape(a, (3, 4))",
            "arange(4) * a",
            "ones_like(a)",
            "a.contiguous()",
            "dropout(a, 0.5, 1)",
            "var(a)",
            "layer_norm(a, (3,))",
            "cumsum(a, 0)",
            "unknown(a)",
            "a $ b",
        ] {
            assert_eq!(asks(text), Asks::Sizes, "{text}");
        }
    }
}
