"""The four problems of the work–precision picture: models, right-hand sides for the peers, references."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parent / "models"
TESTED = Path(__file__).parent.parent / "tests" / "problems"
LOTKA_VOLTERRA_END = (1.0263447675750892, 0.9096910781360417)
"""At t = 10, by extrapolation in 80-bit arithmetic (`extrapolate` of tests/problems/make_references.py)."""


@dataclass(frozen=True)
class Problem:
    """One trajectory from `start` over `span`; the state at its end counts.

    rhs(t, y, m): y (n,), m the array library; returns (n,). atol: absolute over relative tolerance. Explicit
    methods are left out where `stiff`.
    """

    name: str
    title: str
    model: Path
    start: np.ndarray
    span: tuple[float, float]
    rhs: Callable
    reference: np.ndarray
    atol: float
    stiff: bool

    def error(self, state: Any) -> float:
        """The largest |x - ref|/(atol/rtol + |ref|): what a relative tolerance bounds."""
        found = np.asarray(state, dtype=float)
        if found.shape != self.reference.shape or not np.isfinite(found).all():
            return float("nan")
        return float(np.max(np.abs(found - self.reference) / (self.atol + np.abs(self.reference))))


def _tested(name: str) -> tuple[Path, np.ndarray]:
    """A model of the test problems with its reference, of which references.json says the source."""
    kept = json.loads((TESTED / "references.json").read_text())[name]
    return TESTED / "models" / f"{name}.ode", np.array(kept["state"])


def _lotka_volterra(t: Any, y: Any, m: Any) -> Any:
    met = y[0] * y[1]
    return m.stack([1.5 * y[0] - met, met - 3.0 * y[1]])


def _brusselator(t: Any, y: Any, m: Any) -> Any:
    u, v = y[0::2], y[1::2]
    scale = 0.02 * 33**2
    one = m.ones_like(u[:1])
    u_wide, v_wide = m.concatenate([one, u, one]), m.concatenate([3 * one, v, 3 * one])
    reaction = u * u * v
    du = 1 + reaction - 4 * u + scale * (u_wide[:-2] - 2 * u + u_wide[2:])
    dv = 3 * u - reaction + scale * (v_wide[:-2] - 2 * v + v_wide[2:])
    return m.stack([du, dv], 1).reshape(-1)


def _robertson(t: Any, y: Any, m: Any) -> Any:
    first, second, third = 0.04 * y[0], 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]
    return m.stack([third - first, first - third - second, second])


def _pollu(t: Any, y: Any, m: Any) -> Any:
    r = [
        0.35 * y[0],
        26.6 * y[1] * y[3],
        12300 * y[4] * y[1],
        8.6e-4 * y[6],
        8.2e-4 * y[6],
        15000 * y[6] * y[5],
        1.3e-4 * y[8],
        24000 * y[8] * y[5],
        16500 * y[10] * y[1],
        9000 * y[10] * y[0],
        0.022 * y[12],
        12000 * y[9] * y[1],
        1.88 * y[13],
        16300 * y[0] * y[5],
        4.8e6 * y[2],
        3.5e-4 * y[3],
        0.0175 * y[3],
        1e8 * y[15],
        4.44e11 * y[15],
        1240 * y[16] * y[5],
        2.1 * y[18],
        5.78 * y[18],
        0.0474 * y[0] * y[3],
        1780 * y[18] * y[0],
        3.12 * y[19],
    ]
    return m.stack(
        [
            r[1] + r[2] + r[8] + r[10] + r[11] + r[21] + r[24] - r[0] - r[9] - r[13] - r[22] - r[23],
            r[0] + r[20] - r[1] - r[2] - r[8] - r[11],
            r[0] + r[16] + r[18] + r[21] - r[14],
            r[14] - r[1] - r[15] - r[16] - r[22],
            2 * r[3] + r[5] + r[6] + r[12] + r[19] - r[2],
            r[2] + 2 * r[17] - r[5] - r[7] - r[13] - r[19],
            r[12] - r[3] - r[4] - r[5],
            r[3] + r[4] + r[5] + r[6],
            -r[6] - r[7],
            r[6] + r[8] - r[11],
            r[7] + r[10] - r[8] - r[9],
            r[8],
            r[9] - r[10],
            r[11] - r[12],
            r[13],
            r[15] - r[17] - r[18],
            -r[19],
            r[19],
            r[22] + r[24] - r[20] - r[21] - r[23],
            r[23] - r[24],
        ]
    )


def _sines(points: int) -> np.ndarray:
    x = np.arange(1, points + 1) / (points + 1)
    return np.stack([1 + np.sin(2 * np.pi * x), np.full(points, 3.0)], 1).reshape(-1)


def _air() -> np.ndarray:
    y = np.zeros(20)
    y[[1, 3, 6, 7, 8, 16]] = 0.2, 0.04, 0.1, 0.3, 0.01, 0.007
    return y


def problems() -> Sequence[Problem]:
    """Lotka–Volterra, the Brusselator, Robertson's reaction and POLLU."""
    found = [
        Problem(
            "lotka_volterra",
            "Lotka–Volterra, 2 states",
            MODELS / "lotka_volterra.ode",
            np.ones(2),
            (0.0, 10.0),
            _lotka_volterra,
            np.array(LOTKA_VOLTERRA_END),
            1e-3,
            stiff=False,
        )
    ]
    for name, title, start, span, rhs, atol, stiff in (
        ("brusselator", "Brusselator, 64 states", _sines(32), (0.0, 10.0), _brusselator, 1.0, False),
        ("rober", "Robertson, 3 states, to 1e11", np.array([1.0, 0, 0]), (0.0, 1e11), _robertson, 1e-6, True),
        ("pollu", "POLLU, 20 states", _air(), (0.0, 60.0), _pollu, 1e-4, True),
    ):
        path, end = _tested(name)
        found.append(Problem(name, title, path, start, span, rhs, end, atol, stiff))
    return found
