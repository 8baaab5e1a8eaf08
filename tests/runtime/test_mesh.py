"""Where fixed steps lie, and where steps by tolerance must end."""

import pytest
import torch

from odec.runtime.reference.adams_fixed import plan
from odec.runtime.reference.mesh import mesh, spacing, stops_of
from odec.runtime.series import Series


@pytest.mark.parametrize("start", [0.0, 100.0, -50.0])
@pytest.mark.parametrize("forth", [True, False])
def test_times_rounded_to_single_precision_take_no_further_steps(start, forth):
    t = torch.linspace(start, start + 10, 101, dtype=torch.float32)
    t = t if forth else t.flip(0)
    for dt, count in ((0.1, 1), (0.05, 2), (0.03, 4)):
        assert {interval.steps for interval in mesh(t, dt)} == {count}


def test_times_that_lie_further_apart_than_rounding_take_one_more():
    t = torch.tensor([0.0, 0.1001, 0.1999], dtype=torch.float32)
    assert [interval.steps for interval in mesh(t, 0.1)] == [2, 1]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([0.0, 0.5], "a map runs at whole times; 0.5 is none"),
        ([float("nan")], "a map runs at whole times; nan is none"),
        ([2.0, 1.0], "a map runs forwards only: time 1 comes after 2"),
        ([0.0, 1e11], "1e[+]11 steps from 0 to 1e[+]11 are too many"),
    ],
)
def test_times_that_a_map_does_not_take(times, words):
    with pytest.raises(ValueError, match=words):
        mesh(torch.tensor(times, dtype=torch.float64), None)


def test_a_map_takes_a_step_for_every_unit_of_time():
    found = mesh(torch.tensor([-2.0, 1.0, 1.0, 2.0], dtype=torch.float64), None)
    assert found == [(-2.0, 1.0, 3), (1.0, 1.0, 0), (1.0, 1.0, 1)]


@pytest.mark.parametrize(
    ("steps", "keep", "apart"), [(10, 0, 1), (10, -1, 3), (10, 3, 4), (10, 99, 1), (0, -1, 1)]
)
def test_no_more_states_are_kept_than_are_asked_for(steps, keep, apart):
    assert spacing(steps, keep) == apart


def test_stops_are_the_times_and_the_knots_between_them_in_order():
    knots = torch.tensor([-1.0, 0.5, 1.0, 9.0], dtype=torch.float64)
    u = Series([knots, torch.zeros(4, 1, dtype=torch.float64)], ["u"])
    t = torch.tensor([0.0, 1.0, 1.0, 2.0], dtype=torch.float64)
    assert stops_of(t, u) == [(0.0, 0), (0.5, None), (1.0, 1), (1.0, 2), (2.0, 3)]
    assert stops_of(t.flip(0), u) == [(2.0, 0), (1.0, 1), (1.0, 2), (0.5, None), (0.0, 3)]


def test_adams_begins_anew_where_the_step_size_changes():
    t = torch.tensor([0.0, 0.5, 1.0, 1.3], dtype=torch.float64)
    known = [place.known for place in plan(mesh(t, 0.1), 3)]
    assert known == [0, 1, 2, *[3] * 10]
    longer = torch.tensor([0.0, 0.5, 0.86], dtype=torch.float64)  # steps of 0.1, then of 0.09
    assert [place.known for place in plan(mesh(longer, 0.1), 3)] == [0, 1, 2, 3, 3, 0, 1, 2, 3]
