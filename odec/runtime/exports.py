"""All that generated modules name of the run-time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from .arrays import (
    Parts,
    concat,
    gathered,
    jacobian_by_columns,
    jacobian_by_diagonals,
    matvec,
    outer,
    placed,
    repeated,
    side_by_side,
    spread,
    stack,
    vecmat,
)
from .cell import MapCell, StepCell
from .compiled import (
    Cell,
    Compiled,
    Defaults,
    Equations,
    Input,
    Kernel,
    Noise,
    Param,
    Span,
    StepGradients,
    StepTangents,
    StiffEquations,
    elements,
    inputs,
)
from .errors import CompilerTimeout, DeviceMemoryError, EngineError
from .external_nets import ExternalNet, external, external_jvp, external_vjp
from .lookups import Lookup
from .methods import Adams, Auto, Explicit, Implicit, Interpolant, Map, Rosenbrock
from .model import Model
from .nets import Net
from .series import Series
from .slopes import Slope
from .special import apart, distance, exprel, gamma, limit, near
from .status import Failure, Status
from .steps import Steps, Tolerance
from .switch_times import Turns
from .tensors import Time, columns, common_shape, dot, over, pooled, scattered, sum_to, weighted_rows
from .tensors import time_like as time

Inputs = Series | None
"""The inputs as functions of time; None for a model without inputs."""
Clip = float | None
"""A bound on |dx/dt|, or None."""
Slopes = tuple[Tensor, ...]
"""The slopes of a step's stages."""
Stages = tuple[Tensor, tuple[Tensor, ...], Slopes]
"""The states after a step, the estimates of its local error, and its slopes."""


def steps_of(compiled: Compiled) -> tuple[Any, Any, Any]:
    """One step of a model's method, its adjoint and its tangent; see reference.steppers.steps_of."""
    from .reference import steppers  # which a module of an explicit method does without

    return steppers.steps_of(compiled)


def public(module: Mapping[str, Any]) -> tuple[list[str], Callable[[], list[str]]]:
    """Of a module's names those that it is used by, for `import *` and dir(): its own, and what it says of
    itself."""
    told = ("COMPILED", "INPUTS", "KERNEL", "METHOD", "OBSERVABLES", "PARAMS", "STATES", "unpack")
    steps = ("step", "step_vjp", "step_jvp")
    own = [name for name, value in module.items() if getattr(value, "__module__", "") == module["__name__"]]
    names = sorted({name for name in (*told, *steps, *own) if name in module and not name.startswith("_")})
    return names, lambda: names


__all__ = [
    "Adams",
    "Auto",
    "Cell",
    "Clip",
    "Compiled",
    "CompilerTimeout",
    "Defaults",
    "DeviceMemoryError",
    "EngineError",
    "Equations",
    "Explicit",
    "ExternalNet",
    "Failure",
    "Implicit",
    "Input",
    "Inputs",
    "Interpolant",
    "Kernel",
    "Lookup",
    "Map",
    "MapCell",
    "Model",
    "Net",
    "Noise",
    "Param",
    "Parts",
    "Rosenbrock",
    "Series",
    "Slope",
    "Slopes",
    "Span",
    "Stages",
    "Status",
    "StepCell",
    "StepGradients",
    "StepTangents",
    "Steps",
    "StiffEquations",
    "Time",
    "Tolerance",
    "Turns",
    "apart",
    "columns",
    "common_shape",
    "concat",
    "distance",
    "dot",
    "elements",
    "exprel",
    "external",
    "external_jvp",
    "external_vjp",
    "gamma",
    "gathered",
    "inputs",
    "jacobian_by_columns",
    "jacobian_by_diagonals",
    "limit",
    "matvec",
    "near",
    "outer",
    "over",
    "placed",
    "pooled",
    "public",
    "repeated",
    "scattered",
    "side_by_side",
    "spread",
    "stack",
    "steps_of",
    "sum_to",
    "time",
    "vecmat",
    "weighted_rows",
]
