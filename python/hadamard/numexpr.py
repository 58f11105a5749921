"""numexpr's functions over hadamard: ``import hadamard.numexpr as ne`` in place of ``import numexpr as ne``.

>>> import numpy as np
>>> import hadamard.numexpr as ne
>>> a, b = np.arange(3.0), np.ones(3)
>>> ne.evaluate("2*a + 3*b")
array([3., 5., 7.])

Operands come from the caller's variables, from ``local_dict`` or from ``global_dict``, as numexpr's do. Complex numbers and
strings are refused. docs/numexpr.md tells what else differs.
"""

import re
import sys
import threading
import weakref

import numpy as _np

from . import _hadamard

__all__ = ["NumExpr", "evaluate", "re_evaluate", "set_num_threads", "get_num_threads", "validate"]

_last = threading.local()


def _text(ex, sanitize=None):
    """An expression of numexpr's in hadamard's words: of real numbers, `conj` and `real` are what they are of."""
    if not isinstance(ex, str):
        raise TypeError(f"expected an expression in text, found {type(ex).__name__}")
    if sanitize is not False and re.search(r"[:;[]|__", ex):
        raise ValueError(f"Expression {ex} has forbidden control characters.")
    return re.sub(r"\b(?:conj|copy|real)\s*\(|\.real\b", lambda found: "" if found[0] == ".real" else "(", ex)


def _remember(*call):
    """Keeps a call for ``re_evaluate``, but not the array it writes to."""
    *call, out = call
    _last.call = (*call, None if out is None else weakref.ref(out))


def _arguments(names, local_dict, global_dict, depth):
    """What the names stand for, as numexpr finds it."""
    frame = sys._getframe(depth)
    local = frame.f_locals if local_dict is None else local_dict
    outer = frame.f_globals if global_dict is None else global_dict
    found = {}
    for name in names:
        if name in local:
            found[name] = local[name]
        elif name in outer:
            found[name] = outer[name]
        else:
            raise KeyError(name)
    return {name: _array(value) for name, value in found.items()}


def _begun(ex, sanitize, local_dict, global_dict, depth, order, casting, out):
    """The text and the operands of a call, which is kept for ``re_evaluate``."""
    text = _text(ex, sanitize)
    names = _hadamard.words(text)
    operands = _arguments(names, local_dict, global_dict, depth + 1)
    _remember(text, names, order, casting, out)
    return text, operands


def _array(value):
    """An operand as an array whose elements are of a dtype of hadamard's, which has neither longdouble nor swapped bytes."""
    array = _np.asarray(value)
    if array.dtype.kind in "SU":
        raise TypeError("hadamard has no strings")
    if array.dtype == _np.uint32:
        # There is no uint32 in numexpr: it is an int64.
        array = array.astype(_np.int64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def _result(text, operands, out, order, casting):
    result = _computed(text, operands, out)
    if out is not None:
        if not _np.can_cast(result.dtype, out.dtype, casting):
            raise TypeError(f"cannot cast a result of dtype {result.dtype} to {out.dtype} according to the rule {casting!r}")
        if result is not out:
            if _np.broadcast_shapes(result.shape, out.shape) != out.shape:
                raise ValueError(f"a result of shape {result.shape} does not broadcast to out, of shape {out.shape}")
            out[...] = result
        return out
    if order == "F" or order == "A" and all(x.flags.f_contiguous for x in operands.values()):
        return _np.asarray(result, order="F")
    return result


def _with_doubles(operands):
    """The operands with integers as float64."""
    return {name: x.astype(_np.float64) if x.dtype.kind in "iu" else x for name, x in operands.items()}


def _computed(text, operands, out):
    """The result, in `out` if it fits there as it is."""
    dtypes = [x.dtype for x in operands.values()]
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    if not floats and any(dtype.kind in "iu" for dtype in dtypes):
        result = _hadamard.evaluate(text, operands)
        if result.dtype != _np.float32:
            return result
        # Integers that become floats are doubles to numexpr.
        return _hadamard.evaluate(text, _with_doubles(operands))
    if any(dtype.kind in "iu" and dtype.itemsize >= 4 for dtype in dtypes) and _np.dtype("f4") in floats:
        operands = _with_doubles(operands)
    if out is not None and isinstance(out, _np.ndarray) and out.flags.writeable:
        try:
            return _hadamard.evaluate(text, operands, out=out)
        except ValueError as error:
            if "expected a target of dtype" not in str(error) and "may be written" not in str(error):
                raise
    return _hadamard.evaluate(text, operands)


def evaluate(
    ex,
    local_dict=None,
    global_dict=None,
    out=None,
    order="K",
    casting="same_kind",
    sanitize=None,
    _frame_depth=2,
    disable_cache=False,
    **kwargs,
):
    """Evaluates an expression in text over arrays, as ``numexpr.evaluate``. `sanitize`, `truediv`, `optimization` and
    `disable_cache` are taken and change nothing: no text is ever run as Python, and division is true division."""
    text, operands = _begun(ex, sanitize, local_dict, global_dict, _frame_depth, order, casting, out)
    return _result(text, operands, out, order, casting)


def re_evaluate(local_dict=None, global_dict=None, _frame_depth=2):
    """Evaluates the last expression of this thread again, over what its names stand for now."""
    call = getattr(_last, "call", None)
    if call is None:
        raise RuntimeError(
            "A previous evaluate() execution was not found, please call `validate` or `evaluate` once before `re_evaluate`"
        )
    text, names, order, casting, out = call
    operands = _arguments(names, local_dict, global_dict, _frame_depth)
    return _result(text, operands, out and out(), order, casting)


def validate(
    ex,
    local_dict=None,
    global_dict=None,
    out=None,
    order="K",
    casting="same_kind",
    _frame_depth=2,
    sanitize=None,
    **kwargs,
):
    """Nothing if the expression can be evaluated, else the exception that would be raised; for ``re_evaluate``."""
    try:
        text, operands = _begun(ex, sanitize, local_dict, global_dict, _frame_depth, order, casting, out)
        _hadamard.Expression(text).explain(**operands)
    except ValueError as error:
        return SyntaxError(str(error)) if str(error).startswith("column") else error
    except Exception as error:
        return error
    return None


class NumExpr:
    """A compiled expression, called with arrays in the order of its names, or of `signature`."""

    def __init__(self, ex, signature=(), sanitize=True, **kwargs):
        self.ex = _text(ex, sanitize)
        self.input_names = [name for name, _ in signature] or sorted(_hadamard.words(self.ex))

    def __call__(self, *arguments, out=None, order="K", casting="same_kind", **kwargs):
        if len(arguments) != len(self.input_names):
            raise TypeError(f"expected {len(self.input_names)} operands ({', '.join(self.input_names)}), found {len(arguments)}")
        operands = {name: _array(value) for name, value in zip(self.input_names, arguments)}
        return _result(self.ex, operands, out, order, casting)


def set_num_threads(nthreads):
    """Has hadamard compute on so many threads; returns how many it was before."""
    old = _hadamard.num_threads()
    _hadamard.set_num_threads(nthreads)
    return old


def get_num_threads():
    """How many threads compute."""
    return _hadamard.num_threads()
