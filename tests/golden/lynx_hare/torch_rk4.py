"""lynx_hare: the equations of lynx_hare.ode as a PyTorch module.

Lynx and snowshoe hare in Canada, 1900-1920. The predator-prey equations of Lotka and Volterra, in thousands
of pelts bought by the Hudson's Bay Company.

Written by odec 0.1.0 from lynx_hare.ode (sha256 6214c5d7ebe9bbaa).
Method: rk4, order 4, 4 stages (Kutta 1901; Hairer, Nørsett & Wanner I, table II.1.2).
Engine: torch. Needs torch and nothing else; edit the model and compile it again rather than this file.
"""

from __future__ import annotations

import copy
import difflib
import functools
import html
import itertools
import math
import sys
import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

STATES = ("hare", "lynx")
PARAMS = ("alpha", "beta", "gamma", "delta", "hare0", "lynx0")
OBSERVABLES = ()
INPUTS = ()
METHOD = "rk4"


def rhs(t, x, p):
    """dx/dt of the states at time t: x (..., 2), p (..., 6). Returns (..., 2)."""
    alpha, beta, gamma, delta, _, _ = p.unbind(-1)
    hare, lynx = x.unbind(-1)
    dhare_dt = alpha * hare - beta * hare * lynx  # lynx_hare.ode:16
    dlynx_dt = delta * hare * lynx - gamma * lynx  # lynx_hare.ode:17
    return _columns(dhare_dt, dlynx_dt)


def rhs_vjp(t, x, p, w):
    """Products of a cotangent w (..., 2) with the derivatives of rhs.

    Returns w·∂f/∂t (...,), w·∂f/∂x (..., 2), w·∂f/∂p (..., 6).
    """
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
        _columns(g_hare, g_lynx),
        _columns(g_alpha, g_beta, g_gamma, g_delta, x.new_full((), 0), x.new_full((), 0)),
    )


def rhs_jvp(t, x, p, dt, dx, dp):
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
    return _columns(d_dhare_dt, d_dlynx_dt)


def jacobian(t, x, p):
    """∂f/∂x (..., 2, 2); row i holds the derivatives of the i-th state's equation."""
    _zeros = x.new_zeros((*x.shape[:-1], 4))
    alpha, beta, gamma, delta, _, _ = p.unbind(-1)
    hare, lynx = x.unbind(-1)
    j_hare_hare = alpha - beta * lynx
    j_hare_lynx = -beta * hare
    j_lynx_hare = delta * lynx
    j_lynx_lynx = delta * hare - gamma
    _entries = _columns(j_hare_hare, j_hare_lynx, j_lynx_hare, j_lynx_lynx)
    _places = torch.tensor([0, 1, 2, 3], device=_entries.device)
    _entries = _entries.expand(*_common_shape(_entries.shape[:-1], _zeros.shape[:-1]), 4)
    _zeros = _zeros.expand(*_entries.shape[:-1], 4)
    return _zeros.index_add(-1, _places, _entries).unflatten(-1, (2, 2))


def initial(t, p):
    """The states at the first time: p (..., 6). Returns (..., 2)."""
    _, _, _, _, hare0, lynx0 = p.unbind(-1)
    hare = hare0  # lynx_hare.ode:13
    lynx = lynx0  # lynx_hare.ode:14
    return _columns(hare, lynx)


def initial_vjp(t, p, w):
    """Products of a cotangent w (..., 2) with the derivatives of initial, by t (...,) and by p (..., 6)."""
    w_hare, w_lynx = w.unbind(-1)
    return (
        w.new_full(w.shape[:-1], 0),
        _columns(p.new_full((), 0), p.new_full((), 0), p.new_full((), 0), p.new_full((), 0), w_hare, w_lynx),
    )


def initial_jvp(t, p, dt, dp):
    """The tangent (..., 2) of initial from those of its arguments, shaped as their values."""
    _, _, _, _, d_hare0, d_lynx0 = dp.unbind(-1)
    return _columns(d_hare0, d_lynx0)


