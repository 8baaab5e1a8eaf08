"""A larger system: a ring of 32 genes, each of which represses the next."""

from __future__ import annotations

from benchmarks import ensemble
from benchmarks.harness import main
from benchmarks.problems import RING

WORKLOAD = ensemble.workload(
    RING,
    "ring_oscillator",
    "Larger: a ring oscillator of 32 states",
    "dxᵢ/dt = k/(1 + xᵢ₋₁⁴) − xᵢ, closed by one activation so that the ring oscillates; k uniform in [3, 5] "
    "over the trajectories, t = 0 … 20 in 1,000 rk4 steps, final state alone.",
    sizes=(1_000, 10_000),
    quick_sizes=(200,),
    dtypes=("float64", "float32"),
    quick_dtypes=("float64",),
    notes=ensemble.speedups,
)

if __name__ == "__main__":
    main(WORKLOAD)
