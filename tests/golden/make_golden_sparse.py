#!/usr/bin/env python3
"""Writes PyTorch's trajectories of a table of which each step reads some rows:

    pip install torch safetensors numpy
    python make_golden_sparse.py OUT_DIR [--seed 29]

OUT_DIR then holds sparse.safetensors: the table before (`table`), the rows and the targets of each step (`rows.STEP`,
`targets.STEP`), and for each optimizer the losses (`NAME.losses`) and the table after (`NAME.table`). All of it in f32; the
answers are computed in float64.
"""
import argparse, os
import torch
from safetensors.torch import save_file

ROWS, WIDTH, BATCH, STEPS = 500, 16, 96, 5
OPTIMIZERS = {
    "sgd": (True, lambda p: torch.optim.SGD(p, lr=0.5)),
    "adam": (False, lambda p: torch.optim.Adam(p, lr=0.01)),
    "sparse_adam": (True, lambda p: torch.optim.SparseAdam(p, lr=0.01)),
    "sparse_adam_options": (True, lambda p: torch.optim.SparseAdam(p, lr=0.02, betas=(0.8, 0.99), eps=1e-4, maximize=True)),
}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out"); p.add_argument("--seed", type=int, default=29)
    o = p.parse_args()
    torch.manual_seed(o.seed)
    table = torch.randn(ROWS, WIDTH)
    # Some rows are read by every step, some several times by one, most never.
    rows = [(torch.rand(BATCH) ** 3 * ROWS).long() for _ in range(STEPS)]
    targets = [torch.randn(BATCH, WIDTH) for _ in range(STEPS)]
    out = {"table": table, **{f"rows.{i}": r for i, r in enumerate(rows)}, **{f"targets.{i}": t for i, t in enumerate(targets)}}
    for name, (sparse, make) in OPTIMIZERS.items():
        embedding = torch.nn.Embedding(ROWS, WIDTH, sparse=sparse, dtype=torch.float64)
        embedding.weight.data.copy_(table)
        optimizer, losses = make(list(embedding.parameters())), []
        for r, t in zip(rows, targets):
            optimizer.zero_grad()
            loss = ((embedding(r) - t.double()) ** 2).sum(1).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        out[f"{name}.losses"] = torch.stack(losses).float()
        out[f"{name}.table"] = embedding.weight.detach().float()
    save_file({n: t.contiguous() for n, t in out.items()}, os.path.join(o.out, "sparse.safetensors"))


if __name__ == "__main__":
    main()
