"""The settings of a Model: how it steps, and how its gradients are found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

from .compiled import Compiled

ADAPTIVE = ("rtol", "atol", "first_step", "min_step", "max_step", "max_steps", "dense_output")
"""The settings that are of steps by tolerance."""


class Settings(TypedDict, total=False):
    """How a Model steps, and how its gradients are found; see Model."""

    dt: float | None
    rtol: float | None
    atol: float | Sequence[float] | None
    first_step: float | None
    min_step: float
    max_step: float
    max_steps: int
    dense_output: bool | None
    clip: float | None
    adjoint: str
    adjoint_rtol: float | None
    adjoint_atol: float | Sequence[float] | None
    checkpoints: int | str | None
    engine: str
    chunk: int | None
    max_time: float | None


def default_settings(compiled: Compiled) -> dict[str, Any]:
    """The settings that a Model has, with their defaults."""
    found: dict[str, Any] = {}
    if not compiled.is_map:
        found["dt"] = None if compiled.adaptive else compiled.defaults.dt
    if compiled.adaptive:
        steered = {"min_step": 0.0, "max_step": math.inf, "max_steps": compiled.defaults.max_steps}
        found.update(dict.fromkeys(ADAPTIVE) | steered)
    if not compiled.is_map:
        found["clip"] = None
    found["adjoint"] = "discrete"
    if compiled.adaptive and compiled.continuous:
        found.update(adjoint_rtol=None, adjoint_atol=None)
    found.update(checkpoints=None, engine="auto", max_time=None)
    return found if compiled.kernel is None else found | {"chunk": None}
