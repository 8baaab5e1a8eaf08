"""The step sizes of runs by tolerance: a PI controller, what it counts, the choice of auto."""

import math

import pytest
import torch

from odec.runtime.engines import MAX_STEPS, UNDERFLOW
from odec.runtime.reference.control import PIControl, TwoMethods
from odec.runtime.slopes import Slope
from odec.runtime.steps import Tolerance

D = torch.float64
LIMIT = 3.0


def control(k=5, size=0.1, rows=1, **more):
    """A control of some trajectories whose next steps have the given size."""
    pace = PIControl(torch.ones(rows, 2, dtype=D), Tolerance(1e-3, (1e-6, 1e-6), **more), k)
    pace.h = torch.full((rows,), size, dtype=D)
    return pace


def judge(pace, *norms, active=None):
    """Try the steps that the control asks for; their errors are given."""
    active = torch.ones(len(norms), dtype=torch.bool) if active is None else torch.tensor(active)
    return pace.judge(active, pace.h.clone(), torch.tensor(norms, dtype=D))


@pytest.mark.parametrize("k", [2, 5, 8])
def test_a_step_is_sized_by_the_last_two_errors(k):
    pace, size, before = control(k), 0.1, 1.0
    for norm in (0.5, 0.2, 0.9, 0.03):
        judge(pace, norm)
        size *= 0.9 * norm ** (-0.7 / k) * before ** (0.4 / k)
        assert float(pace.h) == pytest.approx(size, rel=1e-13)
        before = norm


def test_a_rejected_step_is_tried_shorter_and_the_one_after_it_does_not_grow():
    pace = control()
    judge(pace, 4.0)
    shorter = 0.1 * 0.9 * 4 ** (-1 / 5)
    assert float(pace.h) == pytest.approx(shorter, rel=1e-13)
    judge(pace, 1e-3)
    assert float(pace.h) == pytest.approx(shorter, rel=1e-13)
    judge(pace, 1e-3)
    assert float(pace.h) == pytest.approx(shorter * 0.9 * 1e-3 ** (-0.3 / 5), rel=1e-13)


def test_growth_and_shrinking_have_bounds():
    pace = control(2, rows=3)
    judge(pace, 1e-9, math.inf, math.nan)
    assert pace.h.tolist() == pytest.approx([1.0, 0.01, 0.01], rel=1e-13)
    pace = control(2, rows=1, longest=0.15)
    judge(pace, 1e-9)
    assert float(pace.h) == 0.15


def test_steps_taken_and_rejected_are_counted_apart_and_told_in_that_order():
    pace = control(rows=3)
    judge(pace, 0.5, 2.0, 0.5, active=[True, True, False])
    judge(pace, 0.5, 0.5, 0.5, active=[True, True, False])
    assert pace.report()[:, 3:].tolist() == [[2, 0], [1, 1], [0, 0]]
    pace.fail(torch.tensor([False, True, False]), UNDERFLOW, 0.7, torch.tensor([0, 1, 0]))
    assert pace.report()[1].tolist() == [UNDERFLOW, 0.7, 1, 1, 1]


def test_as_many_steps_are_tried_as_are_allowed():
    pace, moving, time = control(most=3), torch.tensor([True]), torch.tensor([0.4], dtype=D)
    for norm in (0.5, 2.0, 0.5):
        assert pace.going(moving, time).tolist() == [True]
        judge(pace, norm)
    assert pace.going(moving, time).tolist() == [False]
    assert pace.report()[0, :2].tolist() == [MAX_STEPS, 0.4]


@pytest.mark.parametrize(("least", "ends"), [(0.05, True), (0.005, False)])
def test_a_rejection_that_leaves_less_than_the_least_step_ends_a_trajectory(least, ends):
    pace, norm, time = control(least=least), torch.tensor([1e9], dtype=D), torch.zeros(1, dtype=D)
    good = judge(pace, 1e9)
    pace.end_short(~good, norm, time)
    assert pace.code.tolist() == [UNDERFLOW if ends else 0]


def test_a_first_step_backwards_is_that_of_the_problem_mirrored_in_time():
    def slope(rhs):
        return Slope(rhs, None, None)

    x, p, tolerance = (
        torch.tensor([[1.0, 0.3]], dtype=D),
        torch.zeros(1, dtype=D),
        Tolerance(1e-3, (1e-6, 1e-6)),
    )
    ways = (
        (lambda t, x, p: torch.exp(3 * t) * x, 1.0, -1.0),
        (lambda t, x, p: -torch.exp(-3 * t) * x, -1.0, 1.0),
    )
    sizes = []
    for rhs, a, b in ways:
        pace = PIControl(x, tolerance, 5)
        pace.start(slope(rhs), x, a, b, p, None, None, 1 / 5)
        sizes.append(float(pace.h))
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-13) and 0 < sizes[0] < 2


def auto():
    return TwoMethods(torch.ones(1, 2, dtype=D), Tolerance(1e-3, (1e-6, 1e-6)), 5, LIMIT)


def choose(pace, part, times, good=True):
    """Let steps of h·|λ|, a part of the limit, go by; returns whether the stiff method is next."""
    for _ in range(times):
        pace.choose(torch.tensor([good]), torch.tensor([part * LIMIT], dtype=D))
    return bool(pace.stiff)


def test_auto_takes_the_stiff_method_after_ten_steps_near_the_limit():
    assert not choose(auto(), 0.79, 50)
    pace = auto()
    assert not choose(pace, 0.81, 9)
    assert not choose(pace, 0.81, 50, good=False)
    assert choose(pace, 0.81, 1)


def test_auto_goes_back_after_five_steps_well_within_the_limit():
    pace = auto()
    assert choose(pace, 1.0, 10) and choose(pace, 0.51, 50)
    assert choose(pace, 0.49, 4) and not choose(pace, 0.49, 1)


def test_auto_forgets_a_sign_for_every_step_that_shows_none():
    pace = auto()
    choose(pace, 0.9, 9)
    choose(pace, 0.1, 5)
    assert not choose(pace, 0.9, 5) and choose(pace, 0.9, 1)


def test_auto_goes_over_where_the_explicit_method_fails_and_ends_where_both_do():
    pace, short = auto(), torch.tensor([True])
    least = torch.tensor([1e-9], dtype=D)
    assert pace.rescue(short, least).tolist() == [False] and bool(pace.stiff) and float(pace.h) == 1e-9
    assert pace.rescue(short, least).tolist() == [True]
