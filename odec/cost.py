"""What a run costs: fixed steps and memory, asked before it starts, and the time that it may take."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from odec.errors import ArgumentError, SimulationError, as_number

_MOST_STEPS = {"native": 1e10, "torch": 1e8}
"""Steps that take an hour or so."""


def check_cost(net: Any, times: Sequence[float], *, numbers: float, kept: bool = False) -> None:
    """Whether the run of a Model ends within hours, and its states fit into this machine.

    numbers: those of one output, of all trajectories, in the Model's own type. kept: whether the torch engine
    keeps the state after every step, for a gradient. Raises ArgumentError.
    """
    rows, steps = float(len(times)), _fixed_steps(net, times)
    most = _MOST_STEPS.get(net.engine)
    if most is None:
        known = ", ".join(_MOST_STEPS)
        raise ArgumentError(f"what a step costs on the engine {net.engine!r} is not known; known: {known}")
    if steps > most:
        raise ArgumentError(
            f"{steps:.3g} fixed steps of {net.dt:g} are too many for the {net.engine} engine"
            f" (at most {most:g}): take a longer dt (--dt), or steps by a tolerance (method='auto')"
        )
    like = net.vector()
    if like.device.type != "cpu":
        return
    what = f"{len(times)} outputs"
    if kept and net.engine == "torch" and steps > rows:
        rows, what = steps, f"the states after {steps:.3g} steps, which a gradient needs,"
    need, there_is = rows * numbers * like.element_size(), _memory()
    if need > there_is:
        raise ArgumentError(
            f"{what} take {need / 1e9:.3g} GB, and this machine has {there_is / 1e9:.3g} GB: take fewer"
            " outputs (--step, --times), a longer dt (--dt) or fewer trajectories at a time"
        )


def _fixed_steps(net: Any, times: Sequence[float]) -> float:
    """How many steps of dt, of a map as well, lie between the first and the last time; 0 by a tolerance."""
    if net.steps.tolerance is not None or not net.dt:
        return 0.0
    return abs(times[-1] - times[0]) / net.dt if len(times) else 0.0


def _memory() -> float:
    """The bytes of memory that this process can have, as far as is known."""
    found = math.inf
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(OSError, ValueError):  # of a container
        found = min(found, float(Path("/sys/fs/cgroup/memory.max").read_text()))
    return found


@contextlib.contextmanager
def limited(max_time: float | None) -> Iterator[None]:
    """A run that may take so many seconds. Raises SimulationError where it takes longer, with no result."""
    from odec.runtime.stopping import OutOfTime, within

    seconds = seconds_of(max_time)
    try:
        with within(seconds):
            yield
    except OutOfTime as error:
        raise SimulationError(str(error)) from error


def seconds_of(max_time: float | None) -> float | None:
    """max_time as a number. Raises ArgumentError for one that is not positive."""
    if max_time is None:
        return None
    seconds = as_number(max_time, "max_time")
    if not seconds > 0:
        raise ArgumentError(f"max_time must be a positive number of seconds, not {seconds:g}")
    return seconds
