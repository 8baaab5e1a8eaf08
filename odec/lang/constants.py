"""The values of constant expressions, and what is wrong with constant parts of the others."""

from __future__ import annotations

import math
from collections.abc import Mapping

from odec.arrays import ARRAY_OPERATIONS
from odec.diagnostics import Span
from odec.lang.functions import BOOLEAN
from odec.lang.report import Report
from odec.system import Function
from odec.tree import OPERATIONS, Expr, Number, Op, Symbol, fold

MAX_EXPONENT = 1000.0
MAX_STEPS, MAX_LEVELS = 100_000, 400
"""Operations of a constant expression, and those inside one another."""

Value = float | bool | None
"""A value that is known when compiled, else None."""


class NotConstant(Exception):
    """An expression whose value is not known when compiled; the argument is the name it hangs on."""


class Evaluator:
    """Values of expressions in which only constants and the model's own functions occur."""

    def __init__(self, functions: Mapping[str, Function]):
        self.functions = functions
        self.values: dict[str, float] = {}
        self._steps = 0

    def value(self, expr: Expr) -> float:
        """The value as a float; NaN and infinities as IEEE has them. Raises NotConstant."""
        self._steps = 0
        return float(self._value(expr, self.values, 0))

    def _value(self, expr: Expr, env: Mapping[str, float], level: int) -> float | bool:
        self._steps += 1
        if self._steps > MAX_STEPS or level > MAX_LEVELS:
            raise NotConstant("")
        if isinstance(expr, Number):
            return expr.value
        if isinstance(expr, Symbol):
            if expr.name not in env:
                raise NotConstant(expr.name)
            return env[expr.name]
        while expr.op == "select":
            expr = expr.args[1] if self._value(expr.args[0], env, level + 1) else expr.args[2]
            if not isinstance(expr, Op):
                return self._value(expr, env, level + 1)
        args = []
        for arg in expr.args:
            args.append(self._value(arg, env, level + 1))
        if expr.op in ARRAY_OPERATIONS:
            raise NotConstant("")
        if not expr.op.startswith("call:"):
            return apply(expr.op, args)
        function = self.functions.get(expr.op[5:])
        if function is None or len(function.args) != len(args):
            raise NotConstant(expr.op[5:])
        inside = {**self.values, **dict(zip(function.args, args, strict=True))}
        return self._value(function.body, inside, level + 1)


def apply(op: str, args: list[float | bool]) -> float | bool:
    """An operation on floats, IEEE where Python raises."""
    try:
        return OPERATIONS[op].evaluate(*args)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan


class ConstantCheck:
    """Reports constant parts that cannot be computed: divisions by zero, huge exponents, log(-1)."""

    def __init__(self, values: Mapping[str, float], report: Report):
        self._values = values
        self._report = report

    def check(self, expr: Expr) -> Value:
        """The value where it is constant (None where not, and where something was reported)."""
        return fold(expr, self._leaf, self._operation)

    def _leaf(self, node: Number | Symbol) -> Value:
        return node.value if isinstance(node, Number) else self._values.get(node.name)

    def _operation(self, expr: Op, args: tuple[Value, ...]) -> Value:
        if expr.op in ("div", "mod") and args[1] is not None and args[1] == 0:
            self._report.add("E503", "division by zero", expr.args[1].span, "this is always zero")
            return None
        if expr.op == "pow" and args[1] is not None and not abs(args[1]) <= MAX_EXPONENT:
            note = f"a constant exponent is at most {MAX_EXPONENT:g}"
            shown = f"it is {args[1]:g}"
            self._report.add("E502", "the exponent is too large", expr.args[1].span, shown, note)
            return None
        if expr.op.startswith("call:") or expr.op == "select" or expr.op not in OPERATIONS:
            return None
        return self._apply(expr.op, args, expr.span)

    def _apply(self, op: str, args: tuple[Value, ...], span: Span | None) -> Value:
        known = [arg for arg in args if arg is not None]
        if len(known) < len(args):
            return None
        value = apply(op, known)
        if op not in BOOLEAN and not math.isfinite(value) and all(math.isfinite(arg) for arg in known):
            what = "is not a real number" if math.isnan(value) else "is infinite"
            self._report.add("E504", "this constant expression has no finite value", span, what)
            return None
        return value
