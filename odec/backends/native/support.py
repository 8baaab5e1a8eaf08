"""Which models of arrays the native engine has kernels for."""

from __future__ import annotations

from odec.backends.native.array_operations import MOVES, STATEMENTS
from odec.backends.native.printer import CPrinter
from odec.methods import Auto, Method, Tableau
from odec.system import System
from odec.tree import operations

_WRITTEN = CPrinter.rules.keys() | STATEMENTS.keys() | MOVES.keys() | {"outer"}


def refusal(system: System, method: Method | Auto | None) -> str:
    """Why there is no kernel of a model with a method (None: a map); empty where there is one."""
    if not system.has_arrays:
        return ""
    if system.external:
        return (
            f"the external net {system.external[0]} is a module of torch, which the torch engine runs alone"
        )
    if method is not None and not isinstance(method, Tableau):
        return f"of models with arrays the native engine has explicit methods alone, not {method.name}"
    shaped = [entry.name for entry in system.inputs if entry.shape]
    if shaped:
        return f"{shaped[0]} is an array of inputs, which the native engine has not yet"
    found = (op for op in operations(*system.formulas) if not op.startswith("call:"))
    unknown = sorted(set(found) - _WRITTEN)
    return f"the native engine cannot compute {unknown[0]} yet" if unknown else ""
