"""Expressions as C, for a CPU compiler and for NVRTC alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from odec.backends.layout import Call, Chain, Doc, Leaf, Parens, Prefix, flat
from odec.backends.printer import (
    AND,
    ATOM,
    COMPARE,
    COMPARISONS,
    OR,
    PRODUCT,
    SUM,
    UNARY,
    Printed,
    Printer,
)
from odec.tree import OPERATIONS, Expr, Number, Op, number

LIBM = frozenset(
    "exp expm1 log log1p log10 log2 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf".split()
)
"""Functions of one argument that C has under the same name and that have vector versions."""

_SAME = frozenset(
    "sqrt floor ceil sigmoid softplus relu sign digamma trigamma exprel exprel1 exprel2".split()
)
_SQUARINGS = 16


class CPrinter(Printer):
    """Prints for one lane: scalars of type `real`, whose literals are written R(2.0).

    names: spellings of symbols that differ from the model's. After printing, `helpers` holds the names of
    the helper functions used and `libm` those of the C library, in order of appearance.
    """

    def __init__(self, names: Mapping[str, str]):
        self.names = names
        self.helpers: dict[str, None] = {}
        self.libm: dict[str, None] = {}

    def symbol(self, name: str) -> str:
        return self.names.get(name, name)

    def number(self, number: Number) -> str:
        if not math.isfinite(number.value):
            return "INFINITY_" if number.value > 0 else "NAN_"
        text = number.text.lower().replace("e+", "e")
        if re.fullmatch(r"\d+", text):
            return f"R({text.lstrip('0') or '0'}.0)"
        text = re.sub(r"^\.", "0.", text)
        return f"R({re.sub(r'[.](?=e|$)', '.0', text)})"

    def doc(self, expr: Expr, least: int = 0) -> Doc:
        rewritten = self._accurate(expr)
        return super().doc(expr if rewritten is None else rewritten, least)

    def operation(self, expr: Op) -> Printed:
        op, args = expr.op, expr.args
        if op == "pow":
            return self._power(*args)
        if op in COMPARISONS:
            left, right = (self.doc(arg, SUM) for arg in args)
            return Chain(left, ((COMPARISONS[op], right),)), COMPARE
        if op in ("and", "or"):
            return self.chain(*(("&", args, AND) if op == "and" else ("|", args, OR)))
        if op == "not":
            return Prefix("!", self.doc(args[0], ATOM)), UNARY
        if op in ("true", "false"):
            return Leaf("1" if op == "true" else "0"), ATOM
        if op in LIBM:
            return self._library(op, *args)
        if op in _SAME:
            return self._helper(op, *args) if op not in ("sqrt", "floor", "ceil") else self.call(op, *args)
        special = getattr(self, f"_{op}", None)
        return special(*args) if special else super().operation(expr)

    def chain(self, operator: str, args: tuple[Expr, ...], precedence: int) -> Printed:
        """Comparisons joined bitwise, in parentheses: both sides are evaluated, so loops stay straight."""
        first, *rest = (self.doc(arg, SUM) for arg in args)
        return Chain(first, tuple((operator, doc) for doc in rest)), precedence

    def _print(self, expr: Expr) -> Printed:
        if isinstance(expr, Op) and expr.op == "neg":
            operand = self.doc(expr.args[0], PRODUCT)
            if flat(operand).startswith("-"):
                return Prefix("-", Parens(operand)), UNARY
            loose = isinstance(expr.args[0], Op) and expr.args[0].op in ("mul", "div")
            return Prefix("-", operand), PRODUCT if loose else UNARY
        return super()._print(expr)

    def _accurate(self, expr: Expr) -> Expr | None:
        """exp(x) - 1 as expm1(x), 1 - exp(x) as -expm1(x), log(1 + x) as log1p(x); else None."""
        if not isinstance(expr, Op):
            return None
        if expr.op == "add" and len(expr.args) == 2:
            for one, other in (expr.args, expr.args[::-1]):
                if _is(one, -1) and isinstance(other, Op) and other.op == "exp":
                    return Op("expm1", other.args)
                if _is(one, 1) and isinstance(other, Op) and other.op == "neg":
                    inner = other.args[0]
                    if isinstance(inner, Op) and inner.op == "exp":
                        return Op("neg", (Op("expm1", inner.args),))
        if expr.op == "log" and isinstance(expr.args[0], Op) and expr.args[0].op == "add":
            terms = expr.args[0].args
            for k, term in enumerate(terms if len(terms) == 2 else ()):
                if _is(term, 1):
                    return Op("log1p", (terms[1 - k],))
        return None

    def _library(self, name: str, *args: Expr) -> Printed:
        self.libm[name] = None
        return self.call(name, *args)

    def _helper(self, name: str, *args: Expr) -> Printed:
        self.helpers[name] = None
        return self.call(name, *args)

    def _power(self, base: Expr, exponent: Expr) -> Printed:
        value = _constant(exponent)
        if value is None:
            return self._library("pow", base, exponent)
        if value == 0:
            return Leaf("R(1.0)"), ATOM
        if value < 0 and abs(value) <= _SQUARINGS and float(2 * value).is_integer():
            return self._product(Op("div", (number(1), Op("pow", (base, number(-value)))))), PRODUCT
        if value == 1:
            return super()._print(base)
        if value == 0.5:
            return self.call("sqrt", base)
        if float(value).is_integer() and value <= _SQUARINGS:
            return self._helper({2: "square", 3: "cube"}.get(int(value), f"power_{int(value)}"), base)
        return self._library("pow", base, exponent)

    def _select(self, condition: Expr, yes: Expr, no: Expr) -> Printed:
        return self._helper("select", condition, yes, no)

    def _extremum(self, name: str, args: tuple[Expr, ...]) -> Printed:
        self.helpers[name] = None
        doc = self.doc(args[0])
        for arg in args[1:]:
            doc = Call(name, (doc, self.doc(arg)))
        return doc, ATOM

    def _min(self, *args: Expr) -> Printed:
        return self._extremum("lesser", args)

    def _max(self, *args: Expr) -> Printed:
        return self._extremum("greater", args)

    def _clip(self, value: Expr, low: Expr, high: Expr) -> Printed:
        return self._min(Op("max", (value, low)), high)

    def _abs(self, arg: Expr) -> Printed:
        return self.call("fabs", arg)

    def _atan2(self, y: Expr, x: Expr) -> Printed:
        return self._library("atan2", y, x)

    def _mod(self, a: Expr, b: Expr) -> Printed:
        return self._helper("modulo", a, b)

    def _cot(self, arg: Expr) -> Printed:
        return self._product(Op("div", (number(1), Op("tan", (arg,))))), PRODUCT

    def _lgamma(self, arg: Expr) -> Printed:
        return self._helper("log_gamma", arg)

    def _xlogy(self, x: Expr, y: Expr) -> Printed:
        return self._helper("x_log_y", x, y)

    def _finite(self, arg: Expr) -> Printed:
        return self._helper("finite_part", arg)

    def _gamma(self, arg: Expr) -> Printed:
        return self._helper("gamma_function", arg)

    def _hill(self, value: Expr, half: Expr, power: Expr) -> Printed:
        up, low = Op("pow", (value, power)), Op("pow", (half, power))
        return self._product(Op("div", (up, Op("add", (low, up))))), PRODUCT

    def _heaviside(self, arg: Expr, at_zero: Expr | None = None) -> Printed:
        return self._helper("heaviside", arg, at_zero or Number(0.5, "0.5"))


def _constant(expr: Expr) -> float | None:
    if isinstance(expr, Number):
        return expr.value
    if isinstance(expr, Op) and expr.op == "neg" and isinstance(expr.args[0], Number):
        return -expr.args[0].value
    return None


def _is(expr: Expr, value: float) -> bool:
    return _constant(expr) == value


def is_condition(expr: Expr) -> bool:
    """Whether the value of the expression is true or false."""
    return isinstance(expr, Op) and OPERATIONS[expr.op].kind in ("compare", "logic")
