"""hodgkin_huxley: the equations of hodgkin_huxley.ode as a PyTorch module.

Action potentials of the squid giant axon. Hodgkin & Huxley 1952, in the modern convention: inside minus
outside, rest at -65 mV.

Written by odec 0.1.0 from hodgkin_huxley.ode (sha256 15c1eeed9d4068ac).
Method: rk4, order 4, 4 stages (Kutta 1901; Hairer, Nørsett & Wanner I, table II.1.2).
Engine: torch. Needs odec.runtime; edit the model, not this file.

Renamed, as the name means something else in Python or here: C -> C_.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

STATES = ("V", "m", "h", "n")
PARAMS = ("gNa", "gK", "gL", "ENa", "EK", "EL")
OBSERVABLES = ("Iion",)
INPUTS = ("I",)

C_ = 1.0  # hodgkin_huxley.ode:8: membrane capacitance


def rhs(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """dx/dt of the states at time t: x (..., 4), p (..., 6), u (..., 1). Returns (..., 4)."""
    gNa, gK, gL, ENa, EK, EL = p.unbind(-1)
    (I,) = u.unbind(-1)
    V, m, h, n = x.unbind(-1)
    INa = gNa * m**3 * h * (V - ENa)  # hodgkin_huxley.ode:33
    IK = gK * n**4 * (V - EK)  # hodgkin_huxley.ode:34
    IL = gL * (V - EL)  # hodgkin_huxley.ode:35
    dV_dt = (I - INa - IK - IL) / C_  # hodgkin_huxley.ode:37
    c0 = torch.abs(-(V + 40) / 10) < 1e-6
    # hodgkin_huxley.ode:38
    dm_dt = (
        0.1
        * torch.where(c0, 10 * (1 - -(V + 40) / 10 / 2), 10 / rt.exprel(torch.where(c0, 0, -(V + 40) / 10)))
        * (1 - m)
        - 4 * torch.exp(-(V + 65) / 18) * m
    )
    # hodgkin_huxley.ode:39
    dh_dt = 0.07 * torch.exp(-(V + 65) / 20) * (1 - h) - 1 / (torch.exp(-(V + 35) / 10) + 1) * h
    c1 = torch.abs(-(V + 55) / 10) < 1e-6
    # hodgkin_huxley.ode:40
    dn_dt = (
        0.01
        * torch.where(c1, 10 * (1 - -(V + 55) / 10 / 2), 10 / rt.exprel(torch.where(c1, 0, -(V + 55) / 10)))
        * (1 - n)
        - 0.125 * torch.exp(-(V + 65) / 80) * n
    )
    return rt.columns(dV_dt, dm_dt, dh_dt, dn_dt)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, u: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 4) with the derivatives of rhs by t, x, p, u, each shaped as that."""
    gNa, gK, gL, ENa, EK, EL = p.unbind(-1)
    w_V, w_m, w_h, w_n = w.unbind(-1)
    V, m, h, n = x.unbind(-1)
    c0 = m**3
    c1 = gNa * c0
    c2 = n**4
    c3 = gK * c2
    c4 = (V + 40) / 10
    c5 = torch.abs(-c4) < 1e-6
    c6 = 0.1 * w_m * (1 - m)
    c7 = torch.where(c5, 0, -c4)
    c8 = rt.exprel(c7)
    c9 = 10 / c8
    c10 = V + 65
    c11 = torch.exp(-c10 / 18)
    c12 = torch.exp(-c10 / 20)
    c13 = torch.exp(-c10 / 80)
    c14 = torch.exp(-(V + 35) / 10)
    c15 = c14 + 1
    c16 = 1 / c15
    c17 = (V + 55) / 10
    c18 = torch.abs(-c17) < 1e-6
    c19 = 0.01 * w_n * (1 - n)
    c20 = torch.where(c18, 0, -c17)
    c21 = rt.exprel(c20)
    c22 = 10 / c21
    c23 = 4 * w_m * m * c11 / 18 - 0.07 * w_h * (1 - h) * c12 / 20
    c24 = w_V * (-c1 * h / C_ - c3 / C_ - gL / C_)
    c25 = (
        c24
        + (
            torch.where(c5, 0, c6) * c9 * (torch.nan_to_num(rt.exprel(c7, 1), math.nan, 0.0, 0.0) / c8)
            + 10 * torch.where(c5, c6, 0) / 2
        )
        / 10
    )
    c26 = c25 + c23 + 0.125 * w_n * n * c13 / 80
    c27 = c26 - w_h * h * c16 * (torch.nan_to_num(c14, math.nan, 0.0, 0.0) / c15) / 10
    g_V = (
        c27
        + (
            torch.where(c18, 0, c19) * c22 * (torch.nan_to_num(rt.exprel(c20, 1), math.nan, 0.0, 0.0) / c21)
            + 10 * torch.where(c18, c19, 0) / 2
        )
        / 10
    )
    c28 = w_m * (-0.1 * torch.where(c5, 10 * (1 + c4 / 2), c9) - 4 * c11)
    g_I = w_V / C_
    c29 = g_I * h
    c30 = V - ENa
    c31 = c29 * c30
    g_m = c28 - 3 * c31 * gNa * m**2
    g_h = w_h * (-0.07 * c12 - c16) - g_I * c1 * c30
    c32 = w_n * (-0.01 * torch.where(c18, 10 * (1 + c17 / 2), c22) - 0.125 * c13)
    c33 = g_I * (V - EK)
    g_n = c32 - 4 * c33 * gK * n**3
    g_gNa = -c31 * c0
    g_gK = -c33 * c2
    g_gL = -g_I * (V - EL)
    g_ENa = c29 * c1
    g_EK = g_I * c3
    g_EL = g_I * gL
    return (
        w.new_full(w.shape[:-1], 0),
        rt.columns(g_V, g_m, g_h, g_n),
        rt.columns(g_gNa, g_gK, g_gL, g_ENa, g_EK, g_EL),
        rt.columns(g_I),
    )


