"""Implicit Runge–Kutta methods of fixed steps, by the stepper that models have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from odec.errors import SimulationError
from odec.integrate.fixed import Place, Stepped
from odec.integrate.problem import Problem
from odec.integrate.steps import Size
from odec.runtime.external import equations_of
from odec.runtime.methods import Implicit
from odec.runtime.reference.implicit import ImplicitStepper


class ImplicitMethod:
    """A method whose stages are solved by Newton's iteration, with the Jacobian by torch's autograd."""

    nodes: Sequence[float] = (0.0, 1.0)

    def __init__(self, problem: Problem, method: Implicit, perturb: bool):
        self.problem, self.method, self.perturb = problem, method, perturb
        self.stepper = ImplicitStepper(equations_of(self._slope), method)
        self.p = problem.y0.new_empty(0)
        self.place: Place | None = None

    def _slope(self, t: Tensor, x: Tensor) -> Tensor:
        return self.problem.rate(self._moved(t), x.view(self.problem.y0.shape))[0].reshape(-1)

    def _moved(self, t: Tensor) -> Tensor:
        """The time of a stage; at a step's ends beside it, where that is asked for."""
        place = self.place
        if self.perturb and place is not None:
            time, near = float(t), 1e-6 * abs(place.end - place.start)
            for end, moved in zip((place.start, place.end), place.times):
                if abs(time - end) < near:
                    return moved
        return t.to(self.problem.y0.dtype)

    def step(self, place: Place, y: Tensor, total: Tensor | None) -> Stepped:
        """One step from y. Raises SimulationError where its stages have no solution."""
        self.place = place
        slope = self.problem.rate(place.times[0], y)[0]
        start = place.times[0] if self.problem.t is None else place.times[0].double()
        trial = self.stepper.trial(y.reshape(-1), start, place.h, self.p, None)
        if not bool(torch.isfinite(trial.x).all()):
            raise SimulationError(
                f"{self.method.name}: Newton's iteration finds no step from t = {place.start:.6g} to "
                f"{place.end:.6g}; take smaller steps"
            )
        return Stepped(trial.x.view(y.shape), self._total(place.h, start, y, total, trial.stages), slope)

    def _total(
        self, h: Size, start: Tensor, y: Tensor, total: Tensor | None, slopes: Sequence[Tensor]
    ) -> Tensor | None:
        """The integral along with a step, by its stages."""
        if total is None:
            return None
        for row, node, weight in zip(self.method.a, self.method.c, self.method.b):
            stage = y
            for entry, slope in zip(row, slopes):
                stage = stage + h * entry * slope.view(y.shape)
            along = self.problem.rate(self._moved(start + node * h), stage)[1]
            assert along is not None
            total = total + h * weight * along
        return total
