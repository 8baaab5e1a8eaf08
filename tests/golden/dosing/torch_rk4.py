"""dosing: the equations of dosing.ode as a PyTorch module.

Short infusions again and again: their onset, duration and period are parameters

Written by odec 0.1.0 from dosing.ode (sha256 7b5802a67ef1f828).
Method: rk4, order 4, 4 stages (Kutta 1901; Hairer, Nørsett & Wanner I, table II.1.2).
Engine: torch. Needs odec.runtime; edit the model, not this file.
"""

from __future__ import annotations

import torch
from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

STATES = ("A",)
PARAMS = ("onset", "duration", "period", "rate", "CL", "V")
OBSERVABLES = ("C",)
INPUTS = ()


def rhs(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """dx/dt of the states at time t: x (..., 1), p (..., 6), u (..., 2). Returns (..., 1)."""
    onset, duration, period, rate, CL, V = p.unbind(-1)
    asked_0, asked_1 = u.unbind(-1)
    (A,) = x.unbind(-1)
    # dosing.ode:9
    dA_dt = (
        torch.where((asked_0 - onset > 0) & (torch.remainder(asked_1 - onset, period) < duration), rate, 0)
        - CL / V * A
    )
    return rt.columns(dA_dt)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, u: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 1) with the derivatives of rhs by t, x, p, u, each shaped as that."""
    onset, duration, period, _, CL, V = p.unbind(-1)
    asked_0, asked_1 = u.unbind(-1)
    (w_A,) = w.unbind(-1)
    (A,) = x.unbind(-1)
    c0 = CL / V
    g_A = -w_A * c0
    g_rate = torch.where(
        (asked_0 - onset > 0) & (torch.remainder(asked_1 - onset, period) < duration), w_A, 0
    )
    c1 = w_A * A
    g_CL = -c1 / V
    g_V = c1 * c0 / V
    return (
        w.new_full(w.shape[:-1], 0),
        rt.columns(g_A),
        rt.columns(x.new_full((), 0), x.new_full((), 0), x.new_full((), 0), g_rate, g_CL, g_V),
        w.new_zeros((*w.shape[:-1], 2)),
    )


def rhs_jvp(
    t: rt.Time, x: Tensor, p: Tensor, u: Tensor, dt: Tensor, dx: Tensor, dp: Tensor, du: Tensor
) -> Tensor:
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp + ∂f/∂u·du, tangents shaped as their values. Returns (..., 1)."""
    onset, duration, period, _, CL, V = p.unbind(-1)
    asked_0, asked_1 = u.unbind(-1)
    _, _, _, d_rate, d_CL, d_V = dp.unbind(-1)
    (d_A,) = dx.unbind(-1)
    (A,) = x.unbind(-1)
    c0 = torch.where((asked_0 - onset > 0) & (torch.remainder(asked_1 - onset, period) < duration), d_rate, 0)
    c1 = CL / V
    d_dA_dt = c0 - ((d_CL / V - d_V * c1 / V) * A + d_A * c1)
    return rt.columns(d_dA_dt)


def jacobian(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """∂f/∂x (..., 1, 1); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
    _, _, _, _, CL, V = p.unbind(-1)
    j_A_A = -CL / V
    _entries = rt.columns(j_A_A)
    return rt.scattered(_entries, (0,), (0,), _shape)


def switches(p: Tensor) -> rt.Turns:
    """Where conditions on the time may turn: rate·t + offset is a multiple of the period (0: is 0).

    Of each condition a tuple of (rate, offset, period). As asked_0, … they read a time between two turns.
    """
    onset, duration, period, _, _, _ = p.unbind(-1)
    c0 = -onset
    return (((1, c0, 0),), ((1, c0, period), (1, -onset - duration, period)))


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 6). Returns (..., 1)."""
    A = p.new_full((), 1)  # dosing.ode:8
    return rt.columns(A)


def observables(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """What is measured: x (..., 1). Returns (..., 1)."""
    _, _, _, _, _, V = p.unbind(-1)
    (A,) = x.unbind(-1)
    C = A / V  # dosing.ode:10
    return rt.columns(C)


def observables_vjp(t: rt.Time, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 1) with the derivatives of observables, as rhs_vjp."""
    _, _, _, _, _, V = p.unbind(-1)
    (w_C,) = w.unbind(-1)
    (A,) = x.unbind(-1)
    C = A / V  # dosing.ode:10
    g_A = w_C / V
    g_V = -w_C * C / V
    return (
        w.new_full(w.shape[:-1], 0),
        rt.columns(g_A),
        rt.columns(
            x.new_full((), 0), x.new_full((), 0), x.new_full((), 0), x.new_full((), 0), x.new_full((), 0), g_V
        ),
    )


def observables_jvp(t: rt.Time, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
    """The tangent (..., 1) of observables from those of its arguments."""
    _, _, _, _, _, V = p.unbind(-1)
    _, _, _, _, _, d_V = dp.unbind(-1)
    (d_A,) = dx.unbind(-1)
    (A,) = x.unbind(-1)
    C = A / V  # dosing.ode:10
    d_C = d_A / V - d_V * C / V
    return rt.columns(d_C)


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
    """One rk4 step: the states at t + h from the states x (..., 1) at t."""
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
    t4, v4, p4, u4 = slope.vjp(t + h, y4, p, u, clip, w4)
    w3 = h * (B[2] * w + v4)
    t3, v3, p3, u3 = slope.vjp(t + C[2] * h, y3, p, u, clip, w3)
    w2 = h * (B[1] * w + A[2][1] * v3)
    t2, v2, p2, u2 = slope.vjp(t + C[1] * h, y2, p, u, clip, w2)
    w1 = h * (B[0] * w + A[1][0] * v2)
    t1, v1, p1, u1 = slope.vjp(t, x, p, u, clip, w1)
    g_x = w + v1 + v2 + v3 + v4
    g_p = rt.pooled(p, p1, p2, p3, p4)
    g_u = [(t, u1), (t + C[1] * h, u2), (t + C[2] * h, u3), (t + h, u4)]
    if not wrt_times:
        return rt.StepGradients(g_x, g_p, g_u, None, None)
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
    return rt.StepGradients(g_x, g_p, g_u, g_t, g_h)


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
    name="dosing",
    digest="7b5802a67ef1f828",
    states=STATES,
    params=(
        rt.Param("onset", 0.013, lower=0, via="softplus", unit="day"),
        rt.Param("duration", 0.021, lower=0, via="softplus", unit="day", doc="of an infusion"),
        rt.Param("period", 0.045, lower=0, via="softplus", unit="day", doc="from one to the next"),
        rt.Param("rate", 5),
        rt.Param("CL", 0.6),
        rt.Param("V", 4),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(
        rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables, observables_vjp, observables_jvp, linear=True
    ),
    method=METHOD,
    switches=switches,
    asked=2,
    cell=rt.Cell(step, step_vjp, step_jvp),
    defaults=rt.Defaults(dt=0.0005),
    span=rt.Span(0.0, 0.5, step=0.05),
)


class Model(rt.Model):
    """dosing: x = Model()(t) gives the states (T, *batch, 1) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.StepCell):
    compiled = COMPILED


__all__, __dir__ = rt.public(globals())
