"""W1: the fit of the competition example, a thousand epochs of Adam."""

from __future__ import annotations

from benchmarks import w1_peers
from benchmarks.harness import Workload, main

WORKLOAD = Workload(
    "w1_fit",
    "W1: the competition fit",
    "Two competing species, six rows of data, six parameters untransformed; the sum of squares over 42 Euler "
    "steps of a day, Adam at a rate of 1e-4 from one start, 1,000 epochs. The deviations are those after 300 "
    "epochs (later ones amplify rounding), of the parameters and of their loss.",
    w1_peers.cases,
    w1_peers.CONTENDERS,
    w1_peers.errors,
    sizes=(0,),
    quick_sizes=(0,),
    unit="seconds per 1,000 epochs",
)

if __name__ == "__main__":
    main(WORKLOAD)
