"""One trajectory at a time: what a single solve costs from Python, with all that stands around the steps."""

from __future__ import annotations

from benchmarks import single_peers
from benchmarks.harness import Workload, main

TEXT = (
    "One call, one trajectory, float64. Lorenz: σ = 10, ρ = 20, β = 8/3 from (1, 0, 0) to t = 10, final "
    "state; rtol = 1e-6, atol = 1e-8. Robertson's reaction to t = 1e5, 9 logarithmically spaced outputs; "
    "rtol = 1e-6, atol = 1e-10. A gradient is that of the sum of what comes out by every parameter."
)

WORKLOAD = Workload(
    "single",
    "A single solve",
    TEXT,
    single_peers.cases,
    single_peers.CONTENDERS,
    single_peers.errors,
    sizes=(0,),
    quick_sizes=(0,),
    dtypes=("Lorenz", "Robertson"),
    deviations="in units of atol + rtol·|x|, from DOP853 at 1e-13 and Radau IIA at 1e-13",
)
"""Its two problems stand where others have their dtypes: `--dtypes Robertson` runs one of them."""

if __name__ == "__main__":
    main(WORKLOAD)
