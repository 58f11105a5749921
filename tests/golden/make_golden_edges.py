#!/usr/bin/env python3
"""Writes PyTorch's gradients at the edges of every function: zeros, ties, infinities, NaN.

    pip install torch
    python make_golden_edges.py OUT_DIR

OUT_DIR then holds edges.json: a list of rows
    {"expr": text, "shape": shape, "inputs": {name: elements}, "grads": {name: elements}}
with the gradients of the sum of the expression's elements, computed in float64. Elements are
numbers, or "inf", "-inf" and "nan". The names of functions are PyTorch's own.
"""
import argparse, itertools, json, math, os
import torch
import torch.nn.functional as F

INF, NAN = math.inf, math.nan
POINTS = [0.0, -0.0, 1.0, -1.0, 2.0, INF, -INF, NAN]
UNARY = ("abs sign sqrt rsqrt exp expm1 log log1p log2 sin cos tanh sigmoid relu erf floor ceil round trunc "
         "gelu square reciprocal ndtr").split()
# Of one argument, elementwise.
FORMULAS = ["-x", "x + 1", "x * 2", "x / 2", "1 / x", "0 / x", "x * x", "x / x", "x - x", "abs(x) * x",
            "clamp(x, -1.5, 1.5)", "clamp(x, -1, 1)", "clamp(x, 1, -1)", "clamp(x, 1, 1)", "clamp(x, min=1)", "clamp(x, max=0)", "maximum(x, ones_like(x))", "minimum(x, zeros_like(x))", "relu6(x - 1)", "hardtanh(x)", "elu(x)", "celu(x)", "selu(x)", "softplus(x, 10)", "clamp(x, 1.5, -1.5)", "clamp(x, min=0.5)", "clamp(x, max=0.5)", "maximum(x, x)", "lerp(x, x * 2, 0.25)", "lerp(x, x * 2, 0.75)",
            "where(x > 0, x, 0)", "where(x == 0, 0, 1 / x)", "where(x > 0, log(x), 0)", "sqrt(square(x))", "sqrt(abs(x))",
            "log(exp(x))", "exp(-x * x)", "x * log(x)", "x * sigmoid(x)", "log(sigmoid(x))"]
FORMULAS += [f"x ** {p}" for p in ("0", "1", "2", "3", "4", "-1", "-2", "0.5", "-0.5", "1.5", "0.0", "2.0", "-1.0", "1.0", "inf", "nan")]
FORMULAS += [f"({b}) ** x" for b in ("0", "1", "2", "-1", "0.5", "0.0", "-1.5", "inf")]
# Of two arguments, elementwise.
PAIRS = ["x + y", "x - y", "x * y", "x / y", "x ** y", "maximum(x, y)", "minimum(x, y)", "atan2(x, y)",
         "lerp(x, y, 0.25)", "lerp(x, 1 + y * y, y)", "where(x > y, x, y)", "where(x == y, x * y, x)", "sqrt(x * x + y * y)"]
# Where bounds lie apart: where they are equal and x is, too, PyTorch 2.15 gives x all of the gradient.
CLAMPS = ["clamp(x, y, y + 1)", "clamp(x, y - 1, y)", "clamp(x, y + 1, y)", "clamp(x, min=y)", "clamp(x, max=y)", "clamp(x, y - 0.25, y + 0.5)", "clamp(x, y + 0.5, y - 0.25)", "clamp(x, min=y + 0.25)", "clamp(x, max=y + 0.25)"]
BOUNDS = [0.0, -0.0, 1.0, -1.0, 2.0]
# Over the last dim.
REDUCTIONS = ["sum(x, 1)", "mean(x, 1)", "prod(x, 1)", "prod(x, 1) * 0", "amax(x, 1)", "amin(x, 1)", "amax(x, 1) / 0",
              "softmax(x, 1)", "softmax(x, 1) * where(abs(x) < inf, x, 0)", "log_softmax(x, 1) * where(abs(x) < inf, x, 0)", "logsumexp(x, 1)",
              "sqrt(sum(x * x, 1))", "x / (norm(x, 2, 1, keepdim=True) + 1)", "square(norm(x, 2, 1))", "norm(x, 2, 1) * 0"]
REDUCTIONS += [f"norm(x, {p}, 1)" for p in ("2", "1", "0", "3", "4", "0.5", "1.5", "-1", "-2", "-0.5", "inf", "-inf")]
# Likewise, but not where the mean is infinite.
DEVIATIONS = ["var(x, 1)", "std(x, 1)", "var(x, 1, correction=0)", "std(x, 1, correction=0)", "std(x, 1, keepdim=True) * x",
              "layer_norm(x, [3])", "layer_norm(x, [3]) * x"]
ROWS = [[0, 0, 0], [0, 1, 2], [-0.0, 0.0, 1], [1, 1, 2], [1, -1, 1], [2, 2, 2], [-1, -1, 0], [3, 0, -4],
        [INF, 1, 2], [INF, INF, 1], [-INF, 1, 2], [-INF, -INF, -INF], [INF, -INF, 1], [NAN, 1, 2], [NAN, NAN, 0], [0, NAN, 0]]

FUNCTIONS = {n: getattr(torch, n) for n in UNARY if n not in ("gelu", "ndtr")}
FUNCTIONS |= {n: getattr(torch, n) for n in "maximum minimum atan2 lerp where sum mean prod amax amin std var softmax log_softmax logsumexp clamp".split()}
FUNCTIONS |= {n: getattr(F, n) for n in "relu6 hardtanh elu celu selu softplus".split()}
FUNCTIONS |= {"ones_like": torch.ones_like, "zeros_like": torch.zeros_like, "gelu": F.gelu, "ndtr": torch.special.ndtr, "layer_norm": F.layer_norm, "norm": torch.linalg.vector_norm, "inf": INF, "nan": NAN}


def gradients(expr, shape, **inputs):
    leaves = {n: torch.tensor(v, dtype=torch.float64).reshape(shape).requires_grad_() for n, v in inputs.items()}
    result = eval(expr, {}, FUNCTIONS | leaves)
    grads = torch.autograd.grad(result.sum(), list(leaves.values()), allow_unused=True) if result.requires_grad else [None] * len(leaves)
    plain = lambda values: [v if math.isfinite(v) else str(v) for v in values]
    found = {n: (torch.zeros(shape) if g is None else g) for n, g in zip(leaves, grads)}
    return {"expr": expr, "shape": shape, "inputs": {n: plain(v) for n, v in inputs.items()},
            "grads": {n: plain(g.flatten().tolist()) for n, g in found.items()}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    out = parser.parse_args().out
    n, pairs = len(POINTS), list(itertools.product(POINTS, POINTS))
    x, y = [p[0] for p in pairs], [p[1] for p in pairs]
    flat = [float(v) for row in ROWS for v in row]
    rows = [gradients(expr, [n], x=POINTS) for expr in [f"{f}(x)" for f in UNARY] + FORMULAS]
    rows += [gradients(expr, [n * n], x=x, y=y) for expr in PAIRS]
    few = [p for p in itertools.product(POINTS[:-1], BOUNDS)]
    rows += [gradients(expr, [len(few)], x=[p[0] for p in few], y=[p[1] for p in few]) for expr in CLAMPS]
    rows += [gradients(expr, [len(ROWS), 3], x=flat) for expr in REDUCTIONS]
    finite = [float(v) for row in ROWS if not any(map(math.isinf, row)) for v in row]
    rows += [gradients(expr, [len(finite) // 3, 3], x=finite) for expr in DEVIATIONS]
    with open(os.path.join(out, "edges.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(len(rows), "rows")


main()
