"""A thin namespace of the array API standard over hadamard, for the standard's own test suite to judge the functions by.

Elementwise functions, operators and statistics are hadamard's; all else is NumPy's. It is not part of the package.
README.md beside it tells how the suite is run, and what came out.
"""

import numpy as np

import hadamard

__array_api_version__ = "2024.12"
e, inf, nan, newaxis, pi = np.e, np.inf, np.nan, None, np.pi
bool = np.dtype("bool")
int8, int16, int32, int64 = map(np.dtype, ["i1", "i2", "i4", "i8"])
uint8, uint16, uint32, uint64 = map(np.dtype, ["u1", "u2", "u4", "u8"])
float32, float64 = np.dtype("f4"), np.dtype("f8")
DTYPES = {name: globals()[name] for name in
          "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64".split()}  # fmt: skip


def wrapped(x):
    if isinstance(x, (tuple, list)):
        return type(x)(map(wrapped, x)) if not hasattr(x, "_fields") else type(x)(*map(wrapped, x))
    return Array(x) if isinstance(x, (np.ndarray, np.generic)) else x


def unwrapped(x):
    if isinstance(x, Array):
        return x._x
    return type(x)(map(unwrapped, x)) if type(x) in (tuple, list) else x


def evaluated(text, **operands):
    """hadamard's answer, of operands that are of one dtype: arrays without dims are as strong as others here."""
    arrays = [x._x for x in operands.values() if isinstance(x, Array)]
    if not arrays:
        raise TypeError("expected an array")
    dtype = np.result_type(*arrays) if len({x.dtype for x in arrays}) > 1 else arrays[0].dtype
    given = {}
    for name, x in operands.items():
        if isinstance(x, Array):
            given[name] = x._x.astype(dtype, copy=False)
        elif isinstance(x, (int, float, np.bool_().__class__, type(True))):
            if (
                isinstance(x, float)
                and dtype.kind != "f"
                or (isinstance(x, int) and not isinstance(x, type(True)))
                and dtype.kind == "b"
            ):
                raise TypeError(f"a {type(x).__name__} among {dtype}s")
            given[name] = np.asarray(x, dtype)
        else:
            return NotImplemented
    return Array(hadamard.evaluate(text, given))


class Array:
    __slots__ = ("_x",)

    def __init__(self, x):
        self._x = np.asarray(x)

    def __array_namespace__(self, api_version=None):
        import hadamard_array_api

        return hadamard_array_api

    dtype = property(lambda self: self._x.dtype)
    shape = property(lambda self: self._x.shape)
    ndim = property(lambda self: self._x.ndim)
    size = property(lambda self: self._x.size)
    device = property(lambda self: "cpu")
    T = property(lambda self: Array(self._x.T))
    mT = property(lambda self: Array(self._x.mT))
    __hash__ = None

    def to_device(self, device, /, *, stream=None):
        return self

    def __getitem__(self, key):
        return Array(self._x[unwrapped(key)])

    def __setitem__(self, key, value):
        self._x[unwrapped(key)] = unwrapped(value)

    def __repr__(self):
        return f"hadamard {self._x!r}"


for name in ["__bool__", "__int__", "__float__", "__complex__", "__index__", "__len__", "__dlpack__", "__dlpack_device__"]:
    setattr(Array, name, lambda self, *args, name=name, **kw: getattr(self._x, name)(*args, **kw))

BINARY = {
    "add": "a + b", "subtract": "a - b", "multiply": "a * b", "divide": "a / b", "floor_divide": "a // b",
    "remainder": "a % b", "pow": "a ** b", "equal": "a == b", "not_equal": "a != b", "less": "a < b",
    "less_equal": "a <= b", "greater": "a > b", "greater_equal": "a >= b", "bitwise_and": "a & b", "bitwise_or": "a | b",
    "bitwise_xor": "a ^ b", "bitwise_left_shift": "a << b", "bitwise_right_shift": "a >> b", "atan2": "atan2(a, b)",
    "copysign": "copysign(a, b)", "hypot": "hypot(a, b)", "logaddexp": "logaddexp(a, b)",
    "logical_and": "logical_and(a, b)", "logical_or": "logical_or(a, b)", "logical_xor": "logical_xor(a, b)",
    "maximum": "maximum(a, b)", "minimum": "minimum(a, b)", "nextafter": "nextafter(a, b)",
}  # fmt: skip
UNARY = {name: f"{name}(x)" for name in (
    "abs acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan log log1p log2 log10 "
    "logical_not reciprocal round sign signbit sin sinh sqrt square tan tanh trunc positive").split()}  # fmt: skip
UNARY |= {"negative": "-x", "bitwise_invert": "~x"}
OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide", "mod": "remainder",
    "pow": "pow", "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}  # fmt: skip


def _binary(name, text):
    def function(x1, x2, /):
        return evaluated(text, a=x1, b=x2)

    function.__name__ = name
    return function


def _unary(name, text):
    def function(x, /):
        return evaluated(text, x=x)

    function.__name__ = name
    return function


for name, text in BINARY.items():
    globals()[name] = _binary(name, text)
for name, text in UNARY.items():
    globals()[name] = _unary(name, text)
