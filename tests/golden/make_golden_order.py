#!/usr/bin/env python3
"""Writes PyTorch's answers for the order of elements, in the form of make_golden_wide.py:

    pip install torch safetensors numpy
    python make_golden_order.py OUT_DIR [--seed 11]

OUT_DIR then holds order.json and order.safetensors. Where PyTorch returns elements and their places, the language has a
function for each, so they are two rows here; places are compared where PyTorch says which of equals it takes.
"""
import torch
import make_golden_wide as wide
from make_golden_indexing import write

plain = wide.namespace


def keep(reduced, keepdim, dim):
    return reduced.unsqueeze(dim) if keepdim else reduced


def namespace(inputs, wide):
    ns = plain(inputs, wide)
    ns.update(
        sort=lambda x, dim=-1, descending=False: torch.sort(x, dim=dim, descending=descending, stable=True).values,
        argsort=lambda x, dim=-1, descending=False: torch.sort(x, dim=dim, descending=descending, stable=True).indices,
        msort=torch.msort,
        topk=lambda x, k, dim=-1, largest=True: torch.topk(x, k, dim, largest).values,
        topk_indices=lambda x, k, dim=-1, largest=True: torch.topk(x, k, dim, largest).indices,
        kthvalue=lambda x, k, dim=-1: torch.kthvalue(x, k, dim).values,
        kthvalue_indices=lambda x, k, dim=-1: torch.kthvalue(x, k, dim).indices,
        median=lambda x, dim=None, keepdim=False: torch.median(x) if dim is None else torch.median(x, dim, keepdim).values,
        nanmedian=lambda x, dim=None, keepdim=False: torch.nanmedian(x) if dim is None else torch.nanmedian(x, dim, keepdim).values,
        median_indices=lambda x, dim: torch.median(x, dim).indices,
        quantile=torch.quantile, searchsorted=torch.searchsorted, bucketize=torch.bucketize, histc=torch.histc, take_along_dim=torch.take_along_dim,
        argmax=torch.argmax, argmin=torch.argmin,
    )
    return ns


wide.namespace = namespace


def cases(rng):
    torch.manual_seed(rng.randrange(2**31))
    out = []

    def add(e, **inputs):
        out.append(("value", e, inputs))

    x = torch.randn(4, 9, 5)
    ties = torch.randint(-3, 4, (6, 40)).float()
    nan = torch.randn(3, 8)
    nan[0, 2] = nan[2, 5] = nan[2, 0] = float("nan")
    nan[1, 1], nan[1, 4], nan[0, 0] = float("inf"), -float("inf"), -float("inf")
    for e in ["sort(x)", "sort(x, 0)", "sort(x, 1, True)", "sort(x * -2 + 1, -2)", "argsort(x, 1)", "argsort(x, 0, descending=True)", "msort(x)",
              "topk(x, 3)", "topk(x, 2, 1, False)", "topk_indices(x, 4, 1)", "topk_indices(x, 1, 0, largest=False)", "kthvalue(x, 2)", "kthvalue(x, 9, 1)",
              "kthvalue_indices(x, 3, 0)", "median(x)", "median(x, 0)", "median(x, 1, True)", "median_indices(x, 2)", "nanmedian(x, 1)", "nanmedian(x)",
              "quantile(x, 0.5)", "quantile(x, 0.3, 1)", "quantile(x, 0.95, 0, True)", "quantile(x, 0, 2)", "quantile(x, 1, 2)", "sort(x, 1)[:, 2:5] * 2",
              "sort(x.transpose(0, 2), 1)", "sort(x.sum(1), 0)", "take_along_dim(x, argsort(x, 1), 1)", "x - median(x, 1, True)", "argmax(sort(x, 1), 1)"]:
        add(e, x=x)
    for e in ["sort(t)", "argsort(t)", "argsort(t, descending=True)", "argsort(t, 0)", "median(t, 1)", "kthvalue(t, 7, 1)"]:
        add(e, t=ties)
    for e in ["sort(n)", "argsort(n)", "sort(n, 1, True)", "argsort(n, descending=True)", "median(n, 1)", "nanmedian(n, 1)", "quantile(n, 0.4, 1)", "argmax(n, 1)", "argmin(n, 1)", "topk(n, 3)"]:
        add(e, n=nan)
    for dt in [torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool]:
        y = (torch.randn(5, 33) * 50).to(dt) if dt != torch.bool else torch.rand(5, 33) > 0.5
        for e in ["sort(y)", "argsort(y)", "argsort(y, 0, True)"] + ([] if dt == torch.bool else ["median(y, 1)", "topk(y, 4)", "kthvalue(y, 3)"]):
            add(e, y=y)
    edges = torch.tensor([-1.5, -0.25, 0.0, 0.0, 1.0, 2.5])
    v = torch.cat([torch.randn(20), edges, torch.tensor([float("inf"), float("nan"), -float("inf")])])
    for e in ["searchsorted(s, v)", "searchsorted(s, v, right=True)", "bucketize(v, s)", "bucketize(v, s, right=True)"]:
        add(e, s=edges, v=v)
    rows = torch.sort(torch.randint(-9, 9, (4, 17)), 1).values
    add("searchsorted(s, v)", s=rows, v=torch.randint(-11, 11, (4, 6)))
    add("searchsorted(s, v, right=True)", s=rows, v=torch.randint(-11, 11, (4, 6)))
    h = torch.rand(500) * 4 - 2
    add("histc(h, 7, -1, 1.5)", h=h)
    add("histc(h, bins=4, min=-2, max=2)", h=h)
    add("sort(s)", s=torch.tensor(2.5))
    add("median(s)", s=torch.tensor(2.5))
    return out


if __name__ == "__main__":
    write("order", cases)
