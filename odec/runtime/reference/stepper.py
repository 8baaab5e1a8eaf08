"""One step of a method, whichever it is, as the loops see it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..compiled import StepGradients
from ..series import Series
from ..tensors import Time


class Trial(NamedTuple):
    """A step that may be rejected: the states after it, one or two estimates of its local error, and more.

    reach: h·|λ| (*batch), which auto decides by, else None. stages: what `within` takes.
    """

    x: Tensor
    errors: tuple[Tensor, ...]
    reach: Tensor | None
    stages: Any


class FixedStepper(Protocol):
    """One step from the states x (*batch, n) at t to those at t + h.

    t and h are numbers, or (*batch, 1) with one for each trajectory; p (..., m); u the inputs as functions of
    time, or None; clip a bound on |dx/dt|, or None. which (*batch, 1): the trajectories that take the stiff
    half of auto; None of other methods, which do not look at it: that is all that the loops know of auto.
    """

    def step(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None,
        which: Tensor | None = None,
    ) -> Tensor:
        """The states at t + h; NaN where the step has no solution. Differentiable by torch."""
        ...

    def vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        clip: float | None,
        wrt_times: bool,
        which: Tensor | None = None,
    ) -> StepGradients:
        """The adjoint: from the cotangent w (*batch, n) of the states at t + h to those of what went in."""
        ...

    def jvp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        dx: Tensor,
        dt: Tensor,
        dh: Tensor,
        dp: Tensor,
        du: Series | None,
        clip: float | None,
        which: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The step and its tangent, for tangents of x, t, h (both (..., 1)), p and of the inputs' series."""
        ...


class Stepper(FixedStepper, Protocol):
    """A step of a method that can follow a tolerance, and has states within it. See FixedStepper."""

    def trial(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None,
        which: Tensor | None = None,
        unit: Tensor | None = None,
    ) -> Trial:
        """The step with its error estimates; unit: that in which states count for |λ|, their tolerance."""
        ...

    def within(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        x_next: Tensor,
        stages: Any,
        clip: float | None,
        which: Tensor | None = None,
    ) -> Tensor:
        """By a trial's stages the q (degree, *batch, n) of x(t + θ h) = x + Σ_j θ^j q_j within the step."""
        ...

    def dense_vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_q: Tensor,
        clip: float | None,
        wrt_times: bool,
        which: Tensor | None = None,
    ) -> tuple[StepGradients, Tensor | None]:
        """As vjp, with cotangents w_q of q; also q, None unless wrt_times."""
        ...

    def dense_jvp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        dx: Tensor,
        dt: Tensor,
        dh: Tensor,
        dp: Tensor,
        du: Series | None,
        clip: float | None,
        which: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As jvp, and q and its tangent."""
        ...


def shares(value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What is of the trajectories that a mask (*batch, 1) marks, and what is of the others; 0 elsewhere."""
    return torch.where(mask, value, 0.0), torch.where(mask, 0.0, value)


def merged(found: StepGradients, other: StepGradients, mask: Tensor) -> StepGradients:
    """The gradients `found` of the trajectories that a mask (*batch, 1) marks, and those of the others."""
    g_x, g_p = torch.where(mask, found.x, other.x), torch.where(mask, found.p, other.p)
    g_u = [(when, *(shares(c, mask)[0] for c in rest)) for when, *rest in found.u]
    g_u += [(when, *(shares(c, mask)[1] for c in rest)) for when, *rest in other.u]
    times = (found.t, found.h), (other.t, other.h)
    g_t, g_h = (
        None if a is None or b is None else torch.where(mask.squeeze(-1), a, b) for a, b in zip(*times)
    )
    return StepGradients(g_x, g_p, g_u, g_t, g_h)
