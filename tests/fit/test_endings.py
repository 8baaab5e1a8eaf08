"""How fits end: each ending has its sentence, and notes name what the data leave open."""

from __future__ import annotations

import re

import numpy as np
import pytest

import odec
from odec.fit.result import FitResult
from odec.fit.verdict import Local

DECADES = "param c = 2, E1 = 400000, q = 25000 in (0, inf)", "c*exp(E1/(t + q))"
PLATEAU = "param a = 1, k = 90 in (0, inf)", "a*(1 - exp(-k*t))"
TWO_SINKS = "param a = 1, k = 0.5, b = 1, q = 2 in (0, inf)", "a*exp(-k*t) + b*exp(-q*t)"


def fit(model: tuple[str, str], data: dict, optimizer: str = "gauss-newton", **options: object) -> FitResult:
    """A fit of a curve y: its parameters and formula, beside a state that rests."""
    text = f"{model[0]}\ninit rest = 0\nrest' = 0\nobs y = {model[1]}\nrun t = 0 .. 1 step 20 method euler\n"
    return odec.fit(text, data, optimizer=optimizer, engine="native", **options)


def resistances() -> dict[str, np.ndarray]:
    """A thermistor's curve (0.0021, 4100, 290), the third digit rounded."""
    t = np.arange(50.0, 130.0, 5.0)
    return {"t": t, "y": np.round(0.0021 * np.exp(4100 / (t + 290)), 1)}


def test_a_parameter_that_falls_by_decades_keeps_its_digits() -> None:
    """Along a narrow valley from a far start; the reference is scipy's least_squares on logarithms."""
    from scipy.optimize import least_squares

    data = resistances()
    reference = least_squares(
        lambda p: np.exp(p[0] + np.exp(p[1]) / (data["t"] + np.exp(p[2]))) - data["y"],
        np.log([0.0021, 4100, 290]),
        **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15),
    )
    result = fit(DECADES, data)
    assert result.message == "converged: the values are at a minimum" and result.converged
    assert result.loss == pytest.approx(2 * reference.cost, rel=1e-9)
    assert list(result.values.values()) == pytest.approx(np.exp(reference.x), rel=1e-6)
    assert result.epochs < 300


@pytest.mark.parametrize("optimizer", ["gauss-newton", "lbfgs"])
def test_a_plateau_is_no_minimum(optimizer: str) -> None:
    t = np.array([1.0, 2.0, 3.0, 5.0, 7.0, 10.0])
    result = fit(PLATEAU, {"t": t, "y": 180 * (1 - np.exp(-0.55 * t))}, optimizer)
    if result.loss < 1e-6:
        return
    assert not result.converged
    assert result.message.startswith("stopped on a plateau: k has next to no effect")


@pytest.mark.parametrize("optimizer", ["gauss-newton", "lbfgs", "adam"])
def test_a_gradient_that_vanishes_from_the_start_is_no_minimum(optimizer: str) -> None:
    """exp(-1000 t) is 0 at every time measured, and so is its derivative by k."""
    curve = "param k = 1e3", "exp(-k*t)"
    result = fit(curve, {"t": [0.0, 1.0, 2.0], "y": [1, 0.5, 0.25]}, optimizer, epochs=3)
    assert not result.converged
    assert "plateau: k has next to no effect" in result.message, result.message


def test_a_plateau_of_the_only_parameter_tells_of_no_others() -> None:
    t = np.linspace(0.2, 4, 20)
    y = np.exp(-1.3 * t) + 0.01 * np.random.default_rng(3).normal(size=len(t))
    result = fit(("param k = 2e3 in (0, inf)", "exp(-k*t)"), {"t": t, "y": y}, "gauss-newton")
    assert result.values["k"] > 20, "it reached the minimum: take a start farther off"
    assert result.message == "stopped on a plateau: k has next to no effect on the curve there"


def test_two_sinks_that_the_data_do_not_tell_apart() -> None:
    rng, t = np.random.default_rng(5), np.linspace(0, 6, 25)
    y = 2.6 * np.exp(-0.8 * t) + rng.normal(0, 2e-3, len(t))
    result = fit(TWO_SINKS, {"t": t, "y": y})
    assert result.converged or "nearly singular" in result.message
    assert any(re.match(r"the data (do not tell .*(k|q).* apart|hardly determine)", n) for n in result.notes)


