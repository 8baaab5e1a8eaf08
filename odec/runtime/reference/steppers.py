"""The stepper of a model's method."""

from __future__ import annotations

from ..compiled import Compiled
from ..methods import Auto, Explicit, Implicit, Rosenbrock
from .auto import AutoStepper
from .explicit import ExplicitStepper
from .implicit import ImplicitStepper
from .rosenbrock import RosenbrockStepper
from .stepper import Stepper


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
