"""Where fixed steps lie, and where steps by tolerance must end."""

import pytest
import torch

from odec.runtime.reference.adams_fixed import nodes_of, plan
from odec.runtime.reference.mesh import kinks_of, mesh, spacing, stops_of
from odec.runtime.series import Series


@pytest.mark.parametrize("start", [0.0, 100.0, -50.0])
@pytest.mark.parametrize("forth", [True, False])
def test_times_rounded_to_single_precision_take_no_further_steps(start, forth):
    t = torch.linspace(start, start + 10, 101, dtype=torch.float32)
    t = t if forth else t.flip(0)
    for dt, count in ((0.1, 1), (0.05, 2), (0.03, 4)):
        assert {interval.steps for interval in mesh(t, dt).intervals} == {count}


def test_times_that_lie_further_apart_than_rounding_take_one_more():
    t = torch.tensor([0.0, 0.1001, 0.1999], dtype=torch.float32)
    assert [interval.steps for interval in mesh(t, 0.1).intervals] == [2, 1]


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
    assert found.intervals == [(-2.0, 1.0, 3), (1.0, 1.0, 0), (1.0, 1.0, 1)]
    assert found.passed == [1, 2, 3]


@pytest.mark.parametrize(
    ("steps", "keep", "apart"), [(10, 0, 1), (10, -1, 3), (10, 3, 4), (10, 99, 1), (0, -1, 1)]
)
def test_no_more_states_are_kept_than_are_asked_for(steps, keep, apart):
    assert spacing(steps, keep) == apart


def held(*knots, dtype=torch.float64):
    """Inputs with these knots, one for each."""
    own = [torch.tensor(each, dtype=torch.float64) for each in knots]
    return Series([v for k in own for v in (k, torch.zeros(len(k), 1, dtype=dtype))], ["u"] * len(own))


def test_fixed_steps_end_on_knots_and_are_equal_between_two_stops():
    found = mesh(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), 0.25, held([-1.0, 0.4, 1.0, 9.0]))
    assert found.intervals == [(0.0, 0.2, 2), (0.4, pytest.approx(0.2), 3), (1.0, 0.25, 4)]
    assert found.passed == [None, 1, 2] and found.steps == 9
    assert [found.begin(k) for k in range(3)] == [0, None, 1] and found.before() == [0, 0, 1]
    back = mesh(torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64), 0.25, held([-1.0, 0.4, 1.0, 9.0]))
    assert [(start, steps) for start, _, steps in back.intervals] == [(2.0, 4), (1.0, 3), (0.4, 2)]
    assert back.passed == [1, None, 2] and all(h < 0 for _, h, _ in back.intervals)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_knot_within_a_few_roundings_of_a_time_or_of_another_counts_as_that(dtype):
    """0.1*3 and 0.3 differ in the last place, as do what linspace and multiples give."""
    few = torch.finfo(dtype).eps
    t = torch.tensor([0.0, 0.3, 1.0], dtype=dtype)
    u = held([few / 2, 0.3 + few, 0.7], [0.7 + few, 1.0 - few])
    stops = [time for time, _ in stops_of(t, u)]
    assert stops == [*t[:2].tolist(), 0.7, 1.0] and kinks_of(t, u) == set(stops)
    assert len(mesh(t, 0.1, u).intervals) == 3
    assert [time for time, _ in stops_of(t, held([0.3 + 100 * few]))] == [
        *t[:2].tolist(),
        0.3 + 100 * few,
        1.0,
    ]


def test_more_knots_than_a_run_can_land_on_are_told(monkeypatch):
    monkeypatch.setattr("odec.runtime.reference.mesh.MOST_STOPS", 3)
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert len(stops_of(t, held([0.0, 0.2, 0.4, 0.6, 1.0]))) == 5
    with pytest.raises(ValueError, match="the inputs have 4 knots between t = 0 and 1; a run lands on 3 at"):
        stops_of(t, held([0.2, 0.4, 0.6, 0.8]))


def test_adams_begins_anew_at_a_knot_though_it_is_an_output_time():
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    u = held([0.5, 0.8])
    places = plan(mesh(t, 0.1, u).intervals, 3, kinks_of(t, u))
    assert [place.known for place in places] == [0, 1, 2, 3, 3, 0, 1, 2, 0, 1]


def test_stops_are_the_times_and_the_knots_between_them_in_order():
    knots = torch.tensor([-1.0, 0.5, 1.0, 9.0], dtype=torch.float64)
    u = Series([knots, torch.zeros(4, 1, dtype=torch.float64)], ["u"])
    t = torch.tensor([0.0, 1.0, 1.0, 2.0], dtype=torch.float64)
    assert stops_of(t, u) == [(0.0, 0), (0.5, None), (1.0, 1), (1.0, 2), (2.0, 3)]
    assert stops_of(t.flip(0), u) == [(2.0, 0), (1.0, 1), (1.0, 2), (0.5, None), (0.0, 3)]


def test_adams_begins_anew_where_steps_become_much_longer():
    t = torch.tensor([0.0, 0.5, 1.0, 1.3], dtype=torch.float64)
    known = [place.known for place in plan(mesh(t, 0.1).intervals, 3)]
    assert known == [0, 1, 2, *[3] * 10]
    longer = torch.tensor([0.0, 0.04, 0.5], dtype=torch.float64)  # steps of 0.04, then of 0.092
    assert [place.known for place in plan(mesh(longer, 0.1).intervals, 3)] == [0, 0, 1, 2, 3, 3]


def test_adams_carries_its_slopes_over_a_small_change_of_step_size():
    """Nodes are the starts of the earlier steps, in steps from a step's start."""
    t = torch.tensor([0.0, 0.5, 0.86, 0.861], dtype=torch.float64)  # steps of 0.1, of 0.09, one of 0.001
    intervals = mesh(t, 0.1).intervals
    places = plan(intervals, 3)
    assert [place.known for place in places] == [0, 1, 2, *[3] * 7]
    assert [place.earlier for place in places[4:9]] == [
        (),
        ((0, 4), (0, 3), (0, 2)),
        ((1, 0), (0, 4), (0, 3)),
        ((1, 1), (1, 0), (0, 4)),
        (),
    ]
    assert nodes_of(places[7], intervals) == pytest.approx((-1, -2, -2 - 0.1 / 0.09))
    assert nodes_of(places[9], intervals) == pytest.approx((-90, -180, -270))
