"""Arrays in and out: every dtype, any memory, in place, and what is refused."""

import array
import pickle
import threading

import numpy as np
import pytest

import hadamard
from hadamard import Expression, assign, evaluate

ml_dtypes = pytest.importorskip("ml_dtypes")

FLOATS = ["f2", "f4", "f8", ml_dtypes.bfloat16]
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def some(dtype, shape=(7, 5), seed=0):
    return (np.arange(np.prod(shape), dtype="i8") * 7 % 11 + seed).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
def test_every_dtype_in_and_out(dtype):
    a, b = some(dtype), some(dtype, seed=2)
    result = evaluate("a * b + a", a=a, b=b)
    assert result.dtype == np.dtype(dtype) and type(result) is np.ndarray
    with np.errstate(over="ignore"):
        expected = (a.astype("f8") * b.astype("f8") + a.astype("f8")).astype(dtype)
    assert np.array_equal(result, expected)
    assert result.flags.writeable and result.flags.aligned
    result += 1  # the memory is the array's to write
    assert np.array_equal(evaluate("a", a=a), a)


def test_bools():
    mask = np.array([True, False, True])
    assert np.array_equal(evaluate("~m", m=mask), ~mask)
    odd = np.array([0, 2, 255], "u1").view(bool)
    assert evaluate("sum(m)", m=odd) == 2
    assert np.array_equal(evaluate("m * 1", m=odd), [0, 1, 1])


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.T,
        lambda x: x[::-1],
        lambda x: x[:, ::2],
        lambda x: x[2:5, 1],
        lambda x: x[::-2, ::-1],
        lambda x: np.broadcast_to(x[:, :1], (12, 9)),
        lambda x: x[3, 4],
        lambda x: x[:0],
        lambda x: x.copy("F"),
    ],
)
def test_any_strides(view):
    x = view(some("f4", (12, 9)))
    assert np.array_equal(evaluate("x * 2 - 1", x=x), x * 2 - 1)
    assert np.allclose(evaluate("sum(x)", x=x), x.sum())


def test_read_only_unaligned_and_swapped():
    x = some("f4")
    x.flags.writeable = False
    assert np.array_equal(evaluate("x + 1", x=x), x + 1)
    with pytest.raises(ValueError, match="out: the array to be written is read-only"):
        evaluate("x + 1", x=x, out=x)
    raw = np.zeros(41, "u1")
    unaligned = raw[1:].view("f4")
    unaligned[:] = np.arange(10)
    assert not unaligned.flags.aligned
    assert np.array_equal(evaluate("x + 1", x=unaligned), np.arange(10) + 1)
    with pytest.raises(ValueError, match="multiples of 4 bytes"):
        evaluate("x + 1", x=unaligned, out=unaligned)
    with pytest.raises(TypeError, match="bytes are swapped"):
        evaluate("x + 1", x=x.astype(">f4"))
    fields = np.zeros(5, [("a", "f4"), ("b", "u1")])
    fields["a"] = np.arange(5)
    assert np.array_equal(evaluate("a * 2", a=fields["a"]), np.arange(5) * 2)


def test_python_numbers_are_weak_and_scalars_are_not():
    x = np.ones(3, "f4")
    assert evaluate("x * n", x=x, n=0.1).dtype == np.float32
    assert evaluate("x * n", x=x, n=2).dtype == np.float32
    assert evaluate("i * n", i=np.ones(3, "u1"), n=2).dtype == np.uint8
    assert evaluate("i + n", i=np.ones(3, "i4"), n=np.float64(2)).dtype == np.float64
    assert evaluate("n", n=np.float32(2)).dtype == np.float32
    assert evaluate("where(b, x, 0)", b=True, x=x).sum() == 3
    with pytest.raises(OverflowError, match="beyond int64"):
        evaluate("x * n", x=x, n=10**30)


