"""W5: a thousand stiff problems, each with rates of its own."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import robertson
from benchmarks.harness import Row, Workload, main
from benchmarks.report import times
from benchmarks.w5_peers import CONTENDERS

TEXT = (
    "Robertson's reaction, rates perturbed by up to 10 %, to t = 1e5 with 9 logarithmically spaced outputs; "
    "rtol = 1e-6, atol = 1e-10. A gradient is that of the sum of a over the outputs by every rate."
)


def notes(rows: Sequence[Row]) -> list[str]:
    """What gradients cost beside their own forward pass."""
    found = {(row.name, row.size): row.seconds for row in rows if row.seconds}
    lines = []
    for (name, size), seconds in found.items():
        forward = found.get((name.removesuffix(", gradient"), size))
        if name.endswith(", gradient") and forward:
            lines.append(f"{name}, N = {size:,}: {times(seconds / forward)} times the forward pass alone.")
    return lines


WORKLOAD = Workload(
    "w5_stiff",
    "W5: a stiff ensemble",
    TEXT,
    robertson.cases,
    CONTENDERS,
    robertson.errors,
    sizes=(1, 1_000),
    quick_sizes=(16,),
    notes=notes,
    deviations="the largest of up to 24 trajectories, in units of atol + rtol·|x|, from Radau IIA at 1e-13",
)

if __name__ == "__main__":
    main(WORKLOAD)
