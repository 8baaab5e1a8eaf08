"""Runs by fixed steps, of the run-time and of a whole module: the same numbers."""

import pytest
import torch
from engine_cases import MAP, PREY, PUSHED, TIMED, D, arguments, close, engines, hold

from odec.runtime.engines import ALL, SQRT, How
from odec.runtime.steps import Steps

T = torch.tensor([1.31, 1.5, 1.5, 1.77, 1.98], dtype=D)
"""Between knots of the inputs, on which whole modules do not land."""


@pytest.mark.parametrize("printed", [True, False])
@pytest.mark.parametrize("method", ["euler", "rk4", "tsit5"])
@pytest.mark.parametrize("text", [PREY, TIMED, PUSHED])
def test_the_numbers_are_those_of_a_whole_module(text, method, printed):
    hold(engines(text, method, printed), T, *arguments(text, (3,)), Steps(0.1))


@pytest.mark.parametrize("method", ["vern7", "dop853"])
def test_a_table_whose_last_stages_estimate_the_error_alone(method):
    hold(engines(TIMED, method, printed=False), T, *arguments(TIMED, (2,)), Steps(0.3))


@pytest.mark.parametrize("keep", [ALL, SQRT, 1, 3, 1000])
def test_checkpoints(keep):
    hold(engines(PUSHED, "rk4"), T, *arguments(PUSHED, (2,)), Steps(0.07), How(keep=keep))


@pytest.mark.parametrize("batch", [(), (0,), (2, 3)])
@pytest.mark.parametrize("shared", [True, False])
def test_batches(batch, shared):
    hold(engines(PUSHED, "rk4"), T, *arguments(PUSHED, batch, shared), Steps(0.2))


def test_backwards_in_time():
    hold(engines(PUSHED, "rk4"), T.flip(0), *arguments(PUSHED, (2,)), Steps(0.2))


def test_clip():
    run = hold(engines(TIMED, "rk4", printed=False), T, *arguments(TIMED, (3,)), Steps(0.2, clip=0.4))
    free = engines(TIMED, "rk4")[0].states(T, *arguments(TIMED, (3,)), Steps(0.2), 1)
    assert not torch.allclose(run.xs, free.xs)


def test_without_cotangents_of_times():
    hold(engines(PUSHED, "rk4", printed=False), T, *arguments(PUSHED), Steps(0.2), wrt_times=False)


def test_maps():
    t = torch.tensor([0.0, 1.0, 1.0, 4.0], dtype=D)
    hold(engines(MAP, None), t, *arguments(MAP, (3,)), Steps(), How(keep=2))


@pytest.mark.parametrize("lost", [(0,), (1, 2), (0, 1, 2)])
def test_trajectories_that_cannot_be_finished(lost):
    pair = engines(PUSHED, "euler")
    x0, p, series = arguments(PUSHED, (3,), shared=True)
    for i in lost:
        x0[i] = torch.nan
    hold(pair, T, x0, p, series, Steps(0.2))


def test_no_loss_of_a_lost_trajectory_leaves_the_others_their_gradients():
    new, old = engines(TIMED, "euler")
    x0, p, series = arguments(TIMED, (3,), shared=True)
    x0[1] = torch.inf
    run = new.states(T, x0, p, series, Steps(0.2), ALL)
    w = torch.ones_like(run.xs)
    w[:, 1] = 0
    found = new.adjoint(T, run, p, series, w, Steps(0.2), How(), True)
    assert torch.isfinite(found.p).all() and not found.x0[1].any()
    for value, other in zip(found[:3], old.adjoint(T, run, p, series, w, Steps(0.2), How(), True)):
        close(value, other)


@pytest.mark.parametrize("text", [PUSHED, MAP])
def test_plain_operations_give_the_same_states_and_gradients(text):
    pair = engines(text, "rk4" if text == PUSHED else None)
    t = T if text == PUSHED else torch.tensor([0.0, 2.0, 3.0], dtype=D)
    steps = Steps(0.2 if text == PUSHED else None)
    answers = []
    for engine in pair:
        given = [value.clone().requires_grad_() for value in (t, *arguments(text, (2,))[:2])]
        series = arguments(text, (2,))[2]
        xs, report = engine.plain(*given, series, steps)
        assert report.shape == (2, 0)
        (xs**2).sum().backward()
        answers.append((xs.detach(), *(v.grad for v in given[1:])))
    for new, old in zip(*answers):
        close(new, old)


@pytest.mark.parametrize(
    ("times", "method", "dt"),
    [([0.0, 1.0, 0.5], "euler", 0.1), ([0.0, float("nan")], "euler", 0.1), ([0.0, 1e12], "euler", 0.1),
     ([0.0, 0.5], None, None), ([1.0, 0.0], None, None), ([0.0, 1e11], None, None)],
)  # fmt: skip
def test_times_that_do_not_fit_are_refused_in_the_same_words(times, method, dt):
    text = PREY if method else MAP
    t = torch.tensor(times, dtype=D)
    said = []
    for engine in engines(text, method):
        with pytest.raises(ValueError) as error:
            engine.states(t, *arguments(text), Steps(dt), 1)
        said.append(str(error.value))
    assert said[0] == said[1]
