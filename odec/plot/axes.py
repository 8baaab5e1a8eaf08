"""Axes: of time, and logarithmic ones, with a place for what happens at time 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from odec.errors import ArgumentError
from odec.plot.curves import Series, View, spans_decades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGIN, _GAP = 0.01, 0.08
"""How far time 0 lies to the left of the first positive time, as a part of the axis."""


@dataclass(frozen=True)
class TimeAxis:
    """The axis of time from `first` to `last`; where it is logarithmic, time 0 is drawn at `zero`."""

    first: float
    last: float
    log: bool = False
    zero: float | None = None

    @staticmethod
    def of(series: Sequence[Series], view: View) -> TimeAxis:
        """The axis that a view asks for. Raises ArgumentError for times that no logarithm has."""
        curves = [s for s in series if not s.drives] or list(series)
        times = np.concatenate([s.t for s in curves] + [s.points[0] for s in curves if s.points])
        wanted = spans_decades(curves[0].points[0] if curves[0].points else curves[0].t)
        if not (wanted if view.x_log is None else view.x_log):
            return TimeAxis(float(times.min()), float(times.max()))
        positive = times[times > 0]
        if not len(positive) or times.min() < 0:
            raise ArgumentError("a logarithmic axis of time (x_log) needs positive times")
        first, last = float(positive.min()), float(positive.max())
        zero = first * (last / first) ** -_GAP if last > first else first / 2
        return TimeAxis(first, last, True, zero if (times == 0).any() else None)

    def placed(self, series: Sequence[Series]) -> list[Series]:
        """The series with what is at time 0 drawn at its place."""
        if not self.log:
            return list(series)
        return [
            replace(
                s, t=self._moved(s.t), points=(self._moved(s.points[0]), s.points[1]) if s.points else None
            )
            for s in series
        ]

    def _moved(self, t: np.ndarray) -> np.ndarray:
        return np.where(t <= 0, self.zero or np.nan, t)

    def set(self, axes: Sequence[Axes]) -> None:
        """Scale the axis that panels share, which spans all times whatever was drawn, and mark time 0."""
        if not self.log:
            pad = _MARGIN * (self.last - self.first)
            if pad:
                axes[0].set_xlim(self.first - pad, self.last + pad)
            return
        log_scale(axes[0], "x")
        left, right = self.zero or self.first, self.last
        edge = (right / left) ** _MARGIN if right > left else 2.0
        axes[0].set_xlim(left / edge, right * edge)
        if self.zero is None:
            return
        for axis in axes:
            axis.axvspan(left / edge, self.first, color="#F4F4F4", zorder=0, linewidth=0)
            if axis.xaxis.get_tick_params().get("labelbottom", True):
                axis.annotate("0", (left, 0), xycoords=axis.get_xaxis_transform(), xytext=(0, -5),
                              textcoords="offset points", ha="center", va="top", color="#555555")  # fmt: skip


def log_scale(axis: Axes, which: str) -> None:
    """Make the axis "x" or "y" logarithmic, its decades named as one writes them: 0.01, 1, 100, 10⁴."""
    from matplotlib.ticker import LogFormatter

    class Decades(LogFormatter):
        """Which ticks are named is matplotlib's choice; how, is ours: its own names are in TeX."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            return _power(x) if super().__call__(x, pos) else ""

    scale, scaled = (axis.set_xscale, axis.xaxis) if which == "x" else (axis.set_yscale, axis.yaxis)
    scale("log", nonpositive="mask")
    scaled.set_major_formatter(Decades())
    scaled.set_minor_formatter(Decades(minor_thresholds=(1.0, 0.4)))


def _power(x: float) -> str:
    exponent = int(np.floor(np.log10(x) + 1e-9))
    digits = f"{x / 10.0**exponent:.3g}"
    if -3 <= exponent <= 3:
        return f"{x:.6g}"
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digits == "1" else f"{digits}·10{raised}"
