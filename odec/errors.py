"""What the public functions raise besides ModelError, and guesses at what was meant."""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO


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


@contextlib.contextmanager
def warned_once(show: Callable[[str], None] | None = None) -> Iterator[list[str]]:
    """Show a warning once for the line that gives it, by `show` or as before; yields what was shown."""
    shown: list[str] = []
    with warnings.catch_warnings():
        places, before = set(), warnings.showwarning

        def once(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if (filename, lineno) not in places:
                places.add((filename, lineno))
                shown.append(str(message))
                if show is None:
                    before(message, category, filename, lineno, file, line)
                else:
                    show(str(message))

        warnings.showwarning = once
        yield shown
