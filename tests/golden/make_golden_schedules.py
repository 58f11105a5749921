#!/usr/bin/env python3
"""Writes the learning rates of torch.optim.lr_scheduler, and what optimizers make of scheduled options.

    pip install torch
    python make_golden_schedules.py OUT_DIR

OUT_DIR then holds schedules.json:
    "rates": rows {"scheduler", "options", "lr", "lrs": the rate of each step, "momenta": likewise where it cycles}
    "plateaus": rows {"options", "lr", "metrics", "lrs": the rate after each metric}
    "scales": rows {"options", "finite": whether each step's gradients are, "scales": of GradScaler after each step}
    "training": rows {"optimizer", "options", "follows", "weights": after each step}, in float64, of the loss
        sum((w - target)^2) from START to TARGET, where options follow the formulas of `follow` below.
"""
import argparse, json, math, os
import torch
from torch.optim import lr_scheduler as s

START, TARGET, STEPS = [1.0, -2.0, 0.5], [0.3, 0.1, -1.0], 12

RATES = [
    ("ConstantLR", dict(factor=0.3, total_iters=5), 0.1, 12),
    ("LinearLR", dict(start_factor=0.25, end_factor=0.9, total_iters=7), 0.1, 12),
    ("CosineAnnealingLR", dict(T_max=8, eta_min=0.01), 0.1, 20),
    ("StepLR", dict(step_size=4, gamma=0.5), 0.1, 15),
    ("ExponentialLR", dict(gamma=0.9), 0.1, 15),
    ("MultiStepLR", dict(milestones=[3, 5, 5, 11], gamma=0.2), 0.1, 15),
    ("PolynomialLR", dict(total_iters=6, power=1.0), 0.1, 10),
    ("PolynomialLR", dict(total_iters=9, power=2.5), 0.4, 14),
    ("CosineAnnealingWarmRestarts", dict(T_0=5, T_mult=1, eta_min=0.02), 0.2, 23),
    ("CosineAnnealingWarmRestarts", dict(T_0=3, T_mult=2, eta_min=0.0), 0.1, 40),
    ("CosineAnnealingWarmRestarts", dict(T_0=1, T_mult=3, eta_min=0.0), 0.1, 50),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=20), 0.5, 20),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=17, pct_start=0.4, anneal_strategy="linear", div_factor=10.0,
                        final_div_factor=100.0, base_momentum=0.8, max_momentum=0.9), 0.5, 17),
    ("OneCycleLR", dict(max_lr=0.1, total_steps=30, three_phase=True, base_momentum=0.7, max_momentum=0.99), 0.1, 30),
    ("OneCycleLR", dict(max_lr=0.1, total_steps=25, pct_start=0.25, anneal_strategy="linear", three_phase=True), 0.1, 25),
]

METRICS = [1.0, 0.9, 0.9, 0.95, 0.91, 0.89995, 0.92, 0.93, 0.85, 0.86, 0.87, 0.88, 0.89, 0.84, 0.84, 0.84, 0.84, 0.84,
           0.84, 0.84, 0.84, 0.84, 0.84, 0.84]
PLATEAUS = [
    (dict(factor=0.5, patience=2), 0.1),
    (dict(factor=0.1, patience=0, cooldown=3), 0.1),
    (dict(factor=0.5, patience=1, threshold=0.05, threshold_mode="abs"), 0.2),
    (dict(mode="max", factor=0.3, patience=3), 0.2),
    (dict(factor=0.1, patience=1, min_lr=0.005), 0.1),
    (dict(mode="max", factor=0.5, patience=1, threshold=0.01, threshold_mode="abs", cooldown=1), 0.3),
    (dict(factor=0.5, patience=0, eps=0.02), 0.1),
]


def follow(name, t):
    return {"weight_decay": 0.1 * 0.8 ** t, "betas": (0.85 - 0.1 * math.sin(t), 0.9 + 0.005 * t),
            "momentum": 0.9 - 0.05 * t}[name]


TRAINING = [
    ("SGD", dict(lr=0.05, momentum=0.9, weight_decay=0.1), ["weight_decay"]),
    ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True), ["momentum"]),
    ("Adam", dict(lr=0.05, weight_decay=0.1), ["weight_decay", "betas"]),
    ("AdamW", dict(lr=0.05, weight_decay=0.1), ["weight_decay"]),
    ("NAdam", dict(lr=0.05, weight_decay=0.1), ["weight_decay"]),
    ("RAdam", dict(lr=0.05, weight_decay=0.1), ["weight_decay", "betas"]),
    ("Adamax", dict(lr=0.05, weight_decay=0.1), ["weight_decay", "betas"]),
    ("RMSprop", dict(lr=0.05, momentum=0.9, weight_decay=0.1), ["weight_decay", "momentum"]),
    ("Adagrad", dict(lr=0.05, weight_decay=0.1), ["weight_decay"]),
    ("Adadelta", dict(lr=0.5, weight_decay=0.1), ["weight_decay"]),
    ("ASGD", dict(lr=0.05, weight_decay=0.1), ["weight_decay"]),
]


def rates():
    for name, options, lr, n in RATES:
        w = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=lr, momentum=0.9)
        scheduler = getattr(s, name)(optimizer, **options)
        lrs, momenta = [], []
        for t in range(n):
            lrs.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            if t + 1 < n:
                scheduler.step()
        row = {"scheduler": name, "options": options, "lr": lr, "lrs": lrs}
        if name == "OneCycleLR":
            row["momenta"] = momenta
        yield row


def plateaus():
    for options, lr in PLATEAUS:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
        scheduler = s.ReduceLROnPlateau(optimizer, **options)
        lrs = []
        for metric in METRICS:
            scheduler.step(metric)
            lrs.append(optimizer.param_groups[0]["lr"])
        yield {"options": options, "lr": lr, "metrics": METRICS, "lrs": lrs}


def training():
    for name, options, follows in TRAINING:
        w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
        target = torch.tensor(TARGET, dtype=torch.float64)
        optimizer = getattr(torch.optim, name)([w], foreach=False, **options)
        weights = []
        for t in range(STEPS):
            for option in follows:
                optimizer.param_groups[0][option] = follow(option, t)
            optimizer.zero_grad()
            ((w - target) ** 2).sum().backward()
            optimizer.step()
            weights.append(w.tolist())
        yield {"optimizer": name, "options": options, "follows": follows, "weights": weights}


FINITE = [True] * 4 + [False] + [True] * 2 + [False, False] + [True] * 9 + [False] + [True] * 3
SCALES = [
    dict(init_scale=65536.0, growth_interval=3),
    dict(init_scale=8.0, growth_factor=4.0, backoff_factor=0.25, growth_interval=1),
    dict(init_scale=2.0 ** 126, growth_interval=2),
]


def scales():
    for options in SCALES:
        w = torch.zeros(1, requires_grad=True)
        optimizer, scaler = torch.optim.SGD([w], lr=0.0), torch.amp.GradScaler("cpu", **options)
        found = []
        for finite in FINITE:
            scaler.scale(torch.zeros(1))  # it allocates the scale
            w.grad = torch.tensor([0.0 if finite else math.inf])
            scaler.step(optimizer)
            scaler.update()
            found.append(scaler.get_scale())
        yield {"options": options, "finite": FINITE, "scales": found}


parser = argparse.ArgumentParser()
parser.add_argument("out_dir")
out = os.path.join(parser.parse_args().out_dir, "schedules.json")
with open(out, "w") as file:
    json.dump({"rates": list(rates()), "plateaus": list(plateaus()), "scales": list(scales()), "training": list(training())}, file, indent=0)
