"""Formulas too deep or too long for the compilers of Python and C, cut into parts with names of their own.

A part is evaluated where it stood, so that the values keep their bits: a long sum goes on from its beginning,
a chain of conditionals from its end.
"""

from __future__ import annotations

from collections.abc import Callable

from odec.passes.walk import keep
from odec.tree import Expr, Number, Op, Symbol, fold

MAX_LEVELS = 30
"""Operations inside one another. Python reads 200 brackets, clang 256; one operation may take several."""

MAX_TERMS = {**dict.fromkeys(("add", "mul", "and", "or"), 100), **dict.fromkeys(("min", "max"), 20)}
"""Arguments of one operation; those of min and max are nested calls in the end."""

Sized = tuple[Expr, int]
"""An expression and its levels."""


def cut(expr: Expr, fresh: Callable[[], str]) -> tuple[Expr, list[tuple[str, Expr]]]:
    """The expression over its parts, and these in the order in which they are computed."""
    parts: list[tuple[str, Expr]] = []

    def part(expr: Expr) -> Expr:
        if not isinstance(expr, Op):
            return expr
        parts.append((fresh(), expr))
        return Symbol(parts[-1][0], expr.span)

    def leaf(node: Number | Symbol) -> Sized:
        return node, 0

    def combine(node: Op, args: tuple[Sized, ...]) -> Sized:
        levels = 1 + max((levels for _, levels in args), default=0)
        given = tuple(arg for arg, _ in args)
        if levels > MAX_LEVELS:
            given = tuple(part(arg) if levels == MAX_LEVELS else arg for arg, levels in args)
            levels = 1 + max((levels for _, levels in args if levels < MAX_LEVELS), default=0)
        most = MAX_TERMS.get(node.op, len(given))
        if len(given) <= most:
            return keep(node, given), levels
        begun = given[:most]
        for start in range(most, len(given), most - 1):
            begun = (part(Op(node.op, begun, node.span)), *given[start : start + most - 1])
        return Op(node.op, begun, node.span, node.shape), levels

    return fold(expr, leaf, combine)[0], parts
