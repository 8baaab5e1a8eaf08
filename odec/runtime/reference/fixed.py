"""Runs by fixed steps: states, adjoint, tangent, and by plain operations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..engines import Gradients, How, Run
from ..series import Series
from ..steps import Steps
from ..stopping import look
from ..tensors import Time, empty, outputs, sum_to
from .mesh import Interval, mesh, spacing
from .stepper import FixedStepper


class Fixed:
    """The loops over equal steps between the times t (T,), each at most dt, by a stepper.

    within: whether inputs keep during a step the piece of its middle; those of a map are read at its times.
    """

    def __init__(self, stepper: FixedStepper, within: bool = True):
        self.stepper, self.within = stepper, within

    def _during(self, u: Series | None, start: Time, h: Time, j: int) -> Series | None:
        """The inputs during step j of an interval."""
        return u.within(start + (j + 0.5) * h, h) if u is not None and self.within else u

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times, and those kept for the adjoint (kept, *batch, n), without a graph."""
        intervals = mesh(t, steps.dt)
        total = sum(interval.steps for interval in intervals)
        every = spacing(total, keep)
        xs, kept = outputs(len(t), x0), empty(max(1, -(-total // every)), x0)
        x = xs[0] = kept[0] = x0
        done = 0
        for k, (start, h, count) in enumerate(intervals):
            for j in range(count):
                look()
                if done % every == 0:
                    kept[done // every] = x
                x = self.stepper.step(x, start + j * h, h, p, self._during(u, start, h, j), steps.clip)
                done += 1
            xs[k + 1] = x
        return Run(xs, kept, no_report(x0))

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
        """The discrete adjoint: the exact gradient of the numbers that `states` computed.

        w_xs (T, *batch, n) are the cotangents of the states. Steps are taken again from the kept states, then
        backwards.
        """
        intervals = mesh(t, steps.dt)
        places = [(k, j) for k, (_, _, count) in enumerate(intervals) for j in range(count)]
        every = spacing(len(places), how.keep)
        found = Gradients(
            w_xs.new_zeros(w_xs.shape[:-1]),
            torch.zeros_like(run.xs[-1]),
            p.new_zeros(p.shape),
            [] if u is None else u.zeros(),
        )
        w, output = found.x0, len(t) - 1
        for first in range(every * (len(run.kept) - 1), -1, -every):
            some = places[first : first + every]
            states = self._replay(run.kept[first // every], some, intervals, p, u, steps.clip)
            for (k, j), x in zip(reversed(some), reversed(states)):
                while output > k:
                    w = w + w_xs[output]
                    output -= 1
                w = self._back(x, w, intervals[k], (k, j), p, u, steps.clip, wrt_times, found)
        for k in range(output, -1, -1):
            w = w + w_xs[k]
        return found._replace(x0=w)

    def _replay(
        self,
        x: Tensor,
        places: Sequence[tuple[int, int]],
        intervals: Sequence[Interval],
        p: Tensor,
        u: Series | None,
        clip: float | None,
    ) -> list[Tensor]:
        """The states before each of some consecutive steps, from the first of them."""
        states = [x]
        for k, j in places[:-1]:
            look()
            start, h, _ = intervals[k]
            here = self._during(u, start, h, j)
            states.append(self.stepper.step(states[-1], start + j * h, h, p, here, clip))
        return states[: len(places)]

    def _back(
        self,
        x: Tensor,
        w: Tensor,
        interval: Interval,
        place: tuple[int, int],
        p: Tensor,
        u: Series | None,
        clip: float | None,
        wrt_times: bool,
        found: Gradients,
    ) -> Tensor:
        """The cotangent of the states x before step j of interval k; the rest is added to what was found."""
        look()
        (start, h, count), (k, j) = interval, place
        here = self._during(u, start, h, j)
        step = self.stepper.vjp(x, start + j * h, h, p, here, w, clip, wrt_times)
        found.p.add_(sum_to(step.p, p.shape))
        if here is not None:
            for when, *cotangents in step.u:
                here.pull(found.u, when, *cotangents)
        if step.t is not None and step.h is not None:
            slide = (step.h + j * step.t) / count
            found.t[k] += step.t - slide
            found.t[k + 1] += slide
        return step.x

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
        """The tangent of the states: d_t (T,) or (T, *batch), the others shaped as what they belong to."""
        x, d_x, tangents = x0, d_x0, [d_x0]
        d_t = d_t.unsqueeze(-1)
        for k, (start, h, count) in enumerate(mesh(t, steps.dt)):
            d_h = (d_t[k + 1] - d_t[k]) / max(count, 1)
            for j in range(count):
                look()
                here, d_here = self._during(u, start, h, j), self._during(d_u, start, h, j)
                d_start = d_t[k] + j * d_h
                x, d_x = self.stepper.jvp(
                    x, start + j * h, h, p, here, d_x, d_start, d_h, d_p, d_here, steps.clip
                )
            tangents.append(d_x)
        return torch.stack(tangents)

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, differentiable any number of times, and no report."""
        x, xs = x0, [x0]
        for k, (_, _, count) in enumerate(mesh(t.detach(), steps.dt)):
            h = (t[k + 1] - t[k]) / max(count, 1)
            for j in range(count):
                look()
                here = self._during(u, t[k], h, j)
                x = self.stepper.step(x, t[k] + j * h, h, p, here, steps.clip)
            xs.append(x)
        return torch.stack(xs), no_report(x0)


def no_report(x0: Tensor) -> Tensor:
    """The report (*batch, 0) of a run by fixed steps."""
    return x0.new_zeros((*x0.shape[:-1], 0))
