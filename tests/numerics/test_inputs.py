"""Inputs as functions of time, against SciPy and NumPy."""

import numpy as np
import pytest
import torch
from generated import load
from scipy.interpolate import CubicHermiteSpline

D = torch.float64

TEXT = """
input h hold
input l linear
input c cubic
init x = 0
dx/dt = h + l + c
obs held = h
obs straight = l
obs smooth = c
run t = 0 .. 5 dt 0.1
"""

HELD = "input u hold\ninit x = 1\ndx/dt = -u*x\nrun t = 0 .. 2 dt 0.1\n"

TIMES = np.array([-1.0, 0.3, 0.9, 2.5, 2.6, 4.0])
VALUES = np.array([0.5, 2.0, -1.0, 0.7, 0.4, 3.0])
AT = np.array([-2.0, -1.0, -0.4, 0.3, 0.31, 0.899, 0.9, 1.7, 2.5, 2.55, 2.6, 3.99, 4.0, 7.5])


def interpolate(kind, times, values, at):
    inside = np.clip(at, times[0], times[-1])
    if kind == "held":
        return values[np.searchsorted(times, inside, side="right") - 1]
    if kind == "straight":
        return np.interp(inside, times, values)
    slopes = np.gradient(values, times, edge_order=2 if len(times) > 2 else 1)
    return CubicHermiteSpline(times, values, slopes)(inside)


def observed(times, values, at):
    module = load(TEXT)
    inputs = {name: (times, torch.as_tensor(values)) for name in module.INPUTS}
    net = module.Model()
    t = torch.tensor(at, dtype=D)
    shape = (len(at), *np.shape(values)[1:], 1)
    return dict(
        zip(module.OBSERVABLES, net.observe(t, torch.zeros(shape, dtype=D), inputs=inputs).unbind(-1))
    )


@pytest.mark.parametrize("kind", ["held", "straight", "smooth"])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_values_between_at_and_outside_the_knots(kind, count):
    times, values = TIMES[:count], VALUES[:count]
    found = observed(times, values, AT)[kind].numpy()
    np.testing.assert_allclose(found, interpolate(kind, times, values, AT), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", ["held", "straight", "smooth"])
def test_a_series_for_each_trajectory(kind):
    many = np.random.default_rng(0).normal(size=(6, 3, 2))
    found = observed(TIMES, many, AT)[kind].numpy()
    for i, j in np.ndindex(3, 2):
        expected = interpolate(kind, TIMES, many[:, i, j], AT)
        np.testing.assert_allclose(found[:, i, j], expected, rtol=1e-13, atol=1e-14)


def test_a_single_sample_is_a_constant():
    for values in observed([1.0], [2.5], AT).values():
        assert values.tolist() == [2.5] * len(AT)


def test_every_input_may_have_its_own_times():
    module = load(TEXT)
    inputs = {
        "h": ([0.0], [1.0]),
        "l": ([0.0, 10.0], [0.0, 10.0]),
        "c": ([0.0, 5.0, 10.0], [0.0, 25.0, 100.0]),
    }
    x = module.Model()(torch.tensor([0.0, 3.0], dtype=D), inputs=inputs)
    assert x[-1].item() == pytest.approx(3.0 + 4.5 + 9.0, rel=1e-13)


@pytest.mark.parametrize(("method", "order"), [("midpoint", 2), ("heun3", 3), ("rk4", 4)])
@pytest.mark.parametrize("reversed_time", [False, True])
def test_jumps_where_steps_end_cost_no_order(method, order, reversed_time):
    net = [load(HELD, method).Model(dt=dt) for dt in (0.1, 0.05)]
    inputs = {"u": ([0.0, 0.3, 0.7, 1.2], [1.0, 3.0, 2.0, 0.5])}
    t = torch.tensor([0.0, 0.4, 2.0], dtype=D)
    area = 0.3 * 1.0 + 0.4 * 3.0 + 0.5 * 2.0 + 0.8 * 0.5
    t, exact = (t.flip(0), np.exp(area)) if reversed_time else (t, np.exp(-area))
    errors = [abs(n(t, inputs=inputs)[-1].item() - exact) for n in net]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35), errors


def test_gradients_of_values_that_no_step_meets_are_zero():
    net = load(HELD).Model()
    values = torch.ones(4, dtype=D, requires_grad=True)
    x = net(torch.tensor([0.0, 1.0], dtype=D), inputs={"u": ([0.0, 0.5, 2.0, 3.0], values)})
    (g,) = torch.autograd.grad(x[-1].sum(), values)
    assert g[:2].tolist() == pytest.approx([-0.5 * x[-1].item()] * 2, rel=1e-5)
    assert g[2:].tolist() == [0.0, 0.0]
