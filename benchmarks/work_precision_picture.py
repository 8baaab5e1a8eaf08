"""Work–precision pictures and tables: odec's methods warm, the peers cool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.picture import PEERS, STYLE
from benchmarks.precision import Point, ahead
from benchmarks.report import duration, listed

OWN = {
    "odec tsit5": "#ea9a4d",
    "odec dop853": "#c2410c",
    "odec vern9": "#7c2d12",
    "odec rodas5p": "#dc2626",
    "odec rodas4": "#f59e0b",
    "odec kvaerno5": "#9a3412",
    "odec radau_iia5": "#fb7185",
    "odec rosenbrock23": "#fbbf24",
    "odec auto": "#7c2d12",
}
MARKERS = "s^Dv*Pph<>"


def draw(points: Sequence[Point], titles: Mapping[str, str], path: Path) -> None:
    """Write the picture as SVG: a panel for each problem, error to the right, time upwards."""
    panels = [(title, [(p, p.error) for p in points if p.problem == name]) for name, title in titles.items()]
    draw_panels(panels, path, "seconds for one trajectory", ["error at the end, relative"] * len(panels))


def draw_panels(
    panels: Sequence[tuple[str, Sequence[tuple[Point, float]]]], path: Path, work: str, errors: Sequence[str]
) -> None:
    """Panels of (title, points with their errors), two in a row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    solvers = list(dict.fromkeys(point.solver for _, points in panels for point, _ in points))
    looks = _looks(solvers)
    with plt.rc_context(STYLE):
        down = -(-len(panels) // 2)
        figure, axes = plt.subplots(down, 2, figsize=(11, 4.4 * down + 0.8), squeeze=False)
        for axis, (title, points), error in zip(axes.flat, panels, errors):
            _panel(axis, points, looks)
            axis.set_title(title, loc="left", fontsize=10)
            axis.set_xlabel(error + " (to the right: more accurate)")
            axis.set_ylabel(work)
        handles = [plt.Line2D([], [], label=name, **look) for name, look in looks.items()]
        figure.tight_layout(rect=(0, 0.8 / (4.4 * down + 0.8), 1, 1))
        figure.legend(handles=handles, ncols=5, frameon=False, loc="lower center", fontsize=8.5)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def _looks(solvers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each solver is drawn: odec's warm, thick, with dots; the peers cool, thin, each with its mark."""
    peers = [name for name in solvers if name not in OWN]
    own = [name for name in OWN if name in solvers]
    looks: dict[str, dict[str, Any]] = {
        name: {"color": OWN[name], "lw": 2.2, "ms": 4.5, "marker": "o", "zorder": 3} for name in own
    }
    for i, name in enumerate(peers):
        marker = MARKERS[i % len(MARKERS)]
        looks[name] = {"color": PEERS[i % len(PEERS)], "lw": 1.1, "ms": 4, "marker": marker}
    return looks


def _panel(axis: Any, points: Sequence[tuple[Point, float]], looks: Mapping[str, dict[str, Any]]) -> None:
    for solver in dict.fromkeys(p.solver for p, _ in points):
        line = [(error, p.seconds) for p, error in points if p.solver == solver and 0 < error < 1]
        if line:
            axis.plot(*zip(*line), **looks[solver])
    axis.set(xscale="log", yscale="log")
    axis.invert_xaxis()
    axis.grid(True, which="major", color="#e6e6e6", lw=0.6)
    axis.set_axisbelow(True)


def tables(points: Sequence[Point], titles: Mapping[str, str], levels: Sequence[float]) -> list[str]:
    """For each problem the least time in which each solver comes below an error."""
    head = "| error at most | " + " | ".join(f"{level:.0e}" for level in levels) + " |"
    parts = []
    for problem, title in titles.items():
        there = [p for p in points if p.problem == problem]
        lines = [f"## {title}", "", head, "| --- |" + " --: |" * len(levels)]
        for solver in dict.fromkeys(p.solver for p in there):
            own = [p for p in there if p.solver == solver]
            best = [min((p.seconds for p in own if p.error <= level), default=None) for level in levels]
            name = f"**{solver}**" if solver.startswith("odec") else solver
            lines.append(f"| {name} | " + " | ".join(duration(seconds) or "–" for seconds in best) + " |")
        if there:
            parts.append("\n".join(lines))
            parts += [said] if (said := ahead(there)) else []
    return parts


def report(
    title: str, text: str, facts: Mapping[str, str], tables: Sequence[str], absent: Mapping[str, str]
) -> str:
    """The run as markdown."""
    parts = [f"# {title}", text, listed(facts), *tables]
    if absent:
        lines = [f"- {name}: {reason}" for name, reason in absent.items()]
        parts.append("\n".join(["Not in the tables:", "", *lines]))
    return "\n\n".join(parts) + "\n"
