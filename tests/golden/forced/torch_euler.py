"""forced: the equations of forced.ode as a PyTorch module.

Every kind of input, bound and transform

Written by odec 0.1.0 from forced.ode (sha256 8f9803d8d43dfdd0).
Method: euler, order 1, 1 stage (Euler 1768; Hairer, Nørsett & Wanner I, II.1).
Engine: torch. Needs torch and nothing else; edit the model and compile it again rather than this file.

Renamed, as the name means something else in Python or here: lambda -> lambda_, w -> w_.
"""

from __future__ import annotations

import bisect
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

STATES = ("x", "y")
PARAMS = ("k", "a", "b", "lambda")
OBSERVABLES = ("z", "s")
INPUTS = ("u", "v", "w")
METHOD = "euler"


def rhs(t, x, p, u):
    """dx/dt of the states at time t: x (..., 2), p (..., 4), u (..., 3). Returns (..., 2)."""
    k, _, b, lambda_ = p.unbind(-1)
    t = _time(t, x)
    u, v, w_ = u.unbind(-1)
    x, y = x.unbind(-1)
    dx_dt = -k * x + u * torch.sin(t) + v * lambda_  # forced.ode:12
    dy_dt = x - y * b + w_ * x + t  # forced.ode:13
    return _columns(dx_dt, dy_dt)


def rhs_vjp(t, x, p, u, w):
    """Products of a cotangent w (..., 2) with the derivatives of rhs.

    Returns w·∂f/∂t (...,), w·∂f/∂x (..., 2), w·∂f/∂p (..., 4), w·∂f/∂u (..., 3).
    """
    k, _, b, lambda_ = p.unbind(-1)
    t = _time(t, x)
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
        _columns(g_x, g_y),
        _columns(g_k, x.new_full((), 0), g_b, g_lambda),
        _columns(g_u, g_v, g_w),
    )


def rhs_jvp(t, x, p, u, dt, dx, dp, du):
    """∂f/∂t·dt + ∂f/∂x·dx + ∂f/∂p·dp + ∂f/∂u·du, tangents shaped as their values. Returns (..., 2)."""
    k, _, b, lambda_ = p.unbind(-1)
    t = _time(t, x)
    u, v, w_ = u.unbind(-1)
    d_t = dt
    d_k, _, d_b, d_lambda = dp.unbind(-1)
    d_u, d_v, d_w = du.unbind(-1)
    d_x, d_y = dx.unbind(-1)
    x, y = x.unbind(-1)
    c0 = d_u * torch.sin(t) + d_t * torch.cos(t) * u - (d_k * x + d_x * k)
    d_dx_dt = c0 + d_v * lambda_ + d_lambda * v
    d_dy_dt = d_x - (d_y * b + d_b * y) + d_w * x + d_x * w_ + d_t
    return _columns(d_dx_dt, d_dy_dt)


def jacobian(t, x, p, u):
    """∂f/∂x (..., 2, 2); row i holds the derivatives of the i-th state's equation."""
    _zeros = x.new_zeros((*x.shape[:-1], 4))
    k, _, b, _ = p.unbind(-1)
    _, _, w_ = u.unbind(-1)
    j_x_x = -k
    j_y_x = 1 + w_
    j_y_y = -b
    _entries = _columns(j_x_x, j_y_x, j_y_y)
    _places = torch.tensor([0, 2, 3], device=_entries.device)
    _entries = _entries.expand(*_common_shape(_entries.shape[:-1], _zeros.shape[:-1]), 3)
    _zeros = _zeros.expand(*_entries.shape[:-1], 4)
    return _zeros.index_add(-1, _places, _entries).unflatten(-1, (2, 2))


def initial(t, p):
    """The states at the first time: p (..., 4). Returns (..., 2)."""
    _, a, _, _ = p.unbind(-1)
    t = _time(t, p)
    x = a  # forced.ode:10
    y = 0.1 * t  # forced.ode:11
    return _columns(x, y)


def initial_vjp(t, p, w):
    """Products of a cotangent w (..., 2) with the derivatives of initial, by t (...,) and by p (..., 4)."""
    w_x, w_y = w.unbind(-1)
    g_t = 0.1 * w_y
    return (
        g_t,
        _columns(p.new_full((), 0), w_x, p.new_full((), 0), p.new_full((), 0)),
    )


def initial_jvp(t, p, dt, dp):
    """The tangent (..., 2) of initial from those of its arguments, shaped as their values."""
    d_t = dt
    _, d_a, _, _ = dp.unbind(-1)
    d_y = 0.1 * d_t
    return _columns(d_a, d_y)


def observables(t, x, p, u):
    """What is measured: x (..., 2). Returns (..., 2)."""
    u, v, _ = u.unbind(-1)
    x, y = x.unbind(-1)
    z = x * u + y  # forced.ode:14
    s = v  # forced.ode:15
    return _columns(z, s)


