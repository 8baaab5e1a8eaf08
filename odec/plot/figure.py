"""Curves in panels above one axis of time, drawn by matplotlib."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odec.errors import ArgumentError
from odec.files import write_whole
from odec.plot.axes import TimeAxis, log_scale
from odec.plot.curves import Series, View, chosen, log_heights, panels
from odec.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Wong, Nature Methods 8 (2011) 441: told apart by colour-blind readers; two more for the ninth and tenth.
COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
    "#56B4E9", "#7F7F7F", "#332288", "#000000", "#882255",
)  # fmt: skip
_DRIVES, _WARNING = ("#555555", "#8C5A2B", "#3F6F5F", "#7A4B7A"), "#B00020"
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
_FLAT = 1e-3


def draw(
    series: Sequence[Series],
    path: str | Path,
    *,
    title: str,
    time: str,
    note: str = "",
    warning: str = "",
    view: View | None = None,
) -> None:
    """Draw series in panels, one for each unit (or magnitude, where there are none), above one time axis.

    note: a line above the first panel; warning: the same in red, for what the picture does not show whole.
    Raises ArgumentError for an unknown suffix and for a view that does not fit the series, OSError.
    """
    import matplotlib

    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ArgumentError(f"{path}: a picture is .png, .svg or .pdf")
    view = view or View()
    drawn, left_out = chosen(series, view)
    axis = TimeAxis.of(drawn, view)
    drawn = axis.placed(_colored(drawn, view))
    style: Any = {**dict(matplotlib.rcParamsDefault), **STYLE}
    with matplotlib.rc_context(style):
        figure = _grid(drawn, view, axis, time) if view.grid else _column(drawn, view, axis, time)
        _head(figure, title, [note, left_out], warning, keyed=any(s.points for s in drawn))
        figure.draw_without_rendering()
        if not view.grid:
            for place, group in zip(figure.axes, panels(drawn, view), strict=True):
                _name(place, group)
        dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
        content = io.BytesIO()
        figure.savefig(content, format=suffix[1:], dpi=160, metadata=dates)
    write_whole(path, content.getvalue())


def _empty(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _column(series: Sequence[Series], view: View, time_axis: TimeAxis, time: str) -> Figure:
    """Panels one below the other, those of inputs lower than the others."""
    groups = panels(series, view)
    heights = [0.55 if group[0].drives else 1.0 for group in groups]
    height = 4.6 if len(groups) == 1 else min(1.2 + 2.3 * sum(heights) + (1.2 if sum(heights) < 2 else 0), 24)
    figure = _empty(8, height)
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, group in zip(axes, groups, strict=True):
        _panel(axis, group, view)
        names = ", ".join(s.name for s in group[:3]) + (", …" if len(group) > 3 else "")
        axis.set_ylabel(labelled(names, group[0].unit))
    axes[-1].set_xlabel(time)
    time_axis.set(list(axes))
    return figure


def _grid(series: Sequence[Series], view: View, time_axis: TimeAxis, time: str) -> Figure:
    """A small panel for each series, row by row."""
    groups = panels(series, view)
    across = min(4, math.ceil(math.sqrt(len(groups))))
    down = math.ceil(len(groups) / across)
    figure = _empty(max(8.0, 2.7 * across), max(3.4, 1.0 + 1.9 * down))
    places = figure.subplots(down, across, sharex=True, squeeze=False)
    axes = places.ravel()[: len(groups)]
    for unused in places.ravel()[len(groups) :]:
        unused.remove()
    for axis, (s,) in zip(axes, groups, strict=True):
        _panel(axis, [s], view)
        axis.set_title(labelled(s.name, s.unit), fontsize=10)
        axis.tick_params(labelsize=8.5)
    for axis in axes[-across:]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel(time, fontsize=9.5)
    time_axis.set(list(axes))
    return figure


def _head(figure: Figure, title: str, notes: Sequence[str], warning: str, *, keyed: bool) -> None:
    """The title, what is to be known of the picture, and what points and curves are."""
    figure.suptitle(printable(title), x=0.015, ha="left", fontsize=13, fontweight="bold", color="#222222")
    first = figure.axes[0]
    text, color = "\n".join(filter(None, (warning, *notes))), _WARNING if warning else "#666666"
    if text and first.get_title(loc="left"):  # panels with titles of their own
        figure.supxlabel(text, x=0.015, ha="left", fontsize=10, color=color)
    elif text:
        first.set_title(text, fontsize=10, fontweight="normal", color=color)
    if keyed:
        _key(first)


def _panel(axis: Axes, group: Sequence[Series], view: View) -> None:
    """The curves and points of one panel, and its axis of values."""
    for s in group:
        many = s.y.ndim > 1 and s.y.shape[1] > 1
        style: dict[str, Any] = {"linewidth": 0.8, "alpha": 0.35} if many else {}
        if s.drives:
            style |= {"linewidth": 1.4}
        axis.plot(s.t, s.y, color=s.color, marker="o" if len(s.t) == 1 else None, **style)
        if s.points:
            axis.plot(
                *s.points, "o", color=s.color, markersize=7, markeredgecolor="white", markeredgewidth=1.0
            )
    if view.y_log and not group[0].drives:
        if log_heights(group):
            log_scale(axis, "y")
            return
        axis.annotate("linear: not all values are positive", (1, 1), xycoords="axes fraction", ha="right",
                      va="top", fontsize=8.5, color="#666666")  # fmt: skip
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
    heights = [_end(axis, s) for s in group]
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


def _end(axis: Axes, s: Series) -> float:
    """Where a curve ends at the right, as a fraction of its panel's height."""
    values = s.y[np.argsort(s.t, kind="stable")].reshape(len(s.t), -1)
    low, high = axis.get_ylim()
    rows = np.flatnonzero(np.isfinite(values).any(-1))
    last = values[rows[-1]] if len(rows) else np.array([high])
    end = float(np.median(last[np.isfinite(last)]))
    pixel = axis.get_yaxis_transform().transform((0.0, min(max(end, low), high)))
    return float(axis.transAxes.inverted().transform(pixel)[1])


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


def _colored(series: Sequence[Series], view: View) -> list[Series]:
    """The series with colours that are told apart; muted ones for inputs, one for all panels of a grid."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    curves, drives = [s for s in series if not s.drives], [s for s in series if s.drives]
    ramp: Sequence[str] = COLORS
    if view.grid:
        ramp = COLORS[:1] * len(curves)
    elif len(curves) > len(COLORS):
        ramp = [to_hex(color) for color in colormaps["turbo"](np.linspace(0.03, 0.97, len(curves)))]
    found = [replace(s, color=color) for s, color in zip(curves, ramp, strict=False)]
    return found + [replace(s, color=_DRIVES[k % len(_DRIVES)]) for k, s in enumerate(drives)]


def labelled(name: str, unit: str) -> str:
    """A name with its unit behind it."""
    return printable(f"{name} ({_typeset(unit)})" if unit else name)


def _typeset(unit: str) -> str:
    """A unit with its powers raised: uA/cm**2 as uA/cm²."""
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    text = re.sub(r"(?:\*\*|\^)\s*\(?(-?\d+)\)?", lambda power: power[1].translate(raised), unit)
    return text.replace("*", "·")
