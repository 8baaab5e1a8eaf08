"""What a picture shows: which curves, in which panels, above which axis of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from odec.errors import ArgumentError, did_you_mean
from odec.system import System, unprimed

MOST_TRAJECTORIES = 200
_MAGNITUDE = 25.0
_MOST, _MOST_PANELS = 10, 64
_DECADES, _SQUEEZED = 1e3, 0.05
_NOISE = 1e-9
_PIECE = 16


@dataclass(frozen=True)
class View:
    """How a picture is drawn.

    show: names, or patterns such as "NO*", of what is drawn (a list, or text with commas); without them the
    states and observables, of more than ten the observables, or the ten that vary most. x_log, y_log:
    logarithmic axes; x_log None: where the times span decades. grid: a small panel for each curve.
    """

    show: str | Sequence[str] = ()
    x_log: bool | None = None
    y_log: bool = False
    grid: bool = False


@dataclass(frozen=True)
class Series:
    """A named quantity over time. y: (T,), or (T, B) for an ensemble. points: what was measured of it.

    observed: whether it is an observable; drives: whether it is an input, drawn below the others.
    """

    name: str
    unit: str
    t: np.ndarray
    y: np.ndarray
    points: tuple[np.ndarray, np.ndarray] | None = None
    color: str = "#0072B2"
    observed: bool = False
    drives: bool = False

    @property
    def size(self) -> float:
        """The largest magnitude that is drawn."""
        return float(np.abs(self.y[np.isfinite(self.y)]).max(initial=0.0))

    @property
    def variation(self) -> float:
        """How far it moves, against its mean magnitude."""
        finite = self.y[np.isfinite(self.y)]
        mean = float(np.abs(finite).mean()) if finite.size else 0.0
        return float(np.ptp(finite)) / mean if mean else 0.0


def inputs_of(
    system: System | None, samples: Mapping[str, tuple[np.ndarray, np.ndarray]], times: np.ndarray
) -> list[Series]:
    """The curves of a model's inputs; none of a model that is not known."""
    return [
        input_series(name, item.unit or "", item.kind, samples[name], times)
        for item in (system.inputs if system else ())
        for name in samples
        if name.partition("[")[0] == item.name
    ]


def input_series(
    name: str, unit: str, kind: str, samples: tuple[np.ndarray, np.ndarray], times: np.ndarray
) -> Series:
    """An input's curve over the times of a run, as the model reads it: held, linear or cubic.

    samples: times (K,) and values (K,) or (K, *batch); the end values are held outside.
    """
    knots, values = samples[0], samples[1].reshape(len(samples[0]), -1)[:, :MOST_TRAJECTORIES]
    low, high = float(times.min()), float(times.max())
    inner = (knots > low) & (knots < high)
    grid = np.unique(np.concatenate((times, knots[inner])))
    if kind == "hold":
        place = np.clip(np.searchsorted(knots, grid, side="right") - 1, 0, len(knots) - 1)
        t = np.repeat(grid, 2)[1:]  # each value until the next time, then a jump
        return Series(name, unit, t, np.repeat(values[place], 2, axis=0)[:-1], drives=True)
    if kind == "cubic" and len(knots) > 1:
        parts = [np.linspace(a, b, _PIECE, endpoint=False) for a, b in zip(grid, grid[1:], strict=False)]
        grid = np.concatenate((*parts, grid[-1:]))
        return Series(name, unit, grid, _cubic(knots, values, grid), drives=True)
    columns = [np.interp(grid, knots, column) for column in values.T]
    return Series(name, unit, grid, np.stack(columns, -1), drives=True)


