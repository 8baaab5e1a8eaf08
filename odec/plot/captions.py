"""What is written on a picture of a model: its title, its units, and how a run ended."""

from __future__ import annotations

import textwrap

import numpy as np

from odec.system import System


def title_of(system: System | None) -> str:
    """The first line of what the model says of itself, where that makes a title; else its name."""
    if system is None:
        return ""
    first = system.doc.strip().partition("\n")[0].rstrip(".")
    return "\n".join(textwrap.wrap(first, 72)) if 0 < len(first) <= 140 else system.name


def units_of(system: System | None) -> dict[str, str]:
    """The units of the states and observables that have one, by name."""
    if system is None:
        return {}
    units = dict(system.state_units)
    units.update({obs.name: obs.unit for obs in system.observables if obs.unit})
    return {name: unit for name, unit in units.items() if unit}


def ended_early(time: str, times: np.ndarray, columns: np.ndarray) -> str:
    """What is said above curves (T, columns) that are no finite numbers from some time on; else nothing."""
    wrong = ~np.isfinite(columns).all(-1)
    if not wrong.any():
        return ""
    first = int(np.argmax(wrong))
    return (
        f"ended early, after {time} = {times[first - 1]:.6g}" if first else f"failed at {time} = {times[0]:g}"
    )
