"""Where outputs lie within steps though nobody asked: their number alone decides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from generated import load
from test_adaptive import LV

import odec
from odec.plot.bends import needed, times_between

D = torch.float64
PULSE = "init x = 0\nx' = exp(-((t - 70)/0.4)**2)\nrun t = 0 .. 100 step 0.5\n"
"""A smooth pulse after a long rest, on which steps grow without bound."""


def steps_to(count: int, **options: object) -> int:
    net = load(LV, "tsit5").Model(adjoint="none", **options)
    with torch.no_grad():
        net(torch.linspace(0, 5, count + 1, dtype=D))
    return int(net.status.steps)


def test_more_than_a_hundred_times_lie_within_steps():
    free = steps_to(1)
    assert steps_to(100) >= 100 > free
    assert steps_to(101) == steps_to(1000) == free
    assert steps_to(101, dense_output=False) >= 101
    assert steps_to(5, dense_output=True) == free


def test_times_that_repeat_count_once():
    net = load(LV, "tsit5").Model(adjoint="none")
    with torch.no_grad():
        x = net(torch.linspace(0, 5, 101, dtype=D).repeat_interleave(3))
    assert int(net.status.steps) >= 100 and torch.isfinite(x).all()


def test_a_method_without_an_interpolant_ends_on_every_time():
    net = load(LV, "kvaerno3").Model(adjoint="none", rtol=1e-3)
    with torch.no_grad():
        net(torch.linspace(0, 5, 151, dtype=D))
    assert int(net.status.steps) >= 150


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_a_smooth_pulse_is_not_stepped_over(engine):
    """No step is longer than a hundredth of the run; without that bound it is, and x stays 0."""
    run = odec.simulate(PULSE, engine=engine)
    assert run["x"][-1] == pytest.approx(0.4 * math.sqrt(math.pi), rel=1e-5)
    assert 100 <= int(run.status.steps) < 200
    missed = odec.simulate(PULSE, engine=engine, max_step=1e9)
    assert abs(missed["x"][-1]) < 1e-6


def test_gradients_are_those_of_the_steps_taken():
    net = load(LV, "tsit5").Model(rtol=1e-5)
    same = load(LV, "tsit5").Model(rtol=1e-5, adjoint="autograd")
    t = torch.linspace(0, 3, 120, dtype=D)
    found = []
    for one in (net, same):
        x0 = torch.tensor([10.0, 5.0], dtype=D, requires_grad=True)
        found.append(torch.autograd.grad(one(t, x0=x0).square().sum(), x0)[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-11, atol=0)


RESONATOR = "init x = 1\ninit v = 0\nx' = v\nv' = -100*x\n"


def test_a_picture_follows_the_solution_between_outputs():
    run = odec.simulate(RESONATOR, t1=1.0, step=0.5, method="tsit5")
    fine = run.finer()
    assert len(fine.times) > 1000 and set(run.times) <= set(fine.times)
    np.testing.assert_allclose(fine["x"], np.cos(10 * fine.times), atol=1e-4)
    mask = needed(fine.times, fine.states, run.times, run.states)
    assert mask.all()


def test_a_picture_of_fixed_steps_shows_their_ends():
    run = odec.simulate(RESONATOR, t1=1.0, step=0.5, method="euler", dt=0.01, check=False)
    fine = run.finer()
    np.testing.assert_allclose(np.diff(fine.times), 0.01, rtol=1e-9)
    np.testing.assert_allclose(fine.states[[0, 50, 100]], run.states, rtol=1e-12)
    z = np.array([1.0, 0.0])
    for state in fine.states[1:]:
        z = z + 0.01 * np.array([z[1], -100 * z[0]])
        np.testing.assert_allclose(state, z, rtol=1e-11)


def test_straight_curves_get_no_more_points():
    t = np.array([0.0, 1.0, 2.0])
    fine = times_between(t.tolist(), [4, 4])
    curves = np.stack([fine, np.where(fine > 1, (fine - 1) * (2 - fine), 0.0)], -1)
    kept = fine[needed(fine, curves, t, curves[[0, 4, 8]])]
    np.testing.assert_array_equal(kept, [0, 1, 1.25, 1.5, 1.75, 2])
