"""pendulum: the equations of pendulum.ode as a PyTorch module.

A pendulum that swings far. A second-order equation, written as in the textbook.

Written by odec 0.1.0 from pendulum.ode (sha256 056bd1d15e5d4337).
Method: dopri5, order 5, 6 stages, adaptive or of fixed step (Dormand & Prince, J. Comput. Appl. Math. 6
(1980) 19–26).
Engine: torch. Needs odec.runtime; edit the model, not this file.

Renamed, as the name means something else in Python or here: x -> x_.
"""

from __future__ import annotations

import torch
from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

STATES = ("theta", "dtheta_dt")
PARAMS = ("l", "theta0")
OBSERVABLES = ("x", "y", "energy")
INPUTS = ()

g = 9.80665  # pendulum.ode:6: standard gravity


def rhs(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """dx/dt of the states at time t: x (..., 2), p (..., 2). Returns (..., 2)."""
    l, _ = p.unbind(-1)
    theta, dtheta_dt = x.unbind(-1)
    d2theta_dt2 = (-g / l) * torch.sin(theta)  # pendulum.ode:13
    return rt.columns(dtheta_dt, d2theta_dt2)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 2) with the derivatives of rhs by t, x, p, each shaped as that."""
    l, _ = p.unbind(-1)
    w_theta, w_dtheta_dt = w.unbind(-1)
    theta, _ = x.unbind(-1)
    c0 = w_dtheta_dt * (g / l)
    g_theta = -c0 * torch.cos(theta)
    g_l = c0 * torch.sin(theta) / l
    return w.new_full(w.shape[:-1], 0), rt.columns(g_theta, w_theta), rt.columns(g_l, x.new_full((), 0))


def rhs_jvp(t: rt.Time, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp, tangents shaped as their values. Returns (..., 2)."""
    l, _ = p.unbind(-1)
    d_l, _ = dp.unbind(-1)
    d_theta, d_dtheta_dt = dx.unbind(-1)
    theta, _ = x.unbind(-1)
    c0 = g / l
    d_d2theta_dt2 = -(d_theta * torch.cos(theta) * c0 - d_l * c0 / l * torch.sin(theta))
    return rt.columns(d_dtheta_dt, d_d2theta_dt2)


