"""Held and linear inputs as switches see them: where a multiple of the time and inputs meets its levels."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import NamedTuple

Samples = tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]
"""An input of one trajectory: its knots, and the coefficients of each piece, (value,) or (value, slope)."""

_ROUNDINGS = 4
"""A sum that changes by no more roundings of its terms rests."""


class Line(NamedTuple):
    """An input between two stops: value + slope·(reach + running·t), of one of its pieces.

    running: 1 where it goes with the time, with -reach the piece's knot, else 0.
    """

    piece: int
    value: float
    slope: float
    reach: float
    running: float

    @property
    def rate(self) -> float:
        """Its derivative in time."""
        return self.slope * self.running

    def at(self, time: float) -> float:
        """Its value."""
        return self.value + self.slope * (self.reach + self.running * time)


class Level(NamedTuple):
    """The values of an input that a condition tells apart: first + k·spacing, first alone if that is 0."""

    first: float
    spacing: float

    def nearest(self, value: float) -> float:
        """The one next to a value."""
        if not self.spacing or not math.isfinite(value - self.first):
            return self.first
        return self.first + round((value - self.first) / self.spacing) * self.spacing


class Crossing(NamedTuple):
    """A time at which a sum is a multiple of its period, which multiple, and between which stops."""

    time: float
    multiple: int
    segment: int = -1


class TooMany(Exception):
    """A sum crosses so many multiples of its period between two stops."""

    def __init__(self, count: float):
        super().__init__(count)
        self.count = count


class Lines:
    """The inputs of one trajectory between two times, in segments in which each is one line.

    nodes: where segments end; lines: of each input a line for each segment. eps: the roundings of the values.
    """

    def __init__(self, inputs: Sequence[Samples], low: float, high: float, eps: float):
        knots = {knot for samples in inputs for knot in samples[0] if low < knot < high}
        self.nodes, self.eps = sorted({low, high, *knots}), eps
        pairs = list(zip(self.nodes, self.nodes[1:])) or [(low, high)]
        self.pairs = pairs
        self.lines = [[_line(samples, (a + b) / 2) for a, b in pairs] for samples in inputs]
        self._ends = [
            [(line.at(a), _end(samples, line, b)) for line, (a, b) in zip(lines, pairs)]
            for samples, lines in zip(inputs, self.lines)
        ]

    @property
    def finite(self) -> bool:
        """Whether all that the inputs are between the two times is finite."""
        return all(map(math.isfinite, (value for ends in self._ends for pair in ends for value in pair)))

    def at(self, index: int, time: float, levels: Sequence[Level] = ()) -> float:
        """An input's value; beyond the two times as its line goes on.

        Behind its last sample, which its pieces hold to some roundings alone, one of the levels if these tell
        no more apart.
        """
        place = bisect.bisect_right(self.nodes, time) - 1
        line = self.lines[index][min(max(place, 0), len(self.pairs) - 1)]
        value, ahead = line.at(time), line.slope * line.reach
        if line.running or not ahead:
            return value
        near = _ROUNDINGS * self.eps * (abs(line.value) + abs(ahead))
        return next((at for level in levels if abs((at := level.nearest(value)) - value) <= near), value)

    def crossings(
        self, rate: float, offset: float, period: float, multiples: Sequence[float], most: float
    ) -> list[Crossing]:
        """Where rate·t + offset + Σ multiples·inputs is a multiple of the period (0: is 0), in order of time.

        A sum that rests on one in a whole segment does not cross it there. Where inputs bend as it crosses,
        the later segment has it. Raises TooMany.
        """
        used = [i for i, by in enumerate(multiples) if by]
        whole = period if math.isfinite(period) else 0.0
        found: list[Crossing] = []
        for k, (a, b) in enumerate(self.pairs):
            ends = [self._ends[i][k] for i in used]
            start, end = (
                offset + rate * time + sum(multiples[i] * pair[side] for i, pair in zip(used, ends))
                for side, time in enumerate((a, b))
            )
            steep = rate + sum(multiples[i] * self.lines[i][k].rate for i in used)
            moves, size = abs(end - start), abs(offset) + abs(rate) * max(abs(a), abs(b))
            size += sum(abs(multiples[i]) * max(map(abs, pair)) for i, pair in zip(used, ends))
            if not steep or not _ROUNDINGS * self.eps * size < moves < math.inf:
                continue
            for multiple in _between(start, end, whole, most):
                part = (multiple * whole - start) / (end - start)
                time = min(max(a + (b - a) * part, a), b) + 0.0
                if found and (found[-1].time, found[-1].multiple) == (time, multiple):
                    found.pop()
                found.append(Crossing(time, multiple, k))
        return found


def _between(start: float, end: float, period: float, most: float) -> range:
    """Which multiples of a period lie between two numbers, in this order. Raises TooMany."""
    if not period:
        return range(1) if min(start, end) <= 0 <= max(start, end) else range(0)
    first, last = start / period, end / period
    if not abs(last - first) <= most:
        raise TooMany(abs(last - first))
    if first <= last:
        return range(math.ceil(first), math.floor(last) + 1)
    return range(math.floor(first), math.ceil(last) - 1, -1)


def _line(samples: Samples, time: float) -> Line:
    """What an input is about a time at which it has no knot; outside of its knots it stays, see Series."""
    knots, pieces = samples
    place = min(max(bisect.bisect_right(knots, time) - 1, 0), len(pieces) - 1)
    value, *slopes = pieces[place]
    if slopes and knots[0] <= time <= knots[-1]:
        return Line(place, value, slopes[0], -knots[place], 1.0)
    clamped = min(max(time, knots[0]), knots[-1])
    return Line(place, value, slopes[0] if slopes else 0.0, clamped - knots[place] if slopes else 0.0, 0.0)


def _end(samples: Samples, line: Line, time: float) -> float:
    """An input's value at the end of a segment: that with which its next piece begins, if it does there."""
    knots, pieces = samples
    after = line.piece + 1
    if line.running and after < len(pieces) and knots[after] == time:
        return pieces[after][0]
    return line.at(time)
