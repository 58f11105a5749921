#!/usr/bin/env python3
"""Times what benches/cpu.rs times in PyTorch, NumPy, JAX and numexpr, whichever are installed.

    pip install torch numpy jax numexpr
    python benches/peers/peers.py [part of a name]

Prints one line a case: the median and the fastest of some runs, in ms. Run it beside `cargo bench --bench cpu`, on an
idle machine, and compare within one run. With a CUDA device, PyTorch's cases run there too.
"""
import os
import sys
import time

N = 4096
THREADS = os.cpu_count()
ONLY = sys.argv[1] if len(sys.argv) > 1 else ""


def time_it(who, name, run, wait=lambda: None, least=0.6):
    label = f"{name:44} {who}"
    if ONLY not in label:
        return
    run(), wait()
    times, begin = [], time.perf_counter()
    while len(times) < 7 or time.perf_counter() - begin < least:
        start = time.perf_counter()
        run(), wait()
        times.append(1e3 * (time.perf_counter() - start))
        if len(times) >= 1000:
            break
    times.sort()
    print(f"{label:64} median {times[len(times) // 2]:9.3f} ms, fastest {times[0]:9.3f} ms", flush=True)


def pytorch(device):
    import torch
    torch.set_num_threads(THREADS)
    who = f"PyTorch {torch.__version__} {device}"
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    rand = lambda *shape: torch.rand(*shape, device=device)
    t = lambda name, run, suffix="": time_it(who + suffix, name, run, wait)

    a, b, w, out = rand(N, N), rand(N, N), rand(N, N), rand(N, N)
    t("copy", lambda: out.copy_(a))
    t("a*b", lambda: torch.mul(a, b, out=out), " out=")
    t("w*a + (1-w)*b", lambda: w * a + (1 - w) * b)
    t("(a*b).sum(0)", lambda: (a * b).sum(0))
    t("(a*b).sum(1)", lambda: (a * b).sum(1))
    t("(a*b).sum(..)", lambda: (a * b).sum())
    t("dot", lambda: torch.dot(a.view(-1), b.view(-1)))
    t("einsum ik,ik->k", lambda: torch.einsum("ik,ik->k", a, b))
    for name, f in [("(a*b).sum(0)", lambda a, b: (a * b).sum(0)), ("(a*b).sum(1)", lambda a, b: (a * b).sum(1)),
                    ("(a*b).sum(..)", lambda a, b: (a * b).sum())]:
        try:
            compiled = torch.compile(f)
            t(name, lambda: compiled(a, b), " compile")
        except Exception as error:  # no compiler here
            print(f"{name}: torch.compile: {str(error).splitlines()[0]}")
    for equation, x, y in [("ik,kj->ij", (1024, 1024), (1024, 1024)), ("ik,jk->ij", (1024, 1024), (1024, 1024)),
                           ("ki,kj->ij", (1024, 1024), (1024, 1024)), ("ik,kj->ij", (4096, 4096), (4096, 64)),
                           ("ik,jk->ij", (64, 1 << 18), (64, 1 << 18)), ("ik,kj->ij", (128, 128), (128, 128))]:
        x, y = rand(*x), rand(*y)
        t(f"einsum {equation} {list(x.shape)} {list(y.shape)}", lambda: torch.einsum(equation, x, y))

    def adam(shapes):
        parameters = [torch.nn.Parameter(rand(*shape)) for shape in shapes]
        for p in parameters:
            p.grad = rand(*p.shape)
        return torch.optim.Adam(parameters, fused=True)
    t("adam 16M", adam([(N, N)]).step, " fused")
    t("adam 1,000 of 4,096", adam([(4096,)] * 1000).step, " fused")

    a, b, target = rand(3, 512, 512), rand(3, 512, 512), rand(3, 512, 512)
    w = torch.nn.Parameter(rand(3, 1, 1))
    optimizer = torch.optim.Adam([w])

    def step():
        optimizer.zero_grad()
        (w * a + (1 - w) * b - target).square().mean().backward()
        optimizer.step()
    t("train channel weights [3, 512, 512]", step, " eager")


def numpy():
    import numpy as np
    a, b = np.random.rand(N, N).astype("f4"), np.random.rand(N, N).astype("f4")
    who = f"NumPy {np.__version__}"
    time_it(who, "einsum ik,ik->k", lambda: np.einsum("ik,ik->k", a, b))
    time_it(who, "(a*b).sum(0)", lambda: (a * b).sum(0))


def jax():
    import jax
    import jax.numpy as jnp
    a, b = jnp.asarray(jax.random.uniform(jax.random.key(1), (N, N))), jax.random.uniform(jax.random.key(2), (N, N))
    who = f"JAX {jax.__version__} jit"
    for name, f in [("(a*b).sum(0)", lambda a, b: (a * b).sum(0)), ("(a*b).sum(1)", lambda a, b: (a * b).sum(1)),
                    ("(a*b).sum(..)", lambda a, b: (a * b).sum())]:
        compiled = jax.jit(f)
        time_it(who, name, lambda: compiled(a, b).block_until_ready())


def numexpr():
    import numexpr
    import numpy as np
    a, b, w = (np.random.rand(N, N).astype("f4") for _ in range(3))
    out = np.empty_like(a)
    who = f"numexpr {numexpr.__version__}"
    names = {"a": a, "b": b, "w": w}
    time_it(who, "a*b", lambda: numexpr.evaluate("a * b", local_dict=names, out=out))
    time_it(who, "w*a + (1-w)*b", lambda: numexpr.evaluate("w * a + (1 - w) * b", local_dict=names, out=out))


def main():
    for peer in [numpy, numexpr, jax, lambda: pytorch("cpu")]:
        try:
            peer()
        except ImportError as error:
            print(f"left out: {error}")
    try:
        import torch
        if torch.cuda.is_available():
            pytorch("cuda")
    except ImportError:
        pass


main()
