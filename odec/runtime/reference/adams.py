"""Runs of Adams methods: by equal steps, or by tolerance."""

from __future__ import annotations

from torch import Tensor

from ..compiled import Compiled
from ..engines import Gradients, How, Run
from ..methods import Adams
from ..series import Series
from ..steps import Steps
from .adams_adaptive import AdaptiveAdams
from .adams_fixed import FixedAdams


class AdamsLoops:
    """The runs of an Adams method, in loops that carry the slopes of the steps before along.

    t (T,); x0 (*batch, n); p (..., m) that broadcasts with it; u the inputs as functions of time, or None.
    """

    def __init__(self, compiled: Compiled, method: Adams):
        self.fixed = FixedAdams(compiled, method)
        self.adaptive = AdaptiveAdams(compiled, method) if method.highest else None

    def _of(self, steps: Steps) -> FixedAdams | AdaptiveAdams:
        """The loops that take the steps asked for."""
        if steps.tolerance is None and steps.longest:
            return self.fixed
        if self.adaptive is None:
            raise TypeError("an Adams method of one order takes equal steps alone")
        return self.adaptive

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times, and what the adjoint needs, without a graph."""
        return self._of(steps).states(t, x0, p, u, steps, keep)

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
        """The gradient of Σ w_xs·xs; w_xs (T, *batch, n)."""
        return self._of(steps).adjoint(t, run, p, u, w_xs, steps, how, wrt_times)

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
        return self._of(steps).tangent(t, x0, p, u, d_t, d_x0, d_p, d_u, steps)

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, and the report."""
        return self._of(steps).plain(t, x0, p, u, steps)
