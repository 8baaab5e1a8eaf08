"""Statements as papers and other languages write them, and how they are written here."""

from __future__ import annotations

import re
from collections.abc import Callable

from odec.diagnostics import Diagnostic, Fix, Span
from odec.lang.cursor import Cursor
from odec.lang.guesses import FOR, not_yet
from odec.lang.report import Problem, meant, shown

Rule = Callable[[Cursor], Problem | None]

_NAME = r"(?!\d)\w+"
_OF_TIME = rf"(?:\s*[(\[]\s*{_NAME}\s*[)\]])?"
_STATE = rf"(?P<x>{_NAME}){_OF_TIME}"
_BY = rf"/\s*(?:d|∂)\s*(?P<t>{_NAME})"
_DERIVATIVES = (
    rf"[d∂]\s*{_BY}\s*[(\[]\s*{_STATE}\s*[)\]]",
    rf"[d∂]\s*{_BY}\s+{_STATE}",
    rf"[d∂]\s*[(\[]\s*{_STATE}\s*[)\]]\s*{_BY}",
    rf"[d∂]\s*(?P<x>{_NAME})\s*[(\[]\s*{_NAME}\s*[)\]]\s*/\s*d\s*[(\[]?\s*(?P<t>{_NAME})\s*[)\]]?",
    rf"[d∂]\s*{_STATE}\s*/\s*[d∂]\s*[(\[]\s*(?P<t>{_NAME})\s*[)\]]",
    rf"[d∂]\s*(?P<x>{_NAME})\s*/\s*[d∂]\s*(?P<t>{_NAME})\s*[(\[]\s*(?P=t)\s*[)\]]",
    rf"(?:∂\s*|d\s+){_STATE}\s*{_BY}",
    rf"(?:diff|Diff|Derivative|D)\s*[(\[]\s*{_STATE}\s*,\s*(?P<t>{_NAME})\s*[)\]]",
    rf"(?:der|ddt|dot|D)\s*[(\[]\s*{_STATE}\s*[)\]](?P<t>)",
    rf"(?P<x>{_NAME})\s*['′]\s*[(\[]\s*(?P<t>{_NAME})\s*[)\]]",
)
_TWO = r"\s*(?:\^\s*2|\*\*\s*2|²|2)"
_SECOND = rf"d{_TWO}\s*(?P<x>{_NAME}){_OF_TIME}\s*/\s*d\s*(?P<t>(?:(?!\d)\w)+?){_TWO}"
_INITIAL = rf"(?P<x>{_NAME}\s*['′]+)\s*\(\s*(?P<t>0(?:\.0*)?)\s*\)"
_ARROW = r"[\w\s+*$∅]*(?P<arrow><-+>|<=+>|-+>|=+>|→|⇒|⇌|↔)"
_CONVERSION = rf"(?P<left>{_NAME})\s*(?:-+>|=+>|→)\s*(?P<right>{_NAME})\s*[:;,]\s*(?P<rate>.+)"
_EQUALS = r"\s*(?::=|<-|==|=|~)(?!=)"


def _match(pattern: str, cursor: Cursor, at: int) -> re.Match[str] | None:
    """A match within the statement; patterns are compiled when the first mistake asks for them."""
    return re.compile(pattern).match(cursor.source.text, at, cursor.tokens[-1].start)


def rewritten(cursor: Cursor) -> list[Diagnostic]:
    """What the statement may have been meant to be, the likeliest first."""
    found = (rule(cursor) for rule in (_first_sign, not_yet, _reaction, _initial_derivative, _derivative))
    return [problem.diagnostic for problem in found if problem is not None]


