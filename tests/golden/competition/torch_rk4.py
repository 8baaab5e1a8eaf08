"""competition: the equations of competition.ode as a PyTorch module.

Two species that compete for one resource. Each grows logistically towards its own carrying capacity 1/iN and
loses by meeting the other.

Written by odec 0.1.0 from competition.ode (sha256 97dffc740fb72f9f).
Method: rk4, order 4, 4 stages (Kutta 1901; Hairer, Nørsett & Wanner I, table II.1.2).
Engine: torch. Needs odec.runtime; edit the model, not this file.
"""

from __future__ import annotations

from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

STATES = ("x1", "x2")
PARAMS = ("r1", "r2", "a1", "a2", "iN1", "iN2")
OBSERVABLES = ("total",)
INPUTS = ()


def rhs(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """dx/dt of the states at time t: x (..., 2), p (..., 6). Returns (..., 2)."""
    r1, r2, a1, a2, iN1, iN2 = p.unbind(-1)
    x1, x2 = x.unbind(-1)
    dx1_dt = r1 * x1 * (1 - iN1 * x1) - a1 * x1 * x2  # competition.ode:16
    dx2_dt = r2 * x2 * (1 - iN2 * x2) - a2 * x1 * x2  # competition.ode:17
    return rt.columns(dx1_dt, dx2_dt)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 2) with the derivatives of rhs by t, x, p, each shaped as that."""
    r1, r2, a1, a2, iN1, iN2 = p.unbind(-1)
    w_x1, w_x2 = w.unbind(-1)
    x1, x2 = x.unbind(-1)
    c0 = 1 - iN1 * x1
    c1 = r1 * x1
    c2 = w_x2 * x2
    g_x1 = w_x1 * (r1 * c0 - c1 * iN1 - a1 * x2) - c2 * a2
    c3 = 1 - iN2 * x2
    c4 = r2 * x2
    c5 = w_x1 * x1
    g_x2 = w_x2 * (r2 * c3 - c4 * iN2 - a2 * x1) - c5 * a1
    g_r1 = c5 * c0
    g_r2 = c2 * c3
    g_a1 = -c5 * x2
    g_a2 = -c2 * x1
    g_iN1 = -c5 * c1
    g_iN2 = -c2 * c4
    return (
        w.new_full(w.shape[:-1], 0),
        rt.columns(g_x1, g_x2),
        rt.columns(g_r1, g_r2, g_a1, g_a2, g_iN1, g_iN2),
    )


def rhs_jvp(t: rt.Time, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp, tangents shaped as their values. Returns (..., 2)."""
    r1, r2, a1, a2, iN1, iN2 = p.unbind(-1)
    d_r1, d_r2, d_a1, d_a2, d_iN1, d_iN2 = dp.unbind(-1)
    d_x1, d_x2 = dx.unbind(-1)
    x1, x2 = x.unbind(-1)
    c0 = 1 - iN1 * x1
    c1 = d_r1 * x1 * c0 + d_x1 * r1 * c0 - (d_iN1 * x1 + d_x1 * iN1) * r1 * x1
    d_dx1_dt = c1 - (d_a1 * x1 * x2 + d_x1 * a1 * x2 + d_x2 * a1 * x1)
    c2 = 1 - iN2 * x2
    c3 = d_r2 * x2 * c2 + d_x2 * r2 * c2 - (d_iN2 * x2 + d_x2 * iN2) * r2 * x2
    d_dx2_dt = c3 - (d_a2 * x1 * x2 + d_x1 * a2 * x2 + d_x2 * a2 * x1)
    return rt.columns(d_dx1_dt, d_dx2_dt)


