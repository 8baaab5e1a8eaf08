"""The optimizers on functions whose minimum is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from odec.fit.adam import Adam
from odec.fit.lbfgs import LBFGS, line_search
from odec.fit.optimize import Function, State, begin, minimize


def rosenbrock(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)², least at (1, …, 1)."""
    a, b = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * a * (b - a * a) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a * a)
    return float((100 * (b - a * a) ** 2 + (1 - a) ** 2).sum()), gradient


def walled(function: Function, wall: float) -> Function:
    """The function where Σ x² < wall, a failure elsewhere."""

    def inside(x: np.ndarray) -> tuple[float, np.ndarray]:
        return function(x) if x @ x < wall else (math.inf, np.zeros_like(x))

    return inside


@pytest.mark.parametrize("size", [2, 10])
def test_lbfgs_finds_the_minimum_of_rosenbrock(size: int) -> None:
    trace = minimize(rosenbrock, LBFGS(size=1e-6), begin(rosenbrock, np.full(size, -1.2)), epochs=500)
    assert trace.state.converged, trace.message
    np.testing.assert_allclose(trace.best.theta, 1, atol=1e-6)
    assert len(trace.losses) == trace.state.epoch + 1
    assert all(b <= a for a, b in zip(trace.losses, trace.losses[1:], strict=False))


def test_lbfgs_bears_failures() -> None:
    function = walled(rosenbrock, 3.0)
    trace = minimize(function, LBFGS(size=1e-6), begin(function, np.array([-1.2, 1.0])), epochs=500)
    assert trace.state.converged, trace.message
    np.testing.assert_allclose(trace.best.theta, 1, atol=1e-6)


def test_lbfgs_on_a_badly_scaled_quadratic() -> None:
    scales = 10.0 ** np.arange(6)

    def quadratic(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(1 + scales @ (x - 2) ** 2), 2 * scales * (x - 2)

    trace = minimize(quadratic, LBFGS(), begin(quadratic, np.zeros(6)), epochs=500)
    assert trace.state.converged
    np.testing.assert_allclose(trace.best.theta, 2, atol=1e-6)


def test_lbfgs_at_the_minimum_takes_no_step() -> None:
    trace = minimize(rosenbrock, LBFGS(), begin(rosenbrock, np.ones(3)), epochs=10)
    assert trace.state.converged
    assert trace.state.epoch == 0


def test_lbfgs_says_when_it_is_stuck() -> None:
    """A gradient that points the wrong way."""

    def wrong(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(1 + x @ x), -2 * x

    trace = minimize(wrong, LBFGS(), begin(wrong, np.ones(2)), epochs=10)
    assert not trace.state.converged
    assert trace.message == "stopped: no step along the gradient lowers the loss"


def test_line_search_holds_the_strong_wolfe_conditions() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        x = rng.normal(size=4)
        loss, gradient = rosenbrock(x)
        state = State(0, x, loss, gradient)
        direction = -gradient * 10.0 ** rng.uniform(-5, 1)
        point = line_search(rosenbrock, state, direction)
        assert point is not None
        slope = gradient @ direction
        assert point.loss <= loss + 1e-4 * point.step * slope
        assert abs(point.gradient @ direction) <= -0.9 * slope
        assert point.loss == rosenbrock(x + point.step * direction)[0]


def test_adam_is_torch_s_adam() -> None:
    trace = minimize(rosenbrock, Adam(lr=0.02), begin(rosenbrock, np.array([-1.2, 1.0])), epochs=200)
    theta = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.02)
    losses = []
    for _ in range(201):
        optimizer.zero_grad()
        loss = 100 * (theta[1] - theta[0] ** 2) ** 2 + (1 - theta[0]) ** 2
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(trace.losses, losses, rtol=1e-9)


def test_adam_takes_back_a_step_into_a_failure() -> None:
    function = walled(rosenbrock, 1.3)
    trace = minimize(function, Adam(lr=0.5), begin(function, np.array([0.0, -1.0])), epochs=300)
    assert all(math.isfinite(loss) for loss in trace.losses)
    assert trace.best.loss < 0.5
    assert trace.state.memory["lr"] < 0.5


def test_adam_gives_up_where_everything_fails() -> None:
    def island(x: np.ndarray) -> tuple[float, np.ndarray]:
        return (1.0, np.ones(2)) if not x.any() else (math.inf, np.zeros(2))

    trace = minimize(island, Adam(lr=1.0), begin(island, np.zeros(2)), epochs=1000)
    assert trace.state.epoch < 100
    assert trace.message.startswith("the simulation fails all around this point")
    assert trace.best.loss == 1.0


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam(lr=0.1)])
def test_a_run_in_two_parts_is_the_run_in_one(optimizer: LBFGS | Adam) -> None:
    start = np.array([-1.2, 1.0, 0.5])
    whole = minimize(rosenbrock, optimizer, begin(rosenbrock, start), epochs=30)
    part = minimize(rosenbrock, optimizer, begin(rosenbrock, start), epochs=13)
    assert part.state.epoch == 13
    part = minimize(rosenbrock, optimizer, part, epochs=30)
    assert part.losses == whole.losses
    assert part.best.theta.tolist() == whole.best.theta.tolist()


@pytest.mark.parametrize("call", [1, 2, 7])
def test_an_interrupt_keeps_the_last_whole_step(call: int) -> None:
    calls = 0

    def interrupted(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal calls
        calls += 1
        if calls > call:
            raise KeyboardInterrupt
        return rosenbrock(x)

    trace = minimize(interrupted, Adam(lr=0.1), begin(interrupted, np.zeros(2)), epochs=50)
    assert trace.interrupted
    assert trace.message == "interrupted; the best values so far are kept"
    assert trace.state.epoch == call - 1
    assert len(trace.losses) == call
    assert trace.best.loss == min(trace.losses)
