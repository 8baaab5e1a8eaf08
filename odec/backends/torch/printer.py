"""Expressions as PyTorch code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from odec.backends.layout import Call, Chain, Doc, Leaf, Parens, flat
from odec.backends.printer import ATOM, COMPARE, COMPARISONS, POWER, PRODUCT, UNARY, Printed, Printer
from odec.tree import Expr, Number, Op, Symbol, evaluate, number, symbols

_BIT_OR, _BIT_AND = 5, 6

_PLAIN = frozenset(
    "exp expm1 log log1p log10 log2 sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh "
    "erf abs sign floor ceil sigmoid relu lgamma digamma".split()
)
"""Operations that torch has under the same name, of one tensor."""


class TorchPrinter(Printer):
    """Prints for tensors; an expression of constants alone stays a Python number.

    consts: values of the symbols that are Python floats. names: spellings of symbols that differ from the
    model's. anchor: a tensor variable whose dtype and device a literal takes where torch wants a tensor.
    """

    def __init__(
        self, consts: Mapping[str, float], names: Mapping[str, str], anchor: str = "x", room: str = "_"
    ):
        self.consts, self.names, self.anchor, self.room = consts, names, anchor, room

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
        return all(symbol.name in self.consts for symbol in symbols(expr))

    def operation(self, expr: Op) -> Printed:
        op, args = expr.op, expr.args
        if op == "pow":
            return self._power(expr)
        if self.is_scalar(expr):
            return self._constant(expr)
        if op in COMPARISONS:
            return self.chain(COMPARISONS[op], args, COMPARE)
        if op in ("and", "or"):
            return self.chain("&" if op == "and" else "|", args, _BIT_AND if op == "and" else _BIT_OR)
        if op == "not":
            doc = self.doc(args[0], POWER)
            return Leaf("~" + flat(doc)), UNARY
        if op in _PLAIN:
            return self.call(f"torch.{op}", *args)
        special = getattr(self, f"_{op}", None)
        return special(*args) if special else super().operation(expr)

    def _trigamma(self, arg: Expr) -> Printed:
        return Call("torch.polygamma", (Leaf("1"), self.doc(arg))), ATOM

    def _finite(self, arg: Expr) -> Printed:
        return Call("torch.nan_to_num", (self.doc(arg), *map(Leaf, ("math.nan", "0.0", "0.0")))), ATOM

    def tensor(self, expr: Expr) -> Doc:
        """The expression's document, a literal made a tensor of the anchor's dtype and device."""
        doc = self.doc(expr)
        return Call(f"{self.anchor}.new_full", (Leaf("()"), doc)) if self.is_scalar(expr) else doc

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

    def _select(self, condition: Expr, yes: Expr, no: Expr) -> Printed:
        both = self.is_scalar(yes) and self.is_scalar(no)
        first = self.tensor(yes) if both else self.doc(yes)
        return Call("torch.where", (self.doc(condition), first, self.doc(no))), ATOM

    def _extremum(self, args: tuple[Expr, ...], function: str, keyword: str) -> Printed:
        tensors = [arg for arg in args if not self.is_scalar(arg)]
        scalars = [arg for arg in args if self.is_scalar(arg)]
        doc = self.doc(tensors[0])
        for arg in tensors[1:]:
            doc = Call(f"torch.{function}", (doc, self.doc(arg)))
        for arg in scalars:
            doc = Call("torch.clamp", (doc, Leaf(f"{keyword}={flat(self.doc(arg))}")))
        return doc, ATOM

    def _min(self, *args: Expr) -> Printed:
        return self._extremum(args, "minimum", "max")

    def _max(self, *args: Expr) -> Printed:
        return self._extremum(args, "maximum", "min")

    def _clip(self, value: Expr, low: Expr, high: Expr) -> Printed:
        return self._min(Op("max", (value, low)), high)

    def _softplus(self, arg: Expr) -> Printed:
        return Call("torch.nn.functional.softplus", (self.doc(arg), Leaf("threshold=40"))), ATOM

    def _atan2(self, y: Expr, x: Expr) -> Printed:
        return Call("torch.atan2", (self.tensor(y), self.tensor(x))), ATOM

    def _mod(self, a: Expr, b: Expr) -> Printed:
        return self.call("torch.remainder", a, b)

    def _xlogy(self, x: Expr, y: Expr) -> Printed:
        return self.call("torch.xlogy", x, y)

    def _exprel(self, arg: Expr) -> Printed:
        return self.call(f"{self.room}exprel", arg)

    def _exprel1(self, arg: Expr) -> Printed:
        return self.call(f"{self.room}exprel", arg, number(1))

    def _exprel2(self, arg: Expr) -> Printed:
        return self.call(f"{self.room}exprel", arg, number(2))

    def _cot(self, arg: Expr) -> Printed:
        return Chain(Leaf("1"), (("/", Call("torch.tan", (self.doc(arg),))),)), PRODUCT

    def _gamma(self, arg: Expr) -> Printed:
        return self.call(f"{self.room}gamma", arg)

    def _hill(self, value: Expr, half: Expr, power: Expr) -> Printed:
        up, low = Op("pow", (value, power)), Op("pow", (half, power))
        return self._product(Op("div", (up, Op("add", (low, up))))), PRODUCT

    def _heaviside(self, arg: Expr, at_zero: Expr | None = None) -> Printed:
        zero = Number(0.0, "0")
        half = at_zero or Number(0.5, "0.5")
        step = Call(flat(Parens(self.doc(Op("gt", (arg, zero))))) + ".to", (Leaf(f"{self.anchor}.dtype"),))
        return Call("torch.where", (self.doc(Op("eq", (arg, zero))), self.doc(half), step)), ATOM


def used(expr: Expr) -> set[str]:
    """Names of the symbols of an expression."""
    return {s.name for s in symbols(expr)} if not isinstance(expr, Symbol) else {expr.name}
