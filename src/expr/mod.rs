//! Expressions: descriptions of work over tensors, built by arithmetic and evaluated in as few passes as they need.

mod activations;
mod cell;
mod compose;
pub(crate) mod contraction;
mod einsum;
mod elementwise;
mod filling;
mod grad;
pub(crate) mod graph;
mod join;
mod literal;
mod matrices;
mod node;
pub(crate) mod op;
mod operators;
mod parse;
mod pointwise;
pub(crate) mod range;
mod reduce;
mod take;
pub(crate) mod unsigned;
mod views;

pub(crate) use cell::Number;
pub use cell::ScalarCell;
pub use einsum::einsum;
pub use join::{cat, stack};
pub use node::Expr;
pub(crate) use node::{Node, Op};
pub use op::{BinaryOp, ReduceOp, UnaryOp};
pub use pointwise::Rounding;
