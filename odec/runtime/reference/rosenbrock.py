"""One step of a Rosenbrock method by its table, its adjoint and its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..compiled import Equations
from ..methods import Rosenbrock, Row
from ..series import Series
from ..slopes import Slope
from ..tensors import Time, dot, moved, pooled, shifted, weighted, weighted_rows
from .jacobians import SlopeJacobian, SlopeRate, without_clip
from .linear import Factors, factorised, times
from .stepper import StepGradients, Trial


class _Stages(NamedTuple):
    """What a step is made of: J and f_t at its start, the states y_i, the slopes f_i, the increments z_i."""

    factors: Factors
    jacobian: Tensor
    rate: Tensor | None
    states: list[Tensor]
    slopes: list[Tensor]
    increments: list[Tensor]


class _Pulled(NamedTuple):
    """The cotangents q_i of the stages' equations, and those that f at each stage, J and f_t give."""

    q: list[Tensor]
    each: list[tuple[Any, ...]]
    jacobian: tuple[Any, ...] | None
    rate: tuple[Any, ...] | None


class RosenbrockStepper:
    """A Rosenbrock method, with one factorisation for all stages of a step.

    (I/γ - h J) z_i = h f_i + Σ_{j<i} c_ij z_j + d_i h² f_t, f_i = f(t + alpha_i h, x + Σ_{j<i} a_ij z_j).
    J = ∂f/∂x and f_t = df/dt are taken at the step's start. Hairer & Wanner II, IV.7, eq. 7.25.
    Arguments and results as of Stepper; clip raises ValueError.
    """

    def __init__(self, equations: Equations, method: Rosenbrock):
        self.method, self.used = method, method.used
        self.slope = Slope(equations.rhs, equations.rhs_vjp, equations.rhs_jvp)
        self.jacobian, self.rate = SlopeJacobian(equations), SlopeRate(equations)
        self.inner = method.dense.weights[: self.used] if method.dense else ()

    def step(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> Tensor:
        """The states at t + h; NaN where the matrix is singular. Differentiable any number of times."""
        stages = self._stages(x, t, h, p, u, clip)
        return self._next(x, t, h, p, u, stages)

    def _stages(
        self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None, clip: float | None
    ) -> _Stages:
        """The stages that x_next is made of."""
        without_clip(clip, self.method.name)
        jacobian, rate = self.jacobian(t, x, p, u), self.rate(t, x, p, u)
        stages = _Stages(factorised(h, jacobian, self.method.gamma), jacobian, rate, [], [], [])
        self._go_on(x, t, h, p, u, stages, self.used)
        return stages

    def _go_on(
        self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None, stages: _Stages, count: int
    ) -> None:
        """Add further stages until there are so many."""
        method, z = self.method, stages.increments
        for i in range(len(z), count):
            y = self._moved(x, method.a[i], stages)
            f = self.slope(shifted(t, method.alpha[i], h), y, p, u)
            right = moved(h * f, method.c[i], z)
            if stages.rate is not None and method.d[i]:
                right = right + method.d[i] * h**2 * stages.rate
            stages.states.append(y)
            stages.slopes.append(f)
            z.append(stages.factors.solve(right))

    def _moved(self, x: Tensor, row: Row, stages: _Stages) -> Tensor:
        """x + Σ row_j z_j, from the states of the last stage where its sum begins alike."""
        k, z = len(stages.states) - 1, stages.increments
        if k > 0 and row[:k] == self.method.a[k][:k]:
            return moved(stages.states[-1], row[k:], z[k:])
        return moved(x, row, z)

    def _next(self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None, stages: _Stages) -> Tensor:
        """x + Σ m_i z_i, and what rounding took from it."""
        x_next = self._moved(x, self.method.m, stages)
        rest = self._rest(x, t, h, p, u, stages)
        return x_next if rest is None else x_next + rest

    @torch.no_grad()
    def _rest(
        self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None, stages: _Stages
    ) -> Tensor | None:
        """What rounding in the solves took from a step (*batch, n); no gradient, as it is 0 in exact numbers.

        Σ m_i z_i = h Σ b_i f_i + h J Σ b_i z_i + h² Σ b_i d_i f_t with the method's own weights b: on the
        right rounding keeps what f keeps, as a total mass, where solves lose it by ε h|J|. The difference is
        solved for again. None where f does not depend on the states.
        """
        method, z = self.method, stages.increments[: self.used]
        pull = self.jacobian.product(t, x, p, u, weighted(method.weights, z))
        if pull is None:
            return None
        rest = h * (weighted(method.weights, stages.slopes[: self.used]) + pull)
        if stages.rate is not None and method.rate_weight:
            rest = rest + method.rate_weight * h**2 * stages.rate
        return stages.factors.solve((rest - weighted(method.m, z)) / method.gamma).detach()

    def trial(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None = None,
        which: Tensor | None = None,
        unit: Tensor | None = None,
    ) -> Trial:
        """The step with an estimate of its local error, and the increments that `within` takes."""
        return self.trial_with_jacobian(x, t, h, p, u, clip)[0]

    def trial_with_jacobian(
        self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None, clip: float | None
    ) -> tuple[Trial, Tensor]:
        """As trial, and the Jacobian at the step's start."""
        stages = self._stages(x, t, h, p, u, clip)
        x_next = self._next(x, t, h, p, u, stages)
        self._go_on(x, t, h, p, u, stages, len(self.method.m))
        error = weighted(self.method.error, stages.increments)
        return Trial(x_next, (error,), None, tuple(stages.increments[: self.used])), stages.jacobian

    def vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        clip: float | None = None,
        wrt_times: bool = False,
        which: Tensor | None = None,
    ) -> StepGradients:
        """The adjoint: from the cotangent w of the states at t + h to those of what went in.

        (I/γ - h J)ᵀ q_i = m_i w + Σ_{j>i} (a_ji v_j + c_ji q_j), v_i = h f_x(y_i)ᵀ q_i, by the step's
        factors. J depends on what went in too: h Σ q_i z_iᵀ is the cotangent of its entries, and no Hessian
        is formed. Sandu, Daescu & Carmichael, Atmos. Environ. 37 (2003) 5083–5096.
        """
        own = [m * w for m in self.method.m[: self.used]]
        return self._vjp(x, t, h, p, u, w, own, clip, wrt_times)[0]

    def _vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        own: Sequence[Tensor],
        clip: float | None,
        wrt_times: bool,
    ) -> tuple[StepGradients, list[Tensor]]:
        """vjp for cotangents `own` of the increments z_i beside that of x; also the increments."""
        stages = self._stages(x, t, h, p, u, clip)
        back = self._pull(x, t, h, p, u, stages, own)
        extra = [part for part in (back.jacobian, back.rate) if part is not None]
        g_x = w
        for _, v, *_ in (*back.each, *extra):
            g_x = g_x + v
        g_p = pooled(p, *(part[2] for part in (*back.each, *extra)))
        g_t, g_h = self._time_gradients(h, stages, back) if wrt_times else (None, None)
        return StepGradients(g_x, g_p, self._of_inputs(t, h, u, back), g_t, g_h), stages.increments

    def _pull(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        stages: _Stages,
        own: Sequence[Tensor],
    ) -> _Pulled:
        """The stages backwards, then the Jacobian and f_t."""
        method, used = self.method, range(self.used)
        q, v = list(own), list(own)
        each: list[tuple[Any, ...]] = [()] * self.used
        for i in reversed(used):
            right = own[i]
            for j in used[i + 1 :]:
                right = moved(right, (method.a[j][i], method.c[j][i]), (v[j], q[j]))
            q[i] = stages.factors.solve(right, transposed=True)
            pulled = self.slope.vjp(shifted(t, method.alpha[i], h), stages.states[i], p, u, None, h * q[i])
            each[i], v[i] = pulled, pulled[1]
        rate = None
        jacobian = self.jacobian.vjp(t, x, p, u, h, q, stages.increments[: self.used])
        if stages.rate is not None:
            rate = self.rate.vjp(t, x, p, u, h**2 * weighted(method.d, q))
        return _Pulled(q, each, jacobian, rate)

    def _of_inputs(self, t: Time, h: Time, u: Series | None, back: _Pulled) -> list[tuple[Any, ...]]:
        """The cotangents of the inputs: at each stage, and at the step's start of J and f_t."""
        if u is None:
            return []
        found = [(shifted(t, node, h), each[3]) for node, each in zip(self.method.alpha, back.each)]
        found += [(t, back.jacobian[3])] if back.jacobian is not None else []
        return found + ([(t, *back.rate[3:])] if back.rate is not None else [])

    def _time_gradients(self, h: Time, stages: _Stages, back: _Pulled) -> tuple[Tensor, Tensor]:
        """Those of t, and of h: Σ_i (q_i·(f_i + J z_i + 2 h d_i f_t) + alpha_i t_i)."""
        method, times_of = self.method, [part[0] for part in back.each]
        g_t = sum(times_of[1:], times_of[0])
        for part in (back.jacobian, back.rate):
            g_t = g_t if part is None else g_t + part[0]
        changes = stages.slopes
        if self.jacobian.curved:
            changes = [f + times(stages.jacobian, z) for f, z in zip(changes, stages.increments)]
        terms = [dot(q, change) for q, change in zip(back.q, changes)]
        if stages.rate is not None:
            terms.append(dot(h * stages.rate, weighted([2 * d for d in method.d], back.q)))
        return g_t, moved(sum(terms[1:], terms[0]), method.alpha, times_of)

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
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The step and its tangent: (I/γ - h J) dz_i = d(right-hand side of z_i) + (dh J + h dJ) z_i."""
        x_next, dx_next, _, _ = self._jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip)
        return x_next, dx_next

    def _jvp(
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
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """jvp, and the increments and their tangents."""
        method, stages = self.method, self._stages(x, t, h, p, u, clip)
        d_jacobian = self.jacobian.jvp(t, x, p, u, dt, dx, dp, du)
        d_rate = self.rate.jvp(t, x, p, u, dt, dx, dp, du)
        dz: list[Tensor] = []
        for i in range(self.used):
            node, f, z = method.alpha[i], stages.slopes[i], stages.increments[i]
            dy, d_time = moved(dx, method.a[i], dz), moved(dt, (node,), (dh,))
            df = self.slope.jvp(shifted(t, node, h), stages.states[i], p, u, None, d_time, dy, dp, du)
            right = moved(h * df + dh * f, method.c[i], dz)
            if self.jacobian.curved:
                right = right + dh * times(stages.jacobian, z)
            if d_jacobian is not None:
                right = right + h * d_jacobian(z)
            if stages.rate is not None and method.d[i]:
                right = right + 2 * method.d[i] * h * dh * stages.rate
                right = right if d_rate is None else right + method.d[i] * h**2 * d_rate
            dz.append(stages.factors.solve(right))
        x_next = self._next(x, t, h, p, u, stages)
        return x_next, moved(dx, method.m, dz), stages.increments, dz

    def within(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        x_next: Tensor,
        stages: Any,
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> Tensor:
        """By its increments the q (degree, *batch, n) of x(t + θ h) = x + Σ_j θ^j q_j within a step."""
        return weighted_rows(self.inner, stages)

    def dense_vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_q: Tensor,
        clip: float | None = None,
        wrt_times: bool = False,
        which: Tensor | None = None,
    ) -> tuple[StepGradients, Tensor | None]:
        """As vjp, with cotangents w_q of q; also q, None unless wrt_times."""
        shares = weighted_rows(tuple(zip(*self.inner)), list(w_q))
        own = [m * w + share for m, share in zip(self.method.m, shares)]
        gradients, increments = self._vjp(x, t, h, p, u, w, own, clip, wrt_times)
        return gradients, weighted_rows(self.inner, increments) if wrt_times else None

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
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As jvp, and q and its tangent."""
        x_next, dx_next, z, dz = self._jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip)
        return x_next, dx_next, weighted_rows(self.inner, z), weighted_rows(self.inner, dz)
