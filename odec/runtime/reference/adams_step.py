"""One step of an Adams method of one order after equal steps or others, its adjoint and its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..compiled import Compiled, StepGradients
from ..methods import Adams
from ..series import Series
from ..tensors import Time, advanced, dot, pooled, weighted
from .adams_weights import combined, integrals, rates
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


class Rows(NamedTuple):
    """The weights of a predictor and of a corrector, () without one."""

    predictor: Sequence[Any]
    corrector: Sequence[Any]


class AdamsStep:
    """A step from x and the slopes of up to method.past steps before, the newest first.

    y = x + h Σ_j b_j k_j is predicted, x_next = x + h (c_0 f(t + h, y) + Σ_j c_{j+1} k_j) corrected; without
    a corrector x_next = y. k_0 is the slope at the step's start. With fewer slopes the step is one of the
    starting method. Arguments as of Stepper.

    nodes: when the earlier steps started, in steps from the start of this one; () for -1, -2, … of equal
    steps, whose weights are the table's.
    """

    def __init__(self, compiled: Compiled, method: Adams):
        self.slope, self.starter = compiled.slope, ExplicitStepper(compiled, method.starter)
        self.past, self.table = method.past, Rows(method.predictor, method.corrector)

    def rows(self, nodes: Sequence[Time]) -> Rows:
        """The weights after steps from these nodes: the table's where they are equal to 1e-9."""
        if all(not isinstance(n, Tensor) and abs(n + j + 1) <= 1e-9 * (j + 1) for j, n in enumerate(nodes)):
            return self.table
        predictor, corrector = self._nodes(nodes)
        return Rows(integrals(predictor), integrals(corrector) if corrector else ())

    def _nodes(self, nodes: Sequence[Time]) -> Rows:
        """The nodes of the predictor and of the corrector, whose slopes their weights are of."""
        known: list[Time] = [0.0, *nodes]
        predictor, corrector = self.table
        return Rows(known[: len(predictor)], [1.0, *known[: len(corrector) - 1]] if corrector else ())

    def advance(
        self,
        x: Tensor,
        history: Slopes,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None = None,
        nodes: Sequence[Time] = (),
    ) -> tuple[Tensor, Slopes]:
        """The states at t + h and the slopes for the next step."""
        slopes = (self.slope(t, x, p, u, clip), *history)
        if len(history) < self.past:
            return self.starter.step(x, t, h, p, u, clip), slopes
        rows = self.rows(nodes)
        x_next = y = _ahead(x, h, rows.predictor, slopes)
        if rows.corrector:
            k = self.slope(t + h, y, p, u, clip)
            x_next = _ahead(x, h, rows.corrector, (k, *slopes))
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
        nodes: Sequence[float] = (),
    ) -> tuple[StepGradients, Slopes]:
        """The adjoint: w and w_slopes are the cotangents of the states and slopes that advance returned.

        Also returns the cotangents of the history. z = h c_0 w and v_y = f_x(y)ᵀ z; the slope k_j has the
        cotangent h (b_j v_y + c_{j+1} w), to which comes what it has from the steps after. Those of t and h
        are at the nodes as they are, see vjp_of_nodes.
        """
        if len(history) < self.past:
            return self._starting_vjp(x, t, h, p, u, w, w_slopes, clip, wrt_times)
        slopes, y, rows = history, x, self.rows(nodes)
        if rows.corrector or wrt_times:
            slopes = (self.slope(t, x, p, u, clip), *history)
            y = advanced(x, h, rows.predictor, slopes)
        back = self._pull(x, y, t, h, p, u, w, w_slopes, clip, rows)
        parts = [back.start] if back.end is None else [back.start, back.end]
        g_x, g_p = w, pooled(p, *(part[2] for part in parts))
        for part in parts:
            g_x = g_x + part[1]
        g_u = [] if u is None else [(when, part[3]) for when, part in zip((t, t + h), parts)]
        g_t, g_h = None, None
        if wrt_times:
            ends = slopes if back.end is None else (self.slope(t + h, y, p, u, clip), *slopes)
            g_t, g_h = _time_gradients(w, ends, back, rows)
        return StepGradients(g_x, g_p, g_u, g_t, g_h), back.past

    def vjp_of_nodes(
        self,
        x: Tensor,
        history: Slopes,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        nodes: Sequence[float],
        clip: float | None = None,
    ) -> list[Tensor]:
        """The cotangents (*batch) of the nodes, where earlier steps' slopes stand.

        They come on top of what vjp gives t and h.
        """
        rows, (predictor, corrector) = self.rows(nodes), self._nodes(nodes)
        slopes = (self.slope(t, x, p, u, clip), *history)
        w_y, found = w, [torch.zeros_like(w[..., 0]) for _ in nodes]
        if corrector:
            y = advanced(x, h, rows.predictor, slopes)
            w_y = self.slope.vjp(t + h, y, p, u, clip, h * rows.corrector[0] * w)[1]
            known = (self.slope(t + h, y, p, u, clip), *slopes)
            for j, change in enumerate(_of_nodes(rows.corrector, corrector, known)):
                found[j] = found[j] + dot(w, h * change)
        for j, change in enumerate(_of_nodes(rows.predictor, predictor, slopes)):
            found[j] = found[j] + dot(w_y, h * change)
        return found

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
        rows: Rows,
    ) -> _Back:
        """A step backwards, from its end, where that is corrected, to its start."""
        end, terms = None, [(rows.predictor, w)]
        if rows.corrector:
            end = self.slope.vjp(t + h, y, p, u, clip, h * rows.corrector[0] * w)
            terms = [(rows.predictor, end[1]), (rows.corrector[1:], w)]
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
        nodes: Sequence[float] = (),
        d_nodes: Sequence[Tensor] = (),
    ) -> tuple[Tensor, Slopes, Tensor, Slopes]:
        """The states and the slopes for the next step, then the tangents of both.

        d_nodes (*batch, 1): the tangents of the nodes, () where none moves.
        """
        slopes = (self.slope(t, x, p, u, clip), *history)
        moving = (self.slope.jvp(t, x, p, u, clip, dt, dx, dp, du), *d_history)
        if len(history) < self.past:
            x_next, dx_next = self.starter.jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip)
            return x_next, slopes, dx_next, moving
        rows, own = self.rows(nodes), self._nodes(nodes)
        x_next, dx_next = _moved(x, h, dx, dh, rows.predictor, slopes, moving)
        if d_nodes:
            dx_next = dx_next + h * combined(d_nodes, _of_nodes(rows.predictor, own.predictor, slopes))
        if rows.corrector:
            k = self.slope(t + h, x_next, p, u, clip)
            dk = self.slope.jvp(t + h, x_next, p, u, clip, dt + dh, dx_next, dp, du)
            x_next, dx_next = _moved(x, h, dx, dh, rows.corrector, (k, *slopes), (dk, *moving))
            if d_nodes:
                bent = _of_nodes(rows.corrector, own.corrector, (k, *slopes))
                dx_next = dx_next + h * combined(d_nodes, bent)
        return x_next, slopes[: self.past], dx_next, moving[: self.past]


