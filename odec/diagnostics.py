"""Source spans, diagnostics, and how they are shown to a person (text) or a program (JSON)."""

from __future__ import annotations

import bisect
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from odec.text import printable


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets in a source text."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The smallest span that covers both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True)
class Source:
    """A model's text and the name under which messages speak of it."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        for i, char in enumerate(self.text):
            if char == "\n":
                starts.append(i + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column (both from 1) of a character offset."""
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its end."""
        starts = self._line_starts
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Fix:
    """What a diagnostic guesses was meant: `text` in place of what the span holds."""

    span: Span
    text: str

    def applied(self, text: str) -> str:
        """The text of the model with this mended."""
        return text[: self.span.start] + self.text + text[self.span.end :]


@dataclass(frozen=True)
class Diagnostic:
    """One message about a model.

    code: `E201`, `W601`, …; its first letter gives the severity. label: the words beside the caret.
    notes: further lines below, each a sentence (how to mend it, where the first definition stands).
    fix: the guess as a change of the text, where there is one.
    """

    code: str
    message: str
    source: Source
    span: Span | None = None
    label: str = ""
    notes: tuple[str, ...] = field(default=())
    fix: Fix | None = None

    @property
    def severity(self) -> str:
        return "warning" if self.code.startswith("W") else "error"

    def as_dict(self) -> dict[str, object]:
        """The fields of `--format json`."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "file": self.source.name,
            **self._place(self.span),
            "label": self.label,
            "notes": list(self.notes),
            "fix": self.fix and {**self._place(self.fix.span), "text": self.fix.text},
        }

    def _place(self, span: Span | None) -> dict[str, int | None]:
        """A span as lines and columns, from 1; the end is the place behind it."""
        start = (None, None) if span is None else self.source.position(span.start)
        end = (None, None) if span is None else self.source.position(span.end)
        return {"line": start[0], "column": start[1], "end_line": end[0], "end_column": end[1]}


class ModelError(Exception):
    """A model that cannot be used: carries every diagnostic of the phase that failed."""

    def __init__(self, diagnostics: Sequence[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__(render_text(self.diagnostics))


_STYLES = {"error": "\033[1;31m", "warning": "\033[1;33m", "frame": "\033[1;34m"}
_BOLD, _RESET = "\033[1m", "\033[0m"
_MAX_EXCERPT = 160


def render_text(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """Diagnostics as text, one block each, the way rustc prints them."""
    return "\n".join(_render_one(d, color) for d in diagnostics)


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Diagnostics as a JSON array."""
    return json.dumps([d.as_dict() for d in diagnostics], indent=2, ensure_ascii=False)


def _render_one(diagnostic: Diagnostic, color: bool) -> str:
    def paint(text: str, style: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if color and text else text

    severity = diagnostic.severity
    head = paint(f"{severity}[{diagnostic.code}]", severity)
    message, name = printable(diagnostic.message), printable(diagnostic.source.name).replace("\n", " ")
    message = f"{_BOLD}{message}{_RESET}" if color else message
    lines = [f"{head}: {message}"]
    margin = "  "
    if diagnostic.span is None:
        lines.append(f"{margin}{paint('-->', 'frame')} {name}")
    else:
        row, column = diagnostic.source.position(diagnostic.span.start)
        number = str(row)
        margin = " " * (len(number) + 1)
        lines.append(f"{margin[:-1]}{paint('-->', 'frame')} {name}:{row}:{column}")
        excerpt, caret = _excerpt(diagnostic, row, column)
        bar = paint("|", "frame")
        lines += [f"{margin}{bar}", f"{paint(number, 'frame')} {bar} {excerpt}".rstrip()]
        lines.append(f"{margin}{bar} {paint(caret, severity)}")
    lines += [f"{margin}{paint('=', 'frame')} {printable(note)}" for note in diagnostic.notes]
    return "\n".join(lines) + "\n"


def _excerpt(diagnostic: Diagnostic, row: int, column: int) -> tuple[str, str]:
    """The source line and the caret line below it; a very long line is cut around the caret."""
    assert diagnostic.span is not None
    line = diagnostic.source.line(row)
    start = column - 1
    length = max(1, min(diagnostic.span.end - diagnostic.span.start, len(line) - start))
    if len(line) > _MAX_EXCERPT:
        first = max(0, start - 40)
        line = ("…" if first else "") + line[first : first + 120] + "…"
        start = start - first + (1 if first else 0)
        length = min(length, max(1, len(line) - start))
    line = printable(line)
    pad = "".join("\t" if char == "\t" else " " * _columns(char) for char in line[:start])
    carets = "^" * max(1, sum(map(_columns, line[start : start + length])))
    return line, pad + carets + (f" {diagnostic.label}" if diagnostic.label else "")


def _columns(char: str) -> int:
    """How many columns of a terminal a character takes: none for an accent, two for a wide one."""
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