def observables(t, x, p):
    """What is measured: x (..., 2). Returns (..., 0)."""
    return x.new_zeros((*x.shape[:-1], 0))


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
    """One rk4 step: the states at t + h from the states x (..., 2) at t."""
    k1 = slope(t, x, p, clip)
    k2 = slope(t + h / 2, x + h / 2 * k1, p, clip)
    k3 = slope(t + h / 2, x + h / 2 * k2, p, clip)
    k4 = slope(t + h, x + h * k3, p, clip)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def step_vjp(x, t, h, p, w, clip=None, wrt_times=False):
    """The adjoint of one step: from the cotangent w of the states at t + h to those of what went in.

    Returns the cotangents of x, p, t and h (the last two None unless wrt_times).
    """
    k1 = slope(t, x, p, clip)
    y2 = x + h / 2 * k1
    k2 = slope(t + h / 2, y2, p, clip)
    y3 = x + h / 2 * k2
    k3 = slope(t + h / 2, y3, p, clip)
    y4 = x + h * k3
    w4 = h / 6 * w
    t4, v4, p4 = slope_vjp(t + h, y4, p, clip, w4)
    w3 = h / 3 * (w + 3 * v4)
    t3, v3, p3 = slope_vjp(t + h / 2, y3, p, clip, w3)
    w2 = h / 6 * (2 * w + 3 * v3)
    t2, v2, p2 = slope_vjp(t + h / 2, y2, p, clip, w2)
    w1 = h / 6 * (w + 3 * v2)
    t1, v1, p1 = slope_vjp(t, x, p, clip, w1)
    g_x = w + v1 + v2 + v3 + v4
    g_p = _sum_to(p1, p.shape) + _sum_to(p2, p.shape) + _sum_to(p3, p.shape) + _sum_to(p4, p.shape)
    if not wrt_times:
        return g_x, g_p, None, None
    k4 = slope(t + h, y4, p, clip)
    g_t = t1 + t2 + t3 + t4
    g_h = (
        _dot(w, 1 / 6 * k1 + 1 / 3 * k2 + 1 / 3 * k3 + 1 / 6 * k4)
        + _dot(v2, 1 / 2 * k1)
        + 1 / 2 * t2
        + _dot(v3, 1 / 2 * k2)
        + 1 / 2 * t3
        + _dot(v4, k3)
        + t4
    )
    return g_x, g_p, g_t, g_h


def step_jvp(x, t, h, p, dx, dt, dh, dp, clip=None):
    """One step and its tangent, for tangents of x, t, h (both (..., 1)), p."""
    k1 = slope(t, x, p, clip)
    dk1 = slope_jvp(t, x, p, clip, dt, dx, dp)
    y2 = x + h / 2 * k1
    dy2 = dx + h / 2 * dk1 + dh * (1 / 2 * k1)
    k2 = slope(t + h / 2, y2, p, clip)
    dk2 = slope_jvp(t + h / 2, y2, p, clip, dt + 1 / 2 * dh, dy2, dp)
    y3 = x + h / 2 * k2
    dy3 = dx + h / 2 * dk2 + dh * (1 / 2 * k2)
    k3 = slope(t + h / 2, y3, p, clip)
    dk3 = slope_jvp(t + h / 2, y3, p, clip, dt + 1 / 2 * dh, dy3, dp)
    y4 = x + h * k3
    dy4 = dx + h * dk3 + dh * k3
    k4 = slope(t + h, y4, p, clip)
    dk4 = slope_jvp(t + h, y4, p, clip, dt + dh, dy4, dp)
    x_next = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    dx_next = (
        dx
        + h / 6 * (dk1 + 2 * dk2 + 2 * dk3 + dk4)
        + dh * (1 / 6 * k1 + 1 / 3 * k2 + 1 / 3 * k3 + 1 / 6 * k4)
    )
    return x_next, dx_next


