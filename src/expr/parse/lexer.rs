//! Text to tokens.

use crate::Scalar;

/// The smallest parts of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Number(Scalar),
    Name(&'a str),
    Text(&'a str),
    Op(&'static str),
    /// What cannot be read, and why. It is an error only when the parser comes to it, so that the first mistake in
    /// the text is the one reported.
    Bad(String),
    End,
}

/// Operators, longer ones before their beginnings.
const OPS: [&str; 29] = [
    "...", "@", "**", "//", "<<", ">>", "==", "!=", "<=", ">=", "%", "+", "-", "*", "/", "&", "|", "^", "~", "<", ">",
    "(", ")", "[", "]", ",", "=", ".", ":",
];

/// The tokens of `text`, each with its column in characters from 1. The last is [`Token::End`], or stands before it
/// and is [`Token::Bad`].
pub(super) fn tokens(text: &str) -> Vec<(Token<'_>, usize)> {
    let mut found = Vec::new();
    let (mut rest, mut column) = (text, 1);
    loop {
        let trimmed = rest.trim_start();
        column += rest[..rest.len() - trimmed.len()].chars().count();
        rest = trimmed;
        if rest.is_empty() {
            break;
        }
        // A comment, to the end of the line.
        if rest.starts_with('#') {
            let len = rest.find('\n').unwrap_or(rest.len());
            column += rest[..len].chars().count();
            rest = &rest[len..];
            continue;
        }
        let (token, len) = next(rest);
        let bad = matches!(token, Token::Bad(_));
        found.push((token, column));
        if bad {
            break;
        }
        column += rest[..len].chars().count();
        rest = &rest[len..];
    }
    column += rest.chars().count();
    found.push((Token::End, column));
    found
}

/// The first token of `text`, which is not empty and begins with no space, and its length in bytes.
fn next(text: &str) -> (Token<'_>, usize) {
    let first = text.chars().next().unwrap_or(' ');
    if first.is_ascii_digit() || first == '.' && text[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return number(text);
    }
    if first.is_alphabetic() || first == '_' {
        let len = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        return (Token::Name(&text[..len]), len);
    }
    if first == '"' || first == '\'' {
        return match text[1..].find([first, '\n']) {
            Some(len) if text[1 + len..].starts_with(first) => (Token::Text(&text[1..=len]), len + 2),
            _ => (Token::Bad(format!("the text that {first} begins has no end")), 0),
        };
    }
    for (op, instead) in [("&&", ": write '&'"), ("||", ": write '|'")] {
        if text.starts_with(op) {
            return (Token::Bad(format!("'{op}' is not in the language{instead}")), 0);
        }
    }
    match OPS.into_iter().find(|op| text.starts_with(op)) {
        Some(op) => (Token::Op(op), op.len()),
        None if first == '!' => (Token::Bad("'!' is not in the language: write '~'".to_owned()), 0),
        None => (Token::Bad(format!("unexpected character {first:?}")), 0),
    }
}

/// A number as Python writes it, underscores between digits included.
fn number(text: &str) -> (Token<'_>, usize) {
    let bytes = text.as_bytes();
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if bytes.len() > 1 && bytes[..2].eq_ignore_ascii_case(prefix.as_bytes()) {
            return in_base(base, text);
        }
    }
    let digits = |from: usize| {
        let run = |&b: &u8| b.is_ascii_digit() || b == b'_';
        from + bytes[from..].iter().take_while(|b| run(b)).count()
    };
    let mut end = digits(0);
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') {
        whole = false;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            whole = false;
            end = digits(end + 1 + sign);
        }
    }
    let written = &text[..end];
    let bad = |message: String| (Token::Bad(message), 0);
    if text[end..].starts_with(|c: char| c.is_alphanumeric()) {
        let shown: String = text.chars().take(end + 1).collect();
        return bad(format!("'{shown}' is no number"));
    }
    let separated = written.split('_').all(|part| {
        part.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && part.ends_with(|c: char| c.is_ascii_digit() || c == '.')
    });
    if !separated || written.contains("_.") || written.contains("._") {
        return bad(format!("'{written}' is no number: an underscore stands between two digits"));
    }
    let plain = written.replace('_', "");
    if !whole {
        // Too large a float is infinity, as in Python.
        return match plain.parse() {
            Ok(value) => (Token::Number(Scalar::Float(value)), end),
            Err(_) => bad(format!("'{written}' is no number")),
        };
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.contains(|c| c != '0') {
        return bad(format!("'{written}' is no number: an integer does not begin with 0"));
    }
    match plain.parse() {
        Ok(value) => (Token::Number(Scalar::Int(value)), end),
        Err(_) => bad("an integer beyond 64 bits: write it as a float".to_owned()),
    }
}

/// An integer in base 16, 8 or 2, whose prefix has two letters.
fn in_base(base: u32, text: &str) -> (Token<'_>, usize) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (written, digits) = (&text[..end], &text[2..end]);
    let bad = |message: String| (Token::Bad(message), 0);
    let shown: String = written.chars().take(32).collect();
    if digits.ends_with('_') || digits.contains("__") {
        return bad(format!("'{shown}' is no number: an underscore stands between two digits"));
    }
    let plain = digits.replace('_', "");
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(base)) {
        return bad(format!("'{shown}' is no number of base {base}"));
    }
    match i64::from_str_radix(&plain, base) {
        Ok(value) => (Token::Number(Scalar::Int(value)), end),
        Err(_) => bad("an integer beyond 64 bits: write it as a float".to_owned()),
    }
}
