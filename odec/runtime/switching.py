"""Runs that land on their switches in time: an engine over an engine, to which they are output times."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .compiled import Compiled
from .engines import ALL, NOT_FINITE, Gradients, How, Run, states_alone
from .landing import Landing
from .shares import Share, aligned, joined, shares_of
from .steps import Steps
from .tensors import empty, sum_to
from .torch_private import batched, numbers


class Switching:
    """An engine of a model that switches in time: it lands on every switch. See Engine.

    A switch is one more output time of an engine of the model between its switches, which also gives the
    gradient by it. p is (..., m), or has behind it the numbers that move switches (Switches.carried), as a
    Model passes it on; gradients are in the form of p. Trajectories that do not land alike run one after the
    other.
    """

    def __init__(self, compiled: Compiled, name: str):
        if compiled.turns is None:
            raise TypeError(f"the model {compiled.name} has no switches in time")
        self.compiled, self.switches = compiled, compiled.turns
        self.inner: Any = compiled.held.engine(name)
        self._over = functools.lru_cache(maxsize=16)(self._steps_over)

    def _carried(self, p: Tensor) -> Tensor:
        return p if p.shape[-1] > self.switches.params else self.switches.carried(p)

    @property
    def moved(self) -> bool:
        """Whether parameters or inputs move switches."""
        return bool(self.switches.moving or self.switches.watched)

    def _watched(self, series: Sequence[Tensor]) -> list[Tensor]:
        """The coefficients of the inputs that move switches."""
        return [series[2 * k + 1] for k in self.switches.watched]

    def _own(self, p: Tensor) -> Tensor:
        """The parameters alone."""
        return p[..., : self.switches.params].contiguous() if self.switches.moving else p

    def _steps_over(self, times: tuple[float, ...], steps: Steps) -> Steps:
        """The steps of a run over these output times, whose number decides of outputs within steps."""
        if steps.tolerance is None:
            return steps
        pace = steps.tolerance.over(times, self.compiled)
        return replace(steps, tolerance=replace(pace, dense=bool(pace.dense)))

    def states(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps, keep: int
    ) -> Run:
        """The states at the times, without a graph; the adjoint takes the steps again and keeps none."""
        p, steps = self._carried(p), self._over(_times(t), steps)
        shares = shares_of(self.switches, t, p, series, x0.shape[:-1])
        runs = []
        for share in shares:
            run, outputs = self._run(share, x0, p, series, steps, 1), share.landing.outputs
            runs.append(run if len(run.xs) == len(t) else run._replace(xs=run.xs.index_select(0, outputs)))
        xs = joined(shares, [run.xs for run in runs], 1)
        return Run(xs, empty(1, x0), joined(shares, [run.report for run in runs], 0))

    def _run(
        self, share: Share, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps, keep: int
    ) -> Run:
        """The run of a share, at its switches too; NaN after the start where a switch's time is no number."""
        times, x0, p = share.landing.times, share.of(x0, 0), share.parameters(self._own(p))
        given = [*share.series(series), *share.asked]
        if not share.landing.lost:
            return self.between(times, x0, p, given, steps, keep)
        run = self.between(times[:1], x0, p, given, steps, 1)
        xs = torch.cat((run.xs, run.xs.new_full((len(times) - 1, *x0.shape), math.nan)))
        return Run(xs, run.kept, self._failed(run.report, share.landing))

    def between(
        self, times: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps, keep: int
    ) -> Run:
        """The inner engine's run, with what conditions ask for behind the inputs."""
        found: Run = self.inner.states(times, x0, p, series, steps, keep)
        return found

    def _failed(self, report: Tensor, landing: Landing) -> Tensor:
        """The report of trajectories that cannot start, as the time of a switch is no number."""
        failed = report.new_tensor((NOT_FINITE, float(landing.times[0]), 0.0, 0.0, 0.0))
        return failed[: report.shape[-1]].expand(report.shape)

    def prepared(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The states as a function of other x0 and p of the same shapes."""
        shares = [] if self.switches.moving else shares_of(self.switches, t, p, series, x0.shape[:-1])
        if len(shares) != 1:
            return states_alone(self, t, x0, p, series, steps)
        landing, steps = shares[0].landing, self._over(_times(t), steps)
        run: Callable[[Tensor, Tensor], Tensor] = self.inner.prepared(
            landing.times, x0, p, [*series, *shares[0].asked], steps
        )
        return lambda x0, p: run(x0, p).index_select(0, landing.outputs)

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, differentiable any number of times, and the report.

        Trajectories that have parameters of their own run one after the other, as their switches move.
        """
        p, batch, steps = self._carried(p), x0.shape[:-1], self._over(_times(t), steps)
        given = [p] * bool(self.switches.moving) + self._watched(series)
        if any(map(batched, given)):
            raise ValueError(
                "torch.vmap cannot map over what moves switches where adjoint is 'autograd': give it as a "
                "batch, or take adjoint='discrete'"
            )
        shares = shares_of(self.switches, t, p, series, batch)
        alike = not self.switches.moving or p.numel() == p.shape[-1]
        if shares[0].items is None and alike and all(c.dim() == 2 for c in self._watched(series)):
            return self._plain(shares[0].landing, t, x0, p, series, steps)
        count, flat = math.prod(batch), p.expand(*batch, p.shape[-1]).reshape(-1, p.shape[-1])
        pieces = [aligned(c, batch).expand(*c.shape[:2], *batch).flatten(2) for c in series[1::2]]
        runs = []
        for k, x in enumerate(x0.reshape(count, -1)):
            own = [value for pair in zip(series[::2], pieces) for value in (pair[0], pair[1][..., k])]
            (share,) = shares_of(self.switches, t, flat[k], own, ())
            runs.append(self._plain(share.landing, t, x, flat[k], own, steps))
        xs, reports = torch.stack([xs for xs, _ in runs], 1), torch.stack([report for _, report in runs])
        return xs.reshape(len(t), *x0.shape), reports.reshape(*batch, reports.shape[-1])

    def _plain(
        self, landing: Landing, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The same of trajectories whose switches are moved by one set of parameters."""
        given, own = [*series, *landing.asked], self._own(p)
        if landing.lost:
            xs, report = self.inner.plain(t[:1], x0, own, given, steps)
            report = self._failed(report, landing)
            return torch.cat((xs, xs.expand(len(t) - 1, *x0.shape) * math.nan)), report
        if not len(landing.switches):
            plain: tuple[Tensor, Tensor] = self.inner.plain(t, x0, own, given, steps)
            return plain
        switches = landing.times[landing.switches]
        if self.moved:
            switches = self.switches.times(landing, p[..., self.switches.params :].flatten(), series)
        order = torch.cat((landing.outputs, landing.switches)).argsort()
        xs, report = self.inner.plain(torch.cat((t, switches))[order], x0, own, given, steps)
        return xs[landing.outputs], report

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
        whole, batch, steps = self._carried(p), run.xs.shape[1:-1], self._over(_times(t), steps)
        shares = shares_of(self.switches, t, whole, series, batch)
        parts = [self._adjoint(share, run, whole, series, w_xs, steps, how, wrt_times) for share in shares]
        g_t = joined(shares, [part.t for part in parts], 1)
        g_x0 = joined(shares, [part.x0 for part in parts], 0)
        g_p = sum_to(joined(shares, [part.p for part in parts], 0), whole.shape)
        g_u = []
        for k, c in enumerate(series[1::2]):
            several = [part.u[k] for part in parts]
            if c.dim() > 2 and shares[0].items is not None:
                shape = aligned(c, batch).shape
                g_u.append(joined(shares, several, 2).sum_to_size(shape).reshape(c.shape))
            else:
                g_u.append(sum(several[1:], start=several[0]))
        if whole is not p:
            g_p = torch.func.vjp(self.switches.carried, p.detach())[1](g_p)[0]
        return Gradients(g_t, g_x0, g_p, g_u)

    def _adjoint(
        self,
        share: Share,
        run: Run,
        p: Tensor,
        series: Sequence[Tensor],
        w_xs: Tensor,
        steps: Steps,
        how: How,
        wrt_times: bool,
    ) -> Gradients:
        """The gradient of a share's part, by p with what it carries."""
        landing, w_outputs = share.landing, share.of(w_xs, 1)
        xs, own = share.of(run.xs, 1), share.parameters(p)
        moving = own[..., self.switches.params :]
        if landing.lost:
            return _lost(xs, own, share.series(series), w_outputs)
        w = w_outputs
        if len(landing.switches):
            w = w.new_zeros((len(landing.times), *w.shape[1:])).index_copy_(0, landing.outputs, w)
        by_inputs = bool(self.switches.watched and how.inputs and len(landing.switches))
        moves = by_inputs or bool(self.switches.moving and len(landing.switches))
        found = self.back(share, run, p, series, w, steps, how, wrt_times or moves)
        g_p, g_t, g_u = found.p, found.t, found.u[: len(series) // 2]
        if self.switches.moving:
            g_moving = torch.zeros_like(moving)
            if moves:
                g_switches = g_t.index_select(0, landing.switches)
                g_moving = sum_to(self.switches.pull(landing, g_switches), moving.shape)
            g_p = torch.cat((g_p, g_moving), -1)
        if by_inputs:
            g_switches = g_t.index_select(0, landing.switches)
            g_u = self.switches.pull_series(landing, g_switches, share.series(series), g_u)
        if len(landing.switches):
            g_t = g_t.index_select(0, landing.outputs)
        return Gradients(g_t, found.x0, g_p, g_u)

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
        """The inner engine's adjoint of a share, w (T + E, ...), over its run taken once more."""
        keep = ALL if steps.tolerance else how.keep
        again = self._run(share, run.xs[0], p, series, steps, 1 if how.adjoint == "continuous" else keep)
        own, given = share.parameters(self._own(p)), [*share.series(series), *share.asked]
        found: Gradients = self.inner.adjoint(
            share.landing.times, again, own, given, w, steps, how, wrt_times
        )
        return found

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
        whole, batch, steps = self._carried(p), x0.shape[:-1], self._over(_times(t), steps)
        if whole is not p:
            p, d_p = (value.contiguous() for value in torch.broadcast_tensors(p, d_p))
            d_p = torch.func.jvp(self.switches.carried, (p,), (d_p,))[1]
        d_x0 = d_x0.expand(x0.shape)
        shares = shares_of(self.switches, t, whole, series, batch)
        parts = [self._tangent(share, x0, whole, series, d_t, d_x0, d_p, d_series, steps) for share in shares]
        return joined(shares, parts, 1)

    def _tangent(
        self,
        share: Share,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        d_t: Tensor,
        d_x0: Tensor,
        d_p: Tensor,
        d_series: Sequence[Tensor],
        steps: Steps,
    ) -> Tensor:
        """The tangent of a share's states."""
        landing, x0, d_x0 = share.landing, share.of(x0, 0), share.of(d_x0, 0)
        if landing.lost:
            lost = d_x0.new_full((len(landing.outputs) - 1, *d_x0.shape), math.nan)
            return torch.cat((d_x0.unsqueeze(0), lost))
        p, d_p, d_times = share.parameters(p), share.parameters(d_p), d_t
        if d_t.dim() > 1:
            ahead = [1] * (len(share.batch) + 1 - d_t.dim())
            d_times = share.of(d_t.reshape(len(d_t), *ahead, *d_t.shape[1:]).expand(-1, *share.batch), 1)
        if len(landing.switches):
            d_outputs = d_times.reshape(*d_times.shape, *[1] * (x0.dim() - d_times.dim()))
            d_times = d_t.new_zeros((len(landing.times), *x0.shape[:-1]))
            d_times[landing.outputs] = d_outputs.expand(-1, *x0.shape[:-1])
            if self.switches.moving:
                d_times[landing.switches] = self.switches.push(landing, d_p[..., self.switches.params :])
            if self.switches.watched:
                d_own = self.switches.push_series(landing, share.series(d_series), x0.shape[:-1])
                d_times[landing.switches] += d_own
        given, d_given = [*share.series(series), *share.asked], share.series(d_series)
        d_given += [part if k % 2 == 0 else torch.zeros_like(part) for k, part in enumerate(share.asked)]
        arguments = x0, self._own(p), given, d_times, d_x0, self._own(d_p), d_given, steps
        found: Tensor = self.inner.tangent(landing.times, *arguments)
        return found.index_select(0, landing.outputs) if len(landing.switches) else found


def _lost(xs: Tensor, p: Tensor, series: Sequence[Tensor], w_xs: Tensor) -> Gradients:
    """The gradients of trajectories that cannot run: NaN where they have a part in the loss, else 0."""
    nan = torch.where((w_xs != 0).any(-1).any(0), math.nan, 0.0).to(xs.dtype)
    g_u = []
    for c in series[1::2]:
        each = nan.expand(*c.shape[:2], *nan.shape)
        g_u.append(each.sum_to_size(aligned(c, nan.shape).shape).reshape(c.shape))
    g_p = sum_to(nan.unsqueeze(-1).expand(*nan.shape, p.shape[-1]), p.shape)
    return Gradients(nan.expand(len(xs), *nan.shape), nan.unsqueeze(-1).expand(xs.shape[1:]), g_p, g_u)


def _times(t: Tensor) -> tuple[float, ...]:
    """The output times t (T,) as numbers. Raises ValueError for another shape."""
    if t.dim() != 1:
        raise ValueError(f"t must be (T,), not {tuple(t.shape)}")
    return tuple(numbers(t))
