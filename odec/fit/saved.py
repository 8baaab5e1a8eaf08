"""fit.json: a fit as it is kept, and taken up again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from odec.errors import ArgumentError
from odec.fit.optimize import State, Trace

FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """The content of a fit.json, `document`, read from `path`."""

    path: str
    document: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        return self.document["options"]

    @property
    def start(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.document["start"].items()}

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self.document.get("notes", ()))

    def check(self, model: str, data: str) -> None:
        """Hold the fit to the same model and data. Raises ArgumentError."""
        for word, digest in (("model", model), ("data", data)):
            if self.document.get(word, {}).get("sha256") != digest:
                raise ArgumentError(f"{self.path}: the {word} has changed since this fit; start a new one")

    def trace(self, count: int) -> Trace:
        """The trace of `count` free parameters up to where the fit stood.

        Raises ArgumentError where it is damaged.
        """
        try:
            kept = self.document["state"]
            theta, gradient, best = (
                np.array(kept[key], dtype=np.float64) for key in ("theta", "gradient", "best")
            )
            state = State(int(kept["epoch"]), theta, float(kept["loss"]), gradient, dict(kept["memory"]))
            state = state.end(str(kept["finished"]), converged=bool(self.document["converged"]))
            losses = [float(loss) for loss in self.document["losses"]]
            lowest = State(state.epoch, best, float(self.document["loss"]), gradient)
            trace = Trace(state, lowest, losses)
        except (KeyError, TypeError, ValueError):
            raise ArgumentError(f"{self.path}: the fit.json is damaged") from None
        if not len(theta) == len(gradient) == len(best) == count or len(losses) != state.epoch + 1:
            raise ArgumentError(f"{self.path}: the fit.json is damaged")
        return trace


def read_saved(path: str | Path) -> Saved:
    """A fit.json. Raises ArgumentError for anything else, OSError."""
    if not isinstance(path, (str, Path)):
        raise ArgumentError(f"resume is the path of a fit.json, not {path!r}")
    try:
        document = json.loads(Path(path).read_bytes())
    except ValueError:
        raise ArgumentError(f"{path}: not a fit.json (it is no JSON)") from None
    if not isinstance(document, dict) or not {"state", "options", "start"} <= document.keys():
        raise ArgumentError(f"{path}: not a fit.json")
    if document.get("format") != FORMAT:
        raise ArgumentError(f"{path}: written by another version of odec (format {document.get('format')})")
    return Saved(str(path), document)


def state_document(trace: Trace) -> dict[str, Any]:
    """What a trace must keep to go on, ready for JSON."""
    return {
        "epoch": trace.state.epoch,
        "loss": trace.state.loss,
        "theta": trace.state.theta.tolist(),
        "gradient": trace.state.gradient.tolist(),
        "best": trace.best.theta.tolist(),
        "finished": trace.state.finished,
        "memory": trace.state.memory,
    }
