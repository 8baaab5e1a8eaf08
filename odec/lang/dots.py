"""Definitions that are equations in disguise: `dx = …`, `x_dot = …`, `der(x) = …`, `diff(x, t) = …`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from odec.diagnostics import Fix, Source, Span
from odec.lang.syntax import Definition, FunctionDefinition, Inits, Statement

_OPERATORS = frozenset({"der", "ddt", "dot", "diff", "D", "Derivative"})


def disguised(statements: Iterable[Statement], source: Source, time: str) -> Iterator[tuple[str, Fix]]:
    """States that a definition may be the equation of, each with the fix that makes it so.

    What differs from a name with an initial value by case alone is taken for it.
    """
    statements = list(statements)
    started = [i.name.text for s in statements if isinstance(s, Inits) for i in s.items]
    spelled = {name.casefold(): name for name in reversed(started)} | {name: name for name in started}

    def as_started(name: str) -> str:
        return spelled.get(name) or spelled.get(name.casefold(), name)

    for statement in statements:
        if isinstance(statement, Definition):
            for state in map(as_started, _states(statement.name.text, time)):
                yield state, Fix(statement.name.span, f"d{state}/d{time}")
        elif isinstance(statement, FunctionDefinition) and statement.name.text in _OPERATORS:
            end = source.text.find(")", statement.args[-1].span.end) + 1
            state = as_started(statement.args[0].text)
            whole = [argument.text for argument in statement.args[1:]] in ([], [time])
            if whole and end:
                yield state, Fix(Span(statement.name.span.start, end), f"d{state}/d{time}")


def _states(name: str, time: str) -> Iterator[str]:
    """x of dx, dxdt, dx_dt, x_dot, xdot and ẋ."""
    by = re.escape(time)
    for pattern in (rf"d(\w+?)_?d{by}", r"(\w+?)_?dot", r"(\w+?)_prime", r"[dD](\w+)"):
        found = re.fullmatch(pattern, name)
        if found:
            yield found[1]
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).replace("\u0307", ""))
    if plain != name:
        yield plain