def _cubic(knots: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The cubic Hermite interpolant with three-point slopes, as generated modules have it."""
    slopes = np.gradient(values, knots, axis=0, edge_order=2 if len(knots) > 2 else 1)
    times = np.clip(times, knots[0], knots[-1])
    k = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
    h = (knots[k + 1] - knots[k])[:, None]
    s = (times - knots[k])[:, None] / h
    ends = values[k] * (1 + 2 * s) * (1 - s) ** 2 + values[k + 1] * s**2 * (3 - 2 * s)
    found: np.ndarray = ends + h * s * (1 - s) * (slopes[k] * (1 - s) - slopes[k + 1] * s)
    return found


def chosen(series: Sequence[Series], view: View) -> tuple[list[Series], str]:
    """The curves that are drawn, and a sentence where some are not.

    Raises ArgumentError for a name or a pattern that meets none.
    """
    if view.show:
        names = view.show.split(",") if isinstance(view.show, str) else view.show
        return _named(series, [name.strip() for name in names]), ""
    curves = [s for s in series if not s.drives]
    drawn = _distinct(curves)
    most = _MOST_PANELS if view.grid else _MOST
    observed = [s for s in drawn if s.observed]
    note = ""
    if len(drawn) > most and observed:
        left = len(drawn) - len(observed)
        note = f"the observables; {left} state{'s are' if left != 1 else ' is'} not drawn"
        drawn = observed
    if len(drawn) > most:
        order = sorted(range(len(drawn)), key=lambda k: -drawn[k].variation)
        note = f"the {most} of {len(curves)} curves that vary most; {len(curves) - most} are not drawn"
        drawn = [drawn[k] for k in sorted(order[:most])]
    return [*drawn, *(s for s in series if s.drives)], note


def _named(series: Sequence[Series], patterns: Sequence[str]) -> list[Series]:
    known = {s.name: s for s in series}
    found: dict[str, Series] = {}
    for pattern in patterns:
        names = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
        names = names or [name for name in known if name == unprimed(pattern)]
        if not names:
            hint = did_you_mean(pattern, known) or f"; there are {', '.join([*known][:12])}"
            raise ArgumentError(f"show: nothing to draw is called {pattern!r}{hint}")
        found |= {name: known[name] for name in names}
    return list(found.values())


def _distinct(series: Sequence[Series]) -> list[Series]:
    """Series without an observable that repeats one before it."""
    found: list[Series] = []
    for s in series:
        if not (s.observed and any(np.array_equal(s.y, known.y, equal_nan=True) for known in found)):
            found.append(s)
    return found


def panels(series: Sequence[Series], view: View | None = None) -> list[list[Series]]:
    """Series that share an axis: those of one unit; without units, those of like magnitude. Inputs come last.

    On a logarithmic axis unlike magnitudes share one, but not what has negative values; in a grid each series
    has its own.
    """
    view = view or View()
    if view.grid:
        return [[s] for s in sorted(series, key=lambda s: s.drives)]
    return [
        group
        for part in ([s for s in series if not s.drives], [s for s in series if s.drives])
        for group in _groups(part, log=view.y_log)
    ]


def _groups(series: Sequence[Series], *, log: bool) -> list[list[Series]]:
    groups: dict[tuple[str, int], list[Series]] = {}
    bare = sorted(s.size for s in series if not s.unit and s.size > 0)
    breaks = [(a * b) ** 0.5 for a, b in zip(bare, bare[1:], strict=False) if b > _MAGNITUDE * a]
    for s in series:
        level = 0 if s.unit else sum(s.size > limit for limit in breaks)
        level = int(not log_heights([s])) if log else level
        groups.setdefault((s.unit, level), []).append(s)
    return list(groups.values())


def spans_decades(times: np.ndarray) -> bool:
    """Whether most times would lie at the very start of a linear axis: those of a table by decades."""
    if not len(times) or times.min() < 0:
        return False
    positive = times[times > 0]
    if len(positive) < 3 or positive.max() < _DECADES * positive.min():
        return False
    return bool(np.median(positive) <= _SQUEEZED * positive.max())


def log_heights(group: Sequence[Series]) -> bool:
    """Whether a panel can be logarithmic: some value is positive, and none is negative beyond rounding."""
    values = np.concatenate([s.y.ravel() for s in group] + [s.points[1] for s in group if s.points])
    values = values[np.isfinite(values)]
    return bool(values.size) and bool(values.max() > 0) and bool(values.min() > -_NOISE * values.max())
