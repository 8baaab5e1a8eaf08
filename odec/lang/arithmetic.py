"""Arithmetic on formulas: sums, products and quotients in their shortest form."""

from __future__ import annotations

import math

from odec.tree import Expr, Number, Op, number

ZERO, ONE = number(0), number(1)


def equals(expr: Expr, value: float) -> bool:
    """Whether it is that number, as a literal."""
    return isinstance(expr, Number) and expr.value == value


def is_negative(expr: Expr) -> bool:
    """Whether a minus stands before it."""
    return isinstance(expr, Op) and expr.op == "neg"


def negative(a: Expr) -> Expr:
    """-a, in its shortest form."""
    if equals(a, 0):
        return a
    if isinstance(a, Op) and a.op == "neg":
        return a.args[0]
    if isinstance(a, Op) and a.op == "add":
        return add(*map(negative, a.args))
    return Op("neg", (a,))


def add(*terms: Expr) -> Expr:
    """The sum, numbers taken together."""
    flat = [
        t for term in terms for t in (term.args if isinstance(term, Op) and term.op == "add" else (term,))
    ]
    known = [value for t in flat if (value := _value(t)) is not None]
    total, rest = signed(math.fsum(known)), list[Expr]()
    for term in flat:
        if negative(term) in rest:
            rest.remove(negative(term))
        elif _value(term) is None:
            rest.append(term)
    parts = rest if rest and equals(total, 0) else [*rest, total]
    return parts[0] if len(parts) == 1 else Op("add", tuple(parts))


def times(a: Expr, b: Expr) -> Expr:
    """The product; numbers are multiplied, signs drawn out."""
    x, y = _value(a), _value(b)
    if x is not None and y is not None:
        return signed(x * y)
    if x == 0 or y == 0:
        return ZERO
    if equals(a, 1) or equals(b, 1):
        return b if equals(a, 1) else a
    if is_negative(a) or is_negative(b):
        return negative(times(negative(a), b) if is_negative(a) else times(a, negative(b)))
    return Op("mul", (a, b))


def over(a: Expr, b: Expr) -> Expr:
    """The quotient; signs are drawn out."""
    if equals(a, 0) or equals(b, 1):
        return a
    if is_negative(a) or is_negative(b):
        return negative(over(negative(a), b) if is_negative(a) else over(a, negative(b)))
    return Op("div", (a, b))


def signed(value: float) -> Expr:
    """A number as the parser writes it, a negative one as the negative of a literal."""
    return number(value) if value >= 0 else Op("neg", (number(-value),))


def _value(expr: Expr) -> float | None:
    if isinstance(expr, Number):
        return expr.value
    if is_negative(expr) and isinstance(expr, Op):
        inner = _value(expr.args[0])
        return None if inner is None else -inner
    return None
