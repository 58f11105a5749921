#!/usr/bin/env python3
"""Times the cases of `hadamard bench` in PyTorch (CPU and CUDA), CuPy, JAX, NumPy and numexpr, whichever are installed.

    pip install torch numpy jax numexpr cupy-cuda12x
    python benches/peers/peers.py [--size 4096] [WORD ...]

Prints one line of JSON a case: the median of some runs in ms, the wait for the device inside. Only cases whose line
holds every word. On CUDA also in f16 and bf16, and sums over arrays from four columns to four rows. table.py puts the
lines of all who were measured into one table.
"""
import argparse
import json
import os
import sys
import time

THREADS = os.cpu_count()
arguments = argparse.ArgumentParser()
arguments.add_argument("--size", type=int, default=4096)
arguments.add_argument("words", nargs="*")
ARGS = arguments.parse_args()
N = ARGS.size
ASPECTS = [(N * N // 4, 4), (N * N // 64, 64), (64, N * N // 64), (4, N * N // 4)]


class Peer:
    """A library on a device, and how to wait for it."""

    def __init__(self, who, device, wait=lambda: None, dtype="f32", shape=None):
        self.who, self.device, self.wait = who, device, wait
        self.dtype, self.shape = dtype, list(shape or (N, N))

    def time(self, case, run, suffix="", shape=None, least=0.6):
        line = {"who": self.who + suffix, "device": self.device, "case": case, "dtype": self.dtype,
                "shape": list(shape) if shape else self.shape}
        if not all(word in json.dumps(line) for word in ARGS.words):
            return
        try:
            run(), self.wait(), run(), self.wait()
            times, begin = [], time.perf_counter()
            while len(times) < 7 or time.perf_counter() - begin < least and len(times) < 1000:
                start = time.perf_counter()
                run(), self.wait()
                times.append(1e3 * (time.perf_counter() - start))
            line["ms"] = sorted(times)[len(times) // 2]
        except Exception as error:  # out of memory, no compiler here: the other cases go on
            line["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps(line), flush=True)


def pytorch(device):
    import torch
    torch.set_num_threads(THREADS)
    who = f"PyTorch {torch.__version__}"
    cuda = device == "cuda"
    wait = torch.cuda.synchronize if cuda else lambda: None
    kinds = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
    for name, dtype in kinds.items() if cuda else [("f32", torch.float32)]:
        peer = Peer(who, "gpu" if cuda else "cpu", wait, name)
        rand = lambda *shape: (torch.rand(*shape, device=device) + 0.5).to(dtype)
        square(torch, peer, rand)
        if cuda:
            for shape in ASPECTS:
                sums(torch, Peer(who, "gpu", wait, name, shape), rand(*shape), rand(*shape))
        if name == "f32":
            extras(torch, peer, rand)
    if cuda:
        print(json.dumps({"who": "machine", "device": "gpu", "name": torch.cuda.get_device_name()}), flush=True)


def sums(torch, peer, a, b):
    peer.time("(a*b).sum(0)", lambda: (a * b).sum(0))
    peer.time("(a*b).sum(1)", lambda: (a * b).sum(1))
    peer.time("(a*b).sum()", lambda: (a * b).sum())
    peer.time("einsum ik,ik->k", lambda: torch.einsum("ik,ik->k", a, b))
    rows = a.shape[0]
    i = torch.arange(rows, device=a.device) * 7919 % rows
    peer.time("a[i]", lambda: a[i])
    peer.time("(a[i]*b).sum(1)", lambda: (a[i] * b).sum(1))
    for case, f in [("(a*b).sum(0)", lambda a, b: (a * b).sum(0)), ("(a*b).sum(1)", lambda a, b: (a * b).sum(1)),
                    ("(a*b).sum()", lambda a, b: (a * b).sum())]:
        compiled = torch.compile(f)
        peer.time(case, lambda: compiled(a, b), " compile")


def square(torch, peer, rand):
    a, b, w, out = rand(N, N), rand(N, N), rand(N, N), rand(N, N)
    row, column, channel = rand(1, N), rand(N, 1), rand(4, 1, 1)
    t = peer.time
    t("copy", lambda: out.copy_(a))
    t("a*b", lambda: torch.mul(a, b, out=out), " out=")
    t("a*b", lambda: a * b)
    t("a*row", lambda: torch.mul(a, row, out=out), " out=")
    t("a*column", lambda: torch.mul(a, column, out=out), " out=")
    planes = a.view(4, N // 4, N)
    t("a*channel", lambda: torch.mul(planes, channel, out=out.view(4, N // 4, N)), " out=")
    t("a*0.7", lambda: torch.mul(a, 0.7, out=out), " out=")
    t("a*b.T", lambda: torch.mul(a, b.T, out=out), " out=")
    t("w*a+(1-w)*b", lambda: w * a + (1 - w) * b)
    sums(torch, peer, a, b)
    compiled = torch.compile(lambda w, a, b: w * a + (1 - w) * b)
    t("w*a+(1-w)*b", lambda: compiled(w, a, b), " compile")

    weight = w.clone().requires_grad_()

    def loss_and_gradient():
        weight.grad = None
        (weight * a + (1 - weight) * b - out).square().sum().backward()
    t("w*a+(1-w)*b, loss and gradient", loss_and_gradient)

    def step(make):
        parameter = torch.nn.Parameter(w.clone())
        parameter.grad = b.clone()
        return make([parameter]).step
    t("sgd", step(lambda p: torch.optim.SGD(p, lr=0.01, fused=True)), " fused")
    t("momentum", step(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, fused=True)), " fused")
    t("adam", step(lambda p: torch.optim.Adam(p, fused=True)), " fused")
    t("adamw", step(lambda p: torch.optim.AdamW(p, fused=True)), " fused")


def extras(torch, peer, rand):
    """Matrix products, many small tensors, and the way to the device."""
    for k in [256, 1024]:
        x, y = rand(k, k), rand(k, k)
        peer.time(f"einsum ik,kj->ij, {k}", lambda: torch.einsum("ik,kj->ij", x, y))
    parameters = [torch.nn.Parameter(rand(4096)) for _ in range(1000)]
    for p in parameters:
        p.grad = rand(4096)
    peer.time("adam, 1,000 of 4,096", torch.optim.Adam(parameters, fused=True).step, " fused", shape=(1000, 4096))
    x, y = rand(1024), rand(1024)

    def steps():
        for _ in range(100):
            x.copy_(x * 0.5 + y)
    peer.time("100 steps of 1,024 elements", steps)
    peer.time("1,024 elements and back", lambda: (x * y).cpu())
    host, there = torch.rand(N, N), rand(N, N)
    peer.time("upload", lambda: host.to(there.device, copy=True))
    peer.time("read back", lambda: there.to("cpu", copy=True))


def cupy():
    import cupy
    peer = Peer(f"CuPy {cupy.__version__}", "gpu", cupy.cuda.Device().synchronize)
    a, b, w = (cupy.random.rand(N, N, dtype=cupy.float32) for _ in range(3))
    out, row = cupy.empty_like(a), a[:1].copy()
    peer.time("copy", lambda: cupy.copyto(out, a))
    peer.time("a*b", lambda: cupy.multiply(a, b, out=out), " out=")
    peer.time("a*row", lambda: cupy.multiply(a, row, out=out), " out=")
    fused = cupy.fuse(lambda w, a, b: w * a + (1 - w) * b)
    peer.time("w*a+(1-w)*b", lambda: fused(w, a, b), " fuse")
    product = cupy.ReductionKernel("T x, T y", "T z", "x * y", "a + b", "z = a", "0", "product_sum")
    peer.time("(a*b).sum(0)", lambda: product(a, b, axis=0), " kernel")
    peer.time("(a*b).sum(1)", lambda: product(a, b, axis=1), " kernel")
    peer.time("(a*b).sum()", lambda: product(a, b), " kernel")
    peer.time("einsum ik,ik->k", lambda: cupy.einsum("ik,ik->k", a, b))


def numpy():
    import numpy as np
    peer = Peer(f"NumPy {np.__version__}", "cpu")
    a, b, w = (np.random.rand(N, N).astype("f4") for _ in range(3))
    out = np.empty_like(a)
    peer.time("copy", lambda: np.copyto(out, a))
    peer.time("a*b", lambda: np.multiply(a, b, out=out), " out=")
    peer.time("a*row", lambda: np.multiply(a, a[:1], out=out), " out=")
    peer.time("w*a+(1-w)*b", lambda: w * a + (1 - w) * b)
    peer.time("(a*b).sum(0)", lambda: (a * b).sum(0))
    peer.time("(a*b).sum(1)", lambda: (a * b).sum(1))
    peer.time("(a*b).sum()", lambda: np.dot(a.ravel(), b.ravel()), " dot")
    peer.time("einsum ik,ik->k", lambda: np.einsum("ik,ik->k", a, b))


def jax():
    import jax
    import jax.numpy as jnp
    device = "gpu" if jax.default_backend() == "gpu" else "cpu"
    peer = Peer(f"JAX {jax.__version__} jit", device)
    a, b, w = (jax.random.uniform(jax.random.key(i), (N, N)) for i in range(3))
    for case, f, arguments in [
        ("a*b", lambda a, b: a * b, (a, b)),
        ("a*row", lambda a, b: a * b[:1], (a, b)),
        ("w*a+(1-w)*b", lambda w, a, b: w * a + (1 - w) * b, (w, a, b)),
        ("(a*b).sum(0)", lambda a, b: (a * b).sum(0), (a, b)),
        ("(a*b).sum(1)", lambda a, b: (a * b).sum(1), (a, b)),
        ("(a*b).sum()", lambda a, b: (a * b).sum(), (a, b)),
        ("einsum ik,ik->k", lambda a, b: jnp.einsum("ik,ik->k", a, b), (a, b)),
    ]:
        compiled = jax.jit(f)
        peer.time(case, lambda: compiled(*arguments).block_until_ready())


def numexpr():
    import numexpr
    import numpy as np
    numexpr.set_num_threads(THREADS)
    peer = Peer(f"numexpr {numexpr.__version__}", "cpu")
    a, b, w = (np.random.rand(N, N).astype("f4") for _ in range(3))
    names, out = {"a": a, "b": b, "w": w}, np.empty_like(a)
    one = np.float32(1)
    peer.time("copy", lambda: numexpr.evaluate("a", local_dict=names, out=out))
    peer.time("a*b", lambda: numexpr.evaluate("a * b", local_dict=names, out=out))
    peer.time("w*a+(1-w)*b", lambda: numexpr.evaluate("w * a + (one - w) * b", {**names, "one": one}, out=out))
    peer.time("(a*b).sum(0)", lambda: numexpr.evaluate("sum(a * b, axis=0)", local_dict=names), least=0.0)


def main():
    for peer in [numpy, numexpr, jax, lambda: pytorch("cpu"), cupy]:
        try:
            peer()
        except Exception as error:  # not installed, or no CUDA: the others go on
            print(f"left out: {error}", file=sys.stderr)
    try:
        import torch
        if torch.cuda.is_available():
            pytorch("cuda")
    except ImportError:
        pass


main()
