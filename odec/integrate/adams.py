"""Adams methods of fixed steps, their order rising with the slopes that are known. Hairer et al. I, III.1."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
from torch import Tensor

from odec.integrate import tables
from odec.integrate.fixed import ExplicitMethod, Place, Stepped
from odec.integrate.options import Grid
from odec.integrate.problem import Problem, Slope
from odec.integrate.steps import Size, summed
from odec.runtime.reference.adams_weights import integrals

_FEWEST = 3
"""With fewer slopes than that a step is one of Kutta's 3/8 rule."""


class AdamsMethod:
    """A predictor by the slopes at the starts of the last steps, up to max_order - 1 of them.

    corrected: then a corrector with the slope at the step's end too, taken until two of its results agree
    within the tolerances, at most max_iters times. Weights are those of the steps as they are, equal or not.
    """

    def __init__(self, problem: Problem, grid: Grid, corrected: bool):
        self.problem, self.corrected = problem, corrected
        self.most, self.iterations = grid.max_order - 1, grid.max_iters or 4
        self.starter = ExplicitMethod(problem, tables.explicit("rk4"))
        self.nodes = (*self.starter.nodes,)
        self.known: list[tuple[float, Slope]] = []

    def step(self, place: Place, y: Tensor, total: Tensor | None) -> Stepped:
        """One step from y."""
        first = self.problem.rate(place.times[0], y)
        self.known = [(place.start, first), *self.known][: max(self.most, 1)]
        if min(len(self.known), self.most) < _FEWEST:
            found, _ = self.starter.stages(place, y, first)
            return Stepped(found.y, found.total(total, place.h, self.starter.table.weights), first[0])
        slopes, size = [slope for _, slope in self.known], place.end - place.start
        nodes = [(time - place.start) / size for time, _ in self.known]
        change = _sum(place.h, _weights(tuple(nodes)), [slope for slope, _ in slopes])
        weights = _weights(tuple(nodes))
        if self.corrected:
            change, weights, slopes = self._correct(place, y, change, nodes, slopes)
        if total is not None:
            total = total + _sum(place.h, weights, [along for _, along in slopes if along is not None])
        return Stepped(y + change, total, first[0])

    def _correct(
        self, place: Place, y: Tensor, change: Tensor, nodes: list[float], slopes: list[Slope]
    ) -> tuple[Tensor, tuple[float, ...], list[Slope]]:
        """The change by the corrector, its weights, and the slopes that they are of."""
        weights = _weights((1.0, *nodes))
        past = _sum(place.h, weights[1:], [slope for slope, _ in slopes])
        for _ in range(self.iterations):
            slope = self.problem.rate(place.times[-1], y + change)
            before, change = change, past + place.h * weights[0] * slope[0]
            if self._agree(before, change):
                break
        else:
            warnings.warn(
                f"the corrector has not converged at t = {place.end:.6g} in {self.iterations} iterations: "
                "take smaller steps, or an implicit method",
                stacklevel=2,
            )
            self.known.pop()
        return change, weights, [slope, *slopes]

    def _agree(self, before: Tensor, change: Tensor) -> bool:
        """Whether two results of the corrector are within the tolerances."""
        with torch.no_grad():
            rtol, atol = self.problem.tolerances
            allowed = torch.maximum(before.abs(), change.abs()) * rtol + atol
            return bool(((change - before).abs() < allowed).all())


def _sum(h: Size, weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    return h * summed(1.0, tables.sparse(weights), slopes)


@lru_cache(maxsize=1024)
def _weights(nodes: tuple[float, ...]) -> tuple[float, ...]:
    """∫ from 0 to 1 of Lagrange's polynomials of the nodes, which are in steps from the step's start."""
    return tuple(integrals([round(node, 10) for node in nodes]))
