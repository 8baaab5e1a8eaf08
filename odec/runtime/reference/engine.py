"""The torch engine: a model's runs in plain torch, for every method, every device and every dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..compiled import Compiled
from ..engines import Gradients, How, Run, states_alone
from ..methods import Adams
from ..series import Series
from ..steps import Steps
from ..stopping import within
from .adams import AdamsLoops
from .adaptive import Adaptive
from .continuous import Continuous
from .fixed import Fixed
from .lost import adjoint_of_each
from .maps import MapStepper
from .stepper import Stepper
from .steppers import stepper_of


class Loops(Protocol):
    """The runs of one kind of method: what an Engine does, with the inputs as functions of time or None."""

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times, and what the adjoint needs, without a graph."""
        ...

    def adjoint(
        self,
        t: Tensor,
        run: Run,
        p: Tensor,
        u: Series | None,
        w_xs: Tensor,
        steps: Steps,
        how: How,
        wrt_times: bool,
    ) -> Gradients:
        """The gradient of Σ w_xs·xs, for a run whose trajectories are all finite."""
        ...

    def tangent(
        self,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        u: Series | None,
        d_t: Tensor,
        d_x0: Tensor,
        d_p: Tensor,
        d_u: Series | None,
        steps: Steps,
    ) -> Tensor:
        """The tangent (T, *batch, n) of the states; d_t (T,) or (T, *batch)."""
        ...

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, and the report."""
        ...


class Reference:
    """The torch engine of a model. See Engine."""

    def __init__(self, compiled: Compiled):
        self.compiled, self.loops = compiled, loops_of(compiled)

    def _inputs(self, series: Sequence[Tensor]) -> Series | None:
        """The inputs as functions of time; None of a model without inputs."""
        if not series:
            return None
        return Series(series, [one.name for one in self.compiled.inputs])

    @within()
    def states(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps, keep: int
    ) -> Run:
        """The states at the times, without a graph. keep: how many the adjoint wants, 1 for none."""
        with torch.no_grad():
            return self.loops.states(t, x0, p, self._inputs(series), steps, keep)

    def prepared(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The states as a function of other x0 and p of the same shapes."""
        return states_alone(self, t, x0, p, series, steps)

    @within()
    def adjoint(
        self,
        t: Tensor,
        run: Run,
        p: Tensor,
        series: Sequence[Tensor],
        w_xs: Tensor,
        steps: Steps,
        how: How,
        wrt_times: bool,
    ) -> Gradients:
        """The gradient of Σ w_xs·xs; w_xs (T, *batch, n)."""

        def gradients(run: Run, p: Tensor, series: Sequence[Tensor], w_xs: Tensor) -> Gradients:
            return self.loops.adjoint(t, run, p, self._inputs(series), w_xs, steps, how, wrt_times)

        return adjoint_of_each(gradients, run, p, series, w_xs)

    @within()
    def tangent(
        self,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        d_t: Tensor,
        d_x0: Tensor,
        d_p: Tensor,
        d_series: Sequence[Tensor],
        steps: Steps,
    ) -> Tensor:
        """The tangent (T, *batch, n) of the states; d_t (T,) or (T, *batch)."""
        u, d_u = self._inputs(series), self._inputs(d_series)
        return self.loops.tangent(t, x0, p, u, d_t, d_x0, d_p, d_u, steps)

    @within()
    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, differentiable any number of times, and the report."""
        return self.loops.plain(t, x0, p, self._inputs(series), steps)


class OneStep:
    """The runs of a one-step method: by fixed steps or by tolerance."""

    def __init__(self, compiled: Compiled, stepper: Stepper):
        self.fixed = Fixed(stepper, whole=compiled.arrays)
        self.adaptive = Adaptive(compiled, stepper)
        self.continuous = Continuous(compiled, stepper, self.fixed, self.adaptive)

    def _by(self, steps: Steps) -> Loops:
        return self.fixed if steps.tolerance is None and steps.longest else self.adaptive

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times, and what the adjoint needs, without a graph."""
        return self._by(steps).states(t, x0, p, u, steps, keep)

    def adjoint(
        self,
        t: Tensor,
        run: Run,
        p: Tensor,
        u: Series | None,
        w_xs: Tensor,
        steps: Steps,
        how: How,
        wrt_times: bool,
    ) -> Gradients:
        """The gradient of Σ w_xs·xs, for a run whose trajectories are all finite."""
        if how.adjoint == "continuous":
            return self.continuous.adjoint(t, run.xs, p, u, w_xs, steps, wrt_times)
        return self._by(steps).adjoint(t, run, p, u, w_xs, steps, how, wrt_times)

    def tangent(
        self,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        u: Series | None,
        d_t: Tensor,
        d_x0: Tensor,
        d_p: Tensor,
        d_u: Series | None,
        steps: Steps,
    ) -> Tensor:
        """The tangent (T, *batch, n) of the states; d_t (T,) or (T, *batch)."""
        return self._by(steps).tangent(t, x0, p, u, d_t, d_x0, d_p, d_u, steps)

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, and the report."""
        return self._by(steps).plain(t, x0, p, u, steps)


def loops_of(compiled: Compiled) -> Loops:
    """The loops of a model's method."""
    if compiled.is_map:
        return Fixed(MapStepper(compiled), lands=False, whole=compiled.arrays)
    if isinstance(compiled.method, Adams):
        return AdamsLoops(compiled, compiled.method)
    return OneStep(compiled, stepper_of(compiled))
