"""Expressions as PyTorch code."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from typing import ClassVar

from odec.arrays import Shape
from odec.backends.layout import Call, Chain, Doc, Leaf, Parens, flat
from odec.backends.printer import ATOM, COMMON, POWER, UNARY, Printed, Printer, Rule, called, infix
from odec.backends.torch.arrays import ARRAY_RULES, typed
from odec.lookups import TABLES
from odec.text import python_string
from odec.tree import OPERATIONS, Expr, Number, Op, Symbol, evaluate, number

_BIT_OR, _BIT_AND = 5, 6

_PLAIN = frozenset(
    "exp expm1 log log1p log10 log2 sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh "
    "erf abs sign floor ceil sigmoid relu lgamma digamma".split()
)
"""Operations that torch has under the same name, of one tensor."""

_ARITHMETIC = frozenset(("add", "mul", "div", "neg", "pow"))
"""Operations that stay formulas where they are constants."""


_CONDITIONS = frozenset(op for op, known in OPERATIONS.items() if known.kind in ("compare", "logic"))


class TorchPrinter(Printer):
    """Prints for tensors; an expression of constants alone stays a Python number.

    consts: values of the symbols that are Python floats. names: spellings of symbols that differ from the
    model's. anchor: a tensor variable whose dtype and device a literal takes where torch wants a tensor.
    """

    def __init__(
        self, consts: Mapping[str, float], names: Mapping[str, str], anchor: str = "x", room: str = "_"
    ):
        self.consts, self.names, self.anchor, self.room = consts, names, anchor, room

    def typed(self, expr: Expr, shapes: Mapping[str, Shape], wide: Container[str] = ()) -> Expr:
        """The expression with shapes, by those of its names: how one is printed that has arrays."""
        return typed(expr, shapes, self.is_scalar, wide)

    def symbol(self, name: str) -> str:
        return self.names.get(name, name)

    def number(self, number: Number) -> str:
        text = number.text.lower()
        if not math.isfinite(number.value):
            return "math.inf" if number.value > 0 else "math.nan"
        if re.fullmatch(r"\d+", text):
            digits = text.lstrip("0") or "0"
            return digits if len(digits) <= 15 else repr(number.value)
        text = re.sub(r"^\.", "0.", text)
        return re.sub(r"\.(?=e|$)", ".0", text).replace("e+", "e")

    def is_scalar(self, expr: Expr) -> bool:
        """Whether the expression is a Python number: no tensor stands in it."""
        stack = [expr]
        while stack:
            node = stack.pop()
            if isinstance(node, Symbol) and node.name not in self.consts:
                return False
            if isinstance(node, Op):
                if node.op in ARRAY_RULES:
                    return False
                stack.extend(node.args)
        return True

    def operation(self, expr: Op) -> Printed:
        constant = expr.op not in _ARITHMETIC and self.is_scalar(expr)
        return self._constant(expr) if constant else super().operation(expr)

    def _not(self, expr: Op) -> Printed:
        return Leaf("~" + flat(self.doc(expr.args[0], POWER))), UNARY

    def _trigamma(self, expr: Op) -> Printed:
        return Call("torch.polygamma", (Leaf("1"), self.doc(expr.args[0]))), ATOM

    def _finite(self, expr: Op) -> Printed:
        arg = self.doc(expr.args[0])
        return Call("torch.nan_to_num", (arg, *map(Leaf, ("math.nan", "0.0", "0.0")))), ATOM

    def tensor(self, expr: Expr, least: int = 0) -> Doc:
        """The expression's document, a number made a tensor of the anchor's dtype and device."""
        doc = self.doc(expr, least)
        decided = isinstance(expr, Op) and expr.op in _CONDITIONS  # a tensor already
        plain = self.is_scalar(expr) and not decided
        return Call(f"{self.anchor}.new_full", (Leaf("()"), doc)) if plain else doc

    def _constant(self, expr: Op) -> Printed:
        value = evaluate(expr, self.consts)
        if isinstance(value, bool):
            return Call(f"{self.anchor}.new_tensor", (Leaf(f"{value}, dtype=torch.bool"),)), ATOM
        if expr.op in _PLAIN and hasattr(math, expr.op) and math.isfinite(value):
            return Call(f"math.{expr.op}", (self.doc(expr.args[0]),)), ATOM
        text = repr(value) if math.isfinite(value) else f"math.{value}".replace("math.-", "-math.")
        return Leaf(text), UNARY if text.startswith("-") else ATOM

    def _power(self, expr: Op) -> Printed:
        base, exponent = expr.args
        if self.is_scalar(expr) and isinstance(base, Number):
            base = Number(base.value, repr(base.value))
        return Chain(self.doc(base, ATOM), (("**", self.doc(exponent, UNARY)),)), POWER

    def _select(self, expr: Op) -> Printed:
        condition, yes, no = expr.args
        both = self.is_scalar(yes) and self.is_scalar(no)
        first = self.tensor(yes) if both else self.doc(yes)
        return Call("torch.where", (self.doc(condition), first, self.doc(no))), ATOM

    def _extremum(self, expr: Op) -> Printed:
        function, keyword = ("minimum", "max") if expr.op == "min" else ("maximum", "min")
        tensors = [arg for arg in expr.args if not self.is_scalar(arg)]
        scalars = [arg for arg in expr.args if self.is_scalar(arg)]
        doc = self.doc(tensors[0])
        for arg in tensors[1:]:
            doc = Call(f"torch.{function}", (doc, self.doc(arg)))
        for arg in scalars:
            doc = Call("torch.clamp", (doc, Leaf(f"{keyword}={flat(self.doc(arg))}")))
        return doc, ATOM

    def _softplus(self, expr: Op) -> Printed:
        return Call("torch.nn.functional.softplus", (self.doc(expr.args[0]), Leaf("threshold=40"))), ATOM

    def _atan2(self, expr: Op) -> Printed:
        return Call("torch.atan2", tuple(self.tensor(arg) for arg in expr.args)), ATOM

    def _exprel(self, expr: Op) -> Printed:
        order = expr.op.removeprefix("exprel")
        return self.call(f"{self.room}exprel", *expr.args, *([number(int(order))] if order else []))

    def _lookup(self, expr: Op) -> Printed:
        x, key, order = expr.args
        assert isinstance(key, Number) and isinstance(order, Number)
        name = f"LOOKUPS[{python_string(TABLES[int(key.value)].name)}]"
        return self.call(name, x, *([order] if order.value else []))

    def _own(self, expr: Op) -> Printed:
        return self.call(f"{self.room}{expr.op}", *expr.args)

    def _heaviside(self, expr: Op) -> Printed:
        arg, half = expr.args if len(expr.args) == 2 else (expr.args[0], Number(0.5, "0.5"))
        zero = Number(0.0, "0")
        step = Call(flat(Parens(self.doc(Op("gt", (arg, zero))))) + ".to", (Leaf(f"{self.anchor}.dtype"),))
        return Call("torch.where", (self.doc(Op("eq", (arg, zero))), self.doc(half), step)), ATOM

    rules: ClassVar[Mapping[str, Rule]] = {
        **COMMON,
        **{op: called(f"torch.{op}") for op in _PLAIN},
        **dict.fromkeys(("exprel", "exprel1", "exprel2"), _exprel),
        **dict.fromkeys(("min", "max"), _extremum),
        **dict.fromkeys(("true", "false"), _constant),
        **dict.fromkeys(("gamma", "near", "distance", "apart", "limit"), _own),
        "lookup": _lookup,
        "pow": _power,
        "and": infix("&", _BIT_AND),
        "or": infix("|", _BIT_OR),
        "not": _not,
        "select": _select,
        "atan2": _atan2,
        "mod": called("torch.remainder"),
        "xlogy": called("torch.xlogy"),
        "softplus": _softplus,
        "heaviside": _heaviside,
        "trigamma": _trigamma,
        "finite": _finite,
        **ARRAY_RULES,
    }
