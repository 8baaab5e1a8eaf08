"""ricker: the map of ricker.ode as a PyTorch module.

The Ricker map: a population with overcrowding. One generation a step.

Written by odec 0.1.0 from ricker.ode (sha256 a62be5977edf6c58).
Map: x[t + 1] = rhs(t, x, p).
Engine: torch. Needs odec.runtime; edit the model, not this file.
"""

from __future__ import annotations

import torch
from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

STATES = ("N",)
PARAMS = ("r", "K", "N0")
OBSERVABLES = ()
INPUTS = ()


def rhs(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """x[t + 1] of the states at time t: x (..., 1), p (..., 3). Returns (..., 1)."""
    r, K, _ = p.unbind(-1)
    (N,) = x.unbind(-1)
    N_next = N * torch.exp(r * (1 - N / K))  # ricker.ode:10
    return rt.columns(N_next)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 1) with the derivatives of rhs by t, x, p, each shaped as that."""
    r, K, _ = p.unbind(-1)
    (w_N,) = w.unbind(-1)
    (N,) = x.unbind(-1)
    c0 = N / K
    c1 = 1 - c0
    c2 = torch.exp(r * c1)
    N_next = N * c2  # ricker.ode:10
    g_N = w_N * (c2 - N_next * r / K)
    c3 = w_N * N * c2
    g_r = c3 * c1
    g_K = c3 * r * c0 / K
    return w.new_full(w.shape[:-1], 0), rt.columns(g_N), rt.columns(g_r, g_K, x.new_full((), 0))


def rhs_jvp(t: rt.Time, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp, tangents shaped as their values. Returns (..., 1)."""
    r, K, _ = p.unbind(-1)
    d_r, d_K, _ = dp.unbind(-1)
    (d_N,) = dx.unbind(-1)
    (N,) = x.unbind(-1)
    c0 = N / K
    c1 = 1 - c0
    c2 = torch.exp(r * c1)
    d_N_next = d_N * c2 + (d_r * c1 - (d_N / K - d_K * c0 / K) * r) * c2 * N
    return rt.columns(d_N_next)


def jacobian(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """∂f/∂x (..., 1, 1); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
    r, K, _ = p.unbind(-1)
    (N,) = x.unbind(-1)
    c0 = torch.exp(r * (1 - N / K))
    j_N_N = c0 - r / K * c0 * N
    _entries = rt.columns(j_N_N)
    return rt.scattered(_entries, (0,), (0,), _shape)


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 3). Returns (..., 1)."""
    _, _, N0 = p.unbind(-1)
    N = N0  # ricker.ode:8
    return rt.columns(N)


def observables(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """What is measured: x (..., 1). Returns (..., 0)."""
    return x.new_zeros((*x.shape[:-1], 0))


METHOD = rt.Map()

COMPILED = rt.Compiled(
    name="ricker",
    digest="a62be5977edf6c58",
    states=STATES,
    params=(
        rt.Param("r", 2.3, lower=0, via="softplus", doc="growth rate"),
        rt.Param("K", 100, lower=0, via="softplus", doc="carrying capacity"),
        rt.Param("N0", 20, lower=0, via="softplus", doc="animals in generation 0"),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables),
    method=METHOD,
    defaults=rt.Defaults(),
    span=rt.Span(0.0, 60.0),
)


class Model(rt.Model):
    """ricker: x = Model()(t) gives the states (T, *batch, 1) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.MapCell):
    compiled = COMPILED


step, step_vjp, step_jvp = rt.steps_of(COMPILED)


__all__, __dir__ = rt.public(globals())
