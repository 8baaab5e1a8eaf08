"""The continuous adjoint of one-step methods: memory for the output times, not for the steps."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..compiled import Compiled, StepGradients
from ..engines import UNSOLVED, Gradients, How, Run
from ..methods import Auto
from ..series import Held, Series
from ..steps import Steps
from ..stopping import look
from ..tensors import dot, rms, sum_to
from .adaptive import Adaptive, tolerance_of
from .control import PIControl, error_order_of
from .explicit import ExplicitStepper
from .fixed import Fixed, pieces_during
from .jacobians import SlopeJacobian
from .mesh import mesh, stops_of
from .stepper import Stepper

_MOST_LENGTHS = 8
"""So many times as long as the run's step there may a step of the adjoint be, to overlook nothing."""


class Continuous:
    """The adjoint dw/dt = -f_xᵀ w, solved backwards anew from the states at the output times.

    Pontryagin et al. 1962; Chen et al., NeurIPS 2018.
    """

    def __init__(self, compiled: Compiled, stepper: Stepper, fixed: Fixed, adaptive: Adaptive):
        self.compiled, self.stepper, self.slope = compiled, stepper, compiled.slope
        self.fixed, self.adaptive = fixed, adaptive

    def adjoint(
        self, t: Tensor, xs: Tensor, p: Tensor, u: Series | None, w_xs: Tensor, steps: Steps, wrt_times: bool
    ) -> Gradients:
        """The gradient of Σ w_xs·xs, by fixed steps or by steps of its own."""
        if steps.tolerance is not None:
            return self._by_tolerance(t, xs, p, u, w_xs, steps, wrt_times)
        if isinstance(self.stepper, ExplicitStepper):
            return self._backwards(self.stepper, t, xs, p, u, w_xs, steps, wrt_times)
        return self._by_intervals(t, xs, p, u, w_xs, steps, wrt_times)

    def _backwards(
        self,
        stepper: ExplicitStepper,
        t: Tensor,
        xs: Tensor,
        p: Tensor,
        u: Series | None,
        w_xs: Tensor,
        steps: Steps,
        wrt_times: bool,
    ) -> Gradients:
        """By fixed steps backwards, anew from the states at the times t; approximate, as the method is."""
        w, g_p, clip = torch.zeros_like(xs[-1]), p.new_zeros(p.shape), steps.clip
        g_t, g_u = w_xs.new_zeros(w_xs.shape[:-1]), [] if u is None else u.zeros()
        here = None
        for k in range(len(t) - 1, 0, -1):
            taken = mesh(t[k - 1 : k + 1].flip(0), steps.dt, u).intervals
            if wrt_times:
                here = pieces_during(u, taken[0])
                g_t[k] += dot(w_xs[k], self.slope(float(t[k]), xs[k], p, here, clip))
                g_t[k] += self._of_switch(w, t, k, xs[k], p, u, clip)
            w, x = w + w_xs[k], xs[k]
            for interval in taken:
                (start, h, count), here = interval, pieces_during(u, interval)
                for j in range(count):
                    look()
                    x, w, d_p, d_u = stepper.back(x, w, start + j * h, h, p, here, clip)
                    g_p += sum_to(d_p, p.shape)
                    if here is not None:
                        for time, cotangent in d_u:
                            here.pull(g_u, time, cotangent)
        if wrt_times and len(t) > 1:
            g_t[0] -= dot(w, self.slope(float(t[0]), xs[0], p, here, clip))
        return Gradients(g_t, w + w_xs[0], g_p, g_u)

    def _by_intervals(
        self, t: Tensor, xs: Tensor, p: Tensor, u: Series | None, w_xs: Tensor, steps: Steps, wrt_times: bool
    ) -> Gradients:
        """By fixed steps: between two times they are taken anew from the true states, and transposed.

        Backwards, dx/dt = f is unstable where a problem is stiff, so that the states of one interval are
        kept: the gradient is the discrete one, at the memory of the times and of one interval.
        """
        w, g_p = torch.zeros_like(xs[-1]), p.new_zeros(p.shape)
        g_t, g_u = w_xs.new_zeros(w_xs.shape[:-1]), [] if u is None else u.zeros()
        for k in range(len(t) - 1, 0, -1):
            ends, w_ends = slice(k - 1, k + 1), torch.stack((torch.zeros_like(w), w + w_xs[k]))
            run = Run(xs[ends], xs[k - 1 : k], w.new_zeros(*w.shape[:-1], 0))
            found = self.fixed.adjoint(t[ends], run, p, u, w_ends, steps, How(keep=1), wrt_times)
            w = found.x0
            g_t[ends] += found.t
            g_p += found.p
            g_u = [total + part for total, part in zip(g_u, found.u)]
        return Gradients(g_t, w + w_xs[0], g_p, g_u)

    def _by_tolerance(
        self, t: Tensor, xs: Tensor, p: Tensor, u: Series | None, w_xs: Tensor, steps: Steps, wrt_times: bool
    ) -> Gradients:
        """By steps of its own: approximate.

        Each step keeps the local error of w, and of the gradient by p, within rtol·|w| + atol·max|w_xs|, with
        the adjoint's own tolerances. Between two times of t the states are solved again from the stored ones,
        by the smaller of these tolerances and the run's: memory for the times, and for the steps between two
        of them. Serban & Hindmarsh, CVODES, ASME IDETC 2005.
        """
        back = _Backwards(self, p, u, xs, w_xs, steps)
        g_t = w_xs.new_zeros(w_xs.shape[:-1])
        for k in range(len(t) - 1, 0, -1):
            if wrt_times:
                g_t[k] += self._of_switch(back.w, t, k, xs[k], back.p, u, steps.clip)
            g_t[k] += back.interval(t[k - 1 : k + 1], xs[k - 1], xs[k], w_xs[k], k == 1, wrt_times)
            if wrt_times and k == 1:
                g_t[0] -= back.rate(back.w, t[:2], xs[0], 0)
        nan = back.lost()
        g_u = [g + nan.sum_to_size(g.shape[2:]) for g in back.g_u]
        g_p = sum_to(back.g_p + nan.unsqueeze(-1), p.shape)
        return Gradients(g_t + nan, back.w + w_xs[0] + nan.unsqueeze(-1), g_p, g_u)

    def _of_switch(
        self, w: Tensor, t: Tensor, k: int, x: Tensor, p: Tensor, u: Series | None, clip: float | None
    ) -> Tensor:
        """The gradient (*batch) by time k as that of a switch: w times the fall of dx/dt there, else 0.

        w: the cotangent of the states x behind it. Of the inputs, only what conditions ask for moves with it.
        """
        asked, none = self.compiled.asked, torch.zeros_like(w[..., 0])
        if not asked or u is None or k + 1 == len(t):
            return none
        early, time = (stop for stop, _ in stops_of(t[k - 1 : k + 1], u)[-2:])
        late = stops_of(t[k : k + 2], u)[1][0]
        before, after = u.between(early, time)(time), u.between(time, late)(time)
        if torch.equal(before[..., -asked:], after[..., -asked:]):
            return none
        after = torch.cat((before[..., :-asked], after[..., -asked:].expand_as(before[..., -asked:])), -1)
        sides: list[Any] = [Held(before), Held(after)]
        old, new = (self.slope(time, x, p, side, clip) for side in sides)
        return torch.where(_any(w), dot(w, old - new), 0.0)


