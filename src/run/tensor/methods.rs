//! The methods of an expression on a tensor.

use crate::{DType, Expr, Tensor};

/// The methods of [`Expr`] that a tensor has too, beside those of the table of operations, so that `x.square()` needs
/// no conversion.
macro_rules! expression_methods {
    ($($name:ident($($arg:ident: $ty:ty),*)),* $(,)?) => {
        impl Tensor {$(
            #[doc = concat!("The expression [`Expr::", stringify!($name), "`] of this tensor.")]
            #[must_use]
            pub fn $name(&self $(, $arg: $ty)*) -> Expr { Expr::from(self).$name($($arg),*) }
        )*}
    };
}
expression_methods! {
    unary(op: crate::UnaryOp), binary(op: crate::BinaryOp, rhs: impl Into<Expr>), reduce(op: crate::ReduceOp, dims: impl Into<crate::Dims>),
    cast(dtype: DType), square(), reciprocal(),
    clamp(low: impl Into<Expr>, high: impl Into<Expr>), lerp(end: impl Into<Expr>, weight: impl Into<Expr>),
    norm(p: impl Into<f64>, dims: impl Into<crate::Dims>), dot(other: impl Into<Expr>), softmax(dim: isize), log_softmax(dim: isize),
    var(dims: impl Into<crate::Dims>, correction: impl Into<f64>), std(dims: impl Into<crate::Dims>, correction: impl Into<f64>),
    logsumexp(dims: impl Into<crate::Dims>), layer_norm(dims: impl Into<crate::Dims>, eps: f64),
}
