"""What belongs to arrays in an expression: lists, indices, slices, `axis=` and `for`."""

from __future__ import annotations

from collections.abc import Iterable

from odec.diagnostics import Span
from odec.lang.cursor import Cursor
from odec.lang.syntax import Loop
from odec.tree import Expr, Number, Op, Symbol, fold


class Indices(Cursor):
    """What a parser of expressions reads of arrays, from its own `expression` and `_nested`."""

    def expression(self, minimum: int = 0) -> Expr:
        """What binds more tightly than `minimum`."""
        raise NotImplementedError

    def _nested(self, minimum: int) -> Expr:
        """An expression one level deeper."""
        raise NotImplementedError

    def _argument(self) -> Expr:
        """An argument of a call; `axis=0` is one by name."""
        token = self.token
        if token.text == "axis" and self.peek().kind == "=":
            self.advance()
            self.advance()
            value = self._nested(0)
            return Op("axis", (value,), token.span.to(span_of(value)))
        return self._nested(0)

    def _list(self) -> Op:
        """[a, b, …]"""
        opening = self.advance()
        items = [] if self.token.kind == "]" else [self._nested(0)]
        while self.accept(",") and self.token.kind != "]":
            items.append(self._nested(0))
        self.expect("]", "',' or ']'")
        span = Span(opening.start, self.previous.end)
        if not items:
            raise self.fail("E104", "an array has elements", span, "an empty list")
        return Op("list", tuple(items), span)

    def _with_indices(self, value: Expr) -> Expr:
        """A value with what stands behind it: indices, `.T`."""
        while self.token.kind in ("[", ".T"):
            if self.accept(".T"):
                value = Op("transpose", (value,), Span(span_of(value).start, self.previous.end))
            else:
                indices = self._indices()
                value = Op("index", (value, *indices), Span(span_of(value).start, self.previous.end))
        return value

    def _indices(self) -> tuple[Expr, ...]:
        """[i, 1:3, :], from its opening bracket."""
        opening = self.advance()
        found = [self._subscript()]
        while self.accept(",") and self.token.kind != "]":
            found.append(self._subscript())
        if self.token.kind == ":":
            span = Span(opening.start, self.token.end)
            raise self.fail("E320", "a slice has no step", span, "a slice is `a:b`, with b left out of it")
        if self.token.kind == "..":
            note = "a range, with both its ends, stands behind `for i in`"
            raise self.fail("E320", "a slice is `a:b`, with b left out of it", self.token.span, "", note)
        self.expect("]", "',' or ']'")
        return tuple(found)

    def _subscript(self) -> Expr:
        """An index, or a slice: Op("ends", (a, b)), with Op("open") for the one that is left out."""
        start = self.token.start
        first: Expr = Op("open", ())
        if self.token.kind != ":":
            first = self._nested(0)
            if self.token.kind != ":":
                return first
        self.advance()
        last = Op("open", ()) if self.token.kind in (",", "]", ":") else self._nested(0)
        return Op("ends", (first, last), Span(start, self.previous.end))

    def loops(self) -> tuple[Loop, ...]:
        """`for i in A .. B, j in C .. D`, from its `for`."""
        self.advance()
        found = [self._loop()]
        while self.token.kind == "," and self.peek(2).text == "in" and self.peek().kind == "name":
            self.advance()
            found.append(self._loop())
        return tuple(found)

    def _loop(self) -> Loop:
        name = self.name("the name of an index")
        if self.token.text != "in":
            raise self.unexpected("'in', as in `for i in 0 .. n-1`")
        self.advance()
        first = self.expression()
        self.expect("..", "'..' between the first index and the last, as in `for i in 0 .. n-1`")
        return Loop(name, first, self.expression())

    def _over(self, body: Expr) -> Op:
        """The argument of sum(… for i in A .. B): the body, then the ends of each range."""
        loops = self.loops()
        ends = tuple(end for loop in loops for end in (loop.first, loop.last))
        static = tuple(part for loop in loops for part in loop.axis)
        return Op("for", (bound(body, loops), *ends), span_of(body).to(self.previous.span), static=static)


def bound(expr: Expr, loops: Iterable[Loop]) -> Expr:
    """The expression with the names of the loops as what they are: Op("at", (), static=(NAME, PLACE))."""
    axes = {loop.name.text: loop.axis for loop in loops}

    def leaf(node: Number | Symbol) -> Expr:
        own = isinstance(node, Symbol) and axes.get(node.name)
        return Op("at", (), node.span, static=own) if own else node

    return fold(expr, leaf, lambda node, args: Op(node.op, args, node.span, static=node.static))


def span_of(expr: Expr) -> Span:
    assert expr.span is not None
    return expr.span
