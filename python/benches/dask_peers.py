"""Dask on two processes of one thread each: blocks of two [16384, 16384] float32 arrays, 64 chunks of 16 MiB each.

    python benches/dask_peers.py [--rounds 7]

The blocks lie in the workers before the clock starts, and those that meet lie in the same one. Results stay there. Every
method runs once in each round; the minima and medians are printed, and the ratio of each minimum to hadamard's.
"""

import argparse
import statistics
import time

import dask
import dask.array as da
import numexpr
import numpy as np
from distributed import Client, LocalCluster, wait

import hadamard
from hadamard.dask import evaluate

SIDE, CHUNK, W = 16384, 2048, 0.25


def block(seed):
    return np.random.default_rng(seed).random((CHUNK, CHUNK), "f4")


def numpy_blend(a, b):
    return W * a + (1 - W) * b


def numexpr_blend(a, b):
    return numexpr.evaluate("w * a + (1 - w) * b", {"a": a, "b": b, "w": np.float32(W)})


def einsum_part(a, b):
    return np.einsum("ij,ij->j", a, b)[None]


def numexpr_part(a, b):
    return numexpr.evaluate("sum(a * b, 0)", {"a": a, "b": b})[None]


def placed(client, offset):
    """An array whose block i lies in worker i % 2."""
    workers = sorted(client.scheduler_info()["workers"])
    count = SIDE // CHUNK
    rows = []
    for i in range(count):
        futures = [client.submit(block, offset + i * count + j, workers=[workers[(i * count + j) % 2]]) for j in range(count)]
        wait(futures)
        rows.append([da.from_delayed(future, (CHUNK, CHUNK), "f4") for future in futures])
    return da.block(rows).persist()


def reduced(part, a, b):
    kept = ((1,) * a.numblocks[0], a.chunks[1])
    return a.map_blocks(part, b, chunks=kept, dtype="f4", meta=np.empty((0, 0), "f4")).sum(0, split_every=4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with (
        dask.config.set({"distributed.scheduler.work-stealing": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, memory_limit=0, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        a, b = placed(client, 0), placed(client, 1000)
        threads = set(client.run(hadamard.num_threads).values())
        print(
            f"hadamard {hadamard.__version__} on {threads} thread a worker, NumPy {np.__version__}, numexpr {numexpr.__version__}"
        )
        meta = np.empty((0, 0), "f4")
        tables = {
            "w * a + (1 - w) * b": {
                "hadamard": lambda: evaluate("w * a + (1 - w) * b", a=a, b=b, w=W),
                "NumPy, map_blocks": lambda: a.map_blocks(numpy_blend, b, dtype="f4", meta=meta),
                "NumPy, Dask's operators": lambda: np.float32(W) * a + np.float32(1 - W) * b,
                "numexpr, map_blocks": lambda: a.map_blocks(numexpr_blend, b, dtype="f4", meta=meta),
            },
            "sum(a * b, 0)": {
                "hadamard": lambda: evaluate("sum(a * b, 0)", a=a, b=b, split_every=4),
                'hadamard, einsum("ij,ij->j")': lambda: evaluate('einsum("ij,ij->j", a, b)', a=a, b=b, split_every=4),
                "np.einsum a block": lambda: reduced(einsum_part, a, b),
                "NumPy, Dask's operators": lambda: (a * b).sum(0, split_every=4),
                "numexpr a block": lambda: reduced(numexpr_part, a, b),
            },
            "var(a, 0)": {
                "hadamard": lambda: evaluate("var(a, 0)", a=a, split_every=4),
                "NumPy, Dask's var": lambda: a.var(0, ddof=1, split_every=4),
            },
            "argmax(a * b, 0)": {
                "hadamard": lambda: evaluate("argmax(a * b, 0)", a=a, b=b, split_every=4),
                "NumPy, Dask's argmax": lambda: (a * b).argmax(0, split_every=4),
            },
        }
        for title, methods in tables.items():
            compared(client, title, methods, rounds)


def compared(client, title, methods, rounds):
    seconds = {name: [] for name in methods}
    answers = {}
    for _ in range(rounds):
        for name, make in methods.items():
            start = time.perf_counter()
            result = client.persist(make())
            wait(result)
            seconds[name].append(time.perf_counter() - start)
            answers[name] = result[:1].compute()
            del result
    first, *others = answers.values()
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-4)
    best = min(seconds["hadamard"])
    print(f"\n{title:32}    best  median   ratio of bests")
    for name, found in seconds.items():
        print(
            f"  {name:30} {1e3 * min(found):7.0f} {1e3 * statistics.median(found):7.0f} ms {min(found) / best:7.2f}", flush=True
        )


if __name__ == "__main__":
    main()
