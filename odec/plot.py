"""Pictures of runs and fits, as PNG, SVG or PDF: the same numbers give the same file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odec.errors import ArgumentError
from odec.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from odec.api import Simulation
    from odec.fit.result import FitResult
    from odec.system import System

# Wong, Nature Methods 8 (2011) 441: told apart by colour-blind readers.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#332288")
STYLE: dict[str, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#333333",
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 13,
    "axes.labelsize": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "odec",
    "text.parse_math": False,
}
_FORMATS = (".png", ".svg", ".pdf")
_DIRECT = 8
_MAGNITUDE = 25.0
_TRAJECTORIES = 200
_FLAT = 1e-3


@dataclass(frozen=True)
class Series:
    """A named quantity over time. y: (T,), or (T, B) for an ensemble. points: what was measured of it."""

    name: str
    unit: str
    t: np.ndarray
    y: np.ndarray
    points: tuple[np.ndarray, np.ndarray] | None = None
    color: str = COLORS[0]

    @property
    def size(self) -> float:
        """The largest magnitude that is drawn."""
        return float(np.abs(self.y[np.isfinite(self.y)]).max(initial=0.0))


def plot_run(system: System, run: Simulation, path: str | Path) -> None:
    """Draw the states and observables of a run.

    Raises ArgumentError for a suffix other than .png, .svg and .pdf, OSError where it cannot be written.
    """
    units = _units(system)
    columns = {name: run.states[..., k] for k, name in enumerate(run.state_names)}
    for k, name in enumerate(run.observable_names):
        column = run.observables[..., k]
        if not any(np.array_equal(column, known, equal_nan=True) for known in columns.values()):
            columns.setdefault(name, column)
    series = [
        Series(name, units.get(name, ""), run.times, y.reshape(len(run.times), -1)[:, :_TRAJECTORIES])
        for name, y in columns.items()
    ]
    draw(series, path, title=title_of(system), time=_labelled(run.time_name, system.time_unit or ""))


def plot_fit(result: FitResult, path: str | Path) -> None:
    """Draw the data of a fit and the fitted curves. Raises as `plot_run` does."""
    units = _units(result.system) if result.system else {}
    times, curves = result.curves()
    series = [
        Series(name, units.get(name, ""), times, curve[:, None], result.data.column(name))
        for name, curve in curves.items()
    ]
    plural = "" if result.data.count == 1 else "s"
    note = f"sum of squares {result.loss:.5g} over {result.data.count} measurement{plural}"
    time_unit = result.system.time_unit if result.system else None
    title = title_of(result.system) if result.system else result.name
    draw(series, path, title=title, note=note, time=_labelled(result.columns.time, time_unit or ""))


def draw(series: Sequence[Series], path: str | Path, *, title: str, time: str, note: str = "") -> None:
    """Draw series in panels, one for each unit (or magnitude, where there are none), above one time axis.

    Raises ArgumentError for an unknown suffix, OSError.
    """
    import matplotlib

    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ArgumentError(f"{path}: a picture is .png, .svg or .pdf")
    style: Any = {**dict(matplotlib.rcParamsDefault), **STYLE}
    with matplotlib.rc_context(style):
        figure = _figure(_colored(series), title, time, note)
        dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=suffix[1:], dpi=160, metadata=dates)


def panels(series: Sequence[Series]) -> list[list[Series]]:
    """Series that share an axis: those of one unit; without units, those of like magnitude."""
    groups: dict[tuple[str, int], list[Series]] = {}
    bare = sorted(s.size for s in series if not s.unit and s.size > 0)
    breaks = [(a * b) ** 0.5 for a, b in zip(bare, bare[1:], strict=False) if b > _MAGNITUDE * a]
    for s in series:
        level = 0 if s.unit else sum(s.size > limit for limit in breaks)
        groups.setdefault((s.unit, level), []).append(s)
    return list(groups.values())


def title_of(system: System) -> str:
    """The first line of what the model says of itself, where that makes a title; else its name."""
    first = system.doc.strip().partition("\n")[0].rstrip(".")
    return "\n".join(textwrap.wrap(first, 72)) if 0 < len(first) <= 140 else system.name


def _figure(series: Sequence[Series], title: str, time: str, note: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = panels(series)
    height = 4.6 if len(groups) == 1 else min(1.2 + 2.3 * len(groups), 24)
    figure = Figure(figsize=(8, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    for axis, group in zip(axes, groups, strict=True):
        _panel(axis, group)
    axes[-1].set_xlabel(time)
    figure.suptitle(title, x=0.015, ha="left", fontsize=13, fontweight="bold", color="#222222")
    if note:
        axes[0].set_title(note, fontsize=10, fontweight="normal", color="#666666")
    if any(s.points for s in series):
        _key(axes[0])
    figure.draw_without_rendering()
    for axis, group in zip(axes, groups, strict=True):
        _name(axis, group)
    return figure


def _panel(axis: Axes, group: Sequence[Series]) -> None:
    for s in group:
        many = s.y.shape[1] > 1
        style: dict[str, Any] = {"linewidth": 0.8, "alpha": 0.35} if many else {}
        axis.plot(s.t, s.y, color=s.color, marker="o" if len(s.t) == 1 else None, **style)
        if s.points:
            axis.plot(
                *s.points, "o", color=s.color, markersize=7, markeredgecolor="white", markeredgewidth=1.0
            )
    names = ", ".join(s.name for s in group[:3]) + (", …" if len(group) > 3 else "")
    axis.set_ylabel(_labelled(names, group[0].unit))
    axis.margins(x=0.01)
    low, high = axis.get_ylim()
    size = max(s.size for s in group)
    if high - low < _FLAT * size:
        axis.set_ylim(low - 0.05 * size, high + 0.05 * size)


def _name(axis: Axes, group: Sequence[Series]) -> None:
    """Write each name at the right end of its curve, moved apart where they would meet; a legend for many.

    A curve that is alone is named by its axis.
    """
    if len(group) == 1:
        return
    if len(group) > _DIRECT:
        _legend(axis, group)
        return
    low, high = axis.get_ylim()
    ends = [np.median(s.y[-1][np.isfinite(s.y[-1])]) if np.isfinite(s.y[-1]).any() else high for s in group]
    heights = [(min(max(end, low), high) - low) / (high - low) for end in ends]
    gap = 15 * 72 / (72 * axis.get_window_extent().height) * axis.figure.dpi / 72
    for s, place in zip(group, _apart(heights, gap), strict=True):
        axis.annotate(
            s.name,
            (1.0, place),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=s.color,
            fontweight="bold",
        )


def _legend(axis: Axes, group: Sequence[Series]) -> None:
    """The names beside the panel, in up to two columns."""
    from matplotlib.lines import Line2D

    rows = max(4, int(axis.get_window_extent().height / axis.figure.dpi * 72 / 13))
    shown = group if len(group) <= 2 * rows else group[: 2 * rows - 1]
    handles = [Line2D([], [], color=s.color, label=s.name) for s in shown]
    if len(shown) < len(group):
        handles.append(Line2D([], [], linestyle="", label=f"and {len(group) - len(shown)} more"))
    axis.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        ncols=1 if len(handles) <= rows else 2,
        frameon=False,
        fontsize=8,
        handlelength=1.2,
        labelspacing=0.35,
        columnspacing=1.0,
    )


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, moved as little as needed so that neighbours lie at least a gap apart."""
    order = np.argsort(heights, kind="stable")
    placed = [float(heights[k]) for k in order]
    for _ in range(200):
        moved = False
        for k in range(len(placed) - 1):
            lack = gap - (placed[k + 1] - placed[k])
            if lack > 1e-9:
                placed[k], placed[k + 1], moved = placed[k] - lack / 2, placed[k + 1] + lack / 2, True
        if not moved:
            break
    found = [0.0] * len(placed)
    for k, place in zip(order, placed, strict=True):
        found[k] = place
    return found


