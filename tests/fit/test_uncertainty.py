"""Standard errors, intervals, correlations and likelihoods of least-squares optima."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from fit_models import INFLUENZA, INFLUENZA_DATA
from scipy import stats

import odec
from benchmarks.fits_problems import PROBLEMS
from odec.errors import ArgumentError, DataError
from odec.fit.quantiles import t_quantile
from odec.fit.result import FitResult

CERTIFIED = {problem.name: problem for problem in PROBLEMS}
LINE = "param a = 1\nparam b = 1 in (0, inf)\ninit rest = 0\nrest' = 0\nobs y = a + {b}*t\n"
RUN = {"method": "euler", "dt": 1e3, "progress": False, "engine": "torch", "check": False}
T = np.array([0.0, 1.0, 2.0, 4.0, 5.0, 7.0])
Y = np.array([0.3, 1.9, 3.2, 6.6, 8.1, 11.4])


@pytest.fixture(scope="module")
def influenza() -> FitResult:
    return odec.fit(INFLUENZA, INFLUENZA_DATA, progress=False, optimizer="gauss-newton", check=False)


@pytest.fixture(scope="module")
def line() -> FitResult:
    return odec.fit(LINE.format(b="b"), {"t": T, "y": Y}, **RUN)


@pytest.mark.parametrize(
    "name",
    ["Misra1a", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Rat42", "MGH17", "Thurber"))],
)
def test_certified_standard_errors(name: str) -> None:
    problem = CERTIFIED[name]
    x, y = problem.data()
    run = RUN | {"dt": float(np.ptp(x)) + 1}
    result = odec.fit(problem.model(1), {"x": x, "y": y}, optimizer="gauss-newton", epochs=5000, **run)
    assert result.converged and list(result.errors) == list(problem.params)
    assert list(result.errors.values()) == pytest.approx(problem.errors(), rel=1e-6)


def test_influenza(influenza: FitResult) -> None:
    """Standard errors by scipy's exact solution elsewhere; R0 = β/γ."""
    assert influenza.errors == pytest.approx({"beta": 0.02571, "gamma": 0.01557}, abs=5e-6)
    assert influenza.values["beta"] / influenza.values["gamma"] == pytest.approx(3.764, abs=5e-4)
    beta = next(line for line in influenza.table().splitlines() if line.startswith("beta"))
    assert "1.66923  ± 0.02571  [1.61358, 1.7256]" in beta
    assert "every parameter is determined: along the sloppiest direction (gamma)" in influenza.table()


def test_a_known_sigma_is_not_rescaled(influenza: FitResult) -> None:
    model = INFLUENZA.replace("obs in_bed = I", "obs in_bed = I ~ normal(18)")
    result = odec.fit(model, INFLUENZA_DATA, progress=False, optimizer="gauss-newton", check=False)
    assert result.loss == pytest.approx(influenza.loss)
    assert result.errors["beta"] == pytest.approx(0.02497, abs=5e-6)
    factor = 18 / math.sqrt(influenza.loss / 12)
    assert result.errors["gamma"] == pytest.approx(factor * influenza.errors["gamma"], rel=1e-6)
    theta = result.uncertainty.theta
    low = theta - stats.norm.ppf(0.975) * result.uncertainty.moved
    coordinates = result.uncertainty.coordinates
    ends = np.log1p(np.exp(coordinates.scale * low))
    assert [low for low, _ in result.intervals().values()] == pytest.approx(ends, rel=1e-9)
    assert "sigma 18 is given: χ² 12.72 of 12" in result.table()
    expected = stats.norm.logpdf(_residuals(result), scale=18).sum()
    assert result.log_likelihood == pytest.approx(expected, rel=1e-9)
    assert result.aic == pytest.approx(2 * 2 - 2 * expected, rel=1e-9)


def _residuals(result: FitResult) -> np.ndarray:
    return result.objective.deviations(result.values).detach().numpy()


