"""Gradients of a batch in which some trajectories could not be finished."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..engines import Gradients, Run
from ..tensors import sum_to

Adjoint = Callable[[Run, Tensor, Sequence[Tensor], Tensor], Gradients]
"""The gradients by the run, p (..., m), series and w_xs (T, *batch, n): an engine's adjoint."""


def adjoint_of_each(
    adjoint: Adjoint, run: Run, p: Tensor, series: Sequence[Tensor], w_xs: Tensor
) -> Gradients:
    """The gradients of Σ w_xs·xs; NaN for trajectories that could not be finished and for all they share.

    One whose cotangents are all exactly 0, as it has no part in the loss, has gradients of exactly 0.
    """
    if all_finite(run.xs[-1]):
        return adjoint(run, p, series, w_xs)
    return _Others(run.xs, w_xs).gradients(adjoint, run, p, series, w_xs)


def all_finite(x: Tensor) -> bool:
    """Whether all values are finite numbers. Their sum is not where one of them is not, or it overflows."""
    return math.isfinite(x.sum().item()) or bool(torch.isfinite(x).all())


class _Others:
    """The trajectories that have a gradient: neither lost nor without a part in the loss."""

    def __init__(self, xs: Tensor, w_xs: Tensor):
        self.batch = xs.shape[1:-1]
        wanted, fine = (w_xs != 0).any(-1), torch.isfinite(xs).all(-1)
        self.lost = (wanted[1:] & ~fine[1:]).any(0).flatten()
        self.others = ~self.lost & (wanted.any(0) | fine.all(0)).flatten()
        self.count = len(self.lost)

    def share(self, value: Tensor) -> Tensor:
        """The others' part of a tensor (T, *batch, n): (T, others, n)."""
        return value.reshape(len(value), self.count, value.shape[-1])[:, self.others]

    def whole(self, value: Tensor, axis: int) -> Tensor:
        """The others' gradients along an axis among all: 0 elsewhere, NaN where lost."""
        shape = [*value.shape[:axis], self.count, *value.shape[axis + 1 :]]
        value = value.new_zeros(shape).index_copy(axis, self.others.nonzero()[:, 0], value)
        nan = torch.where(self.lost, math.nan, 0.0).to(value.dtype)
        value = value + nan.reshape(-1, *[1] * (value.dim() - axis - 1))
        return value.unflatten(axis, self.batch) if self.batch else value.squeeze(axis)

    def gradients(
        self, adjoint: Adjoint, run: Run, p: Tensor, series: Sequence[Tensor], w_xs: Tensor
    ) -> Gradients:
        """Those of the others, with NaN for the lost ones."""
        batch = self.batch
        each = p.expand(*batch, p.shape[-1]).reshape(self.count, p.shape[-1])[self.others]
        folded = [
            c.reshape(*c.shape[:2], *[1] * (len(batch) - c.dim() + 2), *c.shape[2:]) for c in series[1::2]
        ]
        pieces = [
            c.expand(*c.shape[:2], *batch).reshape(*c.shape[:2], self.count)[..., self.others] for c in folded
        ]
        parts = [value for pair in zip(series[::2], pieces) for value in pair]
        found = Gradients(w_xs.new_zeros(len(w_xs), 0), w_xs.new_zeros(0, w_xs.shape[-1]), each, pieces)
        if bool(self.others.any()):
            others = Run(self.share(run.xs), self.share(run.kept), w_xs.new_zeros(len(each), 0))
            found = adjoint(others, each, parts, self.share(w_xs))
        g_u = [
            self.whole(g, 2).sum_to_size(c.shape).reshape(s.shape)
            for g, c, s in zip(found.u, folded, series[1::2])
        ]
        g_p = sum_to(self.whole(found.p, 0), p.shape)
        return Gradients(self.whole(found.t, 1), self.whole(found.x0, 0), g_p, g_u)


def lose(states: Tensor, lost: Tensor, *given: Tensor) -> Tensor:
    """The states of a run by plain operations, NaN where lost (T, *batch, n); gradients as of the adjoint.

    given: t, x0, p and the inputs' coefficients.
    """
    if not bool(lost.any()):
        return states
    t, x0, p, *series = given
    own = t.sum() + x0.sum(-1) + p.sum(-1)
    for c in series:
        own = own + c.sum((0, 1))
    return _Lost.apply(states, own.expand(states.shape[1:-1]), lost)


class _Lost(torch.autograd.Function):
    """NaN for lost states, and for gradients of what one hangs on whose cotangents are not 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(states: Tensor, own: Tensor, lost: Tensor) -> Tensor:
        return torch.where(lost, math.nan, states)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[2])
        ctx.save_for_forward(inputs[2])

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> tuple[Tensor, Tensor, None]:
        (lost,) = ctx.saved_tensors
        g_own = torch.where((lost & (w != 0)).any(-1).any(0), math.nan, w.new_zeros(w.shape[1:-1]))
        return torch.where(lost, 0.0, w), g_own, None

    @staticmethod
    def jvp(ctx: Any, d_states: Tensor | None, d_own: Tensor, _: Any) -> Tensor:
        (lost,) = ctx.saved_tensors
        d_states = torch.zeros_like(lost, dtype=d_own.dtype) if d_states is None else d_states
        return torch.where(lost, math.nan, d_states)
