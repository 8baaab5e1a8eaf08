"""The continuous adjoint, of the run-time and of a whole module: the same numbers."""

import warnings

import pytest
import torch
from engine_cases import AROUND, PUSHED, TIMED, D, arguments, close, engines, hold
from old_engine import normal
from tiers import each_once

from odec.runtime.engines import How
from odec.runtime.steps import Steps, Tolerance

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

T = torch.tensor([0.1, 0.5, 0.5, 1.1, 1.7, 2.9], dtype=D)
CONTINUOUS = How("continuous")


def each(text, batch=(), shared=False):
    """Arguments with every input's coefficients by trajectory."""
    x0, p, series = arguments(text, batch, shared)
    for i, c in enumerate(series):
        if i % 2:
            axes = [1] * (len(batch) + 2 - c.dim())
            series[i] = c.reshape(*c.shape[:2], *axes, *c.shape[2:]).expand(*c.shape[:2], *batch).contiguous()
    return x0, p, series


def steps(rtol=1e-5, clip=None, adjoint=(1e-4, 1e-6, 1e-7), **more):
    return Steps(None, Tolerance(rtol, (1e-8, 1e-7), adjoint=adjoint, **more), clip)


@pytest.mark.parametrize(
    ("method", "text"), each_once(["euler", "rk4", "kvaerno5", "rodas5p", "tsit5", "auto"], [TIMED, PUSHED])
)
def test_by_fixed_steps(text, method):
    given = arguments(text, (3,), knots=AROUND)
    hold(engines(text, method), T, *given, Steps(0.1), CONTINUOUS, tolerance=1e-12)


def test_by_fixed_steps_for_shared_parameters_and_held_slopes():
    given = arguments(PUSHED, (2, 2), shared=True, knots=AROUND)
    hold(engines(PUSHED, "rk4"), T, *given, Steps(0.1, clip=1.0), CONTINUOUS)


@pytest.mark.parametrize(
    ("method", "text"), each_once(["bosh3", "tsit5", "kvaerno5", "rodas5p", "auto"], [TIMED, PUSHED])
)
def test_by_tolerance(text, method):
    hold(engines(text, method), T, *each(text, (3,)), steps(), CONTINUOUS, tolerance=1e-11)


@pytest.mark.parametrize("batch", [(), (0,), (2, 2)])
def test_batches(batch):
    hold(engines(PUSHED, "tsit5"), T, *each(PUSHED, batch, True), steps(dense=True), CONTINUOUS)


@pytest.mark.parametrize("pace", [Steps(0.1), steps()])
def test_inputs_that_trajectories_share_have_the_sum_of_their_gradients(pace):
    engine, _ = engines(PUSHED, "tsit5")
    found = []
    for x0, p, series in (arguments(PUSHED, (3,)), each(PUSHED, (3,))):
        run = engine.states(T, x0, p, series, pace, 1)
        found.append(engine.adjoint(T, run, p, series, normal(run.xs.shape, 3), pace, CONTINUOUS, True).u)
    assert found[0][1].dim() == 2 and found[1][1].dim() == 3
    for shared, by_trajectory in zip(*found):
        close(shared, by_trajectory if shared.dim() == 3 else by_trajectory.sum(-1))


def test_backwards_in_time_without_cotangents_of_times():
    given = each(PUSHED, (2,))
    hold(engines(PUSHED, "tsit5"), T.flip(0), *given, steps(), CONTINUOUS, wrt_times=False)


def test_an_adjoint_that_runs_out_of_steps_says_so_in_the_same_words():
    answers = []
    for engine in engines(TIMED, "bosh3"):
        x0, p, series = arguments(TIMED, (2,))
        pace = steps(1e-2, adjoint=(1e-11, 1e-12, 1e-12), most=100)
        run = engine.states(T, x0, p, series, pace, 1)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            w = normal(run.xs.shape, 3)
            found = engine.adjoint(T, run, p, series, w, pace, CONTINUOUS, True)
        answers.append(([str(one.message) for one in said], found))
    assert answers[0][0] == answers[1][0] and "could not be solved" in answers[0][0][0]
    assert torch.isnan(answers[0][1].x0).all()
    for new, old in zip(answers[0][1][:3], answers[1][1][:3]):
        close(new, old)
