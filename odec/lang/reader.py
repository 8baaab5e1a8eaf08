"""A whole text to statements: one mistake is reported per statement, and reading goes on behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from odec.diagnostics import Diagnostic, Fix, Source, Span
from odec.lang.cursor import Cursor
from odec.lang.foreign import other_language
from odec.lang.lexer import Line, Token, logical_lines, tokenize
from odec.lang.report import Problem, Report, words
from odec.lang.rewrites import rewritten
from odec.lang.statements import parse_statement
from odec.lang.syntax import Statement

_MAX_REPAIRS = 3
_MAX_CHECKED = 1_000
"""Characters of a line whose guess is tried out; that of a longer one is taken as it is."""

_MAX_NAMED = 8


@dataclass
class Reading:
    """Statements in source order; `lines` has every logical line with its statement (None: a comment).

    errors: what could not be read. warnings: what was, but may be meant otherwise. unread: names that the
    lines which could not be read may define.
    """

    statements: list[Statement] = field(default_factory=list)
    lines: list[tuple[Line, Statement | None]] = field(default_factory=list)
    doc: str = ""
    errors: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)


def read_statements(source: Source) -> Reading:
    """Parse every statement of the text."""
    reading, report = Reading(), Report(source)
    header: list[str] = []
    in_header, in_markov = True, False
    unread: list[Line] = []
    for line in logical_lines(tokenize(source.text)):
        is_comment = len(line.tokens) == 1
        in_header = in_header and is_comment and not (header and line.blanks)
        if in_header:
            header.append(line.doc)
        statement = None
        if not is_comment:
            try:
                statement, warnings = _read(source, line)
                reading.statements.append(statement)
                reading.warnings += warnings
            except Problem as problem:
                first = line.tokens[0].text.casefold()
                if not (in_markov and first == "{"):
                    report.extend([_best_guess(source, line, problem.diagnostic)])
                    in_markov = first == "markov"  # whose rows `{RATE} {RATE} …` are told of with it
                unread.append(line)
            else:
                in_markov = False
        reading.lines.append((line, statement))
        if report.full:
            break
    reading.doc = "\n".join(header).strip()
    foreign = other_language(source, [line.tokens[0].start for line in unread])
    reading.errors = [foreign] if foreign else _ends_told_once(source, report.diagnostics())
    reading.unread = {name for line in unread for name in _maybe_defined(line.tokens)}
    return reading


def _read(source: Source, line: Line) -> tuple[Statement, list[Diagnostic]]:
    """The statement of a line, with warnings; raises Problem."""
    bad = next((i for i, token in enumerate(line.tokens) if token.kind == "bad"), None)
    if bad is not None:
        cursor = Cursor(source, line.tokens)
        cursor.index, cursor.token = bad, line.tokens[bad]
        raise cursor.unexpected("")
    if line.unclosed is not None:
        text = line.unclosed.text
        raise Problem(
            Diagnostic("E103", f"'{text}' is never closed", source, line.unclosed.span, "opened here")
        )
    return parse_statement(source, line)


def _best_guess(source: Source, line: Line, diagnostic: Diagnostic) -> Diagnostic:
    """The first reading of a wrong line whose fix can be read; without such, what is wrong with no guess."""
    for candidate in (*rewritten(Cursor(source, line.tokens)), diagnostic):
        if candidate.fix is None or _is_read_further(source, line, candidate, _MAX_REPAIRS):
            return candidate
    label = "" if diagnostic.label.endswith("?") else diagnostic.label
    return Diagnostic(diagnostic.code, diagnostic.message, source, diagnostic.span, label, diagnostic.notes)


def _is_read_further(source: Source, line: Line, diagnostic: Diagnostic, repairs: int) -> bool:
    """Whether the line, once its fix is applied, is read beyond that place (if it is short enough to try)."""
    fix = diagnostic.fix
    if fix is None or not repairs:
        return False
    start, end = line.tokens[0].start, max(line.tokens[-1].start, fix.span.end)
    if fix.text.endswith("\\"):  # joined to the next line
        end = source.text.find("\n", source.text.find("\n", end) + 1)
        end = len(source.text) if end < 0 else end
    if end - start > _MAX_CHECKED:
        return True
    inside = Fix(Span(fix.span.start - start, fix.span.end - start), fix.text)
    text = inside.applied(source.text[start:end])
    mended = Source(source.name, text)
    lines = [found for found in logical_lines(tokenize(text)) if len(found.tokens) > 1]
    try:
        for found in lines:
            _read(mended, found)
    except Problem as problem:
        following = problem.diagnostic
        is_insertion = not source.text[fix.span.start : fix.span.end].strip()
        changed = inside.span.start + len(fix.text) + is_insertion
        if following.span is not None and following.span.start >= changed:
            return True
        return _is_read_further(mended, found, following, repairs - 1)
    return True


def _ends_told_once(source: Source, found: list[Diagnostic]) -> list[Diagnostic]:
    """The same with one message for all lines that end in `;`, as another language would have it."""
    ends = [
        d for d in found if d.fix and not d.fix.text and source.text[d.fix.span.start : d.fix.span.end] == ";"
    ]
    if len(ends) < 2:
        return found
    at = [d.fix.span.start for d in ends if d.fix]
    between = "".join(source.text[a + 1 : b] for a, b in pairwise(at))
    lines = [str(source.position(offset)[0]) for offset in at]
    if len(lines) > _MAX_NAMED:
        lines[_MAX_NAMED:] = [f"{len(lines) - _MAX_NAMED} more"]
    first = replace(
        ends[0],
        message=f"{len(ends)} lines end in ';'",
        notes=(*ends[0].notes, f"lines {words(lines, 'and')} end so"),
        fix=Fix(Span(at[0], at[-1] + 1), between),
    )
    return [first if d is ends[0] else d for d in found if d is ends[0] or d not in ends]


def _maybe_defined(tokens: list[Token]) -> Iterator[str]:
    """The names that a line which could not be read may give a meaning to: those before an equals sign."""
    signs = [i for i, token in enumerate(tokens) if token.kind == "=" or token.text in ("<", ":")]
    last_sign = signs[0] if signs else len(tokens)
    for i, token in enumerate(tokens):
        if token.kind == "name" and (i < last_sign or tokens[i + 1].kind == "="):
            yield token.text
            if token.text.startswith("d"):
                yield token.text[1:].lstrip("0123456789")
