"""The kernels' gradients where a trajectory could not be finished: those of the torch engine."""

import pytest
import torch
from native_models import load

D = torch.float64
BLOW_UP = """
param a = 1
param b = 0.5
init x = 1
init y = 1
dx/dt = a*x**2
dy/dt = -b*y
run t = 0 .. 2 dt 0.1
"""
T = torch.tensor([0.0, 0.1, 1.0, 2.0], dtype=D)
FAILS = torch.tensor([False, True, False] * 5)


@pytest.mark.parametrize("left_out", [False, True])
@pytest.mark.parametrize(
    ("method", "options"),
    [("tsit5", {"rtol": 1e-6}), ("rodas5p", {"rtol": 1e-6}), ("rk4", {"dt": 0.05})],
)
def test_failed_trajectories(method, options, left_out):
    module, found = load(BLOW_UP, method), []
    for engine in ("torch", "native"):
        net = module.Model(engine=engine, **options)
        x0 = torch.tensor([[0.2, 1.0], [3.0, 1.0], [0.3, 1.0]] * 5, dtype=D, requires_grad=True)
        b = torch.linspace(0.5, 0.7, 15, dtype=D).requires_grad_()
        t = T.clone().requires_grad_()
        x = net(t, x0=x0, params={"b": b})
        assert torch.equal(~x.isfinite().all(0).all(-1), FAILS)
        loss = torch.where(FAILS.unsqueeze(-1) & left_out, 0.0, x).sum()
        found.append(torch.autograd.grad(loss, [x0, b, t, net.a]))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, equal_nan=True)
    g_x0, g_b, _, g_a = found[1]
    if left_out:
        assert g_a.isfinite() and not g_x0[FAILS].any() and not g_b[FAILS].any() and g_x0[~FAILS].all()
    else:
        assert g_a.isnan() and g_x0[FAILS].isnan().all() and g_b[FAILS].isnan().all()
        assert g_x0[~FAILS].isfinite().all() and g_b[~FAILS].isfinite().all()