def test_a_fit_that_creeps_along_a_valley_says_what_the_data_leave_open() -> None:
    t = np.linspace(0, 1, 21)
    y = 0.1 * t + 2e-3 * np.random.default_rng(2).normal(size=len(t))
    result = fit(("param V = 1, K = 8 in (0, inf)", "V*t/(K + t)"), {"t": t, "y": y}, epochs=6)
    assert result.message.startswith("stopped at the last epoch"), result.message
    assert any(note.startswith("the data do not tell V and K apart") for note in result.notes)
    far = fit(("param V = 1, K = 1 in (0, inf)", "V*t/(K + t)"), {"t": t, "y": y}, epochs=1)
    assert not any("apart" in note for note in far.notes)


def test_a_bound() -> None:
    curve = "param k = 0.5, back = 0.1 in (0, inf)", "(back + k*exp(-(k + back)*t))/(k + back)"
    t = np.linspace(0, 3, 13)
    result = fit(curve, {"t": t, "y": np.exp(-t) - 0.02 * t})
    assert result.message == "converged on a bound: back lies on its bound, and the others are at a minimum"
    assert result.converged and "back has run onto its bound 0" in result.notes


def test_a_singular_jacobian_and_a_parameter_without_effect() -> None:
    curve = "param a = 1, b = 1, idle = 3", "exp(-a*b*t) + 0*idle"
    data = {"t": [0.5, 1.0, 2.0, 3.0], "y": [0.5, 0.3, 0.1, 0.02]}
    valley = fit(curve, data, fix="idle")
    assert valley.converged and valley.message.startswith(
        "converged in a valley: the sum of squares is least"
    )
    assert any(note.startswith("the data do not tell a and b apart") for note in valley.notes)
    assert valley.loss == pytest.approx(0.00171239956925, rel=1e-9)
    idle = fit(curve, data, fix="b")
    assert idle.message.startswith("stopped on a plateau: idle has next to no effect")
    assert "idle has no effect on what was measured at 3; it stays at its start" in idle.notes


def test_more_parameters_than_measurements() -> None:
    result = fit(TWO_SINKS, {"t": [1.0, 2.0, 3.0], "y": [1.2, 0.6, 0.2]})
    assert any(
        note.startswith("there are more parameters (4: a, k, b and q) than measurements (3)")
        for note in result.notes
    )


def test_a_parameter_that_runs_away_is_named() -> None:
    """y = v t/(m + t) on data along a straight line: v and m grow for ever, together."""
    t = np.linspace(0.1, 2, 12)
    curve = "param v = 1, m = 1 in (0, inf)", "v*t/(m + t)"
    result = fit(curve, {"t": t, "y": 0.5 * t + 1e-3 * t**2})
    assert any("v" in re.split(r"\W+", note) and "m" in re.split(r"\W+", note) for note in result.notes) or (
        sum("has run from" in note for note in result.notes) == 2
    ), result.notes


def test_lbfgs_goes_on_where_a_small_column_has_not_moved() -> None:
    """The gradient by k, which only the column of size 1 sees, is 1e-12 of the loss while k is 40 % off."""
    text = """
param big = 0.3, k = 0.9 in (0, inf)
init rest = 0
rest' = 0
obs x = 1e6*exp(-big*t)
obs y = exp(-k*t)
run t = 0 .. 1 step 20 method euler
"""
    rng, t = np.random.default_rng(2), np.linspace(0.2, 3, 15)
    x = 1e6 * np.exp(-0.5 * t) * (1 + 0.01 * rng.normal(size=len(t)))
    result = odec.fit(text, {"t": t, "x": x, "y": np.exp(-1.5 * t)}, engine="torch")
    assert result.values["k"] == pytest.approx(1.5, rel=1e-3) or not result.converged


def test_a_narrow_peak_is_not_jumped_over() -> None:
    """A first step of a tenth of the frequency would lead among the side maxima."""
    t = np.linspace(0, 12, 120)
    result = fit(("param w = 20.15", "cos(w*t)"), {"t": t, "y": np.cos(20.0 * t)}, "lbfgs")
    assert result.values["w"] == pytest.approx(20.0, rel=1e-8)


def test_what_is_left_to_gain_is_told_in_whole_percent() -> None:
    t = np.linspace(0, 2, 5)
    result = fit(("param k = 1.9", "exp(-k*t)"), {"t": t, "y": np.exp(-2 * t)}, "adam", epochs=1)
    assert "would still lower the sum of squares by 100 %" in result.message


@pytest.mark.parametrize(("size", "minimum"), [(1e-9, True), (1e-7, False)])
def test_a_step_below_what_a_value_is_worth_leaves_a_minimum(size: float, minimum: bool) -> None:
    """Exact data: a value is off by size, and a step would take all residuals away."""
    effects, one = np.array([[3.0], [4.0]]), np.ones(1)
    r = size * effects[:, 0]
    local = Local(("k",), r, effects, one, one, one, one * np.inf, float(r @ r), 2, 1.0, 2.2e-16)
    assert local.minimum is minimum
