"""Runs by tolerance, of the run-time and of a whole module: the same numbers."""

import warnings

import pytest
import torch
from engine_cases import PREY, PUSHED, TIMED, D, arguments, close, engines, hold
from old_engine import normal

from odec.runtime.engines import How
from odec.runtime.steps import Steps, Tolerance

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

T = torch.tensor([0.1, 0.5, 0.5, 1.1, 1.7, 2.9], dtype=D)
STIFF = "param k = 1000\ninit x = 1\ninit y = 0\ndx/dt = -k*(x - cos(t))\ndy/dt = x\n"
POLE = "param k = 1\ninit x = 1\ninit y = 1\ndx/dt = k*x*x\ndy/dt = -y\n"


def steps(rtol=1e-5, clip=None, **more):
    return Steps(None, Tolerance(rtol, (1e-8, 1e-7), **more), clip)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("method", ["heun21", "bosh3", "dopri5", "tsit5", "vern7", "dop853"])
@pytest.mark.parametrize("text", [TIMED, PUSHED])
def test_the_numbers_are_those_of_a_whole_module(text, method, dense):
    rtol = 1e-2 if method == "heun21" else 1e-5
    dense = dense and method != "dop853"  # whose steps are shorter then than they were, for its polynomial
    run = hold(engines(text, method), T, *arguments(text, (3,)), steps(rtol, dense=dense))
    assert run.report[..., 3].min() > 1 and not run.report[..., 0].any()


@pytest.mark.parametrize("method", ["bosh3", "dopri5", "vern7", "dop853"])
def test_steps_by_the_table(method):
    pair = engines(PUSHED, method, printed=False)
    dense = method != "dop853"  # whose steps are shorter then than they were, for its polynomial
    hold(pair, T, *arguments(PUSHED, (2,)), steps(1e-6, dense=dense), tolerance=1e-10)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("batch", [(), (0,), (2, 3)])
@pytest.mark.parametrize("shared", [True, False])
def test_batches(batch, shared, dense):
    hold(engines(PUSHED, "bosh3"), T, *arguments(PUSHED, batch, shared), steps(1e-3, dense=dense))


@pytest.mark.parametrize("dense", [False, True])
def test_backwards_in_time(dense):
    hold(engines(PUSHED, "tsit5"), T.flip(0), *arguments(PUSHED, (2,)), steps(dense=dense))


@pytest.mark.parametrize(
    "more", [{"first": 1e-3}, {"longest": 0.05}, {"least": 0.3}, {"most": 7}, {"clip": 0.5}]
)
def test_bounds_of_steps(more):
    hold(engines(TIMED, "bosh3"), T, *arguments(TIMED, (3,)), steps(1e-4, **more))


def test_without_cotangents_of_times():
    hold(engines(PUSHED, "tsit5"), T, *arguments(PUSHED), steps(dense=True), wrt_times=False)


@pytest.mark.parametrize("times", [[1.0], [1.0, 1.0]])
def test_no_step_at_all(times):
    hold(engines(PUSHED, "tsit5"), torch.tensor(times, dtype=D), *arguments(PUSHED, (2,)), steps())


@pytest.mark.parametrize("dense", [False, True])
def test_trajectories_that_end_at_a_pole(dense):
    pair = engines(POLE, "dopri5")
    x0 = torch.tensor([[1.0, 1.0], [0.1, 2.0], [0.2, 1.0]], dtype=D)
    run = hold(pair, T, x0, torch.ones(1, dtype=D), [], steps(1e-4, dense=dense))
    assert (run.report[..., 0] != 0).tolist() == [True, False, False]
    assert torch.isnan(run.xs[-1, 0]).all()


def test_a_start_that_is_not_finite():
    x0, p, series = arguments(PUSHED, (3,))
    x0[1, 1] = torch.nan
    run = hold(engines(PUSHED, "tsit5"), T, x0, p, series, steps())
    assert run.report[1, 0] == 1 and run.report[1, 2] == 1


def test_the_mesh_is_not_kept_for_one_state():
    run = engines(TIMED, "tsit5")[0].states(T, *arguments(TIMED, (2,)), steps(), 1)
    assert len(run.kept) == 0


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("text", [TIMED, PUSHED])
def test_plain_operations_give_the_same_states_and_gradients(text, dense):
    answers = []
    for engine in engines(text, "tsit5"):
        x0, p, series = arguments(text, (2,))
        given = [value.clone().requires_grad_() for value in (T, x0, p)]
        series = [c.clone().requires_grad_(i % 2 == 1) for i, c in enumerate(series)]
        xs, report = engine.plain(*given, series, steps(dense=dense))
        (xs * normal(xs.shape, 7)).sum().backward()
        answers.append((xs.detach(), report, *(v.grad for v in (*given, *series[1::2]))))
    for new, old in zip(*answers):
        close(new, old, 1e-12)


def test_plain_operations_lose_what_cannot_be_finished():
    answers = []
    for engine in engines(POLE, "dopri5"):
        x0 = torch.tensor([[1.0, 1.0], [0.1, 2.0]], dtype=D, requires_grad=True)
        xs, _ = engine.plain(T, x0, torch.ones(2, 1, dtype=D), [], steps())
        xs.square().sum().backward()
        answers.append((xs.detach(), x0.grad))
    assert torch.isnan(answers[0][1][0]).all() and torch.isfinite(answers[0][1][1]).all()
    for new, old in zip(*answers):
        close(new, old)


def test_a_stiff_problem_is_warned_of_in_the_same_words():
    said = []
    for engine in engines(STIFF, "dopri5"):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            engine.states(torch.tensor([0.0, 2.0], dtype=D), *arguments(STIFF), steps(1e-4), 1)
        said.append([str(one.message) for one in found])
    assert said[0] == said[1] and len(said[0]) == 1 and "stiff" in said[0][0]


@pytest.mark.parametrize("text", [PREY, PUSHED])
def test_gradients_are_the_derivatives_of_the_plain_run(text):
    engine, _ = engines(text, "tsit5", printed=False)
    x0, p, series = arguments(text, (2,))
    given = [value.clone().requires_grad_() for value in (T, x0, p)]
    xs, _ = engine.plain(*given, series, steps(dense=True))
    w = normal(xs.shape, 8)
    wanted = torch.autograd.grad((xs * w).sum(), given)
    run = engine.states(T, x0, p, series, steps(dense=True), 0)
    found = engine.adjoint(T, run, p, series, w, steps(dense=True), How(), True)
    for value, other in zip((found.t.sum(1), found.x0, found.p), wanted):
        close(value, other, 1e-11)
