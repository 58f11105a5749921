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
    (pairs: $($name:ident($($arg:ident: $ty:ty),*)),* $(,)?) => {
        impl Tensor {$(
            #[doc = concat!("The expressions of [`Expr::", stringify!($name), "`] of this tensor: elements, and their places.")]
            #[must_use]
            pub fn $name(&self $(, $arg: $ty)*) -> (Expr, Expr) { Expr::from(self).$name($($arg),*) }
        )*}
    };
}
expression_methods! {
    pairs: sort(dim: isize, descending: bool), topk(k: usize, dim: isize, largest: bool), kthvalue(k: usize, dim: isize),
    median(dim: isize), nanmedian(dim: isize), max_dim_with_indices(dim: isize), min_dim_with_indices(dim: isize),
}
expression_methods! {
    unary(op: crate::UnaryOp), binary(op: crate::BinaryOp, rhs: impl Into<Expr>), reduce(op: crate::ReduceOp, dims: impl Into<crate::Dims>),
    cast(dtype: DType), square(), reciprocal(),
    clamp(low: impl Into<Expr>, high: impl Into<Expr>), clamp_min(low: impl Into<Expr>), clamp_max(high: impl Into<Expr>), lerp(end: impl Into<Expr>, weight: impl Into<Expr>),
    norm(p: impl Into<f64>, dims: impl Into<crate::Dims>), dot(other: impl Into<Expr>), cosine_similarity(other: impl Into<Expr>, dim: isize, eps: f64), softmax(dim: isize), log_softmax(dim: isize),
    var(dims: impl Into<crate::Dims>, correction: impl Into<f64>), std(dims: impl Into<crate::Dims>, correction: impl Into<f64>),
    scan(op: crate::ScanOp, dim: isize, scan: crate::Scan), cumsum(dim: isize), cumprod(dim: isize), cummax(dim: isize), cummin(dim: isize),
    cummax_indices(dim: isize), cummin_indices(dim: isize), logcumsumexp(dim: isize),
    tile(times: &[usize]), repeat_interleave(times: usize, dim: isize), roll(shift: isize, dim: isize), diff(n: usize, dim: isize),
    logsumexp(dims: impl Into<crate::Dims>), layer_norm(dims: impl Into<crate::Dims>, eps: f64),
    softplus(beta: f64, threshold: f64), logsigmoid(), silu(), mish(), elu(alpha: f64), selu(), celu(alpha: f64),
    hardtanh(min_val: impl Into<Expr>, max_val: impl Into<Expr>), relu6(), hardsigmoid(), hardswish(),
    leaky_relu(negative_slope: f64), softsign(), tanhshrink(), hardshrink(lambd: f64), softshrink(lambd: f64), gelu_tanh(),
    positive(), sgn(), frac(), deg2rad(), rad2deg(), isfinite(), isinf(), signbit(), sinc(), logit(eps: Option<f64>),
    nan_to_num(nan: Option<f64>, posinf: Option<f64>, neginf: Option<f64>), round_to(decimals: i32), bitwise_not(),
    logical_xor(other: impl Into<Expr>), fmax(other: impl Into<Expr>), fmin(other: impl Into<Expr>),
    logaddexp(other: impl Into<Expr>), logaddexp2(other: impl Into<Expr>), heaviside(values: impl Into<Expr>),
    xlogy(other: impl Into<Expr>), ldexp(other: impl Into<Expr>),
    addcmul(a: impl Into<Expr>, b: impl Into<Expr>, value: impl Into<Expr>),
    addcdiv(a: impl Into<Expr>, b: impl Into<Expr>, value: impl Into<Expr>),
    masked_fill(mask: impl Into<Expr>, value: impl Into<Expr>), count_nonzero(dims: impl Into<crate::Dims>),
    nansum(dims: impl Into<crate::Dims>), nanmean(dims: impl Into<crate::Dims>),
    zeros_like(), ones_like(), full_like(value: impl Into<crate::Scalar>), tril(diagonal: i64), triu(diagonal: i64),
    matmul(other: impl Into<Expr>), mm(other: impl Into<Expr>), mv(other: impl Into<Expr>), bmm(other: impl Into<Expr>),
    outer(other: impl Into<Expr>),
    index(dim: isize, index: impl Into<Expr>), index_select(dim: isize, index: impl Into<Expr>), take(index: impl Into<Expr>),
    embedding(index: impl Into<Expr>), take_along_dim(index: impl Into<Expr>, dim: isize), gather(dim: isize, index: impl Into<Expr>),
    index_add(dim: isize, index: impl Into<Expr>, source: impl Into<Expr>),
    index_copy(dim: isize, index: impl Into<Expr>, source: impl Into<Expr>),
    index_fill(dim: isize, index: impl Into<Expr>, value: impl Into<Expr>),
    scatter(dim: isize, index: impl Into<Expr>, source: impl Into<Expr>),
    scatter_add(dim: isize, index: impl Into<Expr>, source: impl Into<Expr>),
    scatter_reduce(dim: isize, index: impl Into<Expr>, source: impl Into<Expr>, op: crate::ReduceOp, include_self: bool),
    index_reduce(dim: isize, index: impl Into<Expr>, source: impl Into<Expr>, op: crate::ReduceOp, include_self: bool),
    segment_reduce(op: crate::ReduceOp, ids: impl Into<Expr>, n: usize),
    cross_entropy(target: impl Into<Expr>), cross_entropy_with(target: impl Into<Expr>, options: &crate::CrossEntropy),
    nll_loss(target: impl Into<Expr>), nll_loss_with(target: impl Into<Expr>, options: &crate::CrossEntropy),
    one_hot(classes: usize), linear(weight: impl Into<Expr>, bias: impl Into<Expr>), t(),
    argsort(dim: isize, descending: bool), quantile(q: f64, dim: isize), searchsorted(values: impl Into<Expr>, right: bool),
    bucketize(boundaries: impl Into<Expr>, right: bool), histc(bins: usize, min: f64, max: f64),
    div_rounded(other: impl Into<Expr>, mode: crate::Rounding),
}
