"""Statements: a logical line of tokens to a node of `odec.lang.syntax`."""

from __future__ import annotations

import re
from collections.abc import Callable

from odec.diagnostics import Diagnostic, Fix, Source, Span
from odec.lang.guesses import leftover, no_statement, unknown_word
from odec.lang.lexer import WORDS, Line, Token
from odec.lang.net_statement import NetParser
from odec.lang.syntax import (
    Binding,
    Bounds,
    Consts,
    Inits,
    Inputs,
    Name,
    NoiseTerm,
    Observation,
    Params,
    RunLine,
    Statement,
    Time,
)
from odec.lang.table_statement import TableParser
from odec.tree import Expr

ALIASES = {"par": "param", "number": "const", "aux": "obs"}
"""XPP's words for ours."""

_EVENTS = frozenset({"when", "at", "every"})
_PARTS = {
    "param": ("in", "via"),
    "run": ("step", "method", "dt", "rtol", "atol"),
    "input": ("hold", "linear", "cubic"),
}
"""Words that may follow in a statement."""

_GOES_ON = re.compile(r"[^\S\n]*(?P<remark>#[^\n]*)?\n[^\S\n]+(?!\d)\w+\s*=(?!=)")
"""A comma at the end of a line, and an indented definition on the next."""


def parse_statement(source: Source, line: Line) -> tuple[Statement, list[Diagnostic]]:
    """The statement of a line, and warnings about how it was read; raises Problem."""
    parser = _StatementParser(source, line)
    return parser.statement(), parser.warnings


