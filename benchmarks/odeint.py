"""odec.odeint beside torchdiffeq's, on the shapes of torchdiffeq's own examples: a change of one import.

    python -m benchmarks.odeint [--repeats 15]

Both solve the same problem in turn, forwards and then backwards, with one thread. Times are of the processor,
so that other processes disturb less; the median of the ratios of each round. Evaluations of func are counted.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import report
from benchmarks.harness import RESULTS, load, use_threads

OURS, THEIRS = "odec", "torchdiffeq"


@dataclass(frozen=True)
class Task:
    """A call: what it stands for, func, y0, t, the keywords, whether by the adjoint equation."""

    name: str
    func: Any
    y0: Any
    t: Any
    keywords: dict[str, Any]
    adjoint: bool = False

    @property
    def method(self) -> str:
        return str(self.keywords.get("method", "dopri5")) + (", adjoint" if self.adjoint else "")


@dataclass(frozen=True)
class Sample:
    """Seconds forwards and backwards, and evaluations of func in both."""

    forth: float
    back: float
    calls: tuple[int, int]


def tasks() -> list[Task]:
    """The spiral of ode_demo in its batches of 20 and as a whole, and the sizes of latent_ode and odenet."""
    import torch

    class Net(torch.nn.Module):
        """A net of the cube of the states, as ode_demo has it."""

        def __init__(self, n: int, width: int):
            super().__init__()
            self.calls = 0
            self.net = torch.nn.Sequential(
                torch.nn.Linear(n, width), torch.nn.Tanh(), torch.nn.Linear(width, n)
            )
            for layer in (self.net[0], self.net[2]):
                torch.nn.init.normal_(layer.weight, std=0.1)
                torch.nn.init.zeros_(layer.bias)

        def forward(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return self.net(y**3)

    class Block(torch.nn.Module):
        """Two convolutions of 64 channels that see t as one more, as odenet_mnist has them."""

        def __init__(self) -> None:
            super().__init__()
            self.calls = 0
            self.norms = torch.nn.ModuleList(torch.nn.GroupNorm(32, 64) for _ in range(3))
            self.layers = torch.nn.ModuleList(torch.nn.Conv2d(65, 64, 3, padding=1) for _ in range(2))

        def forward(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            for norm, layer in zip(self.norms, self.layers):
                y = torch.relu(norm(y))
                y = layer(torch.cat((torch.ones_like(y[:, :1]) * t, y), 1))
            return self.norms[2](y)

    torch.manual_seed(0)
    spiral, latent, block = Net(2, 50), Net(4, 20), Block()
    batch, times = torch.randn(20, 2), torch.linspace(0, 25, 1000)
    one, hidden, digits = torch.tensor([[2.0, 0.0]]), torch.randn(100, 4), torch.randn(8, 64, 6, 6)
    ends, loose = torch.tensor([0.0, 1.0]), {"rtol": 1e-3, "atol": 1e-3}
    found = [Task("ode_demo, a batch", spiral, batch, times[:10], {})]
    found += [
        Task("ode_demo, a batch", spiral, batch, times[:10], {"method": m})
        for m in ("euler", "midpoint", "rk4")
    ]
    found += [Task("ode_demo, 1,000 times", spiral, one, times, {})]
    found += [Task("latent_ode", latent, hidden, torch.linspace(0, 6, 100), {})]
    found += [Task("odenet_mnist", block, digits, ends, loose)]
    both = [task for task in found if task.name != "ode_demo, 1,000 times"]
    return found + [Task(t.name, t.func, t.y0, t.t, t.keywords, adjoint=True) for t in both]


def sample(task: Task, solve: Callable[..., Any]) -> Sample:
    """One call and its gradient."""
    y0, func = task.y0.clone().requires_grad_(), task.func
    func.zero_grad()
    func.calls = 0
    gc.collect()
    gc.disable()
    try:
        begun = time.process_time()
        y = solve(func, y0, task.t, **task.keywords)
        between, forth = time.process_time(), func.calls
        y.abs().mean().backward()
        return Sample(between - begun, time.process_time() - between, (forth, func.calls - forth))
    finally:
        gc.enable()


def measure(task: Task, solvers: dict[str, Callable[..., Any]], repeats: int) -> list[dict[str, Sample]]:
    """Samples of each solver in turn, after one round that is not counted."""
    return [{name: sample(task, solve) for name, solve in solvers.items()} for _ in range(repeats + 1)][1:]


def row(task: Task, rounds: Sequence[dict[str, Sample]]) -> str:
    """A line of the table: times forwards and backwards, odec's over torchdiffeq's, evaluations."""
    cells = [task.name, task.method]
    for way in ("forth", "back"):
        ours, theirs = ([getattr(one[name], way) for one in rounds] for name in (OURS, THEIRS))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs))
        cells += [report.duration(statistics.median(values)) for values in (ours, theirs)] + [
            f"**{ratio:.2f}**"
        ]
    calls = (rounds[0][name].calls for name in (OURS, THEIRS))
    return " | ".join(["", *cells, *(f"{a} + {b}" if task.adjoint else str(a) for a, b in calls), ""]).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three rounds; writes no files")
    args = parser.parse_args()
    before = load()
    use_threads(1)
    try:
        import torchdiffeq
    except ImportError as reason:
        print(
            f"{THEIRS} is not here ({reason}): nothing to compare with; pip install torchdiffeq",
            file=sys.stderr,
        )
        return
    import torch

    import odec

    torch.set_num_threads(1)
    lines = [
        "|  | method | forwards: odec | torchdiffeq | ratio | backwards: odec | torchdiffeq | ratio "
        "| evaluations: odec | torchdiffeq |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for task in tasks():
        solvers = {
            name: module.odeint_adjoint if task.adjoint else module.odeint
            for name, module in ((OURS, odec), (THEIRS, torchdiffeq))
        }
        lines.append(row(task, measure(task, solvers, 3 if args.quick else args.repeats)))
        print(lines[-1], file=sys.stderr, flush=True)
    said = (
        "The same call of odec and of torchdiffeq, as in its examples: nets of the sizes of ode_demo, "
        "latent_ode and odenet_mnist, float32, default tolerances (odenet_mnist: 1e-3). "
        f"Processor times, medians of {args.repeats} rounds, and the median of the rounds' ratios: "
        "below 1 odec is faster. Evaluations of func are those forwards, of the adjoint also those backwards."
    )
    facts = report.listed(report.facts("odeint", 1, before))
    text = "\n\n".join(["# odeint beside torchdiffeq", said, facts, "\n".join(lines)]) + "\n"
    print(text, flush=True)
    if not args.quick:
        (RESULTS / "odeint.md").write_text(text)


if __name__ == "__main__":
    main()
