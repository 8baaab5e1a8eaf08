"""One step of an explicit Runge–Kutta method by its table, or by the functions printed in the module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..compiled import Compiled, StepGradients, StepTangents
from ..methods import Explicit, Interpolant, Matrix, Row
from ..series import Series
from ..tensors import Time, dot, rms, sum_to, weighted, weighted_rows
from .stepper import Trial

Slopes = list[Tensor]


class ExplicitStepper:
    """The steps of a table, by default the method's own; the printed ones stand in where there are any.

    Adjoint: w_i = h (b_i w + Σ_{j>i} a_ji v_j), v_i = f_x(y_i)ᵀ w_i, g_x = w + Σ v_i.
    Hager, Numer. Math. 87 (2000) 247–282. See Stepper.
    """

    def __init__(self, compiled: Compiled, table: Explicit | None = None):
        method = compiled.method if table is None else table
        if not isinstance(method, Explicit):
            raise TypeError(f"{method.name or 'a map'} is no explicit method")
        self.table, self.slope, self.cell = method, compiled.slope, compiled.cell
        used = method.used
        self.a, self.b, self.c = method.a[:used], method.b[:used], method.c[:used]
        self.dense = _Dense(method, method.dense) if method.dense else None

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
        """The states at t + h from the states x (*batch, n) at t."""
        if self.cell is not None:
            return self.cell.step(x, t, h, p, u, clip)
        _, slopes = self._stages(self.a, self.c, x, t, h, p, u, clip)
        return _shifted(x, h, self.b, slopes)

    def _stages(
        self,
        a: Matrix,
        c: Row,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None,
        slopes: Sequence[Tensor] = (),
    ) -> tuple[list[Tensor], Slopes]:
        """The states y_i = x + h Σ_j a_ij k_j and slopes k_i of the stages, after those that are known."""
        states, found = [x] * len(slopes), list(slopes)
        for row, node in list(zip(a, c))[len(found) :]:
            states.append(_shifted(x, h, row, found))
            found.append(self.slope(_at(t, h, node), states[-1], p, u, clip))
        return states, found

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
        """The step with its error estimates; with a unit also h·|λ| by its last slopes."""
        method = self.table
        if self.cell is not None and self.cell.stages is not None:
            x_next, errors, slopes = self.cell.stages(x, t, h, p, u, clip)
        else:
            _, found = self._stages(method.a, method.c, x, t, h, p, u, clip)
            x_next = _shifted(x, h, self.b, found)
            if method.first_same_as_last:
                found.append(self.slope(t + h, x_next, p, u, clip))
            slopes = tuple(found)
            errors = tuple(h * weighted(row, slopes) for row in (method.error, method.error3) if row)
        reach = None if unit is None else self._reach(x, h, x_next, slopes, unit)
        return Trial(x_next, errors, reach, slopes)

    def _reach(self, x: Tensor, h: Time, x_next: Tensor, slopes: Sequence[Tensor], unit: Tensor) -> Tensor:
        """h·|λ| (*batch) by the slopes at the last stage and at the step's end. Hairer & Wanner II, IV.2.

        unit: that in which states count for |λ|, their tolerance; else a fast state that is small goes
        unnoticed.
        """
        last = _shifted(x, h, self.a[-1], slopes)
        change = rms((slopes[-1] - slopes[-2]) / unit) / rms((x_next - last) / unit)
        return abs(h).squeeze(-1) * change if isinstance(h, Tensor) else abs(h) * change

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
        if self.cell is not None:
            return self.cell.vjp(x, t, h, p, u, w, clip, wrt_times)
        own = [h * (weight * w) for weight in self.b]
        return self._pull(self.a, self.c, x, t, h, p, u, w, own, clip, wrt_times)[0]

    def _pull(
        self,
        a: Matrix,
        c: Row,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        own: Sequence[Tensor],
        clip: float | None,
        wrt_times: bool,
    ) -> tuple[StepGradients, Slopes]:
        """The gradients from w and the own cotangents of the slopes k_i; and the slopes."""
        states, slopes = self._stages(a[:-1], c, x, t, h, p, u, clip)
        states.append(_shifted(x, h, a[-1], slopes))
        pulled = _Pulled([], [], [], [])
        for i in reversed(range(len(states))):
            column = [row[i] for row in a[i + 1 :]]
            w_k = own[i] + h * weighted(column, pulled.x) if any(column) else own[i]
            time = _at(t, h, c[i])
            t_k, v_k, p_k, u_k = self.slope.vjp(time, states[i], p, u, clip, w_k)
            for all_of, one in zip(pulled, (t_k, v_k, p_k, (time, u_k))):
                all_of.insert(0, one)
        g_x, g_u = w + _sum(pulled.x), [] if u is None else pulled.u
        g_p = _sum([sum_to(part, p.shape) for part in pulled.p])
        if not wrt_times:
            return StepGradients(g_x, g_p, g_u, None, None), slopes
        slopes.append(self.slope(_at(t, h, c[-1]), states[-1], p, u, clip))
        parts = [dot(w, weighted(self.b, slopes))]
        for row, node, t_k, v_k in zip(a, c, pulled.t, pulled.x):
            parts += [dot(v_k, weighted(row, slopes))] if any(row) else []
            parts += [node * t_k] if node else []
        return StepGradients(g_x, g_p, g_u, _sum(pulled.t), _sum(parts)), slopes

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
        if self.cell is not None:
            return self.cell.jvp(x, t, h, p, u, StepTangents(dx, dt, dh, dp, du), clip)
        slopes, tangents = self._push(self.a, self.c, x, t, h, p, u, dx, dt, dh, dp, du, clip)
        return _shifted(x, h, self.b, slopes), _moved(dx, h, dh, self.b, slopes, tangents)

    def _push(
        self,
        a: Matrix,
        c: Row,
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
    ) -> tuple[Slopes, Slopes]:
        """The stages' slopes and their tangents."""
        slopes: Slopes = []
        tangents: Slopes = []
        for row, node in zip(a, c):
            y, dy = _shifted(x, h, row, slopes), _moved(dx, h, dh, row, slopes, tangents)
            time, d_time = _at(t, h, node), dt + node * dh if node else dt
            slopes.append(self.slope(time, y, p, u, clip))
            tangents.append(self.slope.jvp(time, y, p, u, clip, d_time, dy, dp, du))
        return slopes, tangents

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
        if self.cell is not None and self.cell.interpolant is not None:
            return self.cell.interpolant(x, t, h, p, u, x_next, stages, clip)
        dense = self._dense()
        known = [stages[i] for i in dense.kept if i < len(stages)]
        _, slopes = self._stages(dense.a, dense.c, x, t, h, p, u, clip, known)
        return h * dense.within(slopes)

    def _dense(self) -> _Dense:
        if self.dense is None:
            raise TypeError(f"{self.table.name} has no interpolant")
        return self.dense

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
        dense = self._dense()
        shares = h * dense.shares(w_q)
        own = [share + h * (weight * w) for share, weight in zip(shares, (*self.b, *dense.none))]
        found, slopes = self._pull(dense.a, dense.c, x, t, h, p, u, w, own, clip, wrt_times)
        if found.h is None:
            return found, None
        within = dense.within(slopes)
        return found._replace(h=found.h + dot(w_q, within).sum(0)), h * within

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
        dense = self._dense()
        slopes, tangents = self._push(dense.a, dense.c, x, t, h, p, u, dx, dt, dh, dp, du, clip)
        within, moving = dense.within(slopes), dense.within(tangents)
        x_next, dx_next = _shifted(x, h, self.b, slopes), _moved(dx, h, dh, self.b, slopes, tangents)
        return x_next, dx_next, h * within, dh * within + h * moving

    def back(
        self, x: Tensor, w: Tensor, t: Time, h: Time, p: Tensor, u: Series | None, clip: float | None
    ) -> tuple[Tensor, Tensor, Tensor, list[tuple[Any, ...]]]:
        """One step of the adjoint ODE dw/dt = -f_xᵀ w beside dx/dt = f; h < 0. Chen et al., NeurIPS 2018.

        Returns x and w at t + h, the quadrature of f_pᵀ w, and the inputs' cotangents at each stage.
        """
        slopes: Slopes = []
        falls: Slopes = []
        parts, inputs = [], []
        for row, node, weight in zip(self.a, self.c, self.b):
            y, z, time = _shifted(x, h, row, slopes), _shifted(w, h, row, falls), _at(t, h, node)
            slopes.append(self.slope(time, y, p, u, clip))
            _, fall, part, of_inputs = self.slope.vjp(time, y, p, u, clip, -z)
            falls.append(fall)
            parts.append(part)
            if u is not None:
                inputs.append((time, weight * h * of_inputs))
        x_next, w_next = _shifted(x, h, self.b, slopes), _shifted(w, h, self.b, falls)
        return x_next, w_next, h * weighted(self.b, parts), inputs