def jacobian(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """∂f/∂x (..., 2, 2); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
    l, _ = p.unbind(-1)
    theta, _ = x.unbind(-1)
    j_dtheta_dt_theta = -torch.cos(theta) * (g / l)
    _entries = rt.columns(x.new_full((), 1), j_dtheta_dt_theta)
    return rt.scattered(_entries, (0, 1), (1, 0), _shape)


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 2). Returns (..., 2)."""
    _, theta0 = p.unbind(-1)
    theta = theta0  # pendulum.ode:10
    dtheta_dt = p.new_full((), 0)  # pendulum.ode:11
    return rt.columns(theta, dtheta_dt)


def observables(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """What is measured: x (..., 2). Returns (..., 3)."""
    l, _ = p.unbind(-1)
    theta, dtheta_dt = x.unbind(-1)
    x_ = l * torch.sin(theta)  # pendulum.ode:15
    y = -l * torch.cos(theta)  # pendulum.ode:16
    energy = (l * dtheta_dt) ** 2 / 2 - g * l * torch.cos(theta)  # pendulum.ode:17
    return rt.columns(x_, y, energy)


def observables_vjp(t: rt.Time, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 3) with the derivatives of observables, as rhs_vjp."""
    l, _ = p.unbind(-1)
    w_x, w_y, w_energy = w.unbind(-1)
    theta, dtheta_dt = x.unbind(-1)
    c0 = torch.cos(theta)
    c1 = torch.sin(theta)
    g_theta = w_x * l * c0 - (-w_y * l - w_energy * g * l) * c1
    c2 = l * dtheta_dt
    g_dtheta_dt = 2 * (w_energy / 2) * c2 * l
    g_l = w_x * c1 - w_y * c0 + w_energy * (c2 * dtheta_dt - g * c0)
    return w.new_full(w.shape[:-1], 0), rt.columns(g_theta, g_dtheta_dt), rt.columns(g_l, x.new_full((), 0))


def observables_jvp(t: rt.Time, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
    """The tangent (..., 3) of observables from those of its arguments."""
    l, _ = p.unbind(-1)
    d_l, _ = dp.unbind(-1)
    d_theta, d_dtheta_dt = dx.unbind(-1)
    theta, dtheta_dt = x.unbind(-1)
    c0 = torch.sin(theta)
    c1 = torch.cos(theta)
    d_x = d_l * c0 + d_theta * c1 * l
    c2 = d_theta * c0
    d_y = -(d_l * c1 - c2 * l)
    c3 = 2 * (d_l * dtheta_dt + d_dtheta_dt * l) * l * dtheta_dt / 2
    d_energy = c3 - (d_l * g * c1 - c2 * g * l)
    return rt.columns(d_x, d_y, d_energy)


slope = rt.Slope(rhs, rhs_vjp, rhs_jvp)
WITHIN = rt.Interpolant(
    order=4,
    weights=(
        (1, -2.8535800653862835, 3.0717434641059005, -1.1270175653862835),
        (0, 0, 0, 0),
        (0, 4.023133379230305, -6.249321565289, 2.675424484351598),
        (0, -3.7324019615885042, 10.068970589843675, -5.685526961588504),
        (0, 2.5548038301849423, -6.399112377351017, 3.5219323679207912),
        (0, -1.3744241142186024, 3.272657752246729, -1.7672812570757455),
        (0, 1.3824689317781436, -3.764937863556287, 2.382468931778144),
    ),
)

METHOD = rt.Explicit(
    name="dopri5",
    order=5,
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    ),
    b=(35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    c=(0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1),
    error=(71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    error_order=4,
    dense=WITHIN,
    real_interval=3.3,
)
A, B, C = METHOD.a, METHOD.b, METHOD.c
E = METHOD.error


def step(x: Tensor, t: rt.Time, h: rt.Time, p: Tensor, u: rt.Inputs = None, clip: rt.Clip = None) -> Tensor:
    """One dopri5 step: the states at t + h from the states x (..., 2) at t."""
    k1 = slope(t, x, p, u, clip)
    k2 = slope(t + C[1] * h, x + h * A[1][0] * k1, p, u, clip)
    k3 = slope(t + C[2] * h, x + h * (A[2][0] * k1 + A[2][1] * k2), p, u, clip)
    k4 = slope(t + C[3] * h, x + h * (A[3][0] * k1 + A[3][1] * k2 + A[3][2] * k3), p, u, clip)
    k5 = slope(t + C[4] * h, x + h * (A[4][0] * k1 + A[4][1] * k2 + A[4][2] * k3 + A[4][3] * k4), p, u, clip)
    k6 = slope(
        t + h, x + h * (A[5][0] * k1 + A[5][1] * k2 + A[5][2] * k3 + A[5][3] * k4 + A[5][4] * k5), p, u, clip
    )
    return x + h * (B[0] * k1 + B[2] * k3 + B[3] * k4 + B[4] * k5 + B[5] * k6)


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
    y3 = x + h * (A[2][0] * k1 + A[2][1] * k2)
    k3 = slope(t + C[2] * h, y3, p, u, clip)
    y4 = x + h * (A[3][0] * k1 + A[3][1] * k2 + A[3][2] * k3)
    k4 = slope(t + C[3] * h, y4, p, u, clip)
    y5 = x + h * (A[4][0] * k1 + A[4][1] * k2 + A[4][2] * k3 + A[4][3] * k4)
    k5 = slope(t + C[4] * h, y5, p, u, clip)
    y6 = x + h * (A[5][0] * k1 + A[5][1] * k2 + A[5][2] * k3 + A[5][3] * k4 + A[5][4] * k5)
    w6 = h * B[5] * w
    t6, v6, p6, _ = slope.vjp(t + h, y6, p, u, clip, w6)
    w5 = h * (B[4] * w + A[5][4] * v6)
    t5, v5, p5, _ = slope.vjp(t + C[4] * h, y5, p, u, clip, w5)
    w4 = h * (B[3] * w + A[4][3] * v5 + A[5][3] * v6)
    t4, v4, p4, _ = slope.vjp(t + C[3] * h, y4, p, u, clip, w4)
    w3 = h * (B[2] * w + A[3][2] * v4 + A[4][2] * v5 + A[5][2] * v6)
    t3, v3, p3, _ = slope.vjp(t + C[2] * h, y3, p, u, clip, w3)
    w2 = h * (A[2][1] * v3 + A[3][1] * v4 + A[4][1] * v5 + A[5][1] * v6)
    t2, v2, p2, _ = slope.vjp(t + C[1] * h, y2, p, u, clip, w2)
    w1 = h * (B[0] * w + A[1][0] * v2 + A[2][0] * v3 + A[3][0] * v4 + A[4][0] * v5 + A[5][0] * v6)
    t1, v1, p1, _ = slope.vjp(t, x, p, u, clip, w1)
    g_x = w + v1 + v2 + v3 + v4 + v5 + v6
    g_p = rt.pooled(p, p1, p2, p3, p4, p5, p6)
    if not wrt_times:
        return rt.StepGradients(g_x, g_p, [], None, None)
    k6 = slope(t + h, y6, p, u, clip)
    g_t = t1 + t2 + t3 + t4 + t5 + t6
    g_h = (
        rt.dot(w, B[0] * k1 + B[2] * k3 + B[3] * k4 + B[4] * k5 + B[5] * k6)
        + rt.dot(v2, A[1][0] * k1)
        + C[1] * t2
        + rt.dot(v3, A[2][0] * k1 + A[2][1] * k2)
        + C[2] * t3
        + rt.dot(v4, A[3][0] * k1 + A[3][1] * k2 + A[3][2] * k3)
        + C[3] * t4
        + rt.dot(v5, A[4][0] * k1 + A[4][1] * k2 + A[4][2] * k3 + A[4][3] * k4)
        + C[4] * t5
        + rt.dot(v6, A[5][0] * k1 + A[5][1] * k2 + A[5][2] * k3 + A[5][3] * k4 + A[5][4] * k5)
        + t6
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
    y3 = x + h * (A[2][0] * k1 + A[2][1] * k2)
    dy3 = d.x + h * (A[2][0] * dk1 + A[2][1] * dk2) + d.h * (A[2][0] * k1 + A[2][1] * k2)
    k3 = slope(t + C[2] * h, y3, p, u, clip)
    dk3 = slope.jvp(t + C[2] * h, y3, p, u, clip, d.t + C[2] * d.h, dy3, d.p, d.u)
    y4 = x + h * (A[3][0] * k1 + A[3][1] * k2 + A[3][2] * k3)
    dy4 = (
        d.x
        + h * (A[3][0] * dk1 + A[3][1] * dk2 + A[3][2] * dk3)
        + d.h * (A[3][0] * k1 + A[3][1] * k2 + A[3][2] * k3)
    )
    k4 = slope(t + C[3] * h, y4, p, u, clip)
    dk4 = slope.jvp(t + C[3] * h, y4, p, u, clip, d.t + C[3] * d.h, dy4, d.p, d.u)
    y5 = x + h * (A[4][0] * k1 + A[4][1] * k2 + A[4][2] * k3 + A[4][3] * k4)
    dy5 = (
        d.x
        + h * (A[4][0] * dk1 + A[4][1] * dk2 + A[4][2] * dk3 + A[4][3] * dk4)
        + d.h * (A[4][0] * k1 + A[4][1] * k2 + A[4][2] * k3 + A[4][3] * k4)
    )
    k5 = slope(t + C[4] * h, y5, p, u, clip)
    dk5 = slope.jvp(t + C[4] * h, y5, p, u, clip, d.t + C[4] * d.h, dy5, d.p, d.u)
    y6 = x + h * (A[5][0] * k1 + A[5][1] * k2 + A[5][2] * k3 + A[5][3] * k4 + A[5][4] * k5)
    dy6 = (
        d.x
        + h * (A[5][0] * dk1 + A[5][1] * dk2 + A[5][2] * dk3 + A[5][3] * dk4 + A[5][4] * dk5)
        + d.h * (A[5][0] * k1 + A[5][1] * k2 + A[5][2] * k3 + A[5][3] * k4 + A[5][4] * k5)
    )
    k6 = slope(t + h, y6, p, u, clip)
    dk6 = slope.jvp(t + h, y6, p, u, clip, d.t + d.h, dy6, d.p, d.u)
    x_next = x + h * (B[0] * k1 + B[2] * k3 + B[3] * k4 + B[4] * k5 + B[5] * k6)
    dx_next = (
        d.x
        + h * (B[0] * dk1 + B[2] * dk3 + B[3] * dk4 + B[4] * dk5 + B[5] * dk6)
        + d.h * (B[0] * k1 + B[2] * k3 + B[3] * k4 + B[4] * k5 + B[5] * k6)
    )
    return x_next, dx_next


def step_stages(
    x: Tensor, t: rt.Time, h: rt.Time, p: Tensor, u: rt.Inputs, clip: rt.Clip = None
) -> rt.Stages:
    """One step, an estimate of its local error, and the slopes of its stages."""
    k1 = slope(t, x, p, u, clip)
    k2 = slope(t + C[1] * h, x + h * A[1][0] * k1, p, u, clip)
    k3 = slope(t + C[2] * h, x + h * (A[2][0] * k1 + A[2][1] * k2), p, u, clip)
    k4 = slope(t + C[3] * h, x + h * (A[3][0] * k1 + A[3][1] * k2 + A[3][2] * k3), p, u, clip)
    k5 = slope(t + C[4] * h, x + h * (A[4][0] * k1 + A[4][1] * k2 + A[4][2] * k3 + A[4][3] * k4), p, u, clip)
    k6 = slope(
        t + h, x + h * (A[5][0] * k1 + A[5][1] * k2 + A[5][2] * k3 + A[5][3] * k4 + A[5][4] * k5), p, u, clip
    )
    x_next = x + h * (B[0] * k1 + B[2] * k3 + B[3] * k4 + B[4] * k5 + B[5] * k6)
    k7 = slope(t + h, x_next, p, u, clip)
    error = h * (E[0] * k1 + E[2] * k3 + E[3] * k4 + E[4] * k5 + E[5] * k6 + E[6] * k7)
    return x_next, (error,), (k1, k2, k3, k4, k5, k6, k7)


def step_interpolant(
    x: Tensor,
    t: rt.Time,
    h: rt.Time,
    p: Tensor,
    u: rt.Inputs,
    x_next: Tensor,
    stages: rt.Slopes,
    clip: rt.Clip = None,
) -> Tensor:
    """The states within a step, x(t + θ h) = x + Σ_j θ^j q_j: q (4, ..., 2)."""
    return h * rt.weighted_rows(WITHIN.weights, stages)


COMPILED = rt.Compiled(
    name="pendulum",
    digest="056bd1d15e5d4337",
    states=STATES,
    params=(
        rt.Param("l", 1, lower=0, via="softplus", unit="m", doc="length of the rod"),
        rt.Param(
            "theta0",
            2,
            lower=-3.141592653589793,
            upper=3.141592653589793,
            via="logit",
            unit="rad",
            doc="angle of release",
        ),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(
        rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables, observables_vjp, observables_jvp
    ),
    method=METHOD,
    cell=rt.Cell(step, step_vjp, step_jvp, step_stages, step_interpolant),
    defaults=rt.Defaults(rtol=1e-09, atol=(1e-09, 1e-09)),
    time_unit="s",
    span=rt.Span(0.0, 10.0, step=0.02),
)


class Model(rt.Model):
    """pendulum: x = Model()(t) gives the states (T, *batch, 2) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.StepCell):
    compiled = COMPILED


__all__, __dir__ = rt.public(globals())
