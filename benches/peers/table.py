#!/usr/bin/env python3
"""One table of ratios from files of JSON lines: `hadamard bench --json`, peers.py and the Rust peers.

    python benches/peers/table.py *.jsonl

A ratio is a peer's time over hadamard's on the same kind of device: above 1, hadamard is the faster one. Markdown.
"""
import json
import sys


def read(paths):
    lines = []
    for path in paths:
        with open(path) as file:
            for text in filter(str.strip, file):
                try:
                    lines.append(json.loads(text))
                except ValueError:
                    print(f"{path}: not JSON: {text.strip()[:60]}", file=sys.stderr)
    return lines


def digits(x):
    return f"{x:.0f}" if x >= 99.5 else f"{x:.3g}"


def table(lines, device):
    lines = [line for line in lines if line.get("device") == device]
    ours, peers = {}, {}
    for line in lines:
        if "case" not in line or "shape" not in line:
            continue
        key = (line["case"], line["dtype"], tuple(line["shape"]))
        if line["who"] == "hadamard":
            # Curves and tables may hold a case twice at one size: the first is the one with more time.
            ours.setdefault(key, line)
        else:
            peers.setdefault(key, {})[line["who"]] = line
    names = sorted({who for found in peers.values() for who in found})
    keys = [key for key in ours if key in peers]
    if not keys:
        return
    name = next((line["name"] for line in lines if "name" in line), device)
    print(f"\n## {device.upper()}: {name}\n")
    limits = {line["case"]: line["rate"] for line in lines if line["who"] == "limit"}
    for case, rate in limits.items():
        print(f"- limit, plain {case}: {rate:.1f} GB/s")
    print("\n| case | hadamard, ms | of limit | " + " | ".join(names) + " |")
    print("| --- | ---: | ---: |" + " ---: |" * len(names))
    for key in keys:
        case, dtype, shape = key
        line, cells = ours[key], []
        for who in names:
            peer = peers[key].get(who, {})
            if "ms" in peer and "ms" in line:
                cells.append(f"{digits(peer['ms'] / line['ms'])} ({digits(peer['ms'])} ms)")
            else:
                cells.append("failed" if "error" in peer else "")
        share = f"{100 * line['share']:.0f} %" if line.get("share") else ""
        wrong = " WRONG" if line.get("wrong") else ""
        ms = digits(line["ms"]) if "ms" in line else "failed"
        print(f"| `{case}` {dtype} {list(shape)}{wrong} | {ms} | {share} | " + " | ".join(cells) + " |")
    for found in peers.values():
        for who, peer in found.items():
            if "error" in peer:
                print(f"\nfailed: {who}, {peer['case']}: {peer['error'][:200]}")


def main():
    lines = read(sys.argv[1:])
    print("Each cell: the peer's time over hadamard's, above 1 where hadamard is faster, and the peer's time.")
    for device in ["gpu", "cpu"]:
        table(lines, device)


main()
