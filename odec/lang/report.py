"""Collecting diagnostics, and guessing at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from odec.diagnostics import Diagnostic, Fix, Source, Span

MAX_ERRORS = 100
_MAX_COMPARISONS = 20_000


class Problem(Exception):
    """Carries a diagnostic out of the parser to the statement's end."""

    def __init__(self, diagnostic: Diagnostic):
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


class Report:
    """The diagnostics of one phase, at most one per code and place."""

    def __init__(self, source: Source):
        self.source = source
        self._found: dict[tuple[str, Span | None, str], Diagnostic] = {}
        self._comparisons = 0

    def add(
        self,
        code: str,
        message: str,
        span: Span | None,
        label: str = "",
        *notes: str,
        fix: Fix | None = None,
    ) -> None:
        self.extend([Diagnostic(code, message, self.source, span, label, notes, fix)])

    def suggest(self, code: str, message: str, span: Span | None, text: str | None, *notes: str) -> None:
        """The same with a guess at what was meant in place of the span, where there is one."""
        fix = Fix(span, text) if text and span is not None else None
        self.add(code, message, span, meant(text) if text else "", *notes, fix=fix)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        for d in diagnostics:
            self._found.setdefault((d.code, d.span, d.message), d)

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self._found.values())

    @property
    def full(self) -> bool:
        return len(self._found) >= MAX_ERRORS

    def diagnostics(self) -> list[Diagnostic]:
        """Everything found, in source order."""
        ordered = sorted(self._found.values(), key=lambda d: (d.span.start if d.span else -1, d.code))
        return ordered[:MAX_ERRORS]

    def guess(self, name: str, candidates: Iterable[str]) -> str | None:
        """The candidate that was meant, if any is; comparing ends where there are very many names."""
        names = list(candidates)
        self._comparisons += len(names)
        return closest(name, names) if self._comparisons <= _MAX_COMPARISONS else None


def meant(text: str) -> str:
    """The label of a guess."""
    return f"did you mean '{shown(text)}'?"


def shown(text: str) -> str:
    """A text as messages repeat it: not more than a line of it."""
    return text if len(text) <= 80 else text[:79] + "…"


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like the name: the same but for case, else the nearest of difflib.

    Of names as short as two or three characters the first has to agree; a single one is like no other.
    """
    names = list(dict.fromkeys(candidates))
    folded = name.casefold()
    for candidate in names:
        if candidate.casefold() == folded and candidate != name:
            return candidate
    if len(name) <= 3:
        names = [c for c in names if len(name) > 1 and c[:1].casefold() == folded[:1]]
    cutoff = 0.5 if len(name) <= 3 else 0.6
    near = difflib.get_close_matches(name, (c for c in names if abs(len(c) - len(name)) <= 4), 1, cutoff)
    return near[0] if near else None


def words(items: Iterable[str], last: str = "or") -> str:
    """`a, b or c`."""
    names = list(items)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def article(noun: str) -> str:
    """The noun with a or an."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def product_of(name: str, known: Sequence[str]) -> str | None:
    """`k*x` for kx, where both are names; kk is rather a slip than k*k."""
    parts = ((name[:k], name[k:]) for k in range(1, len(name)))
    return next((f"{a}*{b}" for a, b in parts if a != b and a in known and b in known), None)
