"""The test problems themselves: the models say what the papers say, and the references hold."""

import re

import numpy as np
import pytest
import torch
import write_models
from independent import EXACT, SLOPES
from problem_set import DETEST, FOLDER, STIFF, TORCHDIFFEQ, problem
from scipy.integrate import solve_ivp

import odec

EVERY = DETEST + STIFF + TORCHDIFFEQ
SIZES = {"stiff_e5": 1e-3, "ring_modulator": 0.1, "pollu": 0.1, "d5": 0.5}
"""How large the random states are, where 1 would not do (a diode's current is exponential)."""

DIGITS = re.compile(r"\d+\.\d{8,}")
"""Computed numbers, whose last digits hang on the processor's linear algebra."""


def loaded(name):
    return odec.load(problem(name).path, method="rk4", engine="torch")


def start_of(name):
    module = loaded(name)
    start = problem(name).span[0]
    return module.Model(dt=1.0)(torch.tensor([start], dtype=torch.float64))[0].detach().numpy()


def test_every_problem_has_a_model_a_slope_and_a_reference():
    assert sorted(path.stem for path in (FOLDER / "models").glob("*.ode")) == sorted(EVERY)
    assert sorted(SLOPES) == sorted(EVERY)
    assert all(np.isfinite(problem(name).reference).all() for name in EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_the_right_hand_side_is_that_of_the_paper(name):
    module = loaded(name)
    random = np.random.default_rng(7)
    first, last = problem(name).span
    values = [getattr(module.Model(dt=1.0), p).item() for p in module.PARAMS]
    parameters = torch.tensor(values, dtype=torch.float64)
    for _ in range(5):
        t = first + (last - first) * random.random()
        x = random.standard_normal(len(module.STATES)) * SIZES.get(name, 1.0)
        x += start_of(name) * (name in ("d5", "c5", "sine"))
        found = module.rhs(t, torch.tensor(x), parameters).numpy()
        expected = SLOPES[name](t, x)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", DETEST)
def test_an_independent_solver_ends_at_the_reference(name):
    at = problem(name)
    done = solve_ivp(SLOPES[name], at.span, start_of(name), "DOP853", rtol=1e-12, atol=1e-12)
    assert at.units(done.y[:, -1], 1e-12) < 100


@pytest.mark.parametrize("name", TORCHDIFFEQ)
def test_the_exact_solution_starts_where_the_model_does_and_solves_the_equation(name):
    first, last = problem(name).span
    np.testing.assert_allclose(EXACT[name](np.array([first]))[0], start_of(name), rtol=1e-14)
    for t in np.linspace(first + 0.1, last - 0.1, 5):
        before, at, after = EXACT[name](np.array([t - 1e-4, t, t + 1e-4]))
        np.testing.assert_allclose((after - before) / 2e-4, SLOPES[name](t, at), rtol=1e-5)


def test_the_references_agree_with_other_solvers_and_collections():
    for name in DETEST:
        assert problem(name).agreement["NSDTST"] < 0.1, name
    for name in STIFF:
        assert min(problem(name).agreement.values()) < 100, name


def test_the_regular_models_are_as_their_rules_say():
    for name, text in write_models.models().items():
        written = (FOLDER / "models" / f"{name}.ode").read_text()
        assert DIGITS.sub("", written) == DIGITS.sub("", text), name
        found, wanted = ([*map(float, DIGITS.findall(one))] for one in (written, text))
        assert found == pytest.approx(wanted, rel=1e-14), name


def test_units_count_tolerances():
    at = problem("vdpol_1e3")
    allowed = 1e-6 * (np.array([1, 1e-3]) + np.abs(at.reference))
    assert at.units(at.reference, 1e-6) == 0
    assert at.units(at.reference + np.array([0, 3]) * allowed, 1e-6) == pytest.approx(3)
