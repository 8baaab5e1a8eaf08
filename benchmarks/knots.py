"""What inputs with many knots cost fixed steps: `python -m benchmarks.knots [--repeats 9] [--quick]`.

Lorenz by rk4, native engine, one thread, a batch of 10,000: without an input, and with one of 1,000 knots of
every kind. The runs are taken in turn; times are of the processor, so that others disturb less. Medians, of
the times and of the ratios of each round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.harness import say, use_threads

TEXT = """
param s = 10
param r = 28
param b = 2.66
{declared}
init x = 1
init y = 1
init z = 1
x' = s*(y - x)
y' = x*({rate} - z) - y
z' = x*y - b*z
run t = 0 .. 1
"""
KNOTS, STEPS, SPAN = 1000, 4000, 4.0
"""The knots, the steps without an input, and the run's end."""


def knots_of(spread: bool) -> Any:
    """The knots: on every fourth step, or spread at random, so that pieces are divided anew."""
    import torch

    even = torch.linspace(0, SPAN, KNOTS, dtype=torch.float64)
    if not spread:
        return torch.arange(KNOTS, dtype=torch.float64) * (SPAN / KNOTS)
    moved = torch.rand(KNOTS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return even + (moved - 0.5) * (SPAN / KNOTS)


def net_of(kind: str) -> Any:
    """The model without an input, or with one of a kind."""
    import odec

    declared, rate = (f"input u {kind}", "r*u") if kind else ("", "r")
    module = odec.load(TEXT.format(declared=declared, rate=rate), method="rk4", engine="native")
    return module.Model(dt=SPAN / STEPS, engine="native")


def runs(size: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """By name each run, and how many steps it takes."""
    import torch

    t = torch.tensor([0.0, SPAN], dtype=torch.float64)
    x0 = 1 + 0.1 * torch.rand((size, 3), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    cases: dict[str, tuple[str, bool, bool]] = {"no input": ("", False, False)}
    cases |= {f"{kind}, knots on steps": (kind, False, False) for kind in ("hold", "linear", "cubic")}
    cases |= {f"{kind}, knots off steps": (kind, True, False) for kind in ("hold", "linear")}
    cases |= {f"{kind}, one series a trajectory": (kind, False, True) for kind in ("hold", "linear")}
    found: dict[str, tuple[Callable[[], Any], int]] = {}
    for name, (kind, spread, each) in cases.items():
        net, given = net_of(kind), {}
        if kind:
            knots = knots_of(spread)
            values = 1 + 0.1 * knots.cos()
            values = (
                values.unsqueeze(-1) * torch.linspace(0.9, 1.1, size, dtype=knots.dtype) if each else values
            )
            given = {"inputs": {"u": (knots, values)}}
        with torch.no_grad():
            net(
                t,
                x0=x0[:2],
                **({"inputs": {"u": (knots, values[:, :2] if each else values)}} if kind else {}),
            )
        found[name] = _states(net, t, x0, given), net.status.steps
    return found | _gradients(t, x0[: max(size // 10, 1)])


def _states(net: Any, t: Any, x0: Any, given: Mapping[str, Any]) -> Callable[[], Any]:
    import torch

    def run() -> Any:
        with torch.no_grad():
            return net(t, x0=x0, **given)

    return run


def _gradients(t: Any, x0: Any) -> dict[str, tuple[Callable[[], Any], int]]:
    """Gradients by x0 of fewer trajectories: without an input, with one, and by its values too."""
    found: dict[str, tuple[Callable[[], Any], int]] = {}
    for name, kind, wanted in (
        ("gradient, no input", "", False),
        ("gradient, linear", "linear", False),
        ("gradient, linear, by its values too", "linear", True),
    ):
        net, start, given = net_of(kind), x0.clone().requires_grad_(), {}
        if kind:
            knots = knots_of(False)
            given = {"inputs": {"u": (knots, (1 + 0.1 * knots.cos()).requires_grad_(wanted))}}
        found[name] = _gradient(net, t, start, given), STEPS
    return found


def _gradient(net: Any, t: Any, start: Any, given: Mapping[str, Any]) -> Callable[[], Any]:
    return lambda: net(t, x0=start, **given).sum().backward()


def measure(size: int, repeats: int) -> dict[str, tuple[list[float], int]]:
    """The times of the processor of every run, taken in turn, after one that is not counted; their steps."""
    found = runs(size)
    times: dict[str, list[float]] = {name: [] for name in found}
    for k in range(repeats + 1):
        for name, (call, _) in found.items():
            begun = time.process_time()
            call()
            times[name] += [time.process_time() - begun] if k else []
        say(f"round {k} of {repeats}")
    return {name: (times[name], steps) for name, (_, steps) in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="once, of 100 trajectories")
    args = parser.parse_args()
    use_threads(1)
    found = measure(100, 1) if args.quick else measure(10_000, args.repeats)
    print("| | steps | processor time | over that without an input | a step over a step |")
    print("| --- | --: | --: | --: | --: |")
    for name, (seconds, steps) in found.items():
        bare, few = found["gradient, no input" if name.startswith("gradient") else "no input"]
        ratio = statistics.median(own / other for own, other in zip(seconds, bare))
        median = statistics.median(seconds)
        print(f"| {name} | {steps:,} | {median:.3f} s | {ratio:.2f} | {ratio / steps * few:.2f} |")


if __name__ == "__main__":
    main()