for operator, name in OPERATORS.items():
    function = globals()[name]
    setattr(Array, f"__{operator}__", lambda self, other, function=function: function(self, other))
    if operator not in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Array, f"__r{operator}__", lambda self, other, function=function: function(other, self))

        def in_place(self, other, function=function):
            result = function(self, other)
            if result is NotImplemented:
                return result
            self._x[...] = result._x
            return self

        setattr(Array, f"__i{operator}__", in_place)
Array.__neg__ = lambda self: globals()["negative"](self)
Array.__pos__ = lambda self: globals()["positive"](self)
Array.__invert__ = lambda self: globals()["bitwise_invert"](self)
Array.__abs__ = lambda self: globals()["abs"](self)
Array.__matmul__ = lambda self, other: Array(self._x @ unwrapped(other)) if isinstance(other, Array) else NotImplemented
Array.__rmatmul__ = lambda self, other: NotImplemented
Array.__imatmul__ = Array.__matmul__


def clip(x, /, min=None, max=None):
    out = x
    for bound, function in ((min, "maximum"), (max, "minimum")):
        if bound is not None:
            bound = bound if isinstance(bound, Array) else Array(np.asarray(bound, x.dtype))
            out = globals()[function](out, Array(bound._x.astype(x.dtype)))
    return Array(out._x.copy())


def where(condition, x1, x2, /):
    arrays = [x for x in (x1, x2) if isinstance(x, Array)]
    dtype = np.result_type(*(x._x for x in arrays)) if len(arrays) == 2 else arrays[0].dtype
    a, b = (unwrapped(x).astype(dtype) if isinstance(x, Array) else np.asarray(x, dtype) for x in (x1, x2))
    return Array(hadamard.evaluate("where(c, a, b)", c=condition._x, a=a, b=b))


def _dims(x, axis):
    if axis == () or x.ndim == 0:
        return None
    axes = range(x.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    return tuple(axes)


def _reduction(name):
    def function(x, /, *, axis=None, dtype=None, keepdims=False, correction=0.0):
        more = ""
        array = x._x
        if name in ("var", "std"):
            more = f", correction={correction!r}"
        # Sums are int64, as PyTorch's; the standard wants uint64 of unsigned ones.
        dtype = uint64 if dtype is None and name in ("sum", "prod") and array.dtype.kind == "u" else dtype
        if dtype is not None:
            array = array.astype(dtype)
        text = {"max": "amax", "min": "amin"}.get(name, name)
        dims = _dims(x, axis)
        if dims is None:
            if axis == ():
                return Array(getattr(np, name)(array, axis=()))
            array = array.reshape(1)
            result = hadamard.evaluate(f"{text}(x, dim=0{more})", x=array)
        else:
            result = hadamard.evaluate(f"{text}(x, dim={dims!r}, keepdim={keepdims!r}{more})", x=array)
        return Array(result if dtype is None else result.astype(dtype, copy=False))

    function.__name__ = name
    return function


for name in ["sum", "prod", "mean", "var", "std", "max", "min", "any", "all"]:
    globals()[name] = _reduction(name)


def _named(name):
    def function(*args, **kwargs):
        kwargs.pop("device", None)
        return wrapped(getattr(np, name)(*unwrapped(args), **{key: unwrapped(x) for key, x in kwargs.items()}))

    function.__name__ = name
    return function


for name in (
    "arange empty empty_like eye full full_like linspace meshgrid ones ones_like tril triu zeros zeros_like broadcast_arrays "
    "broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack tile unstack argmax argmin "
    "argsort sort nonzero count_nonzero searchsorted take take_along_axis unique_all unique_counts unique_inverse "
    "unique_values cumulative_sum cumulative_prod diff matmul matrix_transpose tensordot vecdot isin"
).split():
    globals()[name] = _named(name)


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    return Array(np.array(unwrapped(obj), dtype=dtype) if copy else np.asarray(unwrapped(obj), dtype=dtype))


def from_dlpack(x, /, *, device=None, copy=None):
    return Array(np.from_dlpack(unwrapped(x)))


def astype(x, dtype, /, *, copy=True, device=None):
    return Array(x._x.astype(dtype, copy=copy))


def can_cast(from_, to, /):
    return np.can_cast(from_.dtype if isinstance(from_, Array) else from_, to)


def finfo(type, /):
    return np.finfo(type.dtype if isinstance(type, Array) else type)


def iinfo(type, /):
    return np.iinfo(type.dtype if isinstance(type, Array) else type)


def isdtype(dtype, kind):
    return np.isdtype(dtype, kind)


def result_type(*arrays_and_dtypes):
    return np.result_type(*unwrapped(arrays_and_dtypes))


class __array_namespace_info__:
    def capabilities(self):
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 8}

    def default_device(self):
        return "cpu"

    def devices(self):
        return ["cpu"]

    def default_dtypes(self, *, device=None):
        return {"real floating": float64, "complex floating": None, "integral": int64, "indexing": int64}

    def dtypes(self, *, device=None, kind=None):
        if kind is None:
            return dict(DTYPES)
        return {name: dtype for name, dtype in DTYPES.items() if np.isdtype(dtype, kind)}
