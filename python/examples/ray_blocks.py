"""A sum of products over blocks in Ray's object store, each read where it lies.

pip install ray
python examples/ray_blocks.py                 8 blocks of 16 MiB
python examples/ray_blocks.py --blocks 64
"""

import argparse
import os
import time

import numpy as np
import ray

import hadamard


def private_memory():
    """Bytes that only this process has, which those of the object store are not."""
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) << 10 for line in file if line.startswith("Private"))


@ray.remote
def part(a, b):
    return hadamard.evaluate("sum(a * b, 0)", a=a, b=b)


@ray.remote
def einsum(a, b):
    return np.einsum("ij,ij->j", a, b)


@ray.remote
def total(*parts):
    return np.sum(parts, axis=0, dtype="f8")


@ray.remote
def grown(a, b):
    """Bytes of its own that a worker takes while it computes, and the threads it computes on."""
    assert not a.flags.writeable and not a.flags.owndata, "arrays of the object store are read where they lie"
    hadamard.evaluate("sum(a * b, 0)", a=a[:1], b=b[:1])
    before = private_memory()
    hadamard.evaluate("sum(a * b, 0)", a=a, b=b)
    return private_memory() - before, hadamard.num_threads()


def tree(parts, width=4):
    """Adds up in groups, so that no process holds more than `width` of them."""
    while len(parts) > 1:
        parts = [total.remote(*parts[i : i + width]) for i in range(0, len(parts), width)]
    return ray.get(parts[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--rows", type=int, default=4096, help="of 1,024 float32 each: 4,096 are 16 MiB")
    arguments = parser.parse_args()
    here = os.path.dirname(os.path.dirname(os.path.abspath(hadamard.__file__)))
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}}
    block = arguments.rows * 1024 * 4
    store = 2 * arguments.blocks * block + (256 << 20)
    ray.init(num_cpus=2, object_store_memory=store, include_dashboard=False, runtime_env=environment, log_to_driver=False)
    try:
        random = np.random.default_rng(0)
        want, a, b = np.zeros(1024), [], []
        for _ in range(arguments.blocks):
            x, y = (random.random((arguments.rows, 1024), "f4") for _ in range(2))
            want += np.einsum("ij,ij->j", x, y, dtype="f8")
            a.append(ray.put(x))
            b.append(ray.put(y))
        sizes, threads = zip(*ray.get([grown.remote(x, y) for x, y in zip(a, b)]))
        assert max(sizes) < block, "a block was copied"
        print(f"a worker takes {max(sizes) >> 10} KiB of its own for a block of {block >> 20} MiB, on {max(threads)} thread")
        gib = 2 * arguments.blocks * block / 2**30
        print(f"sum(a * b, 0) over {gib:.2f} GiB in the object store, best of 7")
        seconds = {"hadamard": [], "np.einsum": []}
        for _ in range(7):
            for name, function in [("hadamard", part), ("np.einsum", einsum)]:
                start = time.perf_counter()
                result = tree([function.remote(x, y) for x, y in zip(a, b)])
                seconds[name].append(time.perf_counter() - start)
                np.testing.assert_allclose(result, want, rtol=1e-5)
        for name, found in seconds.items():
            print(f"  {name:10} {1e3 * min(found):7.1f} ms, {gib / min(found):5.1f} GiB/s")
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
