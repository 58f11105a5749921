"""PyTorch, JAX and numexpr over benches/language.txt: `python language.py [SIDE] [ROUNDS]`.

Prints for each row its text, and least time and median in ms of each library that is there. OMP_NUM_THREADS says how many
threads.
"""

import os
import pathlib
import re
import sys
import time

import numpy as np

RUNS = 5
numbers = [int(word) for word in sys.argv[1:]]
side, rounds = (numbers + [4096, 6][len(numbers):])[:2]
n, threads = side * side, int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
rng = np.random.default_rng(1)


def square(low, high, dtype, shape=(side, side)):
    return rng.integers(low, high, shape).astype(dtype)


arrays = {
    "a": square(1, 1 << 20, "f4"), "b": square(7, 1 << 19, "f4"),
    "i": square(-(1 << 30), 1 << 30, "i4"), "j": square(1, 1001, "i4"),
    "k": square(-(1 << 39), 1 << 39, "i8"), "m": square(1, 100001, "i8"),
    "p": square(0, 200, "u1"), "q": square(0, 50, "u1"),
    "r64": square(1, 1 << 20, "f4", (n // 64, 64)), "v64": square(1, 1 << 20, "f4", (n // 64, 64)),
    "r1024": square(1, 1 << 20, "f4", (n // 1024, 1024)),
    "x64": rng.integers(0, n // 64, n // 64), "x1024": rng.integers(0, n // 1024, n // 1024),
    "y": rng.integers(0, 1000, n // 8), "z": rng.integers(0, 100000, n // 8), "w": square(1, 1 << 20, "f4", n // 8),
    "c": np.zeros(1000, "f4"), "d": np.zeros(100000, "f4"),
}


def torch_runs(texts):
    import torch

    torch.set_num_threads(threads)
    names = {name: torch.from_numpy(x) for name, x in arrays.items()} | {"torch": torch}
    for text, code in texts.items():
        plain = code.replace(", out=o", "").replace("o.copy_(a)", "a.clone()")
        names["o"] = eval(plain, names)
        run = eval(f"lambda: {code}", dict(names))
        yield text, run


def jax_runs(texts):
    os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}")
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    names = {name: jnp.asarray(x) for name, x in arrays.items()}
    for text, code in texts.items():
        words = re.findall(r"\w+", code)
        used = [name for name in names if name in words]
        call = jax.jit(eval(f"lambda {', '.join(used)}: {code}", {"jnp": jnp}))
        values = [names[name] for name in used]
        yield text, lambda call=call, values=values: call(*values).block_until_ready()


def numexpr_runs(texts):
    import numexpr

    numexpr.set_num_threads(threads)
    for text, code in texts.items():
        out = numexpr.evaluate(code, arrays)
        yield text, lambda code=code, out=out: numexpr.evaluate(code, arrays, out=out)


rows = [line.split("; ") for line in (pathlib.Path(__file__).parent.parent / "language.txt").read_text().splitlines()
        if not line.startswith("#")]
found = {}
for column, (name, runs) in enumerate([("torch", torch_runs), ("jax", jax_runs), ("numexpr", numexpr_runs)], 1):
    try:
        found[name] = list(runs({row[0]: row[column] for row in rows if row[column] != "-"}))
    except ImportError as missing:
        print(missing, file=sys.stderr)
times = {}
for _ in range(rounds):
    for name, runs in found.items():
        for text, run in runs:
            run()
            for _ in range(RUNS):
                start = time.perf_counter()
                run()
                times.setdefault((text, name), []).append((time.perf_counter() - start) * 1e3)
for text, *_ in rows:
    cells = [(name, sorted(times[text, name])) for name in found if (text, name) in times]
    print(f"{text:28}", *[f"{name} {t[0]:.3f} {t[len(t) // 2]:.3f}" for name, t in cells])
