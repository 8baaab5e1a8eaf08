"""The precedence printer: expressions of our tree to documents of a target language.

A target subclasses Printer, names its symbols and says how it writes what is no plain operator. Arithmetic
keeps the order and the parentheses of the formula that the user wrote.
"""

from __future__ import annotations

from odec.backends.layout import Call, Chain, Doc, Leaf, Parens, Prefix
from odec.tree import Expr, Number, Op, Symbol

OR, AND, NOT, COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = 1, 2, 3, 4, 8, 9, 10, 11, 20

COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}

Printed = tuple[Doc, int]


class Printer:
    """Turns expressions into documents; subclasses fill in `symbol`, `number` and `operation`."""

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
        """Everything but +, -, *, / and unary minus."""
        raise KeyError(f"the {type(self).__name__} cannot print {expr.op!r}")

    def _print(self, expr: Expr) -> Printed:
        if isinstance(expr, Symbol):
            return Leaf(self.symbol(expr.name)), ATOM
        if isinstance(expr, Number):
            if expr.text.startswith("-"):
                positive = Number(-expr.value, expr.text[1:])
                return Prefix("-", Leaf(self.number(positive))), UNARY
            return Leaf(self.number(expr)), ATOM
        if expr.op == "add":
            return self._sum(expr.args), SUM
        if expr.op == "mul":
            return self._product(expr), PRODUCT
        if expr.op == "div":
            return self._product(expr), PRODUCT
        if expr.op == "neg":
            operand = _guarded(self.doc(expr.args[0], PRODUCT))
            return Prefix("-", operand), UNARY if _tight(expr.args[0]) else PRODUCT
        return self.operation(expr)

    def _sum(self, args: tuple[Expr, ...]) -> Doc:
        first, rest = self.doc(args[0], SUM), []
        for arg in args[1:]:
            sign, term = _signed(arg)
            rest.append((sign, self.doc(term, PRODUCT)))
        return Chain(first, tuple(rest))

    def _product(self, expr: Op) -> Doc:
        """One chain for a product or quotient whose first factor is itself one: a * b / c * d."""
        operators: list[tuple[str, Expr]] = []
        head: Expr = expr
        while isinstance(head, Op) and head.op in ("mul", "div"):
            sign = "*" if head.op == "mul" else "/"
            operators = [(sign, arg) for arg in head.args[1:]] + operators
            head = head.args[0]
        rest = tuple((sign, self.doc(arg, UNARY)) for sign, arg in operators)
        return Chain(self.doc(head, UNARY), rest)

    def chain(self, operator: str, args: tuple[Expr, ...], precedence: int) -> Printed:
        """Arguments joined by an operator of the given precedence."""
        first, *rest = (self.doc(arg, precedence + 1) for arg in args)
        return Chain(first, tuple((operator, doc) for doc in rest)), precedence

    def call(self, name: str, *args: Expr) -> Printed:
        """name(args)."""
        return Call(name, tuple(self.doc(arg) for arg in args)), ATOM


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
