"""`hadamard.dask` against NumPy: shapes, chunks, dtypes, reductions, schedulers, forks and workers that die."""

import multiprocessing
import os
import pickle
import signal
import time

import numpy as np
import pytest

da = pytest.importorskip("dask.array")
import dask  # noqa: E402

import hadamard  # noqa: E402
from hadamard._functions import ALONG, ELEMENTWISE, REDUCTIONS  # noqa: E402
from hadamard._text import parse, write  # noqa: E402
from hadamard.dask import evaluate, from_npy  # noqa: E402

CHUNKINGS = [((5, 8), (3, 3, 1)), (4, 7), (13, 2), ((13,), (7,)), ((1, 12), (6, 1))]
TOLERANCE = {"f2": 2e-3, "f4": 3e-6, "f8": 1e-13}


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def array(shape, dtype="f4", seed=0):
    random = np.random.default_rng(seed)
    if dtype == "?":
        return random.random(shape) < 0.5
    if dtype[0] == "i":
        return random.integers(-9, 10, shape).astype(dtype)
    return random.normal(size=shape).astype(dtype)


def held(text, want, rtol=3e-6, dtype=None, **operands):
    """Evaluates, and holds shape, dtype, chunks and values against what is wanted."""
    result = evaluate(text, operands)
    assert isinstance(result, da.Array)
    got = result.compute()
    want = np.asarray(want)
    assert result.shape == got.shape == want.shape, text
    assert result.dtype == got.dtype == np.dtype(dtype or want.dtype), text
    assert result._meta.dtype == got.dtype and result._meta.ndim == got.ndim
    last = result.to_delayed().ravel()[-1].compute()
    assert last.shape == tuple(sizes[-1] for sizes in result.chunks), text
    scale = np.max(np.abs(want[np.isfinite(want)]), initial=0) if want.dtype.kind == "f" else 0
    np.testing.assert_allclose(got.astype("f8"), want.astype("f8"), rtol=rtol, atol=rtol * scale, err_msg=text)
    return got


@pytest.mark.parametrize("chunks", CHUNKINGS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "i8", "?"])
def test_elementwise(chunks, dtype):
    a, b = array((13, 7), dtype), array((13, 7), dtype, 1)
    x, y = da.from_array(a, chunks=chunks), da.from_array(b, chunks=(4, 7))
    if dtype[0] == "f":
        held("w * a + (1 - w) * b", 0.25 * a + 0.75 * b, TOLERANCE[dtype], dtype, a=x, b=y, w=0.25)
        held("where(a > 0, sqrt(abs(a)), b)", np.where(a > 0, np.sqrt(np.abs(a)), b), TOLERANCE[dtype], dtype, a=x, b=y)
    held("a > b", a > b, a=x, b=y)
    held("(a == b) | ~(a > b)", (a == b) | ~(a > b), a=x, b=y)
    if dtype != "?":
        held("max(a, b) - np.minimum(a, 2)", np.maximum(a, b) - np.minimum(a, 2), dtype=dtype, a=x, b=y)


@pytest.mark.parametrize(
    "shapes",
    [((6, 4), (4,)), ((6, 4), (6, 1)), ((6, 1), (1, 4)), ((3, 6, 4), (6, 4)), ((3, 1, 4), (6, 1)), ((1,), (5, 1)), ((), (6, 4))],
)
def test_broadcasting(shapes):
    a, b = (array(shape, seed=i) for i, shape in enumerate(shapes))
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=3)
    held("a * b + 1", a * b + 1, a=x, b=y)
    held("a * b + 1", a * b + 1, a=x, b=b)
    held("a * b + 1", a * b + 1, a=a, b=y)
    held("sum(a * b, -1)", (a * b).sum(-1), a=x, b=y)
    held("sum(a * b, 0)", (a * b).sum(0), a=x, b=y)
    held("mean(a * b)", (a * b).mean(), a=x, b=b)


