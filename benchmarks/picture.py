"""The picture of a benchmark: bars for few sizes, lines over several; odec in orange, the peers cool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, Workload

OWN = {"native": "#c2410c", "torch": "#ea9a4d"}
PEERS = ["#1f4e79", "#3f7fb5", "#7aa9cf", "#4d4d4d", "#7f7f7f", "#a6a6a6", "#2f6f5e", "#6ba58f", "#8a6fa8"]
STYLE = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "odec",
    "svg.fonttype": "path",
}


def draw(workload: Workload, rows: Sequence[Row], path: Path) -> None:
    """Write the picture as SVG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        several = len({row.size for row in rows}) > 2
        figure = _lines(plt, workload, rows) if several else _bars(plt, workload, rows)
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    peers = [name for name in dict.fromkeys(row.name for row in rows) if not name.startswith("odec")]
    found = {name: PEERS[i % len(PEERS)] for i, name in enumerate(peers)}
    for row in rows:
        if row.name.startswith("odec"):
            found[row.name] = OWN["native" if "native" in row.name else "torch"]
    return found


def _lines(plt: Any, workload: Workload, rows: Sequence[Row]) -> Any:
    dtypes = list(dict.fromkeys(row.dtype for row in rows))
    figure, axes = plt.subplots(1, len(dtypes), figsize=(5.6 * len(dtypes), 4.6), sharey=True, squeeze=False)
    colours = _colours(rows)
    for axis, dtype in zip(axes[0], dtypes):
        ends = []
        for name, colour in colours.items():
            points = sorted((r.size, r.seconds or 0) for r in rows if r.name == name and r.dtype == dtype)
            if points:
                own = name.startswith("odec")
                look = {"lw": 2.4, "ms": 4, "zorder": 3} if own else {"lw": 1.3, "ms": 3}
                axis.plot(*zip(*points), color=colour, marker="o", **look)
                ends.append((points[-1][1], name, colour))
        axis.set(xscale="log", yscale="log", xlabel="trajectories", title=dtype)
        axis.grid(True, which="major", color="#e6e6e6", lw=0.6)
        axis.set_axisbelow(True)
        if ends:
            _label_ends(axis, max(row.size for row in rows), ends)
    axes[0][0].set_ylabel("seconds")
    figure.suptitle(workload.title, x=0.02, ha="left", weight="bold")
    figure.tight_layout(w_pad=14)
    return figure


def _label_ends(axis: Any, right: float, ends: list[tuple[float, str, str]]) -> None:
    """Names to the right of the lines, moved apart where they would overlap."""
    import math

    low, high = (math.log10(v) for v in axis.get_ylim())
    gap = (high - low) / 24
    places: list[float] = []
    for value, _, _ in sorted(ends):
        wanted = math.log10(value)
        places.append(max(wanted, places[-1] + gap) if places else wanted)
    for place, (_, name, colour) in zip(places, sorted(ends)):
        weight = "bold" if name.startswith("odec") else "normal"
        axis.annotate(
            name,
            (1.02, (place - low) / (high - low)),
            xycoords="axes fraction",
            color=colour,
            va="center",
            weight=weight,
            annotation_clip=False,
        )
    axis.set_xlim(right=right * 1.2)


def _bars(plt: Any, workload: Workload, rows: Sequence[Row]) -> Any:
    from benchmarks.report import duration

    cases = list(dict.fromkeys((row.dtype, row.size) for row in rows))
    across = min(2, len(cases))
    down = -(-len(cases) // across)
    most = max(sum((r.dtype, r.size) == case for r in rows) for case in cases)
    size = (6.4 * across, down * (0.30 * most + 1.0))
    figure, axes = plt.subplots(down, across, figsize=size, squeeze=False)
    colours = _colours(rows)
    for axis in axes.flat[len(cases) :]:
        axis.set_visible(False)
    for axis, case in zip(axes.flat, cases):
        chosen = sorted((r for r in rows if (r.dtype, r.size) == case), key=lambda r: -(r.seconds or 0))
        values = [row.seconds or 0 for row in chosen]
        low = min(values) / 3
        widths = [value - low for value in values]
        bars = axis.barh(range(len(chosen)), widths, left=low, color=[colours[row.name] for row in chosen])
        for bar, row in zip(bars, chosen):
            bar.set_alpha(0.45 if row.aside else 1)
        axis.set(xscale="log", xlim=(low, max(values) * 12))
        axis.set_yticks(range(len(chosen)), [row.name for row in chosen])
        for tick, row in zip(axis.get_yticklabels(), chosen):
            tick.set_weight("bold" if row.name.startswith("odec") else "normal")
        for i, row in enumerate(chosen):
            memory = "" if row.megabytes is None else f"   {row.megabytes:,.0f} MB"
            said = duration(row.seconds) + memory
            axis.text((row.seconds or 0) * 1.15, i, said, va="center", color="#333333")
        axis.set_title(f"N = {case[1]:,}, {case[0]}" if case[1] else case[0], fontsize=9, loc="left")
        pale = "; pale: another task" if any(row.aside for row in chosen) else ""
        axis.set_xlabel(f"{'seconds' if workload.unit == 'time' else workload.unit}, logarithmic{pale}")
        axis.tick_params(axis="y", length=0)
    figure.suptitle(workload.title, x=0.02, ha="left", weight="bold")
    figure.tight_layout()
    return figure
