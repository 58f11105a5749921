//! Which texts compute each element of a result from those at its place alone.
//!
//! Of such a text the sizes of dims decide on nothing but whether shapes broadcast: what was built and planned of it for one
//! shape is, but for the sizes, what would be for another. It is told from the words of a text, by a list of what is
//! allowed: a function that is new is none of them until someone has looked at it.

use super::aliases::{self, Spelling};
use super::functions::Function;
use super::lexer::{Token, tokens};
use super::names;
use super::pointwise::POINTWISE;

/// Functions among the [`SPECIALS`](super::special::SPECIALS) that ask for no size.
const OTHERS: [&str; 9] = ["addcdiv", "addcmul", "cast", "clamp", "clip", "float", "lerp", "masked_fill", "where"];

/// Whether a text is one of those. One that is no expression may be taken for any.
pub(crate) fn is_elementwise(text: &str) -> bool {
    let tokens: Vec<Token<'_>> = tokens(text).into_iter().map(|(token, _)| token).collect();
    tokens.iter().enumerate().all(|(i, token)| match *token {
        Token::Op(op) => !matches!(op, "[" | "]" | "@" | "..." | ":"),
        Token::Name(name) => match tokens.get(i + 1) {
            Some(Token::Op("(")) => calls_elementwise(name),
            Some(Token::Op("=")) => true,
            _ if i > 0 && tokens[i - 1] == Token::Op(".") => is_word(name),
            _ => true,
        },
        Token::Number(_) | Token::Text(_) | Token::End => true,
        Token::Bad(_) => false,
    })
}

/// Whether what is called by this name is elementwise, wherever it stands: `max` is not always.
fn calls_elementwise(name: &str) -> bool {
    let spellings = [Spelling::Function, Spelling::Method, Spelling::NumPy];
    let mut called = spellings.into_iter().filter_map(|spelling| Function::named(aliases::function(name, spelling)));
    let known = called.clone().next().is_some() || aliases::cast_method(name).is_some();
    known
        && called.all(|function| match function {
            Function::Unary(_) | Function::Binary(_) => true,
            Function::Reduce(_) => false,
            Function::Special(special) => {
                OTHERS.contains(&special.name) || POINTWISE.iter().any(|other| other.name == special.name)
            }
        })
}

/// Whether what stands behind a point and is not called tells nothing of sizes: `torch.float32`, `np.pi`, `x.dtype`.
fn is_word(name: &str) -> bool {
    let in_module = aliases::is_submodule(name) || names::constant(name).is_some();
    name == "dtype" || in_module || aliases::torch_dtype(name).is_some()
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
            assert!(is_elementwise(text), "{text}");
        }
        for text in [
            "a[0:100]",
            "sum(a)",
            "a.sum()",
            "a.mean(0, keepdim=True) + b",
            "max(a, b)",
            "np.max(a)",
            "a @ b",
            "a.T",
            "a * a.shape",
            "a * a.ndim",
            "softmax(a, 0)",
            "a.view(3, 4)",
            "a.repeat(2)",
            "reshape(a, (3, 4))",
            "arange(4) * a",
            "ones_like(a)",
            "a.contiguous()",
            "dropout(a, 0.5, 1)",
            "unknown(a)",
            "a $ b",
        ] {
            assert!(!is_elementwise(text), "{text}");
        }
    }
}
