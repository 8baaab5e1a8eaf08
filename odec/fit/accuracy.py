"""What is to be said of the steps of a fit, once its values are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from odec.accuracy import between_steps, halved, longest_step, moved_words, summary, uncontrolled
from odec.fit.loss import Loss
from odec.fit.subject import Subject

_ROUNDING = 1e-6
"""Moves below so much of a column's range are told by no fit, however exact its data are."""


def told_of_steps(
    subject: Subject, loss: Loss, values: Mapping[str, float], *, check: bool
) -> tuple[str, list[str]]:
    """The line on method, steps and tolerance of the simulation with `values`, and what is wrong with it.

    For fixed steps one further simulation with half the step: what it moves by much of the spread of the
    residuals has gone into the parameters.
    """
    net, times = subject.net, loss.data.times.tolist()
    if net.compiled.is_map:
        return "", []
    predicted = _simulated(loss, values)
    line = summary(net, times)
    states = len(net.compiled.states)
    if not check:
        return line, []
    if net.steps.tolerance is not None:
        atol = net.steps.tolerance.atol
        return line, uncontrolled(net.compiled.states, predicted[:, :states], atol)
    knots = {name: series[0].tolist() for name, series in loss.inputs.items()}
    told = between_steps(times, net.dt, knots)
    length = longest_step(times, net.dt)
    if not length:
        return line, told
    half = _simulated(loss, values, length / 2)
    names = list(loss.data.measured)
    places = [subject.columns().measurable.index(name) for name in names]
    measured, moved = predicted[:, places], half[:, places]
    spread = np.maximum(_spread(loss, values, len(names)), _ROUNDING / 0.1 * np.ptp(measured, 0))
    found = halved(names, measured, moved, spread)
    if found:
        told.append(moved_words(line, found, " of the spread of the residuals"))
    return line, told


def _simulated(loss: Loss, values: Mapping[str, float], dt: float | None = None) -> np.ndarray:
    """States and observables (T, n + n_obs) with some values, by steps of at most dt where one is given."""
    net: Any = loss.net
    own = net.dt
    try:
        net.dt = own if dt is None else dt
        with torch.no_grad():
            found: np.ndarray = loss.simulate(dict(values)).detach().cpu().double().numpy()
        return found
    finally:
        net.dt = own


def _spread(loss: Loss, values: Mapping[str, float], columns: int) -> np.ndarray:
    """The root mean square of the residuals of each column measured."""
    with torch.no_grad():
        residuals = loss.deviations(dict(values)).detach().numpy()
    _, column = np.nonzero(np.isfinite(loss.data.values))
    squares = np.bincount(column, weights=residuals**2, minlength=columns)
    spread: np.ndarray = np.sqrt(squares / np.maximum(np.bincount(column, minlength=columns), 1))
    return spread
