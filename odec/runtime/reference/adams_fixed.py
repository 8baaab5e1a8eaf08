"""Runs of Adams methods: the loops over equal steps, which carry the slopes of the steps before along."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

import torch
from torch import Tensor

from ..compiled import Compiled
from ..engines import Gradients, How, Run
from ..methods import Adams
from ..series import Series
from ..steps import Steps
from ..stopping import look
from ..tensors import empty, outputs
from .adams_step import AdamsStep, Slopes
from .fixed import no_report, pieces_during
from .mesh import Interval, Mesh, kinks_of, mesh, spacing

_GROWTH = 2 * (1 + 1e-9)
"""So much longer than the step before a step may be that uses its slope."""


class _Place(NamedTuple):
    """A step of a mesh: its interval, its number there, and how many earlier slopes it uses.

    earlier: which steps, as interval and number, these are of, the newest first; () where all that a step of
    full order uses are of its own interval, so that whatever moves that moves them alike.
    """

    interval: int
    number: int
    known: int
    earlier: tuple[tuple[int, int], ...] = ()


def plan(intervals: Sequence[Interval], past: int, kinks: Set[float] = frozenset()) -> list[_Place]:
    """Every step of a mesh. History starts anew where steps become more than twice as long, and at kinks."""
    steps, known, before = list[_Place](), 0, 0.0
    for k, (start, h, count) in enumerate(intervals):
        if h == 0 or abs(h) > _GROWTH * abs(before) or start in kinks:
            known = 0
        before = h
        for j in range(count):
            across = steps[len(steps) - known :] if known == past > j else []
            earlier = tuple((place.interval, place.number) for place in reversed(across))
            steps.append(_Place(k, j, known, earlier))
            known = min(known + 1, past)
    return steps


def nodes_of(place: _Place, intervals: Sequence[Interval]) -> tuple[float, ...]:
    """When the earlier steps started, in steps from the start of this one; () where all are equal."""
    found, (k, j, _, earlier) = list[float](), place
    for before, number in earlier:
        since = (j - number) * intervals[k].h
        if before != k:
            between = sum(one.h * one.steps for one in intervals[before + 1 : k])
            since = (intervals[before].steps - number) * intervals[before].h + between + j * intervals[k].h
        found.append(-since / intervals[k].h)
    return tuple(found)


class FixedAdams:
    """The loops over equal steps between the times t (T,), each at most dt. See AdamsLoops."""

    def __init__(self, compiled: Compiled, method: Adams):
        self.adams = AdamsStep(compiled, method)

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times t (T,), and what is kept for the adjoint, without a graph.

        Kept (rows, *batch, n): for each step that is kept the states before it, then the earlier slopes that
        it uses.
        """
        taken = mesh(t, steps.dt, u)
        intervals = taken.intervals
        places = plan(intervals, self.adams.past, kinks_of(t, u))
        every = spacing(len(places), keep)
        rows = [] if places else [x0]
        xs = outputs(len(t), x0)
        x, history = x0, Slopes()
        xs[0] = x
        for i, place in enumerate(places):
            k, history = place.interval, history[: place.known]
            if i % every == 0:
                rows += [x, *(past.expand(x.shape) for past in history)]
            here = pieces_during(u, intervals[k])
            x, history = self._advance(x, history, place, taken, p, here, steps.clip)
            output = taken.passed[k]
            if output is not None and place.number == intervals[k].steps - 1:
                xs[output] = x
        kept = empty(len(rows), x0)
        for row, value in zip(kept, rows):
            row.copy_(value)
        return Run(xs, kept, no_report(x0))

    def _advance(
        self,
        x: Tensor,
        history: Slopes,
        place: _Place,
        taken: Mesh,
        p: Tensor,
        here: Series | None,
        clip: float | None,
    ) -> tuple[Tensor, Slopes]:
        """One step of the mesh."""
        look()
        start, h, _ = taken.intervals[place.interval]
        nodes = nodes_of(place, taken.intervals)
        return self.adams.advance(x, history, start + place.number * h, h, p, here, clip, nodes)

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

        w_xs (T, *batch, n) are the cotangents of the states. Steps are taken again from what was kept, then
        backwards.
        """
        taken = mesh(t, steps.dt, u)
        places, passed = plan(taken.intervals, self.adams.past, kinks_of(t, u)), taken.before()
        every = spacing(len(places), how.keep)
        w, output, row = torch.zeros_like(run.xs[-1]), len(t) - 1, len(run.kept)
        g_u = [] if u is None else u.zeros()
        found = Gradients(w_xs.new_zeros(w_xs.shape[:-1]), w, p.new_zeros(p.shape), g_u)
        w_slopes = (w,) * self.adams.past
        for first in range(every * ((len(places) - 1) // every), -1, -every):
            part = places[first : first + every]
            row -= 1 + part[0].known
            begun = run.kept[row], tuple(run.kept[row + 1 : row + 1 + part[0].known])
            before = self._replay(begun, part, taken, p, u, steps.clip)
            for place, state in zip(reversed(part), reversed(before)):
                while output > passed[place.interval]:
                    w = w + w_xs[output]
                    output -= 1
                given = (state, place, taken, p, u, w, w_slopes)
                w, w_slopes = self._back(*given, steps.clip, wrt_times, found)
        for k in range(output, -1, -1):
            w = w + w_xs[k]
        return found._replace(x0=w)

    def _back(
        self,
        state: tuple[Tensor, Slopes],
        place: _Place,
        taken: Mesh,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_slopes: Slopes,
        clip: float | None,
        wrt_times: bool,
        found: Gradients,
    ) -> tuple[Tensor, Slopes]:
        """The cotangents of the states and slopes before a step; the rest is added to what was found."""
        look()
        (x, history), (k, j, known, _) = state, place
        start, h, count = taken.intervals[k]
        here, nodes = pieces_during(u, taken.intervals[k]), nodes_of(place, taken.intervals)
        given = (x, history, start + j * h, h, p, here, w)
        if wrt_times and nodes:
            self._pull_nodes(self.adams.vjp_of_nodes(*given, nodes, clip), place, nodes, taken, found.t)
        step, w_slopes = self.adams.vjp(*given, w_slopes, clip, wrt_times, nodes)
        if known == 0:
            w_slopes = (torch.zeros_like(step.x),) * self.adams.past
        found.p.add_(step.p)
        if here is not None:
            for when, cotangent in step.u:
                here.pull(found.u, when, cotangent)
        if step.t is not None and step.h is not None:
            taken.slide(found.t, k, step.t, (step.h + j * step.t) / count)
        return step.x, w_slopes

    def _pull_nodes(
        self, g_nodes: Sequence[Tensor], place: _Place, nodes: Sequence[float], taken: Mesh, found: Tensor
    ) -> None:
        """Add the cotangents of a step's nodes, (earlier time - its start)/h, to those of the times."""
        (k, j, _, earlier), intervals = place, taken.intervals
        for g_node, node, (before, number) in zip(g_nodes, nodes, earlier):
            g = g_node / intervals[k].h
            taken.slide(found, before, g, number * g / intervals[before].steps)
            taken.slide(found, k, -g, -(node + j) * g / intervals[k].steps)

    def _replay(
        self,
        begun: tuple[Tensor, Slopes],
        places: Sequence[_Place],
        taken: Mesh,
        p: Tensor,
        u: Series | None,
        clip: float | None,
    ) -> list[tuple[Tensor, Slopes]]:
        """States and history before each of some consecutive steps, from those before the first of them."""
        x, history = begun
        found = []
        for place in places:
            history = history[: place.known]
            found.append((x, history))
            if len(found) < len(places):
                here = pieces_during(u, taken.intervals[place.interval])
                x, history = self._advance(x, history, place, taken, p, here, clip)
        return found

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
        taken = mesh(t, steps.dt, u)
        x, d_x, history, d_history, tangents = x0, d_x0, Slopes(), Slopes(), [d_x0]
        moved = taken.moved(d_t.unsqueeze(-1))
        d_steps = [(end - begin) / one.steps for (begin, end), one in zip(moved, taken.intervals)]
        for place in plan(taken.intervals, self.adams.past, kinks_of(t, u)):
            look()
            k, j, known, earlier = place
            (start, h, count), d_begin, d_h = taken.intervals[k], moved[k][0], d_steps[k]
            nodes = nodes_of(place, taken.intervals)
            d_since = [moved[i][0] + number * d_steps[i] - d_begin - j * d_h for i, number in earlier]
            d_nodes = [(d - node * d_h) / h for d, node in zip(d_since, nodes)]
            here, d_here = (pieces_during(one, taken.intervals[k]) for one in (u, d_u))
            given = (x, history[:known], start + j * h, h, p, here)
            moving = (d_x, d_history[:known], d_begin + j * d_h, d_h, d_p, d_here)
            x, history, d_x, d_history = self.adams.jvp(*given, *moving, steps.clip, nodes, d_nodes)
            if j == count - 1 and taken.passed[k] is not None:
                tangents.append(d_x)
        return torch.stack(tangents)

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations, differentiable any number of times, and no report."""
        x, history, xs = x0, Slopes(), [x0]
        taken = mesh(t.detach(), steps.dt, u)
        ends = taken.ends(t)
        sizes = [(end - begin) / one.steps for (begin, end), one in zip(ends, taken.intervals)]
        for k, j, known, earlier in plan(taken.intervals, self.adams.past, kinks_of(t.detach(), u)):
            look()
            count, h, here = taken.intervals[k].steps, sizes[k], pieces_during(u, taken.intervals[k])
            time = ends[k][0] + j * h
            nodes = [(ends[i][0] + number * sizes[i] - time) / h for i, number in earlier]
            x, history = self.adams.advance(x, history[:known], time, h, p, here, steps.clip, nodes)
            if j == count - 1 and taken.passed[k] is not None:
                xs.append(x)
        return torch.stack(xs), no_report(x0)
