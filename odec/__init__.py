"""odec: a compiler from ordinary differential equations, written as text, to readable PyTorch modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odec.api import check, compile, fit, load, parse, simulate, system_from_equations
    from odec.diagnostics import Diagnostic, ModelError, Source
    from odec.errors import AccuracyWarning, ArgumentError, DataError, SimulationError
    from odec.fit.result import FitResult
    from odec.integrate.adjoint import odeint_adjoint
    from odec.integrate.odeint import odeint, odeint_event
    from odec.results import Simulation
    from odec.runtime.stopping import Interrupted, OutOfTime, interrupt
    from odec.system import System

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("Diagnostic", "ModelError", "Source"), "odec.diagnostics"),
    "System": "odec.api",
    **dict.fromkeys(("AccuracyWarning", "ArgumentError", "DataError", "SimulationError"), "odec.errors"),
    "FitResult": "odec.fit.result",
    "Simulation": "odec.results",
    **dict.fromkeys(("Interrupted", "OutOfTime", "interrupt"), "odec.runtime.stopping"),
    **dict.fromkeys(("check", "compile", "load", "parse"), "odec.api"),
    **dict.fromkeys(("simulate", "system_from_equations"), "odec.api"),
    **dict.fromkeys(("odeint", "odeint_event"), "odec.integrate.odeint"),
    "odeint_adjoint": "odec.integrate.adjoint",
}

__all__ = [
    "AccuracyWarning",
    "ArgumentError",
    "DataError",
    "Diagnostic",
    "FitResult",
    "Interrupted",
    "ModelError",
    "OutOfTime",
    "Simulation",
    "SimulationError",
    "Source",
    "System",
    "__version__",
    "check",
    "compile",
    "fit",
    "interrupt",
    "load",
    "odeint",
    "odeint_adjoint",
    "odeint_event",
    "parse",
    "simulate",
    "system_from_equations",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import odec` stays instant (PEP 562)."""
    import importlib

    if name == "fit":  # the package, which can be called: so it stays, whichever part of it is imported
        return importlib.import_module("odec.fit")
    if name not in _HOMES:
        raise AttributeError(f"module 'odec' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
