"""Which method a run takes, and which steps: what is asked for, the model's run line, and the defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING, Any

from odec.diagnostics import Diagnostic, ModelError
from odec.errors import ArgumentError, did_you_mean
from odec.passes.scale import fixed_step, switches_with_time
from odec.system import System

if TYPE_CHECKING:
    from odec.runtime.compiled import Compiled

EITHER = "dt asks for fixed steps, rtol and atol for steps that follow the error: give one or the other"


@dataclass(frozen=True)
class StepRequest:
    """What is asked of a run's steps, under the keywords of simulate, fit and Model; None where unsaid."""

    dt: float | None = None
    rtol: float | None = None
    atol: float | Sequence[float] | None = None
    min_step: float | None = None
    max_step: float | None = None
    max_steps: int | None = None
    dense_output: bool | None = None

    @classmethod
    def among(cls, values: Mapping[str, Any]) -> StepRequest:
        """The request among keywords that hold others too."""
        return cls(**{field.name: values.get(field.name) for field in fields(cls)})

    @property
    def given(self) -> dict[str, Any]:
        """What is asked, as keywords."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def toleranced(self) -> bool:
        """Whether steps are to follow a tolerance."""
        return self.rtol is not None or self.atol is not None

    def method_for(self, system: System, method: str | None) -> str:
        """`choose_method` where these steps are asked for."""
        return choose_method(system, method, adaptive=self.toleranced, fixed=self.dt is not None)


def choose_method(
    system: System, method: str | None = None, *, adaptive: bool = False, fixed: bool = False
) -> str:
    """The method to compile: the one named, else that of the model's `run` line, else auto; a map's is "map".

    Where there are external nets it is dopri5 instead of auto.

    adaptive, fixed: whether a tolerance, or dt, is asked for in place of what the `run` line says. Raises
    ArgumentError for an unknown method, one that is given for a map, dt beside a tolerance or without a
    method, and a tolerance for a method without an error estimate; ModelError where the `run` line asks so.
    """
    from odec.methods import AUTO, MAP, METHODS, canonical

    if system.kind == "map":
        if adaptive or method not in (None, MAP):
            what = "a tolerance" if adaptive else f"method {method!r}"
            raise ArgumentError(f"a map is stepped, not integrated: {what} does not apply to it")
        return MAP
    if adaptive and fixed:
        raise ArgumentError(EITHER)
    named = method or (system.run.method if system.run else None)
    if named is None:
        _check_unnamed(system, adaptive, fixed)
        return "dopri5" if system.external else AUTO.name
    name = canonical(named)
    _check_external(system, name)
    if name == AUTO.name:
        return name
    _check_known(name)
    if not METHODS[name].adaptive:
        _check_fixed(system, name, adaptive, own=method is None and not fixed)
    return name


def _check_known(name: str) -> None:
    from odec.methods import METHODS, names
    from odec.methods.listing import NO_METHOD

    if name in NO_METHOD:
        raise ArgumentError(f"unknown method {name!r}: {NO_METHOD[name]}")
    if name not in METHODS:
        hint = did_you_mean(name, METHODS) or did_you_mean(name, names()) or f"; known: {', '.join(METHODS)}"
        raise ArgumentError(f"unknown method {name!r}{hint}")


def _check_external(system: System, name: str) -> None:
    """Raises ArgumentError for methods whose gradients take second derivatives, which external nets lack."""
    from odec.methods import AUTO, METHODS, Rosenbrock

    if system.external and (name == AUTO.name or isinstance(METHODS.get(name), Rosenbrock)):
        raise ArgumentError(
            f"{name} needs second derivatives, which the external net {system.external[0]} has not: "
            "take dopri5, or another explicit method"
        )


def _check_unnamed(system: System, adaptive: bool, fixed: bool) -> None:
    """Raises ArgumentError, or ModelError, where dt is given to no method."""
    run = system.run
    if fixed:
        raise ArgumentError(
            "dt asks for fixed steps of a method: name one, such as method='rk4', "
            "or leave dt out, and steps follow a tolerance"
        )
    if run is not None and run.dt is not None and not adaptive:
        notes = (
            f"fixed steps: name the method, as in `method rk4 dt {run.dt:g}`",
            "a tolerance: leave out dt; `step` is the time between outputs",
        )
        raise _refused(system, "dt asks for fixed steps of a method, and none is named", notes)


def _check_fixed(system: System, name: str, adaptive: bool, own: bool) -> None:
    """Raises ArgumentError or ModelError where a method without an error estimate is to keep a tolerance."""
    from odec.methods import AUTO, METHODS

    lacks = f"{name} has no error estimate, so it cannot keep a tolerance"
    able = ", ".join([AUTO.name, *(other.name for other in METHODS.values() if other.adaptive)])
    if adaptive:
        raise ArgumentError(f"{lacks}: give dt, or a method of {able}")
    if own and system.run is not None and system.run.toleranced:
        raise _refused(
            system, lacks, (f"write `dt 0.1` in place of the tolerance, or take a method of {able}",)
        )


def _refused(system: System, message: str, notes: tuple[str, ...]) -> ModelError:
    assert system.run is not None
    return ModelError([Diagnostic("E319", message, system.source, system.run.span, "", notes)])


def step_options(
    system: System,
    compiled: Compiled,
    times: Sequence[float],
    asked: StepRequest,
    spacing: float | None = None,
) -> dict[str, Any]:
    """A Model's keywords for its steps: those asked for, and what follows from the run where they are silent.

    spacing: the time between outputs where one is asked for, else that of the `run` line. Raises
    ArgumentError for those that a map, or a method without an error estimate, cannot keep.
    """
    given = asked.given
    if system.kind == "map":
        given.pop("dt", None)
    for name in given:
        if name != "dt" and not compiled.adaptive:
            raise ArgumentError(f"{name} does not apply: the method has no error estimate to choose steps by")
    dt = given.get("dt", 1.0)
    if not (isinstance(dt, Real) and 0 < float(dt) < math.inf):
        raise ArgumentError(f"dt, the longest step, must be a positive number, not {dt!r}")
    span, run = max(times) - min(times), system.run
    if not compiled.is_map and not compiled.adaptive and "dt" not in given:
        step = spacing if spacing is not None else run.step if run else None
        given["dt"] = run.dt if run and run.dt is not None else fixed_step(span, step)
    if compiled.adaptive and _follows_tolerance(system, asked) and span and switches_with_time(system):
        cap = fixed_step(span, spacing if spacing is not None else run.step if run else None)
        if given.get("min_step", 0.0) < cap < given.get("max_step", math.inf):
            given["max_step"] = cap
    return given


def _follows_tolerance(system: System, asked: StepRequest) -> bool:
    """Whether steps follow a tolerance, where the method can."""
    return asked.toleranced or (asked.dt is None and (system.run is None or system.run.dt is None))
