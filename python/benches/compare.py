"""hadamard beside NumPy, numexpr, PyTorch and JAX, whichever are installed, in one run: best and median of `--repeats`.

    python benches/compare.py [--size 4096] [--repeats 15] [--threads 2]

Each row is measured by turns, one call of each library after the other, so that all meet the same machine.
"""

import argparse
import importlib
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=4096)
parser.add_argument("--repeats", type=int, default=15)
parser.add_argument("--threads", type=int, default=os.cpu_count())
arguments = parser.parse_args()
for variable in ["OMP_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OPENBLAS_NUM_THREADS"]:
    os.environ[variable] = str(arguments.threads)

import numpy as np  # noqa: E402

import hadamard  # noqa: E402

PEERS = {}
for name in ["numexpr", "torch", "jax"]:
    try:
        PEERS[name] = importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed")
ne, torch, jax = (PEERS.get(name) for name in ["numexpr", "torch", "jax"])


def measured(rows, inner):
    times = {name: [] for name in rows}
    for _ in range(arguments.repeats):
        for name, call in rows.items():
            start = time.perf_counter()
            for _ in range(inner):
                call()
            times[name].append((time.perf_counter() - start) / inner)
    return {name: (min(t), sorted(t)[len(t) // 2]) for name, t in times.items()}


def cases(a, b, out):
    """Name of a row, and a call for each library."""
    w = 0.25
    rows = {
        "a*b": {"hadamard": lambda: hadamard.evaluate("a*b", a=a, b=b), "NumPy": lambda: a * b},
        "a*b, out=": {"hadamard": lambda: hadamard.evaluate("a*b", a=a, b=b, out=out),
                      "NumPy": lambda: np.multiply(a, b, out=out)},
        "sum(a*b, 0)": {"hadamard": lambda: hadamard.evaluate("sum(a*b, 0)", a=a, b=b), "NumPy": lambda: (a * b).sum(0),
                        "np.einsum": lambda: np.einsum("...i,...i->" + "i", a, b) if a.ndim == 1 else np.einsum("ij,ij->j", a, b)},
        "w*a+(1-w)*b": {"hadamard": lambda: hadamard.evaluate("w*a+(1-w)*b", a=a, b=b, w=w),
                        "NumPy": lambda: np.float32(w) * a + np.float32(1 - w) * b},
        "sum(a*b)": {"hadamard": lambda: hadamard.evaluate("sum(a*b)", a=a, b=b), "NumPy": lambda: (a * b).sum()},
    }  # fmt: skip
    if a.ndim == 1:
        rows["sum(a*b, 0)"].pop("np.einsum")
    if ne:
        scope = {"a": a, "b": b, "w": np.float32(w), "u": np.float32(1 - w)}
        texts = {"a*b": "a*b", "sum(a*b, 0)": "sum(a*b, axis=0)", "w*a+(1-w)*b": "w*a+u*b", "sum(a*b)": "sum(a*b)"}
        for row, text in texts.items():
            rows[row]["numexpr"] = lambda text=text: ne.evaluate(text, local_dict=scope)
        rows["a*b, out="]["numexpr"] = lambda: ne.evaluate("a*b", local_dict=scope, out=out)
    if torch:
        torch.set_num_threads(arguments.threads)
        ta, tb, to = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(out)
        rows["a*b"]["torch"] = lambda: ta * tb
        rows["a*b, out="]["torch"] = lambda: torch.mul(ta, tb, out=to)
        rows["sum(a*b, 0)"]["torch"] = lambda: (ta * tb).sum(0)
        rows["w*a+(1-w)*b"]["torch"] = lambda: w * ta + (1 - w) * tb
        rows["sum(a*b)"]["torch"] = lambda: (ta * tb).sum()
    if jax:
        ja, jb = jax.numpy.asarray(a), jax.numpy.asarray(b)
        functions = {
            "a*b": jax.jit(lambda a, b: a * b),
            "sum(a*b, 0)": jax.jit(lambda a, b: (a * b).sum(0)),
            "w*a+(1-w)*b": jax.jit(lambda a, b: w * a + (1 - w) * b),
            "sum(a*b)": jax.jit(lambda a, b: (a * b).sum()),
        }
        for row, function in functions.items():
            rows[row]["jax"] = lambda function=function: function(ja, jb).block_until_ready()
    return rows


def table(title, a, b, inner, unit, scale):
    print(f"\n{title}; {unit}, best / median")
    for row, calls in cases(a, b, np.empty_like(a)).items():
        times = measured(calls, inner)
        ours = times["hadamard"][0]
        print(
            f"  {row:14}"
            + "  ".join(
                f"{name} {best * scale:.2f} / {median * scale:.2f}" + ("" if name == "hadamard" else f" ({best / ours:.2f}x)")
                for name, (best, median) in times.items()
            )
        )


random = np.random.default_rng(0)
versions = ", ".join(f"{name} {module.__version__}" for name, module in PEERS.items())
print(f"hadamard {hadamard.__version__}, NumPy {np.__version__}, {versions}; {arguments.threads} threads, float32")
n = arguments.size
table(f"[{n}, {n}]", *(random.random((n, n), "f4") for _ in range(2)), 1, "ms", 1e3)
for few in [1000, 10_000, 100_000]:
    table(f"{few} elements", *(random.random(few, "f4") for _ in range(2)), 2000 if few < 50_000 else 100, "us a call", 1e6)
