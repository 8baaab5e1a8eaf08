"""clashes: the equations of clashes.ode as a PyTorch module.

Names that mean something else in Python, torch or the generated module

Written by odec 0.1.0 from clashes.ode (sha256 8ac0d21d4de2e438).
Method: dopri5, order 5, 6 stages, adaptive or of fixed step (Dormand & Prince, J. Comput. Appl. Math. 6
(1980) 19–26).
Engine: torch. Needs odec.runtime; edit the model, not this file.

Renamed, as the name means something else in Python or here: None -> None_, __class__ -> __class___, class ->
class_, dt -> dt_, du -> du_, lambda -> lambda_, len -> len_, math -> math_, nn -> nn_, p -> p_, rhs -> rhs_,
torch -> torch_, u -> u_, w -> w_.
"""

from __future__ import annotations

from torch import Tensor

from odec import runtime as rt

rt.needs(interface=1)

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

nn_ = 2.0  # clashes.ode:19
len_ = 0.1  # clashes.ode:20
rhs_ = 0.05  # clashes.ode:21


def rhs(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
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
    return rt.columns(dS_dt, dI_dt, dE_dt, dQ_dt, dx_dt, dp_dt, dw_dt, du_dt)


def rhs_vjp(t: rt.Time, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    """Products of a cotangent w (..., 8) with the derivatives of rhs by t, x, p, each shaped as that."""
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
        rt.columns(g_S, g_I, g_E, g_Q, g_x, g_p, g_w, g_u),
        rt.columns(
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


def rhs_jvp(t: rt.Time, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
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
    return rt.columns(d_dS_dt, d_dI_dt, d_dE_dt, d_dQ_dt, d_dx_dt, d_dp_dt, d_dw_dt, d_du_dt)


def jacobian(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """∂f/∂x (..., 8, 8); row i holds the derivatives of the i-th state's equation."""
    _shape = x.shape
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
    _entries = rt.columns(
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
    return rt.scattered(
        _entries,
        (0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7),
        (0, 1, 1, 2, 0, 1, 2, 1, 3, 4, 5, 5, 6, 6, 7, 7),
        _shape)
    # fmt: on


def initial(t: rt.Time, p: Tensor) -> Tensor:
    """The states at the first time: p (..., 16). Returns (..., 8)."""
    S = p.new_full((), 9)  # clashes.ode:22
    I = p.new_full((), 1)  # clashes.ode:23
    E = p.new_full((), 0.5)  # clashes.ode:24
    Q = p.new_full((), 0.1)  # clashes.ode:25
    x = p.new_full((), 0.3)  # clashes.ode:26
    p_ = p.new_full((), 0.2)  # clashes.ode:27
    w_ = p.new_full((), 0.1)  # clashes.ode:28
    u_ = p.new_full((), 0.4)  # clashes.ode:29
    return rt.columns(S, I, E, Q, x, p_, w_, u_)


def observables(t: rt.Time, x: Tensor, p: Tensor) -> Tensor:
    """What is measured: x (..., 8). Returns (..., 2)."""
    S, I, E, _, x, p_, w_, u_ = x.unbind(-1)
    Tensor = S + I + E  # clashes.ode:39
    h = x * p_ * w_ * u_  # clashes.ode:40
    return rt.columns(Tensor, h)


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
    """One dopri5 step: the states at t + h from the states x (..., 8) at t."""
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
    """The states within a step, x(t + θ h) = x + Σ_j θ^j q_j: q (4, ..., 8)."""
    return h * rt.weighted_rows(WITHIN.weights, stages)


COMPILED = rt.Compiled(
    name="clashes",
    digest="8ac0d21d4de2e438",
    states=STATES,
    params=(
        rt.Param("beta", 0.5, lower=0, via="softplus"),
        rt.Param("gamma", 0.25),
        rt.Param("lambda", 0.1, attribute="lambda_"),
        rt.Param("N", 10),
        rt.Param("zeta", 0.3),
        rt.Param("type", 0.2, attribute="type_"),
        rt.Param("class", 0.7, lower=0, upper=1, via="logit", attribute="class_"),
        rt.Param("torch", 1.5),
        rt.Param("math", 0.2),
        rt.Param("self", 0.3),
        rt.Param("forward", 0.4, attribute="forward_"),
        rt.Param("dt", 0.5, attribute="dt_"),
        rt.Param("du", 0.6),
        rt.Param("__class__", 0.1, attribute="__class___"),
        rt.Param("training", 0.35, attribute="training_"),
        rt.Param("None", 0.2, attribute="None_"),
    ),
    observables=OBSERVABLES,
    equations=rt.Equations(rhs, rhs_vjp, rhs_jvp, jacobian, initial, observables),
    method=METHOD,
    cell=rt.Cell(step, step_vjp, step_jvp, step_stages, step_interpolant),
    defaults=rt.Defaults(
        atol=(
            1e-09,
            1e-09,
            5e-10,
            1.0000000000000002e-10,
            3e-10,
            2.0000000000000003e-10,
            1.0000000000000002e-10,
            4.0000000000000007e-10,
        ),
    ),
    span=rt.Span(0.0, 2.0, step=0.1),
)


class Model(rt.Model):
    """clashes: x = Model()(t) gives the states (T, *batch, 8) at the times t (T,)."""

    compiled = COMPILED


class StepCell(rt.StepCell):
    compiled = COMPILED


__all__, __dir__ = rt.public(globals())