def test_a_straight_line(line: FitResult) -> None:
    """The normal equations in closed form."""
    design = np.stack([np.ones_like(T), T], axis=1)
    best, squares, *_ = np.linalg.lstsq(design, Y, rcond=None)
    covariance = np.linalg.inv(design.T @ design) * squares[0] / 4
    assert list(line.values.values()) == pytest.approx(best, rel=1e-7)
    assert line.covariance == pytest.approx(covariance, rel=1e-6)
    assert line.correlations[0, 1] == pytest.approx(covariance[0, 1] / np.sqrt(np.prod(np.diag(covariance))))
    assert list(line.errors.values()) == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-6)
    low, high = line.intervals(0.9)["a"]
    reach = stats.t.ppf(0.95, 4) * math.sqrt(covariance[0, 0])
    assert (low, high) == pytest.approx((best[0] - reach, best[0] + reach), rel=1e-6)


def test_likelihood_and_criteria(line: FitResult) -> None:
    sigma = math.sqrt(line.loss / 6)
    expected = stats.norm.logpdf(_residuals(line), scale=sigma).sum()
    assert line.log_likelihood == pytest.approx(expected, rel=1e-12)
    assert line.aic == pytest.approx(2 * 3 - 2 * expected)
    assert line.bic == pytest.approx(3 * math.log(6) - 2 * expected)


def test_weighted_columns_have_the_likelihood_of_their_own_units() -> None:
    """A second column of 1e4 times the size, weighted by its spread."""
    model = LINE.format(b="b") + "obs z = 1e4*(a + b*t)\n"
    result = odec.fit(model, {"t": T, "y": Y, "z": 1e4 * (Y + 0.1 * (-1.0) ** np.arange(6))}, **RUN)
    assert any("weighted by its spread" in note for note in result.notes)
    scales = np.tile([Y.std(), np.std(1e4 * (Y + 0.1 * (-1.0) ** np.arange(6)))], 6)
    sigma = math.sqrt(result.loss / 12)
    expected = stats.norm.logpdf(_residuals(result), scale=sigma * scales).sum()
    assert result.log_likelihood == pytest.approx(expected, rel=1e-9)


def test_standard_deviations_of_the_data(line: FitResult) -> None:
    """Weighted least squares in closed form; the errors are not rescaled."""
    sds = np.array([0.1, 0.2, 0.1, 0.5, 0.3, 1.0])
    for engine, optimizer in (("torch", "lbfgs"), ("native", "gauss-newton")):
        run = RUN | {"engine": engine, "optimizer": optimizer}
        result = odec.fit(LINE.format(b="b"), {"t": T[::-1], "y": Y[::-1], "y_sd": sds[::-1]}, **run)
        design = np.stack([np.ones_like(T), T], axis=1) / sds[:, None]
        best, squares, *_ = np.linalg.lstsq(design, Y / sds, rcond=None)
        assert list(result.values.values()) == pytest.approx(best, rel=1e-6)
        assert result.covariance == pytest.approx(np.linalg.inv(design.T @ design), rel=1e-6)
        assert result.loss == pytest.approx(squares[0], rel=1e-9)
        expected = stats.norm.logpdf(_residuals(result), scale=sds).sum()
        assert result.log_likelihood == pytest.approx(expected, rel=1e-9)
        assert f"standard deviations are given: χ² {squares[0]:.4g} of 4" in result.table()


@pytest.mark.parametrize(
    ("columns", "noise", "message"),
    [
        ({"y_sd": [1, 1, 0, 1, 1, 1]}, "", r"column 'y_sd': the standard deviation is 0, where"),
        ({"y_sd": [1, np.nan, 1, 1, 1, 1]}, "", r"column 'y_sd': the standard deviation is missing, where"),
        ({"y_sd": np.ones(6), "rest": np.zeros(6)}, "", "'rest' has no column 'rest_sd'"),
        ({"rest_sd": np.ones(6)}, "", "column 'rest_sd' is no state, observable or input"),
        ({"y_sd": np.ones(6)}, " ~ normal(2)", r"the noise of y is given, and the data have standard dev"),
    ],
)
def test_standard_deviations_that_cannot_be(columns: dict, noise: str, message: str) -> None:
    text = LINE.format(b="b").replace("b*t\n", f"b*t{noise}\n")
    with pytest.raises((DataError, ArgumentError), match=message):
        odec.fit(text, {"t": T, "y": Y, **columns}, **RUN)


