"""Formulas too deep or too long for the compilers of Python and C, cut into parts with names of their own.

A part is evaluated where it stood, so that the values keep their bits: a long sum goes on from its beginning,
a chain of conditionals from its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from odec.passes.walk import keep
from odec.tree import Expr, Op, Symbol, fold

MAX_LEVELS = 30
"""Operations inside one another. Python reads 200 brackets, clang 256; one operation may take several."""

MAX_TERMS = {**dict.fromkeys(("add", "mul", "and", "or"), 300), **dict.fromkeys(("min", "max"), 20)}
"""Arguments of one operation; those of min and max are nested calls in the end."""

MAX_SPINE = 600
"""Operators inside one another as compilers see them: a + b + c is (a + b) + c."""


@dataclass(frozen=True)
class _Sized:
    expr: Expr
    levels: int = 0
    spine: int = 0


def cut(expr: Expr, fresh: Callable[[], str]) -> tuple[Expr, list[tuple[str, Expr]]]:
    """The expression over its parts, and these in the order in which they are computed.

    fresh: makes a part's name.
    """
    parts: list[tuple[str, Expr]] = []

    def named(expr: Expr) -> Symbol:
        parts.append((fresh(), expr))
        return Symbol(parts[-1][0], expr.span)

    def combine(node: Op, args: tuple[_Sized, ...]) -> _Sized:
        args = tuple(_Sized(named(arg.expr)) if arg.levels == MAX_LEVELS else arg for arg in args)
        most = MAX_TERMS.get(node.op, len(args))
        own = min(len(args), most)
        args = tuple(_Sized(named(arg.expr)) if arg.spine + own > MAX_SPINE else arg for arg in args)
        given = tuple(arg.expr for arg in args)
        levels = 1 + max((arg.levels for arg in args), default=0)
        spine = own + max((arg.spine for arg in args), default=0)
        if len(given) <= most:
            return _Sized(keep(node, given), levels, spine)
        begun = given[:most]
        for start in range(most, len(given), most - 1):
            begun = (named(Op(node.op, begun, node.span)), *given[start : start + most - 1])
        return _Sized(Op(node.op, begun, node.span, node.shape, node.static), levels, spine)

    return fold(expr, _Sized, combine).expr, parts
