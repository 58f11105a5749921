"""The same expressions over Dask arrays: blocks are evaluated by hadamard where they are, reductions go up Dask's tree.

>>> import dask.array as da, numpy as np
>>> import hadamard.dask
>>> a = da.ones((6, 4), chunks=(2, 4), dtype="f4")
>>> b = da.full((6, 4), 2, chunks=(3, 2), dtype="f4")
>>> hadamard.dask.evaluate("w * a + (1 - w) * b", a=a, b=b, w=0.5)
dask.array<hadamard, shape=(6, 4), dtype=float32, chunksize=(2, 2), chunktype=numpy.ndarray>
>>> hadamard.dask.evaluate("sum(a * b, 0)", a=a, b=b).compute()
array([12., 12., 12., 12.], dtype=float32)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.layers import ArraySliceDep

from . import evaluate as _evaluate
from . import names as names_in
from ._plan import Plan, meta_of
from ._text import Mistake, names, parse

__all__ = ["evaluate", "from_npy"]


def evaluate(
    text: str, operands: Mapping[str, Any] | None = None, /, *, split_every: int | dict[int, int] | None = None, **keywords: Any
) -> da.Array:
    """Evaluates an expression in text over Dask arrays, and NumPy arrays and numbers beside them, into a Dask array.

    Nothing is computed until the result is. Operands broadcast as NumPy's do and may be chunked differently. What is
    elementwise in the text is one task a block. ``sum``, ``prod``, ``mean``, ``var``, ``std``, ``amax``, ``amin``, ``any``,
    ``all``, ``argmax``, ``argmin``, ``nansum``, ``count_nonzero``, ``logsumexp`` and ``einsum`` may cross chunks: each block
    is reduced where it is, no product is stored, and what the blocks come to is combined in groups of `split_every`, sums
    in float64. They may stand anywhere in the text, and around them anything elementwise. ``softmax``, ``log_softmax``,
    ``sort``, ``argsort`` and the cumulative functions run by blocks along a dim that is one chunk. All else raises
    ``NotImplementedError`` with what to write instead.

    >>> import dask.array as da, numpy as np
    >>> from hadamard.dask import evaluate
    >>> x = da.from_array(np.arange(12, dtype="f4").reshape(4, 3), chunks=(2, 2))
    >>> evaluate("x - mean(x, 0)", x=x).compute()[0]
    array([-4.5, -4.5, -4.5], dtype=float32)
    >>> evaluate("var(x, dim=-1, correction=0)", x=x).compute()
    array([0.6666667, 0.6666667, 0.6666667, 0.6666667], dtype=float32)
    >>> evaluate('einsum("ij,ik->jk", x, x)', x=x).shape
    (3, 3)
    >>> evaluate("softmax(x, 1)", x=x)
    Traceback (most recent call last):
    ...
    NotImplementedError: softmax runs along dim 1, which is in 2 chunks: make them one first, x.rechunk({1: -1})
    """
    if not isinstance(text, str):
        raise TypeError(f"expected a text, found {type(text).__name__}")
    given = {**(operands or {}), **keywords}
    try:
        tree = parse(text, given)
    except Mistake as mistake:
        # The library's own parser says it better, with the column.
        _evaluate(text, dict.fromkeys(names_in(text), 1.0))
        raise ValueError(str(mistake)) from None
    used = names(tree)
    for name in used:
        if name not in given:
            raise TypeError(f"nothing is given for '{name}' (the text has {', '.join(used)})")
    for name in given:
        if name not in used:
            raise TypeError(f"'{name}' is given, but not in the text (it has {', '.join(used) or 'no names'})")
    plan = Plan(split_every)
    for name, value in given.items():
        plan.give(name, value)
    return plan.array(plan.lowered(tree))


def from_npy(path: str | os.PathLike[str], chunks: Any = "auto") -> da.Array:
    """A Dask array over a ``.npy`` file, whose blocks are mapped by the task that reads them.

    No bytes of the file travel, and only pages that are read take memory: as many as a chunk has, and those count against
    a worker's memory limit: give it five times as much as the chunks that one task reads. The file must be there, under this
    path, for every worker.

    >>> import tempfile, os, numpy as np, hadamard.dask
    >>> directory = tempfile.TemporaryDirectory()
    >>> path = os.path.join(directory.name, "a.npy")
    >>> np.save(path, np.ones((1000, 8), "f4"))
    >>> a = hadamard.dask.from_npy(path, chunks=(250, 8))
    >>> hadamard.dask.evaluate("sum(a * a, 0)", a=a).compute()[:2]
    array([1000., 1000.], dtype=float32)
    """
    mapped = np.load(path, mmap_mode="r")
    chunks = da.core.normalize_chunks(chunks, mapped.shape, dtype=mapped.dtype)
    dims = tuple(range(mapped.ndim))
    path, changed = os.path.abspath(path), os.stat(path).st_mtime_ns
    return da.blockwise(
        _mapped,
        dims,
        ArraySliceDep(chunks),
        dims,
        path=path,
        name=f"mapped-{tokenize(path, changed, chunks)}",
        align_arrays=False,
        dtype=mapped.dtype,
        meta=meta_of(mapped.ndim, mapped.dtype),
    )


def _mapped(place, *, path):
    return np.asarray(np.load(path, mmap_mode="r")[place])
