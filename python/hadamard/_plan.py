"""From a text over Dask arrays to Dask arrays: which parts are one task a block, which go up a tree."""

from __future__ import annotations

import math
from functools import partial

import dask.array as da
import numpy as np
from dask.array.core import unify_chunks
from dask.layers import ArraySliceDep

from . import _blocks, evaluate
from ._arguments import bound, flag
from ._arguments import dims as dims_of
from ._blocks import MOMENTS, results
from ._functions import ADDING, ALONG, ELEMENTWISE, INSTEAD, REDUCTIONS
from ._text import Attribute, Call, Items, Leaf, Name, Operation, children, names, renamed, write


def is_number(value) -> bool:
    return type(value) in (float, int, bool)


def meta_of(ndim: int, dtype) -> np.ndarray:
    return np.empty((0,) * ndim, dtype)


def without_empty_chunks(x):
    """The array with no chunk of size 0 beside others: such a block has nothing to reduce."""
    if any(0 in sizes and any(sizes) for sizes in x.chunks):
        return x.rechunk(tuple(tuple(n for n in sizes if n) if any(sizes) else sizes for sizes in x.chunks))
    return x


# Of a sort that is given none.
LAST = Operation("-", (Leaf("1"),))


class Plan:
    """Makes Dask arrays of parts of a text, from the inside out: a reduced part becomes an operand of what is around it."""

    def __init__(self, split_every):
        self.split_every = split_every
        self.arrays: dict = {}
        self.numbers: dict = {}

    def give(self, name, value):
        if isinstance(value, da.Array):
            self.arrays[name] = without_empty_chunks(value)
        elif is_number(value):
            self.numbers[name] = value
        elif hasattr(value, "__dask_graph__"):
            raise TypeError(
                f"{name}: expected an array of Dask's, found {type(value).__name__}: give its .data or .to_dask_array()"
            )
        elif hasattr(value, "chunks") and not isinstance(value, np.ndarray):
            self.arrays[name] = da.from_array(value, chunks=value.chunks or "auto")
        else:
            value = np.asarray(value)
            if value.ndim:
                self.arrays[name] = da.from_array(value)
            else:
                self.numbers[name] = value

    def fresh(self, array) -> Name:
        name = self.unlike(f"_{len(self.arrays) + len(self.numbers)}")
        self.arrays[name] = array
        return Name(name)

    def unlike(self, name: str) -> str:
        """The name, or if something has it one like it."""
        while name in self.arrays or name in self.numbers:
            name += "_"
        return name

    # What a text comes to

    def lowered(self, node):
        """The tree with each reduction in it, inner ones first, made an operand: what is left is elementwise."""
        if isinstance(node, (Leaf, Name)):
            return node
        if isinstance(node, Operation):
            if node.op == "@":
                raise self.refusal("@")
            return Operation(node.op, tuple(self.lowered(arg) for arg in node.args))
        if isinstance(node, Attribute):
            if node.name == "dtype":
                return self.dtype_of(self.lowered(node.value))
            if node.name == "ndim":
                return Leaf(str(self.rank(self.lowered(node.value))))
            raise self.refusal(node.name)
        if isinstance(node, Items):
            raise NotImplementedError("a list is no array: write one value")
        function, args = node.function, node.args
        if function in ("max", "min"):
            if len(args) == 1:
                return self.reduced(Call("a" + function, args))
            function += "imum"
        if function == "einsum":
            return self.contracted(node)
        if function == "type_as" and len(args) == 2:
            like = self.dtype_of(self.lowered(args[1][1]))
            return Call("cast", ((None, self.lowered(args[0][1])), (None, like)))
        if function in REDUCTIONS:
            return self.reduced(node)
        if function in ALONG or function in ELEMENTWISE:
            return Call(node.function, tuple((keyword, self.lowered(value)) for keyword, value in args))
        raise self.refusal(function, is_function=True)

    @staticmethod
    def refusal(what: str, is_function: bool = False) -> Exception:
        if is_function and what not in INSTEAD:
            try:
                evaluate(f"{what}()")
            except ValueError as error:
                if "unknown function" in str(error) or "not in the language" in str(error):
                    return ValueError(str(error).splitlines()[0])
        what = {"[]": "an index"}.get(what, what)
        instead = INSTEAD.get(what, "apply it to the Dask array first, or by x.map_blocks to blocks that you know to be whole")
        return NotImplementedError(f"{what} is neither elementwise nor a reduction that can cross chunks: {instead}")

    def dtype_of(self, node) -> Leaf:
        return Leaf(f'"{self.tried(write(node), self.used(node)).dtype.name}"')

    def used(self, node) -> list[str]:
        """The names of the arrays in a tree."""
        return [name for name in names(node) if name in self.arrays]

    def rank(self, node) -> int:
        return max((self.arrays[name].ndim for name in names(node) if name in self.arrays), default=0)

    # Blocks

    def ready(self, node):
        """The names of the arrays in an elementwise tree, and those arrays and their dims as blockwise takes them."""
        used = self.used(node)
        rank = self.rank(node)
        self.check_shapes(used)
        pairs = [x for name in used for x in (self.arrays[name], tuple(range(rank - self.arrays[name].ndim, rank)))]
        chunks, arrays = unify_chunks(*pairs)
        self.check_along(node, rank, chunks)
        return used, [x for pair in zip(arrays, pairs[1::2]) for x in pair], chunks, rank

    def check_shapes(self, used):
        rank = max((self.arrays[name].ndim for name in used), default=0)
        for dim in range(1, rank + 1):
            sizes = {self.arrays[n].shape[-dim] for n in used if self.arrays[n].ndim >= dim} - {1}
            if len({n for n in sizes if not math.isnan(n)}) > 1:
                shapes = ", ".join(f"{n} {list(self.arrays[n].shape)}" for n in used)
                raise ValueError(f"shapes do not broadcast: {shapes}")

    def check_along(self, node, rank, chunks):
        """Refuses functions of whole lines where lines are cut."""
        if isinstance(node, Call) and node.function in ALONG:
            found = dict(zip(("input", "dim"), (value for keyword, value in node.args if keyword is None)))
            found.update((keyword, value) for keyword, value in node.args if keyword)
            own = self.rank(found["input"])
            (dim,) = dims_of(node.function, found.get("dim", LAST), own, self.numbers) or (0,)
            count = len(chunks[dim + rank - own]) if own else 1
            if count > 1:
                raise NotImplementedError(
                    f"{node.function} runs along dim {dim}, which is in {count} chunks: make them one first, "
                    f"{write(found['input']) if isinstance(found['input'], Name) else 'x'}.rechunk({{{dim}: -1}})"
                )
        for child in children(node):
            self.check_along(child, rank, chunks)

    def tried(self, text: str, used):
        """What a text makes of arrays of one element: its dtype, and what the library has to say against it."""
        ones = {name: np.ones((1,) * self.arrays[name].ndim, self.arrays[name].dtype) for name in used}
        return results((text,), {**ones, **self.numbers})[0]

    def blocks(self, function, node, texts, dtype, adjust=None, places=False, **more):
        """One task a block of an elementwise tree's operands; the dims in `adjust` become 1."""
        used, pairs, chunks, rank = self.ready(node)
        dims = tuple(range(rank))
        if places:
            pairs = [ArraySliceDep(tuple(chunks[d] for d in dims)), dims, *pairs]
        numbers = {name: value for name, value in self.numbers.items() if name in names(node)}
        call = partial(function, texts=texts, names=tuple(used), numbers=numbers, **more)
        after = {dim: (1,) * len(chunks[dim]) if adjust and dim in adjust else chunks[dim] for dim in dims}
        return da.blockwise(
            call, dims, *pairs, token="hadamard", align_arrays=False, dtype=dtype, meta=meta_of(rank, dtype), adjust_chunks=after
        )

    def array(self, node):
        """The Dask array of an elementwise tree."""
        if isinstance(node, Name) and node.name in self.arrays:
            return self.arrays[node.name]
        text = write(node)
        used = self.used(node)
        result = self.tried(text, used)
        if not used:
            return da.from_array(result)
        return self.blocks(_blocks.mapped, node, (text,), result.dtype)

    # Reductions

    def reduced(self, node: Call) -> Name:
        function, given = node.function, bound(node)
        x = self.lowered(given["input"])
        dtype = given.get("dtype", Leaf("None"))
        if dtype != Leaf("None"):
            # As the library has it: the dtype is what is added in, and what comes out.
            x = Call("cast", ((None, x), (None, self.lowered(dtype))))
        rank = self.rank(x)
        dims = dims_of(function, given.get("dim"), rank, self.numbers)
        keepdim = flag(function, given.get("keepdim"), self.numbers)
        correction = given.get("correction")
        factor = 1.0 if correction is None else self.number(function, correction)
        used = self.used(x)
        plain = f"{function}({write(x)}{f', {list(dims)}' if rank else ''})"
        result = self.tried(plain, used)
        if dtype != Leaf("None"):
            result = result.astype(results((f"cast(1, {write(self.lowered(dtype))})",), self.numbers)[0].dtype)
        if not rank:
            whole = Call(function, ((None, x), *((("correction", correction),) if correction else ())))
            return self.fresh(self.array(whole))
        self.check_known(function, used)
        self.check_shapes(used)
        shape = np.broadcast_shapes(*(self.arrays[name].shape for name in used))
        count = math.prod(shape[dim] for dim in dims)
        if not count and function in ("amax", "amin", "argmax", "argmin"):
            raise ValueError(f"{function}: expected at least one element to reduce, found {list(shape)}")
        if function in ("argmax", "argmin"):
            partials, fold, last = self.extremes(function, x, plain, dims, [shape[dim] for dim in dims])
        elif function in ("std", "var"):
            partials, fold, last = self.moments(function, x, dims, factor, result.dtype)
        else:
            partials, fold, last = self.parts(function, x, dims, count, result.dtype)
        return self.fresh(self.tree(partials, fold, last, dims, keepdim, result.dtype))

    # Each of these gives what blocks come to, how such parts are combined, and how the last of them are.

    def extremes(self, function, x, plain, dims, extents):
        text = write(x)
        kind = np.dtype([("value", self.tried(text, self.used(x)).dtype), ("index", "i8")])
        texts = (f"a{function.removeprefix('arg')}({text}, {list(dims)})", plain)
        partials = self.blocks(_blocks.places, x, texts, kind, dims, places=True, dims=dims, extents=tuple(extents))
        return partials, partial(_blocks.extreme, function=function), partial(_blocks.index, function=function)

    def moments(self, function, x, dims, correction, into):
        text, listed = write(x), list(dims)
        if self.tried(text, self.used(x)).dtype == np.float64:
            block, texts = _blocks.moments, (f"mean({text}, {listed})", f"var({text}, {listed}, 0)")
        else:
            # Squares of float32 and shorter are exact in float64, and one pass finds both sums.
            wide = f'cast({text}, "f64")'
            block, texts = _blocks.moments_of_sums, (f"sum({wide}, {listed})", f"sum({wide} * {wide}, {listed})")
        partials = self.blocks(block, x, texts, MOMENTS, dims, dims=dims)
        return partials, _blocks.merged, partial(_blocks.variance, correction=correction, root=function == "std", into=into)

    def parts(self, function, x, dims, count, into):
        text, used = write(x), self.used(x)
        if function in ADDING:
            text = self.widened(text, self.tried(text, used).dtype)
        text = f"{'sum' if function == 'mean' else function}({text}, {list(dims)})"
        partials = self.blocks(_blocks.part, x, (text,), self.tried(text, used).dtype, dims, dims=dims)
        last = partial(_blocks.finished, function=function, into=into, count=count)
        return partials, partial(_blocks.folded, function=function), last

    @staticmethod
    def widened(text, dtype):
        """The text, in float32 if it is of a float of 16 bits: sums of those go beyond their range, and are rounded once."""
        return f'cast({text}, "f32")' if dtype.itemsize == 2 and dtype.kind not in "iu" else text

    def tree(self, partials, fold, last, dims, keepdim, dtype):
        # The dtype is of what is combined; that of the result is its meta's.
        return da.reduction(
            partials,
            _blocks.same,
            last,
            combine=fold,
            axis=dims,
            keepdims=keepdim,
            dtype=partials.dtype,
            split_every=self.split_every,
            name="hadamard-reduced",
            meta=meta_of(partials.ndim - (0 if keepdim else len(dims)), dtype),
        )

    def number(self, function, node) -> float:
        value = self.lowered(node)
        if self.rank(value):
            raise ValueError(f"{function}: expected a number, found {write(node)}")
        return float(results((write(value),), self.numbers)[0])

    def check_known(self, function, used):
        for name in used:
            if any(math.isnan(n) for n in self.arrays[name].shape):
                raise ValueError(
                    f"{function}: the sizes of {name}'s chunks are not known: call {name}.compute_chunk_sizes() first"
                )

    def contracted(self, node: Call) -> Name:
        """A sum of products by Einstein's rule."""
        equation, *factors = (value for _, value in node.args)
        if len(factors) == 1 and isinstance(factors[0], Items):
            factors = list(factors[0].args)
        written = equation.written[1:-1].replace(" ", "") if isinstance(equation, Leaf) else ""
        terms, arrow, out = written.partition("->")
        terms = terms.split(",")
        if not written or "." in written:
            raise NotImplementedError("einsum: expected an equation of letters, as \"ij,ij->j\", without '...'")
        if not arrow:
            letters = "".join(terms)
            out = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
        if len(terms) != len(factors):
            raise ValueError(f"einsum: the equation has {len(terms)} operands, found {len(factors)}")
        factors = [self.lowered(factor) for factor in factors]
        for term, factor in zip(terms, factors):
            if len(set(term)) < len(term):
                raise NotImplementedError(
                    f"einsum: a letter stands twice in '{term}', which is a diagonal: take it first, da.diagonal(x)"
                )
            if self.rank(factor) != len(term):
                raise ValueError(f"einsum: '{term}' has {len(term)} letters, but {write(factor)} has {self.rank(factor)} dims")
        gone = [letter for letter in dict.fromkeys("".join(terms)) if letter not in out]
        dims = list(out) + gone
        # An array may stand in several factors, each time with other letters.
        used, pairs, plain, wide = [], [], [], []
        for i, (term, factor) in enumerate(zip(terms, factors)):
            new = {name: self.unlike(f"_{i}_{name}") for name in self.used(factor)}
            for name, fresh in new.items():
                x = self.arrays[name]
                used.append((fresh, x))
                pairs += [x, tuple(dims.index(letter) for letter in term[len(term) - x.ndim :])]
            text = write(renamed(factor, new))
            plain.append(text)
            element = self.tried(write(factor), self.used(factor)).dtype
            wide.append(self.widened(text, element))
        self.check_known("einsum", [name for factor in factors for name in self.used(factor)])
        quoted = f'"{",".join(terms)}->{out}"'
        numbers = {name: value for name, value in self.numbers.items() if any(name in names(factor) for factor in factors)}
        ones = {fresh: np.ones((1,) * x.ndim, x.dtype) for fresh, x in used}
        result = results((f"einsum({quoted}, {', '.join(plain)})",), {**ones, **numbers})[0]
        text = f"einsum({quoted}, {', '.join(wide)})"
        dtype = results((text,), {**ones, **numbers})[0].dtype
        self.check_letters(terms, factors)
        chunks, arrays = unify_chunks(*pairs)
        for term, factor in zip(terms, factors):
            self.check_along(factor, len(term), {i: chunks[dims.index(letter)] for i, letter in enumerate(term)})
        call = partial(_blocks.product, texts=(text,), names=tuple(fresh for fresh, _ in used), numbers=numbers, gone=len(gone))
        kept = range(len(out), len(dims))
        partials = da.blockwise(
            call,
            tuple(range(len(dims))),
            *[x for pair in zip(arrays, pairs[1::2]) for x in pair],
            token="hadamard",
            align_arrays=False,
            dtype=dtype,
            meta=meta_of(len(dims), dtype),
            adjust_chunks={dim: (1,) * len(chunks[dim]) if dim in kept else chunks[dim] for dim in range(len(dims))},
        )
        if not gone:
            return self.fresh(partials)
        last = partial(_blocks.finished, function="sum", into=result.dtype, count=1)
        return self.fresh(self.tree(partials, partial(_blocks.folded, function="sum"), last, tuple(kept), False, result.dtype))

    def check_letters(self, terms, factors):
        sizes: dict = {}
        for term, factor in zip(terms, factors):
            used = self.used(factor)
            self.check_shapes(used)
            for letter, n in zip(term, np.broadcast_shapes(*(self.arrays[name].shape for name in used))):
                if sizes.setdefault(letter, n) != n:
                    raise ValueError(f"einsum: '{letter}' is {sizes[letter]} in one operand and {n} in another")