def step_back(x, w, t, h, p, clip=None):
    """One step of the adjoint ODE dw/dt = -f_xᵀ w beside dx/dt = f; h is negative. Chen et al., NeurIPS 2018.

    Returns x and w at t + h and the quadrature of f_pᵀ w.
    """
    k1 = slope(t, x, p, clip)
    _, l1, p1 = slope_vjp(t, x, p, clip, -w)
    y2 = x + h / 2 * k1
    z2 = w + h / 2 * l1
    k2 = slope(t + h / 2, y2, p, clip)
    _, l2, p2 = slope_vjp(t + h / 2, y2, p, clip, -z2)
    y3 = x + h / 2 * k2
    z3 = w + h / 2 * l2
    k3 = slope(t + h / 2, y3, p, clip)
    _, l3, p3 = slope_vjp(t + h / 2, y3, p, clip, -z3)
    y4 = x + h * k3
    z4 = w + h * l3
    k4 = slope(t + h, y4, p, clip)
    _, l4, p4 = slope_vjp(t + h, y4, p, clip, -z4)
    x_next = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    w_next = w + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
    g_p = h / 6 * (p1 + 2 * p2 + 2 * p3 + p4)
    return x_next, w_next, g_p


def _dot(a, b):
    return (a * b).sum(-1)


