"""Inputs as a call gives them: series by name, a number, a pandas Series, or times and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .arguments import real
from .compiled import Input
from .series import COEFFICIENTS
from .shaped import arrays_of, by_element


def series_of(inputs: Sequence[Input], given: Any, p: Tensor) -> list[Tensor]:
    """The knots and coefficients of each input, in the dtype of p. Raises ValueError."""
    if not (given is None or hasattr(given, "items")):
        raise ValueError(f"inputs must be (times, values) by name, not a {type(given).__name__}")
    names = [entry.name for entry in inputs]
    given = _each(names, dict(given or {}), p)
    missing = [name for name in names if name not in given]
    unknown = [name for name in given if name not in names]
    if missing or unknown:
        problem = f"input {missing[0]!r} has no values" if missing else f"unknown input {unknown[0]!r}"
        wanted = ", ".join(f"{name!r}: (times, values)" for name in names)
        raise ValueError(f"{problem}; give inputs={{{wanted}}}")
    series = []
    for entry in inputs:
        times, values = _samples(entry.name, given[entry.name], p)
        series += [times, COEFFICIENTS[entry.kind](times, values)]
    return series


def _each(names: Sequence[str], given: dict[str, Any], p: Tensor) -> dict[str, Any]:
    """What is given by the names of arrays, by those of their elements, which share their times."""
    for name, (_, shape) in arrays_of(names).items():
        if shape and name in given:
            whole = given.pop(name)
            own = [element for element in names if element.partition("[")[0] == name]
            if isinstance(whole, (int, float)):
                given |= dict.fromkeys(own, whole)
                continue
            times, values = _pair(name, whole)
            times, values = real(times, p, f"the times of input {name!r}"), real(values, p, f"input {name!r}")
            given |= {element: (times, one) for element, one in by_element(names, name, values).items()}
    return given


def _samples(name: str, samples: Any, p: Tensor) -> tuple[Tensor, Tensor]:
    """The times (K,) and the values (K, *batch) of an input."""
    if isinstance(samples, (int, float)) or getattr(samples, "shape", None) == ():
        samples = [0.0], real(samples, p, f"input {name!r}").reshape(1)
    times, values = _pair(name, samples)
    times = real(times, p, f"the times of input {name!r}")
    values = real(values, p, f"input {name!r}")
    if times.requires_grad:
        raise ValueError(f"the times of input {name!r} are not differentiable; detach them")
    if times.dim() != 1 or len(times) == 0 or values.dim() == 0 or len(values) != len(times):
        shapes = f"{tuple(times.shape)} and {tuple(values.shape)}"
        raise ValueError(f"input {name!r} needs times (K,) and values (K,) or (K, *batch), not {shapes}")
    return times, values


def _pair(name: str, samples: Any) -> tuple[Any, Any]:
    """The times and the values of an input, given as such or as a table of pandas. Raises ValueError."""
    if hasattr(samples, "index") and hasattr(samples, "to_numpy"):
        samples = samples.index.to_numpy(copy=True), samples.to_numpy(copy=True)
    try:
        times, values = samples
    except (TypeError, ValueError):
        wanted = "a number, a pandas Series or a pair, (times, values)"
        raise ValueError(f"input {name!r} needs {wanted}, not {samples!r:.60}") from None
    return times, values
