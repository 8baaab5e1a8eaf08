"""Where fixed steps lie, and where steps by tolerance must end."""

from __future__ import annotations

import bisect
import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..series import Series
from ..tensors import Time
from ..torch_private import numbers

Stop = tuple[float, int | None]
"""A time that a step ends on, and its index among the output times, None for an input's knot."""


MOST_STOPS = 1_000_000
"""So many knots may a run land on."""


class Interval(NamedTuple):
    """The equal steps between two stops: where the first starts, their size, how many they are."""

    start: float
    h: float
    steps: int

    @property
    def end(self) -> float:
        """Where the last one ends."""
        return self.start + self.steps * self.h


class Mesh(NamedTuple):
    """The intervals between stops. passed[k]: the output time on which interval k ends, None for a knot."""

    intervals: list[Interval]
    passed: list[int | None]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return sum(interval.steps for interval in self.intervals)

    def begin(self, k: int) -> int | None:
        """The output time on which interval k begins, None for a knot."""
        return self.passed[k - 1] if k else 0

    def spans(self) -> list[tuple[float, float]]:
        """Where each interval starts and ends, a single one of no length where there is none."""
        found = [(interval.start, interval.end) for interval in self.intervals]
        return found or [(0.0, 0.0)]

    def ends(self, t: Tensor) -> list[tuple[Time, Time]]:
        """The ends of each interval: of the times t (T,) where they are among them, else numbers."""
        begins = [interval.start for interval in self.intervals]
        ends = [t[0], *(begins[k + 1] if at is None else t[at] for k, at in enumerate(self.passed))]
        return list(zip(ends, ends[1:]))

    def moved(self, d_t: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The tangents of the ends of each interval, from those of the times (T, ...); knots stay."""
        stays = torch.zeros_like(d_t[0])
        ends = [d_t[0], *(stays if at is None else d_t[at] for at in self.passed)]
        return list(zip(ends, ends[1:]))

    def slide(self, found: Tensor, k: int, whole: Tensor, late: Tensor) -> None:
        """Add the cotangent of the time of a step in interval k to those of the times (T, *batch).

        late: the part of the interval's end, the rest is that of its start. Knots stay.
        """
        begin, end = self.begin(k), self.passed[k]
        if begin is not None:
            found[begin] += whole - late
        if end is not None:
            found[end] += late

    def before(self) -> list[int]:
        """The last output time at or before the start of each interval."""
        last, found = 0, []
        for output in self.passed:
            found.append(last)
            last = last if output is None else output
        return found


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


def mesh(t: Tensor, dt: float | None, u: Series | None = None) -> Mesh:
    """The equal steps, each at most dt, between the times t (T,) and the inputs' knots among them.

    dt None: a map's steps of one unit, whatever its inputs' knots. Raises ValueError where the times are not
    finite, go forth and back, or take too many steps.
    """
    if dt is None:
        return Mesh(_whole_steps(t), list(range(1, len(t))))
    stops = stops_of(t, u)
    total = abs(stops[-1][0] - stops[0][0]) / dt if stops else 0.0
    if total > 1e10:
        many = f"{total:.3g} steps of dt = {dt:g} from {stops[0][0]:g} to {stops[-1][0]:g}"
        raise ValueError(f"{many} are too many; take longer ones, or a tolerance")
    rounding = _few_roundings(t)
    intervals = []
    for (a, _), (b, _) in zip(stops, stops[1:]):
        steps = math.ceil(abs(b - a) / dt * (1 - 1e-10) - rounding * max(abs(a), abs(b)) / dt)
        count = max(steps, 1)
        intervals.append(Interval(a, (b - a) / count, count))
    return Mesh(intervals, [index for _, index in stops[1:]])


def _few_roundings(t: Tensor) -> float:
    """By what part two times may differ that are meant to be the same."""
    return 4 * torch.finfo(t.dtype).eps


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
    """Where steps must end: the times t (T,) and the inputs' knots between them, in order.

    A knot within a few roundings of a time, or of another knot, counts as that one. Raises ValueError where
    the times are not finite, go forth and back, or have too many knots between them.
    """
    times = checked_times(t)
    stops: list[Stop] = list(zip(times, range(len(times))))
    if u is None or not times:
        return stops
    near = _few_roundings(t) * max(map(abs, times))
    stops += [(knot, None) for knot in _apart(_knots_within(times, u), sorted(times), near)]
    stops.sort(key=lambda stop: stop[0], reverse=times[0] > times[-1])
    return stops


def kinks_of(t: Tensor, u: Series | None) -> set[float]:
    """The stops that lie on an input's knot: after them comes another smooth piece."""
    stops = [time for time, _ in stops_of(t, u)]
    if u is None or not stops:
        return set()
    near = _few_roundings(t) * max(abs(stops[0]), abs(stops[-1]))
    knots = sorted({knot for knots in u.knots for knot in knots})
    return {time for time in stops if _is_near(time, knots, near)}


def _knots_within(times: list[float], u: Series) -> list[float]:
    """The inputs' knots between the first and the last time, in order of size. Raises ValueError."""
    low, high = min(times), max(times)
    knots = sorted({knot for knots in u.knots for knot in knots if low < knot < high})
    if len(knots) > MOST_STOPS:
        many = f"the inputs have {len(knots)} knots between t = {low:g} and {high:g}"
        raise ValueError(f"{many}; a run lands on {MOST_STOPS} at most: give fewer, or a shorter run")
    return knots


def _apart(knots: list[float], times: list[float], near: float) -> list[float]:
    """Those knots that are near no time and no knot before them; both in order of size."""
    found: list[float] = []
    for knot in knots:
        if not (_is_near(knot, times, near) or (found and knot - found[-1] <= near)):
            found.append(knot)
    return found


def _is_near(time: float, others: list[float], near: float) -> bool:
    """Whether a time is near one of others, which are in order of size."""
    place = bisect.bisect_left(others, time)
    return any(abs(time - other) <= near for other in others[max(place - 1, 0) : place + 1])
