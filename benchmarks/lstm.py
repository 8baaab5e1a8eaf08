"""An LSTM written as a map against torch.nn.LSTM: 64 series of 100 steps, 64 hidden units, on the CPU.

    python -m benchmarks.lstm [--threads 2] [--rounds 15]

Both take turns; a ratio is the median of those of the rounds. It is the torch engine's: the native one has no
inputs that are arrays so far.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

import odec

MODEL = Path(__file__).parents[1] / "examples" / "lstm" / "lstm.ode"
SIZE, STEPS, BATCH = 64, 100, 64


def text(size: int) -> str:
    """The example with so many hidden units and features."""
    source = MODEL.read_text(encoding="utf-8")
    return re.sub(r"^const (n|k) = \d+", rf"const \1 = {size}", source, flags=re.M)


def seconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def tasks(module: object, dtype: torch.dtype) -> dict[str, tuple[Callable[[], object], ...]]:
    """By task, the map's call and torch's."""
    net = module.Model(dtype=dtype, seed=0)
    layer = torch.nn.LSTM(SIZE, SIZE, dtype=dtype)
    layer.load_state_dict(net.state_dict())
    u = torch.randn(STEPS, BATCH, SIZE, dtype=dtype, requires_grad=True)

    def forward(run: Callable) -> Callable[[], object]:
        def timed() -> object:
            with torch.no_grad():
                return run(u)

        return timed

    def both(run: Callable) -> Callable[[], object]:
        return lambda: run(u)[0][..., :SIZE].sum().backward()

    runs = net.sequence, layer
    return {
        "forward": tuple(forward(run) for run in runs),
        "forward and backward": tuple(both(run) for run in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = {size: len(odec.compile(text(size))) for size in (8, SIZE)}
    print(f"characters of the module by hidden units: {sizes}")
    started = time.perf_counter()
    module = odec.load(text(SIZE))
    print(f"compile {time.perf_counter() - started:.2f} s")
    for dtype in (torch.float32, torch.float64):
        for task, runs in tasks(module, dtype).items():
            for run in runs:
                run()
            rows = [[seconds(run) for run in runs] for _ in range(options.rounds)]
            ratio = statistics.median(ours / theirs for ours, theirs in rows)
            ours, theirs = (statistics.median(column) * 1e3 for column in zip(*rows, strict=True))
            name = str(dtype).removeprefix("torch.")
            print(f"{name}  {task:20}  map {ours:6.1f} ms, torch {theirs:6.1f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