def jacobian(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """∂f/∂x (..., 2, 2); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
    r1, r2, a1, a2, iN1, iN2 = p.unbind(-1)
    x1, x2 = x.unbind(-1)
    j_x1_x1 = r1 * (1 - iN1 * x1) - iN1 * r1 * x1 - a1 * x2
    j_x1_x2 = -a1 * x1
    j_x2_x1 = -a2 * x2
    j_x2_x2 = r2 * (1 - iN2 * x2) - iN2 * r2 * x2 - a2 * x1
    _entries = rt.columns(j_x1_x1, j_x1_x2, j_x2_x1, j_x2_x2)
    return rt.scattered(_entries, (0, 0, 1, 1), (0, 1, 0, 1), _shape)


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 6). Returns (..., 2)."""
    x1 = p.new_full((), 100)  # competition.ode:13
    x2 = p.new_full((), 150)  # competition.ode:14
    return rt.columns(x1, x2)


def observables(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """What is measured: x (..., 2). Returns (..., 1)."""
    x1, x2 = x.unbind(-1)
    total = x1 + x2  # competition.ode:19
    return rt.columns(total)


slope = rt.Slope(rhs, rhs_vjp, rhs_jvp)
METHOD = rt.Explicit(
    name="rk4",
    order=4,
    a=((), (1 / 2,), (0, 1 / 2), (0, 0, 1)),
    b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    c=(0, 1 / 2, 1 / 2, 1),
    real_interval=2.78,
)
A, B, C = METHOD.a, METHOD.b, METHOD.c


def step(x: Tensor, t: rt.Time, h: rt.Time, p: Tensor, u: rt.Inputs = None, clip: rt.Clip = None) -> Tensor:
    """One rk4 step: the states at t + h from the states x (..., 2) at t."""
    k1 = slope(t, x, p, u, clip)
    k2 = slope(t + C[1] * h, x + h * A[1][0] * k1, p, u, clip)
    k3 = slope(t + C[2] * h, x + h * A[2][1] * k2, p, u, clip)
    k4 = slope(t + h, x + h * k3, p, u, clip)
    return x + h * (B[0] * k1 + B[1] * k2 + B[2] * k3 + B[3] * k4)


def step_vjp(
    x: Tensor,
    t: rt.Time,
    h: rt.Time,
    p: Tensor,
    u: rt.Inputs,
    w: Tensor,
    clip: rt.Clip = None,
    wrt_times: bool = False,
) -> rt.StepGradients:
    """The adjoint of one step: from the cotangent w of the states at t + h to those of what went in."""
    k1 = slope(t, x, p, u, clip)
    y2 = x + h * A[1][0] * k1
    k2 = slope(t + C[1] * h, y2, p, u, clip)
    y3 = x + h * A[2][1] * k2
    k3 = slope(t + C[2] * h, y3, p, u, clip)
    y4 = x + h * k3
    w4 = h * B[3] * w
    t4, v4, p4, _ = slope.vjp(t + h, y4, p, u, clip, w4)
    w3 = h * (B[2] * w + v4)
    t3, v3, p3, _ = slope.vjp(t + C[2] * h, y3, p, u, clip, w3)
    w2 = h * (B[1] * w + A[2][1] * v3)
    t2, v2, p2, _ = slope.vjp(t + C[1] * h, y2, p, u, clip, w2)
    w1 = h * (B[0] * w + A[1][0] * v2)
    t1, v1, p1, _ = slope.vjp(t, x, p, u, clip, w1)
    g_x = w + v1 + v2 + v3 + v4
    g_p = rt.pooled(p, p1, p2, p3, p4)
    if not wrt_times:
        return rt.StepGradients(g_x, g_p, [], None, None)
    k4 = slope(t + h, y4, p, u, clip)
    g_t = t1 + t2 + t3 + t4
    g_h = (
        rt.dot(w, B[0] * k1 + B[1] * k2 + B[2] * k3 + B[3] * k4)
        + rt.dot(v2, A[1][0] * k1)
        + C[1] * t2
        + rt.dot(v3, A[2][1] * k2)
        + C[2] * t3
        + rt.dot(v4, k3)
        + t4
    )
    return rt.StepGradients(g_x, g_p, [], g_t, g_h)


def step_jvp(
    x: Tensor, t: rt.Time, h: rt.Time, p: Tensor, u: rt.Inputs, d: rt.StepTangents, clip: rt.Clip = None
) -> tuple[Tensor, Tensor]:
    """One step and its tangent, for the tangents d of x, t, h, p and u."""
    k1 = slope(t, x, p, u, clip)
    dk1 = slope.jvp(t, x, p, u, clip, d.t, d.x, d.p, d.u)
    y2 = x + h * A[1][0] * k1
    dy2 = d.x + h * A[1][0] * dk1 + d.h * A[1][0] * k1
    k2 = slope(t + C[1] * h, y2, p, u, clip)
    dk2 = slope.jvp(t + C[1] * h, y2, p, u, clip, d.t + C[1] * d.h, dy2, d.p, d.u)
    y3 = x + h * A[2][1] * k2
    dy3 = d.x + h * A[2][1] * dk2 + d.h * A[2][1] * k2
    k3 = slope(t + C[2] * h, y3, p, u, clip)
    dk3 = slope.jvp(t + C[2] * h, y3, p, u, clip, d.t + C[2] * d.h, dy3, d.p, d.u)
    y4 = x + h * k3
    dy4 = d.x + h * dk3 + d.h * k3
    k4 = slope(t + h, y4, p, u, clip)
    dk4 = slope.jvp(t + h, y4, p, u, clip, d.t + d.h, dy4, d.p, d.u)
    x_next = x + h * (B[0] * k1 + B[1] * k2 + B[2] * k3 + B[3] * k4)
    dx_next = (
        d.x
        + h * (B[0] * dk1 + B[1] * dk2 + B[2] * dk3 + B[3] * dk4)
        + d.h * (B[0] * k1 + B[1] * k2 + B[2] * k3 + B[3] * k4)
    )
    return x_next, dx_next


COMPILED = rt.Compiled(
    name="competition",
    digest="97dffc740fb72f9f",
    states=STATES,
    params=(
        rt.Param("r1", 0.1, lower=0, via="softplus", unit="1/day", doc="growth rate of species 1"),
        rt.Param("r2", 0.3, lower=0, via="softplus", unit="1/day", doc="growth rate of species 2"),
        rt.Param(
            "a1", 0.0001, lower=0, via="softplus", unit="1/day", doc="loss of species 1 by meeting species 2"
        ),
        rt.Param(
            "a2", 0.0002, lower=0, via="softplus", unit="1/day", doc="loss of species 2 by meeting species 1"
        ),
        rt.Param("iN1", 0.002, lower=0, via="softplus", doc="1 / carrying capacity of species 1"),
        rt.Param("iN2", 0.003, lower=0, via="softplus", doc="1 / carrying capacity of species 2"),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables),
    method=METHOD,
    cell=rt.Cell(step, step_vjp, step_jvp),
    defaults=rt.Defaults(dt=0.1),
    time_unit="day",
    span=rt.Span(0.0, 100.0, step=0.1),
)


class Model(rt.Model):
    """competition: x = Model()(t) gives the states (T, *batch, 2) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.StepCell):
    compiled = COMPILED


__all__, __dir__ = rt.public(globals())
