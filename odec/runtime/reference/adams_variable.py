"""One step of an Adams method after unequal steps, of any order, its adjoint and its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..compiled import StepGradients
from ..series import Series
from ..slopes import Slope
from ..tensors import dot
from .adams_weights import Weights, combined


class Past(NamedTuple):
    """Of earlier steps, the newest first: slopes (*batch, n) at their starts, and when (*batch, 1) they were.

    Of cotangents and tangents of them, the same.
    """

    slopes: tuple[Tensor, ...]
    times: tuple[Tensor, ...]

    @classmethod
    def none(cls, x: Tensor, count: int) -> Past:
        """Zeros, which no step uses."""
        return cls((torch.zeros_like(x),) * count, (torch.zeros_like(x[..., :1]),) * count)

    def after(self, slope: Tensor, time: Tensor) -> Past:
        """With a further step, in place of the oldest."""
        return Past((slope, *self.slopes)[: len(self.slopes)], (time, *self.times)[: len(self.times)])

    def where(self, moved: Tensor, other: Past) -> Past:
        """These of the trajectories that took a step, others elsewhere."""
        slopes, times = (tuple(torch.where(moved, *both) for both in zip(*pair)) for pair in zip(self, other))
        return Past(slopes, times)


class Move(NamedTuple):
    """A step: the states after it, slopes and times for the next, the predicted states, the nodes' slopes."""

    x: Tensor
    past: Past
    predicted: Tensor
    slopes: tuple[Tensor, ...]


