"""lynx_hare: the equations of lynx_hare.ode as a PyTorch module.

Lynx and snowshoe hare in Canada, 1900-1920. The predator-prey equations of Lotka and Volterra, in thousands
of pelts bought by the Hudson's Bay Company.

Written by odec 0.1.0 from lynx_hare.ode (sha256 6214c5d7ebe9bbaa).
Method: rk4, order 4, 4 stages (Kutta 1901; Hairer, Nørsett & Wanner I, table II.1.2).
Engine: torch. Needs odec.runtime; edit the model, not this file.
"""

from __future__ import annotations

from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

STATES = ("hare", "lynx")
PARAMS = ("alpha", "beta", "gamma", "delta", "hare0", "lynx0")
OBSERVABLES = ()
INPUTS = ()


def rhs(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """dx/dt of the states at time t: x (..., 2), p (..., 6). Returns (..., 2)."""
    alpha, beta, gamma, delta, _, _ = p.unbind(-1)
    hare, lynx = x.unbind(-1)
    dhare_dt = alpha * hare - beta * hare * lynx  # lynx_hare.ode:16
    dlynx_dt = delta * hare * lynx - gamma * lynx  # lynx_hare.ode:17
    return rt.columns(dhare_dt, dlynx_dt)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 2) with the derivatives of rhs by t, x, p, each shaped as that."""
    alpha, beta, gamma, delta, _, _ = p.unbind(-1)
    w_hare, w_lynx = w.unbind(-1)
    hare, lynx = x.unbind(-1)
    c0 = w_lynx * lynx
    g_hare = w_hare * (alpha - beta * lynx) + c0 * delta
    g_alpha = w_hare * hare
    g_lynx = w_lynx * (delta * hare - gamma) - g_alpha * beta
    g_beta = -g_alpha * lynx
    g_gamma = -c0
    g_delta = c0 * hare
    return (
        w.new_full(w.shape[:-1], 0),
        rt.columns(g_hare, g_lynx),
        rt.columns(g_alpha, g_beta, g_gamma, g_delta, x.new_full((), 0), x.new_full((), 0)),
    )


def rhs_jvp(t: rt.Time, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp, tangents shaped as their values. Returns (..., 2)."""
    alpha, beta, gamma, delta, _, _ = p.unbind(-1)
    d_alpha, d_beta, d_gamma, d_delta, _, _ = dp.unbind(-1)
    d_hare, d_lynx = dx.unbind(-1)
    hare, lynx = x.unbind(-1)
    d_dhare_dt = (
        d_alpha * hare + d_hare * alpha - (d_beta * hare * lynx + d_hare * beta * lynx + d_lynx * beta * hare)
    )
    d_dlynx_dt = (
        d_delta * hare * lynx
        + d_hare * delta * lynx
        + d_lynx * delta * hare
        - (d_gamma * lynx + d_lynx * gamma)
    )
    return rt.columns(d_dhare_dt, d_dlynx_dt)


def jacobian(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """∂f/∂x (..., 2, 2); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
    alpha, beta, gamma, delta, _, _ = p.unbind(-1)
    hare, lynx = x.unbind(-1)
    j_hare_hare = alpha - beta * lynx
    j_hare_lynx = -beta * hare
    j_lynx_hare = delta * lynx
    j_lynx_lynx = delta * hare - gamma
    _entries = rt.columns(j_hare_hare, j_hare_lynx, j_lynx_hare, j_lynx_lynx)
    return rt.scattered(_entries, (0, 0, 1, 1), (0, 1, 0, 1), _shape)


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 6). Returns (..., 2)."""
    _, _, _, _, hare0, lynx0 = p.unbind(-1)
    hare = hare0  # lynx_hare.ode:13
    lynx = lynx0  # lynx_hare.ode:14
    return rt.columns(hare, lynx)


def observables(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """What is measured: x (..., 2). Returns (..., 0)."""
    return x.new_zeros((*x.shape[:-1], 0))


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
    name="lynx_hare",
    digest="6214c5d7ebe9bbaa",
    states=STATES,
    params=(
        rt.Param("alpha", 0.55, lower=0, via="softplus", unit="1/year", doc="growth rate of the prey"),
        rt.Param("beta", 0.028, lower=0, via="softplus", unit="1/year", doc="predation"),
        rt.Param("gamma", 0.8, lower=0, via="softplus", unit="1/year", doc="death rate of the predator"),
        rt.Param(
            "delta", 0.024, lower=0, via="softplus", unit="1/year", doc="growth of the predator per prey"
        ),
        rt.Param("hare0", 30, lower=0, via="softplus", doc="thousands of hares in 1900"),
        rt.Param("lynx0", 4, lower=0, via="softplus", doc="thousands of lynxes in 1900"),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables),
    method=METHOD,
    cell=rt.Cell(step, step_vjp, step_jvp),
    defaults=rt.Defaults(dt=0.02),
    time_unit="year",
    span=rt.Span(1900.0, 1920.0, step=0.2),
)


class Model(rt.Model):
    """lynx_hare: x = Model()(t) gives the states (T, *batch, 2) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.StepCell):
    compiled = COMPILED


__all__, __dir__ = rt.public(globals())
