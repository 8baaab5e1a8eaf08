"""Expressions back to text, in .ode spelling with as few brackets as the grammar allows."""

from __future__ import annotations

import math

from odec.lang.array_text import array_text
from odec.lookups import TABLES
from odec.tree import Expr, Number, Op, Symbol, fold

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
    "matmul": " @ ",
}
_POWER = {
    "select": 5,
    "or": 10,
    "and": 20,
    "not": 30,
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), 40),
    "add": 50,
    "mul": 60,
    "matmul": 60,
    "div": 60,
    "neg": 70,
    "pow": 80,
}
_ATOM = 100


def expression_text(expr: Expr) -> str:
    """The expression as it would be typed; parsing the text gives the same tree."""

    def leaf(node: Number | Symbol) -> tuple[str, str]:
        return (node.name if isinstance(node, Symbol) else "pi" if node.value == math.pi else node.text), ""

    def combine(node: Op, parts: tuple[tuple[str, str], ...]) -> tuple[str, str]:
        texts = tuple(text for text, _ in parts)
        if node.op == "add":
            return _sum(node, parts), ""
        return _operation(node, texts), texts[0] if node.op == "neg" else ""

    return fold(expr, leaf, combine)[0]


def _operation(expr: Op, texts: tuple[str, ...]) -> str:
    """The text of an operation from those of its arguments."""
    if expr.op == "neg":
        return "-" + _within(expr.args[0], texts[0], 71)
    if expr.op == "not":
        return "not " + _within(expr.args[0], texts[0], 30)
    if expr.op == "select":
        return f"if {texts[0]} then {texts[1]} else {texts[2]}"
    if expr.op == "div":
        return f"{_first(expr.args[0], texts[0], 60)}/{_within(expr.args[1], texts[1], 61)}"
    if expr.op == "pow":
        return f"{_within(expr.args[0], texts[0], 81)}**{_exponent(expr.args[1], texts[1])}"
    if expr.op in _INFIX:
        power = _POWER[expr.op]
        chain = expr.op == "matmul" or (_is(expr.args[0], "div") and expr.op == "mul")
        left_power = 60 if chain else power + 1
        first = _first(expr.args[0], texts[0], left_power)
        rest = zip(expr.args[1:], texts[1:], strict=True)
        return _INFIX[expr.op].join([first, *(_within(arg, text, power + 1) for arg, text in rest)])
    if expr.op in ("true", "false"):
        return expr.op.capitalize()
    if expr.op == "lookup":
        return _looked_up(expr, texts)
    text = array_text(expr, texts)
    return f"{expr.op.removeprefix('call:')}({', '.join(texts)})" if text is None else text


def _looked_up(expr: Op, texts: tuple[str, ...]) -> str:
    """A table of the language as a call of it, with a prime for each derivative."""
    key, order = (int(arg.value) for arg in expr.args[1:] if isinstance(arg, Number))
    return f"{TABLES[key].name}{chr(39) * order}({texts[0]})"


def _is(expr: Expr, *ops: str) -> bool:
    return isinstance(expr, Op) and expr.op in ops


def _power(expr: Expr) -> int:
    if isinstance(expr, Number):
        return 70 if expr.text.startswith("-") and expr.value != math.pi else _ATOM
    return _POWER.get(expr.op, _ATOM) if isinstance(expr, Op) else _ATOM


def _within(expr: Expr, text: str, power: int) -> str:
    """The text, in brackets unless it binds at least as tightly as `power` (no sign after an operator)."""
    signed = power > 50 and text.startswith("-")
    return f"({text})" if signed or _power(expr) < power else text


def _first(expr: Expr, text: str, power: int) -> str:
    """The text of a first operand, whose own sign needs no brackets: -k*x is (-k)*x."""
    return text if _is(expr, "neg") else _within(expr, text, power)


def _sum(expr: Op, parts: tuple[tuple[str, str], ...]) -> str:
    """a - b for a sum with a negated term; the first term may carry its sign bare.

    parts: the text of each term, and what a negated one negates.
    """
    first, _ = parts[0]
    out = [f"({first})" if _power(expr.args[0]) <= 50 else first]
    for arg, (text, negated) in zip(expr.args[1:], parts[1:], strict=True):
        if isinstance(arg, Op) and arg.op == "neg":
            out.append(" - " + _within(arg.args[0], negated, 51))
        else:
            out.append(" + " + _within(arg, text, 51))
    return "".join(out)


def _exponent(expr: Expr, text: str) -> str:
    """Powers bind from the right; the sign of a plain number needs no brackets."""
    plain = isinstance(expr, Op) and expr.op == "neg" and _power(expr.args[0]) == _ATOM
    if plain and isinstance(expr, Op) and isinstance(expr.args[0], (Number, Symbol)):
        return text
    return _within(expr, text, 80)
