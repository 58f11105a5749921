#!/usr/bin/env python3
"""Writes PyTorch's answers for u16, u32 and u64, in the form of make_golden_wide.py:

    pip install torch safetensors numpy
    python make_golden_unsigned.py OUT_DIR [--seed 11]

OUT_DIR then holds unsigned.json and unsigned.safetensors. What PyTorch refuses for want of a kernel (sums of two,
order, quotients) is left out; what it refuses as a promotion is there.
"""
import torch
import make_golden_wide as wide
from make_golden_indexing import write

BITS = {"u16": 16, "u32": 32, "u64": 64}
wide.DT.update(u16=torch.uint16, u32=torch.uint32, u64=torch.uint64)
wide.NAME.update({v: k for k, v in wide.DT.items()})


def cases(rng):
    torch.manual_seed(rng.randrange(2**31))
    out = []

    def add(e, **inputs):
        out.append(("value", e, inputs))

    for d, bits in BITS.items():
        t = wide.DT[d]
        top = 1 << bits
        whole = lambda n: torch.tensor([rng.randrange(top) >> rng.randrange(bits) for _ in range(n)], dtype=t)
        edges = [0, 1, 2, 7, 8, 9, top - 1, top - 2, top // 2, top // 2 - 1, top // 2 + 1, 255, 256, 65535, top - 1025, top // 2 + 1025, 3 * (top // 4)]
        if bits == 64:
            edges += [2**53 + 1, 2**54 + 3, 2**63 + 2**10, 2**63 + 2**10 + 1, 2**63 + 2**39, 2**63 + 2**39 + 1, 2**63 + 3 * 2**39, 2**31, 2**32]
        a = torch.cat([torch.tensor(edges, dtype=t), whole(51 - len(edges))]).reshape(3, 17)
        b = torch.cat([a[0, :9], whole(8)])
        c, i, m = torch.randn(17), torch.randint(-9, 9, (17,)), torch.rand(17) < 0.5
        n, k = torch.tensor(3), torch.tensor([2, 0, -1])
        small = torch.tensor([3, 5, 7, 251], dtype=t)
        f = torch.tensor([0, 0.5, 1.5, 2.999, 1000.25, 32767, 30000.7, 1, 8, 9, 10, 11, 12, 13, 14, 15, 16])
        for e in ["a * b", "a * 2", "2 * a", "a * n", "a & b", "a | b", "a ^ b", "a & 12", "a == b", "a != b", "a == 7", "a == 0.5", "maximum(a, b)", "minimum(a, b)",
                  "fmax(a, b)", "fmin(a, b)", "clamp(a, 2, 9)", "clamp(a, min=300)" if bits > 16 else "clamp(a, min=30)", "where(a == b, a, b)", "where(a == b, a, 5)",
                  "where(m, a, b)", "floor(a)", "ceil(a)", "trunc(a)", "relu(a)", "positive(a)", "isnan(a)", "isfinite(a)", "isinf(a)", "signbit(a)",
                  "a / b[:1]", "a / 3", "a * 0.5", "a + 0.5", "a + c", "a - c", "a * c", "a < c", "a >= 2.5", "maximum(a, c)", "sqrt(a)", "log1p(a)", "rsqrt(a + 0.5)",
                  "sum(a)", "sum(a, 0)", "sum(a, 1)", "prod(small)", "nansum(a)", "any(a)", "all(a)", "any(a, 0)", "all(a, 1)", "sum(a, dtype=torch.float64)",
                  "cat([a, a])", "cat([b, b[:3]])", "stack([b, b])", "roll(b, 3)", "flip(a, [0])", "a[1]", "a[:, 1:-1:2]", "a[..., None]", "a.transpose(0, 1)", "a[k]",
                  "index_select(a, 0, k[:2])", "diagonal(a)", "outer(b[:4], b[9:])", "full_like(b, 3)", "zeros_like(a)", "(a * b).sum(0)", "(a & 255) * b"]:
            add(e, a=a, b=b, c=c, n=n, m=m, k=k, small=small)
        for to in wide.DT:
            add(f"cast(a, {to})", a=a)
            add(f"cast(a, {to})", a=a[0, :6])
        for from_ in ["bool", "u8", "i8", "i16", "i32", "i64"]:
            add(f"cast(x, {d})", x=wide.rand(rng, [17], from_))
            add("a * x", a=b, x=wide.rand(rng, [17], from_))
        for from_ in ["f32", "f64"]:
            add(f"cast(x, {d})", x=f.to(wide.DT[from_]))
        if bits > 32:
            x = torch.tensor([2.0**63, 2.0**63 + 2.0**40, 2.0**64 - 2.0**40, 2.0**62, 1e19, 12345678901234.0, 0.0, 0.9])
            add("cast(x, u64)", x=x)
            add("cast(x, u64)", x=x.double())
        for e in ["a * i", "a & i", "a == i", "where(m, a, i)", "cat([a, i])", "c[a]", "maximum(a, i)"]:
            add(e, a=b, i=i, m=m, c=c)
        add("a * b", a=b, b=torch.tensor([1, 2], dtype=wide.DT["u32" if d == "u16" else "u16"])[:1])
    return out


if __name__ == "__main__":
    write("unsigned", cases)
