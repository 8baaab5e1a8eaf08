"""The precedence printer: expressions of our tree to documents of a target language.

A target subclasses Printer, names its symbols and has a table, `rules`, of how it writes each operation.
Arithmetic keeps the order and the parentheses of the formula that the user wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from odec.backends.layout import Call, Chain, Doc, Leaf, Parens, Prefix
from odec.tree import Expr, Number, Op, Symbol, number

OR, AND, NOT, COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = 1, 2, 3, 4, 8, 9, 10, 11, 20

COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}

Printed = tuple[Doc, int]
Rule = Callable[[Any, Op], Printed]
"""How a printer writes an operation."""


class Printer:
    """Turns expressions into documents; subclasses fill in `symbol`, `number` and `rules`, by operation."""

    rules: ClassVar[Mapping[str, Rule]]

    def doc(self, expr: Expr, least: int = 0) -> Doc:
        """The document of an expression, in parentheses where it binds looser than `least`."""
        doc, precedence = self._print(expr)
        return doc if precedence >= least else Parens(doc)

    def symbol(self, name: str) -> str:
        """The target's spelling of a symbol."""
        return name

    def number(self, number: Number) -> str:
        """The target's spelling of a literal that is not negative."""
        return number.text

    def operation(self, expr: Op) -> Printed:
        """The document of an operation, by the printer's table."""
        return self.rules[expr.op](self, expr)

    def _print(self, expr: Expr) -> Printed:
        if isinstance(expr, Symbol):
            return Leaf(self.symbol(expr.name)), ATOM
        if isinstance(expr, Number):
            if expr.text.startswith("-"):
                positive = Number(-expr.value, expr.text[1:])
                return Prefix("-", Leaf(self.number(positive))), UNARY
            return Leaf(self.number(expr)), ATOM
        return self.operation(expr)

    def _negative(self, expr: Op) -> Printed:
        operand = _guarded(self.doc(expr.args[0], PRODUCT))
        return Prefix("-", operand), UNARY if _tight(expr.args[0]) else PRODUCT

    def _sum(self, expr: Op) -> Printed:
        first, rest = self.doc(expr.args[0], SUM), []
        for arg in expr.args[1:]:
            sign, term = _signed(arg)
            rest.append((sign, self.doc(term, PRODUCT)))
        return Chain(first, tuple(rest)), SUM

    def _product(self, expr: Op) -> Printed:
        """One chain for a product or quotient whose first factor is itself one: a * b / c * d."""
        operators: list[tuple[str, Expr]] = []
        head: Expr = expr
        while isinstance(head, Op) and head.op in ("mul", "div"):
            sign = "*" if head.op == "mul" else "/"
            operators = [(sign, arg) for arg in head.args[1:]] + operators
            head = head.args[0]
        rest = tuple((sign, self.doc(arg, UNARY)) for sign, arg in operators)
        return Chain(self.doc(head, UNARY), rest), PRODUCT

    def chain(self, operator: str, args: tuple[Expr, ...], precedence: int) -> Printed:
        """Arguments joined by an operator of the given precedence."""
        first, *rest = (self.doc(arg, precedence + 1) for arg in args)
        return Chain(first, tuple((operator, doc) for doc in rest)), precedence

    def call(self, name: str, *args: Expr) -> Printed:
        """name(args)."""
        return Call(name, tuple(self.doc(arg) for arg in args)), ATOM


def called(name: str) -> Rule:
    """A call of that name, of the same arguments."""
    return lambda printer, expr: printer.call(name, *expr.args)


def infix(sign: str, precedence: int) -> Rule:
    """The arguments with a sign between them."""
    return lambda printer, expr: printer.chain(sign, expr.args, precedence)


def leaf(text: str) -> Rule:
    """The same text always."""
    return lambda printer, expr: (Leaf(text), ATOM)


def _rewritten(formula: Callable[..., Op]) -> Rule:
    """The operation as a formula of others."""
    return lambda printer, expr: printer.operation(formula(*expr.args))


def _hill(value: Expr, half: Expr, power: Expr) -> Op:
    up, low = Op("pow", (value, power)), Op("pow", (half, power))
    return Op("div", (up, Op("add", (low, up))))


COMMON: Mapping[str, Rule] = {
    "add": Printer._sum,
    "mul": Printer._product,
    "div": Printer._product,
    "neg": Printer._negative,
    "clip": _rewritten(lambda value, low, high: Op("min", (Op("max", (value, low)), high))),
    "cot": _rewritten(lambda arg: Op("div", (number(1), Op("tan", (arg,))))),
    "hill": _rewritten(_hill),
    **{op: infix(sign, COMPARE) for op, sign in COMPARISONS.items()},
}
"""What every target writes alike."""


def _guarded(doc: Doc) -> Doc:
    """What follows a minus, a power in parentheses: -(x**2)."""
    if not isinstance(doc, Chain):
        return doc
    return Parens(doc) if doc.rest[0][0] == "**" else Chain(_guarded(doc.first), doc.rest)


def _tight(expr: Expr) -> bool:
    return not (isinstance(expr, Op) and expr.op in ("mul", "div"))


def _signed(term: Expr) -> tuple[str, Expr]:
    """A term of a sum as its sign and the rest."""
    if isinstance(term, Op) and term.op == "neg":
        return "-", term.args[0]
    if isinstance(term, Number) and term.text.startswith("-"):
        return "-", Number(-term.value, term.text[1:])
    return "+", term
