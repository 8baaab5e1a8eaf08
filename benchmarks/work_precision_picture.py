"""The work–precision picture and its table: odec's methods warm, the peers cool."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.picture import PEERS, STYLE
from benchmarks.report import duration, processor

LEVELS = (1e-3, 1e-6, 1e-9)
PACKAGES = "odec torch torchdiffeq diffrax jax scipy numpy".split()
OWN = {
    "odec tsit5": "#ea9a4d",
    "odec dop853": "#c2410c",
    "odec vern9": "#7c2d12",
    "odec rodas5p": "#dc2626",
    "odec rodas4": "#f59e0b",
    "odec kvaerno5": "#9a3412",
    "odec rosenbrock23": "#fbbf24",
}


def draw(points: Sequence[Any], titles: Mapping[str, str], path: Path) -> None:
    """Write the picture as SVG: a panel for each problem, error to the right, time upwards."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, 2, figsize=(11, 8.4))
        peers = [name for name in dict.fromkeys(p.solver for p in points) if name not in OWN]
        colours = OWN | {name: PEERS[i % len(PEERS)] for i, name in enumerate(peers)}
        for axis, (problem, title) in zip(axes.flat, titles.items()):
            _panel(axis, [p for p in points if p.problem == problem], colours)
            axis.set_title(title, loc="left", fontsize=10)
        for axis in axes[:, 0]:
            axis.set_ylabel("seconds for one trajectory")
        for axis in axes[1]:
            axis.set_xlabel("error at the end, relative")
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def _panel(axis: Any, points: Sequence[Any], colours: Mapping[str, str]) -> None:
    for solver in dict.fromkeys(p.solver for p in points):
        line = [(p.error, p.seconds) for p in points if p.solver == solver and 0 < p.error < 1]
        if line:
            look = {"lw": 2.0, "ms": 4, "zorder": 3} if solver in OWN else {"lw": 1.1, "ms": 3}
            axis.plot(*zip(*line), marker="o", color=colours[solver], label=solver, **look)
    axis.set(xscale="log", yscale="log")
    axis.invert_xaxis()
    low, high = axis.get_ylim()
    axis.set_ylim(low, high * (high / low) ** 0.25)  # room for the names
    axis.grid(True, which="major", color="#e6e6e6", lw=0.6)
    axis.set_axisbelow(True)
    axis.legend(fontsize=7, frameon=False, ncols=3, loc="upper left")


def table(points: Sequence[Any], titles: Mapping[str, str], load: float) -> str:
    """The run as markdown: for each problem the time that each solver needs for an error."""
    head = "| | " + " | ".join(f"{level:.0e}" for level in LEVELS) + " |\n| --- |" + " --: |" * len(LEVELS)
    parts = [
        "# Error against time",
        _facts(load),
        "![Error against time](../../docs/images/work_precision.svg)",
        "One trajectory, the state at its end: the least time of a call from Python, among the tolerances "
        "from 1e-3 to 1e-11, that left an error below the column's. Errors are |x - reference|/(atol/rtol + "
        "|reference|), the largest of the states. Times are medians once all is compiled, on one thread.",
    ]
    for problem, title in titles.items():
        lines = [f"## {title}", "", head]
        for solver in dict.fromkeys(p.solver for p in points if p.problem == problem):
            own = [p for p in points if p.problem == problem and p.solver == solver]
            best = [min((p.seconds for p in own if p.error <= level), default=None) for level in LEVELS]
            name = f"**{solver}**" if solver in OWN else solver
            lines.append(f"| {name} | " + " | ".join(duration(seconds) or "–" for seconds in best) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _facts(load: float) -> str:
    versions = []
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    facts = {
        "command": f"`{shlex.join(['python', '-m', 'benchmarks.work_precision', *sys.argv[1:]])}`",
        "machine": f"{processor()}, {os.cpu_count()} cores, one thread for everyone",
        "versions": f"Python {platform.python_version()}, {', '.join(versions)}",
        "load before the run": f"{load:.1f} (anything but 0 disturbs)",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
