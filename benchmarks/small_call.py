"""What a call of one trajectory without work costs: Python and torch above the bare kernel.

    python -m benchmarks.small_call [--repeats 9]

One rk4 step of two states, whose kernel takes about a microsecond. The ways to call it are taken in turn;
times are of the processor, so that other processes disturb less. Medians of the repeats.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.harness import RESULTS, load, use_threads

MODEL = Path(__file__).parent.parent / "examples" / "competition" / "competition.ode"
CALLS = 1000
"""In a sample."""


def ways() -> dict[str, Callable[[], Any]]:
    """Each way to take the step, by its name; the first is the bare kernel."""
    import torch

    import odec
    from odec.runtime.native.engine import Native

    torch.set_num_threads(1)
    module = odec.load(MODEL, method="rk4", engine="native")
    net = module.Model(engine="native", dt=0.1)
    t = torch.tensor([0.0, 0.1], dtype=torch.float64)
    x0, p = net(t)[0].detach(), net.vector().detach()
    engine = module.COMPILED.engine("native")
    assert isinstance(engine, Native)
    batch = engine.batch(t, x0, p, [], net.steps, tape=False)
    held, batch.call.out = batch.outputs(len(t), 2)
    kernel = engine.kernels.function("solve", x0.dtype, False, False, batch.lanes, 0)
    run = net.prepared(t)

    def bare() -> Any:
        kernel(batch.call)
        return held

    def plain() -> Any:
        with torch.no_grad():
            return net(t)

    def gradient() -> None:
        net(t).sum().backward()

    return {
        "the kernel, called by ctypes": bare,
        "`run(x0, p)`, of `run = net.prepared(t)`": lambda: run(x0, p),
        "`net(t)` under `torch.no_grad()`": plain,
        "`net(t)`": lambda: net(t),
        "`net(t).sum().backward()`": gradient,
    }


def sample(call: Callable[[], Any]) -> float:
    """Seconds of the processor for a call."""
    begun = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - begun) / CALLS


def measure(repeats: int) -> dict[str, float]:
    """The median of every way, taken in turn, after one round that is not counted."""
    found = ways()
    rounds = [{name: sample(call) for name, call in found.items()} for _ in range(repeats + 1)][1:]
    return {name: statistics.median(one[name] for one in rounds) for name in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="once; writes no files")
    args = parser.parse_args()
    before = load()
    use_threads(1)
    found = measure(1 if args.quick else args.repeats)
    bare = next(iter(found.values()))
    lines = ["|  | processor time of a call | over the kernel's |", "| --- | --: | --: |"]
    lines += [f"| {name} | {report.duration(time)} | {time / bare:.0f} |" for name, time in found.items()]
    said = (
        "One rk4 step of the two states of `examples/competition`, one trajectory, six parameters within "
        f"bounds: medians of {args.repeats} samples of {CALLS:,} calls, taken in turn."
    )
    facts = report.listed(report.facts("small_call", 1, before))
    text = "\n\n".join(["# What a small call costs", said, facts, "\n".join(lines)]) + "\n"
    print(text, flush=True)
    if not args.quick:
        (RESULTS / "small_call.md").write_text(text)


if __name__ == "__main__":
    main()
