"""W4: gradients of many Lotka-Volterra trajectories, each for its own four parameters."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import lotka_volterra
from benchmarks.harness import Row, Workload, main
from benchmarks.w4_peers import CONTENDERS

TEXT = (
    "Lotka–Volterra: the sum of squares against data at 20 times and its gradient for four parameters per "
    "trajectory; t = 0 … 10 in 200 rk4 steps. Peak memory: by how much a process that takes the gradient "
    "twice peaks above one with 16 trajectories; data, states at the observed times and gradients included."
)


def notes(rows: Sequence[Row]) -> list[str]:
    """The cost of the native gradient over its forward pass, and over the peers."""
    times = {(row.name, row.size, row.dtype): row.seconds for row in rows}
    lines = []
    for (name, size, dtype), seconds in times.items():
        forward = times.get(("odec native, forward alone", size, dtype))
        if name != "odec native" or not seconds or not forward:
            continue
        peers = {n: s for (n, *case), s in times.items() if case == [size, dtype] and s and "odec" not in n}
        said = "".join(f"; {s / seconds:,.0f} × {n}" for n, s in peers.items())
        own = f"{seconds / forward:.1f} times its own forward pass"
        lines.append(f"odec native at N = {size:,}: {own}{said}.")
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