def _key(axis: Axes) -> None:
    """Say what the points and the curve are."""
    from matplotlib.lines import Line2D

    gray = "#666666"
    handles = [
        Line2D([], [], color=gray, marker="o", linestyle="", markersize=7, label="data"),
        Line2D([], [], color=gray, label="fit"),
    ]
    axis.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)


def _colored(series: Sequence[Series]) -> list[Series]:
    if len(series) <= len(COLORS):
        return [replace(s, color=COLORS[k]) for k, s in enumerate(series)]
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    ramp = colormaps["turbo"](np.linspace(0.03, 0.97, len(series)))
    return [replace(s, color=to_hex(color)) for s, color in zip(series, ramp, strict=True)]


def _units(system: System) -> dict[str, str]:
    units = dict(system.state_units)
    units.update({obs.name: obs.unit for obs in system.observables if obs.unit})
    return {name: unit for name, unit in units.items() if unit}


def _labelled(name: str, unit: str) -> str:
    return f"{name} ({_typeset(unit)})" if unit else name


def _typeset(unit: str) -> str:
    """A unit with its powers raised: uA/cm**2 as uA/cm²."""
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    text = re.sub(r"(?:\*\*|\^)\s*\(?(-?\d+)\)?", lambda power: power[1].translate(raised), unit)
    return text.replace("*", "·")
