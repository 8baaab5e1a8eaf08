"""Recognising a text in another modelling language, so that one sentence answers it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from odec.diagnostics import Diagnostic, Source, Span


@dataclass(frozen=True)
class _Language:
    """A line of `tells` is the language's own: it starts with something that no statement here does."""

    name: str
    tells: str
    remedy: str


def _language(name: str, remedy: str, *tells: str) -> _Language:
    return _Language(name, rf"[^\S\n]*+(?:{'|'.join(tells)})", remedy)


_MOST = 1000
"""So much of a line is looked at, since the work may go with the square of it."""
_PORT = "write each equation as `dX/dt = …` with `init X = …`, each number as `param NAME = …`"
_LANGUAGES = (
    _language(
        "gotran", f"{_PORT}; `dX_dt = …` is `dX/dt = …`", r"(?:states|parameters|expressions|component)\s*\("
    ),
    _language("Myokit", f"{_PORT}; `dot(X) = …` is `dX/dt = …`", r"\[\[\w+\]\]"),
    _language(
        "Antimony",
        f"{_PORT}; a reaction takes its rate from dX/dt of what it uses and adds it to what it makes",
        r"(?:model|module)\s+\*?\w+\s*\(.*\)",
        r"(?:compartment|species)\s+\w.*;",
        r".*->.*;",
    ),
    _language(
        "BNGL",
        f"have BioNetGen write the reaction network, then {_PORT}",
        r"begin\s+(?:model|parameters|(?:seed )?species|reaction(?: rule)?s|molecule types|observables)\b",
    ),
    _language(
        "Stan",
        f"{_PORT}; what stands behind `~` is the noise of an `obs`",
        r"(?:functions|(?:transformed )?(?:data|parameters)|model|generated quantities)\s*\{",
    ),
    _language(
        "Julia",
        f"{_PORT}; `du[1]` and `D(X)` are dX/dt",
        r"using\s+\w+(?:\.\w+)*\s*(?:[,:;]|\n|$)",
        r"@\w+\s+(?:\w+(?:\(|\s)|begin)",
        r"function\s+\w+!?\s*\(",
        r"du\[\d+\]\s*=",
    ),
    _language(
        "NONMEM",
        f"{_PORT}; DADT(1) is dA1/dt",
        r"\$(?:PROB\w*|INPUT|DATA|SUB\w*|MODEL|PK|DES|ERROR|THETA|OMEGA|SIGMA|EST\w*|TABLE)\b",
    ),
    _language(
        "Modelica",
        f"{_PORT}; der(X) is dX/dt",
        r"model\s+\w+\s+\"",
        r"(?:parameter\s+)?Real\s+\w+.*;",
    ),
    _language(
        "MATLAB",
        f"{_PORT}; each row of the vector is an equation",
        r"function\s+\[?\w+(?:,\s*\w+)*\]?\s*=\s*\w+\s*\(",
    ),
    _language(
        "Python",
        f"{_PORT}; in Python, odec.System.from_equations builds a model",
        r"import\s+\w+(?:\.\w+)*(?:\s+as\s+\w+)?\s*(?:\n|$)",
        r"from\s+[\w.]+\s+import\s",
        r"def\s+\w+\s*\(.*\)\s*(?:->.*)?:",
    ),
    _language("XML", f"an export of SBML or CellML is no model text: {_PORT}", r"<\?xml|<sbml|<model\b"),
)


def other_language(source: Source, unread: Iterable[int]) -> Diagnostic | None:
    """The one error of a text in another language; unread: where lines start that could not be read."""
    for start in unread:
        line_start = source.text.rfind("\n", 0, start) + 1
        for language in _LANGUAGES:
            found = re.compile(language.tells).match(source.text, line_start, line_start + _MOST)
            if found is not None:
                end = len(found.group().rstrip())
                span = Span(start, max(start + 1, line_start + end))
                message = f"this looks like {language.name}, not like a model of odec"
                return Diagnostic("E116", message, source, span, "", (language.remedy,))
    return None