def test_other_objects_with_memory():
    assert np.array_equal(evaluate("x * 2", x=array.array("d", [1, 2])), [2, 4])
    assert np.array_equal(evaluate("x + 1", x=memoryview(bytearray(b"abc"))), [98, 99, 100])
    assert np.array_equal(evaluate("x + 1", x=b"abc"), [98, 99, 100])
    assert np.array_equal(evaluate("x + 1", x=[1, 2]), [2, 3])
    assert np.array_equal(evaluate("x + 1", x=((1.0, 2.0),)), [[2, 3]])
    many = [float(i) for i in range(200_000)]
    assert np.array_equal(hadamard.to_device(many, "cpu").numpy(), many)

    class Interface:
        def __init__(self, of):
            self.__array_interface__ = of.__array_interface__
            self.of = of

    assert np.array_equal(evaluate("x + 1", x=Interface(some("f4"))), some("f4") + 1)


def test_torch():
    torch = pytest.importorskip("torch")
    t = torch.arange(6.0).reshape(2, 3)
    assert np.array_equal(evaluate("sum(t, 0)", t=t), [3, 5, 7])
    assert np.array_equal(evaluate("t.T * 2", t=t.T.T), t.numpy().T * 2)
    half = torch.arange(4, dtype=torch.bfloat16)
    assert evaluate("t * 2", t=half).dtype == ml_dtypes.bfloat16
    out = torch.zeros(2, 3)
    assert evaluate("t + 1", t=t, out=out) is out
    assert torch.equal(out, t + 1)
    evaluate("t + t", t=t, out=t)
    assert torch.equal(t, torch.arange(6.0).reshape(2, 3) * 2)


def test_results_may_go_where_operands_are():
    x = np.arange(1000.0)
    old = x.copy()
    assert evaluate("x * 2 + 1", x=x, out=x) is x
    assert np.array_equal(x, old * 2 + 1)
    for out, x in [(slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None)), (slice(None, None, -1), slice(None))]:
        memory = np.arange(50_000.0)
        expected = memory[x] * 3
        evaluate("x * 3", x=memory[x], out=memory[out])
        assert np.array_equal(memory[out], expected)
    memory = np.arange(100.0)
    evaluate("x - mean(x)", x=memory, out=memory)
    assert abs(memory.mean()) < 1e-12
    for wrong in [np.zeros(99), np.zeros(100, "f4"), np.zeros((100, 1))]:
        with pytest.raises(ValueError, match="expected a target of dtype f64 and shape \\[100\\]"):
            evaluate("x + 1", x=memory, out=wrong)
    with pytest.raises(TypeError, match="out: expected an array"):
        evaluate("x + 1", x=memory, out=[0])


def test_assign_sees_old_values():
    a, b = np.arange(3.0), np.arange(3.0) * 10
    assign({"a": "b", "b": "a"}, a=a, b=b)
    assert np.array_equal(a, [0, 10, 20]) and np.array_equal(b, [0, 1, 2])
    assign({"a": "0"}, a=a)
    assert not a.any()
    with pytest.raises(ValueError, match="share memory"):
        assign({"a": "1", "b": "2"}, a=a, b=a)
    with pytest.raises(TypeError, match="nothing is given for 'c'"):
        assign({"c": "1"}, a=a)


def test_expressions():
    blend = Expression("w * a + (1 - w) * b")
    a, b = some("f4"), some("f4", seed=3)
    expected = evaluate("w * a + (1 - w) * b", w=0.25, a=a, b=b)
    assert blend.names == ["w", "a", "b"] and blend.text == "w * a + (1 - w) * b"
    for call in [blend, pickle.loads(pickle.dumps(blend))]:
        assert np.array_equal(call(0.25, a, b), expected)
        assert np.array_equal(call(b=b, a=a, w=0.25), expected)
        assert np.array_equal(call(0.25, a, b=b), expected)
    assert "reduce" in Expression("sum(a * b, 0)").explain(a, b)
    both = Expression(["a + b", "sum(a)"])
    plus, total = both(a, b)
    assert np.array_equal(plus, a + b) and total == a.sum()
    outs = (np.zeros_like(a), np.zeros((), "f4"))
    assert both(a, b, out=outs) is outs and np.array_equal(outs[0], a + b) and outs[1] == a.sum()
    assert repr(blend) == "Expression('w * a + (1 - w) * b')"
    with pytest.raises(TypeError, match="'w' is given twice"):
        blend(0.5, a, b, w=1)
    with pytest.raises(TypeError, match="expected 3 operands \\(w, a, b\\), found 4"):
        blend(0.5, a, b, 1)


