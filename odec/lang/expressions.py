"""A Pratt parser for expressions: tokens to the raw tree that `odec.lang.resolve` looks names up in.

Binding powers are Python's: `or`, `and`, `not`, comparisons (chained ones too), `|`, `&`, sums, products,
unary minus, powers (from the right). `if c then a else b` binds loosest. V. Pratt, Top down operator
precedence, POPL 1973.
"""

from __future__ import annotations

import math
from itertools import pairwise

from odec.diagnostics import Diagnostic, Fix, Source, Span
from odec.lang.indices import Indices, span_of
from odec.lang.lexer import Token
from odec.lang.report import Problem, meant
from odec.tree import MAX_DEPTH, Expr, Number, Op, Symbol

MAX_NESTING = 100
"""Brackets, signs, calls and conditionals inside one another."""

_COMPARE = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_POWER = {
    "or": 10,
    "and": 20,
    **dict.fromkeys(_COMPARE, 40),
    "|": 42,
    "&": 44,
    **dict.fromkeys("+-", 50),
    **dict.fromkeys("*/@", 60),
    **dict.fromkeys(("**", "^"), 80),
}
_GATHERED = {"or": "or", "and": "and", "|": "or", "&": "and", "*": "mul"}
_NOT, _UNARY = 30, 70