DIMS = [None, 0, 1, 2, -1, -3, (0, 1), (1, 2), (0, -1), (0, 1, 2)]
BY_NUMPY = {
    "sum": np.sum,
    "prod": np.prod,
    "mean": np.mean,
    "amax": np.max,
    "amin": np.min,
    "np.max": np.max,
    "np.var": np.var,
    "np.std": np.std,
    "var": lambda x, axis, keepdims: np.var(x, axis=axis, keepdims=keepdims, ddof=1),
    "std": lambda x, axis, keepdims: np.std(x, axis=axis, keepdims=keepdims, ddof=1),
}


@pytest.mark.parametrize("name", BY_NUMPY)
@pytest.mark.parametrize("dims", DIMS)
def test_reductions(name, dims):
    a, b = array((5, 6, 7)), array((5, 6, 7), seed=1)
    x, y = da.from_array(a, chunks=(2, (1, 5), 3)), da.from_array(b, chunks=(5, 2, 4))
    p = (a * b).astype("f8")
    for keepdims in (False, True):
        want = BY_NUMPY[name](p, axis=dims, keepdims=keepdims).astype("f4")
        held(f"{name}(a * b, dim={dims}, keepdim={keepdims})", want, 1e-5, a=x, b=y)


@pytest.mark.parametrize("dims", DIMS)
def test_reductions_of_truth_values_and_places(dims):
    a, b = array((5, 6, 7)).round(1), array((5, 6, 7), seed=1)
    x, y = da.from_array(a, chunks=(2, (1, 5), 3)), da.from_array(b, chunks=(5, 2, 4))
    rank = {None: 0, (0, 1): 1, (1, 2): 1, (0, -1): 1, (0, 1, 2): 0}.get(dims, 2)
    axis = tuple(range(3)) if dims is None else (dims,) if isinstance(dims, int) else dims
    axis = tuple(sorted(d % 3 for d in axis))
    lines = np.moveaxis(a, axis, range(3 - len(axis), 3)).reshape([n for d, n in enumerate(a.shape) if d not in axis] + [-1])
    held(f"argmax(a, {dims})", lines.argmax(-1), a=x)
    held(f"a.argmin({dims})", lines.argmin(-1), a=x)
    held(
        f"argmax(a, {dims}, keepdim=True)", lines.argmax(-1).reshape([1 if d in axis else n for d, n in enumerate(a.shape)]), a=x
    )
    held(f"any(a * b > 1, {dims})", (a * b > 1).any(axis), a=x, b=y)
    held(f"all(a * b < 2, {dims})", (a * b < 2).all(axis), a=x, b=y)
    held(f"count_nonzero(a, {dims})", np.count_nonzero(a, axis), a=x)
    held(f"logsumexp(a * b, {dims or (0, 1, 2)})", np.log(np.exp(a * b).sum(dims or axis if dims != 0 else (0, 1, 2))), a=x, b=y)
    assert evaluate(f"argmax(a, {dims})", a=x).ndim == rank


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "i8", "?"])
def test_dtypes_of_reductions(dtype):
    a = array((40, 9), dtype)
    x = da.from_array(a, chunks=(7, 4))
    if dtype[0] == "f":
        wide = a.astype("f8")
        for text, want in [
            ("sum(a * a, 0)", (wide**2).sum(0)),
            ("mean(a, 1)", wide.mean(1)),
            ("var(a, 0)", wide.var(0, ddof=1)),
            ("prod(a * 0.5 + 1, 0)", (wide * 0.5 + 1).prod(0)),
            ("std(a)", wide.std(ddof=1)),
        ]:
            held(text, want.astype(dtype), TOLERANCE[dtype] * 3, a=x)
    else:
        held("sum(a, 0)", a.sum(0), dtype="i8", a=x)
        held("sum(a * 0.5, 0)", (a * 0.5).sum(0).astype("f4"), a=x)
        with pytest.raises(ValueError, match="expected a float"):
            evaluate("mean(a)", a=x)
    held("amax(a, 0)", a.max(0), a=x)
    held("argmin(a, 0)", a.argmin(0), a=x)
    held("any(a, 0)", a.any(0), a=x)
    held('sum(a, 0, dtype="f64")', a.sum(0, dtype="f8"), 1e-12, a=x)
    held("einsum('ij,ij->j', a.to('f64'), a.to('f64'))", (a.astype("f8") ** 2).sum(0), 1e-12, a=x)