def test_gradients():
    x, w = some("f8"), some("f8", seed=1)[:1]
    loss = Expression("mean((x * w - 1) ** 2)")
    slope = loss.grad("w")
    expected = (2 * (x * w - 1) * x).sum(0, keepdims=True) / x.size
    assert np.allclose(slope(x=x, w=w), expected)
    both = pickle.loads(pickle.dumps(loss.grad(["w", "x"])))
    by_w, by_x = both(x=x, w=w)
    assert np.allclose(by_w, expected) and by_x.shape == x.shape
    value, by_w = loss.value_and_grad("w")(x=x, w=w)
    assert np.isclose(value, ((x * w - 1) ** 2).mean()) and np.allclose(by_w, expected)
    with pytest.raises(ValueError, match="a name of the text"):
        loss.grad("z")


@pytest.mark.parametrize(
    "text, error, match",
    [
        ("a +", ValueError, "column 4"),
        ("__import__('os').system('true')", (TypeError, ValueError), None),
        ("a.__class__", ValueError, None),
        ("(" * 100_000 + "a", ValueError, None),
        ("a+" * 200_000 + "a", None, None),
        ("b * 2", TypeError, "nothing is given for 'b' \\(the text has b\\)"),
        ("sum(a, 7)", ValueError, "out of range"),
        ("a[9]", (IndexError, ValueError), "expected -2 to 1"),
    ],
)
def test_texts_that_are_refused(text, error, match):
    if text.startswith("a+"):
        assert evaluate(text, a=np.ones(2, "f4"))[0] == 200_001
        return
    with pytest.raises(error, match=match):
        evaluate(text, a=np.ones((2, 3), "f4"))


@pytest.mark.parametrize(
    "value, match",
    [
        (np.array([1j]), "take their .real"),
        (np.array([object()]), "astype"),
        ("text", "found str"),
        (None, "found NoneType"),
        (np.array(["a"]), "no dtype"),
        (np.ones((1,) * 9), "9 dims"),
        (np.array(["2020"], "M8[D]"), "no dtype"),
    ],
)
def test_operands_that_are_refused(value, match):
    with pytest.raises((TypeError, ValueError), match=match):
        evaluate("a + 1", a=value)
    with pytest.raises(TypeError, match="'b' is given, but not in the text"):
        evaluate("a + 1", a=1, b=2)


def test_no_memory_is_an_error():
    x = np.zeros((1 << 20, 1), "f4")
    with pytest.raises((MemoryError, ValueError)):
        evaluate("x + y + z", x=x, y=np.zeros((1, 1 << 20), "f4"), z=np.zeros((1 << 10, 1, 1), "f4"))


def test_threads_evaluate_at_once():
    a = np.arange(200_000.0)
    failures = []

    def work(n):
        for i in range(30):
            if not np.array_equal(evaluate("a * n + i", a=a, n=float(n), i=i), a * n + i):
                failures.append((n, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures


def test_the_lock_is_released_while_computing():
    a = np.ones(40_000_000, "f4")
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    counter = threading.Thread(target=count)
    counter.start()
    before = counted[0]
    evaluate("sin(a) * cos(a) + exp(a)", a=a)
    during = counted[0] - before
    stop.set()
    counter.join()
    assert during > 1000


def test_memory_lives_as_long_as_the_result():
    results = [evaluate("a + i", a=np.zeros(100_000, "f4"), i=float(i)) for i in range(50)]
    assert all((result == i).all() for i, result in enumerate(results))
    view = results[7][::2]
    del results
    assert (view == 7).all()


def test_number_of_threads():
    before = hadamard.num_threads()
    hadamard.set_num_threads(3)
    assert hadamard.num_threads() == 3
    hadamard.set_num_threads(before)
    with pytest.raises(ValueError, match="at least 1 thread"):
        hadamard.set_num_threads(0)
