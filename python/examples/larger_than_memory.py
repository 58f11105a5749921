"""Files larger than the memory of the workers: a sum of products, a blend into a third file, and a fit of weights.

Two .npy files are mapped by the tasks that read them, on two processes of one thread and 1 GiB each. Every answer is checked,
and every figure stands beside read() alone, NumPy and numexpr on the same cluster.

    python examples/larger_than_memory.py            two files of 64 MiB
    python examples/larger_than_memory.py --gib 10   two files of 5 GiB, and 5 GiB more for the result
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import dask
import numpy as np
from distributed import Client, LocalCluster, wait

import hadamard
from hadamard.dask import evaluate, from_npy

CHANNELS = 1024
ROW = 4 * CHANNELS
WEIGHT = 0.25


def make_files(a_path, b_path, rows, step):
    """Writes a, and b = w * a + noise with a weight w for each channel; returns sum(a * b, 0) and sum(a * a, 0) in float64."""
    random = np.random.default_rng(0)
    weights = random.random(CHANNELS, "f4")
    files = [np.lib.format.open_memmap(path, "w+", "f4", (rows, CHANNELS)) for path in (a_path, b_path)]
    products, squares = np.zeros(CHANNELS), np.zeros(CHANNELS)
    for start in range(0, rows, step):
        a = random.random((min(step, rows - start), CHANNELS), "f4") + np.float32(0.5)
        b = weights * a + np.float32(0.01) * a[::-1]
        files[0][start : start + step], files[1][start : start + step] = a, b
        products += np.einsum("ij,ij->j", a, b, dtype="f8")
        squares += np.einsum("ij,ij->j", a, a, dtype="f8")
    for file in files:
        file.flush()
    return products, squares


def mapped(path, start, stop, mode="r"):
    return np.load(path, mmap_mode=mode)[start:stop]


def read(path, start, stop):
    """Reads rows with read() alone, into memory that is used again."""
    buffer = bytearray(8 << 20)
    with open(path, "rb", buffering=0) as file:
        file.seek(128 + start * ROW)
        left = (stop - start) * ROW
        while left:
            left -= file.readinto(memoryview(buffer)[: min(left, len(buffer))])


def blend(paths, start, stop, how):
    """Rows of w * a + (1 - w) * b, written where they belong in the third file."""
    a, b = (mapped(path, start, stop) for path in paths[:2])
    out = mapped(paths[2], start, stop, "r+")
    if how == "hadamard":
        hadamard.evaluate("w * a + (1 - w) * b", a=a, b=b, w=WEIGHT, out=out)
    elif how == "numexpr":
        import numexpr

        numexpr.evaluate("w * a + (1 - w) * b", {"a": a, "b": b, "w": np.float32(WEIGHT)}, out=out)
    else:
        out[:] = WEIGHT * a + (1 - WEIGHT) * b


def numexpr_sum(a, b):
    import numexpr

    return numexpr.evaluate("sum(a * b, 0)", {"a": a, "b": b})[None]


def einsum(a, b):
    return np.einsum("ij,ij->j", a, b)[None]


def peak_memory():
    """The most memory that this process has had in RAM, mapped pages included, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")