def observables_vjp(t, x, p, u, w):
    """Products of a cotangent w (..., 2) with the derivatives of observables, as rhs_vjp."""
    u, _, _ = u.unbind(-1)
    w_z, w_s = w.unbind(-1)
    x, _ = x.unbind(-1)
    g_x = w_z * u
    g_u = w_z * x
    return (
        w.new_full(w.shape[:-1], 0),
        _columns(g_x, w_z),
        w.new_zeros((*w.shape[:-1], 4)),
        _columns(g_u, w_s, x.new_full((), 0)),
    )


def observables_jvp(t, x, p, u, dt, dx, dp, du):
    """The tangent (..., 2) of observables from those of its arguments, shaped as their values."""
    u, _, _ = u.unbind(-1)
    d_u, d_v, _ = du.unbind(-1)
    d_x, d_y = dx.unbind(-1)
    x, _ = x.unbind(-1)
    d_z = d_x * u + d_u * x + d_y
    return _columns(d_z, d_v)


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


class Series:
    """The inputs as functions of time: piecewise polynomials whose end values are held outside.

    pieces: for each input its knots (K,) and coefficients (pieces, degree + 1, *batch) in powers of the
    time since the piece's knot. Calling it with a time gives (*batch, 3).
    """

    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.knots = _knots(self.pieces)
        self.coefficients = self.pieces[1::2]
        self.middle = None

    def within(self, middle):
        """The same series during a step around a time: held inputs keep the value that they have there."""
        series = Series.__new__(Series)
        series.__dict__.update(self.__dict__, middle=_number(middle))
        return series

    def find(self, index, t):
        """The piece of an input that holds at time t, the time since its knot, and whether it moves."""
        knots, terms = self.knots[index], self.coefficients[index].shape[1]
        time = self.middle if self.middle is not None and terms == 1 else _number(t)
        inside = knots[0] <= time <= knots[-1]
        time = min(max(time, knots[0]), knots[-1])
        piece = min(max(bisect.bisect_right(knots, time) - 1, 0), len(self.coefficients[index]) - 1)
        return piece, (t if inside else time) - knots[piece], inside and terms > 1

    def __call__(self, t):
        found = (self.find(i, t) for i in range(3))
        return _columns(*(_horner(c[piece], s) for c, (piece, s, _) in zip(self.coefficients, found)))

    def rate(self, t):
        """The inputs' derivatives in time (*batch, 3); zero outside the knots and for held inputs."""
        rates = []
        for i, coefficients in enumerate(self.coefficients):
            piece, s, moves = self.find(i, t)
            c = coefficients[piece]
            powers = [k * c[k] for k in range(1, len(c))] if moves else [torch.zeros_like(c[0])]
            rates.append(_horner(powers, s))
        return _columns(*rates)

    def pull(self, gradients, t, w):
        """Add to the coefficients' gradients what a cotangent w (*batch, 3) of the values at t gives."""
        for i, gradient in enumerate(gradients):
            piece, s, _ = self.find(i, t)
            for k in range(gradient.shape[1]):
                gradient[piece, k] += (w[..., i] * s**k).sum_to_size(gradient.shape[2:])


def _knots(pieces):
    """The inputs' times as numbers. Raises ValueError where they are not finite, or do not increase."""
    found = [knots.tolist() for knots in pieces[::2]]
    for name, knots in zip(INPUTS, found):
        if not all(map(math.isfinite, knots)):
            raise ValueError(f"the times of input {name!r} must be finite numbers")
        if any(not b > a for a, b in zip(knots, knots[1:])):
            raise ValueError(f"the times of input {name!r} must increase")
    return found


def _number(t):
    return t.item() if isinstance(t, Tensor) else t


def _horner(coefficients, s):
    value = coefficients[-1]
    for k in range(len(coefficients) - 2, -1, -1):
        value = coefficients[k] + s * value
    return value


def _hold(times, values):
    """Coefficients of the step function that keeps each value until the next time."""
    return values.unsqueeze(1)


def _linear(times, values):
    """Coefficients of the straight lines between values (K, *batch)."""
    if len(times) == 1:
        return values.unsqueeze(1)
    steps = torch.diff(times).reshape(-1, *[1] * (values.dim() - 1))
    return torch.stack((values[:-1], torch.diff(values, dim=0) / steps), 1)


def _cubic(times, values):
    """Coefficients of the cubic Hermite interpolant with three-point slopes.

    Fritsch & Carlson, SIAM J. Numer. Anal. 17 (1980) 238–246, eq. 1; slopes as numpy.gradient(edge_order=2).
    """
    if len(times) == 1:
        return values.unsqueeze(1)
    steps = torch.diff(times).reshape(-1, *[1] * (values.dim() - 1))
    secants = torch.diff(values, dim=0) / steps
    if len(times) == 2:
        slopes = torch.cat((secants, secants))
    else:
        left, right = steps[:-1], steps[1:]
        middle = (right * secants[:-1] + left * secants[1:]) / (left + right)
        first = secants[:1] + (secants[:1] - middle[:1])
        last = secants[-1:] + (secants[-1:] - middle[-1:])
        slopes = torch.cat((first, middle, last))
    second = (3 * secants - 2 * slopes[:-1] - slopes[1:]) / steps
    third = (slopes[:-1] + slopes[1:] - 2 * secants) / steps**2
    return torch.stack((values[:-1], slopes[:-1], second, third), 1)