def test_accumulation_is_wide():
    a = np.full(3_000_000, 0.1, "f4")
    x = da.from_array(a, chunks=10_000)
    held("sum(a)", np.float32(a.sum(dtype="f8")), 1e-7, a=x)
    ones = da.from_array(np.array([2**24, 1, 1, 1], "f4"), chunks=1)
    assert evaluate("sum(a)", a=ones).compute() == np.float32(2**24 + 3), "ones that float32 would lose"
    half = da.full(140_000, 1, chunks=70_000, dtype="f2")
    assert evaluate("mean(a)", a=half).compute() == 1, "a sum beyond float16's range on the way"
    far = (1e4 + array(50_000, "f8")).astype("f4")
    held("var(a)", np.float32(far.astype("f8").var(ddof=1)), 1e-5, a=da.from_array(far, chunks=777))
    far = 1e9 + array(50_000, "f8")
    held("var(a)", far.var(ddof=1), 1e-7, a=da.from_array(far, chunks=777))


def test_nan_and_infinity():
    a = array((12, 5))
    a[3, 1], a[7, 1], a[5, 2], a[6, 3], a[7, 3] = np.nan, np.nan, np.inf, np.inf, -np.inf
    x = da.from_array(a, chunks=(4, 2))
    for name, function in [("argmax", np.argmax), ("argmin", np.argmin), ("amax", np.max), ("amin", np.min), ("sum", np.sum)]:
        with np.errstate(invalid="ignore"):
            want = function(a, 0)
        held(f"{name}(a, 0)", want, a=x)
    with np.errstate(invalid="ignore"):
        want = np.nansum(a, 0)
    held("nansum(a, 0)", want, a=x)
    np.testing.assert_array_equal(np.isnan(evaluate("var(a, 0)", a=x).compute()), [False, True, True, True, False])
    held("logsumexp(a, 0)", np.full(2, -np.inf, "f4"), a=da.full((6, 2), -np.inf, chunks=2, dtype="f4"))


def test_empty_and_single():
    x = da.zeros((0, 4), chunks=(0, 2), dtype="f4")
    held("a + 1", np.zeros((0, 4), "f4"), a=x)
    held("sum(a, 0)", np.zeros(4, "f4"), a=x)
    held("sum(a, 1)", np.zeros(0, "f4"), a=x)
    held("amax(a, 1)", np.zeros(0, "f4"), a=x)
    held("argmax(a, 1)", np.zeros(0, "i8"), a=x)
    held("prod(a)", np.float32(1), a=x)
    held("mean(a, 0)", np.full(4, np.nan, "f4"), a=x)
    held("var(a, 0)", np.full(4, np.nan, "f4"), a=x)
    for name in ("amax", "argmin"):
        with pytest.raises(ValueError, match="at least one element"):
            evaluate(f"{name}(a, 0)", a=x)
    one = da.full((1, 1), 3, chunks=1, dtype="f4")
    held("sum(a)", np.float32(3), a=one)
    held("var(a, correction=0)", np.float32(0), a=one)
    held("var(a)", np.float32(np.nan), a=one)
    a = array((5, 3))
    gaps = da.from_array(a, chunks=((3, 0, 2), (3,)))
    held("amax(a, 0)", a.max(0), a=gaps)
    held("argmax(a, 0)", a.argmax(0), a=gaps)
    held("a * 2", a * 2, a=gaps)


