"""The stepper of a model's method."""

from __future__ import annotations

from ..compiled import Compiled
from ..methods import Adams, Auto, Explicit, Implicit, Map, Rosenbrock
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
