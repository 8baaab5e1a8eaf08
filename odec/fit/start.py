"""Where a fit starts: which parameters move, from which values, on which scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from odec.errors import ArgumentError, did_you_mean
from odec.fit.loss import Coordinates
from odec.runtime.model import Model
from odec.runtime.transforms import Bounds
from odec.system import System

NUDGE = 1e-3


@dataclass(frozen=True)
class Start:
    """The coordinates of the free parameters, θ at the start, every parameter's start value, and remarks."""

    coordinates: Coordinates
    theta: np.ndarray
    values: dict[str, float]
    notes: tuple[str, ...]


def free_parameters(params: Sequence[str], fix: Iterable[str]) -> tuple[str, ...]:
    """The parameters that are not fixed. Raises ArgumentError for unknown names and where none is left."""
    fix = [fix] if isinstance(fix, str) else list(fix)
    for name in fix:
        _known(name, params, "fix")
    free = tuple(name for name in params if name not in fix)
    if not free:
        reason = "every parameter is fixed" if params else "the model has no parameters"
        raise ArgumentError(f"{reason}: there is nothing to fit")
    return free


def frozen(net: Model, params: Sequence[str]) -> set[str]:
    """The parameters of a Model that `freeze` keeps where they are."""
    return {name for name in params if not net.raw(name).requires_grad}


def apply_values(net: Model, params: Sequence[str], values: Mapping[str, float]) -> None:
    """Give a Model's parameters new values, in natural units, whether or not they have left their bounds."""
    with torch.no_grad():
        for name, value in values.items():
            raw, held = net.raw(name), net.bounds(name)
            natural = torch.full_like(raw, value)
            raw.copy_(natural if held is None else held.right_inverse(natural))


def start_values(
    net: Any,
    params: Sequence[str],
    given: Mapping[str, float],
    system: System | None,
    *,
    own: bool = False,
) -> dict[str, float]:
    """Every parameter's start: what is given, else the model's default, or (own) the Model's present value.

    Raises ArgumentError for unknown names and values out of bounds.
    """
    if system is not None and not own:
        values = {param.name: param.value for param in system.params}
    else:
        values = dict(zip(params, net.vector().detach().to(torch.float64).tolist(), strict=True))
    intervals = {param.name: param.interval for param in system.params} if system else {}
    for name, value in given.items():
        _known(name, params, "set")
        if not math.isfinite(value):
            raise ArgumentError(f"the start value of {name!r} must be a finite number, not {value:g}")
        transform = net.bounds(name)
        outside = name in intervals and value not in intervals[name]
        if outside or (transform is not None and math.isnan(_raw(transform, _scalar(value)))):
            bounds = f" {intervals[name]}" if name in intervals else ""
            raise ArgumentError(f"the start value {value:g} of {name!r} lies outside its bounds{bounds}")
        values[name] = value
    return values


def start_of(
    net: Model, values: Mapping[str, float], free: Sequence[str], *, transforms: str, scaled: bool
) -> Start:
    """The start of a fit from the values of every parameter.

    transforms: "model" keeps the bounds by the model's transforms, "none" moves natural values. scaled: a
    unit of θ changes a parameter (or its distance to the bound) by about its own size at the start; else θ is
    the raw value itself.
    """
    values = dict(values)
    functions: list[Callable[[Tensor], Tensor] | None] = []
    raws, scales, notes = [], [], []
    for name in free:
        transform = net.bounds(name) if transforms == "model" else None
        functions.append(transform)
        value = _scalar(values[name])
        if transform is not None and math.isinf(_raw(transform, value)):
            value = _inside(transform, value)
            taken = f"where it cannot move; taken as {float(value):g}"
            notes.append(f"{name} starts on its bound {values[name]:g}, {taken}")
            values[name] = float(value)
        raws.append(float(value) if transform is None else _raw(transform, value))
        scales.append(size_in_raw(transform, value, raws[-1]))
    scale = np.array(scales) if scaled else np.ones(len(free))
    coordinates = Coordinates(tuple(free), tuple(functions), scale)
    return Start(coordinates, np.array(raws) / scale, values, tuple(notes))


def _known(name: str, params: Sequence[str], option: str) -> None:
    if name not in params:
        hint = did_you_mean(name, params) or f"; the model has {', '.join(params) or 'none'}"
        raise ArgumentError(f"{option}: unknown parameter {name!r}{hint}")


def _scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _raw(transform: Any, value: Tensor) -> float:
    with torch.no_grad():
        return float(transform.right_inverse(value))


def ends_of(transform: Bounds | None) -> tuple[float | None, float | None]:
    """The bounds that a transform keeps at a finite place, each None where there is none."""
    if transform is None:
        return None, None
    lower, upper = (bound if math.isfinite(bound) else None for bound in (transform.lower, transform.upper))
    return lower, upper


def _inside(transform: Any, value: Tensor) -> Tensor:
    """A value a little inside the bounds of a transform."""
    lower, upper = ends_of(transform)
    if lower is not None and upper is not None:
        gap = NUDGE * (upper - lower)
        return torch.clamp(value, lower + gap, upper - gap)
    bound = lower if lower is not None else upper if upper is not None else 0.0
    gap = NUDGE * max(1.0, abs(bound))
    return _scalar(bound - gap if lower is None and upper is not None else bound + gap)


def size_in_raw(transform: Any, value: Tensor, raw: float) -> float:
    """d raw/dθ, such that a unit of θ is about the size of the parameter or of its distance to its bound."""
    lower, upper = ends_of(transform)
    if lower is not None and upper is not None:
        return 1.0
    bound = lower if lower is not None else upper if upper is not None else 0.0
    size = abs(float(value) - bound)
    if transform is not None:
        point = torch.tensor(raw, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(transform(point), point)
        size /= abs(float(slope)) or 1.0
    return size if size > 0 and math.isfinite(size) else 1.0