class _Pulled(NamedTuple):
    """The cotangents of the stages' times, states, parameters and inputs, in the stages' order."""

    t: list[Any]
    x: list[Any]
    p: list[Any]
    u: list[Any]


class _Dense:
    """An interpolant's slopes as the stages of one larger table, whose last rows are b and further ones."""

    def __init__(self, method: Explicit, dense: Interpolant):
        used, s, n = method.used, len(method.b), len(dense.weights)
        kept = self.kept = [i for i in range(n) if i < used or i >= s]
        rows = [*method.a, method.b, *dense.a]
        self.a = tuple(tuple(rows[i][j] for j in kept if j < len(rows[i])) for i in kept)
        self.c = tuple((*method.c, 1.0, *dense.c)[i] for i in kept)
        self.none = (0.0,) * (len(kept) - used)
        self.weights = [dense.weights[i] for i in kept]
        self.taken = [i for i, row in enumerate(self.weights) if any(row)]

    def within(self, slopes: Sequence[Tensor]) -> Tensor:
        """Σ_i w_ij k_i for each power j."""
        return weighted_rows([self.weights[i] for i in self.taken], [slopes[i] for i in self.taken])

    def shares(self, w_q: Tensor) -> Tensor:
        """The cotangents Σ_j w_ij w_qj that the polynomial gives its slopes."""
        return weighted_rows(tuple(zip(*self.weights)), w_q.unbind())


def _at(t: Time, h: Time, node: float) -> Time:
    return t + node * h if node else t


def _shifted(x: Tensor, h: Time, row: Row, slopes: Sequence[Tensor]) -> Tensor:
    """x + h Σ_j a_j k_j."""
    return x + h * weighted(row, slopes) if any(row) else x


def _moved(
    dx: Tensor, h: Time, dh: Tensor, row: Row, slopes: Sequence[Tensor], tangents: Sequence[Tensor]
) -> Tensor:
    """The tangent dx + h Σ_j a_j dk_j + dh Σ_j a_j k_j."""
    return dx + h * weighted(row, tangents) + dh * weighted(row, slopes) if any(row) else dx


def _sum(values: Sequence[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
