//! Einstein summation.

mod equation;
mod order;

use smallvec::SmallVec;

use self::equation::{Label, Labels, parse, repeated};
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
/// A product and sum is one fused pass; what is a matrix product, batched or transposed in any way, is computed as
/// one. Three or more float operands are contracted two at a time in the order that takes the fewest multiplications,
/// where that is fewer than at once.
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

fn build(equation: &str, operands: &[Expr]) -> Result<Expr> {
    for operand in operands {
        operand.check()?;
    }
    let (labels, out) = parse(equation, operands)?;
    let terms = operands.iter().zip(labels).map(|(x, labels)| Term::new(x, labels)).collect();
    let refuse = |expected: &str| Error::argument(OP, expected, format!("'{equation}'"));
    order::contract(terms, &out).map_err(|error| match error {
        Error::Broadcast { lhs, rhs, .. } => {
            refuse(&format!("sizes that agree for each letter (aligned: {lhs} and {rhs})"))
        }
        Error::Argument { op: OP, expected, .. } => refuse(&expected),
        other => other,
    })
}

/// An expression with a label for each dim, each once.
#[derive(Clone)]
struct Term {
    expr: Expr,
    labels: Labels,
}

impl Term {
    /// The operand, where labels repeat its diagonal.
    fn new(operand: &Expr, mut labels: Labels) -> Self {
        let mut expr = operand.clone();
        while let Some((a, b)) = repeated(&labels) {
            expr = expr.square_diagonal(a, b);
            labels.remove(b);
        }
        Self { expr, labels }
    }

    fn size(&self, label: Label) -> usize {
        self.labels.iter().position(|&l| l == label).map_or(1, |d| self.expr.shape()[d])
    }

    /// The expression with its dims in the domain's order, with size 1 where it has none.
    fn align(&self, domain: &[Label]) -> Expr {
        let order: SmallVec<[isize; 8]> =
            domain.iter().filter_map(|l| self.labels.iter().position(|m| m == l)).map(|d| d as isize).collect();
        let shape: Shape = domain.iter().map(|&l| self.size(l)).collect();
        self.expr.permute(&order).reshape(shape)
    }
}

/// The product of some terms, summed over the labels that `out` does not keep.
fn product(terms: &[Term], out: &[Label]) -> Result<Term> {
    // The order of the domain: what is kept, then what is summed.
    let mut domain = Labels::from_slice(out);
    for label in terms.iter().flat_map(|t| &t.labels) {
        if !domain.contains(label) {
            domain.push(*label);
        }
    }
    if domain.len() > crate::MAX_RANK {
        return Err(Error::argument(OP, format!("at most {} different dims", crate::MAX_RANK), String::new()));
    }
    let mut aligned = terms.iter().map(|t| t.align(&domain));
    let first = aligned.next().ok_or_else(|| Error::argument(OP, "at least one operand", String::new()))?;
    let mut expr = first;
    for factor in aligned {
        expr = expr * factor;
        expr.check()?;
    }
    if domain.len() > out.len() {
        let summed: Vec<isize> = (out.len() as isize..domain.len() as isize).collect();
        expr = expr.sum(&summed[..]);
    }
    expr.check()?;
    Ok(Term { expr, labels: Labels::from_slice(out) })
}
