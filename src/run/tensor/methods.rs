//! The methods of an expression on a tensor.

use crate::{DType, Expr, Tensor};

/// The methods of [`Expr`] that a tensor has too, so that `x.exp()` needs no conversion.
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
    cast(dtype: DType), abs(), sign(), sqrt(), rsqrt(), exp(), expm1(), log(), log1p(), sin(), cos(), tanh(), sigmoid(), relu(),
    erf(), gelu(), floor(), ceil(), round(), trunc(), isnan(), logical_not(), square(), reciprocal(),
    maximum(other: impl Into<Expr>), minimum(other: impl Into<Expr>), pow(exponent: impl Into<Expr>),
    eq(other: impl Into<Expr>), ne(other: impl Into<Expr>), lt(other: impl Into<Expr>), le(other: impl Into<Expr>),
    gt(other: impl Into<Expr>), ge(other: impl Into<Expr>), logical_and(other: impl Into<Expr>), logical_or(other: impl Into<Expr>),
    clamp(low: impl Into<Expr>, high: impl Into<Expr>), lerp(end: impl Into<Expr>, weight: impl Into<Expr>),
    sum(dims: impl Into<crate::Dims>), mean(dims: impl Into<crate::Dims>), prod(dims: impl Into<crate::Dims>),
    amax(dims: impl Into<crate::Dims>), amin(dims: impl Into<crate::Dims>), any(dims: impl Into<crate::Dims>), all(dims: impl Into<crate::Dims>),
    norm(p: impl Into<f64>, dims: impl Into<crate::Dims>), dot(other: impl Into<Expr>), softmax(dim: isize), log_softmax(dim: isize),
    var(dims: impl Into<crate::Dims>, correction: impl Into<f64>), std(dims: impl Into<crate::Dims>, correction: impl Into<f64>),
    logsumexp(dims: impl Into<crate::Dims>), layer_norm(dims: impl Into<crate::Dims>, eps: f64),
}
