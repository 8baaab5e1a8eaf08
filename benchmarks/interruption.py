"""How long runs take to end that are told to: `python -m benchmarks.interruption [--moments 40] [--seed 16]`.

Each row: a run that would go on for minutes, told to end at random moments after 0.05 to 0.5 s, by Ctrl-C and
by odec.interrupt() in turn; then a short one, whose bits are held against those of before.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import torch

import odec

LONG, SHORT = 1e9, 3.0
MODEL = """
param k = 0.7 in (0, inf)
init x = 1
init y = 0.5
x' = k*y
y' = -k*x
run t = 0 .. 3 step 1
"""
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "fixed rk4": ("rk4", {"dt": 0.11}),
    "adaptive dopri5": ("dopri5", {"rtol": 1e-10, "atol": 1e-12, "max_steps": 10**12}),
}
BACKWARD = {
    ("native", "fixed rk4"): 3e6,
    ("native", "adaptive dopri5"): 3e5,
    ("torch", "fixed rk4"): 1e4,
    ("torch", "adaptive dopri5"): 8e2,
}
"""The ends of runs whose backward pass takes a second or more."""

Run = Callable[[float], Any]


def times(end: float) -> torch.Tensor:
    return torch.tensor([0.0, end], dtype=torch.float64)


def runs(engine: str, kind: str) -> dict[str, Run]:
    """The runs of a row, each a function of the time at which it ends."""
    method, settings = KINDS[kind]
    module = odec.load(MODEL, method=method, engine=engine)
    net = module.Model(engine=engine, **settings)
    x0 = torch.tensor([1.0, 0.5], dtype=torch.float64)
    data = {"t": [0.0, 1.0, 2.0, 3.0], "x": [1.0, 1.1, 0.6, -0.3]}

    def solve(end: float) -> torch.Tensor:
        with torch.no_grad():
            return net(times(end))

    def tangent(end: float) -> torch.Tensor:
        end = min(end, 3e6) if engine == "torch" else end  # the torch engine has room for its adjoint too
        return torch.func.jvp(lambda x: net(times(end), x0=x), (x0,), (torch.ones_like(x0),))[1]

    long = net(times(BACKWARD[engine, kind]))

    def backward(end: float) -> torch.Tensor:
        x = long if end == LONG else net(times(end))
        return torch.autograd.grad(x.sum(), list(net.parameters()), retain_graph=True)[0]

    def fit(end: float) -> list[float]:
        epochs = 10**8 if end == LONG else 3
        own = module.Model(engine=engine, **settings)  # which keeps the values that a fit has found
        found = odec.fit(own, data, optimizer="adam", lr=1e-9, epochs=epochs, check=False)
        if found.interrupted:
            raise odec.Interrupted
        return found.losses

    return {"solve": solve, "tangent": tangent, "backward": backward, "fit": fit}


def row(run: Run, moments: int, chance: random.Random) -> tuple[list[float], int]:
    """The seconds until the run had ended, each time, and how many runs after it had other bits."""
    before, seconds, wrong = run(SHORT), list[float](), 0
    for k in range(moments):
        at: list[float] = []

        def tell(at: list[float] = at, by_signal: bool = k % 2 == 0) -> None:
            at.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT) if by_signal else odec.interrupt()

        timer = threading.Timer(chance.uniform(0.05, 0.5), tell)
        try:
            timer.start()
            run(LONG)
            raise RuntimeError("a run has ended before it was told to: take a longer one")
        except (KeyboardInterrupt, odec.Interrupted):
            seconds.append(time.monotonic() - at[0])
        timer.join()
        after = run(SHORT)
        same = torch.equal(after, before) if isinstance(after, torch.Tensor) else after == before
        wrong += not same
    return seconds, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=40)
    parser.add_argument("--seed", type=int, default=16)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background
    chance = random.Random(asked.seed)
    print(f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors\n")
    print(
        "| engine | steps | run | median, ms | longest, ms | wrong |\n"
        "| --- | --- | --- | ---: | ---: | ---: |"
    )
    for engine in ("native", "torch"):
        for kind in KINDS:
            for name, run in runs(engine, kind).items():
                seconds, wrong = row(run, asked.moments, chance)
                median, longest = 1e3 * statistics.median(seconds), 1e3 * max(seconds)
                print(f"| {engine} | {kind} | {name} | {median:.0f} | {longest:.0f} | {wrong} |", flush=True)
    print(f"\nload {os.getloadavg()[0]:.0f} at the end")


if __name__ == "__main__":
    main()
