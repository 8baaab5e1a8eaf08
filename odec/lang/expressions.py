"""A Pratt parser for expressions: tokens to the raw tree that `odec.lang.resolve` looks names up in.

Binding powers are Python's: `or`, `and`, `not`, comparisons (chained ones too), `|`, `&`, sums, products,
unary minus, powers (from the right). `if c then a else b` binds loosest. V. Pratt, Top down operator
precedence, POPL 1973.
"""

from __future__ import annotations

import math

from odec.diagnostics import Diagnostic, Source, Span
from odec.lang.lexer import WORDS, Token
from odec.lang.report import Problem
from odec.lang.syntax import Name
from odec.tree import Expr, Number, Op, Symbol

MAX_NESTING = 100
"""Brackets, signs, calls and conditionals inside one another."""

MAX_DEPTH = 200
"""Levels of the tree of one expression."""

_COMPARE = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_POWER = {
    "or": 10,
    "and": 20,
    **dict.fromkeys(_COMPARE, 40),
    "|": 42,
    "&": 44,
    **dict.fromkeys("+-", 50),
    **dict.fromkeys("*/", 60),
    **dict.fromkeys(("**", "^"), 80),
}
_GATHERED = {"or": "or", "and": "and", "|": "or", "&": "and", "*": "mul"}
_NOT, _UNARY = 30, 70
_INSTEAD = {
    "−": "-",
    "–": "-",
    "—": "-",
    "×": "*",
    "·": "*",
    "⋅": "*",
    "∙": "*",
    "÷": "/",
    "∕": "/",
    "²": "**2",
    "³": "**3",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "∞": "inf",
    "′": "'",
    "’": "'",
    "″": "''",
    '"': "''",
    "{": "(",
    "}": ")",
    "!": "not",
}
_HINTS = {
    ";": "write one statement a line, with nothing at its end",
    "%": "a comment starts with '#'; the remainder of a division is mod(a, b)",
    "?": "a conditional is written `if c then a else b`",
}


