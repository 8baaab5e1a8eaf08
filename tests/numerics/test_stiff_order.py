"""Orders of the implicit and Rosenbrock methods, measured with the generated modules at fixed steps."""

import functools

import numpy as np
import pytest
import torch
from generated import load
from scipy.integrate import solve_ivp
from tiers import each_once

from odec.methods import METHODS

D = torch.float64
STIFF = [name for name, method in METHODS.items() if method.family in ("implicit", "rosenbrock")]

AUTONOMOUS = """
param a = 1.1
init x = 1
init y = 0.5
init z = 0.2
dx/dt = a*x - x*y
dy/dt = x*y - y*z**2
dz/dt = sin(x) - z
run t = 0 .. 1 dt 0.1
"""

TIMED = """
param a = 1.1
init x = 1
init y = 0.5
dx/dt = a*y - x*cos(t)
dy/dt = -x*y**2 + 1/(1 + t)
run t = 0 .. 1 dt 0.1
"""


def autonomous(t, x):
    return [1.1 * x[0] - x[0] * x[1], x[0] * x[1] - x[1] * x[2] ** 2, np.sin(x[0]) - x[2]]


def timed(t, x):
    return [
        1.1 * x[1] - x[0] * np.cos(t),
        -x[0] * x[1] ** 2 + 1 / (1 + t),
    ]


KINKED = """
input u linear
init x = 1
init y = 0.5
dx/dt = -x*y + u
dy/dt = x*u - y
run t = 0 .. 1 dt 0.1
"""

PROBLEMS = {
    "autonomous": (AUTONOMOUS, autonomous, [1, 0.5, 0.2]),
    "timed": (TIMED, timed, [1, 0.5]),
}


@functools.cache
def solution(problem):
    _, function, start = PROBLEMS[problem]
    found = solve_ivp(function, (0, 2), start, method="DOP853", rtol=3e-14, atol=1e-15)
    return torch.tensor(found.y[:, -1], dtype=D)


@pytest.mark.parametrize(("method", "problem"), each_once(STIFF, PROBLEMS))
def test_the_measured_order_is_the_claimed_one(method, problem):
    order = METHODS[method].order
    # Steps small enough for the leading term, and errors well above rounding.
    counts = {1: (256, 512), 2: (128, 256), 3: (64, 128), 4: (64, 128), 5: (32, 64), 6: (8, 16)}[order]
    module, errors = load(PROBLEMS[problem][0], method), []
    with torch.no_grad():
        for count in counts:
            x = module.Model(dt=2 / count)(torch.tensor([0, 2], dtype=D))[-1]
            errors.append((x - solution(problem)).norm().item())
    measured = np.log2(errors[0] / errors[1])
    assert abs(measured - order) < 0.15, (measured, errors)


@pytest.mark.parametrize(
    ("method", "ends"),
    each_once(["rosenbrock23", "ros3p", "rodas4", "rodas5p", "kvaerno3"], [(2, 0), (0, 2)]),
)
def test_kinks_of_an_input_on_the_mesh_cost_no_order(method, ends):
    """At a knot a Rosenbrock method takes the rate on the step's side."""
    inputs = {"u": ([0.0, 0.5, 1.0, 1.5], [0.2, 1.0, -0.4, 0.6])}
    t, order, errors = torch.tensor(ends, dtype=D), METHODS[method].order, []
    with torch.no_grad():
        expected = load(KINKED, "gauss_legendre6").Model(dt=1 / 64)(t, inputs=inputs)[-1]
        for count in (64, 128) if order < 5 else (32, 64):
            found = load(KINKED, method).Model(dt=2 / count)(t, inputs=inputs)[-1]
            errors.append((found - expected).norm().item())
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.3, errors
