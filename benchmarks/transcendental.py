"""A right-hand side that is mostly exponentials: Hodgkin and Huxley's axon."""

from __future__ import annotations

from benchmarks import ensemble
from benchmarks.harness import main
from benchmarks.problems import HODGKIN_HUXLEY

WORKLOAD = ensemble.workload(
    HODGKIN_HUXLEY,
    "transcendental",
    "Transcendental: Hodgkin–Huxley",
    "Hodgkin–Huxley: 4 states, 6 exponentials for each slope, the injected current uniform in [0, 20] µA/cm² "
    "over the trajectories, 10 ms in 1,000 rk4 steps, final state alone.",
    sizes=(1_000, 10_000),
    quick_sizes=(200,),
    dtypes=("float64", "float32"),
    quick_dtypes=("float64",),
    notes=ensemble.speedups,
)

if __name__ == "__main__":
    main(WORKLOAD)
