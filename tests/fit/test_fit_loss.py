"""The sum of squares, its gradient, and the coordinates of an optimizer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from fit_models import COMPETITION, COMPETITION_DATA

import odec
from odec.errors import ArgumentError
from odec.fit import loss
from odec.fit.data import Columns, read_data
from odec.fit.loss import Objective, SumOfSquares
from odec.fit.start import start_of, start_values

VALUES = {"r1": 0.1, "r2": 0.1, "a1": 1e-3, "a2": 1e-3, "iN1": 1e-3, "iN2": 1e-3}


def objective(data: dict, *, free: tuple[str, ...] = tuple(VALUES), scaled: bool = True) -> Objective:
    module = odec.load(COMPETITION)
    columns = Columns("t", module.STATES, module.OBSERVABLES, (), 0.0, 42.0)
    net = module.Model()
    start = start_of(net, VALUES, free, transforms="model", scaled=scaled)
    fixed = {name: value for name, value in VALUES.items() if name not in free}
    found = Objective(SumOfSquares(net, read_data(data, columns), columns, fixed), start.coordinates)
    assert found.natural(start.theta) == pytest.approx({name: VALUES[name] for name in free}, rel=1e-14)
    return found


def test_the_loss_at_the_start_is_the_published_one() -> None:
    found = objective(COMPETITION_DATA)
    theta = torch.tensor(list(VALUES.values()), dtype=torch.float64).expm1().log() / torch.as_tensor(
        found.coordinates.scale
    )
    assert found(theta.numpy())[0] == pytest.approx(915369.64, abs=0.005)


def test_blanks_do_not_count_and_replicates_count_each() -> None:
    once = objective({"t": [10, 15], "x1": [165, np.nan], "x2": [np.nan, 290]})
    squares = once.loss.residuals(VALUES) ** 2
    assert len(squares) == 2
    twice = objective({"t": [10, 15, 10], "x1": [165, np.nan, 165], "x2": [np.nan, 290, np.nan]})
    total = float(twice.loss(VALUES))
    assert total == pytest.approx(float(2 * squares[0] + squares[1]), rel=1e-14)


def test_observables_and_states_mix() -> None:
    both = objective({"t": [10.0], "x1": [0.0], "x2": [0.0], "total": [0.0]})
    residuals = both.loss.residuals(VALUES)
    assert residuals[2] == pytest.approx(float(residuals[0] + residuals[1]), rel=1e-14)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("free", [tuple(VALUES), ("a1", "r2")])
def test_the_gradient_is_that_of_the_loss(free: tuple[str, ...], scaled: bool) -> None:
    data = {"t": [3, 5, 5], "x1": [90, 80, np.nan], "total": [1.0, np.nan, 2]}
    function = objective(data, free=free, scaled=scaled)
    raw = torch.tensor([VALUES[name] for name in free], dtype=torch.float64).expm1().log()
    start = (raw / torch.as_tensor(function.coordinates.scale)).numpy()
    _, gradient = function(start)
    for k in range(len(free)):
        step = np.zeros(len(free))
        step[k] = 1e-5
        difference = (function(start + step)[0] - function(start - step)[0]) / 2e-5
        assert gradient[k] == pytest.approx(difference, rel=1e-6, abs=1e-6 * np.abs(gradient).max())


def test_a_failed_simulation_is_inf_with_a_zero_gradient() -> None:
    loss, gradient = objective(COMPETITION_DATA)(np.full(6, 40.0))
    assert loss == math.inf
    assert gradient.tolist() == [0.0] * 6


def test_a_unit_of_theta_is_about_the_parameter_s_own_size() -> None:
    text = """\
param small = 1e-6 in (0, inf)
param large = 500 in (0, inf)
param near  = 5.001 in (5, inf)
param below = -3 in (-inf, 0)
param share = 0.25 in (0, 1)
param free  = -7
param zero  = 0
param power = 1e-4 in (0, inf) via log10
init x = small + large + near + below + share + free + zero + power
dx/dt = -x
"""
    system = odec.parse(text)
    values = {param.name: param.value for param in system.params}
    net = odec.load(system).Model(dt=1)
    start = start_of(net, values, tuple(values), transforms="model", scaled=True)
    natural = start.coordinates.natural(torch.as_tensor(start.theta + 1e-6)).numpy()
    change = (natural - np.array(list(values.values()))) / 1e-6
    np.testing.assert_allclose(np.abs(change), [1e-6, 500, 1e-3, 3, 0.1875, 7, 1, 1e-4], rtol=1e-3)


def test_a_default_on_its_bound_is_taken_inside() -> None:
    text = "param a = 0 in [0, inf)\nparam b = 1 in [0, 1]\ninit x = 1\ndx/dt = -a*x + b\n"
    net = odec.load(text).Model(dt=1)
    start = start_of(net, {"a": 0.0, "b": 1.0}, ("a", "b"), transforms="model", scaled=True)
    assert start.values == {"a": 1e-3, "b": 0.999}
    assert start.notes[0] == "a starts on its bound 0, where it cannot move; taken as 0.001"
    assert np.isfinite(start.theta).all()
    kept = start_of(net, {"a": 0.0, "b": 1.0}, ("a",), transforms="model", scaled=True)
    assert kept.values["b"] == 1.0
    none = start_of(net, {"a": 0.0, "b": 1.0}, ("a",), transforms="none", scaled=False)
    assert none.values["a"] == 0.0


def test_parameters_whose_names_mean_something_else_in_python() -> None:
    text = """\
param train = 2 in (0, inf)
param train_ = 3
param lambda = 4
init x = train
dx/dt = -lambda*x + train_
"""
    system = odec.parse(text)
    module = odec.load(system)
    net = module.Model(dt=1)
    for name, value in (("train", 2.0), ("train_", 3.0), ("lambda", 4.0)):
        assert net.vector()[net.compiled.param_names.index(name)].item() == pytest.approx(value)
        assert (net.bounds(name) is not None) == (name == "train")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"r3": 1.0}, "set: unknown parameter 'r3'; the model has r1, r2, a1, a2, iN1, iN2"),
        ({"r1": -1.0}, r"the start value -1 of 'r1' lies outside its bounds \(0, inf\)"),
        ({"r1": 0.0}, "lies outside its bounds"),
        ({"r1": math.nan}, "the start value of 'r1' must be a finite number, not nan"),
    ],
)
def test_start_values_that_do_not_fit(given: dict[str, float], message: str) -> None:
    system = odec.parse(COMPETITION)
    net = odec.load(system).Model()
    with pytest.raises(ArgumentError, match=message):
        start_values(net, tuple(VALUES), given, system)


def test_many_rows_of_a_jacobian_are_those_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches of the kernel the same bits; of very many, by forward mode, the same to rounding."""
    times = np.linspace(0.5, 42, 70)
    data = {"t": times, "x1": np.where(times > 40, np.nan, 90), "total": 160 + times}
    found = objective(data, free=("a1", "r2"))
    assert found.loss.net.engine == "native" and found.loss.count > loss.AT_A_TIME
    theta = np.log(np.expm1([VALUES["a1"], VALUES["r2"]])) / found.coordinates.scale
    r, batched = found.jacobian(theta)
    monkeypatch.setattr(loss, "AT_A_TIME", 1000)
    alone = found.jacobian(theta)
    assert np.array_equal(r, alone[0]) and np.array_equal(batched, alone[1])
    monkeypatch.setattr(loss, "MANY", 100)
    assert found.jacobian(theta)[1] == pytest.approx(batched, rel=1e-9)
