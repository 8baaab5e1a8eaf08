"""The torch engine's runs of Adams methods are those of whole modules: batches, failures, no steps."""

import pytest
import torch
from engine_cases import GROWING, PREY, PUSHED, TIMED, D, arguments, close, engines, hold
from tiers import each_once

from odec.runtime.engines import SQRT, How
from odec.runtime.steps import Steps, Tolerance

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

T = torch.tensor([0.1, 0.5, 0.5, 1.1, 1.7, 2.9], dtype=D)
POLE = "param k = 1\ninit x = 1\ninit y = 1\ndx/dt = k*x*x\ndy/dt = -y\n"
FIXED = Steps(0.09)
CLOSE = 1e-10
"""Weights of orders up to 8 on unequal steps enlarge rounding."""


def steps(rtol=1e-5, clip=None, **more):
    return Steps(None, Tolerance(rtol, (1e-8, 1e-7), **more), clip)


def text_for(asked):
    """With fixed steps one without inputs: those of whole modules do not end on their knots."""
    return TIMED if asked.dt else PUSHED


def times_for(asked):
    return GROWING if asked.dt else T


@pytest.mark.parametrize("asked", [FIXED, steps()])
@pytest.mark.parametrize(("batch", "shared"), each_once([(2, 3), (), (0,)], [True, False]))
def test_batches(batch, shared, asked):
    text = text_for(asked)
    given = (times_for(asked), *arguments(text, batch, shared), asked)
    hold(engines(text, "adams"), *given, tolerance=CLOSE)


@pytest.mark.parametrize("asked", [FIXED, steps()])
@pytest.mark.parametrize("times", [[1.0], [1.0, 1.0]])
def test_no_step_at_all(times, asked):
    t = torch.tensor(times, dtype=D)
    hold(engines(PUSHED, "adams"), t, *arguments(PUSHED, (2,)), asked)


@pytest.mark.parametrize("asked", [FIXED, steps()])
def test_backwards_in_time_without_cotangents_of_times(asked):
    text = text_for(asked)
    given = (2.0 - times_for(asked), *arguments(text, (2,)), asked)
    hold(engines(text, "adams"), *given, wrt_times=False, tolerance=CLOSE)


@pytest.mark.parametrize("method", ["explicit_adams", "implicit_adams"])
def test_few_states_are_kept(method):
    hold(engines(TIMED, method), GROWING, *arguments(TIMED, (2,)), FIXED, How(keep=SQRT), tolerance=1e-12)


@pytest.mark.parametrize(
    "more", [{"first": 1e-3}, {"longest": 0.05}, {"least": 0.3}, {"most": 7}, {"clip": 0.5}]
)
def test_bounds_of_steps(more):
    hold(engines(TIMED, "adams"), T, *arguments(TIMED, (3,)), steps(1e-4, **more), tolerance=CLOSE)


def test_trajectories_that_end_at_a_pole():
    x0 = torch.tensor([[1.0, 1.0], [0.1, 2.0], [0.2, 1.0]], dtype=D)
    pair = engines(POLE, "adams")
    run = hold(pair, T, x0, torch.ones(1, dtype=D), [], steps(1e-2), tolerance=1e-9)
    assert (run.report[..., 0] != 0).tolist() == [True, False, False]
    assert torch.isnan(run.xs[-1, 0]).all()


@pytest.mark.parametrize("asked", [FIXED, steps()])
def test_gradients_by_plain_operations(asked):
    given = [value.requires_grad_() for value in arguments(PREY, (2,))[:2]]
    t = times_for(asked).clone().requires_grad_()
    found = []
    for engine in engines(PREY, "adams"):
        xs, _ = engine.plain(t, *given, [], asked)
        first = torch.autograd.grad(xs.square().sum(), (t, *given), create_graph=True)
        found.append((xs, *first, *torch.autograd.grad(first[1].sum(), given)))
    for own, wanted in zip(*found):
        close(own.detach(), wanted.detach(), 1e-9)


def test_a_float32_run():
    x0, p, series = (value for value in arguments(PREY, (2,)))
    given = T.float(), x0.float(), p.float(), series
    for asked in (FIXED, steps(1e-4)):
        run, wanted = (engine.states(*given, asked, 0) for engine in engines(PREY, "adams"))
        assert run.xs.dtype == torch.float32
        close(run.xs, wanted.xs, 2e-5)
