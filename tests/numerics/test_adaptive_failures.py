"""Adaptive steps on the torch engine: options and times that do not fit, failures, stiff problems."""

import math

import pytest
import torch
from adaptive_models import LV, D
from generated import load


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dt": 0.1, "rtol": 1e-3}, "one or the other"),
        ({"dt": -0.1}, "positive number"),
        ({"dt": 0.1, "max_steps": 5}, "leave out dt"),
        ({"rtol": 0}, "rtol must be a positive number"),
        ({"rtol": -1e-3}, "rtol must be a positive number"),
        ({"rtol": math.nan}, "rtol must be a positive number"),
        ({"rtol": 1e-9, "dtype": torch.float32}, "at least 4.8e-07 in float32"),
        ({"atol": 0}, "atol must be positive"),
        ({"atol": math.nan}, "atol must be positive"),
        ({"atol": [1e-6, 0.0]}, "atol must be positive"),
        ({"atol": [1e-6] * 3}, "each of the 2 states, not a list of 3"),
        ({"max_steps": 0}, "max_steps must be a positive whole number"),
        ({"max_steps": 10.5}, "max_steps must be a positive whole number"),
        ({"min_step": 2.0, "max_step": 1.0}, "min_step < max_step"),
        ({"first_step": 0.0}, "first_step must be a positive number"),
        ({"adjoint_rtol": 1e-6}, "of adjoint='continuous'"),
        ({"checkpoints": 3}, "of fixed steps"),
        ({"adjoint": "autograd", "engine": "native"}, "torch engine"),
    ],
)
def test_options_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match=words):
        load(LV, "tsit5").Model(**options)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([0, 1, 0.5], r"t\[2\] = 0.5 comes after 1"),
        ([0, math.nan], r"t\[1\] is nan"),
        ([0, math.inf], "finite"),
    ],
)
def test_times_that_do_not_fit(times, words):
    with pytest.raises(ValueError, match=words):
        load(LV, "tsit5").Model()(torch.tensor(times))


FAILING = """
param on = 1
init x = 1
init y = 1
dx/dt = if on > 0 then {} else 0
dy/dt = -y
"""


@pytest.mark.parametrize(
    ("equation", "options", "words", "time"),
    [
        ("x**2", {}, "state x of trajectory (1,) forces the step below the least", 1.0),
        ("-1 - sqrt(x)", {}, "no finite number after it; look for a division", None),
        ("log(x - 1)", {}, "its derivative is not finite at the start", 0.0),
        ("-1e4*(x - cos(t))", {"max_steps": 50}, "max_steps are used up", None),
        ("-1e4*(x - cos(t))", {"min_step": 0.1}, "forces the step below min_step = 0.1", 0.0),
    ],
)
def test_failure_of_one_trajectory(equation, options, words, time):
    """Where one of two trajectories fails, status says why, its states are NaN, and the other goes on."""
    module = load(FAILING.format(equation), "dopri5")
    net = module.Model(rtol=1e-4, atol=1e-6, **options)
    on = torch.tensor([0.0, 1.0], dtype=D)
    start = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=D, requires_grad=True)
    x = net(torch.tensor([0.0, 2.0, 3.0]), x0=start, params={"on": on})
    status = net.status
    assert status.ok.tolist() == [True, False]
    assert torch.isnan(x[1:, 1]).all() and torch.isfinite(x[:, 0]).all()
    assert words in str(status) and str(status).startswith("1 of 2 trajectories failed")
    (failure,) = status.failures
    assert failure.batch == (1,) and failure.state == "x"
    if time is not None:
        assert abs(failure.time - time) < 1e-2
    assert abs(x[-1, 0, 1] - math.exp(-3)) < 1e-3
    (gradient,) = torch.autograd.grad(x[:, 0].sum(), start)
    assert torch.isfinite(gradient).all() and gradient[1].abs().sum() == 0


STIFF_PROBLEM = """
input u linear
param mu = 50
init x = 2
init y = 0
dx/dt = y + 0*u
dy/dt = mu*(1 - x**2)*y - x
"""


@pytest.mark.slow
def test_a_stiff_problem_is_told():
    """An explicit method at its limit of stability: status says so, with h·|λ| close to the limit."""
    net = load(STIFF_PROBLEM, "dopri5").Model(rtol=1e-4, atol=1e-6, adjoint="none")
    inputs = {"u": ([0.0, 3.0], torch.ones(2, 3, dtype=D))}
    net(torch.tensor([0.0, 5.0, 15.0]), inputs=inputs, params={"mu": torch.tensor([1.0, 10.0, 90.0])})
    assert "stiff" in net.status.stiffness and net.status.stiffness in str(net.status)
    reach = float(net.status.stiffness.split("h·|λ| = ")[1].split(",")[0])
    assert 2.5 < reach < 3.8
    net(torch.tensor([0.0, 5.0, 15.0]), inputs=inputs, params={"mu": torch.tensor([1.0, 2.0, 3.0])})
    assert net.status.stiffness == ""


def test_a_long_accurate_run_is_not_called_stiff():
    net = load(LV, "bosh3").Model(rtol=1e-7, atol=1e-8, adjoint="none")
    net(torch.tensor([0.0, 10.0]))
    assert net.status.steps > 500
    assert net.status.stiffness == ""