def slope(t, x, p, u, clip):
    """dx/dt, held within ±clip where clip is a number."""
    k = rhs(t, x, p, u(t))
    return k if clip is None else k.clamp(-clip, clip)


def slope_vjp(t, x, p, u, clip, w):
    """The VJP of slope, as rhs_vjp."""
    if clip is not None:
        w = w * (rhs(t, x, p, u(t)).abs() <= clip)
    w_t, w_x, w_p, w_u = rhs_vjp(t, x, p, u(t), w)
    return w_t + _dot(w_u, u.rate(t)), w_x, w_p, w_u


def slope_jvp(t, x, p, u, clip, dt, dx, dp, du):
    """The JVP of slope; dt is (..., 1), du the tangent of the input series."""
    dk = rhs_jvp(t, x, p, u(t), dt.squeeze(-1), dx, dp, du(t) + u.rate(t) * dt)
    return dk if clip is None else dk * (rhs(t, x, p, u(t)).abs() <= clip)


def step(x, t, h, p, u, clip=None):
    """One euler step: the states at t + h from the states x (..., 2) at t."""
    k1 = slope(t, x, p, u, clip)
    return x + h * k1


def step_vjp(x, t, h, p, u, w, clip=None, wrt_times=False):
    """The adjoint of one step: from the cotangent w of the states at t + h to those of what went in.

    Returns the cotangents of x, p, the inputs at each stage, t and h (the last two None unless wrt_times).
    """
    w1 = h * w
    t1, v1, p1, u1 = slope_vjp(t, x, p, u, clip, w1)
    g_x = w + v1
    g_p = _sum_to(p1, p.shape)
    g_u = [
        (t, u1),
    ]
    if not wrt_times:
        return g_x, g_p, g_u, None, None
    k1 = slope(t, x, p, u, clip)
    g_t = t1
    g_h = _dot(w, k1)
    return g_x, g_p, g_u, g_t, g_h


def step_jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip=None):
    """One step and its tangent, for tangents of x, t, h (both (..., 1)), p and of the input series."""
    k1 = slope(t, x, p, u, clip)
    dk1 = slope_jvp(t, x, p, u, clip, dt, dx, dp, du)
    x_next = x + h * k1
    dx_next = dx + h * dk1 + dh * k1
    return x_next, dx_next


def step_back(x, w, t, h, p, u, clip=None):
    """One step of the adjoint ODE dw/dt = -f_xᵀ w beside dx/dt = f; h is negative. Chen et al., NeurIPS 2018.

    Returns x and w at t + h and the quadrature of f_pᵀ w, and the inputs' cotangents at each stage.
    """
    k1 = slope(t, x, p, u, clip)
    _, l1, p1, u1 = slope_vjp(t, x, p, u, clip, -w)
    x_next = x + h * k1
    w_next = w + h * l1
    g_p = h * p1
    g_u = [
        (t, h * u1),
    ]
    return x_next, w_next, g_p, g_u


def _dot(a, b):
    return (a * b).sum(-1)


class StepCell(nn.Module):
    """One euler step as a recurrent cell: x_next = cell(x, t, dt, p).

    x (..., 2), p (..., 4). Returns (..., 2).
    u is a function of time that gives (..., 3), or such a tensor, held.
    """

    def forward(self, x, t, dt, p, u, clip=None):
        inputs = u if callable(u) else _Held(u)
        return step(x, t, dt, p, inputs, clip)


class _Held:
    """Input values (..., 3) that stay as they are."""

    def __init__(self, values):
        self.values = values

    def __call__(self, t):
        return self.values


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


def solve(t, x0, p, series, dt, clip, checkpoints):
    """The states at the times t (T,), and those kept for the adjoint, without a graph.

    x0 (*batch, 2), p (..., 4) that broadcasts with it. Returns (T, *batch, 2) and (kept, *batch, 2).
    """
    u = Series(series)
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
            x = step(x, start + j * h, h, p, u.within(start + (j + 0.5) * h), clip)
            done += 1
        xs[k + 1] = x
    return xs, kept


