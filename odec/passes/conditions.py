"""Conditions of numbers and constants alone: decided here, so that only the branch taken is compiled."""

from __future__ import annotations

from collections.abc import Mapping

from odec.lang.constants import apply
from odec.passes.walk import contains, keep
from odec.tree import OPERATIONS, Expr, Number, Op, Symbol, fold

Valued = tuple[Expr, float | bool | None]
"""An expression, and its value where that is known when compiled."""


def decide(expr: Expr, consts: Mapping[str, float]) -> Expr:
    """The expression without conditionals whose condition is constant; other formulas stay as they are."""
    if not contains(expr, "select"):
        return expr

    def leaf(node: Number | Symbol) -> Valued:
        return node, node.value if isinstance(node, Number) else consts.get(node.name)

    def combine(node: Op, args: tuple[Valued, ...]) -> Valued:
        parts = [part for part, _ in args]
        values = [value for _, value in args if value is not None]
        if node.op == "select" and args[0][1] is not None:
            return args[1] if args[0][1] else args[2]
        if node.op in ("and", "or"):
            return _joined(node, args)
        known = len(values) == len(args) and node.op != "select" and node.op in OPERATIONS
        value = apply(node.op, values) if known else None
        if value is not None and OPERATIONS[node.op].kind in ("compare", "logic"):
            return Op("true" if value else "false", ()), bool(value)
        return keep(node, tuple(parts)), value

    return fold(expr, leaf, combine)[0]


def _joined(node: Op, args: tuple[Valued, ...]) -> Valued:
    """`and`, `or` of the conditions that are not constant; the constant that decides, where one does."""
    decisive = node.op == "or"
    if any(value is not None and bool(value) is decisive for _, value in args):
        return Op("true" if decisive else "false", ()), decisive
    open_ = [part for part, value in args if value is None]
    if not open_:
        return Op("false" if decisive else "true", ()), not decisive
    if len(open_) == 1:
        return open_[0], None
    return Op(node.op, tuple(open_), node.span, node.shape, node.static), None
