"""What implicit and Rosenbrock methods ask of a model besides its slope: ∂f/∂x, and df/dt at fixed states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..compiled import Equations, StiffEquations
from ..series import Series
from ..tensors import Time, dot, time_at
from .linear import times_sparse


def without_clip(clip: float | None, name: str) -> None:
    """Raise ValueError where slopes are to be held within a bound, which the method of that name cannot."""
    if clip is not None:
        raise ValueError(f"clip bounds the slopes of explicit methods; {name} takes none")


class SlopeJacobian:
    """∂f/∂x (*batch, n, n) of a model's slope, and the derivatives of its entries.

    Arguments as of Slope. stiff: what Rosenbrock methods ask of a model; not needed for the Jacobian alone.
    """

    def __init__(self, equations: Equations):
        stiff = equations.stiff or StiffEquations()
        self.jacobian, self.stiff = equations.jacobian, stiff
        self.rows, self.columns = list(stiff.rows), list(stiff.columns)

    def __call__(self, t: Time, x: Tensor, p: Tensor, u: Series | None) -> Tensor:
        return self.jacobian(time_at(t), x, p) if u is None else self.jacobian(time_at(t), x, p, u(t))

    def product(self, t: Time, x: Tensor, p: Tensor, u: Series | None, dx: Tensor) -> Tensor | None:
        """∂f/∂x·dx by the derivatives of f's formulas: what cancels in their sums cancels here."""
        product = self.stiff.product
        if product is None:
            return None
        return product(time_at(t), x, p, dx) if u is None else product(time_at(t), x, p, u(t), dx)

    @property
    def curved(self) -> bool:
        """Whether f depends on the states at all."""
        return self.stiff.product is not None

    def vjp(
        self,
        t: Time,
        x: Tensor,
        p: Tensor,
        u: Series | None,
        h: Time,
        left: Sequence[Tensor],
        right: Sequence[Tensor],
    ) -> tuple[Any, ...] | None:
        """What h Σ_i l_i·J r_i gives t, x, p and the inputs, as Slope.vjp; l_i, r_i (*batch, n).

        None where J is constant.
        """
        entries_vjp, product_vjp = self.stiff.entries_vjp, self.stiff.product_vjp
        given = (time_at(t), x, p) if u is None else (time_at(t), x, p, u(t))
        if entries_vjp is not None:
            outer = [a[..., self.rows] * b[..., self.columns] for a, b in zip(left, right)]
            found = entries_vjp(*given, h * sum(outer[1:], outer[0]))
        elif product_vjp is not None:
            each = product_vjp(*given, torch.stack(tuple(right)), h * torch.stack(tuple(left)))
            found = tuple(
                one if one.dim() == 1 == like.dim() else one.sum(0)
                for one, like in zip(each, (x[..., 0], x, p, x))
            )
        else:
            return None
        return (*found, None) if u is None else (found[0] + dot(found[3], u.rate(t)), *found[1:])

    def jvp(
        self,
        t: Time,
        x: Tensor,
        p: Tensor,
        u: Series | None,
        dt: Tensor,
        dx: Tensor,
        dp: Tensor,
        du: Series | None,
    ) -> Callable[[Tensor], Tensor] | None:
        """The product of J's tangent with a vector (*batch, n), None where J is constant; dt is (..., 1)."""
        entries_jvp, product_jvp = self.stiff.entries_jvp, self.stiff.product_jvp
        given: tuple[Any, ...] = (time_at(t), x, p)
        tangents: tuple[Any, ...] = (dt.squeeze(-1), dx, dp)
        if u is not None and du is not None:
            given, tangents = (*given, u(t)), (*tangents, du(t) + u.rate(t) * dt)
        if entries_jvp is not None:
            entries = entries_jvp(*given, *tangents)
            return lambda z: times_sparse(entries, self.rows, self.columns, z)
        if product_jvp is None:
            return None
        return lambda z: product_jvp(*given, z, *tangents)


class SlopeRate:
    """df/dt (*batch, n) of a model's slope at fixed states, ∂f/∂t + ∂f/∂u·du/dt; None where that is 0.

    Arguments as of Slope.
    """

    def __init__(self, equations: Equations):
        self.stiff = equations.stiff or StiffEquations()

    def __call__(self, t: Time, x: Tensor, p: Tensor, u: Series | None) -> Tensor | None:
        rate = self.stiff.time
        if rate is None:
            return None
        return rate(time_at(t), x, p) if u is None else rate(time_at(t), x, p, u(t), u.rate(t))

    def vjp(self, t: Time, x: Tensor, p: Tensor, u: Series | None, w: Tensor) -> tuple[Any, ...] | None:
        """The cotangents of t, x, p, and those of the inputs' values and of their rates."""
        rate_vjp = self.stiff.time_vjp
        if rate_vjp is None:
            return None
        if u is None:
            return (*rate_vjp(time_at(t), x, p, w), None, None)
        w_t, w_x, w_p, w_u, w_rate = rate_vjp(time_at(t), x, p, u(t), u.rate(t), w)
        return w_t + dot(w_u, u.rate(t)) + dot(w_rate, u.second_rate(t)), w_x, w_p, w_u, w_rate

    def jvp(
        self,
        t: Time,
        x: Tensor,
        p: Tensor,
        u: Series | None,
        dt: Tensor,
        dx: Tensor,
        dp: Tensor,
        du: Series | None,
    ) -> Tensor | None:
        """The tangent; dt is (..., 1)."""
        rate_jvp = self.stiff.time_jvp
        if rate_jvp is None:
            return None
        if u is None or du is None:
            return rate_jvp(time_at(t), x, p, dt.squeeze(-1), dx, dp)
        d_values, d_rate = du(t) + u.rate(t) * dt, du.rate(t) + u.second_rate(t) * dt
        return rate_jvp(time_at(t), x, p, u(t), u.rate(t), dt.squeeze(-1), dx, dp, d_values, d_rate)