def test_compositions():
    a, b = array((13, 7)), array((13, 7), seed=1)
    x, y = da.from_array(a, chunks=(5, 3)), da.from_array(b, chunks=(4, 7))
    held("(a - mean(a, 0)) / std(a, 0)", (a - a.mean(0)) / a.std(0, ddof=1), 1e-5, a=x)
    held("sum((a - mean(a, 1, True)) ** 2)", ((a - a.mean(1, keepdims=True)) ** 2).sum(), 1e-5, a=x)
    held("sqrt(sum(a * a, 0)) + amax(b, 0)", np.sqrt((a * a).sum(0)) + b.max(0), 1e-5, a=x, b=y)
    held("sum(a * b, 0) / sum(b * b)", (a * b).sum(0) / (b * b).sum(), 1e-5, a=x, b=y)
    held("sum(sum(a, 0))", a.sum(), 1e-5, a=x)
    held("sum(a, d) * 1", a.sum(1), 1e-5, a=x, d=1)
    held("-a ** 2 % 3 // 1", -(a**2) % 3 // 1, a=x)
    held("softmax(a, 1)", np.exp(a) / np.exp(a).sum(1, keepdims=True), 1e-5, a=x.rechunk({1: -1}))
    held("cumsum(b, dim=-1) * a", np.cumsum(b, 1) * a, 1e-5, a=x.rechunk({1: -1}), b=y)
    held("sort(a, 0)", np.sort(a, 0), a=x.rechunk({0: -1}))
    held("sum(sum(a)) + var(sum(a), correction=0)", a.sum(), 1e-5, a=x)
    held("cast(a, d.dtype) + b.ndim", a.astype("f8") + 2, dtype="f8", a=x, b=y, d=np.ones(3))
    held("a.type_as(d)", a.astype("f8"), a=x, d=np.ones(3))
    held("mean(a > 0, 0, dtype=f32)", (a > 0).mean(0).astype("f4"), a=x)
    held("np.var(a, 0, ddof=k)", a.var(0, ddof=2), 1e-5, a=x, k=2)
    held("var(a, 0, unbiased=False)", a.var(0), 1e-5, a=x)
    assert evaluate("a", a=x) is x
    held("2 + w", 5, w=3)


@pytest.mark.parametrize(
    "equation",
    ["ij,ij->j", "ij,ij->", "ij,ij->ij", "ij,ik->jk", "ij,kj->ik", "ij,kj", "ji,jk->ik", "ij,i->j", "ij->ji", "ij->", "i,j->ij"],
)
def test_einsum(equation):
    terms = equation.split("->")[0].split(",")
    sizes = {"i": 6, "j": 6, "k": 6}
    arrays = [array([sizes[letter] for letter in term], seed=i) for i, term in enumerate(terms)]
    operands = dict(zip("ab", (da.from_array(x, chunks=2 + i) for i, x in enumerate(arrays))))
    held(f"einsum('{equation}', {', '.join(operands)})", np.einsum(equation, *arrays), 1e-5, **operands)


def test_einsum_of_expressions():
    a, w = array((8, 5)), array(5, seed=1)
    x = da.from_array(a, chunks=3)
    held("einsum('ij,ij->j', a * w, a + 1)", ((a * w) * (a + 1)).sum(0), 1e-5, a=x, w=w)
    held("einsum('ij,kj->ik', a, a * 2)", a @ (a * 2).T, 1e-5, a=x)
    held("sqrt(einsum('ij,ij->i', [a, a]))", np.sqrt((a * a).sum(1)), 1e-5, a=x)


@pytest.mark.parametrize("function", sorted(ELEMENTWISE | ALONG | set(REDUCTIONS)))
def test_every_function_is_that_of_the_library(function):
    """By blocks as of the whole, called with as many arguments as it takes."""
    a, b = np.abs(array((13, 6))).clip(0.1, 0.9), np.abs(array((13, 6), seed=1)).clip(0.1, 0.9)
    whole, error = None, None
    for arguments in [
        "a",
        "a, b",
        "a, b, a * b",
        "a > b",
        "a, 0",
        'a, "f64"',
        "a > b, b > a",
        "a.to(i32), b.to(i32)",
        "a > b, a, b",
        "a, a > b, 0",
    ]:
        text = f"{function}({arguments})"
        operands = {"a": a, "b": b} if "b" in arguments else {"a": a}
        try:
            whole = hadamard.evaluate(text, operands)
        except ValueError as found:
            error = found
            assert "unknown function" not in str(error) and "not in the language" not in str(error)
            continue
        chunks = 4 if function not in ALONG else (13, 4) if arguments.endswith("0") else (4, 6)
        got = evaluate(text, {name: da.from_array(x, chunks=chunks) for name, x in operands.items()})
        assert got.dtype == whole.dtype and got.shape == whole.shape, text
        np.testing.assert_allclose(got.compute(), whole, rtol=1e-5, atol=1e-6, err_msg=text)
    assert whole is not None, error


def test_other_operands():
    a = array((6, 4))
    x = da.from_array(a, chunks=(2, 3))
    held("a * w", a * np.float32(2), a=x, w=np.float32(2))
    held("a * w", a * np.float32(2), a=x, w=np.array(2, "f4"))
    held("a + b", a + [1, 2, 3, 4], dtype="f4", a=x, b=[1, 2, 3, 4])
    held("e * pi", a * np.pi, dtype="f4", e=x, pi=np.pi)
    held("out + device", a + 1, out=x, device=1)
    strided = np.repeat(a, 2, 1)[::-1, ::2]
    held("a - b", a - strided, a=x, b=strided)
    torch = pytest.importorskip("torch")
    held("a * t", a * a, a=x, t=torch.from_numpy(a))


REFUSED = [
    ("softmax(a, 0)", NotImplementedError, r"a\.rechunk\(\{0: -1\}\)"),
    ("cumsum(b + a, 0)", NotImplementedError, "dim 0, which is in 3 chunks"),
    ("a @ b", NotImplementedError, "einsum"),
    ("a.T", NotImplementedError, "Dask array first"),
    ("a[0]", NotImplementedError, "an index"),
    ("a.reshape(2, 2)", NotImplementedError, "reshape"),
    ("median(a)", NotImplementedError, "median"),
    ("a / a.shape[0]", NotImplementedError, "write the number|an index"),
    ("sum([a, b])", NotImplementedError, "list"),
    ("einsum('ii->i', a)", NotImplementedError, "diagonal"),
    ("einsum('...j->j', a)", NotImplementedError, "letters"),
    ("einsum('ij,jk', a)", ValueError, "2 operands"),
    ("einsum('i->', a)", ValueError, "1 letters"),
    ("einsum('ij,ik->j', a, c)", ValueError, "'i' is"),
    ("a +", ValueError, "column 4"),
    ("a < b < a", ValueError, "chain"),
    ("nosuch(a)", ValueError, "unknown function"),
    ("sum(a, 2)", ValueError, "out of range"),
    ("sum(a, (0, 0))", ValueError, "twice"),
    ("sum(a, foo=1)", ValueError, "no parameter 'foo'"),
    ("max(a, 0)", ValueError, "amax"),
    ("a + c", ValueError, "broadcast"),
    ("sum(a * c)", ValueError, "broadcast"),
    ("a & b", ValueError, "float|integers|bool"),
    ("a + nothing", TypeError, "nothing is given for 'nothing'"),
    ("a + o", TypeError, "complex|no dtype"),
    ("", ValueError, "nothing"),
    ("(" * 500 + "a" + ")" * 500, ValueError, "128"),
]


@pytest.mark.parametrize("text, error, says", REFUSED, ids=[text[:20] for text, _, _ in REFUSED])
def test_refusals(text, error, says):
    a = da.from_array(array((6, 4)), chunks=(2, 3))
    operands = {"a": a, "b": a + 1, "c": da.ones((3, 4), chunks=2, dtype="f4"), "o": da.ones(4, dtype="c8")}
    used = {name: x for name, x in operands.items() if name in hadamard.names(text) or text == "a +" and name == "a"}
    with pytest.raises(error, match=says):
        evaluate(text, used)


def test_what_is_given():
    a = da.ones((6, 4), chunks=2, dtype="f4")
    with pytest.raises(TypeError, match="'b' is given, but not in the text"):
        evaluate("a + 1", a=a, b=a)
    with pytest.raises(TypeError, match="text"):
        evaluate(a)
    unknown = a[a[:, 0] > 0]
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        evaluate("sum(a)", a=unknown)
    assert evaluate("a + 1", a=unknown).compute().shape == (6, 4)


def test_graphs_are_lazy_small_and_repeatable():
    a = da.ones((4096, 4096), chunks=512, dtype="f4")
    product = evaluate("sum(a * b, 0)", a=a, b=a)
    assert product.name == evaluate("sum(a * b, 0)", a=a, b=a).name
    assert product.name != evaluate("sum(a * b, 1)", a=a, b=a).name
    assert evaluate("w * a", a=a, w=2).name != evaluate("w * a", a=a, w=3).name
    assert evaluate("w * a", a=a, w=1).name != evaluate("w * a", a=a, w=True).name
    assert product.chunks == ((512,) * 8,)
    (graph,) = dask.optimize(product)
    assert len(graph.__dask_graph__()) <= 64 + 8 * 3, "one task a block, and the tree"
    wide = evaluate("sum(a)", a=a, split_every=64)
    assert len(dask.optimize(wide)[0].__dask_graph__()) == 65


def test_texts_are_written_as_they_were_read():
    for text in [
        "-a ** 2",
        "(-a) ** -b",
        "a - (b - a)",
        "a / (b / a)",
        "(a > 1) & ~(b < 2)",
        "2 ** a ** b",
        "(2 ** a) ** b",
        "(a == b) == b",
        "-(a + b) * 3",
        "f(dim=a)",
    ]:
        tree = parse(text, {"a", "b"})
        assert write(tree) == text and parse(write(tree), {"a", "b"}) == tree
    assert write(parse("np.sum(a.half(), axis=0) # all", {"a"})) == 'sum(cast(a, "f16"), dim=0)'
    assert write(parse("torch.float + float + torch.pi", set())) == '"f32" + "f64" + pi'


def test_expressions_are_pickled():
    expression = pickle.loads(pickle.dumps(hadamard.Expression(["sum(a * a, 0)", "a + 1"])))
    total, more = expression(np.ones((3, 2), "f4"))
    np.testing.assert_array_equal(total, [3, 3])
    np.testing.assert_array_equal(more, np.full((3, 2), 2))
    slope = pickle.loads(pickle.dumps(hadamard.Expression("sum(a * a)").grad("a")))
    np.testing.assert_array_equal(slope(np.float32([1, 2])), [2, 4])


def check_expressions_in_graphs():
    """`Expression` objects as functions of blocks, as arguments of functions, and as what is called once."""
    a, b = array((13, 7)), array((13, 7), seed=1)
    x, y = da.from_array(a, chunks=(4, 7)), da.from_array(b, chunks=(4, 7))
    blend = hadamard.Expression("w * a + (1 - w) * b", names=["a", "b", "w"])
    mapped = da.map_blocks(blend, x, y, w=0.25)
    assert mapped.dtype == "f4" and mapped.chunks == x.chunks and mapped.name.startswith("Expression-")
    np.testing.assert_allclose(mapped.compute(), 0.25 * a + 0.75 * b, rtol=1e-6)
    # Equal expressions are one computation, others are not.
    again = hadamard.Expression(blend.text, names=["a", "b", "w"])
    assert da.map_blocks(again, x, y, w=0.25).name == mapped.name
    assert da.map_blocks(hadamard.Expression("w * a - (1 - w) * b", names=["a", "b", "w"]), x, y, w=0.25).name != mapped.name
    wider = x.map_blocks(hadamard.Expression("a.double() * 2"))
    assert wider.dtype == "f8"
    np.testing.assert_array_equal(wider.compute(), 2 * a.astype("f8"))
    rows = da.blockwise(hadamard.Expression("sum(a * b, 1)"), "i", x, "ij", y, "ij", concatenate=True, dtype="f4")
    np.testing.assert_allclose(rows.compute(), (a * b).sum(1), rtol=1e-5, atol=1e-6)
    slope = hadamard.Expression("sum(a * a * w)").grad("a")
    np.testing.assert_allclose(x.map_blocks(slope, w=0.5, dtype="f4").compute(), a, rtol=1e-6)
    np.testing.assert_allclose(x.map_blocks(_called, blend, b=1.0, dtype="f4").compute(), 0.5 * a + 0.5, rtol=1e-6)
    total, more = dask.compute(*dask.delayed(hadamard.Expression(["sum(a)", "a + 1"]), nout=2)(x))
    np.testing.assert_allclose(total, a.sum(), rtol=1e-5)
    np.testing.assert_array_equal(more, a + 1)


def _called(block, expression, b):
    return expression(block, b=b, w=0.5)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_expressions_in_graphs(scheduler):
    with dask.config.set(scheduler=scheduler, num_workers=2):
        check_expressions_in_graphs()


def test_files_are_mapped_in_the_tasks(tmp_path):
    a = array((1000, 8))
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "f.npy", np.asfortranarray(a))
    x = from_npy(tmp_path / "a.npy", chunks=(300, 8))
    held("sum(a * a, 0)", (a * a).sum(0), 1e-5, a=x)
    held("a + f", a + a, a=x, f=from_npy(tmp_path / "f.npy", chunks=(250, 3)))
    assert len(pickle.dumps(x)) < 5000