def test_what_is_not_determined_has_no_error() -> None:
    result = odec.fit(LINE.format(b="a*b"), {"t": T, "y": 0 * T + Y}, **RUN, fix="a")
    assert list(result.errors) == ["b"] and math.isfinite(result.errors["b"])
    both = "param a, b = 1 in (0, inf)\nparam c = 0\ninit rest = 0\nrest' = 0\nobs y = c + a*b*t\n"
    lost = odec.fit(both.replace("param a, b = 1", "param a = 1, b = 1"), {"t": T, "y": Y}, **RUN)
    assert lost.converged and lost.errors["a"] == lost.errors["b"] == math.inf
    assert lost.errors["c"] == pytest.approx(_line_error(), rel=1e-5)
    assert lost.intervals()["a"] == (0.0, math.inf) and np.isnan(lost.covariance[0, 1])
    assert "not determined: a and b" in lost.table()


def _line_error() -> float:
    design = np.stack([np.ones_like(T), T], axis=1)
    squares = np.linalg.lstsq(design, Y, rcond=None)[1][0]
    return math.sqrt(np.linalg.inv(design.T @ design)[0, 0] * squares / 4)


def test_a_parameter_on_its_bound_has_no_error() -> None:
    """A slope that would be negative; the others are as if it were fixed there."""
    result = odec.fit(LINE.format(b="b"), {"t": T, "y": -0.5 * T + 0.1 * (-1.0) ** np.arange(6)}, **RUN)
    assert "b lies on its bound" in result.message and math.isnan(result.errors["b"])
    assert result.errors["a"] == pytest.approx(math.sqrt(result.loss / 5 / 6), rel=1e-4)
    assert all(map(math.isnan, result.intervals()["b"])) and "on its bound" in result.table()


def test_no_errors_away_from_a_minimum(tmp_path: Path) -> None:
    result = odec.fit(LINE.format(b="b"), {"t": T, "y": Y}, **RUN, optimizer="adam", epochs=2)
    assert result.errors == result.intervals() == {} and result.covariance is None
    assert "± error" not in result.table()
    result.save(tmp_path / "fit.json")
    assert "errors" not in json.loads((tmp_path / "fit.json").read_text())["uncertainty"]


def test_as_many_parameters_as_measurements_leave_no_error() -> None:
    result = odec.fit(LINE.format(b="b"), {"t": T[:2], "y": Y[:2]}, **RUN)
    assert result.converged and result.errors == {}


def test_fit_json_keeps_them(line: FitResult, tmp_path: Path) -> None:
    line.save(tmp_path / "fit.json")
    kept = json.loads((tmp_path / "fit.json").read_text())["uncertainty"]
    assert kept["errors"] == line.errors and kept["degrees_of_freedom"] == 4
    assert kept["covariance"] == line.covariance.tolist() and kept["level"] == 0.95
    assert {name: tuple(pair) for name, pair in kept["intervals"].items()} == line.intervals(0.95)
    assert kept["log_likelihood"] == line.log_likelihood and kept["bic"] == line.bic


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 12, 40, 999, 1000, 1001, 10**6])
def test_quantiles_of_t(freedom: int) -> None:
    for probability in (0.01, 0.5, 0.75, 0.975, 0.9995):
        found = t_quantile(probability, freedom)
        assert found == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-9, abs=1e-9)
    assert t_quantile(0.975, None) == pytest.approx(stats.norm.ppf(0.975))


def test_a_level_is_a_probability(line: FitResult) -> None:
    with pytest.raises(ArgumentError, match="a probability between 0 and 1, like 0.95, not 95"):
        line.intervals(95)
