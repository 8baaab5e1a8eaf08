"""Which models of arrays the native engine has kernels for."""

from __future__ import annotations

from collections.abc import Iterator

from odec.arrays import ARRAY_OPERATIONS
from odec.backends.native.array_operations import MOVES, STATEMENTS
from odec.backends.native.printer import CPrinter
from odec.methods import Auto, Method, Tableau
from odec.passes.walk import contains
from odec.system import System
from odec.tree import Expr, Op

_WRITTEN = CPrinter.rules.keys() | STATEMENTS.keys() | MOVES.keys() | {"outer"}


def has_arrays(system: System) -> bool:
    """Whether a model has arrays, of its own or within formulas."""
    return bool(system.arrays) or any(contains(expr, *ARRAY_OPERATIONS) for expr in _formulas(system))


def refusal(system: System, method: Method | Auto | None) -> str:
    """Why there is no kernel of a model with a method (None: a map); empty where there is one."""
    if not has_arrays(system):
        return ""
    if method is not None and not isinstance(method, Tableau):
        return f"of models with arrays the native engine has explicit methods alone, not {method.name}"
    shaped = [entry.name for entry in system.inputs if entry.shape]
    if shaped:
        return f"{shaped[0]} is an array of inputs, which the native engine has not yet"
    unknown = sorted(_operations(system) - _WRITTEN)
    return f"the native engine cannot compute {unknown[0]} yet" if unknown else ""


def _formulas(system: System) -> Iterator[Expr]:
    yield from (equation.expr for equation in system.equations)
    yield from (start.expr for start in system.initials)
    yield from (definition.expr for definition in system.intermediates)
    yield from (observable.expr for observable in system.observables)
    yield from (function.body for function in system.functions)


def _operations(system: System) -> set[str]:
    stack, found = [*_formulas(system)], set[str]()
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            found.add(node.op)
            stack.extend(node.args)
    return {op for op in found if not op.startswith("call:")}
