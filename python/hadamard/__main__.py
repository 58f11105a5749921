"""``python -m hadamard``: a tour, four pieces of work on every device of this machine, each checked against NumPy in f64."""

import argparse
import time

import numpy as np

import hadamard
from hadamard import Expression, optim


def measured(work, bytes_moved):
    """What the work returned, its median time in milliseconds and its bandwidth; the first run is left out."""
    result, times = work(), []
    for _ in range(7):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    median = sorted(times)[len(times) // 2]
    return result, f"{median * 1e3:8.3f} ms  {bytes_moved / median / 1e9:6.1f} GB/s"


def shown(device, result, expected, figures, bound):
    """Prints one line; returns whether the answer is wrong."""
    error = float(np.max(np.abs(np.asarray(result, "f8") - expected) / np.maximum(np.abs(expected), 1e-3)))
    wrong = not error <= bound
    print(f"   {device[:44]:44} {figures}  {'WRONG' if wrong else 'right'} (largest error {error:.1e})")
    return wrong


def main():
    parser = argparse.ArgumentParser(prog="python -m hadamard", description=__doc__.split(": ", 1)[1])
    parser.add_argument("--device", help="a device's name, or part of it; without it, all that there are")
    devices = [name] if (name := parser.parse_args().device) else hadamard.devices()
    print(f"hadamard {hadamard.__version__}: one expression, one pass over memory\n")
    print("CPU threads:", hadamard.num_threads())
    if devices == ["cpu"]:
        print("No GPU driver was found or asked for, so the CPU runs alone.")
    random, wrong = np.random.default_rng(0), 0
    picture = random.random((3, 720, 1280), "f4")
    light = np.float32([1.15, 0.9, 0.65]).reshape(3, 1, 1)
    weights = random.normal(size=(1536, 384)).astype("f4")
    works = [
        (
            "1. Scale the channels of a picture: a broadcast product",
            "picture * light",
            {"picture": picture, "light": light},
            picture.astype("f8") * light,
            2 * picture.nbytes,
            1e-6,
        ),
        (
            "2. Prune a layer: weights below a size become 0",
            "where(abs(w) < 0.5, 0, w)",
            {"w": weights},
            np.where(np.abs(weights) < 0.5, 0, weights),
            2 * weights.nbytes,
            0.0,
        ),
        (
            "3. Norms of its columns: multiply, sum along dim 0, take the root",
            "sqrt(sum(w * w, 0))",
            {"w": weights},
            np.sqrt((weights.astype("f8") ** 2).sum(0)),
            weights.nbytes,
            1e-5,
        ),
    ]
    for title, text, operands, expected, moved, bound in works:
        print(f"\n{title}\n   {text}")
        for device in devices:
            expression = Expression(text)
            on_device = {k: x if device == "cpu" else hadamard.to_device(x, device) for k, x in operands.items()}
            result, figures = measured(lambda: np.asarray(expression(**on_device)), moved)
            wrong += shown(device, result, expected, figures, bound)
    print("\n4. Fit the weights of grey by gradient descent: loss, gradient and update")
    truth = np.float32([0.299, 0.587, 0.114]).reshape(3, 1, 1)
    grey = (picture * truth).sum(0)
    fitted = np.zeros((3, 1, 1), "f4")
    sgd = optim.SGD({"w": fitted}, lr=0.5, momentum=0.9)
    start = time.perf_counter()
    for _ in range(200):
        loss = sgd.minimize("mean((sum(w * picture, 0) - grey) ** 2)", picture=picture, grey=grey)
    figures = f"{(time.perf_counter() - start) * 5:8.3f} ms a step     "
    wrong += shown("cpu", fitted, truth, figures, 1e-3)
    print(f"   loss {float(loss):.2e}, weights {fitted.ravel().round(4)}")
    print(f"\n{wrong} of the answers above are WRONG." if wrong else "\nAll answers are right.")
    raise SystemExit(int(wrong > 0))


if __name__ == "__main__":
    main()