# Processes


def _evaluated_in_a_child():
    a = np.ones((1000, 1000), "f4")
    return float(hadamard.evaluate("sum(a * a)", a=a))


def _answer(queue):
    queue.put(_evaluated_in_a_child())


def test_a_fork_after_use_evaluates():
    assert _evaluated_in_a_child() == 1e6
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_answer, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=30) == 1e6
    finally:
        child.join(timeout=5)
        child.kill()
    with dask.config.set(scheduler="processes", num_workers=2):
        x = da.ones((400, 400), chunks=200, dtype="f4")
        assert evaluate("sum(a)", a=x).compute() == 160_000


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "60s", "distributed.scheduler.allowed-failures": 10}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _slow_ones(block, seconds):
    time.sleep(seconds)
    return block + 1


class TestCluster:
    """On two worker processes of one thread each."""

    @pytest.fixture(autouse=True)
    def on_cluster(self, client):
        # By its name: a worker that is started anew is sent the configuration.
        with dask.config.set(scheduler="distributed"):
            yield

    def test_answers(self):
        a, b = array((60, 50)), array((60, 50), seed=1)
        x, y = da.from_array(a, chunks=(17, 20)), da.from_array(b, chunks=(60, 13))
        held("w * a + (1 - w) * b", 0.25 * a + 0.75 * b, a=x, b=y, w=0.25)
        held("sum(a * b, 0)", (a * b).sum(0), 1e-5, a=x, b=y)
        held("var(a * b, 1)", (a * b).var(1, ddof=1), 1e-5, a=x, b=y)
        held("argmax(a * b)", (a * b).argmax(), a=x, b=y)
        held("einsum('ij,kj->ik', a, b)", a @ b.T, 1e-5, a=x, b=y)
        held("a - mean(a, 0)", a - a.mean(0), 1e-5, a=x)

    def test_expressions_in_graphs(self, client):
        check_expressions_in_graphs()
        a = array((13, 7))
        assert client.submit(hadamard.Expression("sum(a > 0)"), a).result() == (a > 0).sum()

    def test_workers_compute_on_one_thread(self, client):
        assert set(client.run(os.environ.get, "OMP_NUM_THREADS").values()) == {"1"}
        assert set(client.run(hadamard.num_threads).values()) == {1}

    def test_blocks_that_travelled_are_read(self, client):
        blocks = [array((7, 5), seed=i) for i in range(4)]
        futures = client.scatter(blocks)
        x = da.concatenate([da.from_delayed(f, (7, 5), "f4") for f in futures])
        whole = np.concatenate(blocks)
        held("sum(a * a, 0)", (whole * whole).sum(0), 1e-5, a=x)

    def test_a_worker_that_dies_is_made_up_for(self, client):
        client.wait_for_workers(2, timeout=30)
        x = da.ones((4000, 100), chunks=(200, 100), dtype="f4").map_blocks(_slow_ones, 0.1, dtype="f4")
        total = client.compute(evaluate("sum(a * b, 0)", a=x, b=x * 2))
        time.sleep(0.7)
        assert not total.done()
        before = client.run(os.getpid)
        os.kill(next(iter(before.values())), signal.SIGKILL)
        np.testing.assert_array_equal(total.result(timeout=60), np.full(100, 4000 * 8))
        client.wait_for_workers(2, timeout=30)
        assert set(client.run(os.getpid).values()) != set(before.values()), "a worker died"
