"""The norm of the error estimate: what is accepted and what is not, on both engines."""

import pytest
import torch
from scipy.integrate import DOP853

import odec

D = torch.float64
ORBIT = """
init x = 1
init y = 0.5
init z = -2
dx/dt = y*z + cos(t)
dy/dt = -x*z
dz/dt = -0.51*x*y + 0.3*z
"""
SIZE = 0.4


def model(engine, **options):
    return odec.load(ORBIT, method="dop853", engine=engine).Model(engine=engine, adjoint="none", **options)


def norm_of_scipy(x, h):
    """Hairer's norm of one step as SciPy forms it, with atol = rtol = 1."""

    def slope(t, state):
        p = torch.zeros(0, dtype=D)
        return odec.load(ORBIT, method="dop853", engine="torch").rhs(t, torch.tensor(state), p).numpy()

    steps = DOP853(slope, 0.0, x.numpy(), h, rtol=1e-3, atol=1e-3, first_step=h)
    steps.rtol, steps.atol = 1.0, 1.0
    steps.step()
    assert steps.t == h
    return steps._estimate_error_norm(steps.K, h, 1 + abs(x.numpy()).clip(abs(steps.y)))


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_dop853_combines_the_norms_of_its_two_estimates(engine):
    """A step is taken where Hairer's norm is below 1, and not where it is above."""
    x = torch.tensor([1.0, 0.5, -2.0], dtype=D)
    limit = norm_of_scipy(x, SIZE)
    for factor, taken in ((1.001, 1), (0.999, 0)):
        tolerance = limit * factor
        net = model(engine, rtol=tolerance, atol=tolerance, first_step=SIZE, max_steps=1)
        net(torch.tensor([0.0, SIZE], dtype=D), x0=x)
        assert (int(net.status.steps), int(net.status.rejected)) == (taken, 1 - taken)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_dop853_where_an_estimate_is_zero(engine):
    """A quadrature of a cubic leaves no error: the steps grow, and nothing is divided by zero."""
    net = odec.load("init x = 0\ndx/dt = t**3\n", method="dop853", engine=engine).Model(
        engine=engine, rtol=1e-8
    )
    x = net(torch.tensor([0.0, 2.0], dtype=D))
    assert x[-1, 0].item() == pytest.approx(4.0, rel=1e-12) and int(net.status.steps) < 10
