"""W3: an ensemble of Lorenz systems by tolerance, each trajectory with its own steps."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import lorenz_ensemble
from benchmarks.harness import Row, Workload, main
from benchmarks.report import times
from benchmarks.w3_peers import CONTENDERS

TEXT = (
    "Lorenz: σ = 10, β = 8/3, ρ uniform in [0, 21] over the trajectories, from (1, 0, 0) to t = 10, final "
    "state alone; rtol = 1e-6, atol = 1e-8. A gradient is that of the sum of the final states by every ρ, "
    "its steps found anew."
)


def notes(rows: Sequence[Row]) -> list[str]:
    """What gradients cost beside their own forward pass."""
    found = {(row.name, row.size): row.seconds for row in rows if row.seconds}
    lines = []
    for (name, size), seconds in found.items():
        forward = found.get((name.removesuffix(", gradient"), size))
        if name.endswith(", gradient") and forward:
            lines.append(f"{name}, N = {size:,}: {times(seconds / forward)} times the forward pass alone.")
    for size in {size for _, size in found}:
        own = found.get(("odec native, tsit5, gradient", size))
        replay = found.get(("GRADSOLVE, Tsit5, gradient on recorded steps", size))
        if own and replay:
            what = "GRADSOLVE's gradient, its steps already recorded, takes"
            lines.append(f"N = {size:,}: {what} {times(replay / own)} times odec's, which finds them anew.")
    return lines


WORKLOAD = Workload(
    "w3_adaptive",
    "W3: an ensemble by tolerance",
    TEXT,
    lorenz_ensemble.cases,
    CONTENDERS,
    lorenz_ensemble.errors,
    sizes=(1, 10_000),
    quick_sizes=(100,),
    notes=notes,
    deviations="the largest of up to 24 trajectories, in units of atol + rtol·|x|, from DOP853 at 1e-13",
)

if __name__ == "__main__":
    main(WORKLOAD)
