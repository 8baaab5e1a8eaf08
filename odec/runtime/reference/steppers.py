"""The stepper of a model's method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..compiled import Compiled, StepGradients, StepTangents
from ..methods import Adams, Auto, Explicit, Implicit, Map, Rosenbrock
from ..tensors import Time
from .auto import AutoStepper
from .explicit import ExplicitStepper
from .implicit import ImplicitStepper
from .maps import MapStepper
from .rosenbrock import RosenbrockStepper
from .stepper import FixedStepper, Stepper


def stepper_of(compiled: Compiled) -> Stepper:
    """The stepper of a one-step method for differential equations.

    Raises TypeError for Adams methods, which have loops of their own, and for maps, see MapStepper.
    """
    method, equations = compiled.method, compiled.equations
    if isinstance(method, Explicit):
        return ExplicitStepper(compiled)
    if isinstance(method, Implicit):
        return ImplicitStepper(equations, method)
    if isinstance(method, Rosenbrock):
        return RosenbrockStepper(equations, method)
    if isinstance(method, Auto):
        stiff = RosenbrockStepper(equations, method.stiff)
        return AutoStepper(ExplicitStepper(compiled, method.explicit), stiff)
    raise TypeError(f"{method.name or 'a map'} has no steps of one kind alone")


def fixed_stepper_of(compiled: Compiled) -> FixedStepper:
    """The stepper of any model for steps of a given size; of Adams methods that of their first steps."""
    method = compiled.method
    if isinstance(method, Map):
        return MapStepper(compiled)
    return ExplicitStepper(compiled, method.starter) if isinstance(method, Adams) else stepper_of(compiled)


def steps_of(compiled: Compiled) -> tuple[Callable[..., Tensor], Callable[..., StepGradients], Any]:
    """One step of a model's method, its adjoint and its tangent, for loops of one's own.

    step(x, t, h, p, u, clip), step_vjp(x, t, h, p, u, w, clip, wrt_times), step_jvp(x, t, h, p, u, d, clip).
    Of
    an Adams method those of the method of its first steps.
    """
    stepper = fixed_stepper_of(compiled)

    def step(x: Tensor, t: Time, h: Time, p: Tensor, u: Any = None, clip: float | None = None) -> Tensor:
        return stepper.step(x, t, h, p, u, clip)

    def step_vjp(
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Any,
        w: Tensor,
        clip: float | None = None,
        wrt_times: bool = False,
    ) -> StepGradients:
        return stepper.vjp(x, t, h, p, u, w, clip, wrt_times)

    def step_jvp(
        x: Tensor, t: Time, h: Time, p: Tensor, u: Any, d: StepTangents, clip: float | None = None
    ) -> tuple[Tensor, Tensor]:
        return stepper.jvp(x, t, h, p, u, d.x, d.t, d.h, d.p, d.u, clip)

    return step, step_vjp, step_jvp
