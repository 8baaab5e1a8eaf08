"""Inputs as functions of time: which piece holds where, their rates, the gradients of their samples."""

import pytest
import torch

from odec.runtime.series import COEFFICIENTS, Series

D = torch.float64
KNOTS = torch.tensor([0.0, 1.0, 3.0], dtype=D)


def series(kind, values):
    values = torch.tensor(values, dtype=D)
    return Series([KNOTS, COEFFICIENTS[kind](KNOTS, values)], ["u"])


@pytest.mark.parametrize(
    ("time", "value"), [(-1.0, 5.0), (0.0, 5.0), (0.999, 5.0), (1.0, 7.0), (2.9, 7.0), (3.0, 9.0), (4.0, 9.0)]
)
def test_a_held_value_begins_at_its_own_time(time, value):
    u = series("hold", [5.0, 7.0, 9.0])
    assert u(time).tolist() == [value] and u.rate(time).tolist() == [0.0]


def test_a_held_value_stays_during_a_step_that_ends_where_it_changes():
    u = series("hold", [5.0, 7.0, 9.0])
    for time in (0.0, 0.5, 1.0):
        assert u.between(0.0, 1.0)(time).tolist() == [5.0]
        assert u.between(1.0, 0.0)(time).tolist() == [5.0]


@pytest.mark.parametrize(
    ("time", "rate"), [(-0.1, 0.0), (0.0, 4.0), (0.5, 4.0), (1.0, -3.0), (2.0, -3.0), (3.1, 0.0)]
)
def test_rates_are_those_of_the_piece_and_zero_outside(time, rate):
    assert series("linear", [1.0, 5.0, -1.0]).rate(time).tolist() == [rate]


def test_second_rates_are_those_of_a_parabola_and_zero_outside():
    u = series("cubic", [1.0, 2.0, 16.0])  # 1 - t + 2 t²
    for time, value, rate, second in ((0.5, 1.0, 1.0, 4.0), (2.0, 7.0, 7.0, 4.0), (3.5, 16.0, 0.0, 0.0)):
        assert u(time).item() == pytest.approx(value, rel=1e-14)
        assert u.rate(time).item() == pytest.approx(rate, rel=1e-14)
        assert u.second_rate(time).item() == pytest.approx(second, rel=1e-13)


def test_a_kink_where_a_step_ends_is_seen_from_the_step_s_side():
    u = series("linear", [1.0, 5.0, -1.0])
    for a, b, rate in ((0.0, 1.0, 4.0), (1.0, 3.0, -3.0), (1.5, 1.0, -3.0), (3.0, 4.0, 0.0)):
        assert u.between(a, b).rate(1.0).tolist() == [rate]
    assert u.between(0.5, 1.0)(1.5).tolist() == [7.0]  # a stage beyond the step's end keeps the step's piece


@pytest.mark.parametrize("time", [-0.5, 0.0, 0.3, 1.0, 2.2, 3.5])
def test_samples_get_the_gradients_of_values_and_rates(time):
    coefficients = COEFFICIENTS["cubic"](KNOTS, torch.tensor([1.0, 5.0, -1.0], dtype=D)).requires_grad_()
    u = Series([KNOTS, coefficients], ["u"])
    w, w_rate = torch.tensor([1.5], dtype=D), torch.tensor([-0.7], dtype=D)
    (wanted,) = torch.autograd.grad((w * u(time) + w_rate * u.rate(time)).sum(), coefficients)
    found = [torch.zeros_like(coefficients)]
    u.pull(found, time, w, w_rate)
    torch.testing.assert_close(found[0], wanted, rtol=1e-14, atol=0)
