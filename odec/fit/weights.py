"""How much each column counts in the sum of squares."""

from __future__ import annotations

import math

import numpy as np

from odec.errors import ArgumentError
from odec.fit.data import Dataset
from odec.system import Observable, System
from odec.tree import evaluate, symbols

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


def scales_of(data: Dataset, system: System | None, weights: str) -> tuple[dict[str, float], list[str]]:
    """What the residuals of each column are divided by, and a remark where that is not 1.

    weights: "spread" or "none". Raises ArgumentError for a noise that least squares do not stand for.
    """
    alike = dict.fromkeys(data.measured, 1.0)
    if check_noise(data, system) or weights == "none":
        return alike, []
    found = spreads(data)
    if max(found.values()) <= UNLIKE * min(found.values()):
        return alike, []
    told = ", ".join(f"{name} {spread:.3g}" for name, spread in found.items())
    return found, [
        f"the columns differ in size by more than {UNLIKE:g}, so each is weighted by its spread ({told});"
        " --weights none (weights= from Python) takes them as they are"
    ]


def check_noise(data: Dataset, system: System | None) -> bool:
    """Whether the model says what the noise of all that was measured is: one normal(s) with a constant s.

    Raises ArgumentError where it says anything else, which least squares would not heed.
    """
    declared = {o.name: o for o in (system.observables if system else ()) if o.name in data.measured}
    noisy = {name: o for name, o in declared.items() if o.noise is not None}
    if not noisy or system is None:
        return False
    sigmas = {name: _sigma(o, system) for name, o in noisy.items()}
    bare = [name for name in data.measured if name not in noisy]
    if bare:
        raise ArgumentError(
            f"the noise of {next(iter(noisy))} is given and that of {bare[0]} is not: least squares need one"
            " normal(s) for all that was measured, or none"
        )
    if len(set(sigmas.values())) > 1:
        told = " and ".join(f"{name} has sigma {sigma:g}" for name, sigma in list(sigmas.items())[:2])
        raise ArgumentError(f"{told}: a fit by least squares has one sigma for all that was measured")
    return True


def _sigma(observable: Observable, system: System) -> float:
    noise = observable.noise
    assert noise is not None
    line, _ = system.source.position(noise.span.start)
    place = f"{system.source.name}, line {line}: the noise of {observable.name}"
    if noise.distribution != "normal":
        raise ArgumentError(
            f"{place} is {noise.distribution}, which a fit does not heed yet: it fits by least squares;"
            " leave out what follows '~', or write an observable whose noise is normal (such as log(x))"
        )
    consts = {const.name: const.value for const in system.consts}
    if not {symbol.name for symbol in symbols(noise.args[0])} <= {*consts, "pi"}:
        raise ArgumentError(
            f"{place} is no constant, which a fit does not heed yet: it fits by least squares, with one"
            " normal(s) for all that was measured; leave out what follows '~'"
        )
    return float(evaluate(noise.args[0], {**consts, "pi": math.pi}))
