#!/usr/bin/env python3
"""Writes PyTorch's answers for scans, in the form of make_golden_wide.py, and their gradients, in that of gradients.json:

    pip install torch safetensors numpy
    python make_golden_scans.py OUT_DIR [--seed 19]

OUT_DIR then holds scans.json and scans.safetensors. A row that has "loss" is about gradients.
"""
import torch
from make_golden_losses import write


def namespace(tensors):
    scans = {n: getattr(torch, n) for n in ("cumsum", "cumprod", "logcumsumexp", "diff", "sum", "exp")}
    indices = {f"{n}_indices": lambda x, dim, n=n: getattr(torch, n)(x, dim).indices for n in ("cummax", "cummin")}
    values = {n: lambda x, dim, n=n: getattr(torch, n)(x, dim).values for n in ("cummax", "cummin")}
    return {**scans, **indices, **values, "torch": torch, **tensors}


def cases():
    r = torch.randn
    inf, nan = float("inf"), float("nan")
    tied = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 9, 0, 9])
    odd = torch.tensor([1.0, nan, 2.0, inf, -inf, nan, 3.0])
    low = torch.tensor([-inf, -inf, 0.5, 1000.0, -1000.0, inf, 2.0])
    zeros = r(6, 8)
    zeros[0, 3] = zeros[2, 0] = zeros[2, 5] = zeros[4, 7] = zeros[5, 3] = 0
    values, gradients = [], []
    shapes = {"v": r(17), "m": r(13, 9), "c": r(4, 30, 3), "e": r(0, 3), "o": r(1, 5), "s": torch.tensor(2.5)}
    for name, x in shapes.items():
        for dim in range(-1, max(x.dim(), 1)):
            for f in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "cummax_indices", "cummin_indices"):
                values.append((f"{f}({name}, {dim})", {name: x}))
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float64):
        for f in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "cummax_indices", "cummin_indices"):
            values.append((f"{f}(x, 0)", {"x": (tied % 3 if f == "cumprod" else tied).to(dtype)}))
    for x in (tied, odd, low):
        for f in ("cumsum", "cummax", "cummin", "logcumsumexp", "cummax_indices", "cummin_indices"):
            values.append((f"{f}(x, dim=0)", {"x": x}))
    for e in ("cumsum(m, dim=0, dtype=torch.float64)", "cumsum(m * 2 - 1, 1)", "m.cumsum(0).sum(1)", "m.T.cumsum(1)", "cumsum(m, 1)[:, -1]", "diff(m)", "diff(m, n=2, dim=0)",
              "diff(cumsum(m, 0), dim=0)", "cumsum(m, 2)", "cumsum(m > 0, 0)", "exp(m).cumprod(1) + 1", "torch.cumsum(m, -2)", "cumsum(m[:, ::2], 1)", "cumsum(m.flip(0), 0).flip(0)"):
        values.append((e, {"m": shapes["m"]}))
    w = r(6, 8)
    for f in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        for dim in (0, 1):
            gradients.append((f"sum(w * {f}(x, {dim}))", ["x"], {"x": r(6, 8), "w": w}))
    gradients += [(f"sum(w * cumprod(x, {dim}))", ["x"], {"x": zeros, "w": w}) for dim in (0, 1)]
    gradients += [("sum(w * cumsum(x * x, 1) * cumprod(x, 0))", ["x"], {"x": r(6, 8), "w": w}),
                  ("sum(w * logcumsumexp(10 * x, 0))", ["x", "w"], {"x": r(6, 8), "w": w}),
                  ("sum(cummax(x, 0) * x)", ["x"], {"x": torch.tensor([1.0, 3.0, 3.0, 2.0, 3.0, 5.0])}),
                  ("sum(w * diff(x, dim=0))", ["x"], {"x": r(7, 8), "w": w})]
    return values, gradients


def gradient_tol(loss):
    # An exponent near 30 is off by 30 eps, and by as much each of a handful of terms 10 times as large as a weight.
    return [2e-4 if "logcumsumexp(10" in loss else 1e-5, 1e-5]


if __name__ == "__main__":
    write("scans", 19, cases, namespace, 32, gradient_tol)
