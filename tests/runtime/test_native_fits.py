"""Adam in the kernel against torch's, the losses of simulations that fail, and the least step."""

import math

import pytest
import torch

import odec
from odec.runtime.engines import UNDERFLOW
from odec.runtime.native.fused import FusedFit
from odec.runtime.steps import Steps, Tolerance

PLAIN = """
param a = 2
param b = 0.5 in (0, 3)
init x = 1
init y = 0.5
dx/dt = a*x - x*y
dy/dt = b*x*y - y
obs s = x*y
"""


@pytest.fixture(scope="module")
def compiled():
    return odec.load(PLAIN, method="tsit5", engine="native").COMPILED


def fit_of_one(compiled, value=1.0):
    """The fit of a alone to measurements of one value by fixed steps."""
    t = torch.linspace(0, 3, 7, dtype=torch.float64)
    p, data = torch.tensor([2.0, 0.5], dtype=torch.float64), torch.full((7, 3), value, dtype=torch.float64)
    rows = [("a", "none", 0.0, 0.0, 0.0, 1.0)]
    return FusedFit(compiled, t, p, rows, data, torch.ones_like(data), Steps(0.1))


def start_of(fit, theta, lr):
    loss, gradient = fit.loss_gradient(torch.tensor([theta], dtype=torch.float64))
    state = {"theta": [theta], "gradient": gradient.tolist(), "m": [0.0], "v": [0.0], "loss": loss, "lr": lr}
    return state | {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "count": 0, "failures": 0}


def test_adam_takes_the_steps_of_torch_and_goes_on_where_it_stood(compiled):
    fit = fit_of_one(compiled)
    theta = torch.tensor([1.2], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.05, eps=1e-8)
    wanted = []
    for _ in range(9):
        optimizer.zero_grad()
        fit.loss(theta).backward()
        optimizer.step()
        wanted.append(fit.loss_gradient(theta.detach())[0])
    whole, parts = start_of(fit, 1.2, 0.05), start_of(fit, 1.2, 0.05)
    assert fit.adam(whole, 9) == pytest.approx(wanted, rel=1e-12)
    assert [*fit.adam(parts, 2), *fit.adam(parts, 3), *fit.adam(parts, 4)] == pytest.approx(wanted, rel=1e-12)
    for state in (whole, parts):
        assert state["theta"] == pytest.approx(theta.tolist(), rel=1e-12)
        assert state["count"] == 9 and state["decay2"] == pytest.approx(0.999**9, rel=1e-13)


def test_adam_takes_back_a_step_into_a_failed_simulation_and_begins_anew_with_half_the_rate(compiled):
    fit = fit_of_one(compiled, 100.0)
    state = start_of(fit, 1.2, 1e4)
    loss = state["loss"]
    assert fit.adam(state, 1) == [loss] and state["theta"] == [1.2]
    assert (state["lr"], state["failures"], state["count"]) == (5e3, 1, 0)
    assert (state["m"], state["v"], state["decay1"], state["decay2"]) == ([0.0], [0.0], 1.0, 1.0)
    state["lr"] = 1e-3
    fit.adam(state, 1)
    assert state["theta"] == pytest.approx([1.201], rel=1e-9) and state["failures"] == 0


@pytest.mark.parametrize("tolerance", [None, Tolerance(1e-6, (1e-8, 1e-8), most=500)])
def test_the_loss_of_a_failed_simulation_is_infinite_and_the_others_keep_theirs(compiled, tolerance):
    engine, steps = compiled.engine("native"), Steps(None if tolerance else 0.1, tolerance)
    t = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    x0, p = torch.ones(3, 2, dtype=torch.float64), torch.tensor([[2.0, 0.5]] * 3, dtype=torch.float64)
    p[1, 0] = 1e6
    data, weight = torch.zeros(3, 3, dtype=torch.float64), torch.ones(3, 3, dtype=torch.float64)
    loss, found, _ = engine.loss_gradient(t, x0, p, [], data, weight, steps)
    assert loss[1] == math.inf and torch.isnan(found.p[1]).all()
    assert torch.isfinite(loss[[0, 2]]).all() and torch.isfinite(found.p[[0, 2]]).all()
    x = engine.states(t, x0, p, [], steps).xs[:, 0]
    assert float(loss[0]) == pytest.approx(float(x.square().sum() + x.prod(-1).square().sum()), rel=1e-12)


@pytest.mark.parametrize("least", [0.0, 0.01])
def test_the_least_step_ends_a_trajectory_where_it_ends_that_of_torch(least):
    module = odec.load("param k = 1\ninit x = 1\nx' = k*x^2\n", method="tsit5", engine="native")
    t, ends = torch.tensor([0.0, 2.0], dtype=torch.float64), []  # with a pole at 1
    for engine in ("native", "torch"):
        net = module.Model(rtol=1e-6, min_step=least, engine=engine)
        net(t)
        (failure,) = net.status.failures
        ends.append((failure.code, failure.time))
    assert ends[0] == pytest.approx(ends[1], rel=1e-9) and ends[0][0] == UNDERFLOW
    assert (0.9 < ends[0][1] < 0.99) if least else (1 - 1e-6 < ends[0][1] < 1 + 1e-6)
