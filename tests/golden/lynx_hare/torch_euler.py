"""lynx_hare: the equations of lynx_hare.ode as a PyTorch module.

Lynx and snowshoe hare in Canada, 1900-1920. The predator-prey equations of Lotka and Volterra, in thousands
of pelts bought by the Hudson's Bay Company.

Written by odec 0.1.0 from lynx_hare.ode (sha256 6214c5d7ebe9bbaa).
Method: euler, order 1, 1 stage (Euler 1768; Hairer, Nørsett & Wanner I, II.1).
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
METHOD = rt.Explicit(name="euler", order=1, a=((),), b=(1,), c=(0,), real_interval=2.0)


def step(x: Tensor, t: rt.Time, h: rt.Time, p: Tensor, u: rt.Inputs = None, clip: rt.Clip = None) -> Tensor:
    """One euler step: the states at t + h from the states x (..., 2) at t."""
    k1 = slope(t, x, p, u, clip)
    return x + h * k1


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
    w1 = h * w
    t1, v1, p1, _ = slope.vjp(t, x, p, u, clip, w1)
    g_x = w + v1
    g_p = rt.pooled(p, p1)
    if not wrt_times:
        return rt.StepGradients(g_x, g_p, [], None, None)
    k1 = slope(t, x, p, u, clip)
    g_t = t1
    g_h = rt.dot(w, k1)
    return rt.StepGradients(g_x, g_p, [], g_t, g_h)


def step_jvp(
    x: Tensor, t: rt.Time, h: rt.Time, p: Tensor, u: rt.Inputs, d: rt.StepTangents, clip: rt.Clip = None
) -> tuple[Tensor, Tensor]:
    """One step and its tangent, for the tangents d of x, t, h, p and u."""
    k1 = slope(t, x, p, u, clip)
    dk1 = slope.jvp(t, x, p, u, clip, d.t, d.x, d.p, d.u)
    x_next = x + h * k1
    dx_next = d.x + h * dk1 + d.h * k1
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