class _StatementParser(NetParser, TableParser):
    def statement(self) -> Statement:
        first, second = self.token, self.peek()
        if first.kind != "name":
            raise no_statement(self)
        self._refuse_events(first, second)
        if first.text == "run" and second.kind in ("number", "-"):
            note = "the time stands before its start: `run t = 0 .. 100`"
            raise self.fail("E104", "expected the name of the time", second.span, "", note)
        if second.kind == "name" or (second.kind in WORDS and first.text in (*KEYWORDS, *ALIASES)):
            statement = self._keyword_statement(first)
        elif second.kind == "(":
            statement = self._function_or_alias()
        elif second.kind == "[":
            statement = self._indexed()
        elif second.kind in ("'", "/"):
            statement = self._derivative()
        else:
            statement = self._definition()
        if self.token.kind != "end":
            raise leftover(self, _PARTS.get(ALIASES.get(first.text, first.text), ()))
        return statement

    def _refuse_events(self, first: Token, second: Token) -> None:
        if first.text not in _EVENTS or second.kind not in ("name", "number", "(", "-", "not"):
            return
        if second.kind == "name" or any(t.kind == ":" for t in self.tokens):
            message = f"events (`{first.text} …:`) are not supported yet"
            raise self.fail("E322", message, self.whole, "an event")

    def _keyword_statement(self, first: Token) -> Statement:
        word = ALIASES.get(first.text, first.text)
        if word in KEYWORDS:
            self.advance()
            return KEYWORDS[word](self)
        raise unknown_word(self, [*KEYWORDS], ALIASES)

    # Statements that start with a word.

    def _params(self) -> Params:
        items = self._bindings("parameter", spaced=True)
        bounds = self._bounds() if self._word("in") else None
        transform = self.name("a transform such as log") if self._word("via") else None
        if bounds is None and self._word("in"):
            bounds = self._bounds()
        if self.token.kind == "~":
            message = "priors (`param NAME = … ~ …`) are not supported yet"
            raise self.fail("E324", message, self.token.span, "a prior")
        unit = self._unit()
        if self.token.kind == ",":
            note = "`in`, `via` and the unit hold for the whole line and stand at its end;"
            note += " the next takes a line of its own"
            raise self.fail("E107", "a new parameter after `in`, `via` or a unit", self.token.span, "", note)
        return Params(items, bounds, transform, unit, self.doc, self.whole)

    def _consts(self) -> Consts:
        return Consts(self._bindings("constant", spaced=True), self._unit(), self.doc, self.whole)

    def _inits(self) -> Inits:
        return Inits(self._bindings("state", spaced=True), self._unit(), self.doc, self.whole)

    def _bindings(self, what: str, spaced: bool) -> tuple[Binding, ...]:
        """NAME = EXPR, …; XPP lets spaces part them too."""
        items = [self._binding(what)]
        while self._goes_on() or (spaced and self._another()):
            items.append(self._binding(what))
        return tuple(items)

    def _goes_on(self) -> bool:
        """Whether a list goes on behind a comma: one may stand at its end."""
        if not self.accept(","):
            return False
        if self.token.kind == "end" and (found := _GOES_ON.match(self.source.text, self.token.start)):
            comma = self.previous.span
            label = "a list goes on where its line ends in a backslash"
            fix = None if found["remark"] else Fix(comma, ", \\")
            raise self.fail("E104", "the list ends with its line", comma, label, fix=fix)
        is_part = self.token.text in ("in", "via") and self.peek().kind != "="
        return self.token.kind not in ("end", ":") and not is_part

    def _another(self) -> bool:
        return self.token.kind == "name" and self.peek().kind == "="

    def _binding(self, what: str) -> Binding:
        name = self._plain_name(f"the name of a {what}")
        order = 0
        while what == "state" and self.accept("'"):
            order += 1
        place = self._place()
        if self.token.kind == "~":
            message = "priors (`param NAME ~ …`) are not supported yet"
            raise self.fail("E324", message, self.token.span, "a prior")
        ends = self.token.kind in ("end", ",", ":") and self.peek().kind != "="
        if what != "state" and (ends or self.token.text in ("in", "via")):
            note = f"write `{name.text} = 1.0`"
            note += ": a default, which can be set at run time" if what == "parameter" else ""
            message = f"the {what} '{name.text}' has no value"
            raise self.fail("E317", message, name.span, "needs a value", note)
        self._equals("'='")
        elements, expr = self._elements(place, self.full_expression())
        return Binding(name, expr, order, elements)

    def _inputs(self) -> Inputs:
        names = [self._plain_name("the name of an input")]
        places = [self._place()]
        while self._goes_on():
            names.append(self._plain_name("the name of an input"))
            places.append(self._place())
        kind = self.name("hold, linear or cubic") if self.token.kind == "name" else None
        if self.token.kind == "=":
            note = 'an input\'s values are given at run time: `net(t, inputs={"NAME": (times, values)})`'
            raise self.fail("E107", "an input has no value in the model", self.token.span, "", note)
        shapes = tuple(place[0] if place else () for place in places)
        return Inputs(tuple(names), kind, self._unit(), self.doc, self.whole, shapes)

    def _observation(self) -> Observation:
        name = self._plain_name("the name of an observable")
        place = self._place()
        if self.token.kind == "~":
            note = "an observable is a formula and, behind it, its noise: `obs y = x ~ normal(0.1)`"
            raise self.fail("E107", "noise of an observable that has no formula", self.token.span, "", note)
        self._equals("'='")
        elements, expr = self._elements(place, self.full_expression())
        noise = self._noise() if self.accept("~") else None
        return Observation(name, expr, noise, self._unit(), self.doc, self.whole, elements)

    def _noise(self) -> NoiseTerm:
        name = self.name("a distribution such as normal(sigma)")
        args = self._arguments() if self.accept("(") else ()
        return NoiseTerm(name, args, Span(name.span.start, self.previous.end))

    def _time(self) -> Time:
        return Time(self.name("the name of the time"), self._unit(), self.doc, self.whole)

    def _run(self) -> RunLine:
        time = self.name("the name of the time")
        self.expect("=", "'='")
        start = self.full_expression()
        self.expect("..", "'..' between the run's start and its end, as in `run t = 0 .. 100`")
        stop = self.full_expression()
        method: Name | None = None
        found: dict[str, tuple[Expr, ...]] = {}
        while self.token.kind == "name":
            word = self.token.text
            if word == "method" and method is None and self._word(word):
                method = self.name("the name of a method")
            elif word in ("step", "dt", "rtol", "atol") and word not in found and self._word(word):
                found[word] = (self.full_expression(),)
                while word == "atol" and self.accept(","):
                    found[word] += (self.full_expression(),)
            else:
                break
        step, dt, rtol = (found[word][0] if word in found else None for word in ("step", "dt", "rtol"))
        return RunLine(time, start, stop, step, method, dt, rtol, found.get("atol", ()), self.doc, self.whole)

    def _bounds(self) -> Bounds:
        opening = self.token
        message = "expected an interval such as (0, inf) or [0, 1]"
        if opening.kind not in ("(", "["):
            raise self.fail("E115", message, opening.span)
        self.advance()
        lower = self.full_expression()
        if not self.accept(","):
            raise self.fail("E115", message, opening.span.to(self.token.span), "needs two bounds")
        upper = self.full_expression()
        if self.token.kind not in (")", "]"):
            raise self.fail("E115", message, opening.span.to(self.token.span), "not closed")
        closing = self.advance()
        span = Span(opening.start, closing.end)
        return Bounds(lower, upper, opening.kind == "[", closing.kind == "]", span)


KEYWORDS: dict[str, Callable[[_StatementParser], Statement]] = {
    "param": _StatementParser._params,
    "const": _StatementParser._consts,
    "init": _StatementParser._inits,
    "input": _StatementParser._inputs,
    "net": _StatementParser._net,
    "lookup": _StatementParser._lookup,
    "values": _StatementParser._fitted_values,
    "obs": _StatementParser._observation,
    "time": _StatementParser._time,
    "run": _StatementParser._run,
}
"""The words that start a statement."""
