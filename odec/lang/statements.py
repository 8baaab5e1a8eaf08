"""Statements: a logical line of tokens to a node of `odec.lang.syntax`."""

from __future__ import annotations

import re
from collections.abc import Callable

from odec.diagnostics import Diagnostic, Fix, Source, Span
from odec.lang.expressions import Parser
from odec.lang.guesses import leftover, no_statement, unknown_word
from odec.lang.lexer import WORDS, Line, Token
from odec.lang.syntax import (
    Binding,
    Bounds,
    Consts,
    Definition,
    FunctionDefinition,
    Inits,
    Inputs,
    Name,
    NoiseTerm,
    Observation,
    Params,
    Rule,
    RunLine,
    Statement,
    Time,
)
from odec.lang.units import read_unit
from odec.tree import Expr, Number, Op, Symbol

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


class _StatementParser(Parser):
    def __init__(self, source: Source, line: Line):
        super().__init__(source, line.tokens)
        self.doc = line.doc
        self.whole = Span(line.tokens[0].start, line.tokens[-1].start)

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
        if word == "net":
            raise self.fail("E321", "neural networks (`net`) are not supported yet", self.whole, "a network")
        if word in KEYWORDS:
            self.advance()
            return KEYWORDS[word](self)
        raise unknown_word(self, [*KEYWORDS], ALIASES)

    def _no_array(self, name: Name) -> None:
        if self.token.kind == "[":
            raise self.unexpected_array(Span(name.span.start, self.token.end))

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
        return Binding(name, self.full_expression(), order)

    def _inputs(self) -> Inputs:
        names = [self._plain_name("the name of an input")]
        while self._goes_on():
            names.append(self._plain_name("the name of an input"))
        kind = self.name("hold, linear or cubic") if self.token.kind == "name" else None
        if self.token.kind == "=":
            note = 'an input\'s values are given at run time: `net(t, inputs={"NAME": (times, values)})`'
            raise self.fail("E107", "an input has no value in the model", self.token.span, "", note)
        return Inputs(tuple(names), kind, self._unit(), self.doc, self.whole)

    def _observation(self) -> Observation:
        name = self._plain_name("the name of an observable")
        if self.token.kind == "~":
            note = "an observable is a formula and, behind it, its noise: `obs y = x ~ normal(0.1)`"
            raise self.fail("E107", "noise of an observable that has no formula", self.token.span, "", note)
        self._equals("'='")
        expr = self.full_expression()
        noise = self._noise() if self.accept("~") else None
        return Observation(name, expr, noise, self._unit(), self.doc, self.whole)

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

    # Parts of statements.

    def _plain_name(self, wanted: str) -> Name:
        """A name without an index and without brackets: `init x(0) = 1` and `obs y(t) = …` are none."""
        name = self.name(wanted)
        self._no_array(name)
        if self.token.kind == "(" and self.peek(2).kind == ")":
            brackets = Span(self.token.start, self.peek(2).end)
            written = self.typed(Span(name.span.start, brackets.end))
            note = f"`{name.text}(0) = …` alone, without a word before it, is read as `init {name.text} = …`"
            notes = (note,) if self.peek().kind == "number" else ()
            message, fix = f"'{written}' is no name", Fix(brackets, "")
            label = f"did you mean '{name.text}'?"
            raise self.fail("E107", message, name.span.to(brackets), label, *notes, fix=fix)
        return name

    def _equals(self, wanted: str) -> None:
        """`=`, which other languages write `<-`, `:=` or `==`."""
        first, second = self.token, self.peek()
        sign = Span(first.start, second.end)
        if first.kind in (":", "<") and first.end == second.start and self.typed(sign) in (":=", "<-"):
            raise self.guess("E107", f"'{self.typed(sign)}' gives no name its value", sign, "=")
        if first.kind in ("==", "~"):
            message = f"'{first.text}' gives no name its value"
            raise self.guess("E107", message, first.span, "=")
        self.expect("=", wanted)

    def _word(self, word: str) -> bool:
        if self.token.kind == "name" and self.token.text == word:
            self.advance()
            return True
        return False

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

    def _unit(self) -> str | None:
        """`: UNIT` to the end of the statement, spaced the standard way."""
        if self.token.kind != ":":
            return None
        colon = self.advance()
        tokens = []
        while self.token.kind != "end":
            tokens.append(self.advance())
        text, wrong = read_unit(tokens)
        if text is None:
            bad = wrong or colon
            if bad.kind == ",":
                note = (
                    "a unit holds for its whole line and stands at its end; the next takes a line of its own"
                )
                raise self.fail("E401", "a list goes on behind a unit", bad.span, "", note)
            note = "a unit is names, numbers, * / ** and brackets, such as 1/day or mmol/L"
            raise self.fail("E401", "this is not a unit", bad.span, "", note)
        return text

    # Equations and definitions.

    def _definition(self) -> Definition:
        name = self.name("a name")
        if self.token.kind in (":", "~", ",") and self.peek().kind != "=":
            raise leftover(self, ())
        if self.token.kind == "end" and name.text == "done":
            fix = Fix(name.span, "")
            raise self.fail("E107", "XPP's `done` is not needed", name.span, "leave this out", fix=fix)
        self._equals("'=' after the name")
        return Definition(name, self.full_expression(), self.doc, self.whole)

    def _derivative(self) -> Rule:
        if self.peek().kind == "'":
            name = self.name("the name of a state")
            order = 0
            while self.accept("'"):
                order += 1
            wrt = None
        else:
            name, order, wrt = self._quotient()
        self._no_array(name)
        self._equals("'=' after the derivative")
        return Rule("ode", name, order, wrt, self.full_expression(), self.doc, self.whole)

    def _quotient(self) -> tuple[Name, int, Name]:
        """dX/dt or d2X/dt2: the state, the order and the time."""
        top = self.name("a derivative")
        self.expect("/", "'/'")
        below = self.token
        over = f"{top.text}/{below.text}"
        span = Span(top.span.start, below.span.end)
        message = f"'{over}' is not a derivative"
        note = "a derivative is `dX/dt`, `d2X/dt2` or `X'`, `X''`"
        if below.kind == "name" and "D" in (top.text[0], below.text[0]) and len(over) > 3:
            raise self.guess("E107", message, span, f"d{top.text[1:]}/d{below.text[1:].lower()}", note)
        if below.kind != "name" or top.text[0] != "d" or below.text[0] != "d":
            raise self.fail("E107", message, span, "", note)
        self.advance()
        digits = len(top.text[1:]) - len(top.text[1:].lstrip("0123456789"))
        count = top.text[1 : 1 + digits]
        state, time = top.text[1 + digits :], below.text[1:]
        if count and time.endswith(count):
            time = time[: -len(count)]
        elif count:
            raise self.guess("E107", message, span, over + count, note)
        if not state or not time or len(count) > 3 or count == "0":
            raise self.fail("E107", message, span, "", note)
        name = Name(state, Span(top.span.start + 1 + digits, top.span.end))
        return name, int(count or 1), Name(time, Span(below.start + 1, below.end))

    def _function_or_alias(self) -> Statement:
        """NAME(a, b) = EXPR; XPP writes NAME(0) = EXPR for an init and NAME(t+1) = EXPR for a map."""
        name = self.name("a name")
        opening = self.advance()
        args = self._arguments()
        brackets = Span(opening.start, self.previous.end)
        if self.token.kind == "end":
            label = "give it a name: `NAME = …`"
            raise self.fail("E107", "an expression is not a statement", self.whole, label)
        self._equals("'='")
        if len(args) == 1 and isinstance(args[0], Number) and args[0].value == 0:
            binding = Binding(name, self.full_expression())
            return Inits((binding,), self._unit(), self.doc, self.whole)
        if len(args) == 1 and (wrt := _next_step(args[0])):
            return Rule("map", name, 1, wrt, self.full_expression(), self.doc, self.whole)
        plain = [a for a in args if isinstance(a, Symbol) and "'" not in a.name]
        names = tuple(Name(a.name, a.span or brackets) for a in plain)
        if len(names) < len(args) or not args:
            note = f"a function is `{name.text}(a, b) = EXPR`; an initial value `init {name.text} = EXPR`"
            raise self.fail("E107", "the arguments of a function are names", brackets, "", note)
        return FunctionDefinition(name, names, self.full_expression(), self.doc, self.whole)

    def _indexed(self) -> Rule:
        """NAME[t+1] = EXPR."""
        name = self.name("a name")
        opening = self.advance()
        index = self.expression()
        wrt = _next_step(index)
        closing = self.expect("]", "']'") if wrt else self.token
        span = Span(name.span.start, closing.end)
        is_array = self.peek().kind == "'" or any(t.text == "for" for t in self.tokens)
        if wrt is None and isinstance(index, Symbol) and not is_array:
            text = f"{name.text}[{index.name}+1]"
            note = "a map says what comes next: `x[t+1] = …` (arrays are not supported yet)"
            raise self.guess("E107", "the left side of a map is its next value", span, text, note)
        if wrt is None or self.token.kind == "'":
            note = f"a map is `{name.text}[t+1] = …`, its initial value `init {name.text} = …`"
            index_span = Span(opening.start, span.end)
            raise self.fail("E320", "arrays are not supported yet", index_span, "an index", note)
        self._equals("'='")
        return Rule("map", name, 1, wrt, self.full_expression(), self.doc, self.whole)


KEYWORDS: dict[str, Callable[[_StatementParser], Statement]] = {
    "param": _StatementParser._params,
    "const": _StatementParser._consts,
    "init": _StatementParser._inits,
    "input": _StatementParser._inputs,
    "obs": _StatementParser._observation,
    "time": _StatementParser._time,
    "run": _StatementParser._run,
}
"""The words that start a statement."""


def _next_step(index: Expr) -> Name | None:
    """The name of the time in `t+1`."""
    if not (isinstance(index, Op) and index.op == "add" and len(index.args) == 2):
        return None
    time, one = index.args
    if isinstance(time, Symbol) and isinstance(one, Number) and one.value == 1 and time.span is not None:
        return Name(time.name, time.span)
    return None
