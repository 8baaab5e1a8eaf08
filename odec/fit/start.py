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
from odec.passes.program import Layout
from odec.runtime.model import Model
from odec.runtime.transforms import Bounds
from odec.system import Param, System

NUDGE = 1e-3


@dataclass(frozen=True)
class Start:
    """The coordinates of the free parameters, θ at the start, every parameter's start value, and remarks."""

    coordinates: Coordinates
    theta: np.ndarray
    values: dict[str, float]
    notes: tuple[str, ...]


def free_parameters(
    params: Sequence[str], fix: Iterable[str], free: Iterable[str] | None = None
) -> tuple[str, ...]:
    """The parameters that move: those named free, or all, but for those that are fixed.

    params: each number by its name, of an array those of its elements; `W` in fix and free is all of them.
    Raises ArgumentError for unknown names and where none is left.
    """
    fixed, kept = _named(params, fix, "fix"), _named(params, params if free is None else free, "free")
    found = tuple(name for name in params if name in kept and name not in fixed)
    if not found:
        reason = "every parameter is fixed" if params else "the model has no parameters"
        raise ArgumentError(f"{reason}: there is nothing to fit")
    return found


def frozen(net: Model, params: Sequence[str]) -> set[str]:
    """The parameters of a Model that `freeze` keeps where they are."""
    return {name for name in params if not net.raw(whole_of(name)).requires_grad}


def apply_values(net: Model, values: Mapping[str, float]) -> None:
    """Give a Model's parameters new values, in natural units, whether or not they have left their bounds.

    values: of each number of a parameter, by its name.
    """
    with torch.no_grad():
        for param in net.compiled.params:
            raw, held = net.raw(param.name), net.bounds(param.name)
            natural = torch.tensor([values[name] for name in param.columns], dtype=torch.float64)
            natural = natural.to(raw).reshape(raw.shape)
            raw.copy_(natural if held is None else held.right_inverse(natural))


def start_values(
    net: Any,
    params: Sequence[str],
    given: Mapping[str, Any],
    system: System | None,
    *,
    own: bool = False,
) -> dict[str, float]:
    """Every parameter's start: what is given, else the model's default, or (own) the Model's present value.

    params: each number by its name. given: numbers by name, of an array one for all its elements, an array of
    its shape, or one of an element. Raises ArgumentError for unknown names and values out of bounds.
    """
    values = dict(zip(params, net.vector().detach().to(torch.float64).tolist(), strict=True))
    if system is not None and not own:
        values |= {name: value for param in system.params for name, value in _defaults(param)}
    intervals = {param.name: param.interval for param in system.params} if system else {}
    for name, value in _by_number(params, given):
        whole = whole_of(name)
        if not math.isfinite(value):
            raise ArgumentError(f"the start value of {name!r} must be a finite number, not {value:g}")
        transform = net.bounds(whole)
        outside = whole in intervals and value not in intervals[whole]
        if outside or (transform is not None and math.isnan(_raw(transform, _scalar(value)))):
            bounds = f" {intervals[whole]}" if whole in intervals else ""
            raise ArgumentError(f"the start value {value:g} of {name!r} lies outside its bounds{bounds}")
        values[name] = value
    return values


def _defaults(param: Param) -> list[tuple[str, float]]:
    """The defaults of a parameter's numbers by name; none where they are drawn."""
    names = Layout.of([(param.name, param.shape)]).columns
    each = param.elements or [param.value] * len(names)
    return [] if param.draw else list(zip(names, each, strict=True))


def _by_number(params: Sequence[str], given: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The start values given, each under the name of its number, those of single elements last."""
    found: list[tuple[str, float]] = []
    for name, value in sorted(given.items(), key=lambda item: "[" in item[0]):
        own = _elements(params, name)
        if not own:
            _known(name, params, "set")
        each = np.ravel(value)
        if np.ndim(value) and len(each) != len(own):
            shape = np.shape(value)
            raise ArgumentError(f"set: {name} takes a number, or {len(own)} of them, not of shape {shape}")
        found += zip(own, np.broadcast_to(each, len(own)).tolist(), strict=True)
    return found


def whole_of(name: str) -> str:
    """The parameter that a number is of: `W` of `W[0,1]`."""
    return name.partition("[")[0]


def _elements(params: Sequence[str], name: str) -> list[str]:
    """The numbers that a name is of: itself, or the elements of an array; none where it is unknown."""
    name = name.replace(" ", "")
    return [name] if name in params else [one for one in params if whole_of(one) == name]


def _named(params: Sequence[str], names: Iterable[str], option: str) -> set[str]:
    """The numbers of all these names. Raises ArgumentError for an unknown one."""
    found = set(names) & set(params)
    for name in {*names} - found:
        own = _elements(params, name)
        if not own:
            _known(name, params, option)
        found.update(own)
    return found


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
    held = {whole: net.bounds(whole) if transforms == "model" else None for whole in map(whole_of, free)}
    for name in free:
        transform = held[whole_of(name)]
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
        known = list(dict.fromkeys(map(whole_of, params)))
        hint = did_you_mean(name, known) or f"; the model has {', '.join(known) or 'none'}"
        if whole_of(name) in known:
            own = _elements(params, whole_of(name))
            hint = f"; {whole_of(name)} has {own[0]} to {own[-1]}" if "[" in own[0] else "; it is a number"
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
