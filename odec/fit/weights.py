"""How much each column counts in the sum of squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odec.errors import ArgumentError
from odec.fit.data import Dataset
from odec.runtime.compiled import Compiled

UNLIKE = 100.0
"""Columns whose spreads differ by more than this factor are weighted."""


def spreads(data: Dataset) -> dict[str, float]:
    """The standard deviation of each column measured; of one that does not vary, its size."""
    found = {}
    for name in data.measured:
        _, values = data.column(name)
        spread = float(values.std()) if len(values) else 0.0
        size = float(np.abs(values).max(initial=0.0))
        found[name] = spread if spread > 1e-12 * size else size or 1.0
    return found


@dataclass(frozen=True)
class Weighting:
    """What the residuals of each column are divided by, and the sigma of what comes of it, where the model
    says it. notes: a remark where the scales are not 1."""

    scales: dict[str, float]
    sigma: float | None = None
    notes: tuple[str, ...] = ()


def weighting_of(data: Dataset, compiled: Compiled, weights: str) -> Weighting:
    """How the columns of the data are weighted.

    weights: "spread" or "none". Raises ArgumentError for a sigma that is not positive.
    """
    alike = dict.fromkeys(data.measured, 1.0)
    if data.sds is not None:
        return Weighting(alike, 1.0)
    sigma = known_sigma(data, compiled)
    if sigma is not None or weights == "none":
        return Weighting(alike, sigma)
    found = spreads(data)
    if max(found.values()) <= UNLIKE * min(found.values()):
        return Weighting(alike)
    told = ", ".join(f"{name} {spread:.3g}" for name, spread in found.items())
    note = (
        f"the columns differ in size by more than {UNLIKE:g}, so each is weighted by its spread ({told});"
        " --weights none (weights= from Python) takes them as they are"
    )
    return Weighting(found, notes=(note,))


def known_sigma(data: Dataset, compiled: Compiled) -> float | None:
    """The s where the model says that what was measured has one noise normal(s); None where it says nothing.

    Raises ArgumentError for an s that is not positive.
    """
    own = {name for column in data.measured for name in (column, column.partition("[")[0])}
    for noise in compiled.noise:
        if noise.observable in own and noise.sigma is not None:
            if not 0 < noise.sigma < np.inf:
                told = f"{noise.place}: the noise of {noise.observable}"
                raise ArgumentError(f"{told} has sigma {noise.sigma:g}, which must be positive")
            return noise.sigma
    return None
