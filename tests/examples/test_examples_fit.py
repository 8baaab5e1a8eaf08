"""The fits of the examples end where least squares must: figures from the literature and from SciPy."""

from __future__ import annotations

import example_references as reference
import numpy as np
import pytest
from example_references import EXAMPLES
from scipy.optimize import least_squares

import odec

pytestmark = pytest.mark.optimised

COMPETITION = EXAMPLES / "competition"


def fitted(name: str, model: str | None = None, **options: object) -> object:
    folder = EXAMPLES / name
    return odec.fit(folder / f"{model or name}.ode", folder / "data.csv", progress=False, **options)


def test_competition_by_the_default() -> None:
    result = fitted("competition", "start")
    assert result.losses[0] == pytest.approx(915369.64, abs=0.01)
    assert result.loss == pytest.approx(0.69664, abs=1e-4)
    best = {"r1": 0.0995784, "r2": 0.279647, "a1": 9.69393e-05, "a2": 0.000187285}
    best |= {"iN1": 0.00203537, "iN2": 0.00300083}
    assert result.values == pytest.approx(best, rel=1e-3)


def test_competition_by_the_published_recipe() -> None:
    recipe = {"optimizer": "adam", "lr": 1e-4, "transforms": "none", "epochs": 300}
    result = fitted("competition", "start", **recipe)
    assert result.losses[0] == pytest.approx(915369.64, abs=0.005)
    assert result.losses[300] == pytest.approx(3484.83, abs=0.005)


def test_competition_start_values() -> None:
    """915369.64 by the same scheme in plain Python."""
    data = reference.table(COMPETITION / "data.csv")
    x = reference.competition_euler((0.1, 0.1, 1e-3, 1e-3, 1e-3, 1e-3), 1.0, data["t"])
    assert ((x - np.stack([data["x1"], data["x2"]], -1)) ** 2).sum() == pytest.approx(915369.64, abs=0.005)


def test_lynx_hare() -> None:
    result = fitted("lynx_hare")
    assert result.loss == pytest.approx(594.745, abs=1e-3)
    best = {"alpha": 0.481199, "beta": 0.0248318, "gamma": 0.926018, "delta": 0.0275330}
    best |= {"hare0": 34.9143, "lynx0": 3.86187}
    assert result.values == pytest.approx(best, rel=5e-5)


def test_influenza() -> None:
    result = fitted("influenza")
    assert result.loss == pytest.approx(4121.94, abs=0.01)
    assert result.values == pytest.approx({"beta": 1.66923, "gamma": 0.44345}, rel=2e-5)


def test_pendulum() -> None:
    data = reference.table(EXAMPLES / "pendulum" / "data.csv")
    exact = least_squares(lambda q: reference.pendulum_angle(data["t"], *q) - data["theta"], [1, 2])
    result = fitted("pendulum")
    assert result.loss == pytest.approx(2 * exact.cost, rel=1e-3)
    assert [result.values[name] for name in ("l", "theta0")] == pytest.approx(exact.x, rel=1e-5)


def test_ricker() -> None:
    data = reference.table(EXAMPLES / "ricker" / "data.csv")
    start = [2.3, 100, 20]
    exact = least_squares(lambda q: reference.ricker(*q, 25) - data["N"], start, xtol=1e-14, ftol=1e-14)
    result = fitted("ricker")
    assert result.loss == pytest.approx(2 * exact.cost, rel=1e-6)
    assert [result.values[name] for name in ("r", "K", "N0")] == pytest.approx(exact.x, rel=1e-5)
