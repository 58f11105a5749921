"""The steps that `cargo bench --bench training` times, in PyTorch on the CPU: eager, with foreach and fused optimizers, and
compiled where there is a C++ compiler.

    python benches/peers/training.py [WORD ...]

Only cases whose name holds every word. OMP_NUM_THREADS sets the threads, as HADAMARD_NUM_THREADS does for `cargo bench`.
"""
import sys
import time
import torch
import torch.nn.functional as F

STEPS, ROUNDS = 30, 12


def least(what, step):
    for _ in range(20):
        step(0)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for i in range(STEPS):
            step(i)
        best = min(best, (time.perf_counter() - start) / STEPS)
    print(f"{what:<40} {best * 1e6:9.2f} us", flush=True)


def attempt(what, make):
    if not all(word in what for word in sys.argv[1:]):
        return
    try:
        least(what, make())
    except Exception as error:
        print(f"{what:<40} {type(error).__name__}: {str(error).splitlines()[0][:100]}")


def digits(compiled=False, **options):
    torch.manual_seed(1)
    x, y = torch.randn(1500, 64) * 0.1, torch.arange(1500) % 10
    params = [torch.nn.Parameter(torch.randn(s) * 0.1) for s in [(64, 64), (64,), (10, 64), (10,)]]
    w1, b1, w2, b2 = params
    batches = [(torch.arange(50) * 29 + k * 50) % 1500 for k in range(30)]
    opt = torch.optim.Adam(params, lr=3e-3, **options)

    def forward(batch):
        return F.cross_entropy(F.linear(F.relu(F.linear(x[batch], w1, b1)), w2, b2), y[batch])

    def step(batch):
        opt.zero_grad()
        loss = forward(batch)
        loss.backward()
        opt.step()
        return loss

    if compiled == "loss":
        forward = torch.compile(forward)
    whole = torch.compile(step) if compiled == "step" else step
    return lambda i: whole(batches[i % 30])


def thousand(**options):
    torch.manual_seed(1)
    shapes = [(3,), (2, 5), (), (4, 1, 3), (7, 7), (1, 128)]
    params = [torch.nn.Parameter(torch.randn(shapes[i % 6])) for i in range(1000)]
    # The clip writes into them; the work stays the same once their norm is 1.
    for p in params:
        p.grad = torch.randn(p.shape)
    opt = torch.optim.Adam(params, **options)

    def step(_):
        torch.nn.utils.clip_grad_norm_(params, 1.0, foreach=True)
        opt.step()
        with torch.no_grad():
            torch._foreach_clamp_min_(params, -2.0)
            torch._foreach_clamp_max_(params, 2.0)

    return step


if __name__ == "__main__":
    print("PyTorch", torch.__version__, "threads", torch.get_num_threads())
    for name, options in [("", {"foreach": False}), (", foreach", {"foreach": True}), (", fused", {"fused": True})]:
        attempt(f"digits, eager{name}", lambda: digits(**options))
    attempt("digits, compiled loss, fused", lambda: digits("loss", fused=True))
    attempt("digits, compiled step", lambda: digits("step"))
    for name, options in [("", {"foreach": False}), (", foreach", {"foreach": True}), (", fused", {"fused": True})]:
        attempt(f"1,000 parameters, eager{name}", lambda: thousand(**options))
