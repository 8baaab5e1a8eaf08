"""What is no statement, or not yet one: words of XPP and of others, and what stands behind a statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from odec.diagnostics import Fix, Span
from odec.lang.cursor import WITH_UNITS, Cursor
from odec.lang.lexer import WORDS
from odec.lang.report import Problem, closest, meant

_MEANT = {
    "par": "p pa params parameter parameters",
    "number": "n nu num numb numbers",
    "aux": "a au auxiliary",
    "init": "i in ini initial initials ic ics state states variable variables",
    "const": "constant constants fixed",
    "obs": "observable observables observe observed output outputs measure measured",
    "input": "inputs forcing",
    "run": "simulate simulation",
}
_NEEDLESS = frozenset("let def var double float real auto local".split())
"""Words that declare in other languages; here a definition starts with its name."""

_PARTS = {"by": "step", "using": "method", "solver": "method", "with": "method"}
_WORDS = {short: word for word, shorts in _MEANT.items() for short in shorts.split()}

FOR = "an equation for each element is `u[i]' = … for i in 0 .. n-1`"
_SAMPLES = "a time series is an `input NAME`; its samples are given at run time"
_SETTINGS = "values are set when the model runs: `odec run model.ode --set NAME=VALUE`"
_LATER = {
    "wiener": ("E325", "noise in equations (`wiener`) is"),
    "markov": ("E325", "Markov processes (`markov`) are"),
    "table": (
        "E325",
        "XPP's tables (`table`) are",
        'a table is `lookup f from "file.csv"`, of two columns x,y, or `lookup f = (0, 1), (2, 5)`',
        _SAMPLES,
    ),
    "set": ("E325", "sets of values (`set`) are", _SETTINGS),
    "solve": ("E325", "algebraic equations (`solve`) are"),
    "solv": ("E325", "algebraic equations (`solv`) are"),
    "bdry": ("E325", "boundary conditions (`bdry`) are"),
    "boundary": ("E325", "boundary conditions (`boundary`) are"),
    "volterra": ("E325", "integral equations (`volterra`) are"),
    "volt": ("E325", "integral equations (`volt`) are"),
    "special": ("E325", "networks and convolutions (`special`) are"),
    "export": ("E325", "foreign functions (`export`) are"),
    "global": ("E322", "events (`global`) are"),
    "event": ("E322", "events (`event`) are"),
    "delay": ("E323", "delays (`delay`) are"),
    "for": ("E325", "loops of statements (`for`) are", FOR),
}


def not_yet(cursor: Cursor) -> Problem | None:
    """A statement of a kind that other languages have and this one does not yet."""
    first, second = cursor.tokens[0], cursor.tokens[min(1, len(cursor.tokens) - 1)]
    whole = Span(first.start, cursor.tokens[-1].start)
    if first.kind == "number" and second.kind == "=" and not float(first.text):
        message = "algebraic equations (`0 = …`) are not supported yet"
        return cursor.fail(
            "E325", message, whole, "", "an explicit solution is an intermediate, `NAME = EXPR`"
        )
    if first.kind != "name" or second.kind not in ("name", "number", "bad"):
        return None
    code, what, *notes = _LATER.get(first.text.casefold(), ("", ""))
    return cursor.fail(code, f"{what} not supported yet", whole, "", *notes) if code else None


def no_statement(cursor: Cursor) -> Problem:
    """A line that starts with no name."""
    token = cursor.token
    if token.kind == "bad":
        return cursor.unexpected("a statement")
    if token.kind in WORDS:
        message = f"'{token.text}' is an operator of the language"
        return cursor.fail("E206", message, token.span, "choose another name")
    note = "a statement is `param NAME = …`, `init NAME = …`, `dNAME/dt = …`, `NAME = …` and the like"
    return cursor.fail("E107", f"a statement cannot start with '{token.text}'", token.span, "", note)


def unknown_word(cursor: Cursor, keywords: Sequence[str], aliases: Iterable[str]) -> Problem:
    """Two words at the start of a line, of which the first starts no statement."""
    first = cursor.token
    folded = first.text.casefold()
    guess = _WORDS.get(folded) or closest(first.text, [*keywords, *aliases])
    message = f"no statement starts with '{first.text}'"
    note = f"a line starts with {', '.join(keywords)}, or is `NAME = EXPR` or an equation"
    if guess is None and folded in _NEEDLESS:
        fix = Fix(Span(first.start, cursor.peek().start), "")
        return cursor.fail("E114", message, first.span, "leave this out", note, fix=fix)
    if guess is None:
        return cursor.fail("E114", message, first.span, "", note)
    return cursor.guess("E114", message, first.span, guess, note)


def _unit_in_brackets(cursor: Cursor) -> Problem | None:
    """`param k = 1 [1/s]`"""
    opening, closing = cursor.token, cursor.tokens[-2]
    inside = cursor.tokens[cursor.index + 1 : -2]
    if cursor.tokens[0].text not in WITH_UNITS or closing.kind != "]" or any(t.kind == "," for t in inside):
        return None
    span = Span(opening.start, closing.end)
    unit = cursor.typed(Span(opening.end, closing.start)).strip()
    fix = Fix(span, f": {unit}")
    return cursor.fail("E107", "a unit stands behind a colon", span, meant(f": {unit}"), fix=fix)


def _guess_of_part(word: str, parts: Sequence[str]) -> str | None:
    meant = _PARTS.get(word)
    return meant if meant in parts else closest(word, parts)


def leftover(cursor: Cursor, parts: Sequence[str]) -> Problem:
    """Something behind a statement that is whole; `parts` are the words that might go on with it."""
    token = cursor.token
    message = f"unexpected '{token.text}'"
    guess = _guess_of_part(token.text, parts) if token.kind == "name" else None
    if guess:
        return cursor.guess("E107", message, token.span, guess)
    if token.kind == "[" and (unit := _unit_in_brackets(cursor)) is not None:
        return unit
    if "in" in parts and token.kind in ("(", "["):
        fix = Fix(Span(token.start, token.start), "in ")
        note = "an interval is written `in (0, inf)`"
        return cursor.fail("E107", message, token.span, "did you mean 'in (…)'?", note, fix=fix)
    if token.kind == ":":
        note = "units stand with param, const, init, input, obs and time; a state's unit with its init"
        return cursor.fail("E107", "a unit has no place here", token.span, "", note)
    if token.kind == "," and (comma := cursor.decimal_comma()) is not None:
        return comma
    if token.kind == "," and (cursor.peek().kind == "end" or cursor.peek().text in parts):
        return cursor.fail("E107", message, token.span, "leave this out", fix=Fix(token.span, ""))
    if token.kind in (",", "..", "~", "->"):
        return cursor.fail("E107", message, token.span, "the statement should end here")
    return cursor.unexpected("an operator")
