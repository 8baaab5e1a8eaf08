"""What may not be evaluated a rounding beyond a switch: `if t > T then (t - T)**b else 0`.

A step lands on T, or where that is an output's time a few roundings before it, and there the branch of the
new side holds already. Operands of square roots and powers that are 0 at a switch are held at 0 or above;
where a value at the switch does not exist (`if t > 0 then sin(t)/t else 1`), the time itself decides as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from odec.lang.turns import ZERO, Branch, Course, zeros
from odec.passes.walk import keep
from odec.tree import Expr, Number, Op, evaluate

_LOGARITHMS = ("log", "log2", "log10")
_NONNEGATIVE = frozenset(("abs", "relu", "sqrt"))


@dataclass(frozen=True)
class Edges:
    """Of an expression: safe, itself with its roots held at 0 or above, and where operands cross 0.

    roots: those of square roots and powers; poles: those of divisors and logarithms, and all that stand in an
    intermediate. positive: whether the value is never below 0.
    """

    safe: Expr
    roots: tuple[Branch, ...] = ()
    poles: tuple[Branch, ...] = ()
    positive: bool = False

    def named(self, symbol: Expr) -> Edges:
        """The same of an intermediate of that value."""
        return replace(self, safe=symbol, roots=(), poles=(*self.roots, *self.poles))


def held(node: Op, expr: Op, args: tuple[Edges, ...], courses: tuple[Course, ...]) -> tuple[Expr, Edges]:
    """An operation's expression and its edges, from those of its arguments."""
    roots = tuple(root for arg in args for root in arg.roots)
    poles = tuple(pole for arg in args for pole in arg.poles)
    safe = keep(node, tuple(arg.safe for arg in args)) if roots else expr
    kind, operand = _singular(node, courses)
    if kind == "root" and args[0].positive:
        return _above(expr), Edges(_above(safe), roots, poles, True)
    if kind == "root":
        return expr, Edges(_above(safe), (*roots, *zeros(operand)), poles)
    poles = (*poles, *zeros(operand)) if kind == "pole" else poles
    return expr, Edges(safe, roots, poles, _positive(node, args))


def _singular(node: Op, courses: tuple[Course, ...]) -> tuple[str, Course]:
    """Whether an operand that moves is of a root, or a pole where it is 0; and how it goes."""
    operand = courses[-1] if node.op == "div" else courses[0] if courses else Course()
    if not operand.moves:
        return "", operand
    if node.op == "div" or node.op in _LOGARITHMS:
        return "pole", operand
    if node.op == "sqrt":
        return "root", operand
    if node.op == "pow":
        power = _number(node.args[1])
        whole = power is not None and power == math.floor(power)
        return ("pole" if power is not None and power < 0 else "" if whole else "root"), operand
    return "", operand


def _number(expr: Expr) -> float | None:
    if isinstance(expr, Op) and expr.op == "neg":
        inner = _number(expr.args[0])
        return None if inner is None else -inner
    return expr.value if isinstance(expr, Number) else None


def _above(expr: Expr) -> Expr:
    """A square root or a power, its operand held at 0 or above.

    At 0 its slope may be infinite; there it is 0, as the operand stays 0 while the switch moves.
    """
    assert isinstance(expr, Op)
    return Op(expr.op, (Op("relu", (expr.args[0],)), *expr.args[1:]), expr.span, expr.shape)


def _positive(node: Op, args: tuple[Edges, ...]) -> bool:
    if node.op == "max":
        return any(arg.positive for arg in args)
    if node.op in ("mod", "clip"):
        return args[1].positive
    every = node.op in ("add", "mul", "div", "min") and all(arg.positive for arg in args)
    branches = node.op == "select" and all(arg.positive for arg in args[1:])
    return node.op in _NONNEGATIVE or every or branches


def chosen(
    expr: Op, plain: Expr, turns: Iterable[Branch], args: tuple[Edges, ...], env: Mapping[str, float]
) -> Op:
    """A conditional by a located condition; plain: the condition of the time and inputs themselves."""
    places = [place for turn in turns if (place := _place(turn, env)) is not None]
    condition, *branches = expr.args
    for k, (edges, op) in enumerate(zip(args[1:], ("and", "or"), strict=True)):
        if _among(edges.poles, places, env):
            condition = Op(op, (condition, plain))
        elif _among(edges.roots, places, env):
            branches[k] = edges.safe
    return keep(expr, (condition, *branches))


_Place = tuple[float, dict[str, float]]
"""Where a multiple of the time and inputs is 0: an offset and multiples, the first of which is 1."""


def _among(found: Iterable[Branch], places: list[_Place], env: Mapping[str, float]) -> bool:
    """Whether an operand is 0 where the condition turns."""
    zeros = (_place(zero, env) for zero in found)
    return any(_same(zero, place) for zero in zeros if zero is not None for place in places)


def _same(one: _Place, other: _Place) -> bool:
    (here, inputs), (there, others) = one, other
    pairs = [(here, there), *((by, others[name]) for name, by in inputs.items() if name in others)]
    alike = all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in pairs)
    return inputs.keys() == others.keys() and alike


def _place(turn: Branch, env: Mapping[str, float]) -> _Place | None:
    """Where a value is 0, for some values of the parameters; None where it is nowhere, or not known."""
    try:
        rate, offset = float(evaluate(turn.rate, env)), float(evaluate(turn.offset or ZERO, env))
        inputs = {item.name: float(evaluate(item.by, env)) for item in turn.inputs}
    except KeyError:
        return None
    moving = {"": rate, **inputs} if rate else inputs
    first = next(iter(moving.values()), 0.0)
    if not first or not all(map(math.isfinite, (offset, *moving.values()))):
        return None
    return offset / first, {name: by / first for name, by in moving.items()}
