//! Einstein summation.

use smallvec::SmallVec;

use super::node::Expr;
use crate::{Error, Result, Shape};

const OP: &str = "einsum";

/// Multiplies the operands and sums over the labels that `equation` does not keep: `"ik,ik->k"` is
/// `(a * b).sum(0)`, and the same kernel.
///
/// Each letter names a dim; operands that share a letter agree in its size, or one of them has size 1. A letter
/// twice in one operand takes its diagonal. `...` stands for the dims not named, which broadcast. Without `->`, the
/// result has the letters that occur once, in alphabetical order. Spaces are ignored.
///
/// ```
/// use hadamard::{Device, Tensor, einsum};
/// let device = Device::cpu();
/// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &device)?;
/// let s = einsum("ik,ik->k", &[&x, &x]).eval()?;
/// assert_eq!(s.to_vec::<f32>()?, [10.0, 20.0]);
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// An equation that does not parse, or does not fit the operands, is carried inside the result.
#[must_use]
pub fn einsum<T: Clone + Into<Expr>>(equation: &str, operands: &[T]) -> Expr {
    let operands: Vec<Expr> = operands.iter().map(|x| x.clone().into()).collect();
    build(equation, &operands).unwrap_or_else(Expr::invalid)
}

/// A dim of an operand or of the result: a letter, or the `i`th dim from the right of what `...` stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Label {
    Letter(char),
    Ellipsis(usize),
}

type Labels = SmallVec<[Label; 8]>;

fn build(equation: &str, operands: &[Expr]) -> Result<Expr> {
    let refuse = |expected: &str| Error::argument(OP, expected, format!("'{equation}'"));
    for operand in operands {
        operand.check()?;
    }
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

    // The order of the domain: what is kept, then what is summed.
    let mut domain = out.clone();
    for label in labels.iter().flatten() {
        if !domain.contains(label) {
            domain.push(*label);
        }
    }
    if domain.len() > crate::MAX_RANK {
        return Err(refuse(&format!("at most {} different dims", crate::MAX_RANK)));
    }
    let mut product: Option<Expr> = None;
    for (operand, labels) in operands.iter().zip(&labels) {
        let aligned = align(operand, labels, &domain);
        let next = match product {
            None => aligned,
            Some(p) => p * aligned,
        };
        next.check().map_err(|e| match e {
            Error::Broadcast { lhs, rhs, .. } => {
                refuse(&format!("sizes that agree for each letter (aligned: {lhs} and {rhs})"))
            }
            other => other,
        })?;
        product = Some(next);
    }
    let product = product.ok_or_else(|| refuse("at least one operand"))?;
    if domain.len() == out.len() {
        return Ok(product);
    }
    let summed: Vec<isize> = (out.len() as isize..domain.len() as isize).collect();
    Ok(product.sum(&summed[..]))
}

/// The operand with diagonals taken and its dims in the domain's order, with size 1 where it has none.
fn align(operand: &Expr, labels: &Labels, domain: &Labels) -> Expr {
    let (mut x, mut labels) = (operand.clone(), labels.clone());
    while let Some((a, b)) = repeated(&labels) {
        x = x.diagonal(a, b);
        labels.remove(b);
    }
    let order: SmallVec<[isize; 8]> =
        domain.iter().filter_map(|l| labels.iter().position(|m| m == l)).map(|d| d as isize).collect();
    let x = x.permute(&order);
    let mut sizes = x.shape().iter();
    let shape: Shape =
        domain.iter().map(|l| if labels.contains(l) { sizes.next().copied().unwrap_or(1) } else { 1 }).collect();
    x.reshape(shape)
}

fn repeated(labels: &Labels) -> Option<(usize, usize)> {
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
