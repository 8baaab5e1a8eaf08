"""The order of every method, in its generated module.

A step of theirs is compared with the same step in 40 digits, whose order test_coefficients.py measures; the
order of methods with a past is measured here.
"""

import importlib.util
import math
import sys

import pytest
import torch
from reference import Logistic, Witch, step

import odec
from odec.methods import METHODS

LOGISTIC = """
init x = 0.3
dx/dt = x*(1 - x)
"""

WITCH_OF_AGNESI = """
init x = 1
dx/dt = -2*t*x**2
"""

PROBLEMS = {
    "autonomous": (LOGISTIC, 4.0, lambda t: 1 / (1 + 7 / 3 * math.exp(-t))),
    "non-autonomous": (WITCH_OF_AGNESI, 1.0, lambda t: 1 / (1 + t**2)),
}
"""Equations, the end of the time span that starts at 0, and the solution."""

ON_TORCH = [name for name, method in METHODS.items() if "torch" in method.engines]
ONE_STEP = [name for name in ON_TORCH if METHODS[name].family != "multistep"]
WITH_A_PAST = [name for name in ON_TORCH if METHODS[name].family == "multistep"]


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    folder, modules = tmp_path_factory.mktemp("order"), {}

    def load(problem, method):
        name = f"order_{problem.replace('-', '_')}_{method}"
        if name not in modules:
            path = folder / f"{name}.py"
            path.write_text(odec.compile(PROBLEMS[problem][0], method=method), encoding="utf-8")
            spec = importlib.util.spec_from_file_location(name, path)
            modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(modules[name])
        return modules[name]

    return load


@pytest.mark.parametrize("reversed_time", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", WITH_A_PAST)
def test_measured_order(load, method, problem, reversed_time):
    _, end, solution = PROBLEMS[problem]
    if problem == "autonomous":
        end = 2.0  # at 4 the leading term of their error nearly vanishes
    start, stop = (end, 0.0) if reversed_time else (0.0, end)
    order = METHODS[method].order
    errors = []
    for count in (64, 128):
        net = load(problem, method).Model(dt=end / count, adjoint="none")
        x0 = torch.tensor([solution(start)], dtype=torch.float64)
        x = net(torch.tensor([start, stop], dtype=torch.float64), x0=x0)
        assert net.status.steps == count
        errors.append(abs(x[-1, 0].item() - solution(stop)))
    slope = math.log2(errors[0] / errors[1])
    assert abs(slope - order) < 0.15, f"measured {slope:.3f}, errors {errors}"


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", ONE_STEP)
def test_a_step_is_that_of_the_coefficients(load, method, problem):
    equation = {"autonomous": Logistic, "non-autonomous": Witch}[problem]
    module = load(problem, method)
    for t, h in ((0.3, 0.3), (0.9, -0.2)):
        x = torch.tensor([0.8], dtype=torch.float64)
        expected, _ = step(METHODS[method], equation, t, x.item(), h)
        p = torch.zeros(0, dtype=torch.float64)
        assert module.StepCell()(x, t, h, p).item() == pytest.approx(float(expected), rel=2e-14)
