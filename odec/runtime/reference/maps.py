"""One step of a difference equation, x[t + 1] = f(t, x), as the loops over fixed steps see it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..compiled import Compiled, StepGradients
from ..series import Series
from ..tensors import Time


class MapStepper:
    """The map's own right-hand side; h and clip mean nothing here. See FixedStepper."""

    def __init__(self, compiled: Compiled):
        self.equations = compiled.equations

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
        """One step of the map: the states at t + 1 from the states x (*batch, n) at t."""
        return self.equations.rhs(t, x, p, *_values(u, t))

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
        """The adjoint of one step; times are whole numbers, so their cotangents are zero."""
        _, g_x, g_p, *g_u = self.equations.rhs_vjp(t, x, p, *_values(u, t), w)
        g_t = torch.zeros_like(w[..., 0]) if wrt_times else None
        return StepGradients(g_x, g_p, [(t, *g_u)] if g_u else [], g_t, g_t)

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
        """One step and its tangent; times are whole numbers, so theirs count for nothing."""
        zero, values = torch.zeros_like(dx[..., 0]), _values(u, t)
        d_next = self.equations.rhs_jvp(t, x, p, *values, zero, dx, dp, *_values(du, t))
        return self.equations.rhs(t, x, p, *values), d_next


def _values(u: Series | None, t: Time) -> tuple[Tensor, ...]:
    """The inputs' values at a time, if there are inputs."""
    return () if u is None else (u(t),)
