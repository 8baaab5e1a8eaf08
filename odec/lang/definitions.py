"""Equations and definitions without a word before them, and what statements have in common."""

from __future__ import annotations

from odec.diagnostics import Fix, Source, Span
from odec.lang.expressions import Parser
from odec.lang.guesses import leftover
from odec.lang.indices import bound
from odec.lang.lexer import Line
from odec.lang.report import words
from odec.lang.syntax import (
    Binding,
    Definition,
    Elements,
    FunctionDefinition,
    Inits,
    Loop,
    Name,
    Rule,
    Statement,
)
from odec.lang.units import read_unit
from odec.tree import Expr, Number, Op, Symbol

Place = tuple[tuple[Expr, ...], Span]
"""What stands in square brackets behind a name, and where."""


class DefinitionParser(Parser):
    """The statements of a logical line that start with a name of the model."""

    def __init__(self, source: Source, line: Line):
        super().__init__(source, line.tokens)
        self.doc = line.doc
        self.whole = Span(line.tokens[0].start, line.tokens[-1].start)

    # Parts of statements.

    def _plain_name(self, wanted: str) -> Name:
        """A name without an index and without brackets: `init x(0) = 1` and `obs y(t) = …` are none."""
        name = self.name(wanted)
        if self.token.kind == "(" and self.peek(2).kind == ")":
            brackets = Span(self.token.start, self.peek(2).end)
            written = self.typed(Span(name.span.start, brackets.end))
            note = f"`{name.text}(0) = …` alone, without a word before it, is read as `init {name.text} = …`"
            notes = (note,) if self.peek().kind == "number" else ()
            message, fix = f"'{written}' is no name", Fix(brackets, "")
            label = f"did you mean '{name.text}'?"
            raise self.fail("E107", message, name.span.to(brackets), label, *notes, fix=fix)
        return name

    def _place(self) -> Place | None:
        """The square brackets behind the name that is defined, and where they stand."""
        if self.token.kind != "[":
            return None
        opening = self.token
        return self._indices(), Span(opening.start, self.previous.end)

    def _elements(self, place: Place | None, expr: Expr) -> tuple[Elements | None, Expr]:
        """Which elements a definition is of, once its formula is read and `for` may stand behind it."""
        if not (self.token.kind == "name" and self.token.text == "for"):
            plain = place and Elements(place[0], (), (), place[1], self.previous.end)
            return plain or None, expr
        word = self.token.span
        if place is None:
            note = "an equation for each element is `u[i]' = … for i in 0 .. n-1`"
            raise self.fail("E320", "`for` behind a definition without an index", word, "", note)
        index, span = place
        loops = self.loops()
        seen: set[str] = set()
        for loop in loops:
            if loop.name.text in seen:
                raise self.fail("E320", f"the index '{loop.name.text}' is given twice", loop.name.span)
            seen.add(loop.name.text)
        periodic = self._periodic(loops) if self._word("periodic") else ()
        index = tuple(bound(part, loops) for part in index)
        return Elements(index, loops, periodic, span, self.previous.end), bound(expr, loops)

    def _periodic(self, loops: tuple[Loop, ...]) -> tuple[tuple[str, int], ...]:
        """The indices behind `periodic`, or all."""
        axes = {loop.name.text: loop.axis for loop in loops}
        found: list[tuple[str, int]] = []
        while self.token.kind == "name" and (not found or self.accept(",")):
            name = self.name("an index")
            if name.text not in axes:
                message = f"'{name.text}' is no index of this `for`"
                raise self.fail("E320", message, name.span, f"periodic goes with {words(axes)}")
            found.append(axes[name.text])
        return tuple(found) or tuple(axes.values())

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
        elements, expr = self._elements(None, self.full_expression())
        return Definition(name, expr, self.doc, self.whole, elements)

    def _derivative(self) -> Rule:
        wrt = None
        top = self.name("the name of a state")
        place, order = self._place(), 0
        while self.accept("'"):
            order += 1
        name = top
        if not order:
            name, order, wrt = self._quotient(top)
        place = place or self._place()
        self._equals("'=' after the derivative")
        elements, expr = self._elements(place, self.full_expression())
        return Rule("ode", name, order, wrt, expr, self.doc, self.whole, elements)

    def _quotient(self, top: Name) -> tuple[Name, int, Name]:
        """dX/dt or d2X/dt2, from its bar: the state, the order and the time."""
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

    def _indexed(self) -> Statement:
        """NAME[t+1] = EXPR, NAME[t+1][i] = EXPR for …, NAME[i]' = EXPR for …, NAME[i] = EXPR for …"""
        closing, depth = self.index, 0
        for closing in range(self.index + 1, len(self.tokens)):
            depth += (self.tokens[closing].kind == "[") - (self.tokens[closing].kind == "]")
            if not depth:
                break
        if self.tokens[min(closing + 1, len(self.tokens) - 1)].kind in ("'", "/"):
            return self._derivative()
        name = self.name("a name")
        index, span = self._indices_of(name)
        wrt = _next_step(index[0]) if len(index) == 1 else None
        if wrt is not None:
            place = self._place()
            self._equals("'='")
            elements, expr = self._elements(place, self.full_expression())
            return Rule("map", name, 1, wrt, expr, self.doc, self.whole, elements)
        self._equals("'='")
        elements, expr = self._elements((index, span), self.full_expression())
        return Definition(name, expr, self.doc, self.whole, elements)

    def _indices_of(self, name: Name) -> Place:
        """What stands in the brackets behind a name; x[t] = … is no map."""
        opening = self.token
        index = self._indices()
        only = index[0]
        is_array = any(token.text == "for" for token in self.tokens)
        if len(index) == 1 and isinstance(only, Symbol) and only.name == "t" and not is_array:
            text = f"{name.text}[{only.name}+1]"
            note = "a map says what comes next: `x[t+1] = …`"
            span = Span(name.span.start, self.previous.end)
            raise self.guess("E107", "the left side of a map is its next value", span, text, note)
        return index, Span(opening.start, self.previous.end)


def _next_step(index: Expr) -> Name | None:
    """The name of the time in `t+1`."""
    if not (isinstance(index, Op) and index.op == "add" and len(index.args) == 2):
        return None
    time, one = index.args
    if isinstance(time, Symbol) and isinstance(one, Number) and one.value == 1 and time.span is not None:
        return Name(time.name, time.span)
    return None
