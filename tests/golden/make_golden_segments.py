#!/usr/bin/env python3
"""Writes PyTorch's answers for scatter_reduce, index_reduce, segment_reduce and updates by many indices, in the form of
make_golden_wide.py, and their gradients, in that of gradients.json:

    pip install torch safetensors numpy
    python make_golden_segments.py OUT_DIR [--seed 23]

OUT_DIR then holds segments.json and segments.safetensors. A row that has "loss" is about gradients.
"""
import torch
from make_golden_losses import write

REDUCE = {"sum": "sum", "mean": "mean", "max": "max", "min": "min"}


def segment(reduce):
    def f(x, ids, n):
        order = torch.argsort(ids, stable=True)
        return torch.segment_reduce(x[order], reduce, lengths=torch.bincount(ids.long(), minlength=n), axis=0)
    return f


def namespace(tensors):
    own = {n: getattr(torch, n) for n in ("scatter_reduce", "index_reduce", "index_add", "index_copy", "index_fill", "scatter_add", "scatter", "gather", "sum", "exp")}
    return {**own, **{f"segment_{n}": segment(of) for n, of in REDUCE.items()}, "torch": torch, **tensors}


def cases():
    r, values, gradients = torch.randn, [], []
    # None of the targets is named twice, some are, one has all.
    degrees = {"none": lambda m, n: torch.randperm(n)[:m], "few": lambda m, n: torch.randint(0, n, (m,)), "all": lambda m, n: torch.full((m,), n // 2)}
    reductions = ("sum", "prod", "mean", "amax", "amin")
    for of in degrees.values():
        i = of(13, 17)
        for reduce in reductions:
            for own in ("True", "False"):
                x, s = r(17, 3), r(13, 3)
                values.append((f"index_reduce(x, 0, i, s, '{reduce}', include_self={own})" if reduce != "sum" else f"scatter_reduce(x, 0, i[:, None].expand(13, 3), s, 'sum', include_self={own})", {"x": x, "i": i, "s": s}))
                values.append((f"scatter_reduce(x, 0, i, s, '{reduce}', include_self={own})", {"x": r(17), "i": i, "s": r(13)}))
                e = f"scatter_reduce(x, 1, j, s, '{reduce}', include_self={own})"
                values.append((e, {"x": r(3, 17, 2), "j": torch.stack([of(13, 17) for _ in range(6)]).reshape(3, 2, 13).permute(0, 2, 1).contiguous(), "s": r(3, 13, 2)}))
    for dtype in (torch.float64, torch.float16, torch.int32, torch.int64, torch.int8, torch.uint8):
        for reduce in reductions:
            for own in ("True", "False"):
                # Halves and small whole numbers, of which sums and products are exact.
                x, s = torch.randint(0 if dtype == torch.uint8 else -4, 5, (11,)).to(dtype), torch.randint(0 if dtype == torch.uint8 else -3, 4, (29,)).to(dtype)
                values.append((f"scatter_reduce(x, -1, i, s, '{reduce}', include_self={own})", {"x": x, "i": torch.randint(0, 11, (29,)), "s": s}))
    inf, nan = float("inf"), float("nan")
    odd = torch.tensor([1.0, nan, -2.0, inf, -inf, nan, 3.0, 5.0])
    for reduce in reductions:
        values.append((f"scatter_reduce(x, 0, i, s, '{reduce}')", {"x": torch.zeros(5), "i": torch.tensor([0, 1, 1, 2, 3, 3, 4, 4]), "s": odd}))
        values.append((f"index_reduce(x, -2, i, s, '{reduce}')" if reduce != "sum" else "index_add(x, -2, i, s)", {"x": r(4, 5, 3), "i": torch.randint(0, 5, (9,)), "s": r(4, 9, 3)}))
        values.append((f"scatter_reduce(x, 0, i, s, '{reduce}')", {"x": r(4, 3), "i": torch.zeros(0, 3, dtype=torch.int64), "s": r(2, 3)}))
        # An index smaller than both.
        values.append((f"scatter_reduce(x, 0, i, s, '{reduce}')", {"x": r(6, 5), "i": torch.randint(0, 6, (4, 3)), "s": r(5, 4)}))
    for f in REDUCE:
        for shape in ((23,), (23, 4)):
            values.append((f"segment_{f}(x, i, 6)", {"x": r(*shape), "i": torch.randint(0, 6, (23,))}))
        values.append((f"segment_{f}(x * 2, i, 9)", {"x": r(23), "i": torch.randint(2, 5, (23,))}))
    i, j = torch.randint(0, 200, (400,)), torch.randint(0, 200, (400, 2))
    for e in ("index_add(x, 0, i, s)", "index_add(x * 2, 0, i, exp(s))", "index_fill(x, 0, i, 2.5)", "scatter_add(x, 0, j, s)", "index_add(x, 0, i, s, alpha=-0.5).sum(0)"):
        values.append((e, {"x": r(200, 2), "i": i, "j": j, "s": r(400, 2)}))
    once = torch.randperm(400)[:200]
    for e in ("index_copy(x, 0, i, s)", "scatter(x, 0, j, s)"):
        values.append((e, {"x": r(400, 2), "i": once, "j": torch.stack([once, once.flip(0)], 1), "s": r(200, 2)}))
    i, w, wi = torch.randint(0, 6, (11,)), r(6), r(6, 3)
    tied = torch.tensor([1.0, 2.0, 2.0, 2.0, 0.5, 1.0, 2.0, 0.5, 3.0, 3.0, 1.0])
    zeros = torch.tensor([1.5, 0.0, 2.0, -0.5, 0.0, 1.0, 0.0, -2.0, 3.0, 1.25, 0.0])
    for reduce in reductions:
        for own in ("True", "False"):
            loss = f"sum(w * scatter_reduce(x, 0, i, s, '{reduce}', include_self={own}))"
            gradients.append((loss, ["x", "s"], {"x": r(6), "i": i, "s": r(11), "w": w}))
        gradients.append((f"sum(w * scatter_reduce(x, 0, i, s, '{reduce}'))", ["x", "s"], {"x": torch.tensor([2.0, 3.0, 1.0, 0.5, 0.0, 2.0]), "i": i, "s": tied if reduce != "prod" else zeros, "w": w}))
        gradients.append((f"sum(w * index_reduce(x, 0, i, s, '{reduce}'))" if reduce != "sum" else "sum(w * index_add(x, 0, i, s))", ["x", "s"], {"x": r(6, 3), "i": i, "s": r(11, 3), "w": wi}))
    gradients += [("sum(w * index_add(x, 0, i, s * s))", ["x", "s"], {"x": r(200, 2), "i": torch.randint(0, 200, (400,)), "s": r(400, 2), "w": r(200, 2)}),
                  ("sum(w * index_copy(x, 0, i, s))", ["x", "s"], {"x": r(400, 2), "i": once, "s": r(200, 2), "w": r(400, 2)}),
                  ("sum(exp(gather(x, 0, j)) * s)", ["x", "s"], {"x": r(200, 2), "j": j, "s": r(400, 2)})]
    return values, gradients


def gradient_tol(loss):
    return [1e-5, 1e-5]


if __name__ == "__main__":
    write("segments", 23, cases, namespace, 32, gradient_tol)
