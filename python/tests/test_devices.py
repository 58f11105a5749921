"""Other devices, processes and fork."""

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

import hadamard
from hadamard import Expression, evaluate


@pytest.fixture(scope="module")
def gpu():
    # Looked for in a process of its own: who has looked for GPUs cannot fork and use them.
    names = hadamard.devices()
    assert names[-1] == "cpu"
    if len(names) == 1:
        pytest.skip("no GPU adapter")
    return names[0]


def test_arrays_stay_on_a_device(gpu):
    x = np.arange(12, dtype="f4").reshape(3, 4)
    on_gpu = hadamard.to_device(x, gpu)
    assert on_gpu.shape == (3, 4) and on_gpu.dtype == np.float32 and on_gpu.device == gpu and len(on_gpu) == 3
    result = evaluate("sum(x * w, 0)", x=on_gpu, w=2.0)
    assert isinstance(result, hadamard.DeviceArray)
    assert np.array_equal(np.asarray(result), (x * 2).sum(0)) and np.array_equal(result.numpy(), (x * 2).sum(0))
    moved = evaluate("x + 1", x=x, device=gpu)
    assert moved.device == gpu and np.array_equal(np.asarray(moved, "f8"), x + 1)
    assert float(evaluate("sum(x)", x=on_gpu)) == 66
    evaluate("x * 2", x=on_gpu, out=on_gpu)
    assert np.array_equal(on_gpu.numpy(), x * 2)
    slope = Expression("sum(x * x)", device=gpu).grad("x")
    assert np.array_equal(slope(x=x).numpy(), 2 * x)
    with pytest.raises(TypeError, match="to_device"):
        evaluate("x + y", x=on_gpu, y=x)


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="no device matches 'nonesuch'"):
        evaluate("x", x=np.ones(2), device="nonesuch")


def large_sum(_):
    return float(evaluate("sum(x * 2)", x=np.ones(1 << 20, "f4")))


def on_gpu_of_parent(queue, array):
    try:
        queue.put(("no error", float(evaluate("sum(x)", x=array))))
    except Exception as error:
        queue.put((type(error).__name__, str(error)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_evaluates():
    assert large_sum(0) == 2 << 20
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.map_async(large_sum, range(4)).get(120) == [2 << 20] * 4
    assert large_sum(0) == 2 << 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_is_told_that_its_parents_gpu_is_not_there(gpu):
    array = hadamard.to_device(np.ones(4, "f4"), gpu)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=on_gpu_of_parent, args=(queue, array))
    child.start()
    child.join(120)
    kind, text = queue.get()
    assert kind == "RuntimeError" and "forked" in text


@pytest.mark.parametrize("variable", ["HADAMARD_NUM_THREADS", "OMP_NUM_THREADS"])
def test_threads_by_environment(variable):
    script = (
        "import hadamard, numpy, os; hadamard.evaluate('sum(x * 2)', x=numpy.ones(1 << 20, 'f4'));"
        "print(hadamard.num_threads(), len(os.listdir('/proc/self/task')))"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "7", variable: "1"}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    threads, tasks = map(int, found.stdout.split())
    assert threads == 1
    # Of NumPy's and Python's, none of ours.
    assert tasks <= 2


def test_importing_looks_for_no_device():
    script = "import hadamard, sys; sys.exit(any('vulkan' in line or 'libEGL' in line for line in open('/proc/self/maps')))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
