"""Inputs as a call gives them: series by name, a number, a pandas Series, or times and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .arguments import real
from .compiled import Input
from .series import COEFFICIENTS


def series_of(inputs: Sequence[Input], given: Any, p: Tensor) -> list[Tensor]:
    """The knots and coefficients of each input, in the dtype of p. Raises ValueError."""
    if not (given is None or hasattr(given, "items")):
        raise ValueError(f"inputs must be (times, values) by name, not a {type(given).__name__}")
    given = dict(given or {})
    names = [entry.name for entry in inputs]
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


def _samples(name: str, samples: Any, p: Tensor) -> tuple[Tensor, Tensor]:
    """The times (K,) and the values (K, *batch) of an input."""
    if isinstance(samples, (int, float)) or getattr(samples, "shape", None) == ():
        samples = [0.0], real(samples, p, f"input {name!r}").reshape(1)
    elif hasattr(samples, "index") and hasattr(samples, "to_numpy"):  # a pandas Series
        samples = samples.index.to_numpy(copy=True), samples.to_numpy(copy=True)
    try:
        times, values = samples
    except (TypeError, ValueError):
        wanted = "a number, a pandas Series or a pair, (times, values)"
        raise ValueError(f"input {name!r} needs {wanted}, not {samples!r:.60}") from None
    times = real(times, p, f"the times of input {name!r}")
    values = real(values, p, f"input {name!r}")
    if times.requires_grad:
        raise ValueError(f"the times of input {name!r} are not differentiable; detach them")
    if times.dim() != 1 or len(times) == 0 or values.dim() == 0 or len(values) != len(times):
        shapes = f"{tuple(times.shape)} and {tuple(values.shape)}"
        raise ValueError(f"input {name!r} needs times (K,) and values (K,) or (K, *batch), not {shapes}")
    return times, values