def rhs_jvp(
    t: rt.Time, x: Tensor, p: Tensor, u: Tensor, dt: Tensor, dx: Tensor, dp: Tensor, du: Tensor
) -> Tensor:
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp + ∂f/∂u·du, tangents shaped as their values. Returns (..., 4)."""
    gNa, gK, gL, ENa, EK, EL = p.unbind(-1)
    d_gNa, d_gK, d_gL, d_ENa, d_EK, d_EL = dp.unbind(-1)
    (d_I,) = du.unbind(-1)
    d_V, d_m, d_h, d_n = dx.unbind(-1)
    V, m, h, n = x.unbind(-1)
    c0 = m**3
    c1 = V - ENa
    c2 = n**4
    c3 = V - EK
    c4 = d_gNa * c0 * h * c1 + 3 * d_m * m**2 * gNa * h * c1
    c5 = d_I - (c4 + d_h * gNa * c0 * c1 + (d_V - d_ENa) * gNa * c0 * h)
    c6 = c5 - (d_gK * c2 * c3 + 4 * d_n * n**3 * gK * c3 + (d_V - d_EK) * gK * c2)
    d_dV_dt = (c6 - (d_gL * (V - EL) + (d_V - d_EL) * gL)) / C_
    c7 = (V + 40) / 10
    c8 = torch.abs(-c7) < 1e-6
    c9 = d_V / 10
    c10 = 10 * (c9 / 2)
    c11 = torch.where(c8, 0, -c7)
    c12 = rt.exprel(c11)
    c13 = 10 / c12
    c14 = (
        0.1
        * torch.where(c8, c10, c9 * c13 * (torch.nan_to_num(rt.exprel(c11, 1), math.nan, 0.0, 0.0) / c12))
        * (1 - m)
    )
    c15 = c14 - 0.1 * d_m * torch.where(c8, 10 * (1 + c7 / 2), c13)
    c16 = V + 65
    c17 = torch.exp(-c16 / 18)
    d_dm_dt = c15 - (4 * d_m * c17 - 4 * (d_V / 18) * c17 * m)
    c18 = torch.exp(-c16 / 20)
    c19 = -0.07 * (d_V / 20) * c18 * (1 - h) - 0.07 * d_h * c18
    c20 = torch.exp(-(V + 35) / 10)
    c21 = c20 + 1
    c22 = 1 / c21
    d_dh_dt = c19 - (c9 * c22 * (torch.nan_to_num(c20, math.nan, 0.0, 0.0) / c21) * h + d_h * c22)
    c23 = (V + 55) / 10
    c24 = torch.abs(-c23) < 1e-6
    c25 = torch.where(c24, 0, -c23)
    c26 = rt.exprel(c25)
    c27 = 10 / c26
    c28 = (
        0.01
        * torch.where(c24, c10, c9 * c27 * (torch.nan_to_num(rt.exprel(c25, 1), math.nan, 0.0, 0.0) / c26))
        * (1 - n)
    )
    c29 = c28 - 0.01 * d_n * torch.where(c24, 10 * (1 + c23 / 2), c27)
    c30 = torch.exp(-c16 / 80)
    d_dn_dt = c29 - (0.125 * d_n * c30 - 0.125 * (d_V / 80) * c30 * n)
    return rt.columns(d_dV_dt, d_dm_dt, d_dh_dt, d_dn_dt)


def jacobian(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """∂f/∂x (..., 4, 4); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
    gNa, gK, gL, ENa, EK, _ = p.unbind(-1)
    V, m, h, n = x.unbind(-1)
    c0 = m**3
    j_V_V = (-gNa * c0 * h - gK * n**4 - gL) / C_
    c1 = V - ENa
    j_V_m = -3 * m**2 * gNa * h * c1 / C_
    j_V_h = -gNa * c0 * c1 / C_
    j_V_n = -4 * n**3 * gK * (V - EK) / C_
    c2 = (V + 40) / 10
    c3 = torch.abs(-c2) < 1e-6
    c4 = torch.where(c3, 0, -c2)
    c5 = rt.exprel(c4)
    c6 = 10 / c5
    c7 = (
        0.1
        * torch.where(c3, 0.5, 0.1 * c6 * (torch.nan_to_num(rt.exprel(c4, 1), math.nan, 0.0, 0.0) / c5))
        * (1 - m)
    )
    c8 = V + 65
    c9 = torch.exp(-c8 / 18)
    j_m_V = c7 + 4 * (c9 / 18) * m
    j_m_m = -0.1 * torch.where(c3, 10 * (1 + c2 / 2), c6) - 4 * c9
    c10 = torch.exp(-c8 / 20)
    c11 = torch.exp(-(V + 35) / 10)
    c12 = c11 + 1
    c13 = 1 / c12
    j_h_V = -0.07 * 0.05 * c10 * (1 - h) - 0.1 * c13 * (torch.nan_to_num(c11, math.nan, 0.0, 0.0) / c12) * h
    j_h_h = -0.07 * c10 - c13
    c14 = (V + 55) / 10
    c15 = torch.abs(-c14) < 1e-6
    c16 = torch.where(c15, 0, -c14)
    c17 = rt.exprel(c16)
    c18 = 10 / c17
    c19 = (
        0.01
        * torch.where(c15, 0.5, 0.1 * c18 * (torch.nan_to_num(rt.exprel(c16, 1), math.nan, 0.0, 0.0) / c17))
        * (1 - n)
    )
    c20 = torch.exp(-c8 / 80)
    j_n_V = c19 + 0.125 * 0.0125 * c20 * n
    j_n_n = -0.01 * torch.where(c15, 10 * (1 + c14 / 2), c18) - 0.125 * c20
    _entries = rt.columns(j_V_V, j_V_m, j_V_h, j_V_n, j_m_V, j_m_m, j_h_V, j_h_h, j_n_V, j_n_n)
    return rt.scattered(_entries, (0, 0, 0, 0, 1, 1, 2, 2, 3, 3), (0, 1, 2, 3, 0, 1, 0, 2, 0, 3), _shape)


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 6). Returns (..., 4)."""
    V = p.new_full((), -65)  # hodgkin_huxley.ode:28
    c0 = torch.abs(-(V + 40) / 10) < 1e-6
    # hodgkin_huxley.ode:29
    m = (
        0.1
        * torch.where(c0, 10 * (1 - -(V + 40) / 10 / 2), 10 / rt.exprel(torch.where(c0, 0, -(V + 40) / 10)))
        / (
            0.1
            * torch.where(
                c0, 10 * (1 - -(V + 40) / 10 / 2), 10 / rt.exprel(torch.where(c0, 0, -(V + 40) / 10))
            )
            + 4 * torch.exp(-(V + 65) / 18)
        )
    )
    # hodgkin_huxley.ode:30
    h = (
        0.07
        * torch.exp(-(V + 65) / 20)
        / (0.07 * torch.exp(-(V + 65) / 20) + 1 / (torch.exp(-(V + 35) / 10) + 1))
    )
    c1 = torch.abs(-(V + 55) / 10) < 1e-6
    # hodgkin_huxley.ode:31
    n = (
        0.01
        * torch.where(c1, 10 * (1 - -(V + 55) / 10 / 2), 10 / rt.exprel(torch.where(c1, 0, -(V + 55) / 10)))
        / (
            0.01
            * torch.where(
                c1, 10 * (1 - -(V + 55) / 10 / 2), 10 / rt.exprel(torch.where(c1, 0, -(V + 55) / 10))
            )
            + 0.125 * torch.exp(-(V + 65) / 80)
        )
    )
    return rt.columns(V, m, h, n)


def observables(t: rt.Time, x: Tensor, p: Tensor, u: Tensor) -> Tensor:
    """What is measured: x (..., 4). Returns (..., 1)."""
    gNa, gK, gL, ENa, EK, EL = p.unbind(-1)
    V, m, h, n = x.unbind(-1)
    INa = gNa * m**3 * h * (V - ENa)  # hodgkin_huxley.ode:33
    IK = gK * n**4 * (V - EK)  # hodgkin_huxley.ode:34
    IL = gL * (V - EL)  # hodgkin_huxley.ode:35
    Iion = INa + IK + IL  # hodgkin_huxley.ode:42
    return rt.columns(Iion)


def observables_vjp(t: rt.Time, x: Tensor, p: Tensor, u: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 1) with the derivatives of observables, as rhs_vjp."""
    gNa, gK, gL, ENa, EK, EL = p.unbind(-1)
    (w_Iion,) = w.unbind(-1)
    V, m, h, n = x.unbind(-1)
    c0 = m**3
    c1 = gNa * c0
    c2 = n**4
    c3 = gK * c2
    g_V = w_Iion * (c1 * h + c3 + gL)
    c4 = w_Iion * h
    c5 = V - ENa
    c6 = c4 * c5
    g_m = 3 * c6 * gNa * m**2
    g_h = w_Iion * c1 * c5
    c7 = w_Iion * (V - EK)
    g_n = 4 * c7 * gK * n**3
    g_gNa = c6 * c0
    g_gK = c7 * c2
    g_gL = w_Iion * (V - EL)
    g_ENa = -c4 * c1
    g_EK = -w_Iion * c3
    g_EL = -w_Iion * gL
    return (
        w.new_full(w.shape[:-1], 0),
        rt.columns(g_V, g_m, g_h, g_n),
        rt.columns(g_gNa, g_gK, g_gL, g_ENa, g_EK, g_EL),
        w.new_zeros((*w.shape[:-1], 1)),
    )


