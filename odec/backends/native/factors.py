"""Constant factors of a model's derivatives, which a fixed step takes into its coefficients.

x + h a f with f = c g, c a constant, is x + (h a c) g: the product with c is made once for all steps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from odec.passes.program import Program
from odec.tree import Expr, Op, Symbol, evaluate, symbols


@dataclass(frozen=True)
class Factored:
    """The right-hand side as values[k] times output k of a program; 1.0 where there is no factor."""

    values: tuple[float, ...]
    program: Program


def constant_factors(rhs: Program, consts: Mapping[str, float]) -> Factored | None:
    """The constant factors of the outputs "dx", or None where no output has one.

    A derivative that another formula uses keeps its factor.
    """
    outputs = rhs.outputs["dx"]
    uses = Counter(s.name for assign in rhs.body for s in symbols(assign.expr))
    uses.update(expr.name for expr in outputs if isinstance(expr, Symbol))
    found: dict[str, float] = {}
    body = []
    wanted = {expr.name for expr in outputs if isinstance(expr, Symbol)}
    for assign in rhs.body:
        if assign.name in wanted and uses[assign.name] == 1:
            value, rest = _split(assign.expr, consts)
            if rest is not None and abs(value) != 1.0 and _harmless(value):
                found[assign.name] = value
                assign = replace(assign, expr=rest)
        body.append(assign)
    if not found:
        return None
    values = tuple(found.get(expr.name, 1.0) if isinstance(expr, Symbol) else 1.0 for expr in outputs)
    return Factored(values, replace(rhs, body=tuple(body)))


def _split(expr: Expr, consts: Mapping[str, float]) -> tuple[float, Expr | None]:
    """A constant, and what is left of the expression beside it (None: nothing)."""
    if all(s.name in consts for s in symbols(expr)):
        return float(evaluate(expr, consts)), None
    if isinstance(expr, Op) and expr.op == "neg":
        value, rest = _split(expr.args[0], consts)
        return -value, rest
    if isinstance(expr, Op) and expr.op == "div":
        value, rest = _split(expr.args[0], consts)
        below, divisor = _split(expr.args[1], consts)
        if divisor is None and below:
            return value / below, rest
        return (value, Op("div", (rest, expr.args[1]))) if rest is not None else (1.0, expr)
    if isinstance(expr, Op) and expr.op == "mul":
        parts = [_split(arg, consts) for arg in expr.args]
        rests = tuple(rest for _, rest in parts if rest is not None)
        return math.prod(value for value, _ in parts), rests[0] if len(rests) == 1 else Op("mul", rests)
    return 1.0, expr


def _harmless(value: float) -> bool:
    """Whether products with the factor are far from the ends of what single precision holds."""
    return math.isfinite(value) and 1e-15 < abs(value) < 1e15
