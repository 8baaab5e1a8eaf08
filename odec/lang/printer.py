"""Expressions back to text, in .ode spelling with as few brackets as the grammar allows."""

from __future__ import annotations

import math

from odec.tree import Expr, Number, Op, Symbol

_INFIX = {
    "lt": " < ",
    "le": " <= ",
    "gt": " > ",
    "ge": " >= ",
    "eq": " == ",
    "ne": " != ",
    "and": " and ",
    "or": " or ",
    "mul": "*",
}
_POWER = {
    "select": 5,
    "or": 10,
    "and": 20,
    "not": 30,
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), 40),
    "add": 50,
    "mul": 60,
    "div": 60,
    "neg": 70,
    "pow": 80,
}
_ATOM = 100


def expression_text(expr: Expr) -> str:
    """The expression as it would be typed; parsing the text gives the same tree."""
    if isinstance(expr, Number):
        return "pi" if expr.value == math.pi else expr.text
    if isinstance(expr, Symbol):
        return expr.name
    if expr.op == "add":
        return _sum(expr)
    if expr.op == "neg":
        return "-" + _within(expr.args[0], 71)
    if expr.op == "not":
        return "not " + _within(expr.args[0], 30)
    if expr.op == "select":
        condition, yes, no = (expression_text(arg) for arg in expr.args)
        return f"if {condition} then {yes} else {no}"
    if expr.op in ("div", "pow"):
        return _binary(expr)
    if expr.op in _INFIX:
        power = _POWER[expr.op]
        left_power = 60 if _is(expr.args[0], "div") and expr.op == "mul" else power + 1
        first = _first(expr.args[0], left_power)
        return _INFIX[expr.op].join([first, *(_within(arg, power + 1) for arg in expr.args[1:])])
    if expr.op in ("true", "false"):
        return expr.op.capitalize()
    name = expr.op.removeprefix("call:")
    return f"{name}({', '.join(expression_text(arg) for arg in expr.args)})"


def _is(expr: Expr, *ops: str) -> bool:
    return isinstance(expr, Op) and expr.op in ops


def _power(expr: Expr) -> int:
    if isinstance(expr, Number):
        return 70 if expr.text.startswith("-") and expr.value != math.pi else _ATOM
    return _POWER.get(expr.op, _ATOM) if isinstance(expr, Op) else _ATOM


def _within(expr: Expr, power: int) -> str:
    """The text, in brackets unless it binds at least as tightly as `power` (no sign after an operator)."""
    text = expression_text(expr)
    signed = power > 50 and text.startswith("-")
    return f"({text})" if signed or _power(expr) < power else text


def _first(expr: Expr, power: int) -> str:
    """The text of a first operand, whose own sign needs no brackets: -k*x is (-k)*x."""
    return expression_text(expr) if _is(expr, "neg") else _within(expr, power)


def _sum(expr: Op) -> str:
    """a - b for a sum with a negated term; the first term may carry its sign bare."""
    first = expr.args[0]
    text = expression_text(first)
    parts = [f"({text})" if _power(first) <= 50 else text]
    for arg in expr.args[1:]:
        negated = isinstance(arg, Op) and arg.op == "neg"
        term = arg.args[0] if isinstance(arg, Op) and negated else arg
        parts.append((" - " if negated else " + ") + _within(term, 51))
    return "".join(parts)


def _binary(expr: Op) -> str:
    left, right = expr.args
    if expr.op == "div":
        return f"{_first(left, 60)}/{_within(right, 61)}"
    return f"{_within(left, 81)}**{_exponent(right)}"


def _exponent(expr: Expr) -> str:
    """Powers bind from the right; the sign of a plain number needs no brackets."""
    if _is(expr, "neg") and isinstance(expr, Op) and isinstance(expr.args[0], (Number, Symbol)):
        inner = expr.args[0]
        if _power(inner) == _ATOM:
            return "-" + expression_text(inner)
    return _within(expr, 80)