def observables_jvp(
    t: rt.Time, x: Tensor, p: Tensor, u: Tensor, dt: Tensor, dx: Tensor, dp: Tensor, du: Tensor
) -> Tensor:
    """The tangent (..., 1) of observables from those of its arguments."""
    gNa, gK, gL, ENa, EK, EL = p.unbind(-1)
    d_gNa, d_gK, d_gL, d_ENa, d_EK, d_EL = dp.unbind(-1)
    d_V, d_m, d_h, d_n = dx.unbind(-1)
    V, m, h, n = x.unbind(-1)
    c0 = m**3
    c1 = V - ENa
    c2 = n**4
    c3 = V - EK
    c4 = d_gNa * c0 * h * c1 + 3 * d_m * m**2 * gNa * h * c1
    c5 = c4 + d_h * gNa * c0 * c1 + (d_V - d_ENa) * gNa * c0 * h
    c6 = c5 + d_gK * c2 * c3 + 4 * d_n * n**3 * gK * c3 + (d_V - d_EK) * gK * c2
    d_Iion = c6 + d_gL * (V - EL) + (d_V - d_EL) * gL
    return rt.columns(d_Iion)


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
    """One rk4 step: the states at t + h from the states x (..., 4) at t."""
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
    name="hodgkin_huxley",
    digest="15c1eeed9d4068ac",
    states=STATES,
    params=(
        rt.Param("gNa", 120, lower=0, via="softplus", unit="mS/cm**2", doc="sodium conductance"),
        rt.Param("gK", 36, lower=0, via="softplus", unit="mS/cm**2", doc="potassium conductance"),
        rt.Param("gL", 0.3, lower=0, via="softplus", unit="mS/cm**2", doc="leak conductance"),
        rt.Param("ENa", 50, unit="mV", doc="reversal potentials"),
        rt.Param("EK", -77, unit="mV"),
        rt.Param("EL", -54.387, unit="mV"),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(
        rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables, observables_vjp, observables_jvp
    ),
    method=METHOD,
    inputs=(rt.Input("I", "hold"),),
    cell=rt.Cell(step, step_vjp, step_jvp),
    defaults=rt.Defaults(dt=0.025),
    time_unit="ms",
    span=rt.Span(0.0, 50.0, step=0.025),
)


class Model(rt.Model):
    """hodgkin_huxley: x = Model()(t) gives the states (T, *batch, 4) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.StepCell):
    compiled = COMPILED


__all__, __dir__ = rt.public(globals())