def evict(*paths):
    """Has the operating system forget the pages of files that it keeps in memory."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(label, gib, work, repeat):
    best = min(_seconds(work) for _ in range(repeat))
    print(f"  {label:42} {best:8.2f} s {gib / best:7.2f} GiB/s", flush=True)
    return best


def _seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, default=0.125, help="of both files together")
    parser.add_argument("--steps", type=int, default=100, help="of gradient descent")
    parser.add_argument(
        "--chunk-mib", type=int, default=64, help="of each file that a task maps: three are at most a fifth of 1 GiB"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--directory", help="where the files are made")
    arguments = parser.parse_args()
    rows, step = int(arguments.gib * 2**29) // ROW, arguments.chunk_mib * 2**20 // ROW
    gib = 2 * rows * ROW / 2**30
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        paths = [str(Path(directory) / f"{name}.npy") for name in ("a", "b", "blend")]
        products, squares = make_files(*paths[:2], rows, step)
        print(
            f"two files of [{rows}, {CHANNELS}] f32, {gib:.2f} GiB together, in chunks of {arguments.chunk_mib} MiB", flush=True
        )
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, memory_limit="1GiB", dashboard_address=None)
        with dask.config.set({"array.slicing.split_large_chunks": False}), cluster, Client(cluster) as client:
            run(client, paths, rows, step, gib, products, squares, arguments)


def run(client, paths, rows, step, gib, products, squares, arguments):
    a, b = (from_npy(path, (step, CHANNELS)) for path in paths[:2])
    slices = [(start, min(start + step, rows)) for start in range(0, rows, step)]
    repeat = arguments.repeat

    def reads():
        done = [client.submit(read, path, *rows, pure=False) for rows in slices for path in paths[:2]]
        wait(done)
        assert all(future.status == "finished" for future in done)

    def sums(how):
        if how == "hadamard":
            result = evaluate("sum(a * b, 0)", a=a, b=b, split_every=16)
        elif how == "numpy":
            result = (a * b).sum(0, split_every=16)
        else:
            part = {"numexpr": numexpr_sum, "einsum": einsum}[how]
            partials = a.map_blocks(part, b, chunks=((1,) * a.numblocks[0], a.chunks[1]), dtype="f4", meta=np.empty((0, 0), "f4"))
            result = partials.sum(0, split_every=16)
        np.testing.assert_allclose(result.compute(), products, rtol=1e-4)

    print("sum(a * b, 0), warm")
    timed("read() alone, in the same two processes", gib, reads, repeat)
    for how, label in [("hadamard", "hadamard"), ("einsum", "np.einsum a block"), ("numpy", "NumPy"), ("numexpr", "numexpr")]:
        timed(label, gib, lambda how=how: sums(how), 1 if how == "numexpr" else repeat)
    print("sum(a * b, 0), from the disk")
    for label, work in [("read() alone, in the same two processes", reads), ("hadamard", lambda: sums("hadamard"))]:
        evict(*paths[:2])
        timed(label, gib, work, 1)

    print("w * a + (1 - w) * b into a third file")
    for how in ("hadamard", "numexpr", "numpy"):
        np.lib.format.open_memmap(paths[2], "w+", "f4", (rows, CHANNELS)).flush()

        def blends(how=how):
            done = [client.submit(blend, paths, *rows, how, pure=False) for rows in slices]
            wait(done)
            assert all(future.status == "finished" for future in done)

        timed(how, gib * 1.5, blends, repeat)
        for start, stop in slices:
            want = WEIGHT * mapped(paths[0], start, stop) + (1 - WEIGHT) * mapped(paths[1], start, stop)
            np.testing.assert_allclose(mapped(paths[2], start, stop), want, rtol=1e-6)

    print(f"{arguments.steps} steps of fitting {CHANNELS} weights by gradient descent")
    fitted = np.zeros(CHANNELS, "f4")

    def fit():
        for _ in range(arguments.steps):
            slope = evaluate("2 * sum((w * a - b) * a, 0) / n", w=fitted, a=a, b=b, n=rows, split_every=16).compute()
            hadamard.evaluate("w - 0.3 * slope", w=fitted, slope=slope, out=fitted)

    timed("hadamard, all steps", gib * arguments.steps, fit, 1)
    np.testing.assert_allclose(fitted, products / squares, atol=1e-4)
    peaks = client.run(peak_memory)
    print("peak memory of the workers: " + ", ".join(f"{peak:.0f} MiB" for peak in peaks.values()) + " of 1024")
    assert max(peaks.values()) < 1024
    print("all answers are right")


if __name__ == "__main__":
    main()
