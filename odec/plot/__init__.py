"""Pictures of runs and fits, as PNG, SVG or PDF: the same numbers give the same file."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odec.plot.curves import MOST_TRAJECTORIES, Series, View, input_series, spans_decades
from odec.plot.figure import draw, labelled

if TYPE_CHECKING:
    from odec.fit.result import FitResult
    from odec.results import Simulation
    from odec.system import System

__all__ = ["Series", "View", "draw", "plot_fit", "plot_run", "title_of"]


def plot_run(system: System | None, run: Simulation, path: str | Path, view: View | None = None) -> None:
    """Draw the states and observables of a run, and the inputs below them.

    system: for the title, the units and how inputs run between their times; None leaves these out.
    Raises ArgumentError for a suffix other than .png, .svg and .pdf and for a name that there is not,
    OSError where it cannot be written.
    """
    units = _units(system) if system else {}
    columns = [(name, run.states[..., k], False) for k, name in enumerate(run.state_names)]
    columns += [
        (name, run.observables[..., k], True)
        for k, name in enumerate(run.observable_names)
        if name not in run.state_names
    ]
    series = [
        Series(
            name,
            units.get(name, ""),
            run.times,
            y.reshape(len(run.times), -1)[:, :MOST_TRAJECTORIES],
            observed=observed,
        )
        for name, y, observed in columns
    ]
    if system:
        series += _inputs(system, dict(run.inputs), run.times)
    time = labelled(run.time_name, (system.time_unit if system else None) or "")
    title = title_of(system) if system else ""
    draw(series, path, title=title, time=time, warning=_ended_early(run), view=view)


def plot_fit(result: FitResult, path: str | Path, view: View | None = None) -> None:
    """Draw the data of a fit and the fitted curves, and the inputs below them. Raises as `plot_run` does."""
    system = result.system
    units = _units(system) if system else {}
    log = view.x_log if view and view.x_log is not None else spans_decades(result.data.times)
    times, curves = result.curves(log=log)
    series = [
        Series(name, units.get(name, ""), times, curve[:, None], result.data.column(name))
        for name, curve in curves.items()
    ]
    if system:
        series += _inputs(system, result.data.inputs, times)
    plural = "" if result.data.count == 1 else "s"
    draw(
        series,
        path,
        title=title_of(system) if system else result.name,
        note=f"sum of squares {result.loss:.5g} over {result.data.count} measurement{plural}",
        warning=_broken(result.columns.time, times, np.stack(list(curves.values()), -1))
        or ("interrupted: the best values so far" if result.interrupted else ""),
        time=labelled(result.columns.time, (system.time_unit if system else None) or ""),
        view=view,
    )


def title_of(system: System) -> str:
    """The first line of what the model says of itself, where that makes a title; else its name."""
    first = system.doc.strip().partition("\n")[0].rstrip(".")
    return "\n".join(textwrap.wrap(first, 72)) if 0 < len(first) <= 140 else system.name


def _ended_early(run: Simulation) -> str:
    """What is said above a run that did not reach its end."""
    failed = int((~run.status.ok).sum()) if run.status is not None else 0
    count = int(np.prod(run.states.shape[1:-1]))
    if not failed or count == 1:
        return _broken(run.time_name, run.times, run.states.reshape(len(run.times), -1)) if failed else ""
    return f"{failed} of {count} trajectories ended early"


def _broken(time: str, times: np.ndarray, columns: np.ndarray) -> str:
    """What is said above curves (T, columns) that are no finite numbers from some time on."""
    wrong = ~np.isfinite(columns).all(-1)
    if not wrong.any():
        return ""
    first = int(np.argmax(wrong))
    return (
        f"ended early, after {time} = {times[first - 1]:.6g}" if first else f"failed at {time} = {times[0]:g}"
    )


def _inputs(
    system: System, samples: dict[str, tuple[np.ndarray, np.ndarray]], times: np.ndarray
) -> list[Series]:
    return [
        input_series(item.name, item.unit or "", item.kind, samples[item.name], times)
        for item in system.inputs
        if item.name in samples
    ]


def _units(system: System) -> dict[str, str]:
    units = dict(system.state_units)
    units.update({obs.name: obs.unit for obs in system.observables if obs.unit})
    return {name: unit for name, unit in units.items() if unit}
