"""clashes: the equations of clashes.ode as a PyTorch module.

Names that mean something else in Python, torch or the generated module

Written by odec 0.1.0 from clashes.ode (sha256 8ac0d21d4de2e438).
Method: dopri5, order 5, 6 stages, adaptive or of fixed step (Dormand & Prince, J. Comput. Appl. Math. 6
(1980) 19–26).
Engine: torch. Needs torch and nothing else; edit the model and compile it again rather than this file.

Renamed, as the name means something else in Python or here: None -> None_, __class__ -> __class___, class ->
class_, dt -> dt_, du -> du_, lambda -> lambda_, len -> len_, math -> math_, nn -> nn_, p -> p_, rhs -> rhs_,
torch -> torch_, u -> u_, w -> w_.
"""

from __future__ import annotations

import copy
import difflib
import functools
import html
import itertools
import math
import sys
import warnings
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

STATES = ("S", "I", "E", "Q", "x", "p", "w", "u")
PARAMS = (
    "beta",
    "gamma",
    "lambda",
    "N",
    "zeta",
    "type",
    "class",
    "torch",
    "math",
    "self",
    "forward",
    "dt",
    "du",
    "__class__",
    "training",
    "None",
)
OBSERVABLES = ("Tensor", "h")
INPUTS = ()
METHOD = "dopri5"
ATOL = (
    1e-09,
    1e-09,
    5e-10,
    1.0000000000000002e-10,
    3e-10,
    2.0000000000000003e-10,
    1.0000000000000002e-10,
    4.0000000000000007e-10,
)
"""The absolute tolerance of each state where none is given: 1e-9 times its initial value, if below 1."""

nn_ = 2.0  # clashes.ode:19
len_ = 0.1  # clashes.ode:20
rhs_ = 0.05  # clashes.ode:21


def rhs(t, x, p):
    """dx/dt of the states at time t: x (..., 8), p (..., 16). Returns (..., 8)."""
    (
        beta,
        gamma,
        lambda_,
        N,
        zeta,
        type,
        class_,
        torch_,
        math_,
        self,
        forward,
        dt_,
        du_,
        __class___,
        training,
        None_,
    ) = p.unbind(-1)
    S, I, E, Q, x, p_, w_, u_ = x.unbind(-1)
    step = beta * S * I / N  # clashes.ode:30
    dS_dt = -step + lambda_ * type  # clashes.ode:31
    dI_dt = gamma * E - zeta * I  # clashes.ode:32
    dE_dt = step - gamma * E - len_ * E  # clashes.ode:33
    dQ_dt = class_ * torch_ * I - math_ * Q * self  # clashes.ode:34
    dx_dt = forward * p_ - x * dt_ + rhs_  # clashes.ode:35
    dp_dt = -p_ * du_ + w_ / nn_  # clashes.ode:36
    dw_dt = -w_ * __class___ + u_ * training  # clashes.ode:37
    du_dt = -u_ * None_  # clashes.ode:38
    return _columns(dS_dt, dI_dt, dE_dt, dQ_dt, dx_dt, dp_dt, dw_dt, du_dt)


def rhs_vjp(t, x, p, w):
    """Products of a cotangent w (..., 8) with the derivatives of rhs.

    Returns w·∂f/∂t (...,), w·∂f/∂x (..., 8), w·∂f/∂p (..., 16).
    """
    (
        beta,
        gamma,
        lambda_,
        N,
        zeta,
        type,
        class_,
        torch_,
        math_,
        self,
        forward,
        dt_,
        du_,
        __class___,
        training,
        None_,
    ) = p.unbind(-1)
    w_S, w_I, w_E, w_Q, w_x, w_p, w_w, w_u = w.unbind(-1)
    S, I, E, Q, x, p_, w_, u_ = x.unbind(-1)
    step = beta * S * I / N  # clashes.ode:30
    c0 = w_E - w_S
    c1 = c0 / N
    c2 = c1 * beta
    g_S = c2 * I
    g_I = c2 * S - w_I * zeta + w_Q * class_ * torch_
    c3 = w_I - w_E
    g_E = c3 * gamma - w_E * len_
    c4 = w_Q * math_
    g_Q = -c4 * self
    g_x = -w_x * dt_
    g_p = w_x * forward - w_p * du_
    g_w = w_p / nn_ - w_w * __class___
    g_u = w_w * training - w_u * None_
    g_beta = c1 * S * I
    g_gamma = c3 * E
    g_lambda = w_S * type
    g_N = -c0 * step / N
    g_zeta = -w_I * I
    g_type = w_S * lambda_
    c5 = w_Q * I
    g_class = c5 * torch_
    g_torch = c5 * class_
    g_math = -w_Q * Q * self
    g_self = -c4 * Q
    g_forward = w_x * p_
    g_dt = -w_x * x
    g_du = -w_p * p_
    g___class__ = -w_w * w_
    g_training = w_w * u_
    g_None = -w_u * u_
    return (
        w.new_full(w.shape[:-1], 0),
        _columns(g_S, g_I, g_E, g_Q, g_x, g_p, g_w, g_u),
        _columns(
            g_beta,
            g_gamma,
            g_lambda,
            g_N,
            g_zeta,
            g_type,
            g_class,
            g_torch,
            g_math,
            g_self,
            g_forward,
            g_dt,
            g_du,
            g___class__,
            g_training,
            g_None,
        ),
    )


def rhs_jvp(t, x, p, dt, dx, dp):
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp, tangents shaped as their values. Returns (..., 8)."""
    (
        beta,
        gamma,
        lambda_,
        N,
        zeta,
        type,
        class_,
        torch_,
        math_,
        self,
        forward,
        dt_,
        du_,
        __class___,
        training,
        None_,
    ) = p.unbind(-1)
    (
        d_beta,
        d_gamma,
        d_lambda,
        d_N,
        d_zeta,
        d_type,
        d_class,
        d_torch,
        d_math,
        d_self,
        d_forward,
        d_dt,
        d_du,
        d___class__,
        d_training,
        d_None,
    ) = dp.unbind(-1)
    d_S, d_I, d_E, d_Q, d_x, d_p, d_w, d_u = dx.unbind(-1)
    S, I, E, Q, x, p_, w_, u_ = x.unbind(-1)
    step = beta * S * I / N  # clashes.ode:30
    c0 = (d_beta * S * I + d_S * beta * I + d_I * beta * S) / N - d_N * step / N
    d_dS_dt = d_lambda * type + d_type * lambda_ - c0
    c1 = d_gamma * E + d_E * gamma
    d_dI_dt = c1 - (d_zeta * I + d_I * zeta)
    d_dE_dt = c0 - c1 - d_E * len_
    c2 = d_class * torch_ * I + d_torch * class_ * I + d_I * class_ * torch_
    d_dQ_dt = c2 - (d_math * Q * self + d_Q * math_ * self + d_self * math_ * Q)
    d_dx_dt = d_forward * p_ + d_p * forward - (d_x * dt_ + d_dt * x)
    d_dp_dt = d_w / nn_ - (d_p * du_ + d_du * p_)
    d_dw_dt = d_u * training + d_training * u_ - (d_w * __class___ + d___class__ * w_)
    d_du_dt = -(d_u * None_ + d_None * u_)
    return _columns(d_dS_dt, d_dI_dt, d_dE_dt, d_dQ_dt, d_dx_dt, d_dp_dt, d_dw_dt, d_du_dt)


def jacobian(t, x, p):
    """∂f/∂x (..., 8, 8); row i holds the derivatives of the i-th state's equation."""
    _zeros = x.new_zeros((*x.shape[:-1], 64))
    (
        beta,
        gamma,
        _,
        N,
        zeta,
        _,
        class_,
        torch_,
        math_,
        self,
        forward,
        dt_,
        du_,
        __class___,
        training,
        None_,
    ) = p.unbind(-1)
    S, I, _, _, _, _, _, _ = x.unbind(-1)
    j_E_S = beta * I / N
    j_S_S = -j_E_S
    j_E_I = beta * S / N
    j_S_I = -j_E_I
    j_I_I = -zeta
    j_E_E = -gamma - len_
    j_Q_I = class_ * torch_
    j_Q_Q = -math_ * self
    j_x_x = -dt_
    j_p_p = -du_
    j_p_w = x.new_full((), 1 / nn_)
    j_w_w = -__class___
    j_u_u = -None_
    _entries = _columns(
        j_S_S,
        j_S_I,
        j_I_I,
        gamma,
        j_E_S,
        j_E_I,
        j_E_E,
        j_Q_I,
        j_Q_Q,
        j_x_x,
        forward,
        j_p_p,
        j_p_w,
        j_w_w,
        training,
        j_u_u,
    )
    # fmt: off
    _places = torch.tensor([
        0, 1, 9, 10, 16, 17, 18, 25, 27, 36, 37, 45, 46, 54, 55, 63,
    ], device=_entries.device)
    # fmt: on
    _entries = _entries.expand(*_common_shape(_entries.shape[:-1], _zeros.shape[:-1]), 16)
    _zeros = _zeros.expand(*_entries.shape[:-1], 64)
    return _zeros.index_add(-1, _places, _entries).unflatten(-1, (8, 8))


def initial(t, p):
    """The states at the first time: p (..., 16). Returns (..., 8)."""
    S = p.new_full((), 9)  # clashes.ode:22
    I = p.new_full((), 1)  # clashes.ode:23
    E = p.new_full((), 0.5)  # clashes.ode:24
    Q = p.new_full((), 0.1)  # clashes.ode:25
    x = p.new_full((), 0.3)  # clashes.ode:26
    p_ = p.new_full((), 0.2)  # clashes.ode:27
    w_ = p.new_full((), 0.1)  # clashes.ode:28
    u_ = p.new_full((), 0.4)  # clashes.ode:29
    return _columns(S, I, E, Q, x, p_, w_, u_)


def observables(t, x, p):
    """What is measured: x (..., 8). Returns (..., 2)."""
    S, I, E, _, x, p_, w_, u_ = x.unbind(-1)
    Tensor = S + I + E  # clashes.ode:39
    h = x * p_ * w_ * u_  # clashes.ode:40
    return _columns(Tensor, h)


def observables_vjp(t, x, p, w):
    """Products of a cotangent w (..., 2) with the derivatives of observables, as rhs_vjp."""
    w_Tensor, w_h = w.unbind(-1)
    _, _, _, _, x, p_, w_, u_ = x.unbind(-1)
    c0 = p_ * w_
    g_x = w_h * c0 * u_
    c1 = w_h * x
    c2 = c1 * u_
    g_p = c2 * w_
    g_w = c2 * p_
    g_u = c1 * c0
    return (
        w.new_full(w.shape[:-1], 0),
        _columns(w_Tensor, w_Tensor, w_Tensor, x.new_full((), 0), g_x, g_p, g_w, g_u),
        w.new_zeros((*w.shape[:-1], 16)),
    )


def observables_jvp(t, x, p, dt, dx, dp):
    """The tangent (..., 2) of observables from those of its arguments, shaped as their values."""
    d_S, d_I, d_E, _, d_x, d_p, d_w, d_u = dx.unbind(-1)
    _, _, _, _, x, p_, w_, u_ = x.unbind(-1)
    d_Tensor = d_S + d_I + d_E
    c0 = d_x * p_ * w_ * u_ + d_p * x * w_ * u_ + d_w * x * p_ * u_
    d_h = c0 + d_u * x * p_ * w_
    return _columns(d_Tensor, d_h)


def _columns(*columns):
    """Columns (...,) as one tensor (..., n) in which each column lies contiguous in memory."""
    if any(column.shape != columns[0].shape for column in columns):
        columns = torch.broadcast_tensors(*columns)
    rows = torch.stack(columns)
    return rows if rows.dim() == 1 else rows.movedim(0, -1)


def _common_shape(*shapes):
    """The shape to which these broadcast. Raises ValueError where there is none."""
    several = [shape for shape in shapes if len(shape)]
    if all(shape == several[0] for shape in several):
        return several[0] if several else shapes[0]
    try:  # not torch.broadcast_shapes, which needs SymPy
        return torch.broadcast_tensors(*(torch.empty(shape, device="meta") for shape in shapes))[0].shape
    except RuntimeError:
        listed = ", ".join(str(tuple(shape)) for shape in several)
        raise ValueError(f"batches of the shapes {listed} do not broadcast to one") from None


def _time(t, like):
    """The time as a tensor of the dtype and on the device of `like`."""
    return t if isinstance(t, Tensor) else like.new_full((), t)


def slope(t, x, p, clip):
    """dx/dt, held within ±clip where clip is a number."""
    k = rhs(t, x, p)
    return k if clip is None else k.clamp(-clip, clip)


def slope_vjp(t, x, p, clip, w):
    """The VJP of slope, as rhs_vjp."""
    if clip is not None:
        w = w * (rhs(t, x, p).abs() <= clip)
    return rhs_vjp(t, x, p, w)


def slope_jvp(t, x, p, clip, dt, dx, dp):
    """The JVP of slope; dt is (..., 1)."""
    dk = rhs_jvp(t, x, p, dt.squeeze(-1), dx, dp)
    return dk if clip is None else dk * (rhs(t, x, p).abs() <= clip)


def step(x, t, h, p, clip=None):
    """One dopri5 step: the states at t + h from the states x (..., 8) at t."""
    k1 = slope(t, x, p, clip)
    k2 = slope(t + h / 5, x + h / 5 * k1, p, clip)
    k3 = slope(t + 3 * h / 10, x + h / 40 * (3 * k1 + 9 * k2), p, clip)
    k4 = slope(t + 4 * h / 5, x + h / 45 * (44 * k1 - 168 * k2 + 160 * k3), p, clip)
    k5 = slope(
        t + 8 * h / 9,
        x + h * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4),
        p,
        clip,
    )
    k6 = slope(
        t + h,
        x + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5),
        p,
        clip,
    )
    return x + h * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)


def step_error(x, t, h, p, clip=None):
    """One step and an estimate of its local error: the states at t + h and the error, both (..., 8)."""
    return step_stages(x, t, h, p, clip)[:-1]


def step_stages(x, t, h, p, clip=None):
    """As step_error, and the slopes that step_interpolant takes."""
    k1 = slope(t, x, p, clip)
    k2 = slope(t + h / 5, x + h / 5 * k1, p, clip)
    k3 = slope(t + 3 * h / 10, x + h / 40 * (3 * k1 + 9 * k2), p, clip)
    k4 = slope(t + 4 * h / 5, x + h / 45 * (44 * k1 - 168 * k2 + 160 * k3), p, clip)
    k5 = slope(
        t + 8 * h / 9,
        x + h * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4),
        p,
        clip,
    )
    k6 = slope(
        t + h,
        x + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5),
        p,
        clip,
    )
    x_next = x + h * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
    k7 = slope(t + h, x_next, p, clip)
    error = h * (
        71 / 57600 * k1 - 71 / 16695 * k3 + 71 / 1920 * k4 - 17253 / 339200 * k5 + 22 / 525 * k6 - 1 / 40 * k7
    )
    return x_next, error, (k1, k3, k4, k5, k6, k7)


