"""Runs by fixed steps: states, adjoint, tangent, and by plain operations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..engines import Gradients, How, Run
from ..series import Series
from ..steps import Steps
from ..stopping import look
from ..tensors import empty, outputs, sum_to
from .mesh import Interval, Mesh, mesh, spacing
from .stepper import FixedStepper


class Fixed:
    """The loops over equal steps of at most dt between the times t (T,) and the inputs' knots, by a stepper.

    lands: whether steps land on the inputs' knots; a map reads its inputs at its own times. whole: whether
    states are kept as they are used, trajectory by trajectory, of models of arrays; else column by column.
    """

    def __init__(self, stepper: FixedStepper, lands: bool = True, whole: bool = False):
        self.stepper, self.lands, self.room = stepper, lands, outputs if whole else empty

    def _during(self, u: Series | None, interval: Interval) -> Series | None:
        """The inputs during the steps of an interval."""
        return pieces_during(u, interval) if self.lands else u

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times, and those kept for the adjoint (kept, *batch, n), without a graph."""
        found = mesh(t, steps.dt, u)
        every, intervals = spacing(found.steps, keep), found.intervals
        xs, kept = outputs(len(t), x0), self.room(max(1, -(-found.steps // every)), x0)
        x = xs[0] = kept[0] = x0
        done = 0
        for k, (start, h, count) in enumerate(intervals):
            here, output = self._during(u, intervals[k]), found.passed[k]
            for j in range(count):
                look()
                if done % every == 0:
                    kept[done // every] = x
                x = self.stepper.step(x, start + j * h, h, p, here, steps.clip)
                done += 1
            if output is not None:
                xs[output] = x
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
        taken = mesh(t, steps.dt, u)
        during = [self._during(u, interval) for interval in taken.intervals]
        places = [(k, j) for k, (_, _, count) in enumerate(taken.intervals) for j in range(count)]
        every, before = spacing(len(places), how.keep), taken.before()
        found = Gradients(
            w_xs.new_zeros(w_xs.shape[:-1]),
            torch.zeros_like(run.xs[-1]),
            p.new_zeros(p.shape),
            [] if u is None else u.zeros(),
        )
        w, output = found.x0, len(t) - 1
        for first in range(every * (len(run.kept) - 1), -1, -every):
            some = places[first : first + every]
            states = self._replay(run.kept[first // every], some, taken, p, during, steps.clip)
            for place, x in zip(reversed(some), reversed(states)):
                while output > before[place[0]]:
                    w = w + w_xs[output]
                    output -= 1
                w = self._back(x, w, taken, place, p, during[place[0]], steps.clip, wrt_times, found)
        for k in range(output, -1, -1):
            w = w + w_xs[k]
        return found._replace(x0=w)

    def _replay(
        self,
        x: Tensor,
        places: Sequence[tuple[int, int]],
        taken: Mesh,
        p: Tensor,
        during: Sequence[Series | None],
        clip: float | None,
    ) -> list[Tensor]:
        """The states before each of some consecutive steps, from the first of them."""
        states = [x]
        for k, j in places[:-1]:
            look()
            start, h, _ = taken.intervals[k]
            states.append(self.stepper.step(states[-1], start + j * h, h, p, during[k], clip))
        return states[: len(places)]

    def _back(
        self,
        x: Tensor,
        w: Tensor,
        taken: Mesh,
        place: tuple[int, int],
        p: Tensor,
        here: Series | None,
        clip: float | None,
        wrt_times: bool,
        found: Gradients,
    ) -> Tensor:
        """The cotangent of the states x before step j of interval k; the rest is added to what was found."""
        look()
        k, j = place
        start, h, count = taken.intervals[k]
        step = self.stepper.vjp(x, start + j * h, h, p, here, w, clip, wrt_times)
        found.p.add_(sum_to(step.p, p.shape))
        if here is not None:
            for when, *cotangents in step.u:
                here.pull(found.u, when, *cotangents)
        if step.t is not None and step.h is not None:
            taken.slide(found.t, k, step.t, (step.h + j * step.t) / count)
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
        taken = mesh(t, steps.dt, u)
        for interval, output, (d_begin, d_end) in zip(*taken, taken.moved(d_t.unsqueeze(-1))):
            (start, h, count), d_h = interval, (d_end - d_begin) / max(interval.steps, 1)
            here, d_here = self._during(u, interval), self._during(d_u, interval)
            for j in range(count):
                look()
                d_start = d_begin + j * d_h
                x, d_x = self.stepper.jvp(
                    x, start + j * h, h, p, here, d_x, d_start, d_h, d_p, d_here, steps.clip
                )
            if output is not None:
                tangents.append(d_x)
        return torch.stack(tangents)

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, differentiable any number of times, and no report."""
        x, xs, taken = x0, [x0], mesh(t.detach(), steps.dt, u)
        for interval, output, (begin, end) in zip(*taken, taken.ends(t)):
            here, h = self._during(u, interval), (end - begin) / max(interval.steps, 1)
            for j in range(interval.steps):
                look()
                x = self.stepper.step(x, begin + j * h, h, p, here, steps.clip)
            if output is not None:
                xs.append(x)
        return torch.stack(xs), no_report(x0)


def no_report(x0: Tensor) -> Tensor:
    """The report (*batch, 0) of a run by fixed steps."""
    return x0.new_zeros((*x0.shape[:-1], 0))


def pieces_during(u: Series | None, interval: Interval) -> Series | None:
    """The inputs during the steps of an interval, on whose inside there is no knot."""
    return None if u is None else u.between(interval.start, interval.end)
