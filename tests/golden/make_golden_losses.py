#!/usr/bin/env python3
"""Writes PyTorch's answers for losses of labels, linear, one_hot and linspace, in the form of make_golden_wide.py, and
their gradients, in that of gradients.json:

    pip install torch safetensors numpy
    python make_golden_losses.py OUT_DIR [--seed 11]

OUT_DIR then holds losses.json and losses.safetensors. A row that has "loss" is about gradients.
"""
import argparse, json, os, random
import torch
import make_golden_wide as wide
from safetensors.torch import save_file

F = torch.nn.functional


def namespace(tensors):
    ns = {n: getattr(F, n) for n in ("cross_entropy", "nll_loss", "linear", "one_hot", "log_softmax")}
    ns.update(torch=torch, linspace=torch.linspace, softmax=torch.softmax, sum=torch.sum, tanh=torch.tanh, **tensors)
    return ns


def cases():
    r = torch.randn
    x, t = r(9, 5), torch.randint(0, 5, (9,))
    part = t.clone(); part[[1, 4]] = -100
    none = torch.full((9,), -100)
    x3, t3 = r(4, 3, 6), torch.randint(0, 3, (4, 6))
    t3[0, 2] = 1
    w, w3 = torch.rand(5) + 0.25, torch.rand(3) + 0.25
    p, v, vt = torch.softmax(r(9, 5), 1), r(7), torch.tensor(3)
    far = torch.tensor([[1000.0, 0.0, -1000.0], [0.0, float("-inf"), 1.0]]); ft = torch.tensor([2, 0])
    a, k, b = r(4, 6), r(3, 6), r(3)
    values, gradients = [], []

    def add(e, wrt=(), **kw):
        values.append((e, kw))
        if wrt:
            gradients.append((e, wrt, kw))

    for e in ["cross_entropy(x, t)", "cross_entropy(x, part)", "cross_entropy(x, t, weight=w)", "cross_entropy(x, part, w)", "cross_entropy(x, t, label_smoothing=0.1)",
              "cross_entropy(x, part, weight=w, label_smoothing=0.2)", "cross_entropy(x, t, ignore_index=2)", "cross_entropy(x, t, reduction='sum')",
              "cross_entropy(x, part, w, reduction='sum', label_smoothing=0.3)", "cross_entropy(x, p)", "cross_entropy(x, p, label_smoothing=0.1)", "cross_entropy(x, p, weight=w)",
              "cross_entropy(x, p, w, reduction='sum')", "nll_loss(log_softmax(x, 1), t)", "nll_loss(log_softmax(x, 1), part, w)", "cross_entropy(2 * x + 1, t) + (x * x).sum()"]:
        add(e, wrt=["x"], x=x, t=t, part=part, w=w, p=p)
    for e in ["cross_entropy(x, t, reduction='none')", "cross_entropy(x, part, weight=w, reduction='none', label_smoothing=0.1)", "cross_entropy(x, p, reduction='none')", "cross_entropy(x, none)",
              "cross_entropy(x, none, reduction='sum')", "nll_loss(x, part, reduction='none')", "cross_entropy(x, t[:4])", "cross_entropy(x, x[:, 0])", "cross_entropy(x, t, weight=w[:2])", "one_hot(t, 5)", "one_hot(t, 9)",
              "(one_hot(t, 5) * w).sum(1)", "torch.nn.functional.cross_entropy(x, t)", "cross_entropy(x.half(), t)", "cross_entropy(x.double(), t)"]:
        add(e, x=x, t=t, part=part, w=w, p=p, none=none)
    for e in ["cross_entropy(x, t)", "cross_entropy(x, t, w, ignore_index=1)", "cross_entropy(x, t, label_smoothing=0.1)"]:
        add(e, wrt=["x"], x=x3, t=t3, w=w3)
    add("cross_entropy(x, t, reduction='none')", x=x3, t=t3)
    add("cross_entropy(v, vt)", wrt=["v"], v=v, vt=vt)
    add("cross_entropy(x, t)", x=far, t=ft)
    add("cross_entropy(x, t)", wrt=["x"], x=far[:1], t=ft[:1])
    add("linear(a, k)", a=a, k=k); add("linear(a, k, b)", a=a, k=k, b=b); add("linear(a[0], k, b)", a=a, k=k, b=b); add("linear(x, k)", x=r(2, 5, 6), k=k)
    add("(linear(tanh(linear(a, k, b)), c) * a).sum()", wrt=["a", "k", "b", "c"], a=a, k=k, b=b, c=r(6, 3))
    for e in ["linspace(0, 1, 5)", "linspace(-3, 7.5, 12)", "linspace(1, -1, 3)", "linspace(2, 9, 1)", "linspace(0, 1, 0)", "linspace(0, 10, 1001)", "linspace(0, 1, 7, dtype=torch.float64)"]:
        add(e + " + z" if "float64" not in e else e, z=torch.zeros(()))
    return values, gradients


def write(name, seed, cases, namespace, rtol, gradient_tol):
    """Writes values and gradients as `name`; the tolerance of values is this many times the result's epsilon."""
    p = argparse.ArgumentParser()
    p.add_argument("out"); p.add_argument("--seed", type=int, default=seed)
    o = p.parse_args()
    torch.manual_seed(o.seed)
    values, gradients = cases()
    rows, tensors = [], {}

    def row(text, inputs, **more):
        i = len(rows)
        used = {n: t for n, t in inputs.items() if n in text}
        rows.append({"id": i, "inputs": {n: [wide.NAME[t.dtype], list(t.shape)] for n, t in used.items()}, **more})
        tensors.update({f"{i}.{n}": t.contiguous().clone() for n, t in used.items()})
        return i, rows[-1]

    double = lambda t: t.double() if t.is_floating_point() else t
    for expr, inputs in values:
        i, new = row(expr, inputs, expr=expr)
        try:
            narrow = eval(expr, {}, namespace(inputs))
            want = eval(expr, {}, namespace({n: double(t) for n, t in inputs.items()})).to(narrow.dtype)
            new["output"] = [wide.NAME[narrow.dtype], list(narrow.shape)]
            eps = wide.EPS.get(wide.NAME[narrow.dtype], 0.0)
            # Sums of a few dozen terms of magnitude 3 to 10, and a few roundings of what comes of them.
            new["tol"] = [64 * eps, rtol * eps]
            tensors[f"{i}.="] = want.contiguous().clone()
        except Exception as e:
            new["error"] = f"{type(e).__name__}: {str(e).splitlines()[0][:90]}"
    for expr, wrt, inputs in gradients:
        i, new = row(expr, inputs, loss=expr, wrt=wrt, tol=[gradient_tol(expr)] * len(wrt))
        wide_inputs = {n: double(t).clone().requires_grad_(n in wrt) for n, t in inputs.items()}
        loss = eval(expr, {}, namespace(wide_inputs))
        grads = torch.autograd.grad(loss, [wide_inputs[n] for n in wrt])
        tensors[f"{i}.loss"] = loss.detach().float()
        tensors.update({f"{i}.grad.{n}": g.float().contiguous() for n, g in zip(wrt, grads)})
    save_file(tensors, os.path.join(o.out, f"{name}.safetensors"))
    json.dump(rows, open(os.path.join(o.out, f"{name}.json"), "w"), indent=0)
    print(len(rows), "cases,", sum("error" in r for r in rows), "refused")


if __name__ == "__main__":
    write("losses", 11, cases, namespace, 16, lambda _: [1e-6, 1e-5])