class StepCell(nn.Module):
    """One rk4 step as a recurrent cell: x_next = cell(x, t, dt, p).

    x (..., 2), p (..., 6). Returns (..., 2).
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

    x0 (*batch, 2), p (..., 6) that broadcasts with it. Returns (T, *batch, 2) and (kept, *batch, 2).
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

    w_xs (T, *batch, 2) are the cotangents of the states. Steps are taken again from the kept states, then
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


_ALL, _SQRT, _CONTINUOUS = 0, -1, -2
"""What `checkpoints` means where it is no number of states to keep: every state, √steps, none at all."""

_ONCE = 'this derivative cannot be differentiated again; use Model(adjoint="autograd")'


class _Solve(torch.autograd.Function):
    """solve with its derivatives: backwards by the adjoint, forwards by the tangent, batched under vmap."""

    @staticmethod
    def forward(t, x0, p, dt, clip, checkpoints, compiling):
        operator = _solve_operator if compiling else solve
        keep = 1 if checkpoints == _CONTINUOUS else checkpoints
        return operator(t, x0, p, dt, clip, keep)

    @staticmethod
    def setup_context(ctx, inputs, output):
        t, x0, p, ctx.dt, ctx.clip, ctx.checkpoints, ctx.compiling = inputs
        xs, kept = output
        ctx.mark_non_differentiable(kept)
        ctx.save_for_backward(t, xs, kept, p)
        ctx.save_for_forward(t, x0, p)

    @staticmethod
    def backward(ctx, w_xs, _):
        t, xs, kept, p = ctx.saved_tensors
        options = (ctx.dt, ctx.clip, ctx.checkpoints, ctx.needs_input_grad[0])
        if not ctx.compiling and _mapped(w_xs):
            found = _over_batches(_Adjoint.apply, t, xs, kept, p, w_xs, *options, False)
        elif ctx.compiling or torch.is_grad_enabled() or _transformed():
            found = _Adjoint.apply(t, xs, kept, p, w_xs, *options, ctx.compiling)
        else:
            found = _adjoint(t, xs, kept, p, w_xs, *options)
        g_t, g_x0, g_p = found
        g_t = g_t.sum(list(range(1, g_t.dim()))) if g_t.dim() > 1 else g_t
        return g_t, g_x0, g_p, None, None, None, None

    @staticmethod
    def jvp(ctx, d_t, d_x0, d_p, _dt, _clip, _checkpoints, _compiling):
        t, x0, p = ctx.saved_tensors
        d_t, d_x0, d_p = (_or_zeros(*pair) for pair in ((d_t, t), (d_x0, x0), (d_p, p)))
        options = (ctx.dt, ctx.clip)
        given = (t, x0, p, d_t, d_x0, d_p, *options)
        mapped = any(map(_mapped, given))
        tangent = _over_batches(_Tangent.apply, *given)[0] if mapped else _Tangent.apply(*given)
        return tangent, None

    @staticmethod
    def vmap(info, in_dims, t, x0, p, dt, clip, checkpoints, compiling):
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0 = _to_front(x0, in_dims[1], size)
        p = _into_batch(p, in_dims[2], batch, 1, size)
        return _Solve.apply(t, x0, p, dt, clip, checkpoints, compiling), (1, 1)


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
    def forward(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times, compiling):
        options = (dt, clip, checkpoints, wrt_times)
        if compiling:
            return tuple(_adjoint_operator(t, xs, kept, p, w_xs, *options))
        return _adjoint(t, xs, kept, p, w_xs, *options)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.compiling = inputs[9]
        if ctx.compiling:
            ctx.save_for_backward(*inputs[:5])

    @staticmethod
    def backward(ctx, *cotangents):
        if not ctx.compiling:
            raise RuntimeError(_ONCE)
        refused = [_refuse_operator(value, list(cotangents)) for value in ctx.saved_tensors]
        return *refused[:5], None, None, None, None, None

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
    def forward(t, x0, p, d_t, d_x0, d_p, dt, clip):
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
    def vmap(info, in_dims, t, x0, p, d_t, d_x0, d_p, dt, clip):
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0, d_x0 = _to_front(x0, in_dims[1], size), _to_front(d_x0, in_dims[4], size)
        p, d_p = (_into_batch(v, d, batch, 1, size) for v, d in ((p, in_dims[2]), (d_p, in_dims[5])))
        if in_dims[3] is not None:
            d_t = d_t.movedim(in_dims[3], 1)
            d_t = d_t.reshape(*d_t.shape[:2], *[1] * (batch - d_t.dim() + 2), *d_t.shape[2:])
        return _Tangent.apply(t, x0, p, d_t, d_x0, d_p, dt, clip), 1


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


def _adjoint_of(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times):
    if checkpoints == _CONTINUOUS:
        return solve_vjp_continuous(t, xs, p, w_xs, dt, clip, wrt_times)
    return solve_vjp(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times)


def _free_namespace(name):
    """A free namespace of torch.ops: a module loaded again must not replace operators that are in use."""
    numbered = (f"{name}_{n}" for n in itertools.count(1))
    return next(found for found in numbered if not hasattr(getattr(torch.ops, found), "solve"))


_OPERATORS = _free_namespace("odec_0_1_0_6214c5d7ebe9_rk4")


@torch.library.custom_op(f"{_OPERATORS}::solve", mutates_args=())
def _solve_operator(
    t: Tensor,
    x0: Tensor,
    p: Tensor,
    dt: float,
    clip: float | None,
    checkpoints: int,
) -> tuple[Tensor, Tensor]:
    """solve as one opaque operator, for torch.compile."""
    return solve(t, x0, p, dt, clip, checkpoints)


@_solve_operator.register_fake
def _(t, x0, p, dt, clip, checkpoints):
    return _outputs(len(t), x0), _empty(1, x0)


@torch.library.custom_op(f"{_OPERATORS}::adjoint", mutates_args=())
def _adjoint_operator(
    t: Tensor,
    xs: Tensor,
    kept: Tensor,
    p: Tensor,
    w_xs: Tensor,
    dt: float,
    clip: float | None,
    checkpoints: int,
    wrt_times: bool,
) -> list[Tensor]:
    """_adjoint as one opaque operator, for torch.compile."""
    gradients = _adjoint(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times)
    return [gradient.clone(memory_format=torch.contiguous_format) for gradient in gradients]


@_adjoint_operator.register_fake
def _(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times):
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


_initial = _differentiated(initial, initial_vjp, initial_jvp)


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
        torch.compiler.allow_in_graph([_apply_solve, _initial])


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

    def __init__(self, batch, state, time, at_start, cause):
        self.batch, self.state, self.time, self.at_start, self.cause = batch, state, time, at_start, cause
        self.of_slope = False

    def __str__(self):
        reason, advice = self._words()
        return "; ".join(words for words in (reason, self.cause or advice) if words)

    def _words(self):
        """What happened, and what to do where no parameter is the cause."""
        where = f" of trajectory {self.batch}" if self.batch else ""
        if self.of_slope:
            reason = f"the derivative of state {self.state}{where} is not finite at the start"
            advice = "look for a division by zero or the like in its equation"
            return f"{reason}, t = {self.time:.6g}", advice
        if self.at_start:
            return f"state {self.state}{where} is not finite at the start, t = {self.time:.6g}", ""
        reason = f"state {self.state}{where} left the finite numbers in the step to t = {self.time:.6g}"
        advice = (
            "try a smaller dt, a method that follows a tolerance (auto; rodas5p where the problem is stiff), "
            "other parameters or, in a fit, the clip option"
        )
        return reason, advice


class Status:
    """What happened in a call, per trajectory: `ok` (*batch) bool, `steps` (the number that each took).

    `failures` lists those that left the finite numbers; str() says it in sentences.
    """

    def __init__(self, t, xs, retake):
        self.ok = torch.isfinite(xs).flatten(-1).all(-1).all(0)
        self._t, self._xs, self._retake = t, xs, retake
        self.steps = sum(count for _, _, count in mesh(t, retake.dt)) if len(t) else 0

    @property
    def failures(self):
        """The first failing step of each trajectory, found by taking its steps again."""
        return [self._failure(tuple(index.tolist())) for index in torch.nonzero(~self.ok)]

    def __str__(self):
        failed = int((~self.ok).sum())
        if not failed:
            return f"ok: {self.steps} steps"
        shown = [str(self._failure(tuple(index.tolist()))) for index in torch.nonzero(~self.ok)[:3]]
        rest = [f"and {failed - len(shown)} more"] if failed > len(shown) else []
        several = self.ok.numel() > 1
        what = f"{failed} of {self.ok.numel()} trajectories failed" if several else "the run failed"
        return f"{what}: " + "; ".join(shown + rest)

    def _failure(self, batch):
        cause = self._retake.cause(batch)
        xs = self._xs[(slice(None), *batch)]
        bad = int(torch.nonzero(~torch.isfinite(xs).all(-1))[0, 0])
        state, time = _first_bad(xs[bad]), float(self._t[bad])
        steep = self._retake.steep(self._t[0], xs[0], batch) if bad > 0 and not cause else None
        if steep is not None:
            found = Failure(batch, STATES[steep], float(self._t[0]), True, cause)
            found.of_slope = True
            return found
        if bad > 0:
            found = self._retake.locate(self._t[bad - 1 : bad + 1], xs[bad - 1], batch)
            state, time = found or (state, time)
        return Failure(batch, STATES[state], time, bad == 0, cause)


class Retake:
    """The arguments of a call, to take the steps of one trajectory again."""

    def __init__(self, p, dt, clip, batch):
        self.p, self.dt, self.clip, self.batch = p, dt, clip, batch

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


def _first_bad(x):
    return int(torch.nonzero(~torch.isfinite(x))[0, 0])


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


_ATTRIBUTES = PARAMS
_ATTRIBUTES = dict(zip(PARAMS, _ATTRIBUTES))
_NAMES = {attribute: name for name, attribute in _ATTRIBUTES.items()}
_ALIKE = (("alpha", "beta", "gamma", "delta", "hare0", "lynx0"),)
"""Attributes of parameters that bounds of one kind hold, so that they are read all at once."""
_INTERVALS = {
    "alpha": (0.0, math.inf, "()"),
    "beta": (0.0, math.inf, "()"),
    "gamma": (0.0, math.inf, "()"),
    "delta": (0.0, math.inf, "()"),
    "hare0": (0.0, math.inf, "()"),
    "lynx0": (0.0, math.inf, "()"),
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
        return self._raw("alpha")

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
        """The parameters in natural units: p (6,), or (*batch, 6) where `params` are batched."""
        return self._vector(params)

    def _vector(self, params):
        if params is None:
            return self._natural()
        if not hasattr(params, "items"):
            p = _real(params, self._like, "params")
            if p.dim() == 0 or p.shape[-1] != 6:
                wanted = "values by name, like dict(k=0.5), or (*batch, 6), a column for each of PARAMS"
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
        """The module's own parameters in natural units (6,)."""
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
        name = "lynx_hare"
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


