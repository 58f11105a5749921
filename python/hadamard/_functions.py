"""Which functions of the language are elementwise, which reduce, and what to write instead of those that are neither."""

ELEMENTWISE = frozenset(
    """abs acos acosh add addcdiv addcmul asin asinh astype atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not
    bitwise_or bitwise_right_shift bitwise_xor cast ceil celu clamp clip contiguous copysign cos cosh deg2rad digamma div elu
    eq erf erfc erfinv exp exp2 expm1 float floor floor_divide fmax fmin fmod frac full_like ge gelu gt hardshrink
    hardsigmoid hardswish hardtanh heaviside hypot i0 i1 isfinite isinf isnan ldexp le leaky_relu lerp lgamma log log10
    log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit logsigmoid lt masked_fill maximum
    minimum mish mul nan_to_num ndtr ne neg nextafter ones_like positive pow rad2deg reciprocal relu relu6 remainder round
    rsqrt selu sgn sigmoid sign signbit silu sin sinc sinh softplus softshrink softsign sqrt square sub tan tanh tanhshrink
    trunc type_as where xlogy zeros_like""".split()
)
# Functions of whole lines along the dim that is their second argument, of the shape of their first.
ALONG = frozenset("argsort cummax cummin cumprod cumsum log_softmax logcumsumexp softmax sort".split())
CORRECTED = ("input", "dim", "correction", "keepdim")
REDUCTIONS = {
    **dict.fromkeys(("sum", "prod", "mean"), ("input", "dim", "keepdim", "dtype")),
    **dict.fromkeys(("nansum", "logsumexp"), ("input", "dim", "keepdim")),
    **dict.fromkeys(("amax", "amin", "any", "all", "argmax", "argmin"), ("input", "dim", "keepdim")),
    **dict.fromkeys(("std", "var"), CORRECTED),
    "count_nonzero": ("input", "dim"),
}
# Those of which floats of 16 bits are added up in float32.
ADDING = frozenset(("sum", "nansum", "prod", "mean", "logsumexp"))
INSTEAD = {
    "@": 'write einsum("ij,jk->ik", a, b), or a @ b of Dask\'s',
    **dict.fromkeys(("matmul", "mm"), 'write einsum("ij,jk->ik", a, b)'),
    "mv": 'write einsum("ij,j->i", a, b)',
    "dot": "write sum(a * b)",
    "outer": 'write einsum("i,j->ij", a, b)',
    "bmm": 'write einsum("bij,bjk->bik", a, b)',
    "norm": "write sqrt(sum(x * x, dim))",
    "nanmean": "write nansum(x, dim) / sum(~isnan(x), dim)",
    "layer_norm": "write (x - mean(x, -1, True)) / sqrt(var(x, -1, 0, True) + eps)",
    "shape": "write the number",
    "numel": "write the number",
    "size": "write the number",
}