class VariableAdams:
    """A step by the predictor of an order and the corrector of one order more, PECE.

    t, h, order (*batch, 1), each trajectory's own; past: the steps before. Other arguments as of Stepper.
    """

    def __init__(self, slope: Slope, highest: int):
        self.slope, self.weights = slope, Weights(highest)

    def step(
        self,
        x: Tensor,
        past: Past,
        t: Tensor,
        h: Tensor,
        order: Tensor,
        p: Tensor,
        u: Series | None,
        clip: float | None,
    ) -> Move:
        """The states at t + h, and what the next step takes."""
        weights, k0 = self.weights, self.slope(t, x, p, u, clip)
        nodes = weights.nodes(t, h, past.times)
        predictor = weights(nodes, weights.used(order, False))[1:]
        y = x + h * combined(predictor, (k0, *past.slopes))
        slopes = (self.slope(t + h, y, p, u, clip), k0, *past.slopes)
        x_next = x + h * combined(weights(nodes, weights.used(order, True)), slopes)
        return Move(x_next, past.after(k0, t.expand(h.shape)), y, slopes)

    def errors(
        self, past: Past, t: Tensor, h: Tensor, order: Tensor, slopes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The local errors at the order below, at the order, at the one above: differences of correctors."""
        weights = self.weights
        nodes = weights.nodes(t, h, past.times)
        orders = ((order + shift).clamp(0, weights.highest) for shift in (-2, -1, 0, 1))
        moves = (h * combined(weights(nodes, weights.used(each, True)), slopes) for each in orders)
        lowest, lower, own, higher = moves
        return lower - lowest, own - lower, higher - own

    def vjp(
        self,
        x: Tensor,
        past: Past,
        t: Tensor,
        h: Tensor,
        order: Tensor,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_past: Past,
        clip: float | None,
        wrt_times: bool,
    ) -> tuple[StepGradients, Past]:
        """The adjoint: w, w_past are the cotangents of the states, and of slopes and times, after the step.

        p of each trajectory. Also returns the cotangents of the slopes and times before; t and h are
        (*batch, 1).
        """
        nodes = self.weights.nodes(t, h, past.times)
        predictor = self.weights(nodes, self.weights.used(order, False))[1:]
        corrector = self.weights(nodes, self.weights.used(order, True))
        slopes = (self.slope(t, x, p, u, clip), *past.slopes)
        y = x + h * combined(predictor, slopes)
        end = self.slope.vjp(t + h, y, p, u, clip, h * corrector[0] * w)
        pulled = [h * (b * end[1] + c * w) for b, c in zip(predictor, corrector[1:])]
        pulled = [own + later for own, later in zip(pulled, (*w_past.slopes, torch.zeros_like(w)))]
        start = self.slope.vjp(t, x, p, u, clip, pulled[0])
        g_x, g_p = w + end[1] + start[1], start[2] + end[2]
        g_u = [] if u is None else [(t, start[3]), (t + h, end[3])]
        g_t, g_h, g_times = None, None, w_past.times
        if wrt_times:
            slopes = (self.slope(t + h, y, p, u, clip), *slopes)
            g_t, g_h, g_times = self._of_times(nodes, h, order, w, start[0], end[0], end[1], slopes, w_past)
        return StepGradients(g_x, g_p, g_u, g_t, g_h), Past(tuple(pulled[1:]), g_times)

    def _of_times(
        self,
        nodes: Tensor,
        h: Tensor,
        order: Tensor,
        w: Tensor,
        of_start: Tensor,
        of_end: Tensor,
        w_y: Tensor,
        slopes: Sequence[Tensor],
        w_past: Past,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """The cotangents (*batch, 1) of t and h, and of the times of earlier steps, which move the nodes.

        of_start, of_end (*batch): what f gives the time at the step's start and at its end; w_y: that of the
        predicted states.
        """
        g_nodes, rate = torch.zeros_like(nodes), []
        for corrected, cotangent in ((False, w_y), (True, w)):
            used = self.weights.used(order, corrected)
            g_weights = torch.stack([h * dot(cotangent, k).unsqueeze(-1) for k in slopes])
            g_nodes = g_nodes + (self.weights.jacobian(nodes, used) * g_weights.unsqueeze(1)).sum(0)
            rate.append(dot(cotangent, combined(self.weights(nodes, used), slopes)).unsqueeze(-1))
        g_times, end = g_nodes[2:] / h, of_end.unsqueeze(-1)
        g_h = end + rate[0] + rate[1] - (g_times * nodes[2:]).sum(0)
        g_t = of_start.unsqueeze(-1) + end + w_past.times[0] - g_times.sum(0)
        later = (*w_past.times[1:], torch.zeros_like(h))
        return g_t, g_h, tuple(own + after for own, after in zip(g_times, later))

    def jvp(
        self,
        x: Tensor,
        past: Past,
        t: Tensor,
        h: Tensor,
        order: Tensor,
        p: Tensor,
        u: Series | None,
        dx: Tensor,
        d_past: Past,
        dt: Tensor,
        dh: Tensor,
        dp: Tensor,
        du: Series | None,
        clip: float | None,
    ) -> tuple[Tensor, Past]:
        """The tangents of the states after a step, and of the slopes and times after it."""
        nodes = self.weights.nodes(t, h, past.times)
        k0, dk0 = self.slope(t, x, p, u, clip), self.slope.jvp(t, x, p, u, clip, dt, dx, dp, du)
        known = [(moved - dt - node * dh) / h for moved, node in zip(d_past.times, nodes[2:])]
        d_nodes = torch.stack([torch.zeros_like(known[0])] * 2 + known)

        def moved(corrected: bool, k: Tensor, dk: Tensor) -> tuple[Tensor, Tensor]:
            used = self.weights.used(order, corrected)
            weights = self.weights(nodes, used)
            d_weights = (self.weights.jacobian(nodes, used) * d_nodes.unsqueeze(0)).sum(1)
            slopes = (k, k0, *past.slopes)
            d_rate = combined(weights, (dk, dk0, *d_past.slopes)) + combined(d_weights, slopes)
            rate = combined(weights, slopes)
            return x + h * rate, dx + dh * rate + h * d_rate

        still = torch.zeros_like(x)
        y, dy = moved(False, still, still)
        k = self.slope(t + h, y, p, u, clip)
        dk = self.slope.jvp(t + h, y, p, u, clip, dt + dh, dy, dp, du)
        return moved(True, k, dk)[1], d_past.after(dk0, dt.expand(h.shape))
