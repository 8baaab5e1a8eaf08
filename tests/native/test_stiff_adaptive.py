"""Stiff methods with adaptive steps in the kernel: torch's mesh and gradients, published solutions."""

import numpy as np
import pytest
import torch
from native_models import arguments, gap, gradients, load, times
from scipy.integrate import solve_ivp
from test_stiff import FORCED, load_looped, pollution

ROBERTSON = """
param k1 = 0.04, k2 = 3e7, k3 = 1e4 in (0, inf)
init a = 1
init b = 0
init c = 0
da/dt = -k1*a + k3*b*c
db/dt = k1*a - k2*b**2 - k3*b*c
dc/dt = k2*b**2
"""
POLLUTED = {0: 0.05646255480022769, 1: 0.1342484130422339, 6: 0.07784249118997964, 18: 1.772146513969984e-06}
"""Some species at t = 60. Mazzia & Magherini, Test Set for Initial Value Problem Solvers (2008), POLLU."""


def pair(module, **options):
    """The Model on the native engine and on torch, by tolerance."""
    options = {"rtol": 1e-3, "atol": 1e-5} | options
    return module.Model(engine="native", **options), module.Model(engine="torch", **options)


@pytest.mark.parametrize("method", ["rosenbrock23", "rodas5p", "sdirk2"])
def test_the_mesh_the_states_and_the_gradients_are_those_of_torch(method):
    """With time, inputs whose knots are stops, and gradients of times, states, parameters and inputs."""
    module = load(FORCED, method)
    native, plain = pair(module)
    t, given = times(module), arguments(module, (5,))
    x, y = native(t, **given), plain(t, **given)
    assert native.status.steps.tolist() == plain.status.steps.tolist()
    assert native.status.rejected.tolist() == plain.status.rejected.tolist()
    assert gap(x.detach(), y.detach()) < 1e-9
    weights = torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)
    for mine, theirs in zip(
        gradients(native, given, t, weights), gradients(plain, given, t, weights), strict=True
    ):
        assert gap(mine, theirs) < 1e-7


def robertson(rates, end):
    """The states at some times, by Radau IIA at 1e-12."""

    def slope(t, x):
        forth, back, pair = rates[0] * x[0], rates[2] * x[1] * x[2], rates[1] * x[1] ** 2
        return [back - forth, forth - back - pair, pair]

    found = solve_ivp(slope, (0, end[-1]), [1, 0, 0], "Radau", t_eval=end[1:], rtol=1e-12, atol=1e-16)
    return found.y.T


@pytest.mark.parametrize("method", ["rodas5p", pytest.param("kvaerno5", marks=pytest.mark.slow)])
def test_robertson_stays_within_the_tolerance(method):
    """Over eleven decades of rates and eight of time, every trajectory with rates of its own."""
    module = load(ROBERTSON, method)
    rtol, atol = 1e-6, 1e-10
    end = [0.0, *np.logspace(-3, 5, 9)]
    factors = 1 + 0.2 * torch.rand(40, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    rates = factors * torch.tensor([0.04, 3e7, 1e4], dtype=torch.float64)
    net = module.Model(engine="native", rtol=rtol, atol=atol)
    x = net(torch.tensor(end, dtype=torch.float64), params=dict(zip(module.PARAMS, rates.T, strict=True)))
    assert net.status.ok.all()
    for k in (0, 17, 39):
        truth = robertson(rates[k].tolist(), end)
        off = np.abs(x[1:, k].detach().numpy() - truth) / (atol + rtol * np.abs(truth))
        assert off.max() < 5


@pytest.mark.optimised
def test_a_trajectory_has_the_same_bits_alone_and_among_others():
    module = load(ROBERTSON, "rodas4")
    rates = torch.tensor([0.04, 3e7, 1e4], dtype=torch.float64)
    rates = rates * (
        1 + 0.5 * torch.rand(37, 3, generator=torch.Generator().manual_seed(4), dtype=rates.dtype)
    )
    t = torch.tensor([0.0, 1.0, 1e3], dtype=torch.float64)
    net = module.Model(engine="native", rtol=1e-6, atol=1e-9)
    whole = net(t, params=dict(zip(module.PARAMS, rates.T, strict=True))).detach()
    for k in (0, 15, 16, 36):
        alone = net(t, params=dict(zip(module.PARAMS, rates[k], strict=True))).detach()
        assert torch.equal(alone, whole[:, k])


@pytest.mark.parametrize("make", [load, load_looped])
def test_pollution_ends_where_it_is_published_to_end(make):
    module = make(pollution(), "rodas4")
    net = module.Model(engine="native", rtol=1e-6, atol=1e-12)
    x = net(torch.tensor([0.0, 60.0], dtype=torch.float64))[-1].detach()
    for state, value in POLLUTED.items():
        assert float(x[state]) == pytest.approx(value, rel=1e-6)


def test_robertsons_gradient_is_a_difference_quotient_of_tight_runs():
    module = load(ROBERTSON, "rodas5p")
    t = torch.tensor([0.0, 40.0, 4e3], dtype=torch.float64)
    rates = torch.tensor([0.04, 3e7, 1e4], dtype=torch.float64)
    net = module.Model(engine="native", rtol=1e-9, atol=1e-13)

    def value(factors):
        x = net(t, params=dict(zip(module.PARAMS, rates * factors, strict=True)))
        return x[1:, 0].sum()

    factors = torch.ones(3, dtype=torch.float64, requires_grad=True)
    (mine,) = torch.autograd.grad(value(factors), factors)
    step = 1e-4 * torch.eye(3, dtype=torch.float64)
    with torch.no_grad():
        around = [(value(1 + d) - value(1 - d)) / 2e-4 for d in step]
    assert gap(mine, torch.stack(around)) < 1e-5


def test_steps_shrink_past_a_singular_matrix():
    """x' = x and the first step would make the matrix singular: it is rejected, and the run goes on."""
    module = load("param a = 1\ninit x = 1\ndx/dt = a*x\n", "rosenbrock23")
    gamma = 1 - 2**-0.5
    t = torch.tensor([0.0, 4.0], dtype=torch.float64)
    net = module.Model(engine="native", rtol=1e-4, atol=1e-6, first_step=1 / gamma)
    x = net(t).detach()
    assert net.status.ok and int(net.status.rejected) >= 1
    assert float(x[-1, 0]) == pytest.approx(np.exp(4), rel=1e-2)
