"""PyTorch's times for the functions of benches/functions.txt: `python functions.py [f32|f64] [SIDE] [NAME...]`.

Prints what `cargo bench --bench functions` prints: text, dtype, least time, median, in ms. OMP_NUM_THREADS says how many
threads. Results go to memory that is there, as ours do.
"""

import os
import pathlib
import sys
import time

import torch

ROUNDS, RUNS = 5, 8
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
words = sys.argv[1:]
dtype = torch.float64 if "f64" in words else torch.float32
side = next((int(w) for w in words if w.isdigit()), 1024)
names = [w for w in words if w not in ("f32", "f64") and not w.isdigit()]

aten, special = torch.ops.aten, torch.special
OTHERS = {"gelu": aten.gelu.out, "silu": aten.silu.out, "softplus": aten.softplus.out, "mish": aten.mish.out,
          "ndtr": special.ndtr, "i1": special.i1, "erfinv": special.erfinv}


def argument(low, high, salt):
    i = torch.arange(side * side, dtype=torch.float64)
    return (low + (i * salt).frac() * (high - low)).to(dtype).reshape(side, side)


cases = []
for line in (pathlib.Path(__file__).parent.parent / "functions.txt").read_text().splitlines():
    if line.startswith("#") or names and line.split("(")[0] not in names:
        continue
    text, *ends = line.split()
    ends = [float(end) for end in ends]
    name = text.split("(")[0]
    args = [argument(*ends[:2], 0.6180339887498949)]
    if len(ends) == 4:
        args.append(argument(*ends[2:], 0.414213562373095))
    function = OTHERS.get(name) or getattr(torch, name)
    cases.append((text, function, args, torch.empty(side, side, dtype=dtype), []))
for _ in range(ROUNDS):
    for _, function, args, out, times in cases:
        function(*args, out=out)
        for _ in range(RUNS):
            start = time.perf_counter()
            function(*args, out=out)
            times.append((time.perf_counter() - start) * 1e3)
for text, _, _, _, times in cases:
    times.sort()
    print(text, "f64" if dtype == torch.float64 else "f32", f"{times[0]:.4f} {times[len(times) // 2]:.4f}")