def _interval_of(kept: Tensor) -> Tensor:
    """The number of the interval that each row of a mesh is of."""
    return kept[..., -1].reshape(len(kept), -1)[:, 0] if kept.numel() else kept.new_zeros(len(kept))


def _any(w: Tensor) -> Tensor:
    """Whether the cotangents (..., n) of a trajectory are not all zero: (...)."""
    return (w != 0).any(-1)


class _Path:
    """The states between two stops, from a mesh: one step from the last of its states before a place.

    A place is a distance from the earlier stop (in the run's order), its own for each trajectory.
    """

    def __init__(
        self,
        stepper: Stepper,
        rows: Tensor,
        a: float,
        b: float,
        p: Tensor,
        u: Series | None,
        clip: float | None,
        n: int,
    ):
        self.stepper, self.a, self.span, self.sign = stepper, a, abs(b - a), math.copysign(1, b - a)
        self.rows, self.n = rows.movedim(0, -2), n
        self.begins = (self.rows[..., n] * self.span).contiguous()
        self.p, self.u, self.clip = p, u, clip

    def before(self, places: Tensor) -> Tensor:
        """The rows (q, *batch, width) of the steps that come to places (q, *batch)."""
        index = torch.searchsorted(self.begins, places.movedim(0, -1).contiguous()) - 1
        return torch.take_along_dim(self.rows, index.clamp(min=0).unsqueeze(-1), -2).movedim(-2, 0)

    def which(self, row: Tensor) -> Tensor | None:
        """Whether the steps of rows (..., width) are of the stiff half of auto (..., 1); None elsewhere."""
        return row[..., self.n + 2 : -1] != 0 if row.shape[-1] > self.n + 3 else None

    def times(self, places: Tensor) -> Tensor:
        """The times (..., 1) of places."""
        return self.a + self.sign * places.unsqueeze(-1)

    def states(self, places: Tensor) -> Tensor:
        """The states (q, *batch, n) at places (q, *batch)."""
        row = self.before(places)
        x, begin = row[..., : self.n], row[..., self.n] * self.span
        h, each = (places - begin).unsqueeze(-1), self.p.expand(*x.shape[:-1], self.p.shape[-1])
        given = (x, self.times(begin), self.sign * h, each, self.u, self.clip)
        return torch.where(h == 0, x, self.stepper.step(*given, self.which(row)))