def solve_vjp(t, xs, kept, p, series, w_xs, dt, clip, checkpoints, wrt_times):
    """The discrete adjoint: the exact gradient of the numbers that solve computed.

    w_xs (T, *batch, 2) are the cotangents of the states. Steps are taken again from the kept states, then
    backwards. Returns the cotangents of t (T, *batch), x0, p and of each input's coefficients.
    """
    u = Series(series)
    g_u = [torch.zeros_like(c) for c in u.coefficients]
    intervals = mesh(t, dt)
    steps = [(k, j) for k, (_, _, count) in enumerate(intervals) for j in range(count)]
    every = _spacing(len(steps), checkpoints)
    w, g_p, output = torch.zeros_like(xs[-1]), p.new_zeros(p.shape), len(t) - 1
    g_t = w_xs.new_zeros(w_xs.shape[:-1])
    for first in range(every * (len(kept) - 1), -1, -every):
        states = _replay(kept[first // every], steps[first : first + every], intervals, p, u, clip)
        for (k, j), x in zip(reversed(steps[first : first + every]), reversed(states)):
            while output > k:
                w = w + w_xs[output]
                output -= 1
            start, h, count = intervals[k]
            time = start + j * h
            here = u.within(start + (j + 0.5) * h)
            w, d_p, d_u, d_t, d_h = step_vjp(x, time, h, p, here, w, clip, wrt_times)
            g_p += d_p
            for when, cotangent in d_u:
                here.pull(g_u, when, cotangent)
            if wrt_times:
                slide = (d_h + j * d_t) / count
                g_t[k] += d_t - slide
                g_t[k + 1] += slide
    for k in range(output, -1, -1):
        w = w + w_xs[k]
    return (g_t, w, g_p, *g_u)


def _replay(x, steps, intervals, p, u, clip):
    """The states before each of some consecutive steps, from the first of them."""
    states = [x]
    for k, j in steps[:-1]:
        start, h, _ = intervals[k]
        states.append(step(states[-1], start + j * h, h, p, u.within(start + (j + 0.5) * h), clip))
    return states[: len(steps)]


def solve_jvp(t, x0, p, series, d_t, d_x0, d_p, d_series, dt, clip):
    """The tangent of solve: d_t (T,) or (T, *batch), the others shaped as what they belong to."""
    u, d_u = Series(series), Series(d_series)
    x, d_x, tangents = x0, d_x0, [d_x0]
    d_t = d_t.unsqueeze(-1)
    for k, (start, h, count) in enumerate(mesh(t, dt)):
        d_h = (d_t[k + 1] - d_t[k]) / max(count, 1)
        for j in range(count):
            d_start = d_t[k] + j * d_h
            middle = start + (j + 0.5) * h
            series_here = (u.within(middle), d_u.within(middle))
            x, d_x = step_jvp(
                x, start + j * h, h, p, series_here[0], d_x, d_start, d_h, d_p, series_here[1], clip
            )
        tangents.append(d_x)
    return torch.stack(tangents)


def solve_plain(t, x0, p, series, dt, clip):
    """The states at the times t by plain tensor operations, differentiable any number of times."""
    u = Series(series)
    x, xs = x0, [x0]
    for k, (_, _, count) in enumerate(mesh(t.detach(), dt)):
        h = (t[k + 1] - t[k]) / max(count, 1)
        for j in range(count):
            x = step(x, t[k] + j * h, h, p, u.within(t[k] + (j + 0.5) * h), clip)
        xs.append(x)
    return torch.stack(xs)


def solve_vjp_continuous(t, xs, p, series, w_xs, dt, clip, wrt_times):
    """The continuous adjoint: dw/dt = -f_xᵀ w by fixed steps backwards, anew from the states at the times t.

    Approximate (its error is the method's), at memory that does not grow with the number of steps.
    Pontryagin et al. 1962; Chen et al., NeurIPS 2018. Returns what solve_vjp returns.
    """
    u = Series(series)
    g_u = [torch.zeros_like(c) for c in u.coefficients]
    w, g_p = torch.zeros_like(xs[-1]), p.new_zeros(p.shape)
    g_t = w_xs.new_zeros(w_xs.shape[:-1])
    for k in range(len(t) - 1, 0, -1):
        if wrt_times:
            g_t[k] += _dot(w_xs[k], slope(float(t[k]), xs[k], p, u, clip))
        w, x = w + w_xs[k], xs[k]
        for start, h, count in mesh(t[k - 1 : k + 1].flip(0), dt):
            for j in range(count):
                here = u.within(start + (j + 0.5) * h)
                x, w, d_p, d_u = step_back(x, w, start + j * h, h, p, here, clip)
                g_p += _sum_to(d_p, p.shape)
                for time, cotangent in d_u:
                    here.pull(g_u, time, cotangent)
    if wrt_times and len(t) > 1:
        g_t[0] -= _dot(w, slope(float(t[0]), xs[0], p, u, clip))
    return (g_t, w + w_xs[0], g_p, *g_u)


_ALL, _SQRT, _CONTINUOUS = 0, -1, -2
"""What `checkpoints` means where it is no number of states to keep: every state, √steps, none at all."""

_ONCE = 'this derivative cannot be differentiated again; use Model(adjoint="autograd")'


class _Solve(torch.autograd.Function):
    """solve with its derivatives: backwards by the adjoint, forwards by the tangent, batched under vmap."""

    @staticmethod
    def forward(t, x0, p, dt, clip, checkpoints, compiling, *series):
        operator = _solve_operator if compiling else solve
        keep = 1 if checkpoints == _CONTINUOUS else checkpoints
        return operator(t, x0, p, list(series), dt, clip, keep)

    @staticmethod
    def setup_context(ctx, inputs, output):
        t, x0, p, ctx.dt, ctx.clip, ctx.checkpoints, ctx.compiling, *series = inputs
        xs, kept = output
        ctx.mark_non_differentiable(kept)
        ctx.save_for_backward(t, xs, kept, p, *series)
        ctx.save_for_forward(t, x0, p, *series)

    @staticmethod
    def backward(ctx, w_xs, _):
        t, xs, kept, p, *series = ctx.saved_tensors
        options = (ctx.dt, ctx.clip, ctx.checkpoints, ctx.needs_input_grad[0])
        if not ctx.compiling and _mapped(w_xs):
            found = _over_batches(_Adjoint.apply, t, xs, kept, p, w_xs, *options, False, *series)
        elif ctx.compiling or torch.is_grad_enabled() or _transformed():
            found = _Adjoint.apply(t, xs, kept, p, w_xs, *options, ctx.compiling, *series)
        else:
            found = _adjoint(t, xs, kept, p, series, w_xs, *options)
        g_t, g_x0, g_p, *g_series = found
        g_t = g_t.sum(list(range(1, g_t.dim()))) if g_t.dim() > 1 else g_t
        return g_t, g_x0, g_p, None, None, None, None, *_interleaved(g_series)

    @staticmethod
    def jvp(ctx, d_t, d_x0, d_p, _dt, _clip, _checkpoints, _compiling, *d_series):
        t, x0, p, *series = ctx.saved_tensors
        d_t, d_x0, d_p = (_or_zeros(*pair) for pair in ((d_t, t), (d_x0, x0), (d_p, p)))
        d_series = [s if i % 2 == 0 else _or_zeros(d, s) for i, (d, s) in enumerate(zip(d_series, series))]
        options = (ctx.dt, ctx.clip)
        given = (t, x0, p, d_t, d_x0, d_p, *options, *series, *d_series)
        mapped = any(map(_mapped, given))
        tangent = _over_batches(_Tangent.apply, *given)[0] if mapped else _Tangent.apply(*given)
        return tangent, None

    @staticmethod
    def vmap(info, in_dims, t, x0, p, dt, clip, checkpoints, compiling, *series):
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0 = _to_front(x0, in_dims[1], size)
        p = _into_batch(p, in_dims[2], batch, 1, size)
        series = _fold_series(series, in_dims[7:], batch, size)
        return _Solve.apply(t, x0, p, dt, clip, checkpoints, compiling, *series), (1, 1)


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
    def forward(t, xs, kept, p, w_xs, dt, clip, checkpoints, wrt_times, compiling, *series):
        options = (dt, clip, checkpoints, wrt_times)
        if compiling:
            return tuple(_adjoint_operator(t, xs, kept, p, list(series), w_xs, *options))
        return _adjoint(t, xs, kept, p, series, w_xs, *options)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.compiling = inputs[9]
        if ctx.compiling:
            ctx.save_for_backward(*inputs[:5], *inputs[10:])

    @staticmethod
    def backward(ctx, *cotangents):
        if not ctx.compiling:
            raise RuntimeError(_ONCE)
        refused = [_refuse_operator(value, list(cotangents)) for value in ctx.saved_tensors]
        return *refused[:5], None, None, None, None, None, *refused[5:]

    @staticmethod
    def jvp(ctx, *_):
        raise RuntimeError(_ONCE)

    @staticmethod
    def vmap(info, in_dims, t, xs, kept, p, w_xs, *rest):
        options, series = rest[:5], rest[5:]
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, xs.dim() - 2 - (in_dims[1] is not None)
        shape = p.shape if in_dims[3] is None else p.movedim(in_dims[3], 0).shape[1:]
        xs, kept = _to_second(xs, in_dims[1], size), _to_second(kept, in_dims[2], size)
        w_xs = _to_second(w_xs, in_dims[4], size)
        p = _into_batch(p, in_dims[3], batch, 1, size, always=True)
        shapes = [_without(c, d).shape for c, d in zip(series[1::2], in_dims[11::2])]
        series = _fold_series(series, in_dims[10:], batch, size, always=True)
        g_t, g_x0, g_p, *g_u = _Adjoint.apply(t, xs, kept, p, w_xs, *options, *series)
        g_u = [g.reshape(*s[:2], size, *s[2:]) for g, s in zip(g_u, shapes)]
        return (g_t, g_x0, g_p.reshape(size, *shape), *g_u), (1, 0, 0, *[2] * len(g_u))


class _Tangent(torch.autograd.Function):
    """The tangent of solve's states; differentiable no further."""

    @staticmethod
    def forward(t, x0, p, d_t, d_x0, d_p, dt, clip, *series):
        half = len(series) // 2
        return solve_jvp(t, x0, p, series[:half], d_t, d_x0, d_p, series[half:], dt, clip)

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
    def vmap(info, in_dims, t, x0, p, d_t, d_x0, d_p, dt, clip, *series):
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0, d_x0 = _to_front(x0, in_dims[1], size), _to_front(d_x0, in_dims[4], size)
        p, d_p = (_into_batch(v, d, batch, 1, size) for v, d in ((p, in_dims[2]), (d_p, in_dims[5])))
        if in_dims[3] is not None:
            d_t = d_t.movedim(in_dims[3], 1)
            d_t = d_t.reshape(*d_t.shape[:2], *[1] * (batch - d_t.dim() + 2), *d_t.shape[2:])
        dims, half = in_dims[8:], len(series) // 2
        mapped = any(dim is not None for dim in dims)  # of tangents and their values: then both take the axis
        series = (
            *_fold_series(series[:half], dims[:half], batch, size, mapped),
            *_fold_series(series[half:], dims[half:], batch, size, mapped),
        )
        return _Tangent.apply(t, x0, p, d_t, d_x0, d_p, dt, clip, *series), 1


def _adjoint(t, xs, kept, p, series, w_xs, *options):
    """The cotangents of solve's arguments: of t (T, *batch), x0, p and of each input's coefficients."""
    if bool(torch.isfinite(xs[-1]).all()):
        return _adjoint_of(t, xs, kept, p, series, w_xs, *options)
    return _adjoint_of_others(t, xs, kept, p, series, w_xs, *options)


def _adjoint_of_others(t, xs, kept, p, series, w_xs, *options):
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
    folded = [c.reshape(*c.shape[:2], *[1] * (len(batch) - c.dim() + 2), *c.shape[2:]) for c in series[1::2]]
    pieces = [c.expand(*c.shape[:2], *batch).reshape(*c.shape[:2], len(lost))[..., others] for c in folded]
    parts = [value for pair in zip(series[::2], pieces) for value in pair]
    found = w_xs.new_zeros(len(t), 0), w_xs.new_zeros(0, w_xs.shape[-1]), each, *pieces
    if bool(others.any()):
        found = _adjoint_of(t, share(xs), share(kept), each, parts, share(w_xs), *options)
    g_t, g_x0, g_p, *g_u = found
    g_u = [whole(g, 2).sum_to_size(c.shape).reshape(s.shape) for g, c, s in zip(g_u, folded, series[1::2])]
    return whole(g_t, 1), whole(g_x0, 0), _sum_to(whole(g_p, 0), p.shape), *g_u


def _adjoint_of(t, xs, kept, p, series, w_xs, dt, clip, checkpoints, wrt_times):
    if checkpoints == _CONTINUOUS:
        return solve_vjp_continuous(t, xs, p, series, w_xs, dt, clip, wrt_times)
    return solve_vjp(t, xs, kept, p, series, w_xs, dt, clip, checkpoints, wrt_times)


def _free_namespace(name):
    """A free namespace of torch.ops: a module loaded again must not replace operators that are in use."""
    numbered = (f"{name}_{n}" for n in itertools.count(1))
    return next(found for found in numbered if not hasattr(getattr(torch.ops, found), "solve"))


_OPERATORS = _free_namespace("odec_0_1_0_8f9803d8d43d_euler")


@torch.library.custom_op(f"{_OPERATORS}::solve", mutates_args=())
def _solve_operator(
    t: Tensor,
    x0: Tensor,
    p: Tensor,
    series: list[Tensor],
    dt: float,
    clip: float | None,
    checkpoints: int,
) -> tuple[Tensor, Tensor]:
    """solve as one opaque operator, for torch.compile."""
    return solve(t, x0, p, series, dt, clip, checkpoints)


@_solve_operator.register_fake
def _(t, x0, p, series, dt, clip, checkpoints):
    return _outputs(len(t), x0), _empty(1, x0)


@torch.library.custom_op(f"{_OPERATORS}::adjoint", mutates_args=())
def _adjoint_operator(
    t: Tensor,
    xs: Tensor,
    kept: Tensor,
    p: Tensor,
    series: list[Tensor],
    w_xs: Tensor,
    dt: float,
    clip: float | None,
    checkpoints: int,
    wrt_times: bool,
) -> list[Tensor]:
    """_adjoint as one opaque operator, for torch.compile."""
    gradients = _adjoint(t, xs, kept, p, series, w_xs, dt, clip, checkpoints, wrt_times)
    return [gradient.clone(memory_format=torch.contiguous_format) for gradient in gradients]


@_adjoint_operator.register_fake
def _(t, xs, kept, p, series, w_xs, dt, clip, checkpoints, wrt_times):
    like = [xs[..., 0], xs[0], p, *series[1::2]]
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


def _fold_series(series, dims, batch, size, always=False):
    """The inputs' knots and coefficients with the mapped axis first in the coefficients' batch."""
    folded = []
    for i, (value, dim) in enumerate(zip(series, dims)):
        if i % 2 == 0:
            _same_for_all(dim, "the inputs' times")
        elif dim is not None or always:
            value = _to_front(value, dim, size).movedim(0, 2)
            value = value.reshape(*value.shape[:3], *[1] * (batch - value.dim() + 3), *value.shape[3:])
        folded.append(value)
    return folded


def _without(value, dim):
    return value if dim is None else value.select(dim, 0)


def _interleaved(gradients):
    """None for each input's knots, then the gradient of its coefficients."""
    return [value for gradient in gradients for value in (None, gradient)]


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
        torch.compiler.allow_in_graph([_apply_solve, _initial, _observables])


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
        """What happened, and what to do where no parameter or input is the cause."""
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

    def __init__(self, p, series, dt, clip, batch):
        self.p, self.dt, self.clip, self.batch = p, dt, clip, batch
        self.series = series

    def _of(self, batch):
        """The parameters and inputs of one trajectory."""
        series = list(self.series)
        for k, c in enumerate(series[1::2]):
            each = c.reshape(*c.shape[:2], *[1] * (2 + len(self.batch) - c.dim()), *c.shape[2:])
            series[2 * k + 1] = each.expand(*c.shape[:2], *self.batch)[(..., *batch)]
        return self.p.expand(*self.batch, self.p.shape[-1])[batch], series

    def cause(self, batch):
        """The parameter or input of one trajectory that is no finite number, as words; "" where none is."""
        p, series = self._of(batch)
        values = zip(PARAMS, p.tolist())
        wrong = [f"its parameter {name} is {value}" for name, value in values if not math.isfinite(value)]
        pieces = zip(INPUTS, series[1::2])
        broken = [name for name, c in pieces if bool((c - c != 0).any())]
        wrong += [f"its input {name} is not finite throughout" for name in broken]
        return wrong[0] if wrong else ""

    def steep(self, t, x, batch):
        """The first state whose derivative at a time is not finite, else None."""
        p, series = self._of(batch)
        dx = rhs(t, x, p, Series(series)(t))
        return None if bool(torch.isfinite(dx).all()) else _first_bad(dx)

    def locate(self, t, x, batch):
        """The state and the time of the first step to a number that is not finite, else None."""
        p, series = self._of(batch)
        u = Series(series)
        for start, h, count in mesh(t, self.dt):
            for j in range(count):
                x = step(x, start + j * h, h, p, u.within(start + (j + 0.5) * h), self.clip)
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


class Below(_Bounds):
    """upper - softplus(raw): the values below a bound."""

    kind = 1

    def __init__(self, upper):
        super().__init__()
        self.upper = upper

    def forward(self, raw):
        return self.upper - nn.functional.softplus(raw, threshold=40)

    def right_inverse(self, value):
        value = self.upper - value
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


_ATTRIBUTES = ("k", "a", "b", "lambda_")
_ATTRIBUTES = dict(zip(PARAMS, _ATTRIBUTES))
_NAMES = {attribute: name for name, attribute in _ATTRIBUTES.items()}
_ALIKE = ()
"""Attributes of parameters that bounds of one kind hold, so that they are read all at once."""
_INTERVALS = {
    "k": (0.0, math.inf, "()"),
    "b": (0.0, 3.0, "()"),
    "lambda": (-math.inf, 0.0, "()"),
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
        return self._raw("k")

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
        """The parameters in natural units: p (4,), or (*batch, 4) where `params` are batched."""
        return self._vector(params)

    def _vector(self, params):
        if params is None:
            return self._natural()
        if not hasattr(params, "items"):
            p = _real(params, self._like, "params")
            if p.dim() == 0 or p.shape[-1] != 4:
                wanted = "values by name, like dict(k=0.5), or (*batch, 4), a column for each of PARAMS"
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
        """The module's own parameters in natural units (4,)."""
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
        name = "forced"
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


def _simulate(t, x0, p, series, dt, clip):
    """The solution alone, where nothing will be differentiated."""
    with torch.no_grad():
        return solve(t, x0, p, series, dt, clip, 1)[0]


def _again(engine, x0, t, call):
    """The states of a call that nobody kept, for its status."""
    return _simulate(t, x0, call.p, call.series, call.dt, call.clip)


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
    """forced: x = Model()(t) gives the states (T, *batch, 2) at the times t (T,).

    Parameters (natural units; the bounds are held by parametrizations):

        k = 0.5 in (0, inf)
        a = 1.0
        b = 2.0 in (0, 3)
        lambda_ = -1.0 in (-inf, 0)  the parameter `lambda`

    dt: the longest step between output times; 0.005 by default.
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
        dt: float | None = 0.005,
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

        self.k = parameter(0.5)
        self.a = parameter(1.0)
        self.b = parameter(2.0)
        self.lambda_ = parameter(-1.0)
        parametrize.register_parametrization(self, "k", Above(0.0))
        parametrize.register_parametrization(self, "b", Between(0.0, 3.0))
        parametrize.register_parametrization(self, "lambda_", Below(0.0))
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
        return self._told(f"euler, dt {self.dt:g}")

    def forward(
        self,
        t: Tensor,
        x0: Tensor | None = None,
        params: Mapping[str, Any] | Tensor | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """The states at the times t (T,): x (T, *batch, 2), x[0] at t[0].

        x0 (*batch, 2): the states at t[0] (default: the model's init). params: values by name in natural
        units, scalars or (*batch,), in place of the module's own; or all of them, (*batch, 4).
        Numbers and arrays by name are held to the bounds; tensors are taken as they are.
        inputs: for each input its times (K,) and values (K,) or (K, *batch), a pandas Series, or a number.

        Raises ValueError for arguments that do not fit.
        """
        if not isinstance(self, Model):
            raise RuntimeError("this Model was made before its module was loaded again: make it anew")
        p = self._vector(params)
        t = _vector_of_times(t, p)
        series = self._series(inputs, p)
        if x0 is None:
            x0 = _initial(t[0], p)
        x0 = _real(x0, p, "x0")
        if x0.dim() == 0 or x0.shape[-1] != 2:
            raise ValueError(f"x0 must be (*batch, 2), a column for each of STATES, not {tuple(x0.shape)}")
        shapes = {"x0": x0.shape[:-1], "params": p.shape[:-1]}
        shapes.update((f"the input {name!r}", c.shape[2:]) for name, c in zip(INPUTS, series[1::2]))
        _check_batches(shapes)
        batch = _common_shape(*shapes.values())
        x0 = x0 if x0.shape[:-1] == batch else x0.expand(*batch, 2)
        x = self._solve(t, x0, p, series)
        self._record(t, x, x0, p, series, batch)
        return x

    def _record(self, t, x, x0, p, series, batch):
        """Keep what `status` needs; nothing of a call that torch.compile or torch.func traces."""
        if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x):
            self._kept.call = None
            return
        retake = Retake(p.detach(), [s.detach() for s in series], self.dt, self.clip, batch)
        self._kept.call = (weakref.ref(x), self.engine, x0.detach(), t.detach(), retake)

    def _solve(self, t, x0, p, series):
        if self.adjoint == "autograd":
            return solve_plain(t, x0, p, series, self.dt, self.clip)
        compiling = torch.compiler.is_compiling()
        recorded = compiling or _differentiable(t, x0, p, *series[1::2])
        if self.adjoint == "none" or not recorded:
            return _simulate(t, x0, p, series, self.dt, self.clip)
        checkpoints = 1 if compiling else {None: _ALL, "sqrt": _SQRT}.get(self.checkpoints, self.checkpoints)
        if self.adjoint == "continuous":
            checkpoints = _CONTINUOUS
        apply = _apply_solve if compiling or _transformed() else _PlainSolve.apply
        found = apply(t, x0, p, self.dt, self.clip, checkpoints, compiling, *series)
        return found[0]

    def observe(
        self,
        t: Tensor,
        x: Tensor,
        params: Mapping[str, Any] | Tensor | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """The observables (T, *batch, 2) of the states x (T, *batch, 2) at the times t (T,)."""
        p = self._vector(params)
        t, x = _real(t, p, "t"), _real(x, p, "x")
        if t.dim() != 1 or x.dim() < 2 or (len(x), x.shape[-1]) != (len(t), 2):
            shapes = f"{tuple(t.shape)} and {tuple(x.shape)}"
            raise ValueError(f"observe needs times t (T,) and states x (T, *batch, 2), not {shapes}")
        _check_batches({"x": x.shape[1:-1], "params": p.shape[:-1]})
        u = Series(self._series(inputs, p))
        values = torch.stack([u(time).expand(*x.shape[1:-1], 3) for time in t])
        return _observables(t.reshape(-1, *[1] * (x.dim() - 2)), x, p, values).contiguous()

    @property
    def status(self) -> Status | None:
        """What happened to each trajectory of the last call; None where it was compiled or transformed."""
        if self._kept.call is None:
            return None
        states, engine, x0, *rest = self._kept.call
        x = states()
        return Status(rest[0], _again(engine, x0, *rest[:2]) if x is None else x.detach(), *rest[1:])

    def _series(self, inputs, p):
        if not (inputs is None or hasattr(inputs, "items")):
            raise ValueError(f"inputs must be (times, values) by name, not a {type(inputs).__name__}")
        given = dict(inputs or {})
        missing = [name for name in INPUTS if name not in given]
        unknown = [name for name in given if name not in INPUTS]
        if missing or unknown:
            problem = f"input {missing[0]!r} has no values" if missing else f"unknown input {unknown[0]!r}"
            wanted = ", ".join(f"{name!r}: (times, values)" for name in INPUTS)
            raise ValueError(f"{problem}; give inputs={{{wanted}}}")
        series = []
        times, values = self._samples("u", given["u"], p)
        series += [times, _linear(times, values)]
        times, values = self._samples("v", given["v"], p)
        series += [times, _cubic(times, values)]
        times, values = self._samples("w", given["w"], p)
        series += [times, _hold(times, values)]
        return series

    def _samples(self, name, samples, p):
        if isinstance(samples, (int, float)) or getattr(samples, "shape", None) == ():
            samples = [0.0], _real(samples, p, f"input {name!r}").reshape(1)
        elif hasattr(samples, "index") and hasattr(samples, "to_numpy"):  # a pandas Series
            samples = samples.index.to_numpy(copy=True), samples.to_numpy(copy=True)
        try:
            times, values = samples
        except (TypeError, ValueError):
            wanted = "a number, a pandas Series or a pair, (times, values)"
            raise ValueError(f"input {name!r} needs {wanted}, not {samples!r:.60}") from None
        times = _real(times, p, f"the times of input {name!r}")
        values = _real(values, p, f"input {name!r}")
        if times.requires_grad:
            raise ValueError(f"the times of input {name!r} are not differentiable; detach them")
        if times.dim() != 1 or len(times) == 0 or values.dim() == 0 or len(values) != len(times):
            shapes = f"{tuple(times.shape)} and {tuple(values.shape)}"
            raise ValueError(f"input {name!r} needs times (K,) and values (K,) or (K, *batch), not {shapes}")
        return times, values


__all__ = [
    name
    for name, value in list(globals().items())
    if not name.startswith("_") and not isinstance(value, type(sys))
    if getattr(value, "__module__", __name__) == __name__
]


def __dir__():
    return sorted(__all__)
