"""Runs of Adams methods by tolerance: steps and orders of each trajectory's own."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..compiled import Compiled
from ..engines import Gradients, How, Run
from ..methods import Adams
from ..series import Series
from ..steps import Steps, Tolerance
from ..stopping import look
from ..tensors import outputs, rms, sum_to
from .adams_control import AdamsControl
from .adams_variable import Past, VariableAdams
from .adaptive import tolerance_of
from .lost import lose
from .mesh import Stop, kinks_of, stops_of


class _Row(NamedTuple):
    """A row of a mesh: the number of its interval, the states before, start and size (*batch, 1) of the step.

    A trajectory that waited has not moved, and has the least size above 0 and order 1, so that what is then
    dropped, and its derivatives, stay finite.
    """

    interval: int
    x: Tensor
    begin: Tensor
    part: Tensor
    moved: Tensor
    order: Tensor

    @classmethod
    def of(cls, kept: Tensor) -> _Row:
        x, begin, part, order, k = kept.split((kept.shape[-1] - 4, 1, 1, 1, 1), -1)
        moved = part != 0
        part = torch.where(moved, part, torch.finfo(part.dtype).eps)
        return cls(int(k.flatten()[0]), x, begin, part, moved, torch.where(moved, order, 1.0).to(torch.long))


class AdaptiveAdams:
    """The loops over steps that follow a tolerance.

    Each step keeps its local error within atol + rtol·|x|. Steps end on the times and on the inputs' knots,
    after which the order starts from 1. See AdamsLoops.
    """

    def __init__(self, compiled: Compiled, method: Adams):
        self.slope, self.adams = compiled.slope, VariableAdams(compiled.slope, method.highest)
        self.highest, self.past = method.highest, method.highest - 1

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times t (T,), the mesh that each trajectory took, and a report, without a graph.

        Kept unless keep is 1, for each step (S, *batch, n + 4): the states before it, its start and size as
        parts of the interval between two stops (size 0 where a trajectory waited), its order and the number
        of that interval. The report: see Control.report.
        """
        stops, xs = stops_of(t, u), outputs(len(t), x0)
        knots = kinks_of(t, u)
        course = _Course(self, x0, p, tolerance_of(steps), steps.clip, keep != 1)
        xs[0] = x0
        intervals = [(a, b) for (a, _), (b, _) in zip(stops, stops[1:])]
        begin, end = next(((a, b) for a, b in intervals if a != b), (stops[0][0],) * 2)
        first = None if u is None else u.between(begin, end)
        course.pace.start(self.slope, x0, begin, end, p, first, steps.clip, 0.5)
        for k, (a, b) in enumerate(intervals):
            if a in knots:
                course.pace.restart()
            course.cross(a, b, k, None if u is None else u.between(a, b))
            output = stops[k + 1][1]
            if output is not None:
                xs[output] = torch.where((course.pace.code == 0).unsqueeze(-1), course.x, math.nan)
        return Run(xs, course.kept(), course.pace.report())

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
        """The discrete adjoint on the mesh that `states` took: the exact gradient of the numbers computed.

        The mesh counts as fixed in relation to the stops.
        """
        stops, each = stops_of(t, u), p.expand(*run.xs.shape[1:-1], p.shape[-1])
        w, stop = torch.zeros_like(run.xs[0]), len(stops) - 1
        w_past, g_u = Past.none(w, self.past), [] if u is None else u.zeros()
        g_t = w_xs.new_zeros((len(stops), *w_xs.shape[1:-1]))
        found = Gradients(g_t, w, torch.zeros_like(each), g_u)
        for row, past in reversed(self._pasts(run.kept, stops, each, u, steps.clip)):
            w, stop = _with_outputs(w, w_xs, stops, stop, row.interval), row.interval
            ends = stops[stop][0], stops[stop + 1][0]
            w, w_past = self._back(row, past, ends, each, u, w, w_past, steps.clip, wrt_times, found)
        w = _with_outputs(w, w_xs, stops, stop, -1)
        places = [j for j, (_, output) in enumerate(stops) if output is not None]
        return Gradients(g_t[places], w, sum_to(found.p, p.shape), g_u)

    def _back(
        self,
        row: _Row,
        past: Past,
        ends: tuple[float, float],
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_past: Past,
        clip: float | None,
        wrt_times: bool,
        found: Gradients,
    ) -> tuple[Tensor, Past]:
        """The cotangents of what stands before a step; the rest is added to what was found, by stops."""
        look()
        (a, b), (k, x, begin, part, moved, order) = ends, row
        here = None if u is None else u.between(a, b)
        time, h = a + (b - a) * begin, (b - a) * part
        step, w_before = self.adams.vjp(x, past, time, h, order, p, here, w, w_past, clip, wrt_times)
        found.p.add_(torch.where(moved, step.p, 0.0))
        if here is not None:
            for when, cotangent in step.u:
                here.pull(found.u, when, torch.where(moved, cotangent, 0.0))
        if step.t is not None and step.h is not None:
            slide = begin * step.t + part * step.h
            found.t[k] += torch.where(moved, step.t - slide, 0.0).squeeze(-1)
            found.t[k + 1] += torch.where(moved, slide, 0.0).squeeze(-1)
        return torch.where(moved, step.x, w), w_before.where(moved, w_past)

    def _pasts(
        self, kept: Tensor, stops: list[Stop], p: Tensor, u: Series | None, clip: float | None
    ) -> list[tuple[_Row, Past]]:
        """The rows of a mesh, each with the slopes and times before its step."""
        found = list[tuple[_Row, Past]]()
        rows = [_Row.of(row) for row in kept]
        past = Past.none(rows[0].x, self.past) if rows else Past((), ())
        for row in rows:
            look()
            found.append((row, past))
            (a, _), (b, _) = stops[row.interval], stops[row.interval + 1]
            time = a + (b - a) * row.begin
            k0 = self.slope(time, row.x, p, None if u is None else u.between(a, b), clip)
            past = past.after(k0, time).where(row.moved, past)
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
        """The tangent of the states on the mesh that they take; d_t (T,) or (T, *batch)."""
        xs, kept, _ = self.states(t, x0, p, u, steps, 0)
        stops, d_t, d_x, tangents, stop = stops_of(t, u), d_t.unsqueeze(-1), d_x0, [d_x0], 0
        moves = [torch.zeros_like(d_t[0]) if i is None else d_t[i] for _, i in stops]
        d_past = Past.none(d_x0, self.past)
        for row, past in self._pasts(kept, stops, p, u, steps.clip):
            look()
            k, x, begin, part, moved, order = row
            tangents += [d_x] * _outputs_between(stops, stop, k)
            (a, _), (b, _), d_span, stop = stops[k], stops[k + 1], moves[k + 1] - moves[k], k
            here, d_here = (None if one is None else one.between(a, b) for one in (u, d_u))
            given = (x, past, a + (b - a) * begin, (b - a) * part, order, p, here)
            moving = (d_x, d_past, moves[k] + begin * d_span, part * d_span, d_p, d_here)
            d_next, d_after = self.adams.jvp(*given, *moving, steps.clip)
            d_x, d_past = torch.where(moved, d_next, d_x), d_after.where(moved, d_past)
        tangents += [d_x] * _outputs_between(stops, stop, len(stops) - 1)
        return torch.where(torch.isnan(xs), math.nan, torch.stack(tangents))

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations on the mesh that `states` takes, and its report."""
        with torch.no_grad():  # and detached, as no_grad leaves forward derivatives alone
            still = None if u is None else Series([s.detach() for s in u.pieces], u.names)
            run = self.states(t.detach(), x0.detach(), p.detach(), still, steps, 0)
        stops, x, xs, stop = stops_of(t.detach(), u), x0, [x0], 0
        past, moving = Past.none(x0, self.past), [time if i is None else t[i] for time, i in stops]
        for kept in run.kept:
            look()
            k, _, begin, part, moved, order = _Row.of(kept)
            xs += [x] * _outputs_between(stops, stop, k)
            start, span, stop = moving[k], moving[k + 1] - moving[k], k
            here = None if u is None else u.between(stops[k][0], stops[k + 1][0])
            # one that waits may stand where its slope overflows, which 0 cotangents would make NaN
            given = (torch.where(moved, x, x0), past, start + begin * span, part * span, order, p, here)
            move = self.adams.step(*given, steps.clip)
            x, past = torch.where(moved, move.x, x), move.past.where(moved, past)
        xs += [x] * _outputs_between(stops, stop, len(stops) - 1)
        coefficients = [] if u is None else u.coefficients
        return lose(torch.stack(xs), torch.isnan(run.xs), t, x0, p, *coefficients), run.report


class _Course:
    """The states x (*batch, n) of a run on their way, the steps before, and the mesh, if record."""

    def __init__(
        self,
        loops: AdaptiveAdams,
        x0: Tensor,
        p: Tensor,
        tolerance: Tolerance,
        clip: float | None,
        record: bool,
    ):
        self.adams, self.x, self.p, self.clip = loops.adams, x0, p, clip
        self.pace, self.past = AdamsControl(x0, tolerance, loops.highest), Past.none(x0, loops.past)
        self.rows: list[Tensor] | None = [] if record else None

    def kept(self) -> Tensor:
        """The mesh (S, *batch, n + 4)."""
        x = self.x
        return torch.stack(self.rows) if self.rows else x.new_zeros((0, *x.shape[:-1], x.shape[-1] + 4))

    def cross(self, a: float, b: float, k: int, u: Series | None) -> None:
        """Integrate from stop a to b, each trajectory by its own steps; accepted ones go to the rows."""
        span, sign, pace = abs(b - a), math.copysign(1, b - a), self.pace
        done = torch.zeros_like(self.x[..., 0])
        while span:
            look()
            time = a + sign * done
            active = pace.going(done < span, time)
            if not bool(active.any()):
                break
            left = span - done
            lands = pace.h >= left * (1 - 1e-12)
            trial = torch.where(lands, left, torch.where(left < 2 * pace.h, left / 2, pace.h))
            trial = torch.where(active, trial, span)
            good, norm = self._try(a, b, k, done / span, trial, active, u)
            done = torch.where(good, torch.where(lands, span, done + trial), done)
            pace.end_short(active & ~good, norm, time)

    def _try(
        self, a: float, b: float, k: int, begun: Tensor, trial: Tensor, active: Tensor, u: Series | None
    ) -> tuple[Tensor, Tensor]:
        """Try steps (*batch); which are accepted, and the norms of their errors."""
        pace, x, span = self.pace, self.x, abs(b - a)
        begin, part, order = (value.unsqueeze(-1) for value in (begun, trial / span, pace.order))
        when, h = a + (b - a) * begin, (b - a) * part
        move = self.adams.step(x, self.past, when, h, order, self.p, u, self.clip)
        most = torch.maximum(x.abs(), move.x.abs())
        errors = self.adams.errors(self.past, when, h, order, move.slopes)
        scaled = [pace.scaled(error, most) for error in errors]
        lower, norm, higher = (rms(error) for error in scaled)
        norm = torch.where(torch.isfinite(move.x).all(-1), norm, math.inf)
        good = pace.judge(active, trial, norm, lower, higher)
        if self.rows is not None and bool(good.any()):
            taken = torch.where(good.unsqueeze(-1), part, 0.0)
            columns = (x, begin, taken, order.to(part.dtype), torch.full_like(part, k))
            self.rows.append(torch.cat(columns, -1))
        self.x = torch.where(good.unsqueeze(-1), move.x, x)
        self.past = move.past.where(good.unsqueeze(-1), self.past)
        worst = torch.nan_to_num(scaled[1].abs(), nan=math.inf).argmax(-1)
        pace.worst = torch.where(active, worst, pace.worst)
        return good, norm


def _with_outputs(w: Tensor, w_xs: Tensor, stops: list[Stop], stop: int, k: int) -> Tensor:
    """w with the cotangents of the states at the stops after k, down from the one that was last added."""
    for j in range(stop, k, -1):
        output = stops[j][1]
        w = w if output is None else w + w_xs[output]
    return w


def _outputs_between(stops: list[Stop], a: int, b: int) -> int:
    """How many of the stops after a and up to b are outputs."""
    return sum(output is not None for _, output in stops[a + 1 : b + 1])
