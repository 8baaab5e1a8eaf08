"""The test problems: a model as text, its run and what the solution is at the end, with its source."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
DETEST = [f"{group}{number}" for group in "abcde" for number in range(1, 6)]
STIFF = "hires rober orego pollu stiff_e5 vdpol_1e3 vdpol_1e6 brusselator ring_modulator".split()
TORCHDIFFEQ = "constant sine linear exponential".split()

ABSOLUTE: dict[str, float | Sequence[float]] = {
    "hires": 1e-4,
    "rober": 1e-6,
    "orego": 1e-6,
    "pollu": 1e-4,
    "vdpol_1e3": (1, 1e-3),
}
"""atol over rtol, where it is not 1 (Hairer & Wanner II, IV.10); vdpol_1e3 is vdpol_1e6 in another time."""
TINY = {"stiff_e5": 1.7e-24}
"""atol itself, at every rtol (Hairer & Wanner II, IV.10)."""


@dataclass(frozen=True)
class Problem:
    """A model file, its span, and the state at the span's end.

    source: where the reference is from. agreement: how far other solvers and collections are from it, each in
    units of the tolerance at rtol = 1e-12.
    """

    name: str
    path: Path
    span: tuple[float, float]
    reference: np.ndarray
    source: str
    agreement: dict[str, float]

    @property
    def text(self) -> str:
        return self.path.read_text()

    def atol(self, rtol: float) -> float | list[float]:
        """The absolute tolerance that goes with a relative one: a number, or one for each state."""
        if self.name in TINY:
            return TINY[self.name]
        share = ABSOLUTE.get(self.name, 1.0)
        return rtol * share if isinstance(share, (int, float)) else [rtol * part for part in share]

    def units(self, state: np.ndarray, rtol: float) -> float:
        """The error of an end state in units of the tolerance: the largest |x - ref|/(atol + rtol |ref|)."""
        allowed = np.asarray(self.atol(rtol)) + rtol * np.abs(self.reference)
        return float(np.max(np.abs(np.asarray(state) - self.reference) / allowed))


@functools.cache
def problem(name: str) -> Problem:
    """The problem of that name, with its reference of references.json."""
    kept = json.loads((FOLDER / "references.json").read_text())[name]
    path = FOLDER / "models" / f"{name}.ode"
    return Problem(
        name, path, tuple(kept["span"]), np.array(kept["state"]), kept["source"], kept["agreement"]
    )