class _Backwards:
    """The cotangents w (*batch, n) on their way back, the gradients g_p (*batch, m), g_u, the step sizes."""

    def __init__(self, of: Continuous, p: Tensor, u: Series | None, xs: Tensor, w_xs: Tensor, steps: Steps):
        tolerance = tolerance_of(steps)
        rtol, *atol = tolerance.adjoint
        least = tuple(map(min, tolerance.atol, atol))
        self.again = replace(tolerance, rtol=min(tolerance.rtol, rtol), atol=least, dense=False, adjoint=())
        self.of, self.clip, self.u, self.g_u = of, steps.clip, u, [] if u is None else u.zeros()
        self.shared, self.p = p, p.expand(*xs.shape[1:-1], p.shape[-1])
        self.w, self.g_p = torch.zeros_like(w_xs[0]), torch.zeros_like(self.p)
        own = replace(tolerance, rtol=rtol, atol=tuple(atol), first=0.0)
        self.pace = PIControl(w_xs[0], own, error_order_of(of.compiled.method) + 1)
        self.size = w_xs.abs().amax((0, -1)).unsqueeze(-1)
        explicit = isinstance(of.stepper, ExplicitStepper)
        self.jacobian = None if explicit else SlopeJacobian(of.compiled.equations)
        self.parts = 2 ** _order(of.compiled) - 1
        self.last = False

    def interval(
        self, ends: Tensor, x: Tensor, x_next: Tensor, w_next: Tensor, first: bool, wrt_times: bool
    ) -> Tensor:
        """Go back from the later of two times to the earlier; w_next: the cotangent of the later's x_next.

        Returns the later time's own gradient (*batch).
        """
        self.w = self.w + w_next
        stops = [time for time, _ in stops_of(ends, self.u)]
        steps = Steps(None, self.again, self.clip)
        _, kept, report = self.of.adaptive.states(ends, x, self.shared, self.u, steps, 0)
        failed = (report[..., 0] != 0) & _any(self.w)
        self.pace.fail(failed, UNSOLVED, stops[0], self.pace.worst)
        rate = self.rate(w_next, ends, x_next, -1) if wrt_times else torch.zeros_like(w_next[..., 0])
        for j in range(len(stops) - 1, 0, -1):
            a, b = stops[j - 1], stops[j]
            self.last = first and j == 1
            here = None if self.u is None else self.u.between(a, b)
            rows = kept[_interval_of(kept) == j - 1]
            self.cross(_Path(self.of.stepper, rows, a, b, self.p, here, self.clip, x.shape[-1]))
        return rate

    def rate(self, w: Tensor, ends: Tensor, x: Tensor, which: int) -> Tensor:
        """w·dx/dt (*batch) at the first (0) or the last (-1) of two times, as between them; 0 where w is."""
        stops = [time for time, _ in stops_of(ends, self.u)]
        beside = stops[-2:] if which else stops[:2]
        here = None if self.u is None else self.u.between(*beside)
        return torch.where(_any(w), dot(w, self.of.slope(stops[which], x, self.p, here, self.clip)), 0.0)

    def lost(self) -> Tensor:
        """NaN where the adjoint of a trajectory could not be solved, with a warning; 0 elsewhere (*batch)."""
        failed = self.pace.code != 0
        if bool(failed.any()):
            time = float(self.pace.time[failed][0])
            where = f"for {int(failed.sum())} of {failed.numel()} trajectories, at t = {time:.6g}"
            advice = "try a larger adjoint_rtol, more max_steps, or adjoint='discrete'"
            message = f"the continuous adjoint could not be solved {where}: no gradient; {advice}"
            warnings.warn(message, stacklevel=2)
        return torch.where(failed, math.nan, 0.0).to(self.w.dtype)

    def cross(self, path: _Path) -> None:
        """Go from the later end of a path to the earlier, each trajectory by its own steps."""
        pace, place = self.pace, torch.full_like(self.pace.h, path.span)
        while path.span and path.rows.numel():
            look()
            time = path.times(place).squeeze(-1)
            active = pace.going((place > 0) & _any(self.w), time)
            if not bool(active.any()):
                break
            row = path.before(place.unsqueeze(0))[0]
            trial, lands = self._sizes(active, place, row[..., path.n + 1] * path.span)
            w, g_p, norm, pulls = self._attempt(path, place, trial, path.which(row))
            good = pace.judge(active, trial, norm)
            moved = good.unsqueeze(-1)
            self.w, self.g_p = torch.where(moved, w, self.w), torch.where(moved, g_p, self.g_p)
            if path.u is not None:
                for when, *cotangents in pulls:
                    path.u.pull(self.g_u, when, *(torch.where(moved, w_u, 0.0) for w_u in cotangents))
            place = torch.where(good, torch.where(lands, 0.0, place - trial), place)
            # what is left up to a singular slope, as that of sqrt(x) at 0, may be less than rounding
            ended = active & ~good & ~torch.isfinite(norm) & (place <= 4 * pace.eps * path.span)
            place = torch.where(ended, 0.0, place)
            pace.end_short(active & ~good & ~ended, norm, time)

    def _sizes(self, active: Tensor, place: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """The sizes (*batch) of steps to try from a place, and which end the path; length: the run's step."""
        pace = self.pace
        pace.h = torch.where(pace.h == 0, length, pace.h)
        h = torch.minimum(pace.h, _MOST_LENGTHS * length).clamp(max=pace.max_step)
        lands = h >= place * (1 - 1e-12)
        trial = torch.where(lands, place, torch.where(place < 2 * h, place / 2, h))
        return torch.where(active, trial, 0.0), lands

    def _attempt(
        self, path: _Path, place: Tensor, trial: Tensor, which: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, list[tuple[Any, ...]]]:
        """w and g_p a step earlier, by two transposed steps of half the size, and the norm of their error.

        The transpose of a step is a step of the same order for w; the halves' error is the difference to one
        whole step over 2^order - 1. Hager, Numer. Math. 87 (2000) 247–282; Hairer et al. I, II.4. Also the
        inputs' cotangents.
        """
        early = place - trial
        places = torch.stack((early, early + trial / 2))
        x, times, h = path.states(places), path.times(places), path.sign * trial.unsqueeze(-1)
        both = self._pull(path, x, times, torch.stack((h, h / 2)), self.w.expand(x.shape), which)
        half = self._pull(path, x[0], times[0], h / 2, both.x[1], which)
        g_p, whole = self.g_p + both.p[1] + half.p, self.g_p + both.p[0]
        pulls = [*half.u, *((when[1], *(c[1] for c in rest)) for when, *rest in both.u)]
        error, error_p = half.x - both.x[0], g_p - whole
        if self.jacobian is not None:
            later, integral = _two_steps_on(error, h, self.jacobian(times[0], x[0], self.p, path.u))
            later_p = error_p + self.of.slope.vjp(times[0], x[0], self.p, path.u, self.clip, integral)[2]
            ends = self.last & (early == 0).unsqueeze(-1)  # w is an answer itself
            error, error_p = torch.where(ends, error, later), torch.where(ends, error_p, later_p)
        norm = self._norm(error, torch.maximum(half.x.abs(), self.w.abs()), self.pace.atol)
        if g_p.shape[-1]:
            size, least = torch.maximum(g_p.abs(), self.g_p.abs()), self.pace.atol.amin(-1, keepdim=True)
            norm = torch.maximum(norm, self._norm(error_p, size, least))
        return half.x, g_p, norm / self.parts, pulls

    def _pull(
        self, path: _Path, x: Tensor, time: Tensor, h: Tensor, w: Tensor, which: Tensor | None
    ) -> StepGradients:
        """The adjoint of the step from x, by the method that the run took there."""
        each = self.p.expand(*x.shape[:-1], self.p.shape[-1])
        where = None if which is None else which.expand(*x.shape[:-1], 1)
        return self.of.stepper.vjp(x, time, h, each, path.u, w, self.clip, False, where)

    def _norm(self, difference: Tensor, value: Tensor, atol: Tensor) -> Tensor:
        """The root mean square of differences over what is allowed."""
        return rms(difference / (atol * self.size + self.pace.rtol * value))


def _order(compiled: Compiled) -> int:
    """The order of the steps, the lower one of two methods."""
    method = compiled.method
    return min(method.explicit.order, method.stiff.order) if isinstance(method, Auto) else method.order


def _two_steps_on(error: Tensor, h: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
    """What is left of an error of w two such steps later, by eight implicit steps, and its integral.

    Fast modes die out: exp(2h Jᵀ) error. The integral is what the error adds to a gradient later.
    """
    eye = torch.eye(error.shape[-1], dtype=error.dtype, device=error.device)
    inverse = torch.linalg.inv_ex(eye - (h.unsqueeze(-1) / 4 * jacobian).mT)[0]
    integral = torch.zeros_like(error)
    for _ in range(8):
        error = (inverse * error.unsqueeze(-2)).sum(-1)
        integral = integral + h / 4 * error
    return error, integral
