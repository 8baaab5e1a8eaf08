"""W2: an ensemble of Lorenz systems to its final state."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import ensemble, peak
from benchmarks.harness import Row, main
from benchmarks.problems import LORENZ

TEXT = (
    "Lorenz: σ = 10, β = 8/3, ρ uniform in [0, 21] over the trajectories, from (1, 0, 0), t = 0 … 1 in 1,000 "
    "steps of the classical Runge–Kutta method (torchdiffeq's rk4 is Kutta's 3/8 rule), final state alone."
)
MULTIPLIES, ADDITIONS = 24, 19
"""What a step asks of the multipliers, fused with an addition or not: 4 slopes of 3, 3 stages of 3, one
weighted sum for each of 3 states. The other operations are additions."""


def notes(rows: Sequence[Row]) -> list[str]:
    lines = ensemble.speedups(rows)
    for row in rows:
        if row.name == "odec native" and row.seconds and row.size == max(r.size for r in rows):
            lines.append(peak.share(row.dtype, MULTIPLIES * LORENZ.steps * row.size / row.seconds))
    return [line for line in lines if line]


WORKLOAD = ensemble.workload(
    LORENZ,
    "w2_ensemble",
    "W2: an ensemble of Lorenz systems",
    TEXT,
    sizes=(100, 1_000, 10_000, 100_000),
    quick_sizes=(1_000,),
    dtypes=("float64", "float32"),
    notes=notes,
)

if __name__ == "__main__":
    main(WORKLOAD)
