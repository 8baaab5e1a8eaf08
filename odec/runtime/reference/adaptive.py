"""Runs by tolerance, each trajectory by its own steps: states, adjoint, tangent, and by plain operations."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..compiled import Compiled
from ..engines import Gradients, How, Run
from ..methods import Adams, Auto, Explicit, Map
from ..series import Series
from ..steps import Steps, Tolerance
from ..stopping import look
from ..tensors import outputs, rms, sum_to
from ..torch_private import numbers
from .control import control_of
from .interpolant import Found, Within, landings
from .lost import lose
from .stepper import Stepper, Trial, merged
from .stiffness import Watch


class Taken(NamedTuple):
    """A step that was taken: the states before it, its start and size as parts of the interval (*batch, 1).

    A size of 0: the trajectory waited. which (*batch, 1): whether by the stiff half of auto, None elsewhere.
    """

    x: Tensor
    begin: Tensor
    part: Tensor
    which: Tensor | None


class Adaptive:
    """The loops over steps that follow a tolerance, by a stepper.

    Each step keeps its local error within atol + rtol·|x|. Steps end on the times and the inputs' knots; with
    outputs within steps, on the first and the last time and on knots.
    """

    def __init__(self, compiled: Compiled, stepper: Stepper):
        self.compiled, self.stepper, self.slope = compiled, stepper, compiled.slope
        method = compiled.method
        own = method.stiff if isinstance(method, Auto) else method
        self.order = own.order
        self.degree, self.excess = degree_of(compiled), compiled.excess

    def pace(self, t: Tensor, steps: Steps) -> Tolerance:
        """The tolerance that steps over the times t (T,) follow."""
        return tolerance_of(steps).over(numbers(t), self.compiled)

    def states(self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps, keep: int) -> Run:
        """The states at the times t (T,), the mesh that each trajectory took, and a report, without a graph.

        Kept unless keep is 1, for each step (S, *batch, n + 3): the states before it, its start and size as
        parts of the interval between two stops (size 0 where a trajectory waited), of auto whether it is by
        the stiff method, the number of that interval. The report: see Control.report.
        """
        tolerance = self.pace(t, steps)
        stops, within = landings(t, u, tolerance.dense)
        xs = torch.full_like(outputs(len(t), x0), math.nan)
        xs[0] = x0
        course = _Course(self, x0, p, tolerance, steps.clip, xs, record=keep != 1)
        intervals = [(a, b) for (a, _), (b, _) in zip(stops, stops[1:])]
        begin, end = next(((a, b) for a, b in intervals if a != b), (stops[0][0],) * 2)
        first = None if u is None else u.between(begin, end)
        course.pace.start(self.slope, x0, begin, end, p, first, steps.clip, 1 / (self.order + 1))
        for k, (a, b) in enumerate(intervals):
            course.cross(a, b, k, None if u is None else u.between(a, b), within[k])
            output = stops[k + 1][1]
            if output is not None:
                xs[output] = torch.where((course.pace.code == 0).unsqueeze(-1), course.x, math.nan)
            if bool((course.pace.code != 0).all()):
                break
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
        stops, within = landings(t, u, self.pace(t, steps).dense)
        back = _Back(self, p.expand(*run.xs.shape[1:-1], p.shape[-1]), u, w_xs, steps.clip, wrt_times)
        g_t = w_xs.new_zeros((len(stops), *w_xs.shape[1:-1]))
        intervals = by_interval(run.kept, run.xs.shape[-1], len(stops) - 1)
        for k in range(len(intervals) - 1, -1, -1):
            (a, _), (b, output) = stops[k], stops[k + 1]
            back.w = back.w if output is None else back.w + w_xs[output]
            here = None if u is None else u.between(a, b)
            ends = ends_of(intervals[k])
            for taken in reversed(intervals[k]):
                outputs_within = _found(within[k], taken, ends.pop())
                back.step(taken, a, b - a, here, outputs_within, g_t[k], g_t[k + 1])
        for g_stop, (_, output) in zip(g_t, stops):
            if output is not None:
                back.g_t[output] = g_stop
        return Gradients(back.g_t, back.w + w_xs[0], sum_to(back.g_p, p.shape), back.g_u)

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
        (stops, within), d_t, d_x = landings(t, u, self.pace(t, steps).dense), d_t.unsqueeze(-1), d_x0
        tangents = torch.zeros_like(xs)
        tangents[0] = d_x0
        moves = [torch.zeros_like(d_t[0]) if i is None else d_t[i] for _, i in stops]
        for k, rows in enumerate(by_interval(kept, x0.shape[-1], len(stops) - 1)):
            (a, _), (b, output), d_span = stops[k], stops[k + 1], moves[k + 1] - moves[k]
            here, d_here = (None if one is None else one.between(a, b) for one in (u, d_u))
            for taken, end in zip(rows, ends_of(rows)):
                look()
                x, begin, part, which = taken
                time, h, d_time = a + (b - a) * begin, (b - a) * part, moves[k] + begin * d_span
                given = (x, time, h, p, here, d_x, d_time, part * d_span, d_p, d_here, steps.clip, which)
                found = _found(within[k], taken, end)
                if found:
                    _, d_next, q, d_q = self.stepper.dense_jvp(*given)
                    own = found.trajectories(part)
                    if not bool((own | (part == 0)).all()):
                        d_next = torch.where(own, d_next, self.stepper.jvp(*given)[1])
                    found.put(tangents, found.tangents(d_x, q, d_q, d_t, moves[k], d_span, b - a))
                else:
                    d_next = self.stepper.jvp(*given)[1]
                d_x = torch.where(part != 0, d_next, d_x)
            if output is not None:
                tangents[output] = d_x
        return torch.where(torch.isnan(xs), math.nan, tangents)

    def plain(
        self, t: Tensor, x0: Tensor, p: Tensor, u: Series | None, steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states by plain tensor operations on the mesh that `states` takes, and its report."""
        with torch.no_grad():  # and detached, as no_grad leaves forward derivatives alone
            still = None if u is None else Series([s.detach() for s in u.pieces], u.names)
            run = self.states(t.detach(), x0.detach(), p.detach(), still, steps, 0)
        (stops, within), x = landings(t.detach(), u, self.pace(t.detach(), steps).dense), x0
        xs: dict[int, Tensor] = {0: x0}
        inner: list[tuple[Found, Tensor]] = []
        moving = [time if i is None else t[i] for time, i in stops]
        for k, rows in enumerate(by_interval(run.kept, x0.shape[-1], len(stops) - 1)):
            start, span, output = moving[k], moving[k + 1] - moving[k], stops[k + 1][1]
            here = None if u is None else u.between(stops[k][0], stops[k + 1][0])
            for taken, end in zip(rows, ends_of(rows)):
                look()
                _, begin, part, which = taken
                # one that waits may stand where its slope overflows, which 0 cotangents would make NaN
                moved = part != 0
                given = (torch.where(moved, x, x0), start + begin * span, part * span, p, here)
                found = _found(within[k], taken, end)
                if found:
                    tried = self.stepper.trial(*given, steps.clip, which)
                    q = self.stepper.within(*given, tried.x, tried.stages, steps.clip, which)
                    theta = ((t[found.output] - start) / span).unsqueeze(-1)
                    inner.append((found, found.states(x, q, (theta - found.begin) / found.part)))
                    x_next = tried.x
                else:
                    x_next = self.stepper.step(*given, steps.clip, which)
                x = torch.where(moved, x_next, x)
            if output is not None:
                xs[output] = x
        states = _placed(xs, inner, x, len(t))
        series = [] if u is None else u.coefficients
        return lose(states, torch.isnan(run.xs), t, x0, p, *series), run.report


