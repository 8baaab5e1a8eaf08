"""The order and the step sizes of Adams runs by tolerance."""

import pytest
import torch

from odec.runtime.reference.adams_control import AdamsControl
from odec.runtime.steps import Tolerance

D = torch.float64


def control(order, known):
    pace = AdamsControl(torch.ones(1, 2, dtype=D), Tolerance(1e-3, (1e-6, 1e-6)), 12)
    pace.h = torch.tensor([0.1], dtype=D)
    pace.order, pace.known = torch.tensor([order]), torch.tensor([known])
    return pace


def judge(pace, lower, norm, higher):
    errors = (torch.tensor([error], dtype=D) for error in (norm, lower, higher))
    good = pace.judge(torch.tensor([True]), pace.h.clone(), *errors)
    return bool(good), int(pace.order), int(pace.known)


def test_the_order_rises_where_that_lets_the_step_grow_and_the_slopes_are_known():
    assert judge(control(3, 4), 0.9, 0.5, 0.01) == (True, 4, 5)
    assert judge(control(3, 3), 0.9, 0.5, 0.01) == (True, 3, 4)
    assert judge(control(3, 4), 0.9, 0.5, 0.9) == (True, 3, 5)
    assert judge(control(12, 12), 0.9, 0.5, 1e-9) == (True, 12, 12)


def test_the_order_falls_where_the_lower_one_lets_the_step_be_longer():
    assert judge(control(4, 5), 1e-4, 0.5, 0.9) == (True, 3, 6)
    assert judge(control(4, 5), 1e-4, 2.0, 1e-9) == (False, 3, 5)
    assert judge(control(1, 2), 1e-9, 0.5, 0.9) == (True, 1, 3)


@pytest.mark.parametrize(("known", "most"), [(1, 10.0), (2, 2.0)])
def test_steps_at_most_double_but_for_the_first(known, most):
    pace = control(1, known)
    judge(pace, 0.5, 1e-9, 0.5)
    assert float(pace.h) == pytest.approx(0.1 * most, rel=1e-13)


def test_a_step_is_sized_by_the_error_of_the_order_that_takes_it():
    pace = control(3, 3)
    judge(pace, 0.9, 0.5, 0.01)
    size = 0.1 * 0.9 * 0.5 ** (-1 / 4)
    assert float(pace.h) == pytest.approx(size, rel=1e-13)
    judge(pace, 2.0, 5.0, 0.9)
    size *= 0.9 * 2 ** (-1 / 3)
    assert float(pace.h) == pytest.approx(size, rel=1e-13) and pace.order.tolist() == [2]
    judge(pace, 0.5, 1e-6, 0.5)
    assert float(pace.h) == pytest.approx(size, rel=1e-13)  # no growth after a rejection


def test_after_a_knot_the_order_starts_from_one():
    pace = control(5, 6)
    pace.restart()
    assert (int(pace.order), int(pace.known)) == (1, 1)
