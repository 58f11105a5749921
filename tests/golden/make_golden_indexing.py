#!/usr/bin/env python3
"""Writes PyTorch's answers for tensors as indices and for arange, in the form of make_golden_wide.py:

    pip install torch safetensors numpy
    python make_golden_indexing.py OUT_DIR [--seed 11]

OUT_DIR then holds indexing.json and indexing.safetensors.
"""
import os, sys
import torch
import make_golden_wide as wide


def cases(rng):
    torch.manual_seed(rng.randrange(2**31))
    out = []
    def add(e, **kw): out.append(("value", e, kw))
    r=lambda *s: torch.randn(*s)
    x=r(6,7,5); i=torch.tensor([0,5,-1,2,2]); j=torch.randint(0,5,(6,7,3)); k=torch.tensor([[0,1],[4,2]]); w=r(5,1,1)
    for e in ["x[i]","x[:, i]","x[..., i % 5]","x[i, 0]","x[0, i]","x[0, :, i % 5]","x[:, i, None]","x[i % 5, 1:3]","x[k]","x[:, k]","x[..., k, None]","x[i, i]","x[i, :, i % 5]","x[k, k]","x[i, i, i % 5]",
              "x[None, i]","x[i][1:]","x[1:][i % 5]","(x * 2)[i] + 1","x.sum(1)[i]","x[i].sum(0)","x[i].mean((0, 2))","torch.softmax(x[i], 1)","x[i].reshape(-1)","x.transpose(0, 2)[i % 5]","x.permute(2, 0, 1).reshape(-1, 7)[i]",
              "gather(x, 2, j)","x.gather(2, j)","gather(x, 0, j)","gather(x, 1, j)","take_along_dim(x, j, 2)","take_along_dim(x, j[:, :, :1], 2)","torch.take_along_dim(x, i)","x.take(i)","x.take(k)","torch.take(x, k)",
              "index_select(x, 1, i % 7)","x.index_select(2, i % 5)","x.index_select(-1, k[0])","x[0][k]",
              "torch.index_add(x, 0, i % 6, x[:5])","x.index_add(0, i % 6, x[1:], alpha=2)","torch.index_copy(x, 0, k[0], x[:2])","torch.index_fill(x, 1, k[0], 3.5)","x.index_fill(2, k[1], -1)",
              "torch.scatter(x, 2, j[..., :1], 9.0)","torch.scatter_add(x, 2, j, x)","x.scatter_add(0, j % 6, x)","torch.scatter(x, 2, j[:, :2, :1], x)","torch.scatter_add(x, 2, j[:3, :2], x)",
              "x[k[0, 0]]","x[i.int()]","x[i.long()]","x[i + 0]","x[(i + 7) % 6]","where(x[i] > 0, x[i], 0)","x[i] @ x[0].transpose(0, 1)","einsum(\"abc,abc->a\", x[i], x[:5])","cat([x[i], x])","stack([x[i], x[:5]])","flip(x[i], [0])","x[i].roll(1, 0)","diff(x[i], dim=0)"]:
        add(e,x=x,i=i,j=j,k=k,w=w)
    for dt in [torch.float16,torch.bfloat16,torch.int8,torch.uint8,torch.int64,torch.bool,torch.float64]:
        y=(torch.randn(6,4)*3).to(dt)
        for e in ["y[i]","y.gather(1, l)","y[i].sum(0)","take_along_dim(y, l, 1)"]:
            add(e,y=y,i=i,l=torch.randint(0,4,(6,2)))
        if dt!=torch.bool: add("torch.index_add(y, 0, i % 6, y[:5])",y=y,i=i)
    e0=r(0,3)
    add("e0[n]",e0=e0,n=torch.zeros(0,dtype=torch.int64))
    add("x[n]",x=x,n=torch.zeros(0,dtype=torch.int64))
    add("x[i]",x=r(3,2),i=torch.tensor([0,3]))
    add("gather(x, 0, i)",x=r(3,2),i=torch.tensor([[-1,0]]))
    add("torch.index_add(x, 0, i, x)",x=r(3,2),i=torch.tensor([0,1,3]))
    add("x[i]",x=r(3,2),i=torch.tensor([0.5,1]))
    add("torch.arange(5)",x=x); add("torch.arange(5) * 2",x=x); add("torch.arange(7)[None, :, None] * x",x=x); add("torch.arange(5) + b",x=x,b=torch.tensor([1,2,3,4,5],dtype=torch.int32))
    add("torch.arange(6) // 2",x=x); add("torch.arange(5) / 2",x=x); add("torch.arange(6)[i]",x=x,i=i); add("torch.arange(2, 7)",x=x); add("torch.arange(0, 10, 3)",x=x); add("torch.arange(5.0)",x=x); add("torch.arange(0, 1, 0.25)",x=x)
    add("torch.arange(5).float()",x=x)
    add("torch.arange(3)[:, None] == torch.arange(3)",x=x)
    add("x[torch.arange(6), :, torch.arange(6) % 5]",x=x)
    return out


def write(name, cases):
    """Runs make_golden_wide.py's main on these cases and calls what it writes `name`; what else is in OUT_DIR stays."""
    out = sys.argv[1]
    kept = {name: open(os.path.join(out, name), "rb").read() for name in ("wide.json", "wide.safetensors") if os.path.exists(os.path.join(out, name))}
    wide.cases = cases
    wide.main()
    for end in ("json", "safetensors"):
        os.replace(os.path.join(out, f"wide.{end}"), os.path.join(out, f"{name}.{end}"))
    for old, content in kept.items():
        open(os.path.join(out, old), "wb").write(content)


if __name__ == "__main__":
    write("indexing", cases)
