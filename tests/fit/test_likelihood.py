"""Fits by the noise that a model declares: densities, their information, optima, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fit_models import INFLUENZA, INFLUENZA_DATA, LYNX_HARE, LYNX_HARE_DATA
from scipy import integrate, optimize, stats

import odec
from odec.errors import ArgumentError, DataError, SimulationError
from odec.fit.densities import DENSITIES
from odec.fit.result import FitResult

LINE = """\
param a = 1
param b = 1 in (0, inf)
param s = 1 in (0, inf)
const half = 0.5
init x = a
x' = b
obs y = x ~ {noise}
run t = 0 .. 8 method euler dt 8
"""
T = np.array([0.0, 1.0, 2.0, 4.0, 5.0, 7.0])
Y = np.array([2.3, 1.9, 3.2, 6.6, 8.1, 11.4])
RUN = {"engine": "torch", "progress": False, "check": False}

PAIRS = [
    ("normal", (2.0, 0.7), lambda m, s: stats.norm(m, s)),
    ("lognormal", (2.0, 0.7), lambda m, s: stats.lognorm(s, scale=m)),
    ("student_t", (2.0, 4.0, 0.7), lambda m, nu, s: stats.t(nu, m, s)),
    ("poisson", (2.5,), lambda m: stats.poisson(m)),
    ("neg_binomial", (2.5, 1.5), lambda m, phi: stats.nbinom(phi, phi / (phi + m))),
]


def fit(noise: str, y: object = Y, **options: object) -> FitResult:
    return odec.fit(LINE.format(noise=noise), {"t": T, "y": y}, **RUN | options)


@pytest.fixture(scope="module")
def estimated() -> FitResult:
    return fit("normal(s)")


def tensors(values: tuple[float, ...]) -> list[torch.Tensor]:
    return [torch.tensor([value], dtype=torch.float64) for value in values]


@pytest.mark.parametrize(("name", "args", "reference"), PAIRS)
def test_densities_have_all_their_constants(name: str, args: tuple, reference: object) -> None:
    for y in (1.0, 2.0, 7.0, *((0.0,) if DENSITIES[name].counts else ())):
        found = DENSITIES[name].log(torch.tensor([y], dtype=torch.float64), *tensors(args))
        known = reference(*args)
        expected = known.logpmf(y) if DENSITIES[name].counts else known.logpdf(y)
        assert found.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("name", "args", "reference"), PAIRS)
def test_information_is_the_expected_square_of_the_score(name: str, args: tuple, reference: object) -> None:
    """By the quantiles, or the sum over counts; that of nu is none, as it is a constant."""
    density, known = DENSITIES[name], reference(*args)
    share = (np.arange(100_000) + 0.5) / 100_000
    y = np.arange(200.0) if density.counts else known.ppf(share)
    mass = known.pmf(y) if density.counts else np.full(len(y), 1 / len(y))
    held = [arg.expand(len(y)).clone().requires_grad_() for arg in tensors(args)]
    density.log(torch.as_tensor(y), *held).sum().backward()
    found = [part.item() for part in density.information(*tensors(args))]
    for k, value in enumerate(found):
        if (name, k) != ("student_t", 1):
            assert value == pytest.approx(float(mass @ held[k].grad.numpy() ** 2), rel=1e-3)


@pytest.mark.parametrize(("mean", "phi"), [(3.0, 0.5), (300.0, 12.0), (1e4, 5.0)])
def test_information_of_wide_counts(mean: float, phi: float) -> None:
    """Σ_j P(y > j)/(φ + j)² is E ψ'(φ) − E ψ'(y + φ)."""
    j = np.arange(300_000)
    wide = float((stats.nbinom(phi, phi / (phi + mean)).sf(j) / (phi + j) ** 2).sum())
    _, found = DENSITIES["neg_binomial"].information(*tensors((mean, phi)))
    assert found.item() == pytest.approx(wide - 1 / phi + 1 / (mean + phi), rel=1e-4)


def test_an_estimated_sigma(estimated: FitResult) -> None:
    """The maximum of the likelihood in closed form: least squares, sigma² = SSR/n, its error sigma/√(2n)."""
    design = np.stack([np.ones_like(T), T], axis=1)
    best, squares, *_ = np.linalg.lstsq(design, Y, rcond=None)
    sigma = math.sqrt(squares[0] / 6)
    assert estimated.message == "converged: the values are at a minimum"
    assert list(estimated.values.values()) == pytest.approx([*best, sigma], rel=1e-6)
    covariance = np.linalg.inv(design.T @ design) * sigma**2
    errors = [*np.sqrt(np.diag(covariance)), sigma / math.sqrt(12)]
    assert list(estimated.errors.values()) == pytest.approx(errors, rel=1e-5)
    likelihood = stats.norm.logpdf(Y - design @ best, scale=sigma).sum()
    assert estimated.log_likelihood == pytest.approx(likelihood, rel=1e-9) == -estimated.loss
    assert estimated.aic == pytest.approx(2 * 3 - 2 * likelihood)
    assert estimated.uncertainty.freedom is None


def test_the_table_tells_the_likelihood(estimated: FitResult) -> None:
    assert f"negative log-likelihood {estimated.loss:.6g} over 6 measurements" in estimated.table()
    assert "sum of squares" not in estimated.table()
    assert list(estimated.net.compiled.observables) == ["y", "y_noise1"]
    assert estimated.columns.observables == ("y",) and "noise1" not in estimated.ode_text()


@pytest.mark.parametrize(
    ("noise", "log"),
    [
        ("normal(half*s + 0.1*x)", lambda y, m, s: stats.norm.logpdf(y, m, 0.5 * s + 0.1 * m)),
        ("lognormal(s)", lambda y, m, s: stats.lognorm.logpdf(y, s, scale=m)),
        ("student_t(4, max(s, half))", lambda y, m, s: stats.t.logpdf(y, 4, m, max(s, 0.5))),
    ],
)
def test_optima_are_those_of_scipy(noise: str, log: object) -> None:
    result = fit(noise)
    loss = lambda p: -log(Y, p[0] + p[1] * T, p[2]).sum() if p[2] > 0 else 1e9  # noqa: E731
    best = optimize.minimize(loss, list(result.values.values()), method="Nelder-Mead", tol=1e-12)
    assert result.loss == pytest.approx(best.fun, rel=1e-7)
    assert result.loss == pytest.approx(loss(list(result.values.values())), rel=1e-10)


def test_sigmas_that_differ_are_known_ones() -> None:
    """Weighted least squares with errors that are not rescaled."""
    text = LINE.replace("obs y = x ~ {noise}", "obs y = x ~ normal(half)\nobs z = x ~ normal(2)")
    z = Y + np.array([1.0, -2.0, 0.5, 1.0, -1.0, 2.0])
    result = odec.fit(text, {"t": T, "y": Y, "z": z}, fix="s", **RUN)
    design = np.stack([np.ones_like(T), T], axis=1)
    design = np.concatenate([design / 0.5, design / 2])
    best = np.linalg.lstsq(design, np.concatenate([Y / 0.5, z / 2]), rcond=None)[0]
    assert [result.values["a"], result.values["b"]] == pytest.approx(best, rel=1e-6)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    assert list(result.errors.values()) == pytest.approx(errors, rel=1e-6)


def test_a_resumed_fit_comes_to_the_same(estimated: FitResult, tmp_path: Path) -> None:
    part = fit("normal(s)", epochs=4)
    assert not part.converged and part.errors == {}
    part.save(tmp_path / "fit.json")
    rest = fit("normal(s)", resume=tmp_path, epochs=1000)
    assert rest.values == estimated.values and rest.losses == estimated.losses


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "first", "second", "expected"),
    [
        ("s = 0.3", "s", "s", (0.540159, 0.0271654, 0.796386, 0.0236946, 34.6024, 5.84451)),
        ("s = 0.3, u = 0.3", "s", "u", (0.540014, 0.0271561, 0.796599, 0.0237020, 34.5992, 5.84374)),
    ],
)
def test_lynx_and_hare(params: str, first: str, second: str, expected: tuple[float, ...]) -> None:
    """References by SciPy: least squares of the logarithms; a sigma each by the maximum of the likelihood."""
    noise = f"obs h = hare ~ lognormal({first})\nobs l = lynx ~ lognormal({second})\n"
    text = LYNX_HARE.replace("run t", f"param {params} in (0, inf)\n{noise}run t")
    text = text.replace("dt 0.25", "dt 0.05")
    data = {"t": LYNX_HARE_DATA["t"], "h": LYNX_HARE_DATA["hare"], "l": LYNX_HARE_DATA["lynx"]}
    result = odec.fit(text, data, progress=False, check=False)
    assert list(result.values.values())[:6] == pytest.approx(expected, rel=1e-5)
    assert result.converged and result.values["s"] == pytest.approx(0.219, abs=1e-3)


@pytest.mark.slow
def test_influenza_as_counts() -> None:
    text = INFLUENZA.replace(
        "obs in_bed = I", "param phi = 10 in (0, inf)\nobs in_bed = I ~ neg_binomial(phi)"
    )
    result = odec.fit(text, INFLUENZA_DATA, progress=False, check=False)

    def loss(p: np.ndarray) -> float:
        beta, gamma, phi = p
        slope = lambda t, x: [-beta * x[0] * x[1] / 763, beta * x[0] * x[1] / 763 - gamma * x[1]]  # noqa: E731
        run = integrate.solve_ivp(slope, (0, 14), [762, 1], t_eval=INFLUENZA_DATA["t"], rtol=1e-9, atol=1e-9)
        return -stats.nbinom.logpmf(INFLUENZA_DATA["in_bed"], phi, phi / (phi + run.y[1])).sum()

    best = np.array(list(result.values.values()))
    assert result.converged and result.loss == pytest.approx(loss(best), rel=1e-6)
    for step in np.diag(1e-3 * best):  # a minimum of scipy's, within 1e-5 of each value
        down, up = loss(best - step), loss(best + step)
        assert abs((down - up) / (down + up - 2 * loss(best)) / 2) < 1e-2


@pytest.mark.parametrize(
    ("noise", "y", "message"),
    [
        ("lognormal(s)", [2.3, 0, 3.2, 6.6, 8.1, 11.4], r"column 'y': 0 at t = 1, but a lognormal noise"),
        ("poisson()", Y, r"2\.3 at t = 0, but poisson \(model.ode, line 7\) counts 0, 1, 2"),
        ("neg_binomial(s)", -np.ones(6), r"-1 at t = 0, but neg_binomial"),
    ],
)
def test_values_that_a_noise_cannot_give(noise: str, y: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(noise, y)


@pytest.mark.parametrize(
    ("noise", "options", "message"),
    [
        ("lognormal(0)", {}, r"the noise of y \(model.ode, line 7\) has an argument 0 at t = 0"),
        ("lognormal(s)", {"set": {"a": -1}}, "y is predicted as -1 at t = 0, but its noise .* is lognormal"),
    ],
)
def test_a_start_without_a_likelihood(noise: str, options: dict, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        fit(noise, **options)


@pytest.mark.parametrize(
    ("noise", "options", "message"),
    [
        ("normal(s)", {"optimizer": "gauss-newton"}, "gauss-newton minimizes sums of squares"),
        ("laplace(s)", {}, "the noise of y is laplace, which a fit does not heed yet"),
        ("student_t(s, 1)", {}, "student_t, whose nu must be a number or a constant"),
    ],
)
def test_noise_that_a_fit_does_not_know(noise: str, options: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        fit(noise, **options)


def test_a_compiled_model_knows_no_arguments_of_noise() -> None:
    module = odec.load(LINE.format(noise="normal(s)"), engine="torch")
    with pytest.raises(ArgumentError, match="which a fit does not heed of a compiled model; fit the .ode"):
        odec.fit(module, {"t": T, "y": Y}, progress=False)
