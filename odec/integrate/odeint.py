"""odeint: the states of dy/dt = func(t, y), for any function of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch import Tensor

from odec.errors import ArgumentError, SimulationError
from odec.integrate import fixed, tables
from odec.integrate.adams import AdamsMethod
from odec.integrate.adaptive import Run
from odec.integrate.implicit import ImplicitMethod
from odec.integrate.options import Adaptive, Grid, read
from odec.integrate.problem import (
    Layout,
    Norm,
    Problem,
    Slope,
    callbacks_of,
    largest,
    rms,
    times_of,
)
from odec.keywords import OF_ODEINT, known_keywords

NO_EVENTS = (
    "event_fn and odeint_event are not here: write the model with `when` and odec.simulate, or solve up to a "
    "time after the event and interpolate"
)


@known_keywords(OF_ODEINT)
def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    event_fn: Any = None,
) -> Any:
    """The states y of dy/dt = func(t, y) at the times t, with y0 at t[0]: one trajectory, whatever its shape.

    func(t, y): t a tensor (), y like y0; returns dy/dt like y. y0: a tensor of any shape, or a tuple of them.
    t (T,): rising or falling. Returns (T, *y0.shape), or a tuple of such; y[0] is y0. Differentiable by
    torch any number of times, by y0, t and all that func uses; sizes of steps count as fixed. rtol, atol:
    numbers, tensors like y0, or one for each tensor of a tuple: an error is within atol + rtol·|y| as a root
    mean square (the largest of those of a tuple). method: dopri5, or another of docs/odeint.md; options: a
    dict of what it knows. The arguments are those of torchdiffeq.

    Raises ArgumentError (a ValueError) where an argument or what func returns does not fit, SimulationError
    where the states leave the finite numbers, a step underflows or max_num_steps are taken.
    """
    if event_fn is not None:
        raise ArgumentError(NO_EVENTS)
    name, layout = tables.check(method), Layout(y0)
    own = options_of(options)
    problem = problem_of(func, layout, t, rtol, atol, own.pop("norm", None))
    control = read(name, own)
    callbacks = callbacks_of(func, layout.parts, name, isinstance(control, Adaptive))
    states = solve(replace(problem, callbacks=callbacks), name, control, _asking(func, y0, t))
    return layout.solution(states)


def problem_of(func: Any, layout: Layout, t: Any, rtol: Any, atol: Any, norm: Norm | None) -> Problem:
    """A problem of the user's arguments. Raises ArgumentError where they do not fit."""
    if not callable(func):
        raise ArgumentError(f"func must be a function(t, y), not a {type(func).__name__}")
    t, times = times_of(t, layout.y0)
    tolerances = layout.tolerance(rtol, "rtol"), layout.tolerance(atol, "atol")
    check_positive(*tolerances)
    slope, measure = layout.rate(func), state_norm(layout, norm)

    def rate(t: Tensor, y: Tensor) -> Slope:
        return slope(t, y), None

    moving = t if t.requires_grad and torch.is_grad_enabled() else None
    return Problem(rate, layout.y0, times, moving, lambda error, _: measure(error), tolerances)


def check_positive(rtol: float | Tensor, atol: float | Tensor) -> None:
    """Raise ArgumentError where both tolerances of a state are 0."""
    if not bool(torch.as_tensor(rtol + atol > 0).all()):
        raise ArgumentError("rtol and atol are both 0: no error is allowed; give one of them")


def state_norm(layout: Layout, norm: Norm | None) -> Norm:
    """The norm of an error of all states, by the user's norm of what y0 is like."""
    if norm is not None:
        if not callable(norm):
            raise ArgumentError(f"norm must be a function of what y0 is like, not {norm!r}")
        own = norm
        return lambda error: own(layout.parts(error))
    if layout.shapes is None:
        return rms
    return lambda error: largest([rms(part) for part in error.split(layout.sizes)])


def solve(
    problem: Problem, name: str, control: Adaptive | Grid, ask: fixed.Constructor | None = None
) -> Tensor:
    """The states (T, ...) of a problem."""
    if isinstance(control, Adaptive):
        found = [problem.y0]
        if len(problem.times) > 1:
            found = Run(problem, tables.explicit(name), control).states()
    else:
        found, _ = fixed.run(problem, control, method_of(problem, name, control), ask)
    return checked(torch.stack(found), problem)


def method_of(problem: Problem, name: str, grid: Grid) -> fixed.Method:
    """A method of fixed steps by its name."""
    if name in tables.ADAMS:
        return AdamsMethod(problem, grid, name != "explicit_adams")
    if name in tables.IMPLICIT:
        return ImplicitMethod(problem, tables.implicit(name), grid.perturb)
    return fixed.ExplicitMethod(problem, tables.explicit(name))


def checked(ys: Tensor, problem: Problem) -> Tensor:
    """The states (T, ...). Raises SimulationError where there are some that are no finite numbers."""
    with torch.no_grad():
        if bool(torch.isfinite(ys).all()):
            return ys
        good = torch.isfinite(ys).flatten(1).all(1).tolist()
    first = good.index(False)
    if first == 0:
        raise SimulationError("y0 has entries that are no finite numbers")
    raise SimulationError(
        f"the states are not finite at t = {problem.times[first]:.6g}, where they were at "
        f"{problem.times[first - 1]:.6g}: take smaller steps, or a method that follows a tolerance"
    )


def options_of(options: Any) -> dict[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise ArgumentError(f"options must be a dict, not a {type(options).__name__}")
    return dict(options or {})


def _asking(func: Any, y0: Any, t: Tensor) -> fixed.Constructor:
    return lambda constructor: constructor(func, y0, t)


def odeint_event(*_: Any, **__: Any) -> NoReturn:
    """Not here: raises ArgumentError, which says what to do instead."""
    raise ArgumentError(NO_EVENTS)
