"""Expressions in text over NumPy arrays, evaluated in one pass over memory on all cores or on a GPU.

>>> import hadamard, numpy as np
>>> a = np.arange(6, dtype="f4").reshape(2, 3)
>>> hadamard.evaluate("sum(a * a, 0)", a=a)
array([ 9., 17., 29.], dtype=float32)

The language is described at https://docs.rs/hadamard: NumPy's and PyTorch's operators and functions, by their names.
Arrays are read where they lie, results are arrays over memory of this package's, and ``out=`` writes in place. The text is
never run as Python.
"""

from . import optim
from ._hadamard import (
    DeviceArray,
    Expression,
    __version__,
    assign,
    devices,
    evaluate,
    names,
    num_threads,
    set_num_threads,
    to_device,
)

__all__ = [
    "DeviceArray",
    "Expression",
    "__version__",
    "assign",
    "devices",
    "evaluate",
    "names",
    "num_threads",
    "optim",
    "set_num_threads",
    "to_device",
]


def _rebuilt(text, device, names, gradient):
    """The expression that a pickle holds."""
    return Expression(text, device, names=names, gradient=gradient)
