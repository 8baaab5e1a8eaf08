"""What the public functions raise besides ModelError, and guesses at what was meant."""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO


class ArgumentError(ValueError):
    """An argument that does not fit the model or odec: the message says which, and what would."""


class DataError(ValueError):
    """Data that cannot be used: the message names the file, the line and the column."""


class AccuracyWarning(UserWarning):
    """Numbers that may be wrong: by steps that are too long, or by a tolerance that is too coarse."""


class SimulationError(RuntimeError):
    """A simulation that left the finite numbers or could not be finished: the message says where."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'r1'?`, or nothing where no known name is close."""
    name, names = str(name), list(known)
    folded = [candidate for candidate in names if candidate.casefold() == name.casefold()]
    close = folded or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f": did you mean {close[0]!r}?" if close else ""


def as_number(value: Any, name: str) -> float:
    """A number as a float. Raises ArgumentError, which says what has the name."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name} must be a number, not {value!r}") from None


def check_mapping(value: Any, name: str, like: str) -> None:
    """Raises ArgumentError where a value is no mapping, such as `like` shows."""
    if not hasattr(value, "items"):
        raise ArgumentError(f"{name} must be given by name, like {like}, not as {type(value).__name__}")


@contextlib.contextmanager
def warned_once(show: Callable[[str], None] | None = None) -> Iterator[list[str]]:
    """Show a warning once for its words and its line, by `show` or as before; yields what was shown."""
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
            place = (filename, lineno, str(message) if category is AccuracyWarning else "")
            if place not in places and str(message) not in shown:
                places.add(place)
                shown.append(str(message))
                if show is None:
                    before(message, category, filename, lineno, file, line)
                else:
                    show(str(message))

        warnings.showwarning = once
        yield shown
