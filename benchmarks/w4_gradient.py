"""W4: gradients of many Lotka-Volterra trajectories, each for its own four parameters."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import lotka_volterra
from benchmarks.harness import Row, Workload, main
from benchmarks.report import times
from benchmarks.w4_peers import CONTENDERS

TEXT = (
    "Lotka–Volterra: the sum of squares against data at 20 times and its gradient for four parameters per "
    "trajectory; t = 0 … 10 in 200 rk4 steps. Peak memory: by how much a process that takes the gradient "
    "twice peaks above one with 16 trajectories; data, states at the observed times and gradients included."
)


def notes(rows: Sequence[Row]) -> list[str]:
    """What the native gradient costs beside its own forward pass."""
    found = {(row.name, row.size): row.seconds for row in rows if row.seconds}
    lines = []
    for (name, size), seconds in found.items():
        forward = found.get(("odec native, forward alone", size))
        if name.startswith("odec native") and "forward" not in name and forward:
            lines.append(f"{name}, N = {size:,}: {times(seconds / forward)} times the forward pass alone.")
    return lines


WORKLOAD = Workload(
    "w4_gradient",
    "W4: a gradient for every trajectory",
    TEXT,
    lotka_volterra.cases,
    CONTENDERS,
    lotka_volterra.errors,
    sizes=(1_000, 10_000),
    quick_sizes=(200,),
    memory=True,
    notes=notes,
)

if __name__ == "__main__":
    main(WORKLOAD)
