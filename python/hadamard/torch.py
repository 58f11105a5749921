"""Fused expressions inside PyTorch models, on the CPU, with autograd.

>>> import torch
>>> from hadamard.torch import fused
>>> gelu_mix = fused("w * a * sigmoid(1.702 * a) + (1 - w) * b")
>>> a, b, w = torch.randn(3, 4), torch.randn(3, 4), torch.rand(4, requires_grad=True)
>>> out = gelu_mix(a=a, b=b, w=w)
>>> out.sum().backward()
>>> w.grad.shape
torch.Size([4])

The expression is one pass over memory; so is the gradient of each operand that needs one. It is the custom operator
``hadamard::fused`` of ``torch.library``, which ``torch.compile`` takes as it is.
"""

import functools

import numpy as _np
import torch as _torch

from . import _hadamard

__all__ = ["fused"]


@functools.lru_cache(maxsize=512)
def _forward(text):
    return _hadamard.Expression(text)


@functools.lru_cache(maxsize=512)
def _backward(text, wrt):
    """The gradients of the sum of the expression's elements, each times its weight in the last operand."""
    weights = "hadamard_weights"
    return _hadamard.Expression(f"sum(({text}) * {weights})").grad(list(wrt)), weights


def _tensor(array):
    """A tensor over an array's memory."""
    if array.dtype.name == "bfloat16":
        return _torch.from_numpy(array.view("i2")).view(_torch.bfloat16)
    return _torch.from_numpy(array)


def _operands(tensors):
    for tensor in tensors:
        if tensor.device.type != "cpu":
            raise TypeError(f"hadamard.torch: expected tensors in the CPU's memory, found one on {tensor.device}")
    return [tensor.detach() for tensor in tensors]


@_torch.library.custom_op("hadamard::fused", mutates_args=(), device_types="cpu")
def _fused(text: str, names: str, tensors: list[_torch.Tensor]) -> _torch.Tensor:
    return _tensor(_forward(text)(**dict(zip(names.split(), _operands(tensors)))))


@_fused.register_fake
def _(text, names, tensors):
    # Shape and dtype come from the text itself, over operands that take no memory.
    stand_ins = {name: _stand_in(tensor) for name, tensor in zip(names.split(), tensors)}
    array = _forward(text)(**stand_ins)
    dtypes = {_np.dtype(str(dtype).removeprefix("torch.")): dtype for dtype in _DTYPES if dtype != _torch.bfloat16}
    return _torch.empty(array.shape, dtype=dtypes.get(array.dtype, _torch.bfloat16))


_DTYPES = [
    _torch.bool, _torch.uint8, _torch.int8, _torch.int16, _torch.int32, _torch.int64,
    _torch.float16, _torch.bfloat16, _torch.float32, _torch.float64,
]  # fmt: skip


def _stand_in(tensor):
    name = str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype == _torch.bfloat16:
        import ml_dtypes as _ml_dtypes

        name = _ml_dtypes.bfloat16
    return _np.broadcast_to(_np.zeros((), name), tuple(tensor.shape))


def _setup(ctx, inputs, output):
    ctx.text, ctx.names, tensors = inputs
    ctx.save_for_backward(*tensors)


@_torch.library.custom_op("hadamard::fused_backward", mutates_args=(), device_types="cpu")
def _fused_backward(text: str, names: str, wrt: str, tensors: list[_torch.Tensor], weights: _torch.Tensor) -> list[_torch.Tensor]:
    expression, name = _backward(text, tuple(wrt.split()))
    *operands, weights = _operands([*tensors, weights])
    return [_tensor(array) for array in expression(**dict(zip(names.split(), operands)), **{name: weights})]


@_fused_backward.register_fake
def _(text, names, wrt, tensors, weights):
    by_name = dict(zip(names.split(), tensors))
    return [_torch.empty(by_name[name].shape, dtype=by_name[name].dtype) for name in wrt.split()]


def _gradients(ctx, weights):
    names, tensors = ctx.names.split(), ctx.saved_tensors
    wrt = [name for name, tensor in zip(names, tensors) if tensor.requires_grad]
    found = dict(zip(wrt, _fused_backward(ctx.text, ctx.names, " ".join(wrt), list(tensors), weights))) if wrt else {}
    return None, None, [found.get(name) for name in names]


_fused.register_autograd(_gradients, setup_context=_setup)


def _setup_again(ctx, inputs, output):
    ctx.text, ctx.names, ctx.wrt, tensors, weights = inputs
    ctx.count = len(output)
    ctx.save_for_backward(*tensors, weights)


def _second(ctx, grads):
    """A gradient of gradients, by the same operator: each gradient is an expression, too."""
    raise NotImplementedError("hadamard.torch: gradients of gradients are not there; take them by Expression.grad in text")


_fused_backward.register_autograd(_second, setup_context=_setup_again)


def fused(text):
    """The expression `text` as a function of tensors by name, through which gradients pass.

    Names that stand for Python's numbers are constants of the expression. Float tensors that require gradients get them;
    gradients of gradients are refused.
    """

    def function(**operands):
        tensors = {name: value for name, value in operands.items() if isinstance(value, _torch.Tensor)}
        numbers = {name: value for name, value in operands.items() if name not in tensors}
        if not tensors:
            raise TypeError("hadamard.torch: expected at least one tensor, found none")
        return _fused(_with_numbers(text, tuple(numbers.items())), " ".join(tensors), list(tensors.values()))

    function.__doc__ = f"``{text}``, fused."
    return function


@functools.lru_cache(maxsize=4096)
def _with_numbers(text, numbers):
    """The text with numbers in place of their names."""
    import re

    for name, value in numbers:
        if not isinstance(value, (bool, int, float)):
            raise TypeError(f"{name}: expected a tensor or a number, found {type(value).__name__}")
        text = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w|\s*\()", f"({value!r})", text)
    return text