def _simulate(t, x0, p, dt, clip):
    """The solution alone, where nothing will be differentiated."""
    with torch.no_grad():
        return solve(t, x0, p, dt, clip, 1)[0]


def _again(engine, x0, t, call):
    """The states of a call that nobody kept, for its status."""
    return _simulate(t, x0, call.p, call.dt, call.clip)


def _positive(value, what):
    """A positive number as a float. Raises ValueError."""
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if not number > 0:
        raise ValueError(f"{what} must be a positive number, not {value}")
    return number


class Model(_Parameters):
    """lynx_hare: x = Model()(t) gives the states (T, *batch, 2) at the times t (T,).

    Parameters (natural units; the bounds are held by parametrizations):

        alpha = 0.55 in (0, inf) [1/year]  growth rate of the prey
        beta = 0.028 in (0, inf) [1/year]  predation
        gamma = 0.8 in (0, inf) [1/year]  death rate of the predator
        delta = 0.024 in (0, inf) [1/year]  growth of the predator per prey
        hare0 = 30.0 in (0, inf)  thousands of hares in 1900
        lynx0 = 4.0 in (0, inf)  thousands of lynxes in 1900

    dt: the longest step between output times; 0.02 by default.
    clip: a bound on |dx/dt|, off by default.
    adjoint: "discrete" (the exact gradient of the numbers computed), "continuous" (the adjoint ODE solved
    backwards: approximate, at a memory that does not grow with the steps),
    "autograd" (torch's own tape, twice differentiable) or "none".
    checkpoints: how many states the discrete adjoint keeps (None: one per step; a number, or "sqrt"); the
    fewer, the less memory, for at most one further forward pass.
    """

    def __init__(
        self,
        *,
        dt: float | None = 0.02,
        clip: float | None = None,
        adjoint: str = "discrete",
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
            "clip": clip,
            "adjoint": adjoint,
            "checkpoints": checkpoints,
            "engine": engine,
        }
        self._settle(settings, dtype)

        def parameter(value):
            return nn.Parameter(torch.tensor(value, dtype=dtype, device=device))

        self.alpha = parameter(0.55)
        self.beta = parameter(0.028)
        self.gamma = parameter(0.8)
        self.delta = parameter(0.024)
        self.hare0 = parameter(30.0)
        self.lynx0 = parameter(4.0)
        parametrize.register_parametrization(self, "alpha", Above(0.0))
        parametrize.register_parametrization(self, "beta", Above(0.0))
        parametrize.register_parametrization(self, "gamma", Above(0.0))
        parametrize.register_parametrization(self, "delta", Above(0.0))
        parametrize.register_parametrization(self, "hare0", Above(0.0))
        parametrize.register_parametrization(self, "lynx0", Above(0.0))
        self.__class__ = _bounded(parametrize.type_before_parametrizations(self))
        _check_names(params or ())
        for name, value in (params or {}).items():
            self._set(_ATTRIBUTES[name], value)

    def _settle(self, settings, dtype):
        """Take the settings of steps, adjoint and engine. Raises ValueError where they do not fit."""
        adjoint, checkpoints, engine = (settings[name] for name in ("adjoint", "checkpoints", "engine"))
        dt, clip = settings["dt"], settings["clip"]
        dt = _positive(dt, "dt, the longest step,")
        clip = None if clip is None else _positive(clip, "clip, the bound on |dx/dt|,")
        found = {"dt": dt, "clip": clip}
        if adjoint not in ("discrete", "continuous", "autograd", "none"):
            raise ValueError(f"adjoint is discrete, continuous, autograd or none, not {adjoint!r}")
        if not (checkpoints in (None, "sqrt") or (isinstance(checkpoints, int) and checkpoints > 0)):
            raise ValueError(f'checkpoints is None, "sqrt" or a positive whole number, not {checkpoints!r}')
        if engine not in ("auto", "torch"):
            raise ValueError(f"this module holds the torch engine; {engine!r} is not in it")
        found["engine"] = "torch"
        self.__dict__.update({**settings, **found, "_settings": settings})

    def __repr__(self):
        return self._told(f"rk4, dt {self.dt:g}")

    def forward(
        self,
        t: Tensor,
        x0: Tensor | None = None,
        params: Mapping[str, Any] | Tensor | None = None,
    ) -> Tensor:
        """The states at the times t (T,): x (T, *batch, 2), x[0] at t[0].

        x0 (*batch, 2): the states at t[0] (default: the model's init). params: values by name in natural
        units, scalars or (*batch,), in place of the module's own; or all of them, (*batch, 6).
        Numbers and arrays by name are held to the bounds; tensors are taken as they are.

        Raises ValueError for arguments that do not fit.
        """
        if not isinstance(self, Model):
            raise RuntimeError("this Model was made before its module was loaded again: make it anew")
        p = self._vector(params)
        t = _vector_of_times(t, p)
        if x0 is None:
            x0 = _initial(t[0], p)
        x0 = _real(x0, p, "x0")
        if x0.dim() == 0 or x0.shape[-1] != 2:
            raise ValueError(f"x0 must be (*batch, 2), a column for each of STATES, not {tuple(x0.shape)}")
        shapes = {"x0": x0.shape[:-1], "params": p.shape[:-1]}
        _check_batches(shapes)
        batch = _common_shape(*shapes.values())
        x0 = x0 if x0.shape[:-1] == batch else x0.expand(*batch, 2)
        x = self._solve(t, x0, p)
        self._record(t, x, x0, p, batch)
        return x

    def _record(self, t, x, x0, p, batch):
        """Keep what `status` needs; nothing of a call that torch.compile or torch.func traces."""
        if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x):
            self._kept.call = None
            return
        retake = Retake(p.detach(), self.dt, self.clip, batch)
        self._kept.call = (weakref.ref(x), self.engine, x0.detach(), t.detach(), retake)

    def _solve(self, t, x0, p):
        if self.adjoint == "autograd":
            return solve_plain(t, x0, p, self.dt, self.clip)
        compiling = torch.compiler.is_compiling()
        recorded = compiling or _differentiable(t, x0, p)
        if self.adjoint == "none" or not recorded:
            return _simulate(t, x0, p, self.dt, self.clip)
        checkpoints = 1 if compiling else {None: _ALL, "sqrt": _SQRT}.get(self.checkpoints, self.checkpoints)
        if self.adjoint == "continuous":
            checkpoints = _CONTINUOUS
        apply = _apply_solve if compiling or _transformed() else _PlainSolve.apply
        found = apply(t, x0, p, self.dt, self.clip, checkpoints, compiling)
        return found[0]

    def observe(
        self,
        t: Tensor,
        x: Tensor,
        params: Mapping[str, Any] | Tensor | None = None,
    ) -> Tensor:
        """The observables (T, *batch, 0) of the states x (T, *batch, 2) at the times t (T,)."""
        p = self._vector(params)
        t, x = _real(t, p, "t"), _real(x, p, "x")
        if t.dim() != 1 or x.dim() < 2 or (len(x), x.shape[-1]) != (len(t), 2):
            shapes = f"{tuple(t.shape)} and {tuple(x.shape)}"
            raise ValueError(f"observe needs times t (T,) and states x (T, *batch, 2), not {shapes}")
        _check_batches({"x": x.shape[1:-1], "params": p.shape[:-1]})
        return observables(t.reshape(-1, *[1] * (x.dim() - 2)), x, p).contiguous()

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
