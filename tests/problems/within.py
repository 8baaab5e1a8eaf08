"""The error of outputs within steps beside that of the steps' ends, counted in tolerances."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from independent import SLOPES
from problem_set import DETEST, Problem, problem
from scipy.integrate import solve_ivp
from scipy.interpolate import BPoly

import odec
from odec.runtime.reference.adaptive import by_interval, ends_of

STIFF_SPANS = {"hires": 100.0, "rober": 100.0, "orego": 30.0, "vdpol_1e3": 1.0, "stiff_e5": 1e3}
"""Stiff problems, and how far they are taken."""
PLACES = (np.arange(9) + 0.5) / 9
"""Where outputs lie in every step."""
SETS = {
    "all but orbits": [name for name in DETEST if name[0] != "d"],
    "orbits": [name for name in DETEST if name[0] == "d"],
    "stiff": [*STIFF_SPANS],
}


class Errors(NamedTuple):
    """The largest of outputs within steps and of the steps' ends, in tolerances, and how many steps."""

    within: float
    ends: float
    steps: int


@functools.cache
def solution(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The reference as a function of times (T,) to states (T, n).

    SciPy's DOP853 at 1e-13; of stiff problems its Radau at 1e-12, and between its steps the quintic by x, x'
    and x'', this by a complex step.
    """
    at, slope, x0 = problem(name), SLOPES[name], _start(name)
    if name not in STIFF_SPANS:
        found = solve_ivp(slope, at.span, x0, "DOP853", dense_output=True, rtol=1e-13, atol=1e-16)
        return lambda t: np.asarray(found.sol(t)).T
    span = at.span[0], STIFF_SPANS[name]
    found = solve_ivp(slope, span, x0, "Radau", rtol=1e-12, atol=1e-12 * np.asarray(at.atol(1.0)))
    x, tiny = found.y.T, 1e-30
    rate = np.array([slope(t, row) for t, row in zip(found.t, x, strict=True)])
    shifted = zip(found.t + tiny * 1j, x + tiny * 1j * rate, strict=True)
    bend = np.array([slope(t, row).imag / tiny for t, row in shifted])
    whole: Callable[[np.ndarray], np.ndarray] = BPoly.from_derivatives(found.t, np.stack([x, rate, bend], 1))
    return whole


def _start(name: str) -> np.ndarray:
    at = problem(name)
    net = odec.load(at.path, method="tsit5", engine="torch").Model(adjoint="none")
    with torch.no_grad():
        return net(torch.tensor(at.span[:1], dtype=torch.float64))[0].numpy()


def errors_within(name: str, method: str, rtol: float, most: int = 5000) -> Errors | None:
    """Of a problem by a method with an interpolant; None where it takes more than so many steps."""
    at = problem(name)
    module = odec.load(at.path, method=method, engine="torch")
    net = module.Model(
        rtol=rtol, atol=at.atol(rtol), engine="torch", dense_output=True, adjoint="none",
        max_steps=most, max_step=1e9,
    )  # fmt: skip
    a, b = at.span[0], STIFF_SPANS.get(name, at.span[1])
    with torch.no_grad():
        ends, p = torch.tensor([a, b], dtype=torch.float64), net.vector()
        run = module.COMPILED.reference.states(ends, net(ends[:1])[0], p, (), net.steps, 0)
        if int(run.report[0]):
            return None
        rows = by_interval(run.kept, len(module.STATES), 1)[0]
        begin = np.array([float(row.begin) for row in rows])
        after = np.array([float(end) for end in ends_of(rows)])
        inside = a + (b - a) * (begin[:, None] + (after - begin)[:, None] * PLACES).ravel()
        x = net(torch.tensor([a, *inside, b]))[1:-1].numpy()
    steps = np.stack([row.x.numpy() for row in rows[1:]] + [run.xs[-1].numpy()])
    within, at_ends = _largest(at, rtol, inside, x), _largest(at, rtol, a + (b - a) * after, steps)
    return Errors(within, at_ends, len(rows))


def _largest(at: Problem, rtol: float, t: np.ndarray, x: np.ndarray) -> float:
    true = solution(at.name)(t)
    return float(np.max(np.abs(x - true) / (np.asarray(at.atol(rtol)) + rtol * np.abs(true))))
