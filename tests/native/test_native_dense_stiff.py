"""Outputs within the steps of implicit methods in the kernel: stiff problems, and what cannot be solved."""

import pytest
import torch
from native_models import gap, load
from test_native_dense import pair
from test_stiff import pollution
from test_stiff_adaptive import ROBERTSON, robertson

D = torch.float64


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize("method, units", [("trbdf2", 40), ("radau_iia5", 5)])
def test_robertson_at_many_times(method, units):
    """300 times over six decades; a trajectory alone has the bits it has among others."""
    module = load(ROBERTSON, method)
    rtol, atol = 1e-4, 1e-8
    factors = 1 + 0.2 * torch.rand(17, 3, generator=torch.Generator().manual_seed(2), dtype=D)
    rates = factors * torch.tensor([0.04, 3e7, 1e4], dtype=D)
    t = torch.cat((torch.zeros(1, dtype=D), torch.logspace(-3, 3, 300, dtype=D)))
    net = module.Model(engine="native", rtol=rtol, atol=atol, dense_output=True)

    def run(rates, t):
        rates = rates.clone().requires_grad_()
        x = net(t, params=dict(zip(module.PARAMS, rates.unbind(-1), strict=True)))
        return x.detach(), torch.autograd.grad(x.sum(), rates)[0]

    x, gradient = run(rates, t)
    steps = net.status.steps
    truth = torch.tensor(robertson(rates[0].tolist(), t.tolist()))
    assert float(((x[1:, 0] - truth).abs() / (atol + rtol * truth.abs())).max()) < units
    for k in (0, 15, 16):
        alone, own = run(rates[k], t)
        assert torch.equal(alone, x[:, k]) and torch.equal(own, gradient[k])
    ends, _ = run(rates, t[[0, -1]])
    assert torch.equal(ends, x[[0, -1]]) and torch.equal(net.status.steps, steps) and int(steps.max()) < 300


def test_twenty_species_of_pollution():
    module = load(pollution(), "trbdf2")
    native, plain = pair(module, rtol=1e-3, atol=1e-7)
    t = torch.linspace(0, 60, 200, dtype=D)
    with torch.no_grad():
        x, y = native(t), plain(t)
    assert int(native.status.steps) == int(plain.status.steps) < 150
    assert gap(x, y) < 1e-7


def test_what_cannot_be_solved_is_told_of_its_trajectory_alone():
    """x' = a x² ends at 1/a: the outputs before are there."""
    module = load("param a = 1\ninit x = 1\ndx/dt = a*x**2\nrun t = 0 .. 1\n", "radau_iia5")
    native, _ = pair(module)
    a, t = torch.tensor([0.1, 1.0, 0.2], dtype=D), torch.linspace(0, 2, 41, dtype=D)
    x = native(t, params={"a": a}).detach()[..., 0]
    assert native.status.ok.tolist() == [True, False, True]
    assert x[:20, 1].isfinite().all() and x[21:, 1].isnan().all()
    assert gap(x[:18], 1 / (1 - a * t[:18, None])) < 1e-3