class Parser:
    """The tokens of one logical line and a place in them; every mistake raises Problem."""

    def __init__(self, source: Source, tokens: list[Token]):
        self.source = source
        self.tokens = tokens
        self.index = 0
        self.token = tokens[0]
        self._nesting = 0

    def fail(self, code: str, message: str, span: Span, label: str = "", *notes: str) -> Problem:
        return Problem(Diagnostic(code, message, self.source, span, label, notes))

    def advance(self) -> Token:
        """Step over the current token and return it; the last one (`end`) stays."""
        token = self.token
        if token.kind != "end":
            self.index += 1
            self.token = self.tokens[self.index]
        return token

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    @property
    def previous(self) -> Token:
        return self.tokens[max(self.index - 1, 0)]

    def accept(self, kind: str) -> bool:
        if self.token.kind == kind:
            self.advance()
            return True
        return False

    def expect(self, kind: str, wanted: str) -> Token:
        if self.token.kind != kind:
            raise self.unexpected(wanted)
        return self.advance()

    def name(self, wanted: str) -> Name:
        token = self.token
        if token.kind in WORDS:
            message = f"'{token.text}' is an operator of the language"
            raise self.fail("E206", message, token.span, "choose another name")
        self.expect("name", wanted)
        return Name(token.text, token.span)

    def unexpected(self, wanted: str) -> Problem:
        """What is wrong with the current token, where `wanted` should stand."""
        token, before = self.token, self.previous
        text, span = token.text, token.span
        if token.kind == "bad":
            return self._bad_character()
        if token.kind in ("name", "number", "(") and before.kind in ("name", "number", ")", "'"):
            return self._missing_operator(before, token, wanted)
        if token.kind == "=":
            note = "a definition is `NAME = EXPR`, one a line; a test for equality is `==`"
            return self.fail("E106", "'=' inside an expression", span, "did you mean '=='?", note)
        if token.kind in ("&&", "||"):
            word = "and" if token.kind == "&&" else "or"
            return self.fail("E101", f"'{text}' is not an operator", span, f"did you mean '{word}'?")
        if token.kind in (")", "]") and not self._open_brackets():
            return self.fail("E103", f"'{text}' closes no bracket", span, f"expected {wanted}")
        if token.kind == "@":
            return self.fail("E320", "the matrix product '@' is not supported yet", span, "arrays come later")
        if token.kind == "[":
            return self.fail("E320", "arrays are not supported yet", span, "an index or an array")
        found = "the line ends here" if token.kind == "end" else f"found '{text}'"
        return self.fail("E104", f"expected {wanted}", span, found)

    def _open_brackets(self) -> int:
        """How many brackets are open before the current token."""
        before = [token.kind for token in self.tokens[: self.index]]
        return before.count("(") + before.count("[") - before.count(")") - before.count("]")

    def _bad_character(self) -> Problem:
        text, span = self.token.text[:1], Span(self.token.start, self.token.start + 1)
        shown = f"'{text}'" if text.isprintable() else f"U+{ord(text):04X}"
        label = f"did you mean '{_INSTEAD[text]}'?" if text in _INSTEAD else ""
        notes = (_HINTS[text],) if text in _HINTS else ()
        return self.fail("E101", f"unexpected character {shown}", span, label, *notes)

    def _missing_operator(self, before: Token, token: Token, wanted: str) -> Problem:
        between = Span(before.start, token.end)
        touching = before.end == token.start
        if before.kind == token.kind == "number" and touching:
            text = self.source.text[before.start : token.end]
            return self.fail("E102", f"'{text}' is not a number", between)
        if before.kind == "number" and touching and self.source.text[before.start : token.end][:2] == "0x":
            return self.fail("E102", "numbers are decimal: 16 or 1.6e1", between)
        message = f"an operator is missing between '{before.text}' and '{token.text}'"
        product = f"{before.text}*{token.text}"
        label = f"did you mean '{product}'?" if token.kind != "(" else "missing '*'?"
        note = "" if wanted == "an operator" else f"or {wanted} was expected here"
        return self.fail("E105", message, between, label, *([note] if note else []))

    # Expressions.

    def full_expression(self) -> Expr:
        """An expression, checked for its depth."""
        expr = self.expression()
        too_deep = _beyond_depth(expr)
        if too_deep is not None:
            raise self._too_deep(too_deep)
        return expr

    def expression(self, minimum: int = 0) -> Expr:
        """What binds more tightly than `minimum`."""
        left = self._prefix()
        while True:
            kind = self.token.kind
            power = _POWER.get(kind, 0)
            if power <= minimum:
                return left
            if power == 50:
                left = self._sum(left)
            elif kind in _GATHERED:
                left = self._gather(left, kind, power)
            elif power == 40:
                left = self._comparison(left)
            else:
                self.advance()
                if kind == "/":
                    left = self._binary("div", left, self.expression(power))
                else:
                    with_sign = self._nested(power - 1)
                    left = self._binary("pow", left, with_sign)

    @staticmethod
    def _binary(op: str, left: Expr, right: Expr) -> Op:
        return Op(op, (left, right), _span(left).to(_span(right)))

    def _sum(self, first: Expr) -> Op:
        terms = [first]
        while self.token.kind in ("+", "-"):
            sign = self.advance()
            term = self.expression(50)
            if sign.kind == "-":
                term = Op("neg", (term,), sign.span.to(_span(term)))
            terms.append(term)
        return Op("add", tuple(terms), _span(first).to(_span(terms[-1])))

    def _gather(self, first: Expr, kind: str, power: int) -> Op:
        """A run of one associative operator as one operation."""
        items = [first]
        while self.token.kind == kind:
            self.advance()
            items.append(self.expression(power))
        return Op(_GATHERED[kind], tuple(items), _span(first).to(_span(items[-1])))

    def _comparison(self, first: Expr) -> Op:
        """a < b, or a < b < c as (a < b) and (b < c)."""
        parts: list[Expr] = []
        left = first
        while self.token.kind in _COMPARE:
            op = _COMPARE[self.advance().kind]
            right = self.expression(40)
            parts.append(self._binary(op, left, right))
            left = right
        if len(parts) == 1:
            return parts[0]  # type: ignore[return-value]
        return Op("and", tuple(parts), _span(first).to(_span(left)))

    def _nested(self, minimum: int) -> Expr:
        """An expression one level deeper."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._too_deep(self.previous.span)
        expr = self.expression(minimum)
        self._nesting -= 1
        return expr

    def _too_deep(self, span: Span) -> Problem:
        message = f"the expression is nested too deeply (at most {MAX_NESTING} brackets, signs or branches)"
        note = "give its inner parts names of their own: `NAME = EXPR`"
        return self.fail("E108", message, span, "too deep", note)

    def _prefix(self) -> Expr:
        token = self.token
        kind = token.kind
        if kind == "name":
            return self._name()
        if kind == "number":
            self.advance()
            return self._number(token)
        if kind == "(":
            return self._brackets()
        if kind == "-" or kind == "+":
            self.advance()
            operand = self._nested(_UNARY)
            return Op("neg", (operand,), token.span.to(_span(operand))) if kind == "-" else operand
        if kind == "not" or kind == "~":
            self.advance()
            operand = self._nested(_NOT if kind == "not" else _UNARY)
            return Op("not", (operand,), token.span.to(_span(operand)))
        if kind == "if":
            return self._conditional()
        raise self.unexpected("a value: a number, a name or a bracket")

    def _number(self, token: Token) -> Number:
        value = float(token.text)
        if not math.isfinite(value) or (value == 0 and any(c in "123456789" for c in _digits(token.text))):
            size = "large" if value else "small"
            note = "double precision reaches from 2.3e-308 to 1.8e308"
            raise self.fail("E501", f"the number is too {size}", token.span, "", note)
        whole = token.text.lstrip("0")
        text = whole if whole[:1].isdigit() else "0" + whole if token.text[0] == "0" else token.text
        return Number(value, text, token.span)

    def _name(self) -> Expr:
        token = self.advance()
        following = self.token.kind
        if following == "(":
            self.advance()
            args = self._arguments()
            return Op("call:" + token.text, args, Span(token.start, self.previous.end))
        if following == "'":
            primes = 0
            while self.accept("'"):
                primes += 1
            return Symbol(token.text + "'" * primes, Span(token.start, self.previous.end))
        if following == "[":
            self.advance()
            index = self._nested(0)
            if self.token.kind in (",", ":"):
                raise self.unexpected_array(Span(token.start, self.token.end))
            self.expect("]", "']'")
            return Op("index:" + token.text, (index,), Span(token.start, self.previous.end))
        return Symbol(token.text, Span(token.start, token.end))

    def unexpected_array(self, span: Span) -> Problem:
        return self.fail("E320", "arrays are not supported yet", span, "an array")

    def _arguments(self) -> tuple[Expr, ...]:
        """Up to the closing bracket of a call, which is consumed."""
        args: list[Expr] = []
        if self.accept(")"):
            return ()
        while True:
            args.append(self._nested(0))
            if self.accept(")"):
                return tuple(args)
            if not self.accept(","):
                raise self.unexpected("',' or ')'")

    def _brackets(self) -> Expr:
        opening = self.advance()
        inner = self._nested(0)
        if self.token.kind == ",":
            items = [inner]
            while self.accept(","):
                if self.token.kind == ")":
                    break
                items.append(self._nested(0))
            self.expect(")", "',' or ')'")
            return Op("tuple", tuple(items), Span(opening.start, self.previous.end))
        self.expect(")", "')'")
        span = Span(opening.start, self.previous.end)
        if isinstance(inner, Op):
            return Op(inner.op, inner.args, span)
        if isinstance(inner, Symbol):
            return Symbol(inner.name, span)
        return Number(inner.value, inner.text, span)

    def _conditional(self) -> Expr:
        """A chain of `else if` is read in a loop: it may be as long as trees are deep."""
        branches: list[tuple[Token, Expr, Expr]] = []
        while self.token.kind == "if":
            start = self.advance()
            condition = self._nested(0)
            self.expect("then", "'then'")
            branches.append((start, condition, self._nested(0)))
            self.expect("else", "'else': a conditional has a value in both cases")
        result = self._nested(0)
        for start, condition, yes in reversed(branches):
            result = Op("select", (condition, yes, result), start.span.to(_span(result)))
        return result


def _digits(text: str) -> str:
    """The mantissa of a number."""
    return text.lower().partition("e")[0]


def _span(expr: Expr) -> Span:
    assert expr.span is not None
    return expr.span


def _beyond_depth(expr: Expr) -> Span | None:
    """Where the tree first goes beyond MAX_DEPTH levels."""
    level: list[Expr] = [expr]
    for _ in range(MAX_DEPTH):
        level = [arg for node in level if isinstance(node, Op) for arg in node.args]
        if not level:
            return None
    return level[0].span
