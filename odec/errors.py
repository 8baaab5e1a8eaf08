"""What the public functions raise besides ModelError, and guesses at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArgumentError(ValueError):
    """An argument that does not fit the model or odec: the message says which, and what would."""


class DataError(ValueError):
    """Data that cannot be used: the message names the file, the line and the column."""


class SimulationError(RuntimeError):
    """A simulation that left the finite numbers or could not be finished: the message says where."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'r1'?`, or nothing where no known name is close."""
    names = list(known)
    folded = [candidate for candidate in names if candidate.casefold() == name.casefold()]
    close = folded or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f": did you mean {close[0]!r}?" if close else ""