def _ahead(x: Tensor, h: Time, weights: Sequence[Any], slopes: Slopes) -> Tensor:
    """x + h Σ_j w_j k_j, with weights that are numbers or tensors."""
    if isinstance(weights[-1], Tensor):
        return x + h * combined(weights, slopes)
    return advanced(x, h, weights, slopes)


def _time_gradients(w: Tensor, slopes: Slopes, back: _Back, rows: Rows) -> tuple[Tensor, Tensor]:
    """Those of t, and of h. slopes: with that at the predicted state first, where it is corrected."""
    if back.end is None:
        return back.start[0], dot(w, weighted(rows.predictor, slopes))
    g_h = back.end[0] + dot(back.end[1], weighted(rows.predictor, slopes[1:]))
    return back.start[0] + back.end[0], g_h + dot(w, weighted(rows.corrector, slopes))


def _of_nodes(weights: Sequence[float], nodes: Sequence[float], slopes: Slopes) -> list[Tensor]:
    """The derivative of Σ_j w_j k_j by each node after 0, at an earlier step.

    ∂(∫ P)/∂node = -w P'(node), with the polynomial P through the slopes.
    """
    earlier = nodes.index(0.0) + 1
    return [-weights[m] * weighted(row, slopes) for m, row in enumerate(rates(nodes)) if m >= earlier]


def _of_slope(j: int, h: Time, terms: Sequence[tuple[Sequence[float], Tensor]]) -> Tensor:
    """h Σ weight_j·w over rows of weights and cotangents, that of the slope k_j."""
    rows = [(row[j], w) for row, w in terms if j < len(row)]
    return h * weighted([weight for weight, _ in rows], [w for _, w in rows])


def _moved(
    x: Tensor, h: Time, dx: Tensor, dh: Tensor, weights: Sequence[float], slopes: Slopes, moving: Slopes
) -> tuple[Tensor, Tensor]:
    """x + h Σ_j w_j k_j and its tangent."""
    return advanced(x, h, weights, slopes), advanced(advanced(dx, h, weights, moving), dh, weights, slopes)