def step_vjp(x, t, h, p, w, clip=None, wrt_times=False):
    """The adjoint of one step: from the cotangent w of the states at t + h to those of what went in.

    Returns the cotangents of x, p, t and h (the last two None unless wrt_times).
    """
    k1 = slope(t, x, p, clip)
    y2 = x + h / 5 * k1
    k2 = slope(t + h / 5, y2, p, clip)
    y3 = x + h / 40 * (3 * k1 + 9 * k2)
    k3 = slope(t + 3 * h / 10, y3, p, clip)
    y4 = x + h / 45 * (44 * k1 - 168 * k2 + 160 * k3)
    k4 = slope(t + 4 * h / 5, y4, p, clip)
    y5 = x + h * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
    k5 = slope(t + 8 * h / 9, y5, p, clip)
    y6 = x + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
    w6 = 11 * h / 84 * w
    t6, v6, p6 = slope_vjp(t + h, y6, p, clip, w6)
    w5 = h * (-2187 / 6784 * w - 5103 / 18656 * v6)
    t5, v5, p5 = slope_vjp(t + 8 * h / 9, y5, p, clip, w5)
    w4 = h * (125 / 192 * w - 212 / 729 * v5 + 49 / 176 * v6)
    t4, v4, p4 = slope_vjp(t + 4 * h / 5, y4, p, clip, w4)
    w3 = h * (500 / 1113 * w + 32 / 9 * v4 + 64448 / 6561 * v5 + 46732 / 5247 * v6)
    t3, v3, p3 = slope_vjp(t + 3 * h / 10, y3, p, clip, w3)
    w2 = h * (9 / 40 * v3 - 56 / 15 * v4 - 25360 / 2187 * v5 - 355 / 33 * v6)
    t2, v2, p2 = slope_vjp(t + h / 5, y2, p, clip, w2)
    w1 = h * (35 / 384 * w + 1 / 5 * v2 + 3 / 40 * v3 + 44 / 45 * v4 + 19372 / 6561 * v5 + 9017 / 3168 * v6)
    t1, v1, p1 = slope_vjp(t, x, p, clip, w1)
    g_x = w + v1 + v2 + v3 + v4 + v5 + v6
    g_p = (
        _sum_to(p1, p.shape)
        + _sum_to(p2, p.shape)
        + _sum_to(p3, p.shape)
        + _sum_to(p4, p.shape)
        + _sum_to(p5, p.shape)
        + _sum_to(p6, p.shape)
    )
    if not wrt_times:
        return g_x, g_p, None, None
    k6 = slope(t + h, y6, p, clip)
    g_t = t1 + t2 + t3 + t4 + t5 + t6
    g_h = (
        _dot(w, 35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
        + _dot(v2, 1 / 5 * k1)
        + 1 / 5 * t2
        + _dot(v3, 3 / 40 * k1 + 9 / 40 * k2)
        + 3 / 10 * t3
        + _dot(v4, 44 / 45 * k1 - 56 / 15 * k2 + 32 / 9 * k3)
        + 4 / 5 * t4
        + _dot(v5, 19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
        + 8 / 9 * t5
        + _dot(v6, 9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
        + t6
    )
    return g_x, g_p, g_t, g_h


def step_jvp(x, t, h, p, dx, dt, dh, dp, clip=None):
    """One step and its tangent, for tangents of x, t, h (both (..., 1)), p."""
    k1 = slope(t, x, p, clip)
    dk1 = slope_jvp(t, x, p, clip, dt, dx, dp)
    y2 = x + h / 5 * k1
    dy2 = dx + h / 5 * dk1 + dh * (1 / 5 * k1)
    k2 = slope(t + h / 5, y2, p, clip)
    dk2 = slope_jvp(t + h / 5, y2, p, clip, dt + 1 / 5 * dh, dy2, dp)
    y3 = x + h / 40 * (3 * k1 + 9 * k2)
    dy3 = dx + h / 40 * (3 * dk1 + 9 * dk2) + dh * (3 / 40 * k1 + 9 / 40 * k2)
    k3 = slope(t + 3 * h / 10, y3, p, clip)
    dk3 = slope_jvp(t + 3 * h / 10, y3, p, clip, dt + 3 / 10 * dh, dy3, dp)
    y4 = x + h / 45 * (44 * k1 - 168 * k2 + 160 * k3)
    dy4 = dx + h / 45 * (44 * dk1 - 168 * dk2 + 160 * dk3) + dh * (44 / 45 * k1 - 56 / 15 * k2 + 32 / 9 * k3)
    k4 = slope(t + 4 * h / 5, y4, p, clip)
    dk4 = slope_jvp(t + 4 * h / 5, y4, p, clip, dt + 4 / 5 * dh, dy4, dp)
    y5 = x + h * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
    dy5 = (
        dx
        + h * (19372 / 6561 * dk1 - 25360 / 2187 * dk2 + 64448 / 6561 * dk3 - 212 / 729 * dk4)
        + dh * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
    )
    k5 = slope(t + 8 * h / 9, y5, p, clip)
    dk5 = slope_jvp(t + 8 * h / 9, y5, p, clip, dt + 8 / 9 * dh, dy5, dp)
    y6 = x + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
    dy6 = (
        dx
        + h * (9017 / 3168 * dk1 - 355 / 33 * dk2 + 46732 / 5247 * dk3 + 49 / 176 * dk4 - 5103 / 18656 * dk5)
        + dh * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
    )
    k6 = slope(t + h, y6, p, clip)
    dk6 = slope_jvp(t + h, y6, p, clip, dt + dh, dy6, dp)
    x_next = x + h * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
    dx_next = (
        dx
        + h * (35 / 384 * dk1 + 500 / 1113 * dk3 + 125 / 192 * dk4 - 2187 / 6784 * dk5 + 11 / 84 * dk6)
        + dh * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
    )
    return x_next, dx_next


_WITHIN = (
    (1.0, -2.8535800653862835, 3.0717434641059005, -1.1270175653862835),
    (0.0, 4.023133379230305, -6.249321565289, 2.675424484351598),
    (0.0, -3.7324019615885042, 10.068970589843675, -5.685526961588504),
    (0.0, 2.5548038301849423, -6.399112377351017, 3.5219323679207912),
    (0.0, -1.3744241142186024, 3.272657752246729, -1.7672812570757455),
    (0.0, 1.3824689317781436, -3.764937863556287, 2.382468931778144),
)
"""The weights of θ, θ², … of each slope in the states within a step.

Shampine, Math. Comp. 46 (1986) 135–150; Hairer, Nørsett & Wanner I, II.6 (DOPRI5).
"""


def step_interpolant(x, t, h, p, x_next, stages, clip=None):
    """The states within a step, x(t + θ h) = x + Σ_j θ^j q_j, by its stages: q (4, ..., 8)."""
    k1, k3, k4, k5, k6, k7 = stages
    return h * _weighted(_WITHIN, (k1, k3, k4, k5, k6, k7))


def step_dense_vjp(x, t, h, p, w, w_q, clip=None, wrt_times=False):
    """As step_vjp, with cotangents w_q of step_interpolant's q; also returns q, None unless wrt_times."""
    k1 = slope(t, x, p, clip)
    y2 = x + h / 5 * k1
    k2 = slope(t + h / 5, y2, p, clip)
    y3 = x + h / 40 * (3 * k1 + 9 * k2)
    k3 = slope(t + 3 * h / 10, y3, p, clip)
    y4 = x + h / 45 * (44 * k1 - 168 * k2 + 160 * k3)
    k4 = slope(t + 4 * h / 5, y4, p, clip)
    y5 = x + h * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
    k5 = slope(t + 8 * h / 9, y5, p, clip)
    y6 = x + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
    k6 = slope(t + h, y6, p, clip)
    x_next = x + h * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
    s1, s3, s4, s5, s6, s7 = h * _weighted(tuple(zip(*_WITHIN)), w_q)
    w7 = s7
    t7, v7, p7 = slope_vjp(t + h, x_next, p, clip, w7)
    w = w + v7
    w6 = 11 * h / 84 * w + s6
    t6, v6, p6 = slope_vjp(t + h, y6, p, clip, w6)
    w5 = h * (-2187 / 6784 * w - 5103 / 18656 * v6) + s5
    t5, v5, p5 = slope_vjp(t + 8 * h / 9, y5, p, clip, w5)
    w4 = h * (125 / 192 * w - 212 / 729 * v5 + 49 / 176 * v6) + s4
    t4, v4, p4 = slope_vjp(t + 4 * h / 5, y4, p, clip, w4)
    w3 = h * (500 / 1113 * w + 32 / 9 * v4 + 64448 / 6561 * v5 + 46732 / 5247 * v6) + s3
    t3, v3, p3 = slope_vjp(t + 3 * h / 10, y3, p, clip, w3)
    w2 = h * (9 / 40 * v3 - 56 / 15 * v4 - 25360 / 2187 * v5 - 355 / 33 * v6)
    t2, v2, p2 = slope_vjp(t + h / 5, y2, p, clip, w2)
    w1 = (
        h * (35 / 384 * w + 1 / 5 * v2 + 3 / 40 * v3 + 44 / 45 * v4 + 19372 / 6561 * v5 + 9017 / 3168 * v6)
        + s1
    )
    t1, v1, p1 = slope_vjp(t, x, p, clip, w1)
    g_x = w + v1 + v2 + v3 + v4 + v5 + v6
    g_p = (
        _sum_to(p1, p.shape)
        + _sum_to(p2, p.shape)
        + _sum_to(p3, p.shape)
        + _sum_to(p4, p.shape)
        + _sum_to(p5, p.shape)
        + _sum_to(p6, p.shape)
        + _sum_to(p7, p.shape)
    )
    if not wrt_times:
        return g_x, g_p, None, None, None
    k7 = slope(t + h, x_next, p, clip)
    g_t = t1 + t2 + t3 + t4 + t5 + t6 + t7
    g_h = (
        _dot(w, 35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
        + _dot(v2, 1 / 5 * k1)
        + 1 / 5 * t2
        + _dot(v3, 3 / 40 * k1 + 9 / 40 * k2)
        + 3 / 10 * t3
        + _dot(v4, 44 / 45 * k1 - 56 / 15 * k2 + 32 / 9 * k3)
        + 4 / 5 * t4
        + _dot(v5, 19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
        + 8 / 9 * t5
        + _dot(v6, 9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
        + t6
        + t7
    )
    within = _weighted(_WITHIN, (k1, k3, k4, k5, k6, k7))
    return g_x, g_p, g_t, g_h + sum(_dot(w_q, within)), h * within


def step_dense_jvp(x, t, h, p, dx, dt, dh, dp, clip=None):
    """As step_jvp, and q of step_interpolant and its tangent."""
    k1 = slope(t, x, p, clip)
    dk1 = slope_jvp(t, x, p, clip, dt, dx, dp)
    y2 = x + h / 5 * k1
    dy2 = dx + h / 5 * dk1 + dh * (1 / 5 * k1)
    k2 = slope(t + h / 5, y2, p, clip)
    dk2 = slope_jvp(t + h / 5, y2, p, clip, dt + 1 / 5 * dh, dy2, dp)
    y3 = x + h / 40 * (3 * k1 + 9 * k2)
    dy3 = dx + h / 40 * (3 * dk1 + 9 * dk2) + dh * (3 / 40 * k1 + 9 / 40 * k2)
    k3 = slope(t + 3 * h / 10, y3, p, clip)
    dk3 = slope_jvp(t + 3 * h / 10, y3, p, clip, dt + 3 / 10 * dh, dy3, dp)
    y4 = x + h / 45 * (44 * k1 - 168 * k2 + 160 * k3)
    dy4 = dx + h / 45 * (44 * dk1 - 168 * dk2 + 160 * dk3) + dh * (44 / 45 * k1 - 56 / 15 * k2 + 32 / 9 * k3)
    k4 = slope(t + 4 * h / 5, y4, p, clip)
    dk4 = slope_jvp(t + 4 * h / 5, y4, p, clip, dt + 4 / 5 * dh, dy4, dp)
    y5 = x + h * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
    dy5 = (
        dx
        + h * (19372 / 6561 * dk1 - 25360 / 2187 * dk2 + 64448 / 6561 * dk3 - 212 / 729 * dk4)
        + dh * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
    )
    k5 = slope(t + 8 * h / 9, y5, p, clip)
    dk5 = slope_jvp(t + 8 * h / 9, y5, p, clip, dt + 8 / 9 * dh, dy5, dp)
    y6 = x + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
    dy6 = (
        dx
        + h * (9017 / 3168 * dk1 - 355 / 33 * dk2 + 46732 / 5247 * dk3 + 49 / 176 * dk4 - 5103 / 18656 * dk5)
        + dh * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
    )
    k6 = slope(t + h, y6, p, clip)
    dk6 = slope_jvp(t + h, y6, p, clip, dt + dh, dy6, dp)
    x_next = x + h * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
    dx_next = (
        dx
        + h * (35 / 384 * dk1 + 500 / 1113 * dk3 + 125 / 192 * dk4 - 2187 / 6784 * dk5 + 11 / 84 * dk6)
        + dh * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
    )
    k7 = slope(t + h, x_next, p, clip)
    dk7 = slope_jvp(t + h, x_next, p, clip, dt + dh, dx_next, dp)
    within = _weighted(_WITHIN, (k1, k3, k4, k5, k6, k7))
    moving = _weighted(_WITHIN, (dk1, dk3, dk4, dk5, dk6, dk7))
    return x_next, dx_next, h * within, dh * within + h * moving


def step_back(x, w, t, h, p, clip=None):
    """One step of the adjoint ODE dw/dt = -f_xᵀ w beside dx/dt = f; h is negative. Chen et al., NeurIPS 2018.

    Returns x and w at t + h and the quadrature of f_pᵀ w.
    """
    k1 = slope(t, x, p, clip)
    _, l1, p1 = slope_vjp(t, x, p, clip, -w)
    y2 = x + h / 5 * k1
    z2 = w + h / 5 * l1
    k2 = slope(t + h / 5, y2, p, clip)
    _, l2, p2 = slope_vjp(t + h / 5, y2, p, clip, -z2)
    y3 = x + h / 40 * (3 * k1 + 9 * k2)
    z3 = w + h / 40 * (3 * l1 + 9 * l2)
    k3 = slope(t + 3 * h / 10, y3, p, clip)
    _, l3, p3 = slope_vjp(t + 3 * h / 10, y3, p, clip, -z3)
    y4 = x + h / 45 * (44 * k1 - 168 * k2 + 160 * k3)
    z4 = w + h / 45 * (44 * l1 - 168 * l2 + 160 * l3)
    k4 = slope(t + 4 * h / 5, y4, p, clip)
    _, l4, p4 = slope_vjp(t + 4 * h / 5, y4, p, clip, -z4)
    y5 = x + h * (19372 / 6561 * k1 - 25360 / 2187 * k2 + 64448 / 6561 * k3 - 212 / 729 * k4)
    z5 = w + h * (19372 / 6561 * l1 - 25360 / 2187 * l2 + 64448 / 6561 * l3 - 212 / 729 * l4)
    k5 = slope(t + 8 * h / 9, y5, p, clip)
    _, l5, p5 = slope_vjp(t + 8 * h / 9, y5, p, clip, -z5)
    y6 = x + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4 - 5103 / 18656 * k5)
    z6 = w + h * (9017 / 3168 * l1 - 355 / 33 * l2 + 46732 / 5247 * l3 + 49 / 176 * l4 - 5103 / 18656 * l5)
    k6 = slope(t + h, y6, p, clip)
    _, l6, p6 = slope_vjp(t + h, y6, p, clip, -z6)
    x_next = x + h * (35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6)
    w_next = w + h * (35 / 384 * l1 + 500 / 1113 * l3 + 125 / 192 * l4 - 2187 / 6784 * l5 + 11 / 84 * l6)
    g_p = h * (35 / 384 * p1 + 500 / 1113 * p3 + 125 / 192 * p4 - 2187 / 6784 * p5 + 11 / 84 * p6)
    return x_next, w_next, g_p


def _dot(a, b):
    return (a * b).sum(-1)


class StepCell(nn.Module):
    """One dopri5 step as a recurrent cell: x_next = cell(x, t, dt, p).

    x (..., 8), p (..., 16). Returns (..., 8).
    """

    def forward(self, x, t, dt, p, clip=None):
        return step(x, t, dt, p, clip)


def checked_times(t):
    """The times t (T,) as numbers. Raises ValueError where they are not finite, or go forth and back."""
    times = t.tolist()
    for i, time in enumerate(times):
        if not math.isfinite(time):
            raise ValueError(f"the times must be finite numbers; t[{i}] is {time}")
    moves = [b - a for a, b in zip(times, times[1:])]
    first = next((move for move in moves if move), 0.0)
    for i, move in enumerate(moves):
        if move < 0 < first or first < 0 < move:
            turn = f"t[{i + 1}] = {times[i + 1]:g} comes after {times[i]:g}"
            raise ValueError(f"the times must all increase or all decrease; {turn}")
    return times


def mesh(t, dt):
    """Start, step and number of equal steps, each at most dt, of every interval between the times t (T,)."""
    times = checked_times(t)
    rounding = 4 * torch.finfo(t.dtype).eps
    total = abs(times[-1] - times[0]) / dt if times else 0.0
    if total > 1e10:
        many = f"{total:.3g} steps of dt = {dt:g} from {times[0]:g} to {times[-1]:g}"
        raise ValueError(f"{many} are too many; take longer ones, or a tolerance")
    intervals = []
    for a, b in zip(times, times[1:]):
        steps = math.ceil(abs(b - a) / dt * (1 - 1e-10) - rounding * max(abs(a), abs(b)) / dt)
        count = max(steps, 1)
        intervals.append((a, (b - a) / count, count))
    return intervals


def _spacing(steps, checkpoints):
    """How many steps lie between the states that are kept: all of them for 0, √steps for -1."""
    if checkpoints == 0:
        return 1
    kept = math.isqrt(max(steps - 1, 0)) + 1 if checkpoints < 0 else checkpoints
    return max(1, -(-steps // kept))


def _empty(rows, x):
    """Room for states like x (*batch, n) in rows, each state contiguous."""
    return x.new_empty((rows, x.shape[-1], *x.shape[:-1])).movedim(1, -1)


def _outputs(rows, x):
    """Room for states like x (*batch, n) at the output times, contiguous as a whole."""
    return x.new_empty((rows, *x.shape))


def _sum_to(value, shape):
    """A gradient (*batch, m) summed over the axes along which its tensor of the given shape was broadcast."""
    if value.shape == shape:
        return value
    value = value.sum(list(range(value.dim() - len(shape)))) if value.dim() > len(shape) else value
    axes = [i for i, size in enumerate(shape) if size == 1 and value.shape[i] != 1]
    return value.sum(axes, keepdim=True) if axes else value


def solve(t, x0, p, dt, clip, checkpoints):
    """The states at the times t (T,), and those kept for the adjoint, without a graph.

    x0 (*batch, 8), p (..., 16) that broadcasts with it. Returns (T, *batch, 8) and (kept, *batch, 8).
    """
    intervals = mesh(t, dt)
    total = sum(count for _, _, count in intervals)
    every = _spacing(total, checkpoints)
    xs, kept = _outputs(len(t), x0), _empty(max(1, -(-total // every)), x0)
    x = xs[0] = kept[0] = x0
    done = 0
    for k, (start, h, count) in enumerate(intervals):
        for j in range(count):
            if done % every == 0:
                kept[done // every] = x
            x = step(x, start + j * h, h, p, clip)
            done += 1
        xs[k + 1] = x
    return xs, kept


def solve_vjp(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times):
    """The discrete adjoint: the exact gradient of the numbers that solve computed.

    w_xs (T, *batch, 8) are the cotangents of the states. Steps are taken again from the kept states, then
    backwards. Returns the cotangents of t (T, *batch), x0, p.
    """
    intervals = mesh(t, dt)
    steps = [(k, j) for k, (_, _, count) in enumerate(intervals) for j in range(count)]
    every = _spacing(len(steps), checkpoints)
    w, g_p, output = torch.zeros_like(xs[-1]), p.new_zeros(p.shape), len(t) - 1
    g_t = w_xs.new_zeros(w_xs.shape[:-1])
    for first in range(every * (len(kept) - 1), -1, -every):
        states = _replay(kept[first // every], steps[first : first + every], intervals, p, clip)
        for (k, j), x in zip(reversed(steps[first : first + every]), reversed(states)):
            while output > k:
                w = w + w_xs[output]
                output -= 1
            start, h, count = intervals[k]
            time = start + j * h
            w, d_p, d_t, d_h = step_vjp(x, time, h, p, w, clip, wrt_times)
            g_p += d_p
            if wrt_times:
                slide = (d_h + j * d_t) / count
                g_t[k] += d_t - slide
                g_t[k + 1] += slide
    for k in range(output, -1, -1):
        w = w + w_xs[k]
    return (g_t, w, g_p)


def _replay(x, steps, intervals, p, clip):
    """The states before each of some consecutive steps, from the first of them."""
    states = [x]
    for k, j in steps[:-1]:
        start, h, _ = intervals[k]
        states.append(step(states[-1], start + j * h, h, p, clip))
    return states[: len(steps)]


def solve_jvp(t, x0, p, d_t, d_x0, d_p, dt, clip):
    """The tangent of solve: d_t (T,) or (T, *batch), the others shaped as what they belong to."""
    x, d_x, tangents = x0, d_x0, [d_x0]
    d_t = d_t.unsqueeze(-1)
    for k, (start, h, count) in enumerate(mesh(t, dt)):
        d_h = (d_t[k + 1] - d_t[k]) / max(count, 1)
        for j in range(count):
            d_start = d_t[k] + j * d_h
            x, d_x = step_jvp(x, start + j * h, h, p, d_x, d_start, d_h, d_p, clip)
        tangents.append(d_x)
    return torch.stack(tangents)


def solve_plain(t, x0, p, dt, clip):
    """The states at the times t by plain tensor operations, differentiable any number of times."""
    x, xs = x0, [x0]
    for k, (_, _, count) in enumerate(mesh(t.detach(), dt)):
        h = (t[k + 1] - t[k]) / max(count, 1)
        for j in range(count):
            x = step(x, t[k] + j * h, h, p, clip)
        xs.append(x)
    return torch.stack(xs)


_NOT_FINITE, _UNDERFLOW, _MAX_STEPS, _UNSOLVED, _OFTEN_UNSOLVED = 1, 2, 3, 4, 5
"""What ended a trajectory: f not finite at the start, a step below the least, max_steps, no finite step;

max_steps, shortened by steps that led to no finite numbers.
"""


def stops_of(t):
    """Where steps must end: the times t (T,).

    Returns (time, its index in t) in the order of integration.
    """
    times = checked_times(t)
    return list(zip(times, range(len(times))))


class _Control:
    """The step sizes h (*batch) of every trajectory, and what became of it: a PI controller.

    factor = 0.9 err^(-0.7/5) err_before^(0.4/5), between 0.2 and 10, and no growth after a rejection.
    Gustafsson, ACM TOMS 17 (1991) 533–554; Hairer & Wanner II, IV.2.
    """

    def __init__(self, x, control):
        first_step, self.min_step, self.max_step, self.max_steps, _, self.rtol, *atol = control
        self.eps = 16 * torch.finfo(x.dtype).eps
        self.min_step = self.min_step or torch.finfo(x.dtype).tiny
        self.atol, self.h = x.new_tensor(atol[: x.shape[-1]]), torch.full_like(x[..., 0], first_step)
        self.before = torch.ones_like(self.h)
        self.rejected_last = torch.zeros_like(self.h, dtype=torch.bool)
        self.accepted, self.rejected, self.code, self.state, self.worst = torch.zeros(
            (5, *self.h.shape), dtype=torch.long, device=x.device
        )
        self.unsolved, self.time = torch.zeros_like(self.accepted), torch.full_like(self.h, math.nan)
        self.watch = _Watch()

    def scaled(self, value, x):
        """value / (atol + rtol·|x|). Hairer, Nørsett & Wanner I, II.4, eq. 4.10."""
        return value / self.unit(x)

    def unit(self, x):
        """What may be wrong of each state within a step, atol + rtol·|x|."""
        return self.atol + self.rtol * x.abs()

    def start(self, x, a, b, p, clip):
        """Choose the first step, towards b. Hairer, Nørsett & Wanner I, II.4, page 169."""
        time, span = torch.full_like(x[..., :1], a), b - a
        k1 = slope(time, x, p, clip)
        wrong = ~(torch.isfinite(x) & torch.isfinite(k1))
        self.fail(wrong.any(-1), _NOT_FINITE, a, wrong.to(torch.long).argmax(-1))
        if bool((self.h == 0).any()):
            d0, d1 = _size(self.scaled(x, x)), _size(self.scaled(k1, x))
            guess = torch.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1).clamp(max=abs(span))
            forth = math.copysign(1, span) * guess.unsqueeze(-1)
            k2 = slope(time + forth, x + forth * k1, p, clip)
            most = torch.maximum(d1, _size(self.scaled(k2 - k1, x)) / guess)
            second = _power(0.01 / most, 0.16666666666666666)
            second = torch.where(most <= 1e-15, (1e-3 * guess).clamp(min=1e-6), second)
            self.h = torch.nan_to_num(torch.minimum(100 * guess, second), nan=1e-6)
        self.h = self.h.clamp(max=self.max_step)

    def judge(self, active, trial, norm):
        """Which of the active trajectories accept their step; sets the size of the next."""
        good = active & (norm <= 1)
        bad = active & ~good
        self.unsolved += bad & ~torch.isfinite(norm)
        norm = norm.clamp(min=1e-10)
        factor = 0.9 * _power(norm, -0.14) * _power(self.before, 0.08)
        factor = torch.where(self.rejected_last, factor.clamp(0.2, 1), factor.clamp(0.2, 10))
        after = torch.where(trial < self.h, torch.maximum(trial * factor, self.h), trial * factor)
        less = trial * torch.nan_to_num(0.9 * _power(norm, -0.2), nan=0.1).clamp(0.1, 0.9)
        self.h = torch.where(good, after.clamp(self.min_step, self.max_step), torch.where(bad, less, self.h))
        self.before = torch.where(good, norm.clamp(min=1e-4), self.before)
        self.rejected_last = torch.where(active, bad, self.rejected_last)
        self.accepted += good
        self.rejected += bad
        return good

    def used_up(self):
        """The code of a trajectory that has taken max_steps."""
        often = (2 * self.unsolved >= self.rejected) & (16 * self.unsolved >= self.accepted + self.rejected)
        return torch.where(often, _OFTEN_UNSOLVED, _MAX_STEPS)

    def fail(self, which, code, time, state):
        """Note what ended some trajectories: its code, time and state."""
        new = which & (self.code == 0)
        self.code = torch.where(new, code, self.code)
        self.time = torch.where(new, time, self.time)
        self.state = torch.where(new, state, self.state)

    def report(self):
        """Code, time and state of a failure, steps accepted and rejected: (*batch, 5)."""
        columns = (self.code, self.time, self.state, self.accepted, self.rejected)
        return torch.stack([column.to(self.h.dtype) for column in columns], -1)


class _Watch:
    """Warns, once a call, of a stiff problem: where stability rather than the tolerance sets the steps.

    After 500, 1000, 2000, … steps it looks at the trajectory that has the shortest, for h·|λ| with h the mean
    of its last 100 and λ the largest decaying eigenvalue of ∂f/∂x. Hairer & Wanner II, IV.2.
    """

    def __init__(self):
        self.count, self.next, self.before = 0, 500, None

    def look(self, active, time, accepted, x, p):
        """Count a step from the states x (*batch, 8) at the times (*batch)."""
        self.count += 1
        if self.count == self.next - 100:
            self.before = time, accepted.clone()
        elif self.count == self.next:
            self.next *= 2
            h = (time - self.before[0]) / (accepted - self.before[1]).clamp(min=1)
            where = torch.where(active, h.abs(), math.inf).argmin()
            k = tuple(int(i) for i in torch.unravel_index(where, h.shape))
            each = x[k], p.expand(*h.shape, p.shape[-1])[k]
            reach = _reach(jacobian(float(time[k]), *each), h[k])
            if reach >= 3.3 / 2:
                self.next = math.inf
                sentence = _stiffness(reach, float(time[k]))
                warnings.warn(f"{sentence}; this run goes on with dopri5", stacklevel=2)


def _reach(slopes, h):
    """h·|λ| for the largest decaying eigenvalue λ of ∂f/∂x; h < 0 backwards in time."""
    rates = h * torch.linalg.eigvals(slopes)
    return float(torch.where(rates.real < 0, rates.abs(), 0.0).max())


def _stiffness(reach, time):
    """What h·|λ| near the end of the method's interval of stability means."""
    limit = f"h·|λ| = {reach:.2g}, and dopri5's limit is 3.3"
    where = f"the problem is stiff at t = {time:.3g}: there stability sets the steps"
    return f"{where} ({limit}), not the tolerance; try the method rodas5p or auto, which take longer ones"


def _power(value, exponent):
    """value**exponent, which torch would round otherwise for one trajectory than for many."""
    return torch.exp(exponent * torch.log(value))


def _size(value):
    """The root mean square over the states."""
    return value.square().mean(-1).sqrt()


def landings(t, dense):
    """The stops; with dense output those alone that are the first or the last time.

    Also for each interval between two of them the times of t (T,) within: the index of the first of them, and
    their places as parts of the interval.
    """
    stops, times, within = stops_of(t), t.tolist(), []
    if dense:
        ends = {times[0], times[-1]}
        stops = [stop for stop in stops if stop[0] in ends]
    landed = {index for _, index in stops}
    left = [i for i in range(len(times) - 1, -1, -1) if i not in landed]
    for (a, _), (b, _) in zip(stops, stops[1:]):
        inside = []
        while left and min(a, b) < times[left[-1]] < max(a, b):
            inside.append(left.pop())
        places = [(times[i] - a) / (b - a) for i in inside]
        within.append(Within(inside[0], places, t.device) if inside else None)
    return stops, within


class Within:
    """The outputs within an interval between two stops, at places that are parts of it."""

    def __init__(self, first, places, device):
        self.first, self.places = first, torch.tensor(places, dtype=torch.float64, device=device)

    def found(self, begin, end, part):
        """The outputs of each trajectory's step from begin to end (*batch), begin < place <= end, or None."""
        begin, end, part = (value.detach().flatten() for value in (begin, end, part))
        places = self.places.to(begin.dtype)
        low, high = (torch.searchsorted(places, at.contiguous(), right=True) for at in (begin, end))
        counts = (high - low).clamp(min=0)
        item = torch.repeat_interleave(counts)
        if not len(item):
            return None
        place = low[item] + torch.arange(len(item), device=item.device) - (counts.cumsum(0) - counts)[item]
        return Found(self.first + place, item, places[place], begin[item], part[item])


def _ends(rows):
    """Where each of an interval's steps ends, as a part of it: where the trajectory's next one begins."""
    ends, after = [], 1.0
    for _, begin, part, *_ in reversed(rows):
        ends.append(torch.where(part != 0, after, begin))
        after = torch.where(part != 0, begin, after)
    return ends[::-1]


class Found:
    """Outputs (H,) within one step: their indices in t, their trajectories, their places between the stops.

    theta (H, 1): where they lie in the step, x(t + θ h) = x + Σ_j θ^j q_j.
    """

    def __init__(self, output, item, place, begin, part):
        self.output, self.item, self.place = output, item, place.unsqueeze(-1)
        self.begin, self.part = begin.unsqueeze(-1), part.unsqueeze(-1)
        self.theta = (self.place - self.begin) / self.part

    def of(self, value):
        """The rows (H, 8) of the outputs' trajectories in a tensor (*batch, 8)."""
        return value.reshape(-1, value.shape[-1])[self.item]

    def states(self, x, q, theta=None):
        """The states (H, 8) from those at the step's start and from q (4, *batch, 8)."""
        theta = self.theta if theta is None else theta
        inner = self.of(q[-1])
        for coefficient in reversed(q[:-1].unbind()):
            inner = inner * theta + self.of(coefficient)
        return self.of(x) + inner * theta

    def rates(self, q):
        """The derivatives of the states by θ (H, 8)."""
        rate = 4 * self.of(q[-1])
        for j in range(3, 0, -1):
            rate = rate * self.theta + j * self.of(q[j - 1])
        return rate

    def tangents(self, d_x, q, d_q, d_t, d_a, d_span, span):
        """Those of the states (H, 8), for d_t (T, ..., 1), d_a of the stop before and d_span."""
        shape, axes = (*d_x.shape[:-1], 1), [1] * (d_x.dim() + 1 - d_t.dim())
        d_t = d_t.reshape(len(d_t), *axes, *d_t.shape[1:]).expand(-1, *shape).reshape(len(d_t), -1, 1)
        d_place = d_t[self.output, self.item] - self.of(d_a.expand(shape))
        d_place = (d_place - self.place * self.of(d_span.expand(shape))) / span
        return self.states(d_x, d_q) + self.rates(q) * d_place / self.part

    def put(self, xs, values):
        """Write values (H, 8) into the outputs' places of xs (T, *batch, 8)."""
        _flat(xs)[self.output, self.item] = values

    def cotangents(self, w_xs, x):
        """Those of the states before the step (like x), and of q (4, ...), from those of the outputs."""
        w = w_xs.reshape(len(w_xs), -1, 8)[self.output, self.item]
        parts = [w]
        for _ in range(4):
            parts.append(parts[-1] * self.theta)
        rows = x.new_zeros((x[..., 0].numel(), 5, 8)).index_add(0, self.item, torch.stack(parts, 1))
        rows = rows.movedim(1, 0).reshape(5, *x.shape)
        return rows[0], rows[1:]

    def pull_times(self, w_xs, q, span, g_out, g_a, g_b):
        """Add the cotangents of the outputs' times (T, *batch), and of the stops around them, as θ moves."""
        w = w_xs.reshape(len(w_xs), -1, 8)[self.output, self.item]
        each = _dot(w, self.rates(q)) / (self.part.squeeze(-1) * span)
        place = self.place.squeeze(-1)
        g_out.view(len(g_out), -1)[self.output, self.item] += each
        g_a.view(-1).index_add_(0, self.item, (place - 1) * each)
        g_b.view(-1).index_add_(0, self.item, -place * each)


def _flat(xs):
    """xs (T, *batch, 8) with one axis for the batch: a view."""
    return xs.view(len(xs), math.prod(xs.shape[1:-1]), 8)


def _weighted(weights, slopes):
    """Σ_i w_ij k_i for each j, with a row of weights w_i for each slope k_i."""
    terms = [k.new_tensor(row).view(-1, *[1] * k.dim()) * k for row, k in zip(weights, slopes)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def solve_adaptive(t, x0, p, control, clip, record=True):
    """The states at the times t (T,), the mesh that each trajectory took, and a report, without a graph.

    x0 (*batch, 8), p (..., 16) that broadcasts with it. control: first step (0: chosen), least and longest
    step, most steps, 1 where outputs may lie within steps (else 0), rtol, atol of each state. Each step keeps
    its local error within atol + rtol·|x|.
    Steps end on the times; with outputs within steps, on the first and
    the last.

    Returns (T, *batch, 8); for each step (S, *batch, 11), if record: the states before it, its start
    and size as parts of the interval between two stops (size 0 where a trajectory waited),
    the number of that interval; and (*batch, 5), see _Control.report.
    """
    (stops, within), xs = landings(t, control[4]), torch.full_like(_outputs(len(t), x0), math.nan)
    rows = [] if record else None
    pace, x = _Control(x0, control), x0
    xs[0] = x0
    intervals = [(a, b) for (a, _), (b, _) in zip(stops, stops[1:])]
    begin, end = next(((a, b) for a, b in intervals if a != b), (stops[0][0],) * 2)
    pace.start(x, begin, end, p, clip)
    for k, (a, b) in enumerate(intervals):
        x = _cross(x, a, b, k, p, pace, rows, within[k], xs, clip)
        if stops[k + 1][1] is not None:
            xs[stops[k + 1][1]] = torch.where((pace.code == 0).unsqueeze(-1), x, math.nan)
    kept = torch.stack(rows) if rows else x.new_zeros((0, *x.shape[:-1], 11))
    return xs, kept, pace.report()


def _cross(x, a, b, k, p, pace, rows, within, xs, clip):
    """Integrate from stop a to b, each trajectory by its own steps; accepted ones are added to the rows,
    and the outputs within are written to xs.
    """
    span, sign = abs(b - a), math.copysign(1, b - a)
    done = torch.zeros_like(x[..., 0])
    while span:
        time = a + sign * done
        used_up = (done < span) & (pace.accepted + pace.rejected >= pace.max_steps)
        pace.fail(used_up, pace.used_up(), time, pace.worst)
        active = (pace.code == 0) & (done < span)
        if not bool(active.any()):
            break
        pace.watch.look(active, time, pace.accepted, x, p)
        left = span - done
        lands = pace.h >= left * (1 - 1e-12)
        trial = torch.where(lands, left, torch.where(left < 2 * pace.h, left / 2, pace.h))
        trial = torch.where(active, trial, 0.0)
        each = (time.unsqueeze(-1), sign * trial.unsqueeze(-1))
        x_next, error, stages = step_stages(x, *each, p, clip)
        error = pace.scaled(error, torch.maximum(x.abs(), x_next.abs()))
        norm = _size(error)
        good = pace.judge(active, trial, norm)
        if rows is not None and bool(good.any()):
            part = torch.where(good, trial / span, 0.0)
            columns = (done / span, part, torch.full_like(part, k))
            rows.append(torch.cat((x, torch.stack(columns, -1)), -1))
        before, done = done, torch.where(good, torch.where(lands, span, done + trial), done)
        found = within.found(before / span, done / span, trial / span) if within else None
        if found:
            q = step_interpolant(x, *each, p, x_next, stages, clip)
            found.put(xs, found.states(x, q))
        x = torch.where(good.unsqueeze(-1), x_next, x)
        pace.worst = torch.where(active, torch.nan_to_num(error.abs(), nan=math.inf).argmax(-1), pace.worst)
        least = (pace.eps * time.abs()).clamp(min=pace.min_step)
        code = torch.where(torch.isfinite(norm), _UNDERFLOW, _UNSOLVED)
        short = active & ~good & (pace.h < least)
        pace.fail(short, code, time, pace.worst)
    return x


def _by_interval(kept, count):
    """A mesh's rows by interval: the states before a step, its start and size (*batch, 1)."""
    intervals = [[] for _ in range(count)]
    numbers = kept[..., -1].reshape(len(kept), -1)[:, 0].tolist() if kept.numel() else []
    for k, row in zip(numbers, kept):
        intervals[int(k)].append((row[..., :-3], row[..., -3:-2], row[..., -2:-1]))
    return intervals


def solve_vjp_adaptive(t, xs, kept, p, w_xs, clip, wrt_times, dense=False):
    """The discrete adjoint on the mesh that solve_adaptive took: the exact gradient of the numbers computed.

    The mesh counts as fixed in relation to the stops. Returns what solve_vjp returns.
    """
    (stops, within), each = landings(t, dense), p.expand(*xs.shape[1:-1], p.shape[-1])
    g_out = w_xs.new_zeros(w_xs.shape[:-1])
    intervals = _by_interval(kept, len(stops) - 1)
    w, g_p = torch.zeros_like(xs[0]), torch.zeros_like(each)
    g_t = w_xs.new_zeros((len(stops), *w_xs.shape[1:-1]))
    for k in range(len(intervals) - 1, -1, -1):
        (a, _), (b, output) = stops[k], stops[k + 1]
        w = w + w_xs[output]
        ends = _ends(intervals[k])
        for x, begin, part in reversed(intervals[k]):
            time, h, moved = a + (b - a) * begin, (b - a) * part, (w != 0).any(-1, keepdim=True)
            found = within[k].found(begin, ends.pop(), part) if within[k] else None
            if found:
                w_x, w_q = found.cotangents(w_xs, x)
                moved = moved | ((w_x != 0) | (w_q != 0).any(0)).any(-1, keepdim=True)
                given = (x, time, h, each, w, w_q, clip, wrt_times)
                w_next, d_p, d_t, d_h, q = step_dense_vjp(*given)
                w_next = w_next + w_x
                if wrt_times:
                    found.pull_times(w_xs, q, b - a, g_out, g_t[k], g_t[k + 1])
            else:
                w_next, d_p, d_t, d_h = step_vjp(x, time, h, each, w, clip, wrt_times)
            moved = moved & (part != 0)
            w, g_p = torch.where(moved, w_next, w), torch.where(moved, g_p + d_p, g_p)
            if wrt_times:
                slide = begin.squeeze(-1) * d_t + part.squeeze(-1) * d_h
                g_t[k] += torch.where(moved.squeeze(-1), d_t - slide, 0.0)
                g_t[k + 1] += torch.where(moved.squeeze(-1), slide, 0.0)
    for g_stop, (_, output) in zip(g_t, stops):
        if output is not None:
            g_out[output] = g_stop
    return (g_out, w + w_xs[0], _sum_to(g_p, p.shape))


def solve_jvp_adaptive(t, x0, p, d_t, d_x0, d_p, control, clip):
    """The tangent of solve_adaptive on the mesh that it takes; its arguments are those of solve_jvp."""
    xs, kept, _ = solve_adaptive(t, x0, p, control, clip)
    (stops, within), d_t, d_x = landings(t, control[4]), d_t.unsqueeze(-1), d_x0
    tangents = torch.zeros_like(xs)
    tangents[0] = d_x0
    moves = [d_t[i] for _, i in stops]
    for k, rows in enumerate(_by_interval(kept, len(stops) - 1)):
        (a, _), (b, output), d_span = stops[k], stops[k + 1], moves[k + 1] - moves[k]
        for (x, begin, part), end in zip(rows, _ends(rows)):
            time, h, d_time = a + (b - a) * begin, (b - a) * part, moves[k] + begin * d_span
            d_h = part * d_span
            given = (x, time, h, p, d_x, d_time, d_h, d_p, clip)
            found = within[k].found(begin, end, part) if within[k] else None
            if found:
                _, d_next, q, d_q = step_dense_jvp(*given)
                found.put(tangents, found.tangents(d_x, q, d_q, d_t, moves[k], d_span, b - a))
            else:
                d_next = step_jvp(*given)[1]
            d_x = torch.where(part != 0, d_next, d_x)
        if output is not None:
            tangents[output] = d_x
    return torch.where(torch.isnan(xs), math.nan, tangents)


def solve_plain_adaptive(t, x0, p, control, clip):
    """The states by plain tensor operations on the mesh that solve_adaptive takes, and its report."""
    with torch.no_grad():  # and detached, as no_grad leaves forward derivatives alone
        given = (t.detach(), x0.detach(), p.detach())
        found, kept, report = solve_adaptive(*given, control, clip)
    (stops, within), x, xs = landings(t.detach(), control[4]), x0, {0: x0}
    inner = []
    moving = [t[i] for _, i in stops]
    for k, rows in enumerate(_by_interval(kept, len(stops) - 1)):
        start, span = moving[k], moving[k + 1] - moving[k]
        for (_, begin, part), end in zip(rows, _ends(rows)):
            given = (x, start + begin * span, part * span, p)
            hits = within[k].found(begin, end, part) if within[k] else None
            if hits:
                x_next, *_, stages = step_stages(*given, clip)
                q = step_interpolant(*given, x_next, stages, clip)
                theta = ((t[hits.output] - start) / span).unsqueeze(-1)
                theta = (theta - hits.begin) / hits.part
                inner.append((hits, hits.states(x, q, theta)))
            else:
                x_next = step(*given, clip)
            x = torch.where(part != 0, x_next, x)
        if stops[k + 1][1] is not None:
            xs[stops[k + 1][1]] = x
    states = torch.stack([xs[i] if i in xs else torch.zeros_like(x) for i in range(len(t))])
    if inner:
        output, item = (torch.cat([getattr(hits, name) for hits, _ in inner]) for name in ("output", "item"))
        flat = states.reshape(len(t), -1, 8)
        flat = flat.index_put((output, item), torch.cat([values for _, values in inner]))
        states = flat.reshape(states.shape)
    return _lose(states, torch.isnan(found), t, x0, p), report


def solve_vjp_continuous(t, xs, p, w_xs, dt, clip, wrt_times):
    """The continuous adjoint: dw/dt = -f_xᵀ w by fixed steps backwards, anew from the states at the times t.

    Approximate (its error is the method's), at memory that does not grow with the number of steps.
    Pontryagin et al. 1962; Chen et al., NeurIPS 2018. Returns what solve_vjp returns.
    """
    w, g_p = torch.zeros_like(xs[-1]), p.new_zeros(p.shape)
    g_t = w_xs.new_zeros(w_xs.shape[:-1])
    for k in range(len(t) - 1, 0, -1):
        if wrt_times:
            g_t[k] += _dot(w_xs[k], slope(float(t[k]), xs[k], p, clip))
        w, x = w + w_xs[k], xs[k]
        for start, h, count in mesh(t[k - 1 : k + 1].flip(0), dt):
            for j in range(count):
                x, w, d_p = step_back(x, w, start + j * h, h, p, clip)
                g_p += _sum_to(d_p, p.shape)
    if wrt_times and len(t) > 1:
        g_t[0] -= _dot(w, slope(float(t[0]), xs[0], p, clip))
    return (g_t, w + w_xs[0], g_p)


def solve_vjp_continuous_adaptive(t, xs, p, w_xs, control, clip, wrt_times):
    """The continuous adjoint, dw/dt = -f_xᵀ w, solved backwards by steps of its own: approximate.

    Each step keeps the local error of w, and of the gradient by p, within rtol·|w| + atol·max|w_xs|, where
    rtol and the atol of each state are the last numbers of control. Between two times of t the states are
    solved again from the stored ones, by the smaller of these tolerances and the run's: memory for the times,
    and for the steps between two of them. Returns what solve_vjp returns.
    Pontryagin et al. 1962; Serban & Hindmarsh, CVODES, ASME IDETC 2005.
    """
    steps, run, own = (*control[:4], 0.0), control[5:14], control[14:]
    again = (*steps, *map(min, run, own))
    back = _Backwards(p.expand(*xs.shape[1:-1], 16), w_xs, (*steps, *own), clip)
    g_t = w_xs.new_zeros(w_xs.shape[:-1])
    for k in range(len(t) - 1, 0, -1):
        ends = t[k - 1 : k + 1]
        back.w = back.w + w_xs[k]
        stops = [time for time, _ in stops_of(ends)]
        kept, report = solve_adaptive(ends, xs[k - 1], p, again, clip)[1:]
        back.give_up((report[..., 0] != 0) & _any(back.w), stops[0])
        if wrt_times:
            g_t[k] += back.rate(w_xs[k], stops[-1], xs[k])
        for j in range(len(stops) - 1, 0, -1):
            rows = kept[_interval_of(kept) == j - 1]
            back.cross(_Path(rows, stops[j - 1], stops[j], back.p, clip))
        if wrt_times and k == 1:
            g_t[0] -= back.rate(back.w, stops[0], xs[0])
    nan = back.lost()
    g_p = _sum_to(back.g_p + nan.unsqueeze(-1), p.shape)
    return (g_t + nan, back.w + w_xs[0] + nan.unsqueeze(-1), g_p)


def _interval_of(kept):
    """The number of the interval that each row of a mesh is of."""
    return kept[..., -1].reshape(len(kept), -1)[:, 0] if kept.numel() else kept.new_zeros(len(kept))


def _any(w):
    """Whether the cotangents (..., 8) of a trajectory are not all zero: (...)."""
    return (w != 0).any(-1)


class _Path:
    """The states between two stops, from a mesh: one step from the last of its states before a place.

    A place is a distance from the earlier stop (in the run's order), its own for each trajectory.
    """

    def __init__(self, rows, a, b, p, clip):
        self.a, self.span, self.sign = a, abs(b - a), math.copysign(1, b - a)
        self.rows = rows.movedim(0, -2)
        self.begins = (self.rows[..., 8] * self.span).contiguous()
        self.p, self.clip = p, clip

    def before(self, places):
        """The rows (q, *batch, 11) of the steps that come to places (q, *batch)."""
        index = torch.searchsorted(self.begins, places.movedim(0, -1).contiguous()) - 1
        return torch.take_along_dim(self.rows, index.clamp(min=0).unsqueeze(-1), -2).movedim(-2, 0)

    def times(self, places):
        """The times (..., 1) of places."""
        return self.a + self.sign * places.unsqueeze(-1)

    def states(self, places):
        """The states (q, *batch, 8) at places (q, *batch)."""
        row = self.before(places)
        x, begin = row[..., :8], row[..., 8] * self.span
        h, each = (places - begin).unsqueeze(-1), self.p.expand(*x.shape[:-1], 16)
        there = step(x, self.times(begin), self.sign * h, each, self.clip)
        return torch.where(h == 0, x, there)


_MOST_LENGTHS = 8
"""So many times as long as the run's step there may a step of the adjoint be, to overlook nothing."""


class _Backwards:
    """The cotangents w (*batch, 8) on their way back, the gradient g_p (*batch, 16), the step sizes."""

    def __init__(self, p, w_xs, control, clip):
        self.w, self.p, self.g_p, self.clip = torch.zeros_like(w_xs[0]), p, torch.zeros_like(p), clip
        self.pace = _Control(w_xs[0], control)
        self.pace.h = torch.zeros_like(self.pace.h)
        self.size = w_xs.abs().amax((0, -1)).unsqueeze(-1)

    def give_up(self, which, time):
        """Note trajectories whose states cannot be solved again up to a time."""
        self.pace.fail(which, _UNSOLVED, time, self.pace.worst)

    def lost(self):
        """NaN where the adjoint of a trajectory could not be solved, with a warning; 0 elsewhere (*batch)."""
        failed = self.pace.code != 0
        if bool(failed.any()):
            time = float(self.pace.time[failed][0])
            where = f"for {int(failed.sum())} of {failed.numel()} trajectories, at t = {time:.6g}"
            advice = "try a larger adjoint_rtol, more max_steps, or adjoint='discrete'"
            message = f"the continuous adjoint could not be solved {where}: no gradient; {advice}"
            warnings.warn(message, stacklevel=2)
        return torch.where(failed, math.nan, 0.0).to(self.w.dtype)

    def rate(self, w, time, x):
        """w·dx/dt at a time (*batch), 0 where w is."""
        return torch.where(_any(w), _dot(w, slope(time, x, self.p, self.clip)), 0.0)

    def cross(self, path):
        """Go from the later end of a path to the earlier, each trajectory by its own steps."""
        pace, place = self.pace, torch.full_like(self.pace.h, path.span)
        while path.span and path.rows.numel():
            time, moving = path.times(place).squeeze(-1), (place > 0) & _any(self.w)
            used_up = moving & (pace.accepted + pace.rejected >= pace.max_steps)
            pace.fail(used_up, pace.used_up(), time, pace.worst)
            active = (pace.code == 0) & moving
            if not bool(active.any()):
                break
            row = path.before(place.unsqueeze(0))[0]
            trial, lands = self.trial(active, place, row[..., 9] * path.span)
            w, g_p, norm = self.attempt(path, place, trial)
            good = pace.judge(active, trial, norm)
            moved = good.unsqueeze(-1)
            self.w, self.g_p = torch.where(moved, w, self.w), torch.where(moved, g_p, self.g_p)
            place = torch.where(good, torch.where(lands, 0.0, place - trial), place)
            least = (pace.eps * time.abs()).clamp(min=pace.min_step)
            code = torch.where(torch.isfinite(norm), _UNDERFLOW, _UNSOLVED)
            pace.fail(active & ~good & (pace.h < least), code, time, pace.worst)

    def trial(self, active, place, length):
        """The sizes (*batch) of steps to try from a place, and which end the path; length: the run's step."""
        pace = self.pace
        pace.h = torch.where(pace.h == 0, length, pace.h)
        h = torch.minimum(pace.h, _MOST_LENGTHS * length).clamp(max=pace.max_step)
        lands = h >= place * (1 - 1e-12)
        trial = torch.where(lands, place, torch.where(place < 2 * h, place / 2, h))
        return torch.where(active, trial, 0.0), lands

    def attempt(self, path, place, trial):
        """w and g_p a step earlier, by two transposed steps of half the size, and the norm of their error.

        The transpose of a step of order 5 is a step of that order for w; the halves' error is the
        difference to one whole step over 31. Hager, Numer. Math. 87 (2000) 247–282; Hairer,
        Nørsett & Wanner I, II.4.
        """
        early = place - trial
        places = torch.stack((early, early + trial / 2))
        x, times, h = path.states(places), path.times(places), path.sign * trial.unsqueeze(-1)

        def pull(x, time, h, w):
            each = self.p.expand(*x.shape[:-1], 16)
            return step_vjp(x, time, h, each, w, self.clip)

        w_both, p_both, *_ = pull(x, times, torch.stack((h, h / 2)), self.w.expand(x.shape))
        w, g_p, *_ = pull(x[0], times[0], h / 2, w_both[1])
        g_p, whole = self.g_p + p_both[1] + g_p, self.g_p + p_both[0]
        error, error_p = w - w_both[0], g_p - whole
        norm = self.norm(error, torch.maximum(w.abs(), self.w.abs()), self.pace.atol)
        size, least = torch.maximum(g_p.abs(), self.g_p.abs()), self.pace.atol.amin(-1, keepdim=True)
        norm = torch.maximum(norm, self.norm(error_p, size, least))
        return w, g_p, norm / 31

    def norm(self, difference, value, atol):
        """The root mean square of differences over what is allowed."""
        return _size(difference / (atol * self.size + self.pace.rtol * value))


_ALL, _SQRT, _CONTINUOUS = 0, -1, -2
"""What `checkpoints` means where it is no number of states to keep: every state, √steps, none at all."""

_ONCE = 'this derivative cannot be differentiated again; use Model(adjoint="autograd")'


class _Solve(torch.autograd.Function):
    """solve with its derivatives: backwards by the adjoint, forwards by the tangent, batched under vmap."""

    @staticmethod
    def forward(t, x0, p, dt, control, clip, checkpoints, compiling):
        operator = _solve_operator if compiling else _states
        keep = 1 if checkpoints == _CONTINUOUS else checkpoints
        return operator(t, x0, p, dt, control, clip, keep)

    @staticmethod
    def setup_context(ctx, inputs, output):
        t, x0, p, ctx.dt, ctx.control, ctx.clip, ctx.checkpoints, ctx.compiling = inputs
        xs, kept, report = output
        ctx.mark_non_differentiable(kept, report)
        ctx.save_for_backward(t, xs, kept, p)
        ctx.save_for_forward(t, x0, p)

    @staticmethod
    def backward(ctx, w_xs, *_):
        t, xs, kept, p = ctx.saved_tensors
        options = (ctx.dt, ctx.control, ctx.clip, ctx.checkpoints, ctx.needs_input_grad[0])
        if not ctx.compiling and _mapped(w_xs):
            found = _over_batches(_Adjoint.apply, t, xs, kept, p, w_xs, *options, False)
        elif ctx.compiling or torch.is_grad_enabled() or _transformed():
            found = _Adjoint.apply(t, xs, kept, p, w_xs, *options, ctx.compiling)
        else:
            found = _adjoint(t, xs, kept, p, w_xs, *options)
        g_t, g_x0, g_p = found
        g_t = g_t.sum(list(range(1, g_t.dim()))) if g_t.dim() > 1 else g_t
        return g_t, g_x0, g_p, None, None, None, None, None

    @staticmethod
    def jvp(ctx, d_t, d_x0, d_p, _dt, _control, _clip, _checkpoints, _compiling):
        t, x0, p = ctx.saved_tensors
        d_t, d_x0, d_p = (_or_zeros(*pair) for pair in ((d_t, t), (d_x0, x0), (d_p, p)))
        options = (ctx.dt, ctx.control, ctx.clip)
        given = (t, x0, p, d_t, d_x0, d_p, *options)
        mapped = any(map(_mapped, given))
        tangent = _over_batches(_Tangent.apply, *given)[0] if mapped else _Tangent.apply(*given)
        return tangent, None, None

    @staticmethod
    def vmap(info, in_dims, t, x0, p, dt, control, clip, checkpoints, compiling):
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0 = _to_front(x0, in_dims[1], size)
        p = _into_batch(p, in_dims[2], batch, 1, size)
        return _Solve.apply(t, x0, p, dt, control, clip, checkpoints, compiling), (1, 1, 0)


class _PlainSolve(torch.autograd.Function):
    """_Solve for autograd alone: for torch.func, torch looks at the signature in every call."""

    @staticmethod
    def forward(ctx, *args):
        found = _Solve.forward(*args)
        _Solve.setup_context(ctx, args, found)
        return found

    backward, jvp = _Solve.backward, _Solve.jvp


class _Adjoint(torch.autograd.Function):
    """The cotangents of solve's arguments; differentiable no further."""

    @staticmethod
    def forward(t, xs, kept, p, w_xs, dt, control, clip, checkpoints, wrt_times, compiling):
        options = (dt, control, clip, checkpoints, wrt_times)
        if compiling:
            return tuple(_adjoint_operator(t, xs, kept, p, w_xs, *options))
        return _adjoint(t, xs, kept, p, w_xs, *options)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.compiling = inputs[10]
        if ctx.compiling:
            ctx.save_for_backward(*inputs[:5])

    @staticmethod
    def backward(ctx, *cotangents):
        if not ctx.compiling:
            raise RuntimeError(_ONCE)
        refused = [_refuse_operator(value, list(cotangents)) for value in ctx.saved_tensors]
        return *refused[:5], None, None, None, None, None, None

    @staticmethod
    def jvp(ctx, *_):
        raise RuntimeError(_ONCE)

    @staticmethod
    def vmap(info, in_dims, t, xs, kept, p, w_xs, *options):
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, xs.dim() - 2 - (in_dims[1] is not None)
        shape = p.shape if in_dims[3] is None else p.movedim(in_dims[3], 0).shape[1:]
        xs, kept = _to_second(xs, in_dims[1], size), _to_second(kept, in_dims[2], size)
        w_xs = _to_second(w_xs, in_dims[4], size)
        p = _into_batch(p, in_dims[3], batch, 1, size, always=True)
        g_t, g_x0, g_p = _Adjoint.apply(t, xs, kept, p, w_xs, *options)
        return (g_t, g_x0, g_p.reshape(size, *shape)), (1, 0, 0)


class _Tangent(torch.autograd.Function):
    """The tangent of solve's states; differentiable no further."""

    @staticmethod
    def forward(t, x0, p, d_t, d_x0, d_p, dt, control, clip):
        if control:
            return solve_jvp_adaptive(t, x0, p, d_t, d_x0, d_p, control, clip)
        return solve_jvp(t, x0, p, d_t, d_x0, d_p, dt, clip)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError(_ONCE)

    @staticmethod
    def jvp(ctx, *_):
        raise RuntimeError(_ONCE)

    @staticmethod
    def vmap(info, in_dims, t, x0, p, d_t, d_x0, d_p, dt, control, clip):
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0, d_x0 = _to_front(x0, in_dims[1], size), _to_front(d_x0, in_dims[4], size)
        p, d_p = (_into_batch(v, d, batch, 1, size) for v, d in ((p, in_dims[2]), (d_p, in_dims[5])))
        if in_dims[3] is not None:
            d_t = d_t.movedim(in_dims[3], 1)
            d_t = d_t.reshape(*d_t.shape[:2], *[1] * (batch - d_t.dim() + 2), *d_t.shape[2:])
        return _Tangent.apply(t, x0, p, d_t, d_x0, d_p, dt, control, clip), 1


def _states(t, x0, p, dt, control, clip, checkpoints):
    """The states, what the adjoint keeps and a report of adaptive runs (*batch, 5)."""
    if control:
        return solve_adaptive(t, x0, p, control, clip, record=checkpoints != 1)
    return *solve(t, x0, p, dt, clip, checkpoints), x0.new_zeros((*x0.shape[:-1], 0))


def _adjoint(t, xs, kept, p, w_xs, *options):
    """The cotangents of solve's arguments: of t (T, *batch), x0, p."""
    if bool(torch.isfinite(xs[-1]).all()):
        return _adjoint_of(t, xs, kept, p, w_xs, *options)
    return _adjoint_of_others(t, xs, kept, p, w_xs, *options)


def _adjoint_of_others(t, xs, kept, p, w_xs, *options):
    """As _adjoint, where some trajectories could not be finished: NaN for them and for all that they share.

    One whose cotangents are all exactly 0, as it has no part in the loss, has gradients of exactly 0.
    """
    batch, wanted, fine = xs.shape[1:-1], (w_xs != 0).any(-1), torch.isfinite(xs).all(-1)
    lost = (wanted[1:] & ~fine[1:]).any(0).flatten()
    others = ~lost & (wanted.any(0) | fine.all(0)).flatten()

    def share(value):
        return value.reshape(len(value), len(lost), value.shape[-1])[:, others]

    def whole(value, axis):
        shape = [*value.shape[:axis], len(lost), *value.shape[axis + 1 :]]
        value = value.new_zeros(shape).index_copy(axis, others.nonzero()[:, 0], value)
        nan = torch.where(lost, math.nan, 0.0).to(value.dtype).reshape(-1, *[1] * (value.dim() - axis - 1))
        return (value + nan).unflatten(axis, batch) if batch else (value + nan).squeeze(axis)

    each = p.expand(*batch, p.shape[-1]).reshape(len(lost), p.shape[-1])[others]
    found = w_xs.new_zeros(len(t), 0), w_xs.new_zeros(0, w_xs.shape[-1]), each
    if bool(others.any()):
        found = _adjoint_of(t, share(xs), share(kept), each, share(w_xs), *options)
    g_t, g_x0, g_p = found
    return whole(g_t, 1), whole(g_x0, 0), _sum_to(whole(g_p, 0), p.shape)


def _lose(states, lost, *given):
    """The states of solve_plain_adaptive, NaN where lost (T, *batch, n); gradients as of _adjoint."""
    if not bool(lost.any()):
        return states
    batch = states.shape[1:-1]
    t, x0, p = given
    own = t.sum() + x0.sum(-1) + p.sum(-1)
    return _Lost.apply(states, own.expand(batch), lost)


class _Lost(torch.autograd.Function):
    """NaN for lost states, and for gradients of what one hangs on whose cotangents are not 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(states, own, lost):
        return torch.where(lost, math.nan, states)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[2])
        ctx.save_for_forward(inputs[2])

    @staticmethod
    def backward(ctx, w):
        (lost,) = ctx.saved_tensors
        g_own = torch.where((lost & (w != 0)).any(-1).any(0), math.nan, w.new_zeros(w.shape[1:-1]))
        return torch.where(lost, 0.0, w), g_own, None

    @staticmethod
    def jvp(ctx, d_states, d_own, _):
        (lost,) = ctx.saved_tensors
        return torch.where(lost, math.nan, _or_zeros(d_states, lost.to(d_own.dtype)))


def _adjoint_of(t, xs, kept, p, w_xs, dt, control, clip, checkpoints, wrt_times):
    if control:
        if checkpoints == _CONTINUOUS:
            return solve_vjp_continuous_adaptive(t, xs, p, w_xs, control, clip, wrt_times)
        return solve_vjp_adaptive(t, xs, kept, p, w_xs, clip, wrt_times, control[4])
    if checkpoints == _CONTINUOUS:
        return solve_vjp_continuous(t, xs, p, w_xs, dt, clip, wrt_times)
    return solve_vjp(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times)


def _free_namespace(name):
    """A free namespace of torch.ops: a module loaded again must not replace operators that are in use."""
    numbered = (f"{name}_{n}" for n in itertools.count(1))
    return next(found for found in numbered if not hasattr(getattr(torch.ops, found), "solve"))


_OPERATORS = _free_namespace("odec_0_1_0_8ac0d21d4de2_dopri5")


@torch.library.custom_op(f"{_OPERATORS}::solve", mutates_args=())
def _solve_operator(
    t: Tensor,
    x0: Tensor,
    p: Tensor,
    dt: float,
    control: list[float],
    clip: float | None,
    checkpoints: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """_states as one opaque operator, for torch.compile; the mesh, of unforeseen length, is not kept."""
    xs, kept, report = _states(t, x0, p, dt, control, clip, checkpoints)
    return xs, _empty(1, x0) if control else kept, report


@_solve_operator.register_fake
def _(t, x0, p, dt, control, clip, checkpoints):
    return _outputs(len(t), x0), _empty(1, x0), x0.new_empty((*x0.shape[:-1], 5 if control else 0))


@torch.library.custom_op(f"{_OPERATORS}::adjoint", mutates_args=())
def _adjoint_operator(
    t: Tensor,
    xs: Tensor,
    kept: Tensor,
    p: Tensor,
    w_xs: Tensor,
    dt: float,
    control: list[float],
    clip: float | None,
    checkpoints: int,
    wrt_times: bool,
) -> list[Tensor]:
    """_adjoint as one opaque operator, for torch.compile; adaptive steps are found anew."""
    if control and checkpoints != _CONTINUOUS:
        kept = solve_adaptive(t, xs[0], p, control, clip)[1]
    gradients = _adjoint(t, xs, kept, p, w_xs, dt, control, clip, checkpoints, wrt_times)
    return [gradient.clone(memory_format=torch.contiguous_format) for gradient in gradients]


@_adjoint_operator.register_fake
def _(t, xs, kept, p, w_xs, dt, control, clip, checkpoints, wrt_times):
    like = [xs[..., 0], xs[0], p]
    return [torch.empty_like(value, memory_format=torch.contiguous_format) for value in like]


@torch.library.custom_op(f"{_OPERATORS}::refuse", mutates_args=())
def _refuse_operator(value: Tensor, cotangents: list[Tensor]) -> Tensor:
    """Stands for a second derivative, which torch.compile traces even where none is asked for."""
    raise RuntimeError(_ONCE)


@_refuse_operator.register_fake
def _(value, cotangents):
    return torch.empty_like(value)


def _same_for_all(dim, what):
    if dim is not None:
        raise ValueError(f"vmap over {what} is not possible: they are the same for a whole call")


def _mapped(value):
    """Whether the vmap within torch.autograd (vectorize=True, is_grads_batched=True) maps over a value."""
    return isinstance(value, Tensor) and torch._C._functorch.is_legacy_batchedtensor(value)


def _over_batches(function, *values):
    """The function of what that vmap maps over: it knows no Function, but torch.func's does."""
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    dims = tuple(0 if _mapped(value) else None for value in values)
    values = [v if dim is None else torch._remove_batch_dim(v, level, 1, 0) for v, dim in zip(values, dims)]
    found = torch.vmap(function, in_dims=dims)(*values)
    if isinstance(found, Tensor):  # a tangent
        found = (found.contiguous(),)
    return [torch._add_batch_dim(v, 0, level) for v in found]


def _or_zeros(tangent, value):
    return torch.zeros_like(value) if tangent is None else tangent


def _to_front(value, dim, size):
    """A tensor with the mapped axis first, repeated where it had none."""
    return value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)


def _to_second(value, dim, size):
    """A tensor with the mapped axis second, repeated where it had none."""
    return _to_front(value, dim, size).movedim(0, 1)


def _into_batch(value, dim, batch, trailing, size, always=False):
    """A tensor (*some batch, *trailing) with the mapped axis before a batch of the given number of axes."""
    if dim is None and not always:
        return value
    value = _to_front(value, dim, size)
    missing = batch - (value.dim() - 1 - trailing)
    return value.reshape(size, *[1] * missing, *value.shape[1:])


def _differentiated(function, vjp, jvp):
    """A function with the derivatives that are printed, finite where torch's of its formulas overflow.

    vjp takes its arguments and a cotangent, jvp its arguments and their tangents. Further derivatives are
    torch's of these two.
    """

    def pulled(*values):
        *args, w = values
        return [_shaped(g, arg.shape) for g, arg in zip(vjp(*args, w), args)]

    class Differentiated(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*args):
            return function(*args)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)
            ctx.shape = output.shape

        @staticmethod
        def backward(ctx, w):
            return tuple(_of_mapped(pulled, *ctx.saved_tensors, w))

        @staticmethod
        def jvp(ctx, *tangents):
            args = [torch.autograd.forward_ad.unpack_dual(arg).primal for arg in ctx.saved_tensors]
            with torch.autograd.forward_ad._set_fwd_grad_enabled(True):  # for a jvp around this one
                given = (*args, *map(_or_zeros, tangents, args))
                return _of_mapped(lambda *values: [_shaped(jvp(*values), ctx.shape)], *given)[0]

    def differentiated(*args):
        return Differentiated.apply(*args)

    return differentiated


def _shaped(derivative, shape):
    """A derivative in the shape of its value: summed where that was broadcast."""
    return derivative.expand(_common_shape(derivative.shape, shape)).sum_to_size(shape)


def _of_mapped(function, *values):
    """The function's tensors, where the vmap within torch.autograd maps over some of the values too."""
    return _over_batches(function, *values) if any(map(_mapped, values)) else function(*values)


_observables = _differentiated(observables, observables_vjp, observables_jvp)


def _apply_solve(*args):
    """_Solve.apply, which torch.compile keeps as one call: its tracer would unroll the loop over steps."""
    return _Solve.apply(*args)


class _OnceTracing:
    """Tells torch.compile's tracer of calls to keep, not before it is there: it takes a second, and SymPy."""

    def find_spec(self, name, path=None, target=None):
        """The tracer as the other finders find it, with a word to it at the end of its import."""
        if name != "torch._dynamo":
            return None
        later = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in later)), None)
        if spec is not None:
            load = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (load(module), self.tell())
        return spec

    def tell(self):
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        torch.compiler.allow_in_graph([_apply_solve, _observables])


_tracer = _OnceTracing()
sys.meta_path.insert(0, _tracer)
if "torch._dynamo" in sys.modules:
    _tracer.tell()


def _transformed():
    """Whether a transform of torch.func follows this call."""
    return torch._C._are_functorch_transforms_active()


def _differentiable(*tensors):
    """Whether autograd, forward mode or torch.func follows what is computed from these tensors."""
    recorded = torch.is_grad_enabled() and any(value.requires_grad for value in tensors)
    return recorded or torch.autograd.forward_ad._current_level >= 0 or _transformed()


class Failure:
    """One trajectory that could not be finished: its batch index, the state, the time and a sentence."""

    def __init__(self, batch, state, time, at_start, code, cause, min_step=0.0):
        self.batch, self.state, self.time, self.at_start, self.cause = batch, state, time, at_start, cause
        self.code, self.min_step = code, min_step
        self.of_slope = False

    def __str__(self):
        reason, advice = self._words()
        return "; ".join(words for words in (reason, self.cause or advice) if words)

    def _words(self):
        """What happened, and what to do where no parameter is the cause."""
        where = f" of trajectory {self.batch}" if self.batch else ""
        when = f"at t = {self.time:.6g}"
        if self.code == _NOT_FINITE:
            reason = f"state {self.state}{where} or its derivative is not finite at the start, {when[3:]}"
            return reason, "look at its initial value, and for a division by zero or the like in its equation"
        if self.code == _UNDERFLOW:
            least = f"min_step = {self.min_step:g}" if self.min_step else "the least"
            reason = f"the error of state {self.state}{where} forces the step below {least} {when}"
            shorter = "a shorter min_step, " if self.min_step else ""
            advice = f"{shorter}a looser tolerance, or an end before it"
            return reason, f"try a stiff method such as rodas5p, {advice}"
        if self.code == _MAX_STEPS:
            reason = f"max_steps are used up {when}{where}, where state {self.state} has the largest error"
            return reason, "try a stiff method such as rodas5p, a looser tolerance, or more max_steps"
        if self.code == _OFTEN_UNSOLVED:
            reason = f"max_steps are used up {when}{where}, where longer steps lead to no finite numbers"
            advice = "try a stiff method such as rodas5p, more max_steps; or does a formula leave its domain?"
            return reason, advice
        if self.code == _UNSOLVED:
            reason = f"however small the step {when}, state {self.state}{where} is no finite number after it"
            advice = "look for a division by zero or the like in its equation, or for a pole of the solution"
            return reason, advice
        if self.of_slope:
            reason = f"the derivative of state {self.state}{where} is not finite at the start"
            advice = "look for a division by zero or the like in its equation"
            return f"{reason}, t = {self.time:.6g}", advice
        if self.at_start:
            return f"state {self.state}{where} is not finite at the start, t = {self.time:.6g}", ""
        reason = f"state {self.state}{where} left the finite numbers in the step to t = {self.time:.6g}"
        advice = (
            "try a smaller dt, a tolerance instead (rtol=1e-6, or --rtol 1e-6), "
            "a stiff method such as rodas5p, other parameters or, in a fit, the clip option"
        )
        return reason, advice


class Status:
    """What happened in a call, per trajectory: `ok` (*batch) bool, `steps` and `rejected`, how many it took.

    With fixed steps, `steps` is one number for all, and none is rejected. `failures` lists the trajectories
    that could not be finished; str() says it in sentences.
    """

    def __init__(self, t, xs, retake, report):
        self.ok = torch.isfinite(xs).flatten(-1).all(-1).all(0)
        self._t, self._xs, self._retake, self._report = t, xs, retake, report
        if retake.control:
            self.steps, self.rejected = report[..., 3].to(torch.long), report[..., 4].to(torch.long)
            self.ok = self.ok & (report[..., 0] == 0)
        else:
            self.steps, self.rejected = sum(count for _, _, count in mesh(t, retake.dt)), 0

    @property
    def failures(self):
        """The failure of each trajectory; that of fixed steps is found by taking its steps again."""
        return [self._failure(tuple(index.tolist())) for index in torch.nonzero(~self.ok)]

    def __str__(self):
        failed = int((~self.ok).sum())
        if not failed:
            return "; ".join([f"ok: {self._counts()}", *([self.stiffness] if self.stiffness else [])])
        shown = [str(self._failure(tuple(index.tolist()))) for index in torch.nonzero(~self.ok)[:3]]
        rest = [f"and {failed - len(shown)} more"] if failed > len(shown) else []
        rest += [self.stiffness] if self.stiffness else []
        several = self.ok.numel() > 1
        what = f"{failed} of {self.ok.numel()} trajectories failed" if several else "the run failed"
        return f"{what}: " + "; ".join(shown + rest)

    def _counts(self):
        if not self._retake.control:
            return f"{self.steps} steps"
        if not self.steps.numel():
            return "no trajectory"
        least, most, rejected = int(self.steps.min()), int(self.steps.max()), int(self.rejected.sum())
        several = f"{least} to {most} steps each" if least < most else f"{most} steps"
        return f"{several}, {rejected} rejected" if rejected else several

    @functools.cached_property
    def stiffness(self):
        """A sentence where stability rather than the tolerance sets the steps: a stiff problem. Else "".

        If many steps were taken, a few of the longest run are taken again from some of its times, to see how
        h·|λ| stands to the end of the method's interval of stability. Hairer & Wanner II, IV.2.
        """
        many = (self.steps + self.rejected) if self._retake.control else torch.zeros(0)
        if not many.numel() or int(many.max()) < max(500, 5 * len(self._t)):
            return ""
        batch = tuple(torch.nonzero(many == many.max())[0].tolist())
        finite = int(torch.isfinite(self._xs[(slice(None), *batch)]).all(-1).sum())
        places = sorted({finite * k // 4 for k in range(4)} - {len(self._t) - 1})
        probes = [self._retake.probe(self._t[[k, -1]], self._xs[(k, *batch)], batch) for k in places]
        reach, time = max(probes, default=(0.0, 0.0))
        return _stiffness(reach, time) if reach >= 3.3 / 2 else ""

    def _failure(self, batch):
        cause = self._retake.cause(batch)
        if self._retake.control:
            code, time, state = self._report[batch][:3].tolist()
            least = self._retake.control[1]
            return Failure(batch, STATES[int(state)], time, code == _NOT_FINITE, code, cause, least)
        xs = self._xs[(slice(None), *batch)]
        bad = int(torch.nonzero(~torch.isfinite(xs).all(-1))[0, 0])
        state, time = _first_bad(xs[bad]), float(self._t[bad])
        steep = self._retake.steep(self._t[0], xs[0], batch) if bad > 0 and not cause else None
        if steep is not None:
            found = Failure(batch, STATES[steep], float(self._t[0]), True, None, cause)
            found.of_slope = True
            return found
        if bad > 0:
            found = self._retake.locate(self._t[bad - 1 : bad + 1], xs[bad - 1], batch)
            state, time = found or (state, time)
        return Failure(batch, STATES[state], time, bad == 0, None, cause)


class Retake:
    """The arguments of a call, to take the steps of one trajectory again."""

    def __init__(self, p, dt, control, clip, batch):
        self.p, self.dt, self.clip, self.batch = p, dt, clip, batch
        self.control = control

    def _of(self, batch):
        """The parameters of one trajectory."""
        return self.p.expand(*self.batch, self.p.shape[-1])[batch]

    def cause(self, batch):
        """The parameter of one trajectory that is no finite number, as words; "" where none is."""
        p = self._of(batch)
        values = zip(PARAMS, p.tolist())
        wrong = [f"its parameter {name} is {value}" for name, value in values if not math.isfinite(value)]
        return wrong[0] if wrong else ""

    def steep(self, t, x, batch):
        """The first state whose derivative at a time is not finite, else None."""
        dx = rhs(t, x, self._of(batch))
        return None if bool(torch.isfinite(dx).all()) else _first_bad(dx)

    def locate(self, t, x, batch):
        """The state and the time of the first step to a number that is not finite, else None."""
        p = self._of(batch)
        for start, h, count in mesh(t, self.dt):
            for j in range(count):
                x = step(x, start + j * h, h, p, self.clip)
                if not torch.isfinite(x).all():
                    return _first_bad(x), start + (j + 1) * h
        return None

    def probe(self, t, x, batch):
        """h·|λ| after some steps from t[0], for λ the largest decaying eigenvalue of ∂f/∂x, and the time."""
        first, least, longest, _, *tolerances = self.control
        control = (0.0, least, longest, 60.0, *tolerances)
        p = self._of(batch)
        kept = solve_adaptive(t, x, p, control, self.clip)[1][-20:]
        if len(kept) < 20:
            return 0.0, float(t[0])
        stops = landings(t, control[4])[0]
        sizes = [float(row[-2]) * (stops[int(row[-1]) + 1][0] - stops[int(row[-1])][0]) for row in kept]
        a, b = (stops[int(kept[-1, -1]) + k][0] for k in (0, 1))
        time, h = a + (b - a) * float(kept[-1, -3]), sum(sizes) / len(sizes)
        slopes = jacobian(time, kept[-1, :-3], p)
        return _reach(slopes, h), time


def _first_bad(x):
    return int(torch.nonzero(~torch.isfinite(x))[0, 0])


def _pace(dt, rtol, atol, first_step, min_step, max_step, max_steps, dense_output, dtype):
    """dt and () for fixed steps, None and the control of solve_adaptive for others. Raises ValueError."""
    given = {"dt": dt, "rtol": rtol, "first_step": first_step, "min_step": min_step, "max_step": max_step}
    dt, rtol, first_step, min_step, max_step = (_as_number(value, name) for name, value in given.items())
    toleranced = rtol is not None or atol is not None
    if dt is not None and toleranced:
        raise ValueError("dt asks for fixed steps, rtol and atol for adaptive ones: give one or the other")
    steered = first_step is not None or (min_step, max_step, max_steps) != (0, math.inf, 100_000)
    if dt is not None:
        if not 0 < dt < math.inf:
            raise ValueError(f"dt, the longest step, must be a positive number, not {dt}")
        if steered:
            names = "first_step, min_step, max_step and max_steps"
            raise ValueError(f"{names} are of adaptive steps: leave out dt")
        if dense_output:
            raise ValueError("dense_output is of adaptive steps: leave out dt")
        return dt, ()
    if not (isinstance(max_steps, int) and max_steps > 0):
        raise ValueError(f"max_steps must be a positive whole number, not {max_steps!r}")
    if not 0 <= min_step < max_step:
        raise ValueError(f"0 <= min_step < max_step must hold; they are {min_step} and {max_step}")
    if first_step is not None and not 0 < first_step < math.inf:
        raise ValueError(f"first_step must be a positive number, not {first_step}")
    real = torch.finfo(dtype)
    rtol = max(1e-06, 4 * real.eps) if rtol is None else rtol
    _check_relative(rtol, "rtol", dtype)
    atol = [max(value, real.tiny) for value in ATOL] if atol is None else _absolute(atol)
    bounds = (first_step or 0.0, min_step, max_step, float(max_steps))
    return None, (*bounds, float(dense_output), rtol, *atol)


def _as_number(value, name):
    """A float, or None as it is. Raises ValueError."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a number, not {value!r}") from None


def _check_relative(rtol, name, dtype):
    least = 4 * torch.finfo(dtype).eps
    if not least <= rtol < math.inf:
        kind = str(dtype).removeprefix("torch.")
        raise ValueError(f"{name} must be a positive number, at least {least:.2g} in {kind}, not {rtol}")


def _absolute(atol, name="atol"):
    """The absolute tolerance of each state, from one number, or one for each."""
    try:
        several = torch.as_tensor(atol, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a number, or one for each state, not {atol!r}") from None
    values = several.flatten().tolist() * (8 if several.dim() == 0 else 1)
    if len(values) != 8:
        wanted = "one number, or a list of one for each of the 8 states"
        raise ValueError(f"{name} is {wanted}, not a list of {len(values)}")
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive, not {value}")
    return values


def _adjoint_tolerances(control, adjoint, rtol, atol, dtype):
    """What control ends with for adjoint="continuous": rtol and atol of each state; else ()."""
    given = rtol is not None or atol is not None
    if given and adjoint != "continuous":
        raise ValueError(f"adjoint_rtol and adjoint_atol are of adjoint='continuous', not of {adjoint!r}")
    if given and not control:
        raise ValueError("adjoint_rtol and adjoint_atol are of adaptive steps: give rtol or atol too")
    if adjoint != "continuous" or not control:
        return ()
    rtol = control[5] if rtol is None else _as_number(rtol, "adjoint_rtol")
    _check_relative(rtol, "adjoint_rtol", dtype)
    return (rtol, *(control[6:] if atol is None else _absolute(atol, "adjoint_atol")))


class _Bounds(nn.Module):
    """What holds a parameter within its bounds, which it saves beside the parameter."""

    kind: int

    def get_extra_state(self):
        """The kind of the bounds, the lower and the upper one."""
        bounds = getattr(self, "lower", -math.inf), getattr(self, "upper", math.inf)
        return torch.tensor([self.kind, *bounds], dtype=torch.float64)

    def _load_from_state_dict(self, *_):
        """Nothing: the Model has turned what was saved into a value under these bounds."""


class Above(_Bounds):
    """lower + softplus(raw): the values above a bound."""

    kind = 0

    def __init__(self, lower):
        super().__init__()
        self.lower = lower

    def forward(self, raw):
        return self.lower + nn.functional.softplus(raw, threshold=40)

    def right_inverse(self, value):
        value = value - self.lower
        return value + torch.log(-torch.expm1(-value))


class Between(_Bounds):
    """lower + (upper - lower)·sigmoid(raw): the values between two bounds."""

    kind = 2

    def __init__(self, lower, upper):
        super().__init__()
        self.lower, self.upper = lower, upper

    def forward(self, raw):
        return self.lower + (self.upper - self.lower) * torch.sigmoid(raw)

    def right_inverse(self, value):
        return torch.logit((value - self.lower) / (self.upper - self.lower))


class _Value(Tensor):
    """What a bounded parameter reads as: a tensor like others, but not to be written in place, in vain."""

    __iadd__, __isub__, __imul__ = Tensor.__add__, Tensor.__sub__, Tensor.__mul__  # net.k += 1 sets net.k
    __itruediv__, __ipow__ = Tensor.__truediv__, Tensor.__pow__

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        writes = name.endswith("_") and not name.endswith("__") or name in ("__setitem__", "__set__")
        named = dict(kwargs or {})
        written = [*args[:1], *named.values()] if writes else [named.get("out")]
        if any(isinstance(value, cls) for value in written):
            how = "set it, as in net.k = 0.2 (or freeze it: net.freeze('k'))"
            raise RuntimeError(f"this value of a parameter is computed from its bounds; {how}")
        with torch._C.DisableTorchFunctionSubclass():
            if args and isinstance(args[0], cls):
                args = (args[0].as_subclass(Tensor), *args[1:])
            found = function(*args, **named)
            alias = name in ("detach", "__get__") and isinstance(found, Tensor)
            return found.as_subclass(cls) if alias else found


class _Bounded(type):
    """The class of Models whose parameters are read through bounds: one for all of them, so that they stack.

    torch's parametrize, where it changes a Model's class, would change all; the properties here suit any.
    """

    def __setattr__(cls, name, value):
        if name not in _NAMES:
            super().__setattr__(name, value)

    def __delattr__(cls, name):
        if name not in _NAMES:
            super().__delattr__(name)


@functools.cache
def _bounded(cls):
    """A class of Models, with properties that read and set parameters through their bounds."""

    def own(name):
        return property(lambda net: net._read(name), lambda net, value: net._set(name, value))

    return _Bounded(f"Parametrized{cls.__name__}", (cls,), {name: own(name) for name in _NAMES})


def _real(value, like, name):
    """Numbers as a tensor of the dtype and on the device of `like`; tensors in lists keep their gradients.

    Raises ValueError for what holds no real numbers.
    """
    if isinstance(value, Tensor) and not value.is_complex():
        return value.to(like.device, like.dtype).resolve_neg()
    kind = getattr(value, "dtype", None)
    if "complex" in str(kind):
        parts = "take .real, or write real and imaginary parts as states or parameters of their own"
        raise ValueError(f"{name} must be real, not {kind}: {parts}")
    items = [_real(item, like, name) for item in value] if _holds_tensors(value) else None
    if getattr(kind, "kind", "?") in "biuf" and not _readable(value):
        value = value.tolist()
    try:
        if items is not None:
            return torch.stack(items)
        return torch.as_tensor(value, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        told = repr(value) if len(repr(value)) < 60 else f"this {type(value).__name__}"
        wanted = "a tensor, an array or lists of real numbers, with rows of one length"
        raise ValueError(f"{name} must be {wanted}, not {told}") from None


def _vector_of_times(value, like):
    """The times as `_real` has them. Raises ValueError where the dtype of `like` cannot tell them apart."""
    t = _real(value, like, "t")
    if t.dim() != 1:
        raise ValueError(f"t must be a vector of times, not of shape {tuple(t.shape)}")
    if len(t) == 0:
        raise ValueError("t holds no time")
    if t.dtype == torch.float64 or torch.compiler.is_compiling() or t.device.type == "meta":
        return t
    exact = _real(value, t.double(), "t").detach()
    gaps = exact.diff()
    lost = (t.detach().double().diff() - gaps).abs() > 0.1 * gaps.abs()
    if bool(lost.any()):
        k = int(lost.nonzero()[0])
        near = f"{exact[k].item()!r} and {exact[k + 1].item()!r}"
        advice = "take float64, or count the time from a start nearby"
        raise ValueError(f"{t.dtype} is too coarse for the times {near}: {advice}")
    return t


def _holds_tensors(value):
    """Whether a list, or a list in it, has tensors in it."""
    return isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) or _holds_tensors(v) for v in value)


def _readable(array):
    """Whether torch reads an array as it is: not one that runs backwards, or of foreign byte order."""
    return min(getattr(array, "strides", ()), default=0) >= 0 and getattr(array.dtype, "isnative", True)


def _check_batches(shapes):
    """Raise ValueError where batches do not fit, or (B,) meets (B, 1), which would make B x B of them."""
    _common_shape(*shapes.values())
    for name, shape in shapes.items():
        for other, longer in shapes.items():
            short = len(shape)
            if short < len(longer) and longer[:short] == shape and math.prod(shape) > 1:
                both = _common_shape(shape, longer)
                if both != longer:
                    met = f"{name} has the batch {tuple(shape)} and {other} {tuple(longer)}"
                    advice = f"give both one shape, or {(*[1] * (len(longer) - short), *shape)} for all pairs"
                    raise ValueError(f"{met}: they would make {tuple(both)} trajectories; {advice}")


_ATTRIBUTES = (
    "beta",
    "gamma",
    "lambda_",
    "N",
    "zeta",
    "type_",
    "class_",
    "torch",
    "math",
    "self",
    "forward_",
    "dt_",
    "du",
    "__class___",
    "training_",
    "None_",
)
_ATTRIBUTES = dict(zip(PARAMS, _ATTRIBUTES))
_NAMES = {attribute: name for name, attribute in _ATTRIBUTES.items()}
_ALIKE = ()
"""Attributes of parameters that bounds of one kind hold, so that they are read all at once."""
_INTERVALS = {
    "beta": (0.0, math.inf, "()"),
    "class": (0.0, 1.0, "()"),
}
"""The bounds of parameters in natural units, and whether the ends belong to them."""


def _check_inside(name, values):
    """Raise ValueError where values of a parameter are no finite numbers, or lie outside its bounds."""
    lower, upper, ends = _INTERVALS.get(name, (-math.inf, math.inf, "()"))
    above = values >= lower if ends[0] == "[" else values > lower
    below = values <= upper if ends[1] == "]" else values < upper
    inside = above & below & values.isfinite()
    if not bool(inside.all()):
        wrong, interval = values[~inside].flatten()[0].item(), f"{ends[0]}{lower:g}, {upper:g}{ends[1]}"
        raise ValueError(f"{name} = {wrong:g} lies outside its interval {interval}")


def _check_given(name, value, numbers):
    """Raise ValueError where a value that is given for a call, and its numbers, lie outside their bounds.

    A tensor is taken as it is: torch may follow it, or it may lie on a GPU, where a look means waiting.
    """
    lower, upper, _ = _INTERVALS[name]
    if isinstance(value, (int, float)) and lower < value < upper or isinstance(value, Tensor):
        return
    if not (_holds_tensors(value) or torch.compiler.is_compiling() or numbers.device.type == "meta"):
        _check_inside(name, numbers)


_OPTIONS = frozenset(
    """dt rtol atol first_step min_step max_step max_steps dense_output clip adjoint adjoint_rtol adjoint_atol
    checkpoints engine chunk dtype device""".split()
)


class _Kept:
    """What `status` tells of: the last call, without its states, which only the caller keeps alive."""

    call: Any = None


def _blank(cls, held):
    """A Model without its state; held: whether its parameters are read through bounds."""
    net = cls.__new__(cls)
    if held:
        net.__class__ = _bounded(cls)
    return net


class _Parameters(nn.Module):
    """A Model's parameters: read and set in natural units, frozen, copied, and saved with their bounds."""

    def __setattr__(self, name, value):
        raw = self._raw(name) if name in _NAMES else None
        if raw is not None and not (isinstance(value, nn.Parameter) and name in self._parameters):
            self._set(name, value)
        elif name in self.__dict__.get("_settings", ()):
            self._settle({**self._settings, name: value}, self._like.dtype)
        elif name in _OPTIONS and "_settings" in self.__dict__:
            how = "is set by net.to(…)" if name in ("dtype", "device") else "does not apply to this Model"
            raise AttributeError(f"{name} {how}")
        else:
            super().__setattr__(name, value)

    def _held(self):
        """By attribute, what holds the bounds of parameters."""
        return self.__dict__.get("_modules", {}).get("parametrizations", {})

    def _raw(self, attribute):
        """What an optimizer moves: a parameter, or what its bounds make it of; None before it is."""
        if attribute in self._held():
            return self._held()[attribute].original
        return self.__dict__.get("_parameters", {}).get(attribute)

    @property
    def _like(self):
        """A tensor of the module's dtype and on its device."""
        return self._raw("beta")

    def _set(self, attribute, value):
        """Set a parameter in natural units. Raises ValueError where it lies outside its bounds."""
        name, raw = _NAMES[attribute], self._raw(attribute)
        value = _real(value, raw, name).detach()
        if value.numel() != raw.numel():
            raise ValueError(f"{name} takes a value of shape {tuple(raw.shape)}, not {tuple(value.shape)}")
        _check_inside(name, value)
        held = self._held()
        with torch.no_grad():
            for transform in reversed(held[attribute]) if attribute in held else ():
                value = transform.right_inverse(value)
            raw.copy_(value.reshape(raw.shape))

    def freeze(self, *names):
        """Keep parameters, by default all, where they are: optimizers and gradients pass them over."""
        return self._require_gradients(names, False)

    def thaw(self, *names):
        """Let frozen parameters, by default all, move again."""
        return self._require_gradients(names, True)

    def _require_gradients(self, names, wanted):
        _check_names(names)
        for name in names or PARAMS:
            raw = self._raw(_ATTRIBUTES[name])
            raw.requires_grad_(wanted).grad = raw.grad if wanted else None
        return self

    def vector(self, params: Mapping[str, Any] | Tensor | None = None) -> Tensor:
        """The parameters in natural units: p (16,), or (*batch, 16) where `params` are batched."""
        return self._vector(params)

    def _vector(self, params):
        if params is None:
            return self._natural()
        if not hasattr(params, "items"):
            p = _real(params, self._like, "params")
            if p.dim() == 0 or p.shape[-1] != 16:
                wanted = "values by name, like dict(k=0.5), or (*batch, 16), a column for each of PARAMS"
                raise ValueError(f"params must be {wanted}, not of shape {tuple(p.shape)}")
            return p
        if not len(params):
            return self._natural()
        _check_names(params)
        own = {} if len(params) == len(PARAMS) else dict(zip(PARAMS, self._natural().unbind(-1)))
        like = own[PARAMS[0]] if own else self._like
        given = {name: _real(value, like, name) for name, value in params.items()}
        for name, value in params.items():
            if name in _INTERVALS:
                _check_given(name, value, given[name])
        _check_batches({f"params[{name!r}]": value.shape for name, value in given.items()})
        own.update(given)
        return _columns(*(own[name] for name in PARAMS))

    def _at(self, t):
        """The times t (T,) in the module's dtype. Raises ValueError where it cannot tell them apart."""
        return _vector_of_times(t, self._like)

    def _natural(self):
        """The module's own parameters in natural units (16,)."""
        if not PARAMS:
            return self._anchor[:0]
        if len(_ALIKE) == 1 and len(_ALIKE[0]) == len(PARAMS):
            return self._together(_ALIKE[0])
        own = {}
        for attributes in _ALIKE:
            own.update(zip(attributes, self._together(attributes).unbind(-1)))
        return _columns(*(own[name] if name in own else self._value(name) for name in _NAMES))

    def _together(self, attributes):
        """Parameters that bounds of one kind hold, in natural units (..., their number): all at once."""
        held = self._held()
        if any(name not in held or len(held[name]) != 1 for name in attributes):  # held otherwise
            return _columns(*(self._value(name) for name in attributes))
        return held[attributes[0]][0](_columns(*(held[name].original for name in attributes)))

    def _value(self, attribute):
        own = self._parameters.get(attribute)
        return self._held()[attribute]() if own is None else own

    def _read(self, attribute):
        """A parameter as one sees it: a _Value where bounds hold it, unless torch follows it."""
        if attribute not in self._held():
            if attribute not in self._parameters:
                raise AttributeError(attribute)
            return self._parameters[attribute]
        value = self._value(attribute)
        followed = torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(value)
        return value if followed else value.as_subclass(_Value)

    def __reduce_ex__(self, protocol):
        """Pickled and copied without the last call, and as one whose parameters bounds hold."""
        state = {**self.__dict__, "_kept": _Kept()}
        held = bool(self._held())
        return _blank, (parametrize.type_before_parametrizations(self), held), state

    def __deepcopy__(self, memo):
        make, arguments, state = self.__reduce_ex__(2)
        memo[id(self)] = net = make(*arguments)
        net.__setstate__(copy.deepcopy(state, memo))
        return net

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, unexpected, errors):
        """Load what was saved, in the same natural values where it was saved under other bounds."""
        for name, attribute in _ATTRIBUTES.items():
            own = self._held()[attribute][0] if attribute in self._held() else None
            try:
                _rebind(state_dict, prefix, name, own)
            except ValueError as error:
                key = attribute if own is None else f"parametrizations.{attribute}.original"
                state_dict[prefix + key] = self._raw(attribute).detach()  # which stays
                errors.append(str(error))
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, unexpected, errors)

    def _told(self, steps):
        """What a Model says of itself: how it steps, and a line for each of the first parameters."""
        kind = str(self._like.dtype).removeprefix("torch.")
        name = "clashes"
        lines = [f"Model of {name}: {steps}, engine {self.engine}, {kind}"]
        p = self._natural().detach()
        shown = p.tolist() if p.dim() == 1 and p.device.type != "meta" else [math.nan] * len(PARAMS)
        for name, value in list(zip(PARAMS, shown))[:20]:
            lower, upper, ends = _INTERVALS.get(name, (0, 0, ""))
            bounds = f" in {ends[0]}{lower:g}, {upper:g}{ends[1]}" if ends else ""
            frozen = "" if self._raw(_ATTRIBUTES[name]).requires_grad else " (frozen)"
            lines.append(f"  {name} = {value:.6g}{bounds}{frozen}")
        return "\n".join([*lines, f"  … ({len(PARAMS)} in all)"] if len(PARAMS) > 20 else lines)

    def _repr_html_(self):
        return f"<pre>{html.escape(repr(self))}</pre>"


def _check_names(names):
    """Raise ValueError for what is no parameter, with a guess at what was meant."""
    unknown = [name for name in names if name not in PARAMS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], PARAMS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the model has {', '.join(PARAMS) or 'none'}"
        raise ValueError(f"unknown parameter {unknown[0]!r}; {hint}")


def _rebind(state_dict, prefix, name, own):
    """Turn a parameter saved under other bounds into this Model's; own: what holds its bounds, or None.

    Raises ValueError where it lies outside these bounds. What was saved without its bounds stays as it is.
    """
    attribute = _ATTRIBUTES[name]
    free, held = f"{prefix}{attribute}", f"{prefix}parametrizations.{attribute}"
    raw, bounds = f"{held}.original", f"{held}.0._extra_state"
    saved = state_dict.get(bounds)
    wanted = None if own is None else own.get_extra_state()
    if free in state_dict and own is not None:
        value = state_dict[free]
    elif saved is not None and raw in state_dict and not (own and torch.equal(saved.cpu(), wanted)):
        value = _from_bounds(state_dict[raw], *saved.tolist())
    else:
        return
    if own is None or free in state_dict:
        for key in (free, raw, bounds):
            state_dict.pop(key, None)
    _check_inside(name, value)
    state_dict[free if own is None else raw] = value if own is None else own.right_inverse(value)


def _from_bounds(raw, kind, lower, upper):
    """The natural value of what an optimizer moves, by any bounds that a state_dict may hold."""
    above = nn.functional.softplus(raw, threshold=40)
    between = lower + (upper - lower) * torch.sigmoid(raw) if kind == 2 else raw
    return (lower + above, upper - above, between, torch.exp(raw), torch.pow(10, raw))[int(kind)]


def _simulate(t, x0, p, dt, control, clip):
    """The solution alone, where nothing will be differentiated."""
    with torch.no_grad():
        checkpoints = 1
        return _states(t, x0, p, dt, control, clip, checkpoints)[::2]


def _again(engine, x0, t, call):
    """The states of a call that nobody kept, for its status."""
    options = call.dt or 0.0, call.control, call.clip
    return _simulate(t, x0, call.p, *options)[0]


def _positive(value, what):
    """A positive number as a float. Raises ValueError."""
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if not number > 0:
        raise ValueError(f"{what} must be a positive number, not {value}")
    return number


def _slopes(t, x, p, clip):
    """dx/dt at each of the times t (T,) with the states x (T, *batch, 8) there."""
    return torch.stack([slope(time, state, p, clip) for time, state in zip(t, x)])


def _first_at(t):
    """For each of the times t (T,) the first that equals it, (T,); None where all differ or are not followed.

    No step lies between equal times, so the solver's gradient is that of the first of them.
    """
    compiling = torch.compiler.is_compiling()
    if not (t.requires_grad if compiling else _differentiable(t)):
        return None
    again = t[1:] == t[:-1]
    if not compiling and (torch._C._functorch.is_batchedtensor(again) or not bool(again.any())):
        return None
    numbers = torch.arange(len(t), device=t.device)
    return torch.cat((numbers[:1], torch.where(again, 0, numbers[1:]))).cummax(0).values


def _at_own_times(x, t, first, p, clip):
    """The states x (T, *batch, 8), each with its derivative by its own time, not the first equal one."""
    slopes = _slopes(t.detach(), x.detach(), p.detach(), clip)
    apart = (t - t[first]).reshape(-1, *[1] * (x.dim() - 1))
    return x + apart * torch.nan_to_num(slopes.detach(), 0.0, 0.0, 0.0)


class Model(_Parameters):
    """clashes: x = Model()(t) gives the states (T, *batch, 8) at the times t (T,).

    Parameters (natural units; the bounds are held by parametrizations):

        beta = 0.5 in (0, inf)
        gamma = 0.25
        lambda_ = 0.1  the parameter `lambda`
        N = 10.0
        zeta = 0.3
        type_ = 0.2  the parameter `type`
        class_ = 0.7 in (0, 1)  the parameter `class`
        torch = 1.5
        math = 0.2
        self = 0.3
        forward_ = 0.4  the parameter `forward`
        dt_ = 0.5  the parameter `dt`
        du = 0.6
        __class___ = 0.1  the parameter `__class__`
        training_ = 0.35  the parameter `training`
        None_ = 0.2  the parameter `None`

    rtol, atol: adaptive steps, each with a local error within atol + rtol·|x|; atol is a number, or one for
    each state. Where no dt is given, they default to 1e-06 and ATOL.
    first_step (default: chosen), min_step, max_step, max_steps: of adaptive steps.
    dense_output: adaptive steps do not end on every output time; within a step the states are the method's
    own polynomial, of order 4. Much faster where there are more times than steps.
    dt: fixed steps instead, the longest between output times.
    clip: a bound on |dx/dt|, off by default.
    adjoint: "discrete" (the exact gradient of the numbers computed), "continuous" (the adjoint ODE solved
    backwards: approximate, at the memory of the output times and of the steps between two of them),
    "autograd" (torch's own tape, twice differentiable) or "none".
    adjoint_rtol, adjoint_atol: of adjoint="continuous" with adaptive steps, by default rtol and atol. Each
    step back has a local error within adjoint_rtol·|w| + adjoint_atol·(the trajectory's largest cotangent).
    checkpoints: how many states the discrete adjoint keeps (None: one per step; a number, or "sqrt"); the
    fewer, the less memory, for at most one further forward pass (with fixed steps).
    """

    def __init__(
        self,
        *,
        dt: float | None = None,
        rtol: float | None = None,
        atol: float | Sequence[float] | None = None,
        first_step: float | None = None,
        min_step: float = 0.0,
        max_step: float = math.inf,
        max_steps: int = 100_000,
        dense_output: bool = False,
        clip: float | None = None,
        adjoint: str = "discrete",
        adjoint_rtol: float | None = None,
        adjoint_atol: float | Sequence[float] | None = None,
        checkpoints: int | str | None = None,
        engine: str = "auto",
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
        params: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ValueError(f"dtype must be torch.float64, torch.float32 or the like, not {dtype!r}")
        self._kept = _Kept()
        settings = {
            "dt": dt,
            "rtol": rtol,
            "atol": atol,
            "first_step": first_step,
            "min_step": min_step,
            "max_step": max_step,
            "max_steps": max_steps,
            "dense_output": dense_output,
            "clip": clip,
            "adjoint": adjoint,
            "adjoint_rtol": adjoint_rtol,
            "adjoint_atol": adjoint_atol,
            "checkpoints": checkpoints,
            "engine": engine,
        }
        self._settle(settings, dtype)

        def parameter(value):
            return nn.Parameter(torch.tensor(value, dtype=dtype, device=device))

        self.beta = parameter(0.5)
        self.gamma = parameter(0.25)
        self.lambda_ = parameter(0.1)
        self.N = parameter(10.0)
        self.zeta = parameter(0.3)
        self.type_ = parameter(0.2)
        self.class_ = parameter(0.7)
        self.torch = parameter(1.5)
        self.math = parameter(0.2)
        self.self = parameter(0.3)
        self.forward_ = parameter(0.4)
        self.dt_ = parameter(0.5)
        self.du = parameter(0.6)
        self.__class___ = parameter(0.1)
        self.training_ = parameter(0.35)
        self.None_ = parameter(0.2)
        parametrize.register_parametrization(self, "beta", Above(0.0))
        parametrize.register_parametrization(self, "class_", Between(0.0, 1.0))
        self.__class__ = _bounded(parametrize.type_before_parametrizations(self))
        _check_names(params or ())
        for name, value in (params or {}).items():
            self._set(_ATTRIBUTES[name], value)

    def _settle(self, settings, dtype):
        """Take the settings of steps, adjoint and engine. Raises ValueError where they do not fit."""
        adjoint, checkpoints, engine = (settings[name] for name in ("adjoint", "checkpoints", "engine"))
        dt, clip = settings["dt"], settings["clip"]
        clip = None if clip is None else _positive(clip, "clip, the bound on |dx/dt|,")
        names = "dt rtol atol first_step min_step max_step max_steps dense_output".split()
        dt, control = _pace(*(settings[name] for name in names), dtype)
        found = {"dt": dt, "clip": clip}
        if adjoint not in ("discrete", "continuous", "autograd", "none"):
            raise ValueError(f"adjoint is discrete, continuous, autograd or none, not {adjoint!r}")
        own = settings["adjoint_rtol"], settings["adjoint_atol"]
        control += _adjoint_tolerances(control, adjoint, *own, dtype)
        if not (checkpoints in (None, "sqrt") or (isinstance(checkpoints, int) and checkpoints > 0)):
            raise ValueError(f'checkpoints is None, "sqrt" or a positive whole number, not {checkpoints!r}')
        if checkpoints is not None and control:
            raise ValueError("checkpoints are of fixed steps (give dt): an adaptive run keeps every step")
        found["control"] = control
        if engine not in ("auto", "torch"):
            raise ValueError(f"this module holds the torch engine; {engine!r} is not in it")
        found["engine"] = "torch"
        self.__dict__.update({**settings, **found, "_settings": settings})

    def __repr__(self):
        if not self.control:
            return self._told(f"dopri5, dt {self.dt:g}")
        rtol, *atol = self.control[5:14]
        several = f"{min(atol):g} to {max(atol):g}" if min(atol) < max(atol) else f"{atol[0]:g}"
        return self._told(f"dopri5, rtol {rtol:g}, atol {several}")

    def forward(
        self,
        t: Tensor,
        x0: Tensor | None = None,
        params: Mapping[str, Any] | Tensor | None = None,
    ) -> Tensor:
        """The states at the times t (T,): x (T, *batch, 8), x[0] at t[0].

        x0 (*batch, 8): the states at t[0] (default: the model's init). params: values by name in natural
        units, scalars or (*batch,), in place of the module's own; or all of them, (*batch, 16).
        Numbers and arrays by name are held to the bounds; tensors are taken as they are.

        Raises ValueError for arguments that do not fit.
        """
        if not isinstance(self, Model):
            raise RuntimeError("this Model was made before its module was loaded again: make it anew")
        p = self._vector(params)
        t = _vector_of_times(t, p)
        if x0 is None:
            x0 = initial(t[0], p)
        x0 = _real(x0, p, "x0")
        if x0.dim() == 0 or x0.shape[-1] != 8:
            raise ValueError(f"x0 must be (*batch, 8), a column for each of STATES, not {tuple(x0.shape)}")
        shapes = {"x0": x0.shape[:-1], "params": p.shape[:-1]}
        _check_batches(shapes)
        batch = _common_shape(*shapes.values())
        x0 = x0 if x0.shape[:-1] == batch else x0.expand(*batch, 8)
        first = _first_at(t) if self.control else None
        x, report = self._solve(t if first is None else t[first], x0, p)
        if first is not None:
            x = _at_own_times(x, t, first, p, self.clip)
        self._record(t, x, report, x0, p, batch)
        return x

    def _record(self, t, x, report, x0, p, batch):
        """Keep what `status` needs; nothing of a call that torch.compile or torch.func traces."""
        if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x):
            self._kept.call = None
            return
        retake = Retake(p.detach(), self.dt, self.control, self.clip, batch)
        self._kept.call = (weakref.ref(x), self.engine, x0.detach(), t.detach(), retake, report.detach())

    def _solve(self, t, x0, p):
        if self.adjoint == "autograd":
            if self.control:
                return solve_plain_adaptive(t, x0, p, self.control, self.clip)
            return solve_plain(t, x0, p, self.dt, self.clip), x0.new_zeros((*x0.shape[:-1], 0))
        options = (self.dt or 0.0, self.control, self.clip)
        compiling = torch.compiler.is_compiling()
        recorded = compiling or _differentiable(t, x0, p)
        if self.adjoint == "none" or not recorded:
            return _simulate(t, x0, p, *options)
        checkpoints = 1 if compiling else {None: _ALL, "sqrt": _SQRT}.get(self.checkpoints, self.checkpoints)
        if self.adjoint == "continuous":
            checkpoints = _CONTINUOUS
        apply = _apply_solve if compiling or _transformed() else _PlainSolve.apply
        found = apply(t, x0, p, *options, checkpoints, compiling)
        return found[::2]

    def observe(
        self,
        t: Tensor,
        x: Tensor,
        params: Mapping[str, Any] | Tensor | None = None,
    ) -> Tensor:
        """The observables (T, *batch, 2) of the states x (T, *batch, 8) at the times t (T,)."""
        p = self._vector(params)
        t, x = _real(t, p, "t"), _real(x, p, "x")
        if t.dim() != 1 or x.dim() < 2 or (len(x), x.shape[-1]) != (len(t), 8):
            shapes = f"{tuple(t.shape)} and {tuple(x.shape)}"
            raise ValueError(f"observe needs times t (T,) and states x (T, *batch, 8), not {shapes}")
        _check_batches({"x": x.shape[1:-1], "params": p.shape[:-1]})
        return _observables(t.reshape(-1, *[1] * (x.dim() - 2)), x, p).contiguous()

    @property
    def rtol(self) -> float | None:
        """The relative tolerance of the steps; None where they are fixed."""
        return self.control[5] if self.control else None

    @property
    def atol(self) -> tuple[float, ...] | None:
        """The absolute tolerance of each of STATES; None where the steps are fixed."""
        return self.control[6:14] if self.control else None

    @property
    def status(self) -> Status | None:
        """What happened to each trajectory of the last call; None where it was compiled or transformed."""
        if self._kept.call is None:
            return None
        states, engine, x0, *rest = self._kept.call
        x = states()
        return Status(rest[0], _again(engine, x0, *rest[:2]) if x is None else x.detach(), *rest[1:])


__all__ = [
    name
    for name, value in list(globals().items())
    if not name.startswith("_") and not isinstance(value, type(sys))
    if getattr(value, "__module__", __name__) == __name__
]


def __dir__():
    return sorted(__all__)
