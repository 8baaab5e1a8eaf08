"""Runs that end when told, in the middle of one call, and leave the next one right."""

import contextlib
import dataclasses
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import odec
from odec.runtime import stopping

LONG, SHORT = 1e9, 3.0
MODEL = """
param k = 0.7 in (0, inf)
param c = 0 in [0, inf)
init x = 1
init y = 0.5
x' = k*y - c*x
y' = -k*x
run t = 0 .. 3 step 1
"""
KINDS = {
    "fixed": ("rk4", {"dt": 0.11}),
    "adaptive": ("dopri5", {"rtol": 1e-10, "atol": 1e-12, "max_steps": 10**12}),
}
"""Methods with steps of which a run to LONG takes minutes, on either engine."""
MOST_SECONDS = 20.0
"""By far more than it takes to end: a run that is not told to would go on for longer."""


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    path = tmp_path_factory.mktemp("interruption") / "swing.ode"
    path.write_text(MODEL)
    modules = {kind: odec.load(path, method=method, engine="auto") for kind, (method, _) in KINDS.items()}
    return lambda kind, engine: modules[kind].Model(engine=engine, **KINDS[kind][1])


def times(end):
    return torch.tensor([0.0, end], dtype=torch.float64)


def solve(net, end):
    with torch.no_grad():
        return net(times(end))


def tangent(net, end):
    x0, p = torch.tensor([1.0, 0.5], dtype=torch.float64), net.vector().detach()
    engine, t = net.compiled.engine(net.engine), times(end)
    given = (torch.zeros_like(t), torch.ones_like(x0), torch.ones_like(p), [])
    return engine.tangent(t, x0, p, [], *given, net.steps)


def loss(net, end):
    x0, p, t = torch.tensor([1.0, 0.5], dtype=torch.float64), net.vector().detach(), times(end)
    ones = torch.ones((2, 2), dtype=torch.float64)
    # fixed steps go to a tape, of which that long there is no room
    most = 1e5 if net.steps.tolerance is None else end
    found, gradients, _ = net.compiled.engine("native").loss_gradient(
        t.clamp(max=most), x0, p, [], ones, ones, net.steps
    )
    return torch.cat([found.reshape(1), gradients.x0, gradients.p])


@contextlib.contextmanager
def ended_by(told, wait, error):
    """What is told after a while, in another thread, ends the block by an error soon."""
    at = []

    def tell():
        at.append(time.monotonic())
        told()

    timer = threading.Timer(wait, tell)
    try:
        with stopping.within():  # so that it may be told before the run has begun
            timer.start()
            with pytest.raises(error):
                yield
        assert time.monotonic() - at[0] < MOST_SECONDS
    finally:
        timer.cancel()
        timer.join()


def control_c():
    os.kill(os.getpid(), signal.SIGINT)


RUNS = [(run, kind, "native") for run in (solve, tangent) for kind in KINDS]
RUNS += [(loss, "adaptive", "native"), (solve, "fixed", "torch"), (tangent, "adaptive", "torch")]