class Parser(Indices):
    """Expressions from the tokens of one logical line."""

    def __init__(self, source: Source, tokens: list[Token]):
        super().__init__(source, tokens)
        self._nesting = 0
        self._by_signs: dict[int, tuple[Expr, Token]] = {}

    def full_expression(self) -> Expr:
        """An expression, checked for its depth."""
        expr = self.expression()
        too_deep = _beyond_depth(expr)
        if too_deep is not None:
            message = f"the formula is too deep (at most {MAX_DEPTH} branches, divisions or powers in a row)"
            note = "give parts of it names of their own: `NAME = EXPR`"
            raise self.fail("E108", message, too_deep, "too deep", note)
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
                if kind in ("/", "@"):
                    left = self._binary("div" if kind == "/" else "matmul", left, self.expression(power))
                else:
                    with_sign = self._nested(power - 1)
                    left = self._binary("pow", left, with_sign)

    @staticmethod
    def _binary(op: str, left: Expr, right: Expr) -> Op:
        return Op(op, (left, right), span_of(left).to(span_of(right)))

    def _sum(self, first: Expr) -> Op:
        terms = [first]
        while self.token.kind in ("+", "-"):
            sign = self.advance()
            term = self.expression(50)
            if sign.kind == "-":
                term = Op("neg", (term,), sign.span.to(span_of(term)))
            terms.append(term)
        return Op("add", tuple(terms), span_of(first).to(span_of(terms[-1])))

    def _gather(self, first: Expr, kind: str, power: int) -> Op:
        """A run of one associative operator as one operation."""
        items = [first]
        sign = self.token
        while self.token.kind == kind:
            self.advance()
            items.append(self.expression(power))
        gathered = Op(_GATHERED[kind], tuple(items), span_of(first).to(span_of(items[-1])))
        if kind in ("&", "|"):
            self._by_signs[id(gathered)] = (gathered, sign)
        return gathered

    def _comparison(self, first: Expr) -> Op:
        """a < b, or a < b < c as (a < b) and (b < c)."""
        parts: list[Expr] = []
        left = first
        while self.token.kind in _COMPARE:
            op = _COMPARE[self.advance().kind]
            right = self.expression(40)
            self._no_bare_sign(left, right)
            parts.append(self._binary(op, left, right))
            left = right
        if len(parts) == 1:
            return parts[0]  # type: ignore[return-value]
        return Op("and", tuple(parts), span_of(first).to(span_of(left)))

    def _no_bare_sign(self, *sides: Expr) -> None:
        """`0 < x & x < 1`: in SymPy's spelling `&` binds more tightly than `<`."""
        for side in sides:
            if id(side) in self._by_signs:
                sign = self._by_signs[id(side)][1]
                word = "and" if sign.kind == "&" else "or"
                message = f"'{sign.text}' binds more tightly than a comparison"
                note = f"or put the comparisons in brackets: `(a < b) {sign.text} (c < d)`"
                fix = Fix(sign.span, self._spaced(word, sign.span))
                raise self.fail("E310", message, sign.span, meant(word), note, fix=fix)

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
            return self._with_indices(self._name())
        if kind == "[":
            return self._with_indices(self._list())
        if kind == "number":
            self.advance()
            return self._number(token)
        if kind == "(":
            return self._with_indices(self._brackets())
        if kind == "-" or kind == "+":
            self.advance()
            operand = self._nested(_UNARY)
            return Op("neg", (operand,), token.span.to(span_of(operand))) if kind == "-" else operand
        if kind == "not" or kind == "~":
            self.advance()
            operand = self._nested(_NOT if kind == "not" else _UNARY)
            return Op("not", (operand,), token.span.to(span_of(operand)))
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
        return Symbol(token.text, Span(token.start, token.end))

    def _arguments(self) -> tuple[Expr, ...]:
        """Up to the closing bracket of a call, which is consumed; a comma may stand before it."""
        args: list[Expr] = []
        while not self.accept(")"):
            args.append(self._argument())
            if self.token.kind == "name" and self.token.text == "for" and len(args) == 1:
                args[0] = self._over(args[0])
            if self.token.kind != ")" and not self.accept(","):
                raise self.unexpected("',' or ')'")
        return tuple(args)

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
            return Op(inner.op, inner.args, span, static=inner.static)
        if isinstance(inner, Symbol):
            return Symbol(inner.name, span)
        return Number(inner.value, inner.text, span)

    def _conditional(self) -> Expr:
        """A chain of `else if` is read in a loop: it may be as long as trees are deep."""
        branches: list[tuple[Token, Expr, Expr]] = []
        brackets = False
        while self.token.kind == "if":
            start, opening = self.advance(), self.index
            condition = self._nested(0)
            if self.token.kind != "then":
                raise self._conditional_as_call(start, opening) or self.unexpected("'then'")
            self.advance()
            brackets, yes = self._in_brackets()
            branches.append((start, condition, yes))
            self.expect("else", "'else': a conditional has a value in both cases")
        opening = self.index
        result = self._nested(0)
        if brackets:
            self._warn_of_operator(opening, result)
        for start, condition, yes in reversed(branches):
            result = Op("select", (condition, yes, result), start.span.to(span_of(result)))
        return result

    def _in_brackets(self) -> tuple[bool, Expr]:
        """A value, and whether it is one pair of brackets."""
        opening = self.index
        value = self._nested(0)
        return self._pair(opening)[0] == self.index - 1, value

    def _pair(self, opening: int) -> tuple[int, list[int]]:
        """The index of the bracket that closes the one at an index (-1: there is none), and its commas."""
        depth, commas = 0, list[int]()
        for index in range(opening, self.index):
            kind = self.tokens[index].kind
            depth += (kind in ("(", "[")) - (kind in (")", "]"))
            if depth == 0:
                return (index if kind == ")" else -1), commas
            if depth == 1 and kind == ",":
                commas.append(index)
        return -1, commas

    def _warn_of_operator(self, opening: int, result: Expr) -> None:
        """`if (c) then (a) else (b) + d`: XPP applies `+ d` to both branches, we to the last."""
        closing, _ = self._pair(opening)
        if 0 <= closing < self.index - 1:
            operator = self.tokens[closing + 1]
            message = f"'{operator.text}' behind the brackets of an `else`"
            note = "XPP reads it for both branches: then write `(if … then … else …) " + operator.text + " …`"
            span = span_of(result)
            fix = Fix(span, f"({self.typed(span)})")
            label = "it is taken for the last branch alone: put that in brackets"
            self.warnings.append(Diagnostic("W608", message, self.source, operator.span, label, (note,), fix))

    def _conditional_as_call(self, start: Token, opening: int) -> Problem | None:
        """if(c, a, b), as spreadsheets have it."""
        closing, commas = self._pair(opening)
        if closing < 0 or len(commas) != 2:
            return None
        bounds = [opening, *commas, closing]
        parts = (Span(self.tokens[a].end, self.tokens[b].start) for a, b in pairwise(bounds))
        text = "if {} then {} else {}".format(*(self.typed(part).strip() for part in parts))
        span = Span(start.start, self.tokens[closing].end)
        whole = self.tokens[closing + 1].kind == "end"
        message = "a conditional is written `if c then a else b`"
        return self.guess("E104", message, span, text if whole else f"({text})")


def _digits(text: str) -> str:
    """The mantissa of a number."""
    return text.lower().partition("e")[0]


def _beyond_depth(expr: Expr) -> Span | None:
    """Where the tree first goes beyond MAX_DEPTH levels."""
    level: list[Expr] = [expr]
    for _ in range(MAX_DEPTH):
        level = [arg for node in level if isinstance(node, Op) for arg in node.args]
        if not level:
            return None
    return level[0].span
