"""Where fixed steps lie, and where steps by tolerance must end."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..series import Series
from ..torch_private import numbers

Stop = tuple[float, int | None]
"""A time that a step ends on, and its index among the output times, None for an input's knot."""


class Interval(NamedTuple):
    """The equal steps between two output times: where the first starts, their size, how many they are."""

    start: float
    h: float
    steps: int


def checked_times(t: Tensor) -> list[float]:
    """The times t (T,) as numbers. Raises ValueError where they are not finite, or go forth and back."""
    times = numbers(t)
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


def mesh(t: Tensor, dt: float | None) -> list[Interval]:
    """The equal steps, each at most dt, between the times t (T,); None: a map's steps of one unit.

    Raises ValueError where the times are not finite, go forth and back, or take too many steps.
    """
    if dt is None:
        return _whole_steps(t)
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
        intervals.append(Interval(a, (b - a) / count, count))
    return intervals


def _whole_steps(t: Tensor) -> list[Interval]:
    """The steps of a map between the whole times t (T,)."""
    times = numbers(t)
    for a in times:
        if not (math.isfinite(a) and a == round(a)):
            raise ValueError(f"a map runs at whole times; {a} is none")
    for a, b in zip(times, times[1:]):
        if b < a:
            raise ValueError(f"a map runs forwards only: time {b:g} comes after {a:g}")
        if b - a > 1e10:
            raise ValueError(f"{b - a:.3g} steps from {a:g} to {b:g} are too many")
    return [Interval(a, 1.0, round(b - a)) for a, b in zip(times, times[1:])]


def spacing(steps: int, keep: int) -> int:
    """How many steps lie between the states that are kept: all of them for ALL, √steps for SQRT."""
    if keep == 0:
        return 1
    kept = math.isqrt(max(steps - 1, 0)) + 1 if keep < 0 else keep
    return max(1, -(-steps // kept))


def stops_of(t: Tensor, u: Series | None) -> list[Stop]:
    """Where steps by tolerance must end: the times t (T,) and the inputs' knots between them, in order."""
    times = checked_times(t)
    stops: list[Stop] = list(zip(times, range(len(times))))
    if u is None:
        return stops
    low, high = min(times), max(times)
    knots = {knot for knots in u.knots for knot in knots if low < knot < high} - set(times)
    stops += [(knot, None) for knot in knots]
    stops.sort(key=lambda stop: stop[0], reverse=times[0] > times[-1])
    return stops
