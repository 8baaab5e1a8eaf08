"""All that generated modules name of the run-time."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .cell import StepCell
from .compiled import (
    Cell,
    Compiled,
    Defaults,
    Equations,
    Input,
    Kernel,
    Param,
    StepGradients,
    StepTangents,
    StiffEquations,
)
from .errors import CompilerTimeout, DeviceMemoryError, EngineError
from .methods import Adams, Auto, Explicit, Implicit, Interpolant, Map, Rosenbrock
from .model import Model
from .series import Series
from .slopes import Slope
from .special import exprel, gamma
from .status import Failure, Status
from .steps import Steps, Tolerance
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
    "Failure",
    "Implicit",
    "Input",
    "Inputs",
    "Interpolant",
    "Kernel",
    "Map",
    "Model",
    "Param",
    "Rosenbrock",
    "Series",
    "Slope",
    "Slopes",
    "Stages",
    "Status",
    "StepCell",
    "StepGradients",
    "StepTangents",
    "Steps",
    "StiffEquations",
    "Time",
    "Tolerance",
    "columns",
    "common_shape",
    "dot",
    "exprel",
    "gamma",
    "over",
    "pooled",
    "scattered",
    "steps_of",
    "sum_to",
    "time",
    "weighted_rows",
]
