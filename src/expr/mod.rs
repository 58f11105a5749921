//! Expressions: descriptions of work over tensors, built by arithmetic and evaluated in as few passes as they need.

mod activations;
mod cell;
mod compose;
pub(crate) mod contraction;
mod einsum;
mod elementwise;
mod filling;
mod form;
mod grad;
pub(crate) mod graph;
mod join;
mod joint;
mod literal;
mod losses;
mod matrices;
mod node;
pub(crate) mod op;
mod operators;
pub(crate) mod order;
mod parse;
mod pointwise;
pub(crate) mod range;
mod reduce;
pub(crate) mod scan;
mod segment_reduce;
mod segments;
mod sort;
mod take;
pub(crate) mod unsigned;
mod update;
mod views;

pub(crate) use cell::Number;
pub use cell::ScalarCell;
pub use einsum::einsum;
pub(crate) use form::{Form, Reading};
pub use join::{cat, stack};
pub(crate) use joint::{assigned, assigned_before, joint};
pub use losses::{CrossEntropy, Reduction};
pub use node::Expr;
pub(crate) use node::{Node, Op};
pub use op::{BinaryOp, ReduceOp, ScanOp, UnaryOp};
pub(crate) use parse::{Asks, asks, has_meaning};
pub use pointwise::Rounding;
pub use scan::Scan;

/// An array of expressions made of tensors, expressions and numbers alike, for functions that take a slice.
///
/// ```
/// use hadamard::{Device, Tensor, einsum, exprs};
/// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
/// assert_eq!(einsum("i,i->", &exprs![&x, &x + 1.0]).item::<f32>()?, 8.0);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[macro_export]
macro_rules! exprs {
    ($($x:expr),* $(,)?) => { [$($crate::Expr::from($x)),*] };
}