def _first_sign(cursor: Cursor) -> Problem | None:
    """A line that begins with a sign: a comment, a remark or an option of another language."""
    first = cursor.tokens[0]
    start, text = first.start, cursor.typed(Span(first.start, first.start + 2))
    message = f"a statement cannot start with '{text[:1]}'"
    sign = Span(start, start + 1)
    if text[:1] == "!" and any(token.kind == "=" for token in cursor.tokens):  # an intermediate of XPP
        rest = cursor.typed(Span(start + 1, cursor.tokens[-1].start)).strip()
        label = meant(rest) if len(rest) <= 40 else "leave this out"
        return cursor.fail("E107", message, sign, label, fix=Fix(sign, ""))
    if text[:1] == "%" and cursor.peek().kind == "[":
        return cursor.fail("E325", "XPP's arrays (`%[…]`) are not supported yet", sign, "an array", FOR)
    if text[:1] == '"' and any(token.text == "{" for token in cursor.tokens):
        message, note = "remarks that set values are not supported yet", "a plain remark starts with '#'"
        return cursor.fail("E325", message, sign, "", note, fix=Fix(sign, "#"))
    if text[:1] in ("%", '"', "!") or text in ("//", "/*", "--"):
        span = Span(start, start + len(text)) if text[:1] in "/-" else sign
        return cursor.fail("E107", message, span, "a comment starts with '#'", fix=Fix(span, "#"))
    if text[:1] == "@":
        fixed = "with `method rk4 dt 0.1` behind it for fixed steps"
        note = f"XPP's options are not read; the run is set by `run t = 0 .. 100 step 0.1`, {fixed}"
        return cursor.fail("E107", message, sign, "", note)
    return cursor.fail("E107", message, sign) if text[:1] in "$?{}" else None


def _reaction(cursor: Cursor) -> Problem | None:
    """A + B -> C : k*A*B"""
    start = cursor.tokens[0].start
    found = _match(_ARROW, cursor, start)
    if found is None or cursor.tokens[0].text == "net":
        return None
    arrow = Span(found.start("arrow"), found.end("arrow"))
    left, right, rate = "A", "B", "RATE"
    simple = _match(_CONVERSION, cursor, start)
    if simple is not None:
        left, right, rate = (shown(simple[part].strip()) for part in ("left", "right", "rate"))
    note = f"write what it does to each state: `d{left}/dt = -({rate})`, `d{right}/dt = {rate}`"
    return cursor.fail("E325", "reactions (`A -> B : RATE`) are not supported yet", arrow, "", note)


def _initial_derivative(cursor: Cursor) -> Problem | None:
    """x'(0) = 1"""
    found = _match(_INITIAL, cursor, cursor.tokens[0].start)
    if found is None or not _match(_EQUALS, cursor, found.end()):
        return None
    span = Span(found.start(), found.end())
    text = "init " + re.sub(r"\s", "", found["x"]).replace("′", "'")
    return cursor.guess("E107", f"'{shown(found.group())}' is an initial value", span, text)


def _as_elsewhere(cursor: Cursor, name: str, span: Span) -> str:
    """The name as the model writes it outside the span: `q` for a `Q` that stands nowhere else."""
    text = cursor.source.text
    others = re.findall(_NAME, f"{text[: span.start]} {text[span.end :]} t")
    alike = [other for other in others if other.casefold() == name.casefold()]
    return name if name in alike or not alike else alike[0]


def _derivative(cursor: Cursor) -> Problem | None:
    """d(x)/dt, d/dt(x), dx(t)/dt, der(x), d²x/dt²"""
    start, note = cursor.tokens[0].start, "a derivative is `dX/dt`, `d2X/dt2` or `X'`, `X''`"
    for pattern in (*_DERIVATIVES, _SECOND):
        found = _match(pattern, cursor, start)
        if found is None or not _match(_EQUALS, cursor, found.end()):
            continue
        span = Span(start, start + len(found.group().rstrip()))
        x, t = (_as_elsewhere(cursor, found[name], span) for name in ("x", "t"))
        text = f"d2{x}/d{t}2" if pattern is _SECOND else f"d{x}/d{t}" if t else f"{x}'"
        if text != cursor.typed(span):
            message = f"'{shown(cursor.typed(span))}' is not a derivative"
            return cursor.guess("E107", message, span, text, note)
    return None
