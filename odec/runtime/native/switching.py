"""The native engine of a model that switches in time, with what it has besides other engines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..autograd import PlainSolve, Plan
from ..compiled import Compiled
from ..differentiated import differentiated
from ..engines import NO_REPORT, Gradients, How, Run, sensitivities_of
from ..reference.lost import all_finite
from ..series import Series
from ..shares import Share
from ..steps import Steps
from ..switching import Switching
from .engine import Native, straight
from .ready import ReadyAdjoint, ReadyStates


class NativeSwitching(Switching):
    """A model's native engine, landing on every switch. See Native; p is (..., m) where it is not said."""

    inner: Native

    def __init__(self, compiled: Compiled):
        super().__init__(compiled, "native")
        own = compiled.equations
        self._observables = differentiated(own.observables, own.observables_vjp, own.observables_jvp)

    def between(
        self, times: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps, keep: int
    ) -> Run:
        """The inner engine's run; with what conditions ask for as its only inputs, by a kernel made ready."""
        if len(series) == 2 * self.compiled.asked and straight(times, x0, p, x0.shape[:-1]):
            return self.inner.ready(ReadyStates, times, x0, p, steps, series)(x0, p)
        return super().between(times, x0, p, series, steps, keep)

    def back(
        self,
        share: Share,
        run: Run,
        p: Tensor,
        series: Sequence[Tensor],
        w: Tensor,
        steps: Steps,
        how: How,
        wrt_times: bool,
    ) -> Gradients:
        """The inner engine's adjoint of a share, w (T + E, ...), which takes its steps again by itself."""
        landing, xs, own = share.landing, share.of(run.xs, 1), share.parameters(self._own(p))
        times, asked = landing.times, share.asked
        if not series and straight(times, xs, own, xs.shape[1:-1]) and all_finite(xs[-1]):
            return self.inner.ready(ReadyAdjoint, times, xs, own, steps, asked, wrt_times)(xs, own, w)
        if len(
            landing.switches
        ):  # all that is asked of a state is whether it is finite: as the next output's
            places = torch.arange(len(times), device=xs.device)
            xs = xs.index_select(0, torch.searchsorted(landing.outputs, places))
        again = Run(xs, xs[:1], NO_REPORT)
        return self.inner.adjoint(
            times, again, own, [*share.series(series), *asked], w, steps, how, wrt_times
        )

    def last(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states at the last time alone (*batch, n), and the report."""
        run = self.states(t, x0, p, series, steps, 1)
        return run.xs[-1], run.report

    def observe(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The observables (T, *batch, k), and the report."""
        run = self.states(t, x0, p, series, steps, 1)
        given = self._observed(t, run.xs, p, series)
        return self._observables(*given), run.report

    def _observed(self, t: Tensor, xs: Tensor, p: Tensor, series: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What observables are a function of, with the times and the inputs over the batch."""
        batch, when = xs.shape[1:-1], t.reshape(-1, *[1] * (xs.dim() - 2)).expand(xs.shape[:-1])
        if not series:
            return when, xs, p
        u = Series(series, self.compiled.input_names)
        return when, xs, p, torch.stack([u(time).expand(*batch, len(u.names)) for time in t])

    def sensitivities(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """Forward sensitivities: ∂x/∂x0 (T, *batch, n, n) and ∂x/∂p (T, *batch, n, m)."""
        return sensitivities_of(self, t, x0, p, series, steps)

    def loss_gradient(
        self,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        data: Tensor,
        weight: Tensor,
        steps: Steps,
        chunk: int = 0,
    ) -> tuple[Tensor, Gradients, Tensor]:
        """Σ weight·(value − data)² over the output times, per trajectory, and its gradient; see Native."""
        own = [value.detach().requires_grad_() for value in (x0, p, *series[1::2])]
        given = [value for pair in zip(series[::2], own[2:]) for value in pair]
        plan = Plan(self.compiled, "native", steps, How(chunk=chunk))
        with torch.enable_grad():
            xs, report = PlainSolve.apply(t, own[0], self.switches.carried(own[1]), plan, *given)
            values = torch.cat((xs, self._observables(*self._observed(t, xs, own[1], given))), -1)
            ahead = [1] * (xs.dim() - data.dim())
            data, weight = (part.reshape(len(t), *ahead, *part.shape[1:]) for part in (data, weight))
            residual = torch.where(weight == 0, 0.0, values - data)
            loss = (weight * residual.square()).sum((0, -1))
            g_x0, g_p, *g_u = torch.autograd.grad(loss.sum(), own)
        g_t = xs.new_zeros(()).expand(xs.shape[:-1])
        loss = loss.detach().nan_to_num(math.inf, math.inf)
        return loss, Gradients(g_t, g_x0, g_p, g_u), report
