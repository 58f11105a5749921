#!/usr/bin/env python3
"""Writes what PyTorch makes of training: optimizers of matrices, and the losses of two models step by step.

    pip install torch numpy safetensors
    python make_golden_training.py OUT_DIR

OUT_DIR then holds training.json and training.safetensors:
    "optimizers": rows {"optimizer", "options", "shapes", "steps", "tol"}; parameters start as `o{row}.init.{j}`, the gradient
        of step t is `o{row}.grad{t}.{j}`, and `o{row}.after{t}.{j}` are the parameters after it, all in float32.
    "curves": rows {"model", "optimizer", "options", "losses", "tol"}; parameters start as `{model}.{name}`. The losses are
        computed in float64; `tol` is four times as far as PyTorch's own float32 is from them, relative.
The models are written out below; digits reads ../../data/digits.npz.
"""
import argparse, json, os
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

SHAPES = [[6, 9], [11, 4], [5, 5]]
OPTIMIZERS = [
    ("Adafactor", dict(lr=0.05), [[4, 7], [9], [1], [2, 3, 5], [8, 1]]),
    ("Adafactor", dict(lr=0.5, weight_decay=0.1), [[4, 7], [9], [2, 3, 5]]),
    ("Adafactor", dict(lr=0.02, beta2_decay=-0.5, eps=(1e-4, 0.5), d=2.0), [[4, 7], [9], [2, 3, 5]]),
    ("Adafactor", dict(lr=0.05, maximize=True), [[4, 7], [9]]),
    ("Muon", dict(lr=0.02), SHAPES),
    ("Muon", dict(lr=0.02, weight_decay=0.0, momentum=0.8, nesterov=False), SHAPES),
    ("Muon", dict(lr=0.02, adjust_lr_fn="match_rms_adamw", ns_steps=3), SHAPES),
    ("Muon", dict(lr=0.02, adjust_lr_fn="spectral_unclamped", ns_coefficients=(2.0, -1.5, 0.5), ns_steps=6), SHAPES),
]


def optimizers(tensors, steps=12):
    rows = []
    for i, (name, options, shapes) in enumerate(OPTIMIZERS):
        params = [torch.nn.Parameter(torch.randn(s)) for s in shapes]
        for j, p in enumerate(params):
            tensors[f"o{i}.init.{j}"] = p.detach().clone()
        opt = getattr(torch.optim, name)(params, **options)
        checked = [1, 2, steps]
        for t in range(1, steps + 1):
            for j, p in enumerate(params):
                p.grad = torch.randn(p.shape)
                tensors[f"o{i}.grad{t}.{j}"] = p.grad.clone()
            opt.step()
            if t in checked:
                for j, p in enumerate(params):
                    tensors[f"o{i}.after{t}.{j}"] = p.detach().clone()
        tol = [2e-5, 2e-5]
        if name == "Muon":
            # Products are rounded to bf16, each sum in an order of its own: by as much as 2^-8 of an entry of size 1 at
            # each step, times the rate. The largest factor of a shape here is sqrt(11 / 4).
            tol = [steps * options["lr"] * 1.7 * 2**-8, 2e-5]
        rows.append({"id": i, "optimizer": name, "options": options, "shapes": shapes, "steps": checked, "tol": tol})
    return rows


def digits(dtype):
    """Two layers on the digits, minibatches of 50 in a fixed order, cross entropy, Adam."""
    file = np.load(os.path.join(os.path.dirname(__file__), "../../data/digits.npz"))
    x = torch.tensor(file["x"].reshape(len(file["x"]), 64) / 16.0).to(dtype)
    y = torch.tensor(file["y"].astype(np.int64))
    torch.manual_seed(3)
    p = {"w1": torch.randn(64, 64) * (2 / 64) ** 0.5, "b1": torch.zeros(64), "w2": torch.randn(10, 64) * 0.125, "b2": torch.zeros(10)}
    def loss(w, t):
        batch = (torch.arange(50) * 29 + 50 * 31 * t) % 1500
        return F.cross_entropy(F.linear(F.relu(F.linear(x[batch], w["w1"], w["b1"])), w["w2"], w["b2"]), y[batch])
    return p, loss, lambda params: torch.optim.Adam(params, lr=3e-3), None, None


def image(dtype):
    """Colours and light of an image, found again: a matrix of colours, an offset, and a gain for each pixel that is smooth
    and between 0 and 2. AdamW, the norm of all gradients clipped to 0.05, the gain clamped after each step."""
    h, w = 12, 16
    i, j = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    x = torch.stack([((3 * i + 5 * j) % 17) / 17, ((i * j) % 13) / 13, ((7 * i + 2 * j * j) % 11) / 11]).to(torch.float32)
    turn = torch.tensor([[0.8, 0.3, -0.2], [0.1, 0.9, 0.2], [-0.3, 0.2, 0.7]])
    light = 0.5 + torch.exp(-((i - 4) ** 2 + (j - 9) ** 2) / 30.0)
    y = torch.sigmoid(torch.einsum("oc,chw->ohw", turn, x) - 0.3) * light
    p = {"colours": torch.eye(3), "offset": torch.zeros(3), "gain": torch.ones(h, w)}
    x, y, fixed = x.to(dtype), y.to(dtype), {"image.x": x, "image.y": y.to(torch.float32)}
    def loss(q, t):
        seen = torch.sigmoid(torch.einsum("oc,chw->ohw", q["colours"], x) + q["offset"][:, None, None]) * q["gain"]
        rough = torch.diff(q["gain"], dim=0).square().mean() + torch.diff(q["gain"], dim=1).square().mean()
        return (seen - y).square().mean() + 0.01 * rough
    return p, loss, lambda params: torch.optim.AdamW(params, lr=0.02), 0.05, fixed


def train(model, dtype, steps):
    start, loss, optimizer, clip, fixed = model(dtype)
    params = {name: torch.nn.Parameter(t.to(dtype)) for name, t in start.items()}
    opt, losses = optimizer(list(params.values())), []
    for t in range(steps):
        opt.zero_grad()
        value = loss(params, t)
        value.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(list(params.values()), clip)
        opt.step()
        if "gain" in params:
            with torch.no_grad():
                params["gain"].clamp_(0, 2)
        losses.append(value.item())
    return start, losses, fixed


def curves(tensors, steps=60):
    rows = []
    for name, model in [("digits", digits), ("image", image)]:
        start, exact, fixed = train(model, torch.float64, steps)
        _, single, inputs = train(model, torch.float32, steps)
        tol = 4 * max(abs(a - b) / abs(b) for a, b in zip(single, exact))
        tensors.update({f"{name}.{key}": t.contiguous() for key, t in start.items()})
        tensors.update(inputs or {})
        print(f"{name}: {exact[0]:.4f} -> {exact[-1]:.4f}, tolerance {tol:.1e}")
        rows.append({"model": name, "losses": exact, "tol": tol})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    out = parser.parse_args().out
    torch.manual_seed(18)
    torch.set_num_threads(1)
    tensors = {}
    rows = {"optimizers": optimizers(tensors), "curves": curves(tensors)}
    save_file(tensors, os.path.join(out, "training.safetensors"))
    json.dump(rows, open(os.path.join(out, "training.json"), "w"), indent=0)
