"""PyTorch and JAX over the cases of benches/losses.rs: `python losses.py [ROUNDS]`.

Prints for each case least time and median in ms of JAX, PyTorch, and PyTorch compiled, those that are there. OMP_NUM_THREADS
says how many threads.
"""

import os
import sys
import time

import numpy as np

RUNS = 3
IMAGES, ROWS = (16, 64, 128, 128), (8192, 1024)
rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
rng = np.random.default_rng(1)


def random(*shape):
    return rng.random(shape, dtype="f4")


a, b, target = random(*IMAGES), random(*IMAGES), random(*IMAGES)
x, up, gain, bias = random(*ROWS), random(*ROWS), random(ROWS[1]), random(ROWS[1])
labels = np.arange(ROWS[0]) * 37 % ROWS[1]
weights = {
    "every weight": IMAGES,
    "one weight": (1, 1, 1, 1),
    "channels": (1, 64, 1, 1),
    "instances": (16, 1, 1, 1),
}


def square_of_combination(w, a, b, target):
    return ((w * a + (1 - w) * b - target) ** 2).sum()


def square_of_scaled(w, gain, a, b, target):
    return (((w * a + (1 - w) * b) * gain - target) ** 2).sum()


def cases(softmax, layer_norm, cross_entropy, grad, value_and_grad):
    """Each name, function and arguments, of what a library calls its functions."""
    for name, shape in weights.items():
        yield name, value_and_grad(square_of_combination, 0), (random(*shape), a, b, target)
    both = random(1, 64, 1, 1), random(16, 1, 1, 1), a, b, target
    yield "channels and instances", value_and_grad(square_of_scaled, (0, 1)), both
    yield "softmax", softmax, (x,)
    yield "softmax, gradient", grad(lambda x, up: (softmax(x) * up).sum(), 0), (x, up)
    yield "layer norm", layer_norm, (x, gain, bias)
    yield (
        "layer norm, gradients",
        grad(lambda x, g, b, up: (layer_norm(x, g, b) * up).sum(), (0, 1, 2)),
        (x, gain, bias, up),
    )
    yield "cross-entropy", cross_entropy, (x, labels)
    yield "cross-entropy and gradient", value_and_grad(cross_entropy, 0), (x, labels)


def jax_runs():
    os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}")
    import jax
    import jax.numpy as jnp

    def softmax(x):
        return jax.nn.softmax(x, 1)

    def layer_norm(x, gain, bias):
        mean = x.mean(1, keepdims=True)
        variance = ((x - mean) ** 2).mean(1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * gain + bias

    def cross_entropy(x, labels):
        return -jnp.take_along_axis(jax.nn.log_softmax(x, 1), labels[:, None], 1).mean()

    for name, f, args in cases(softmax, layer_norm, cross_entropy, jax.grad, jax.value_and_grad):
        f, args = jax.jit(f), [jnp.asarray(arg) for arg in args]
        yield name, lambda f=f, args=args: jax.block_until_ready(f(*args))


def torch_runs(compiled):
    import torch

    torch.set_num_threads(threads)
    functional = torch.nn.functional

    def softmax(x):
        return torch.softmax(x, 1)

    def layer_norm(x, gain, bias):
        return functional.layer_norm(x, (ROWS[1],), gain, bias, 1e-5)

    for name, f, args in cases(
        softmax, layer_norm, functional.cross_entropy, torch.func.grad, torch.func.grad_and_value
    ):
        f, args = torch.compile(f) if compiled else f, [torch.from_numpy(arg) for arg in args]
        yield name, lambda f=f, args=args: f(*args)


def times(runs):
    """Least and median of each case of a library, in ms; none of a library that is not there."""
    try:
        runs = dict(runs)
    except ImportError:
        return {}
    found = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            for _ in range(RUNS):
                start = time.perf_counter()
                run()
                found[name].append((time.perf_counter() - start) * 1e3)
    return {name: (min(times), sorted(times)[len(times) // 2]) for name, times in found.items()}


columns = {"JAX": times(jax_runs()), "PyTorch": times(torch_runs(False)), "compiled": times(torch_runs(True))}
columns = {name: column for name, column in columns.items() if column}
print(" " * 28 + "".join(f"{name:>20}" for name in columns))
for name in next(iter(columns.values()), {}):
    print(f"{name:28}" + "".join("{:10.2f}{:10.2f}".format(*column[name]) for column in columns.values()))
