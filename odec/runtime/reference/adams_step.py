"""One step of an Adams method by its table, with equal steps before it, its adjoint and its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..compiled import Compiled, StepGradients
from ..methods import Adams, Row
from ..series import Series
from ..tensors import Time, advanced, dot, pooled, weighted
from .explicit import ExplicitStepper

Slopes = tuple[Tensor, ...]
"""The slopes (*batch, n) of earlier steps, the newest first."""


class _Back(NamedTuple):
    """What Slope.vjp gave at a step's start, and at the predicted state (None where nothing is corrected).

    past: the cotangents of the slopes of earlier steps.
    """

    start: tuple[Any, ...]
    end: tuple[Any, ...] | None
    past: Slopes


class AdamsStep:
    """A step from x and the slopes of up to method.past steps of the same size before, the newest first.

    y = x + h Σ_j b_j k_j is predicted, x_next = x + h (c_0 f(t + h, y) + Σ_j c_{j+1} k_j) corrected; without
    a corrector x_next = y. k_0 is the slope at the step's start. With fewer slopes the step is one of the
    starting method. Arguments as of Stepper.
    """

    def __init__(self, compiled: Compiled, method: Adams):
        self.slope, self.starter = compiled.slope, ExplicitStepper(compiled, method.starter)
        self.past, self.predictor, self.corrector = method.past, method.predictor, method.corrector

    def advance(
        self,
        x: Tensor,
        history: Slopes,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None = None,
    ) -> tuple[Tensor, Slopes]:
        """The states at t + h and the slopes for the next step."""
        slopes = (self.slope(t, x, p, u, clip), *history)
        if len(history) < self.past:
            return self.starter.step(x, t, h, p, u, clip), slopes
        x_next = y = advanced(x, h, self.predictor, slopes)
        if self.corrector:
            k = self.slope(t + h, y, p, u, clip)
            x_next = advanced(x, h, self.corrector, (k, *slopes))
        return x_next, slopes[: self.past]

    def vjp(
        self,
        x: Tensor,
        history: Slopes,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_slopes: Sequence[Tensor],
        clip: float | None = None,
        wrt_times: bool = False,
    ) -> tuple[StepGradients, Slopes]:
        """The adjoint: w and w_slopes are the cotangents of the states and slopes that advance returned.

        Also returns the cotangents of the history. z = h c_0 w and v_y = f_x(y)ᵀ z; the slope k_j has the
        cotangent h (b_j v_y + c_{j+1} w), to which comes what it has from the steps after.
        """
        if len(history) < self.past:
            return self._starting_vjp(x, t, h, p, u, w, w_slopes, clip, wrt_times)
        slopes, y = history, x
        if self.corrector or wrt_times:
            slopes = (self.slope(t, x, p, u, clip), *history)
            y = advanced(x, h, self.predictor, slopes)
        back = self._pull(x, y, t, h, p, u, w, w_slopes, clip)
        parts = [back.start] if back.end is None else [back.start, back.end]
        g_x, g_p = w, pooled(p, *(part[2] for part in parts))
        for part in parts:
            g_x = g_x + part[1]
        g_u = [] if u is None else [(when, part[3]) for when, part in zip((t, t + h), parts)]
        g_t, g_h = None, None
        if wrt_times:
            ends = slopes if back.end is None else (self.slope(t + h, y, p, u, clip), *slopes)
            g_t, g_h = self._time_gradients(w, ends, back)
        return StepGradients(g_x, g_p, g_u, g_t, g_h), back.past

    def _time_gradients(self, w: Tensor, slopes: Slopes, back: _Back) -> tuple[Tensor, Tensor]:
        """Those of t, and of h. slopes: with that at the predicted state first, where it is corrected."""
        if back.end is None:
            return back.start[0], dot(w, weighted(self.predictor, slopes))
        g_h = back.end[0] + dot(back.end[1], weighted(self.predictor, slopes[1:]))
        return back.start[0] + back.end[0], g_h + dot(w, weighted(self.corrector, slopes))

    def _pull(
        self,
        x: Tensor,
        y: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_slopes: Sequence[Tensor],
        clip: float | None,
    ) -> _Back:
        """A step backwards, from its end, where that is corrected, to its start."""
        end, terms = None, [(self.predictor, w)]
        if self.corrector:
            end = self.slope.vjp(t + h, y, p, u, clip, h * self.corrector[0] * w)
            terms = [(self.predictor, end[1]), (self.corrector[1:], w)]
        own = [_of_slope(j, h, terms) for j in range(self.past + 1)]
        own = [one + later for one, later in zip(own, w_slopes)] + own[len(w_slopes) :]
        return _Back(self.slope.vjp(t, x, p, u, clip, own[0]), end, tuple(own[1:]))

    def _starting_vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_slopes: Sequence[Tensor],
        clip: float | None,
        wrt_times: bool,
    ) -> tuple[StepGradients, Slopes]:
        """vjp of a step of the starting method, beside which stands the slope for later steps."""
        found = self.starter.vjp(x, t, h, p, u, w, clip, wrt_times)
        t0, v0, p0, u0 = self.slope.vjp(t, x, p, u, clip, w_slopes[0])
        g_x, g_p = found.x + v0, found.p + pooled(p, p0)
        g_u = found.u if u is None else [*found.u, (t, u0)]
        g_t = None if found.t is None else found.t + t0
        return StepGradients(g_x, g_p, g_u, g_t, found.h), tuple(w_slopes[1:])

    def jvp(
        self,
        x: Tensor,
        history: Slopes,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        dx: Tensor,
        d_history: Slopes,
        dt: Tensor,
        dh: Tensor,
        dp: Tensor,
        du: Series | None,
        clip: float | None = None,
    ) -> tuple[Tensor, Slopes, Tensor, Slopes]:
        """The states and the slopes for the next step, then the tangents of both."""
        slopes = (self.slope(t, x, p, u, clip), *history)
        moving = (self.slope.jvp(t, x, p, u, clip, dt, dx, dp, du), *d_history)
        if len(history) < self.past:
            x_next, dx_next = self.starter.jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip)
            return x_next, slopes, dx_next, moving
        x_next, dx_next = _moved(x, h, dx, dh, self.predictor, slopes, moving)
        if self.corrector:
            k = self.slope(t + h, x_next, p, u, clip)
            dk = self.slope.jvp(t + h, x_next, p, u, clip, dt + dh, dx_next, dp, du)
            x_next, dx_next = _moved(x, h, dx, dh, self.corrector, (k, *slopes), (dk, *moving))
        return x_next, slopes[: self.past], dx_next, moving[: self.past]


def _of_slope(j: int, h: Time, terms: Sequence[tuple[Row, Tensor]]) -> Tensor:
    """h Σ weight_j·w over rows of weights and cotangents, that of the slope k_j."""
    rows = [(row[j], w) for row, w in terms if j < len(row)]
    return h * weighted([weight for weight, _ in rows], [w for _, w in rows])


def _moved(
    x: Tensor, h: Time, dx: Tensor, dh: Tensor, weights: Row, slopes: Slopes, moving: Slopes
) -> tuple[Tensor, Tensor]:
    """x + h Σ_j w_j k_j and its tangent."""
    return advanced(x, h, weights, slopes), advanced(advanced(dx, h, weights, moving), dh, weights, slopes)
