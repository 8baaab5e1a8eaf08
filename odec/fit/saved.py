"""fit.json: a fit as it is kept, and taken up again."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from odec.errors import ArgumentError
from odec.fit.optimize import State, Trace

FORMAT = 3

T = TypeVar("T")

_KINDS: dict[type, str] = {
    dict: "table",
    list: "list",
    str: "text",
    int: "whole number",
    bool: "true or false",
}
_WORDS = ("number", "list of numbers", "pair of lists", "list of pairs of lists")
_DEPTHS = dict.fromkeys(("count", "lr", "decay1", "decay2", "radius", "short"), 0)
_DEPTHS |= {"m": 1, "v": 1, "scale": 1, "home": 1, "pairs": 3}
"""How many lists lie around the numbers of an entry that optimizers keep."""


@dataclass(frozen=True)
class Saved:
    """The content of a fit.json, `document`, read from `path`."""

    path: str
    document: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        return self._held(("options",), dict)

    def start(self, params: Iterable[str]) -> dict[str, float]:
        """Where each parameter started."""
        unknown = self._held(("start",), dict).keys() - set(params)
        if unknown:
            raise self._damaged(f"start.{min(unknown)} is no parameter")
        return {name: self._number("start", name) for name in params}

    def check(self, model: str, data: str) -> None:
        """Hold the fit to the same model and data. Raises ArgumentError."""
        for word, digest in (("model", model), ("data", data)):
            if self._held((word,), dict).get("sha256") != digest:
                raise ArgumentError(f"{self.path}: the {word} has changed since this fit; start a new one")

    def trace(self, count: int) -> Trace:
        """The trace of `count` free parameters up to where the fit stood.

        Raises ArgumentError where it is damaged, with the entry's name where its kind or size tells.
        """
        epoch = self._held(("state", "epoch"), int)
        theta, best = (self._vector(count, "state", name) for name in ("theta", "best"))
        gradient = self._vector(count, "state", "gradient", finite=False)
        state = State(epoch, theta, self._number("state", "loss"), gradient, self._memory(count))
        finished = self._held(("state", "finished"), str)
        state = state.end(finished, converged=self._held(("state", "settled"), bool))
        losses = self._vector(epoch + 1, "losses", finite=False).tolist()
        cut_short = self._held(("state", "cut_short"), bool)
        if self._held(("sha256",), str) != digest_of(self.document):
            raise self._damaged("an entry has changed since it was written")
        return Trace(state, State(epoch, best, self._number("loss"), gradient), losses, interrupted=cut_short)

    def _memory(self, count: int) -> dict[str, Any]:
        """What the optimizer keeps: numbers, and lists of one number for each free parameter."""
        place = ("state", "memory")
        memory = _Memory(self, self._held(place, dict))
        for name, value in memory.items():
            depth = _DEPTHS.get(name, _depth(value))
            if depth != _depth(value) and value != []:
                raise self._damaged(f"{'.'.join(place)}.{name} is no {_WORDS[depth]}")
            self._check_numbers(value, depth, count, *place, name)
        if memory.get("count", 0) < 0:
            raise self._damaged(f"{'.'.join(place)}.count is negative")
        return memory

    def _check_numbers(self, value: Any, depth: int, count: int, *place: str) -> None:
        if depth == 0:
            self._number(*place, value=value)
        elif depth == 1:
            self._vector(count, *place, value=value)
        elif not isinstance(value, list) or depth == 2 and len(value) != 2:
            raise self._damaged(f"{'.'.join(place)} is no {_WORDS[depth]}")
        else:
            for k, part in enumerate(value):
                self._check_numbers(part, depth - 1, count, *place, str(k))

    def _held(self, place: tuple[str, ...], kind: type[T]) -> T:
        """The entry at a place, which is of a kind."""
        value: Any = self.document
        for name in place:
            if not isinstance(value, dict) or name not in value:
                raise self._damaged(f"it lacks {'.'.join(place)}")
            value = value[name]
        if not isinstance(value, kind) or kind is int and isinstance(value, bool):
            raise self._damaged(f"{'.'.join(place)} is no {_KINDS[kind]}")
        return value

    def _number(self, *place: str, value: Any = None) -> float:
        value = self._held(place, object) if value is None else value
        if not _is_number(value) or not math.isfinite(value):
            raise self._damaged(f"{'.'.join(place)} is no finite number")
        return float(value)

    def _vector(self, count: int, *place: str, value: Any = None, finite: bool = True) -> np.ndarray:
        value = self._held(place, list) if value is None else value
        if not isinstance(value, list) or len(value) != count or not all(map(_is_number, value)):
            size = f"{len(value)}" if isinstance(value, list) else "none"
            raise self._damaged(f"{'.'.join(place)} needs {count} numbers and has {size}")
        if finite and not all(map(math.isfinite, value)):
            raise self._damaged(f"{'.'.join(place)} holds a number that is not finite")
        return np.array(value, dtype=np.float64)

    def _damaged(self, how: str) -> ArgumentError:
        return ArgumentError(
            f"{self.path}: the fit.json is damaged: {how}; start a new fit, or take a copy of it"
        )


class _Memory(dict[str, Any]):
    """The optimizer's memory, which names the file where an entry is missing."""

    def __init__(self, saved: Saved, entries: dict[str, Any]):
        super().__init__(entries)
        self._saved = saved

    def __missing__(self, name: str) -> Any:
        raise self._saved._damaged(f"it lacks state.memory.{name}")


def _depth(value: Any) -> int:
    """How many lists lie one in another around a number."""
    return 1 + _depth(value[0] if value else 0) if isinstance(value, list) else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**1023


def read_saved(path: str | Path) -> Saved:
    """A fit.json, or that of a directory. Raises ArgumentError for anything else, OSError."""
    if not isinstance(path, (str, Path)):
        raise ArgumentError(f"resume is the path of a fit.json, not {path!r}")
    path = Path(path) / "fit.json" if Path(path).is_dir() else path
    try:
        document = json.loads(Path(path).read_bytes())
    except ValueError:
        raise ArgumentError(f"{path}: not a fit.json (it is no JSON)") from None
    if not isinstance(document, dict) or not {"state", "options", "start"} <= document.keys():
        raise ArgumentError(f"{path}: not a fit.json")
    if document.get("format") != FORMAT:
        raise ArgumentError(f"{path}: written by another version of odec (format {document.get('format')})")
    return Saved(str(path), document)


def digest_of(document: dict[str, Any]) -> str:
    """SHA-256 of the entries of a fit.json, but that of this digest."""
    entries = {name: value for name, value in document.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def state_document(trace: Trace) -> dict[str, Any]:
    """What a trace must keep to go on, ready for JSON."""
    return {
        "epoch": trace.state.epoch,
        "loss": trace.state.loss,
        "theta": trace.state.theta.tolist(),
        "gradient": trace.state.gradient.tolist(),
        "best": trace.best.theta.tolist(),
        "finished": trace.state.finished,
        "settled": trace.state.converged,
        "cut_short": trace.cut_short,
        "memory": trace.state.memory,
    }
