"""How long steps are by default, and how exact: from a model's run line and its initial values."""

from __future__ import annotations

import math
from typing import Any

from odec.arrays import ARRAY_OPERATIONS
from odec.lang.switches import switches
from odec.passes.lower import Lowered, lower, needed
from odec.system import Param, System
from odec.tree import evaluate

ABSOLUTE = 1e-9
"""The absolute tolerance of a state that starts at 1 or above."""


def starting_values(lowered: Lowered) -> tuple[float, ...]:
    """The initial value of each first-order state, with parameters at their defaults."""
    system = lowered.system
    env: dict[str, Any] = {param.name: _filled(param) for param in system.params}
    env |= system.constants
    env |= {system.time: system.run.start if system.run else 0.0, "pi": math.pi}
    for definition in needed(lowered.starting, lowered.initial):
        env[definition.name] = evaluate(definition.expr, env)
    return tuple(n for state in lowered.states for n in _elements(env[state.name], state.size))


def _filled(param: Param) -> Any:
    """A parameter's default; of an array that is drawn, zeros."""
    if param.elements:
        import numpy as np

        return np.reshape(param.elements, param.shape)
    return ARRAY_OPERATIONS["broadcast"].value(param.shape, param.value) if param.shape else param.value


def _elements(value: Any, size: int) -> list[float]:
    """The elements, row-major, of an array, or of one whose elements are all one number."""
    flat = [float(value)] if isinstance(value, float | int) else [float(n) for n in value.ravel()]
    return flat if len(flat) == size else flat * size


def absolute_tolerances(system: System) -> tuple[float, ...]:
    """The absolute tolerance of each first-order state: that of the `run` line, else 1e-9·min(1, |x(0)|).

    Where x(0) is 0, the largest of the other states stands in for it; 1e-9 where all are 0.
    """
    given = system.run.atol if system.run else ()
    lowered = lower(system)
    if given:
        return given if len(given) > 1 else given * lowered.states.width
    sizes = [abs(value) for value in starting_values(lowered)]
    largest = max((size for size in sizes if math.isfinite(size)), default=0.0) or 1.0
    known = [size if math.isfinite(size) else 1.0 for size in sizes]
    return tuple(ABSOLUTE * min(1.0, size or largest) for size in known)


def fixed_step(span: float, step: float | None) -> float:
    """The longest fixed step by default: the time between outputs, or span/1000 if that is less."""
    longest = span / 1000 or 1.0
    return longest if step is None else min(step, longest)


def switches_with_time(system: System) -> bool:
    """Whether an equation switches at instants that depend on the time itself, but on which no step lands."""
    found = switches(system) if system.kind == "ode" else ()
    return any(system.time in switch.names and switch.why for switch in found)


def longest_step(system: System) -> float | None:
    """The longest step by tolerance of a model that switches in time: that of fixed steps by default.

    None for a model that does not, and for one without a run line. No pulse that is as wide is then missed.
    """
    run = system.run
    if run is None or not switches_with_time(system):
        return None
    return fixed_step(abs(run.stop - run.start), run.step)
