"""What `options` may hold, by the kind of method."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from odec.errors import ArgumentError, as_number, did_you_mean
from odec.integrate import tables

_STEERED = """min_step max_step first_step step_t jump_t grid_points safety ifactor dfactor max_num_steps
dtype""".split()
_GRID = "step_size grid_constructor interp perturb".split()
KNOWN = {
    "adaptive": ("norm", *_STEERED),
    "fixed": ("norm", *_GRID),
    "adams": ("norm", *_GRID, "max_order", "max_iters"),
    "implicit": ("norm", *_GRID, "max_iters"),
}
"""The options of each kind of method."""


@dataclass(frozen=True)
class Adaptive:
    """How steps follow a tolerance. Hairer, Nørsett & Wanner I, II.4.

    The next step is safety·err^(-1/order) times as long, between dfactor and ifactor times. stops: times that
    steps end on, True where the right-hand side jumps there. most: how many steps between two outputs.
    """

    first: float | None = None
    least: float = 0.0
    longest: float = math.inf
    stops: tuple[tuple[float, bool], ...] = ()
    safety: float = 0.9
    most_growth: float = 10.0
    least_growth: float = 0.2
    most: int = 2**31 - 1


@dataclass(frozen=True)
class Grid:
    """Where fixed steps end: step_size apart from the first time on, or where the constructor says.

    Without either at the times asked for. perturb: no slope is taken at a step's ends, but beside them.
    """

    step_size: float | None = None
    constructor: Callable[..., Tensor] | None = None
    cubic: bool = False
    perturb: bool = False
    max_order: int = 12
    max_iters: int | None = None


def kind_of(method: str) -> str:
    """Which of KNOWN's options a method has."""
    if method in tables.ADAPTIVE:
        return "adaptive"
    if method in tables.ADAMS:
        return "adams"
    return "fixed" if method in tables.EXPLICIT else "implicit"


def read(method: str, options: Mapping[str, Any]) -> Adaptive | Grid:
    """The options of a method. Raises ArgumentError for one that there is not; warns of one of others."""
    everywhere = {name for names in KNOWN.values() for name in names}
    own = KNOWN[kind_of(method)]
    for name in options:
        if name not in everywhere:
            said = did_you_mean(name, own) or f"; {method} has {', '.join(own)}"
            raise ArgumentError(f"there is no option {name!r}{said}")
        if name not in own:
            warnings.warn(f"the option {name} is not of {method}, and does nothing", stacklevel=4)
    return _adaptive(options) if method in tables.ADAPTIVE else _grid(options)


def _adaptive(options: Mapping[str, Any]) -> Adaptive:
    if not options:
        return Adaptive()
    first = options.get("first_step")
    number = {
        name: as_number(options.get(name, default), name)
        for name, default in (
            ("min_step", 0.0), ("max_step", math.inf), ("safety", 0.9), ("ifactor", 10.0), ("dfactor", 0.2)
        )
    }  # fmt: skip
    if not 0 <= number["min_step"] < number["max_step"]:
        raise ArgumentError("0 <= min_step < max_step must hold, of the options min_step and max_step")
    if not (0 < number["safety"] <= 1 and 0 < number["dfactor"] < 1 < number["ifactor"]):
        raise ArgumentError("0 < safety <= 1 and 0 < dfactor < 1 < ifactor must hold, of these options")
    if first is not None and not 0 < as_number(first, "first_step") < math.inf:
        raise ArgumentError(f"first_step must be a positive number, not {first!r}")
    dtype = options.get("dtype", torch.float64)
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ArgumentError(f"dtype must be a floating dtype such as torch.float64, not {dtype!r}")
    most = options.get("max_num_steps", 2**31 - 1)
    if not as_number(most, "max_num_steps") >= 1:
        raise ArgumentError(f"max_num_steps must be a positive whole number, not {most!r}")
    return Adaptive(
        None if first is None else float(first),
        number["min_step"],
        number["max_step"],
        _stops(options),
        number["safety"],
        number["ifactor"],
        number["dfactor"],
        int(most),
    )


def _stops(options: Mapping[str, Any]) -> tuple[tuple[float, bool], ...]:
    """The times of step_t, jump_t and grid_points, and whether they are of jumps."""
    found = []
    for name in ("step_t", "jump_t", "grid_points"):
        value = options.get(name)
        if value is None:
            continue
        try:
            times = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
        except (TypeError, ValueError, RuntimeError):
            raise ArgumentError(f"{name} must be a tensor of times, not {value!r}") from None
        found += [(time, name != "step_t") for time in times]
    times = [time for time, _ in found]
    if len(set(times)) < len(times):
        raise ArgumentError("a time stands twice in step_t and jump_t: name each once")
    return tuple(found)


def _grid(options: Mapping[str, Any]) -> Grid:
    if not options:
        return Grid()
    size, constructor = options.get("step_size"), options.get("grid_constructor")
    if size is not None and constructor is not None:
        raise ArgumentError("step_size and grid_constructor both say where steps end: give one of them")
    if size is not None and not 0 < as_number(size, "step_size") < math.inf:
        raise ArgumentError(f"step_size must be a positive number, not {size!r}")
    if constructor is not None and not callable(constructor):
        raise ArgumentError(f"grid_constructor must be a function(func, y0, t), not {constructor!r}")
    interp = options.get("interp", "linear")
    if interp not in ("linear", "cubic"):
        raise ArgumentError(f"interp must be 'linear' or 'cubic', not {interp!r}")
    order, iterations = options.get("max_order", 12), options.get("max_iters")
    if not 1 <= as_number(order, "max_order") <= 12:
        raise ArgumentError(f"max_order must be a whole number from 1 to 12, not {order!r}")
    if iterations is not None and not as_number(iterations, "max_iters") >= 1:
        raise ArgumentError(f"max_iters must be a positive whole number, not {iterations!r}")
    return Grid(
        None if size is None else float(size),
        constructor,
        interp == "cubic",
        bool(options.get("perturb", False)),
        int(order),
        None if iterations is None else int(iterations),
    )