@pytest.mark.parametrize(
    ("run", "kind", "engine"), RUNS, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_a_call_ends_when_told_and_the_next_one_is_right(run, kind, engine, nets):
    net, moments = nets(kind, engine), random.Random(f"{run.__name__} {kind} {engine}")
    before = run(net, SHORT)
    for told, error in ((control_c, KeyboardInterrupt), (odec.interrupt, odec.Interrupted)):
        with ended_by(told, moments.uniform(0.1, 0.3), error):
            run(net, LONG)
        assert torch.equal(run(net, SHORT), before)
    assert threading.active_count() == 1


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_runs_of_all_threads_end(engine, nets):
    net, ended = nets("adaptive", engine), []

    def run():
        try:
            solve(net, LONG)
        except odec.Interrupted:
            ended.append(threading.get_ident())

    solve(net, SHORT)
    team = [threading.Thread(target=run) for _ in range(3)]
    for thread in team:
        thread.start()
    end = time.monotonic() + MOST_SECONDS
    while any(thread.is_alive() for thread in team) and time.monotonic() < end:
        time.sleep(0.05)
        odec.interrupt()
    assert set(ended) == {thread.ident for thread in team}


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_control_c_ends_the_runs_of_threads(engine, nets):
    """Also while the main thread does no more than wait for them, as a pool of threads does."""
    net = nets("adaptive", engine)
    before = solve(net, SHORT)
    with ThreadPoolExecutor(2) as pool:
        assert torch.equal(pool.submit(solve, net, SHORT).result(), before)
        runs = [pool.submit(solve, net, LONG) for _ in range(2)]
        time.sleep(0.3)
        with pytest.raises(KeyboardInterrupt):
            control_c()
            time.sleep(MOST_SECONDS)
        for run in runs:
            assert isinstance(run.exception(MOST_SECONDS), odec.Interrupted)
        assert torch.equal(pool.submit(solve, net, SHORT).result(), before)


def test_threads_of_one_kernel_end_together(nets):
    net = nets("fixed", "native")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ended_by(control_c, 0.1, KeyboardInterrupt), torch.no_grad():
            net(times(LONG), x0=torch.ones((64, 2), dtype=torch.float64))
    finally:
        torch.set_num_threads(threads)


def test_a_signal_that_raises_nothing_is_dealt_with_while_the_run_goes_on(nets):
    """A clock that ticks in Python, within one native call of which the numbers stay as they are."""
    net, ticks = nets("fixed", "native"), []
    before, handler = (
        solve(net, 3e2),
        signal.signal(signal.SIGALRM, lambda *_: ticks.append(time.monotonic())),
    )
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        start = time.monotonic()
        after = solve(net, 1e4)
        end = time.monotonic()
        assert torch.equal(solve(net, 3e2), before)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert bool(torch.isfinite(after).all())
    assert end - start < 0.1 or any(start < tick < end for tick in ticks)


def test_an_error_of_a_signal_handler_is_the_error_of_the_run(nets):
    def refuse(*_):
        raise ZeroDivisionError("told so")

    handler = signal.signal(signal.SIGALRM, refuse)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(ZeroDivisionError, match="told so"):
            solve(nets("fixed", "native"), LONG)
    finally:
        signal.signal(signal.SIGALRM, handler)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_run_ends_after_the_time_it_was_given(engine, nets):
    net = nets("fixed", engine)
    with stopping.within(60.0):
        before = solve(net, SHORT)
        with pytest.raises(stopping.OutOfTime), stopping.within(0.05):
            solve(net, LONG)
        assert torch.equal(solve(net, SHORT), before)
    assert stopping.bounds() is None


def test_a_piece_of_work_ends_also_between_its_runs(nets):
    net = nets("fixed", "native")
    with stopping.within(), pytest.raises(odec.Interrupted):
        odec.interrupt()
        solve(net, LONG)
    solve(net, SHORT)


def data():
    t = torch.linspace(0, 3, 7, dtype=torch.float64).numpy()
    return {"t": t, "x": 1 + 0 * t}


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_model_keeps_its_time(engine, nets):
    """Forwards, prepared and backwards; in the words of its own limit, though another one is around it."""
    net = nets("fixed", engine)
    before, net.max_time = solve(net, SHORT), 0.05
    assert torch.equal(solve(net, SHORT), before) and torch.equal(
        net.prepared(times(SHORT))(before[0], net.vector().detach()), before
    )
    with pytest.raises(odec.OutOfTime, match="within max_time = 0.05 s.*: give it more time"):
        solve(net, LONG)
    with pytest.raises(odec.OutOfTime, match="0.05 s"), stopping.within(100.0):
        net.prepared(times(LONG))
    with pytest.raises(odec.SimulationError, match="did not end within max_time = 0.05 s"):
        odec.simulate(net, t1=1e7, step=1e7)
    assert stopping.bounds() is None


@pytest.mark.parametrize("engine", [pytest.param("native", marks=pytest.mark.slow), "torch"])
def test_a_gradient_keeps_the_time_of_its_model(engine, nets):
    x = nets("fixed", engine)(times(300.0 if engine == "torch" else 3e4))
    limited = dataclasses.replace(x.grad_fn.plan, max_time=1e-3)
    with pytest.raises(odec.OutOfTime, match="0.001 s"):
        limited.adjoint(*x.grad_fn.saved_tensors[:4], [], torch.ones_like(x), False)


@pytest.mark.parametrize("most", [0, -1.0, float("nan"), "soon"])
def test_a_time_that_is_none_is_refused(most, nets):
    with pytest.raises(ValueError, match="max_time, in seconds, must be a positive number"):
        nets("fixed", "torch").max_time = most


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_simulate_says_that_its_time_is_over(engine, tmp_path):
    path = tmp_path / "swing.ode"
    path.write_text(MODEL)
    with pytest.raises(odec.SimulationError, match="did not end within max_time = 0.1 s"):
        odec.simulate(path, t1=1e7, step=1e7, dt=0.2, method="rk4", engine=engine, max_time=0.1, check=False)
    with pytest.raises(odec.ArgumentError, match="max_time must be a positive number"):
        odec.simulate(path, max_time=0)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_fit_keeps_its_best_when_its_time_is_over_and_goes_on(engine, tmp_path):
    path = tmp_path / "swing.ode"
    path.write_text(MODEL)
    asked = {
        "optimizer": "adam",
        "lr": 1e-6,
        "epochs": 10**6,
        "engine": engine,
        "check": False,
        "method": "rk4",
    }
    odec.fit(path, data(), dt=0.1, **{**asked, "epochs": 1})  # compiles, which is no part of the time below
    first = odec.fit(path, data(), dt=0.1, max_time=1.0, **asked)
    assert "max_time" in first.message and not first.converged and not first.interrupted
    assert first.loss == min(first.losses) and len(first.losses) < 10**6
    first.save(tmp_path / "fit.json")
    again = odec.fit(path, data(), resume=tmp_path / "fit.json", epochs=len(first.losses) + 4)
    assert len(again.losses) == len(first.losses) + 5
    assert again.losses[: len(first.losses)] == first.losses


def test_a_fit_told_to_end_keeps_its_best(tmp_path):
    path = tmp_path / "swing.ode"
    path.write_text(MODEL)
    timer = threading.Timer(2.0, odec.interrupt)
    timer.start()
    found = odec.fit(
        path, data(), method="rk4", dt=0.01, optimizer="adam", lr=1e-6, epochs=10**6, engine="torch"
    )
    timer.join()
    assert found.interrupted and "interrupted" in found.message
