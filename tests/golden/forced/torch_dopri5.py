"""forced: the equations of forced.ode as a PyTorch module.

Every kind of input, bound and transform

Written by odec 0.1.0 from forced.ode (sha256 8f9803d8d43dfdd0).
Method: dopri5, order 5, 6 stages, adaptive or of fixed step (Dormand & Prince, J. Comput. Appl. Math. 6
(1980) 19–26).
Engine: torch. Needs odec.runtime; edit the model, not this file.

Renamed, as the name means something else in Python or here: lambda -> lambda_, w -> w_.
"""

from __future__ import annotations

import torch
from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

STATES = ("x", "y")
PARAMS = ("k", "a", "b", "lambda")
OBSERVABLES = ("z", "s")
INPUTS = ("u", "v", "w")


def rhs(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """dx/dt of the states at time t: x (..., 2), p (..., 4), u (..., 3). Returns (..., 2)."""
    k, _, b, lambda_ = p.unbind(-1)
    t = rt.time(t, x)
    u, v, w_ = u.unbind(-1)
    x, y = x.unbind(-1)
    dx_dt = -k * x + u * torch.sin(t) + v * lambda_  # forced.ode:12
    dy_dt = x - y * b + w_ * x + t  # forced.ode:13
    return rt.columns(dx_dt, dy_dt)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, u: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 2) with the derivatives of rhs by t, x, p, u, each shaped as that."""
    k, _, b, lambda_ = p.unbind(-1)
    t = rt.time(t, x)
    u, v, w_ = u.unbind(-1)
    w_x, w_y = w.unbind(-1)
    x, y = x.unbind(-1)
    g_t = w_x * u * torch.cos(t) + w_y
    g_x = w_y * (w_ + 1) - w_x * k
    g_y = -w_y * b
    g_k = -w_x * x
    g_b = -w_y * y
    g_lambda = w_x * v
    g_u = w_x * torch.sin(t)
    g_v = w_x * lambda_
    g_w = w_y * x
    return (
        g_t,
        rt.columns(g_x, g_y),
        rt.columns(g_k, x.new_full((), 0), g_b, g_lambda),
        rt.columns(g_u, g_v, g_w),
    )


def rhs_jvp(
    t: rt.Time, x: Tensor, p: Tensor, u: Tensor, dt: Tensor, dx: Tensor, dp: Tensor, du: Tensor
) -> Tensor:
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp + ∂f/∂u·du, tangents shaped as their values. Returns (..., 2)."""
    k, _, b, lambda_ = p.unbind(-1)
    t = rt.time(t, x)
    u, v, w_ = u.unbind(-1)
    d_t = dt
    d_k, _, d_b, d_lambda = dp.unbind(-1)
    d_u, d_v, d_w = du.unbind(-1)
    d_x, d_y = dx.unbind(-1)
    x, y = x.unbind(-1)
    c0 = d_u * torch.sin(t) + d_t * torch.cos(t) * u - (d_k * x + d_x * k)
    d_dx_dt = c0 + d_v * lambda_ + d_lambda * v
    d_dy_dt = d_x - (d_y * b + d_b * y) + d_w * x + d_x * w_ + d_t
    return rt.columns(d_dx_dt, d_dy_dt)


def jacobian(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """∂f/∂x (..., 2, 2); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
    k, _, b, _ = p.unbind(-1)
    _, _, w_ = u.unbind(-1)
    j_x_x = -k
    j_y_x = 1 + w_
    j_y_y = -b
    _entries = rt.columns(j_x_x, j_y_x, j_y_y)
    return rt.scattered(_entries, (0, 1, 1), (0, 0, 1), _shape)


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 4). Returns (..., 2)."""
    _, a, _, _ = p.unbind(-1)
    t = rt.time(t, p)
    x = a  # forced.ode:10
    y = 0.1 * t  # forced.ode:11
    return rt.columns(x, y)


def observables(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """What is measured: x (..., 2). Returns (..., 2)."""
    u, v, _ = u.unbind(-1)
    x, y = x.unbind(-1)
    z = x * u + y  # forced.ode:14
    s = v  # forced.ode:15
    return rt.columns(z, s)


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
    t6, v6, p6, u6 = slope.vjp(t + h, y6, p, u, clip, w6)
    w5 = h * (B[4] * w + A[5][4] * v6)
    t5, v5, p5, u5 = slope.vjp(t + C[4] * h, y5, p, u, clip, w5)
    w4 = h * (B[3] * w + A[4][3] * v5 + A[5][3] * v6)
    t4, v4, p4, u4 = slope.vjp(t + C[3] * h, y4, p, u, clip, w4)
    w3 = h * (B[2] * w + A[3][2] * v4 + A[4][2] * v5 + A[5][2] * v6)
    t3, v3, p3, u3 = slope.vjp(t + C[2] * h, y3, p, u, clip, w3)
    w2 = h * (A[2][1] * v3 + A[3][1] * v4 + A[4][1] * v5 + A[5][1] * v6)
    t2, v2, p2, u2 = slope.vjp(t + C[1] * h, y2, p, u, clip, w2)
    w1 = h * (B[0] * w + A[1][0] * v2 + A[2][0] * v3 + A[3][0] * v4 + A[4][0] * v5 + A[5][0] * v6)
    t1, v1, p1, u1 = slope.vjp(t, x, p, u, clip, w1)
    g_x = w + v1 + v2 + v3 + v4 + v5 + v6
    g_p = rt.pooled(p, p1, p2, p3, p4, p5, p6)
    g_u = [
        (t, u1),
        (t + C[1] * h, u2),
        (t + C[2] * h, u3),
        (t + C[3] * h, u4),
        (t + C[4] * h, u5),
        (t + h, u6),
    ]
    if not wrt_times:
        return rt.StepGradients(g_x, g_p, g_u, None, None)
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
    name="forced",
    digest="8f9803d8d43dfdd0",
    states=STATES,
    params=(
        rt.Param("k", 0.5, lower=0, via="softplus"),
        rt.Param("a", 1),
        rt.Param("b", 2, lower=0, upper=3, via="logit"),
        rt.Param("lambda", -1, upper=0, via="softplus", attribute="lambda_"),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables, linear=True),
    method=METHOD,
    inputs=(rt.Input("u", "linear"), rt.Input("v", "cubic"), rt.Input("w", "hold")),
    cell=rt.Cell(step, step_vjp, step_jvp, step_stages, step_interpolant),
    defaults=rt.Defaults(atol=(1e-09, 1e-09)),
    span=rt.Span(0.0, 5.0, step=0.1),
    timed=True,
)


class Model(rt.Model):
    """forced: x = Model()(t) gives the states (T, *batch, 2) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.StepCell):
    compiled = COMPILED


__all__, __dir__ = rt.public(globals())
