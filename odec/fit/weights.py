"""How much each column counts in the sum of squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odec.errors import ArgumentError
from odec.fit.data import Dataset
from odec.runtime.compiled import Compiled, Noise

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

    weights: "spread" or "none". Raises ArgumentError for a noise that least squares do not stand for.
    """
    alike = dict.fromkeys(data.measured, 1.0)
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
    """The s where the model says that all that was measured has one noise normal(s) with a constant s.

    None where it says nothing. Raises ArgumentError for anything else, which least squares would not heed.
    """
    own = {name: name.partition("[")[0] for name in data.measured}  # that of an array is of its elements
    noises = {noise.observable: noise for noise in compiled.noise}
    sigmas = {
        name: _sigma(noises[whole] if whole in noises else noises[name])
        for name, whole in own.items()
        if whole in noises or name in noises
    }
    if not sigmas:
        return None
    bare = [name for name in data.measured if name not in sigmas]
    if bare:
        raise ArgumentError(
            f"the noise of {next(iter(sigmas))} is given and that of {bare[0]} is not: least squares need one"
            " normal(s) for all that was measured, or none"
        )
    if len(set(sigmas.values())) > 1:
        told = " and ".join(f"{name} has sigma {sigma:g}" for name, sigma in list(sigmas.items())[:2])
        raise ArgumentError(f"{told}: a fit by least squares has one sigma for all that was measured")
    return next(iter(sigmas.values()))


def _sigma(noise: Noise) -> float:
    told = f"{noise.place}: the noise of {noise.observable}"
    if noise.distribution != "normal":
        raise ArgumentError(
            f"{told} is {noise.distribution}, which a fit does not heed yet: it fits by least squares;"
            " leave out what follows '~', or write an observable whose noise is normal (such as log(x))"
        )
    if noise.sigma is None:
        raise ArgumentError(
            f"{told} is no constant, which a fit does not heed yet: it fits by least squares, with one"
            " normal(s) for all that was measured; leave out what follows '~'"
        )
    if not 0 < noise.sigma < np.inf:
        raise ArgumentError(f"{told} has sigma {noise.sigma:g}, which must be positive")
    return noise.sigma
