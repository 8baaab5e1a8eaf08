"""One step of an implicit Runge–Kutta method by its table, its adjoint and its tangent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..compiled import Equations
from ..methods import Implicit
from ..series import Series
from ..slopes import Slope
from ..tensors import Time, advanced, dot, moved, pooled, shifted, weighted, weighted_rows
from .jacobians import SlopeJacobian, without_clip
from .linear import solve
from .newton import Change, is_steep, root
from .stepper import StepGradients, Trial

Place = tuple[Time, Tensor]
"""Where a stage takes f: the time, the states."""


class ImplicitStepper:
    """An implicit method: k_i = f(t + c_i h, y_i) with y_i = x + h Σ_j a_ij k_j, x_next = x + h Σ_i b_i k_i.

    Stages are solved by Newton's method with the Jacobian at each stage: one after another where nothing
    stands above the diagonal of a, (I - h a_ii J) Δk_i = f - k_i, else together, (I - h (a_ij J_i)) Δk =
    f - k. Hairer & Wanner II, IV.6 and IV.8. Arguments and results as of Stepper; clip raises ValueError.
    """

    def __init__(self, equations: Equations, method: Implicit):
        self.method, self.linear = method, equations.linear
        self.slope = Slope(equations.rhs, equations.rhs_vjp, equations.rhs_jvp)
        self.jacobian = SlopeJacobian(equations)
        self.inner = method.dense.weights if method.dense else ()

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
        """The states at t + h; NaN where they cannot be found.

        Differentiable any number of times where the equations are linear in the states, else twice and more,
        see root.
        """
        return advanced(x, h, self.method.b, self._stages(x, t, h, p, u, clip))

    def _stages(
        self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None, clip: float | None
    ) -> list[Tensor]:
        """The slopes k_i (*batch, n) of the stages."""
        without_clip(clip, self.method.name)
        if self.method.diagonal:
            return self._one_by_one(x, t, h, p, u)
        return self._together(x, t, h, p, u)

    def _one_by_one(self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None) -> list[Tensor]:
        """The stages solved one after another; one without a diagonal entry is explicit."""
        method, k = self.method, list[Tensor]()
        guess = torch.zeros_like(x)
        for i, row in enumerate(method.a):
            time, base = shifted(t, method.c[i], h), advanced(x, h, row[:i], k)
            if row[i]:
                guess = self._solved(time, base, h * row[i], guess, p, u)
                k.append(guess)
            else:
                k.append(self.slope(time, base, p, u))
        return k

    def _solved(
        self, t: Time, base: Tensor, size: Time, guess: Tensor, p: Tensor, u: Series | None
    ) -> Tensor:
        """The slope k = f(t, y) at y = base + size·k: (I - size·f_x) Δk = f - k."""

        def correction(k: Tensor) -> Change:
            y = base + size * k
            jacobian, rest = self.jacobian(t, y, p, u), self.slope(t, y, p, u) - k
            return Change(solve(size, jacobian, rest), y, is_steep(jacobian))

        return root(correction, guess, size, self.linear)

    def _together(self, x: Tensor, t: Time, h: Time, p: Tensor, u: Series | None) -> list[Tensor]:
        """The stages solved at once."""
        s = len(self.method.b)

        def correction(k: Tensor) -> Change:
            places = self._places(x, t, h, k.tensor_split(s, -1))
            rest = torch.cat([self.slope(time, y, p, u) for time, y in places], -1) - k
            jacobian = self._coupled(places, p, u)
            return Change(solve(h, jacobian, rest), torch.cat([y for _, y in places], -1), is_steep(jacobian))

        start = x.new_zeros((*x.shape[:-1], s * x.shape[-1]))
        return list(root(correction, start, h, self.linear).tensor_split(s, -1))

    def _places(self, x: Tensor, t: Time, h: Time, k: Sequence[Tensor]) -> list[Place]:
        """The times and states of the stages with the slopes k."""
        rows = zip(self.method.a, self.method.c)
        return [(shifted(t, node, h), advanced(x, h, row, k)) for row, node in rows]

    def _coupled(self, places: Sequence[Place], p: Tensor, u: Series | None) -> Tensor:
        """The matrix of the blocks a_ij J_i, (*batch, s n, s n)."""
        rows = []
        for row, (time, y) in zip(self.method.a, places):
            jacobian = self.jacobian(time, y, p, u)
            rows.append(torch.cat([entry * jacobian for entry in row], -1))
        return torch.cat(rows, -2)

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
        """The step with an estimate of its local error, and the slopes that `within` takes.

        The estimate is h Σ e_i k_i, its stiff components damped by (I - h filter f_x)⁻¹: Hairer & Wanner II,
        IV.8, eq. 8.19; Hosea & Shampine, Appl. Numer. Math. 20 (1996) 21–37. It is taken as it is where both
        methods whose difference it is damp them. A method without an estimate gives none.
        """
        method, k = self.method, self._stages(x, t, h, p, u, clip)
        x_next = advanced(x, h, method.b, k)
        if not method.error:
            return Trial(x_next, (), None, k)
        weights, slopes = method.error, k
        if method.start_error:
            weights, slopes = (method.start_error, *weights), [self.slope(t, x, p, u), *k]
        error = h * weighted(weights, slopes)
        if method.filter:
            error = solve(h * method.filter, self.jacobian(t, x, p, u), error)
        return Trial(x_next, (error,), None, k)

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

        One transposed solve a stage, (I - h a_ii f_x(y_i)ᵀ) w_i = h (b_i w + Σ_{j>i} a_ji v_j) with
        v_i = f_x(y_i)ᵀ w_i; of coupled stages one in all, w_i - h Σ_j a_ji f_x(y_j)ᵀ w_j = h b_i w.
        Sandu, Lect. Notes Comput. Sci. 3994 (2006) 116–123.
        """
        return self._vjp(x, t, h, p, u, w, self._shares(h, w), clip, wrt_times)[0]

    def _shares(self, h: Time, w: Tensor) -> list[Tensor]:
        """The cotangents h b_i w of the slopes k_i, from that of x_next."""
        return [h * weight * w for weight in self.method.b]

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
        """vjp for cotangents `own` of the slopes k_i; also the slopes."""
        k = self._stages(x, t, h, p, u, clip)
        places = self._places(x, t, h, k)
        pull = self._pull_one_by_one if self.method.diagonal else self._pull_together
        back = pull(h, p, u, places, own)
        g_x, g_p = w, pooled(p, *(part[2] for part in back))
        for _, v, _, _ in back:
            g_x = g_x + v
        g_u = [] if u is None else [(time, part[3]) for (time, _), part in zip(places, back)]
        g_t, g_h = self._time_gradients(w, k, back) if wrt_times else (None, None)
        return StepGradients(g_x, g_p, g_u, g_t, g_h), k

    def _pull_one_by_one(
        self, h: Time, p: Tensor, u: Series | None, places: Sequence[Place], own: Sequence[Tensor]
    ) -> list[tuple[Any, ...]]:
        """What Slope.vjp gives of each stage, the last first solved."""
        a, back = self.method.a, list[tuple[Any, ...]]()
        for i in reversed(range(len(a))):
            time, y = places[i]
            below = [row[i] for row in a[i + 1 :]]
            cotangent = advanced(own[i], h, below, [part[1] for part in back])
            if a[i][i]:
                cotangent = solve(h * a[i][i], self.jacobian(time, y, p, u).mT, cotangent)
            back.insert(0, self.slope.vjp(time, y, p, u, None, cotangent))
        return back

    def _pull_together(
        self, h: Time, p: Tensor, u: Series | None, places: Sequence[Place], own: Sequence[Tensor]
    ) -> list[tuple[Any, ...]]:
        """What Slope.vjp gives of each stage, of those solved at once."""
        matrix = self._coupled(places, p, u).mT
        cotangents = solve(h, matrix, torch.cat(list(own), -1)).tensor_split(len(own), -1)
        return [self.slope.vjp(time, y, p, u, None, w) for (time, y), w in zip(places, cotangents)]

    def _time_gradients(
        self, w: Tensor, k: Sequence[Tensor], back: Sequence[tuple[Any, ...]]
    ) -> tuple[Tensor, Tensor]:
        """Those of t, and of h: Σ b_i w·k_i + Σ_i (v_i·Σ_j a_ij k_j + c_i t_i)."""
        method, times = self.method, [part[0] for part in back]
        g_h = dot(w, weighted(method.b, k))
        for row, node, part in zip(method.a, method.c, back):
            g_h = g_h + dot(part[1], weighted(row, k)) if any(row) else g_h
            g_h = moved(g_h, (node,), (part[0],))
        return sum(times[1:], times[0]), g_h

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
        """The step and its tangent."""
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
        """jvp, and the slopes and their tangents."""
        method, k = self.method, self._stages(x, t, h, p, u, clip)
        places, dk = self._places(x, t, h, k), list[Tensor]()
        for i, (row, node, (time, y)) in enumerate(zip(method.a, method.c, places)):
            dy = advanced(dx, h, row[:i] if method.diagonal else (), dk)
            dy, d_time = advanced(dy, dh, row, k), moved(dt, (node,), (dh,))
            right = self.slope.jvp(time, y, p, u, None, d_time, dy, dp, du)
            if method.diagonal and row[i]:
                right = solve(h * row[i], self.jacobian(time, y, p, u), right)
            dk.append(right)
        if not method.diagonal:
            matrix = self._coupled(places, p, u)
            dk = list(solve(h, matrix, torch.cat(dk, -1)).tensor_split(len(dk), -1))
        dx_next = advanced(advanced(dx, h, method.b, dk), dh, method.b, k)
        return advanced(x, h, method.b, k), dx_next, k, dk

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
        """By its slopes the q (degree, *batch, n) of x(t + θ h) = x + Σ_j θ^j q_j within a step."""
        return h * weighted_rows(self.inner, stages)

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
        inner = h * weighted_rows(tuple(zip(*self.inner)), list(w_q))
        own = [share + other for share, other in zip(self._shares(h, w), inner)]
        gradients, k = self._vjp(x, t, h, p, u, w, own, clip, wrt_times)
        if gradients.h is None:
            return gradients, None
        within = weighted_rows(self.inner, k)
        return gradients._replace(h=gradients.h + dot(w_q, within).sum(0)), h * within

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
        x_next, dx_next, k, dk = self._jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip)
        within = weighted_rows(self.inner, k)
        return x_next, dx_next, h * within, dh * within + h * weighted_rows(self.inner, dk)
