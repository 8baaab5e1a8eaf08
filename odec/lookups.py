"""Lookup tables: functions of one number through points, as piecewise polynomials.

A formula has one as Op("lookup", (x, key, order)): `key` is the table's number, in which all that is in it
counts, `order` which derivative is taken.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

KINDS = ("linear", "cubic")

TABLES: dict[int, Lookup] = {}
"""Every table of this process by its key: formulas hold keys alone."""


@dataclass(frozen=True)
class Lookup:
    """A table: straight lines between points, or a natural cubic spline through them.

    xs: strictly increasing, ys: as many. extrapolate: whether the first and the last piece go on outside,
    where else the end values hold.
    """

    name: str
    xs: tuple[float, ...] = field(repr=False)
    ys: tuple[float, ...] = field(repr=False)
    kind: str = "linear"
    extrapolate: bool = False

    def __post_init__(self) -> None:
        TABLES.setdefault(self.key, self)

    def __reduce__(self) -> tuple[type[Lookup], tuple[object, ...]]:
        """Pickled so that the process that reads it knows the table too."""
        return Lookup, (self.name, self.xs, self.ys, self.kind, self.extrapolate)

    @cached_property
    def key(self) -> int:
        """A number of 52 bits, which is exact as a float."""
        content = repr((self.name, self.xs, self.ys, self.kind, self.extrapolate))
        return int(hashlib.sha256(content.encode()).hexdigest()[:13], 16)

    @property
    def degree(self) -> int:
        return 3 if self.kind == "cubic" else 1

    @cached_property
    def pieces(self) -> tuple[tuple[float, ...], ...]:
        """The coefficients of each piece, (K - 1, degree + 1), in powers of what x is beyond its point.

        Those of a spline by its second derivatives; Press et al., Numerical Recipes, §3.3.
        """
        widths = [b - a for a, b in zip(self.xs, self.xs[1:], strict=False)]
        slopes = [(b - a) / h for a, b, h in zip(self.ys, self.ys[1:], widths, strict=False)]
        if self.kind == "linear":
            return tuple(zip(self.ys, slopes, strict=False))
        bends = _bends(widths, slopes)
        return tuple(
            (y, s - h * (2 * a + b) / 6, a / 2, (b - a) / (6 * h))
            for y, s, h, a, b in zip(self.ys, slopes, widths, bends, bends[1:], strict=False)
        )

    def value(self, x: float, order: int = 0) -> float:
        """The value at x, or a derivative of it; at a point where it jumps that on the right."""
        first, last = self.xs[0], self.xs[-1]
        if not (self.extrapolate or first <= x <= last) and order:
            return 0.0 if not math.isnan(x) else x
        at = x if self.extrapolate or math.isnan(x) else min(max(x, first), last)
        place = min(max(bisect_right(self.xs, at) - 1, 0), len(self.xs) - 2)
        distance, total = at - self.xs[place], 0.0
        for k in range(self.degree, order - 1, -1):
            total = total * distance + math.perm(k, order) * self.pieces[place][k]
        return total


def _bends(widths: Sequence[float], slopes: Sequence[float]) -> list[float]:
    """The second derivatives of a natural spline at its points, by elimination from left to right."""
    upper, right = [0.0], [0.0]
    for a, b, s, t in zip(widths, widths[1:], slopes, slopes[1:], strict=False):
        pivot = 2 * (a + b) - a * upper[-1]
        upper.append(b / pivot)
        right.append((6 * (t - s) - a * right[-1]) / pivot)
    bends = [0.0]
    for c, d in zip(reversed(upper[1:]), reversed(right[1:]), strict=True):
        bends.append(d - c * bends[-1])
    return [0.0, *reversed(bends)] if len(widths) > 1 else [0.0, 0.0]
