//! The labels of an equation.

use smallvec::SmallVec;

use super::OP;
use crate::{Error, Expr, Result, Shape};

/// A dim of an operand or of the result: a letter, or the `i`th dim from the right of what `...` stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Label {
    Letter(char),
    Ellipsis(usize),
}

pub(super) type Labels = SmallVec<[Label; 8]>;

/// The labels of each operand, and of the result.
pub(super) fn parse(equation: &str, operands: &[Expr]) -> Result<(Vec<Labels>, Labels)> {
    let refuse = |expected: &str| Error::argument(OP, expected, format!("'{equation}'"));
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (text.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != operands.len() {
        return Err(refuse(&format!("a term for each of the {} operands", operands.len())));
    }
    let labels = terms
        .iter()
        .zip(operands)
        .map(|(term, x)| parse_term(term, Some(x.shape()), equation))
        .collect::<Result<Vec<_>>>()?;
    let hidden = labels
        .iter()
        .flatten()
        .filter_map(|l| if let Label::Ellipsis(i) = l { Some(i + 1) } else { None })
        .max()
        .unwrap_or(0);
    let out = match right {
        Some(right) => {
            let out = parse_output(right, hidden, equation)?;
            for label in &out {
                if let Label::Letter(c) = label
                    && !labels.iter().any(|term| term.contains(label))
                {
                    return Err(refuse(&format!("'{c}' of the result in some operand")));
                }
            }
            out
        }
        None => implicit_output(&labels, hidden),
    };
    Ok((labels, out))
}

pub(super) fn repeated(labels: &Labels) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|b| labels[..b].iter().position(|l| *l == labels[b]).map(|a| (a, b)))
}

/// The label of each dim of an operand. `shape` is `None` for the result.
fn parse_term(term: &str, shape: Option<&Shape>, equation: &str) -> Result<Labels> {
    let refuse = |expected: String| Error::argument(OP, expected, format!("'{equation}'"));
    let (before, after) = match term.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (term, None),
    };
    let letters = |part: &str| {
        part.chars()
            .map(|c| {
                if c.is_ascii_alphabetic() {
                    Ok(Label::Letter(c))
                } else {
                    Err(refuse(format!("letters, '...' and commas, not '{c}'")))
                }
            })
            .collect::<Result<Labels>>()
    };
    let mut labels = letters(before)?;
    let tail = after.map(letters).transpose()?;
    if let Some(shape) = shape {
        let named = labels.len() + tail.as_ref().map_or(0, SmallVec::len);
        let fits = if tail.is_some() { named <= shape.rank() } else { named == shape.rank() };
        if !fits {
            return Err(refuse(format!("a letter for each dim of {shape} in '{term}'")));
        }
        if let Some(tail) = tail {
            labels.extend((0..shape.rank() - named).rev().map(Label::Ellipsis));
            labels.extend(tail);
        }
        for (a, b) in (0..labels.len()).flat_map(|b| (0..b).map(move |a| (a, b))) {
            if labels[a] == labels[b] && shape[a] != shape[b] {
                return Err(refuse(format!("equal sizes on the diagonal of {shape} in '{term}'")));
            }
        }
    }
    Ok(labels)
}

fn parse_output(term: &str, hidden: usize, equation: &str) -> Result<Labels> {
    let refuse = |expected: &str| Error::argument(OP, expected, format!("'{equation}'"));
    let labels = match term.split_once("...") {
        Some((before, after)) => {
            let mut labels = parse_term(before, None, equation)?;
            labels.extend((0..hidden).rev().map(Label::Ellipsis));
            labels.extend(parse_term(after, None, equation)?);
            labels
        }
        None => parse_term(term, None, equation)?,
    };
    if repeated(&labels).is_some() {
        return Err(refuse("each letter of the result once"));
    }
    Ok(labels)
}

/// What `...` stands for, then the letters that occur once, in alphabetical order.
fn implicit_output(labels: &[Labels], hidden: usize) -> Labels {
    let mut letters: Vec<char> =
        labels.iter().flatten().filter_map(|l| if let Label::Letter(c) = l { Some(*c) } else { None }).collect();
    letters.sort_unstable();
    let once = letters.iter().filter(|c| letters.iter().filter(|d| d == c).count() == 1);
    (0..hidden).rev().map(Label::Ellipsis).chain(once.map(|&c| Label::Letter(c))).collect()
}