def tolerance_of(steps: Steps) -> Tolerance:
    """The tolerance that steps follow."""
    if steps.tolerance is None:
        raise ValueError("steps by tolerance are wanted")
    return steps.tolerance


def degree_of(compiled: Compiled) -> int:
    """The degree of the method's interpolant in θ; 0 where it has none."""
    method = compiled.method
    one = method.explicit if isinstance(method, Auto) else method
    dense = None if isinstance(one, Adams | Map) else one.dense
    return dense.degree if dense else 0


def _placed(xs: dict[int, Tensor], inner: list[tuple[Found, Tensor]], like: Tensor, count: int) -> Tensor:
    """The states (T, *batch, n) from those at stops and those within steps."""
    states = torch.stack([xs[i] if i in xs else torch.zeros_like(like) for i in range(count)])
    if not inner:
        return states
    output, item = torch.cat([one.output for one, _ in inner]), torch.cat([one.item for one, _ in inner])
    flat = states.reshape(count, -1, states.shape[-1])
    return flat.index_put((output, item), torch.cat([values for _, values in inner])).reshape(states.shape)


class _Course:
    """The states x on their way, with the step sizes and the steps taken; outputs within go to xs."""

    def __init__(
        self,
        loop: Adaptive,
        x: Tensor,
        p: Tensor,
        tolerance: Tolerance,
        clip: float | None,
        xs: Tensor,
        record: bool,
    ):
        compiled = loop.compiled
        self.stepper, self.x, self.p, self.clip, self.xs = loop.stepper, x, p, clip, xs
        self.pace = control_of(compiled.method, x, tolerance)
        self.excess = loop.excess if tolerance.dense else 1
        self.rows: list[Tensor] | None = [] if record else None
        method, jacobian = compiled.method, compiled.equations.jacobian
        self.watch = Watch(method, jacobian) if isinstance(method, Explicit) else None

    def kept(self) -> Tensor:
        """The steps taken (S, *batch, width)."""
        width = self.x.shape[-1] + (3 if self.pace.stiff is None else 4)
        return torch.stack(self.rows) if self.rows else self.x.new_zeros((0, *self.x.shape[:-1], width))

    def cross(self, a: float, b: float, k: int, u: Series | None, within: Within | None) -> None:
        """Integrate from stop a to b, the interval k, each trajectory by its own steps."""
        pace, span, sign = self.pace, abs(b - a), math.copysign(1, b - a)
        done = torch.zeros_like(self.x[..., 0])
        while span:
            look()
            x, time = self.x, a + sign * done
            active = pace.going(done < span, time)
            if not bool(active.any()):
                break
            if self.watch is not None:
                self.watch.look(active, time, pace.accepted, x, self.p, u)
            trial, lands = self._sizes(active, span - done)
            given = (x, time.unsqueeze(-1), sign * trial.unsqueeze(-1), self.p, u)
            which = None if pace.stiff is None else pace.stiff.unsqueeze(-1)
            tried = self.stepper.trial(*given, self.clip, which, None if which is None else pace.unit(x))
            error, norm = self._measured(tried)
            good = pace.judge(active, trial, norm)
            self._record(good, done / span, trial / span, k)
            before, done = done, torch.where(good, torch.where(lands, span, done + trial), done)
            found = within.found(before / span, done / span, trial / span) if within else None
            if found:
                q = self.stepper.within(*given, tried.x, tried.stages, self.clip, which)
                found.put(self.xs, found.states(x, q))
            self.x = torch.where(good.unsqueeze(-1), tried.x, x)
            pace.choose(good, tried.reach)
            worst = torch.nan_to_num(error.abs(), nan=math.inf).argmax(-1)
            pace.worst = torch.where(active, worst, pace.worst)
            pace.end_short(active & ~good, norm, time)

    def _sizes(self, active: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        """The sizes (*batch) of the steps to try, 0 where a trajectory waits, and which end on the stop."""
        h = self.pace.h
        lands = h >= left * (1 - 1e-12)
        trial = torch.where(lands, left, torch.where(left < 2 * h, left / 2, h))
        return torch.where(active, trial, 0.0), lands

    def _measured(self, tried: Trial) -> tuple[Tensor, Tensor]:
        """The error estimate by what may be wrong (*batch, n), and its norm (*batch), which 1 accepts."""
        size = torch.maximum(self.x.abs(), tried.x.abs())
        error, *lower = (self.pace.scaled(value, size) for value in tried.errors)
        norm = rms(error)
        norm = _of_two(norm, rms(lower[0])) if lower else norm
        return error, norm if self.excess == 1 else norm * self.excess

    def _record(self, good: Tensor, begin: Tensor, part: Tensor, k: int) -> None:
        """Keep the step of the trajectories that accept it."""
        if self.rows is None or not bool(good.any()):
            return
        part = torch.where(good, part, 0.0)
        stiff = [] if self.pace.stiff is None else [self.pace.stiff.to(part.dtype)]
        columns = torch.stack((begin, part, *stiff, torch.full_like(part, k)), -1)
        self.rows.append(torch.cat((self.x, columns), -1))


def _of_two(error: Tensor, lower: Tensor) -> Tensor:
    """The norm by both estimates, error²/√(error² + 0.01 lower²). Hairer et al. I, II.10, eq. 10.17."""
    return error * (error / torch.hypot(error, 0.1 * lower).clamp(min=torch.finfo(error.dtype).tiny))


def by_interval(kept: Tensor, n: int, count: int) -> list[list[Taken]]:
    """A mesh's rows by interval between two stops, n states in each."""
    intervals: list[list[Taken]] = [[] for _ in range(count)]
    numbers = kept[..., -1].reshape(len(kept), -1)[:, 0].tolist() if kept.numel() else []
    for k, row in zip(numbers, kept):
        look()
        begin, part, *which = row[..., n:-1].split(1, -1)
        intervals[int(k)].append(Taken(row[..., :n], begin, part, which[0] != 0 if which else None))
    return intervals


def ends_of(rows: list[Taken]) -> list[Tensor]:
    """Where each of an interval's steps ends, as a part of it: where the trajectory's next one begins."""
    ends: list[Tensor] = []
    after: Tensor | float = 1.0
    for _, begin, part, _ in reversed(rows):
        look()
        ends.append(torch.where(part != 0, after, begin))
        after = torch.where(part != 0, begin, after)
    return ends[::-1]


def _found(within: Within | None, taken: Taken, end: Tensor) -> Found | None:
    """The outputs within a step, if there are any."""
    return within.found(taken.begin, end, taken.part) if within else None


class _Back:
    """The cotangents w (*batch, n) on their way back, and the gradients g_t (T, *batch), g_p, g_u."""

    def __init__(
        self, loop: Adaptive, p: Tensor, u: Series | None, w_xs: Tensor, clip: float | None, wrt_times: bool
    ):
        self.loop, self.p, self.w_xs, self.clip, self.wrt_times = loop, p, w_xs, clip, wrt_times
        self.w, self.g_p = torch.zeros_like(w_xs[0]), torch.zeros_like(p)
        self.g_t, self.g_u = w_xs.new_zeros(w_xs.shape[:-1]), [] if u is None else u.zeros()

    def step(
        self,
        taken: Taken,
        a: float,
        span: float,
        u: Series | None,
        found: Found | None,
        g_a: Tensor,
        g_b: Tensor,
    ) -> None:
        """Take back a step of the interval from a; g_a, g_b: the gradients of the stops around it."""
        look()
        x, begin, part, which = taken
        given, stepper = (x, a + span * begin, span * part, self.p, u, self.w), self.loop.stepper
        moved, rest = (self.w != 0).any(-1, keepdim=True), (self.clip, self.wrt_times, which)
        if found:
            w_x, w_q = found.cotangents(self.w_xs, self.loop.degree)
            moved = moved | ((w_x != 0) | (w_q != 0).any(0)).any(-1, keepdim=True)
            step, q = stepper.dense_vjp(*given, w_q, *rest)
            own = found.trajectories(part)
            if not bool((own | (part == 0)).all()):  # others take the step that they take alone
                step = merged(step, stepper.vjp(*given, *rest), own)
            w_next = step.x + w_x
            if q is not None:
                found.pull_times(self.w_xs, q, span, self.g_t, g_a, g_b)
        else:
            step = stepper.vjp(*given, *rest)
            w_next = step.x
        moved = moved & (part != 0)
        self.w = torch.where(moved, w_next, self.w)
        self.g_p = torch.where(moved, self.g_p + step.p, self.g_p)
        if u is not None:
            for when, *cotangents in step.u:
                u.pull(self.g_u, when, *(torch.where(moved, w_u, 0.0) for w_u in cotangents))
        if step.t is not None and step.h is not None:
            slide = begin.squeeze(-1) * step.t + part.squeeze(-1) * step.h
            g_a += torch.where(moved.squeeze(-1), step.t - slide, 0.0)
            g_b += torch.where(moved.squeeze(-1), slide, 0.0)
