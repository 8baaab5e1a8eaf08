"""Outputs within steps: where they lie, their states by the method's interpolant, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..series import Series
from ..tensors import dot
from ..torch_private import numbers
from .mesh import Stop, kinks_of, stops_of


def landings(t: Tensor, u: Series | None, dense: bool | None) -> tuple[list[Stop], list[Within | None]]:
    """The stops; with dense output those alone that are the first or the last time, or on a knot.

    Also for each interval between two of them the times of t (T,) within: the index of the first of them, and
    their places as parts of the interval.
    """
    stops, times = stops_of(t, u), numbers(t)
    within: list[Within | None] = []
    if dense:
        ends = {times[0], times[-1], *kinks_of(t, u)}
        stops = [stop for stop in stops if stop[0] in ends]
    landed = {index for _, index in stops}
    left = [i for i in range(len(times) - 1, -1, -1) if i not in landed]
    for (a, _), (b, _) in zip(stops, stops[1:]):
        inside = []
        while left and min(a, b) < times[left[-1]] < max(a, b):
            inside.append(left.pop())
        places = [(times[i] - a) / (b - a) for i in inside]
        within.append(Within(inside[0], places, t.device) if inside else None)
    return stops, within


class Within:
    """The outputs within an interval between two stops, at places that are parts of it."""

    def __init__(self, first: int, places: Sequence[float], device: torch.device):
        self.first, self.places = first, torch.tensor(places, dtype=torch.float64, device=device)

    def found(self, begin: Tensor, end: Tensor, part: Tensor) -> Found | None:
        """The outputs of each trajectory's step from begin to end (*batch), begin < place <= end, or None."""
        begin, end, part = (value.detach().flatten() for value in (begin, end, part))
        places = self.places.to(begin.dtype)
        low, high = (torch.searchsorted(places, at.contiguous(), right=True) for at in (begin, end))
        counts = (high - low).clamp(min=0)
        item = torch.repeat_interleave(counts)
        if not len(item):
            return None
        place = low[item] + torch.arange(len(item), device=item.device) - (counts.cumsum(0) - counts)[item]
        return Found(self.first + place, item, places[place], begin[item], part[item])


class Found:
    """Outputs (H,) within one step: their indices in t, their trajectories, their places between the stops.

    theta (H, 1): where they lie in the step, x(t + θ h) = x + Σ_j θ^j q_j with q (degree, *batch, n).
    """

    def __init__(self, output: Tensor, item: Tensor, place: Tensor, begin: Tensor, part: Tensor):
        self.output, self.item, self.place = output, item, place.unsqueeze(-1)
        self.begin, self.part = begin.unsqueeze(-1), part.unsqueeze(-1)
        self.theta = (self.place - self.begin) / self.part

    def of(self, value: Tensor) -> Tensor:
        """The rows (H, n) of the outputs' trajectories in a tensor (*batch, n)."""
        return value.reshape(-1, value.shape[-1])[self.item]

    def trajectories(self, like: Tensor) -> Tensor:
        """Which trajectories they are of, as a mask shaped as `like` (*batch, 1)."""
        marked = torch.zeros(like.numel(), dtype=torch.bool, device=like.device)
        marked[self.item] = True
        return marked.reshape(like.shape)

    def states(self, x: Tensor, q: Tensor, theta: Tensor | None = None) -> Tensor:
        """The states (H, n) from those at the step's start (*batch, n) and from q (degree, *batch, n)."""
        theta = self.theta if theta is None else theta
        inner = self.of(q[-1])
        for coefficient in reversed(q[:-1].unbind()):
            inner = inner * theta + self.of(coefficient)
        return self.of(x) + inner * theta

    def rates(self, q: Tensor) -> Tensor:
        """The derivatives of the states by θ (H, n)."""
        rate = len(q) * self.of(q[-1])
        for j in range(len(q) - 1, 0, -1):
            rate = rate * self.theta + j * self.of(q[j - 1])
        return rate

    def tangents(
        self, d_x: Tensor, q: Tensor, d_q: Tensor, d_t: Tensor, d_a: Tensor, d_span: Tensor, span: float
    ) -> Tensor:
        """Those of the states (H, n), for d_t (T, ..., 1), d_a of the stop before and d_span."""
        shape, axes = (*d_x.shape[:-1], 1), [1] * (d_x.dim() + 1 - d_t.dim())
        d_t = d_t.reshape(len(d_t), *axes, *d_t.shape[1:]).expand(-1, *shape).reshape(len(d_t), -1, 1)
        d_place = d_t[self.output, self.item] - self.of(d_a.expand(shape))
        d_place = (d_place - self.place * self.of(d_span.expand(shape))) / span
        return self.states(d_x, d_q) + self.rates(q) * d_place / self.part

    def put(self, xs: Tensor, values: Tensor) -> None:
        """Write values (H, n) into the outputs' places of xs (T, *batch, n)."""
        flat = xs.view(len(xs), math.prod(xs.shape[1:-1]), xs.shape[-1])
        flat[self.output, self.item] = values

    def cotangents(self, w_xs: Tensor, degree: int) -> tuple[Tensor, Tensor]:
        """Those of the states before the step (*batch, n) and of q, from those of the outputs w_xs."""
        parts = [self._of_outputs(w_xs)]
        for _ in range(degree):
            parts.append(parts[-1] * self.theta)
        shape = w_xs.shape[1:]
        rows = w_xs.new_zeros((math.prod(shape[:-1]), degree + 1, shape[-1]))
        rows = rows.index_add(0, self.item, torch.stack(parts, 1))
        rows = rows.movedim(1, 0).reshape(degree + 1, *shape)
        return rows[0], rows[1:]

    def _of_outputs(self, w_xs: Tensor) -> Tensor:
        """The outputs' own rows (H, n) of a tensor (T, *batch, n)."""
        flat = w_xs.reshape(len(w_xs), math.prod(w_xs.shape[1:-1]), w_xs.shape[-1])
        return flat[self.output, self.item]

    def pull_times(
        self, w_xs: Tensor, q: Tensor, span: float, g_out: Tensor, g_a: Tensor, g_b: Tensor
    ) -> None:
        """Add the cotangents of the outputs' times (T, *batch), and of the stops around them, as θ moves."""
        each = dot(self._of_outputs(w_xs), self.rates(q)) / (self.part.squeeze(-1) * span)
        place = self.place.squeeze(-1)
        g_out.view(len(g_out), -1)[self.output, self.item] += each
        g_a.view(-1).index_add_(0, self.item, (place - 1) * each)
        g_b.view(-1).index_add_(0, self.item, -place * each)
