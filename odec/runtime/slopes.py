"""The right-hand side with its inputs and its clip, and its derivatives: the one place that knows of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from .series import Series
from .tensors import Time, dot, time_at


class Slope:
    """dx/dt of a model: f(t, x, p, u(t)), held within ±clip where clip is a number.

    t is a number, a tensor (), or (*batch, 1) with a time for each trajectory; x (*batch, n); p (..., m);
    u the model's inputs as functions of time, None where it has none.
    """

    def __init__(
        self,
        rhs: Callable[..., Tensor],
        rhs_vjp: Callable[..., tuple[Tensor, ...]],
        rhs_jvp: Callable[..., Tensor],
    ):
        self.rhs, self.rhs_vjp, self.rhs_jvp = rhs, rhs_vjp, rhs_jvp

    def __call__(
        self, t: Time, x: Tensor, p: Tensor, u: Series | None = None, clip: float | None = None
    ) -> Tensor:
        k = self.rhs(time_at(t), x, p) if u is None else self.rhs(time_at(t), x, p, u(t))
        return k if clip is None else k.clamp(-clip, clip)

    def vjp(
        self, t: Time, x: Tensor, p: Tensor, u: Series | None, clip: float | None, w: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Any]:
        """Products of a cotangent w (*batch, n) with the derivatives by t, x, p, inputs (None without)."""
        if clip is not None:
            w = w * (self(t, x, p, u).abs() <= clip)
        if u is None:
            w_t, w_x, w_p = self.rhs_vjp(time_at(t), x, p, w)
            return w_t, w_x, w_p, None
        w_t, w_x, w_p, w_u = self.rhs_vjp(time_at(t), x, p, u(t), w)
        return w_t + dot(w_u, u.rate(t)), w_x, w_p, w_u

    def jvp(
        self,
        t: Time,
        x: Tensor,
        p: Tensor,
        u: Series | None,
        clip: float | None,
        dt: Tensor,
        dx: Tensor,
        dp: Tensor,
        du: Series | None,
    ) -> Tensor:
        """The tangent (*batch, n); dt is (..., 1), du the tangent of the inputs' series."""
        if u is None or du is None:
            dk = self.rhs_jvp(time_at(t), x, p, dt.squeeze(-1), dx, dp)
        else:
            dk = self.rhs_jvp(time_at(t), x, p, u(t), dt.squeeze(-1), dx, dp, du(t) + u.rate(t) * dt)
        return dk if clip is None else dk * (self(t, x, p, u).abs() <= clip)
