"""Expressions as C, for a CPU compiler and for NVRTC alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import ClassVar

from odec.backends.layout import Call, Chain, Doc, Leaf, Parens, Prefix, flat
from odec.backends.printer import (
    AND,
    ATOM,
    COMMON,
    OR,
    PRODUCT,
    SUM,
    UNARY,
    Printed,
    Printer,
    Rule,
    called,
    infix,
    leaf,
)
from odec.tree import OPERATIONS, Expr, Number, Op, number

LIBM = frozenset(
    "exp expm1 log log1p log10 log2 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf".split()
)
"""Functions of one argument that C has under the same name and that have vector versions."""

_BUILT_IN = {"sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "abs": "fabs"}
_SAME = "select sigmoid softplus relu sign digamma trigamma exprel exprel1 exprel2".split()
_HELPERS = {name: name for name in _SAME} | {
    "mod": "modulo",
    "lgamma": "log_gamma",
    "xlogy": "x_log_y",
    "finite": "finite_part",
    "gamma": "gamma_function",
    "near": "is_near_zero",
    "distance": "distance_of_slopes",
    "apart": "apart_from_zero",
    "limit": "limit_of_slopes",
}
"""The functions of one's own by operation."""
_SQUARINGS = 16


def _of_the_library(name: str) -> Rule:
    return lambda printer, expr: printer.library(name, *expr.args)


def _own(name: str) -> Rule:
    return lambda printer, expr: printer.helper(name, *expr.args)


class CPrinter(Printer):
    """Prints for one lane: scalars of type `real`, whose literals are written R(2.0).

    names: spellings of symbols that differ from the model's; tables: those of lookups by key; elements: those
    of arrays, here and now. After printing, `helpers` holds the names of the helper functions used and `libm`
    those of the C library, in order of appearance.
    """

    def __init__(self, names: Mapping[str, str], tables: Mapping[int, str] | None = None):
        self.names, self.tables = names, tables or {}
        self.elements: Mapping[str, str] = {}
        self.helpers: dict[str, None] = {}
        self.libm: dict[str, None] = {}

    def symbol(self, name: str) -> str:
        return self.elements.get(name) or self.names.get(name, name)

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

    def chain(self, operator: str, args: tuple[Expr, ...], precedence: int) -> Printed:
        """Comparisons joined bitwise, in parentheses: both sides are evaluated, so loops stay straight."""
        first, *rest = (self.doc(arg, SUM) for arg in args)
        return Chain(first, tuple((operator, doc) for doc in rest)), precedence

    def _negative(self, expr: Op) -> Printed:
        operand = self.doc(expr.args[0], PRODUCT)
        if flat(operand).startswith("-"):
            return Prefix("-", Parens(operand)), UNARY
        loose = isinstance(expr.args[0], Op) and expr.args[0].op in ("mul", "div")
        return Prefix("-", operand), PRODUCT if loose else UNARY

    def _not(self, expr: Op) -> Printed:
        return Prefix("!", self.doc(expr.args[0], ATOM)), UNARY

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

    def library(self, name: str, *args: Expr) -> Printed:
        """A call of the C library."""
        self.libm[name] = None
        return self.call(name, *args)

    def helper(self, name: str, *args: Expr) -> Printed:
        """A call of a function that is odec's own."""
        self.helpers[name] = None
        return self.call(name, *args)

    def _power(self, expr: Op) -> Printed:
        base, exponent = expr.args
        value = _constant(exponent)
        if value is None:
            return self.library("pow", base, exponent)
        if value == 0:
            return Leaf("R(1.0)"), ATOM
        if value < 0 and abs(value) <= _SQUARINGS and float(2 * value).is_integer():
            return self._product(Op("div", (number(1), Op("pow", (base, number(-value))))))
        if value == 1:
            return super()._print(base)
        if value == 0.5:
            return self.call("sqrt", base)
        if float(value).is_integer() and value <= _SQUARINGS:
            return self.helper({2: "square", 3: "cube"}.get(int(value), f"power_{int(value)}"), base)
        return self.library("pow", base, exponent)

    def _extremum(self, expr: Op) -> Printed:
        name = "lesser" if expr.op == "min" else "greater"
        self.helpers[name] = None
        doc = self.doc(expr.args[0])
        for arg in expr.args[1:]:
            doc = Call(name, (doc, self.doc(arg)))
        return doc, ATOM

    def _lookup(self, expr: Op) -> Printed:
        x, key, order = expr.args
        assert isinstance(key, Number)
        return self.call(self.tables[int(key.value)], x, order)

    def _heaviside(self, expr: Op) -> Printed:
        half = () if len(expr.args) == 2 else (Number(0.5, "0.5"),)
        return self.helper("heaviside", *expr.args, *half)

    rules: ClassVar[Mapping[str, Rule]] = {
        **COMMON,
        **{op: _of_the_library(op) for op in (*LIBM, "atan2")},
        **{op: _own(name) for op, name in _HELPERS.items()},
        **{op: called(name) for op, name in _BUILT_IN.items()},
        **dict.fromkeys(("min", "max"), _extremum),
        "neg": _negative,
        "lookup": _lookup,
        "pow": _power,
        "and": infix("&", AND),
        "or": infix("|", OR),
        "not": _not,
        "true": leaf("1"),
        "false": leaf("0"),
        "heaviside": _heaviside,
    }


class ArrayPrinter(CPrinter):
    """Prints for models of arrays, in which functions are taken of many elements one after the other."""

    rules: ClassVar[Mapping[str, Rule]] = {**CPrinter.rules, "tanh": _own("quick_tanh")}


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
    kinds = ("compare", "logic")
    return isinstance(expr, Op) and expr.op in OPERATIONS and OPERATIONS[expr.op].kind in kinds
