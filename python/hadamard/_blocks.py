"""What tasks of `hadamard.dask` do with blocks. Each function is pickled by its name.

Those of a block take its operands, the texts that are evaluated on them and the names there; those that combine blocks take
what several came to as one array, and the dims along which they lie beside each other.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from . import Expression

MOMENTS = np.dtype([("n", "f8"), ("mean", "f8"), ("m2", "f8")])


@lru_cache(512)
def compiled(texts: tuple[str, ...], names: tuple[str, ...]) -> Expression:
    """The expressions, compiled once in this process."""
    return Expression(list(texts), names=list(names))


def results(texts, operands):
    return compiled(texts, tuple(operands))(*operands.values())


def on(texts, names, numbers, blocks):
    return results(texts, {**numbers, **dict(zip(names, blocks))})


def reduced_shape(blocks, dims) -> tuple[list[int], int]:
    """The shape of blocks' elements with `dims` reduced to 1, and how many elements each one stands for."""
    shape = np.broadcast_shapes(*(block.shape for block in blocks))
    return [1 if dim in dims else n for dim, n in enumerate(shape)], math.prod(shape[dim] for dim in dims)


def same(x, axis, keepdims):
    return x


def mapped(*blocks, texts, names, numbers):
    return on(texts, names, numbers, blocks)[0]


def part(*blocks, texts, names, numbers, dims):
    return on(texts, names, numbers, blocks)[0].reshape(reduced_shape(blocks, dims)[0])


def product(*blocks, texts, names, numbers, gone):
    result = on(texts, names, numbers, blocks)[0]
    return result.reshape(result.shape + (1,) * gone)


def moments(*blocks, texts, names, numbers, dims):
    mean, var = on(texts, names, numbers, blocks)
    shape, n = reduced_shape(blocks, dims)
    found = np.empty(shape, MOMENTS)
    found["n"], found["mean"] = n, mean.reshape(shape)
    found["m2"] = var.reshape(shape).astype("f8") * n
    return found


def moments_of_sums(*blocks, texts, names, numbers, dims):
    total, squares = on(texts, names, numbers, blocks)
    shape, n = reduced_shape(blocks, dims)
    found = np.empty(shape, MOMENTS)
    with np.errstate(all="ignore"):
        found["n"], found["mean"] = n, (total / n).reshape(shape)
        found["m2"] = np.maximum(squares - total * (total / n), 0).reshape(shape)
    return found


def places(place, *blocks, texts, names, numbers, dims, extents):
    """The extreme element of a block and its number among all that are reduced, those of `extents`."""
    value, index = on(texts, names, numbers, blocks)
    shape = np.broadcast_shapes(*(block.shape for block in blocks))
    shape_after, _ = reduced_shape(blocks, dims)
    local = np.unravel_index(np.asarray(index), [shape[dim] for dim in dims])
    everywhere = [at + place[dim].start for at, dim in zip(local, dims)]
    found = np.empty(shape_after, [("value", value.dtype), ("index", "i8")])
    found["value"] = value.reshape(shape_after)
    found["index"] = np.ravel_multi_index(everywhere, extents).reshape(shape_after)
    return found


def is_single(x, axis) -> bool:
    return all(x.shape[dim] == 1 for dim in axis)


def without(x, axis, keepdims):
    return x if keepdims else x.reshape([n for dim, n in enumerate(x.shape) if dim not in axis])


FOLDS = {
    **dict.fromkeys(("sum", "mean", "nansum", "count_nonzero"), np.sum),
    "prod": np.prod,
    **dict.fromkeys(("amax", "any"), np.max),
    **dict.fromkeys(("amin", "all"), np.min),
}


def folded(x, axis, keepdims, function):
    """What blocks came to, combined: sums and products in float64, or int64."""
    if is_single(x, axis):
        return without(x, axis, keepdims)
    if function == "logsumexp":
        with np.errstate(all="ignore"):
            top = np.max(x, axis=axis, keepdims=True).astype("f8")
            top = np.where(np.isfinite(top), top, 0)
            return without(np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top, axis, keepdims)
    fold = FOLDS[function]
    with np.errstate(all="ignore"):
        if fold in (np.max, np.min):
            return fold(x, axis=axis, keepdims=keepdims)
        return fold(x, axis=axis, keepdims=keepdims, dtype="i8" if x.dtype.kind in "iub" else "f8")


def finished(x, axis, keepdims, function, into, count):
    found = folded(x, axis, keepdims, function)
    with np.errstate(all="ignore"):
        if function == "mean":
            found = np.asarray(found, "f8") / count if count else np.full(np.shape(found), np.nan)
        return np.asarray(found).astype(into, copy=False)


def merged(x, axis, keepdims):
    """Counts, means and sums of squared distances of several parts as those of the whole (Chan, Golub and LeVeque, 1979)."""
    if is_single(x, axis):
        return without(x, axis, keepdims)
    with np.errstate(all="ignore"):
        n = np.sum(x["n"], axis=axis, keepdims=True)
        mean = np.sum(x["n"] * x["mean"], axis=axis, keepdims=True) / n
        m2 = np.sum(x["m2"] + x["n"] * (x["mean"] - mean) ** 2, axis=axis, keepdims=True)
    found = np.empty(n.shape, MOMENTS)
    found["n"], found["mean"], found["m2"] = n, mean, m2
    return without(found, axis, keepdims)


def variance(x, axis, keepdims, correction, root, into):
    found = merged(x, axis, keepdims)
    with np.errstate(all="ignore"):
        var = found["m2"] / np.maximum(found["n"] - correction, 0)
        return np.asarray(np.sqrt(var) if root else var).astype(into, copy=False)


def extreme(x, axis, keepdims, function):
    """The extreme elements of several parts and where they are: of equal ones the first, of NaNs the first, too."""
    if is_single(x, axis):
        return without(x, axis, keepdims)
    with np.errstate(all="ignore"):
        top = (np.max if function == "argmax" else np.min)(x["value"], axis=axis, keepdims=True)
    is_top = (x["value"] == top) | (x["value"] != x["value"])
    found = np.empty(top.shape, x.dtype)
    found["value"] = top
    found["index"] = np.min(np.where(is_top, x["index"], np.iinfo("i8").max), axis=axis, keepdims=True)
    return without(found, axis, keepdims)


def index(x, axis, keepdims, function):
    return extreme(x, axis, keepdims, function)["index"]
