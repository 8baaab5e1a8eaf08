"""Outputs within steps: in which steps they lie, and how their gradients go to times and states."""

import torch

from odec.runtime.reference.adaptive import Taken, ends_of
from odec.runtime.reference.interpolant import Within

D = torch.float64
PLACES = [0.2, 0.5, 0.5, 0.9]


def column(*values):
    return torch.tensor(values, dtype=D).unsqueeze(-1)


def taken(begin, part):
    return Taken(torch.zeros(2, 1, dtype=D), column(*begin), column(*part), None)


def test_a_step_ends_where_the_next_one_of_its_trajectory_begins():
    """Two trajectories; each waits while the other takes a step of its own."""
    rows = [taken((0.0, 0.0), (0.4, 0.0)), taken((0.4, 0.0), (0.0, 0.7)), taken((0.4, 0.7), (0.6, 0.3))]
    ends = [end.flatten().tolist() for end in ends_of(rows)]
    assert [ends[0][0], ends[2][0]] == [0.4, 1.0] and [ends[1][1], ends[2][1]] == [0.7, 1.0]


def test_each_output_lies_in_one_step_and_that_at_its_end_in_the_earlier():
    within = Within(3, PLACES, torch.device("cpu"))
    assert within.found(column(0.2), column(0.5), column(0.3)).output.tolist() == [4, 5]
    assert within.found(column(0.5), column(0.8), column(0.3)) is None
    found = within.found(column(0.0, 0.5), column(0.2, 1.0), column(0.2, 0.5))
    assert found.output.tolist() == [3, 6] and found.item.tolist() == [0, 1]
    torch.testing.assert_close(found.theta, column(1.0, 0.8), rtol=1e-14, atol=0)


def cubic(theta, q):
    return sum(c * theta ** (j + 1) for j, c in enumerate(q))


def test_gradients_of_an_output_s_time_and_of_the_stops_around_it():
    """The output at time s of x(a + (b - a)(begin + θ part)) against torch's derivatives of the formula."""
    begin, part, q = 0.4, 0.5, torch.tensor([0.3, -1.2, 0.7], dtype=D)
    times = torch.tensor([2.0, 2.9, 3.5], dtype=D, requires_grad=True)
    a, s, b = times
    (wanted,) = torch.autograd.grad(cubic(((s - a) / (b - a) - begin) / part, q), times)
    span = float(b - a)
    within = Within(1, [float((s - a) / (b - a))], torch.device("cpu"))
    found = within.found(column(begin), column(begin + part), column(part))
    w = torch.tensor([0.0, 1.0, 0.0], dtype=D).reshape(3, 1, 1)
    g_out, g_a, g_b = torch.zeros(3, 1, dtype=D), torch.zeros(1, dtype=D), torch.zeros(1, dtype=D)
    found.pull_times(w, q.reshape(3, 1, 1), span, g_out, g_a, g_b)
    got = torch.stack((g_a[0], g_out[1, 0], g_b[0]))
    torch.testing.assert_close(got, wanted, rtol=1e-13, atol=0)


def test_tangents_of_an_output_are_those_of_the_formula():
    begin, part, q = 0.4, 0.5, torch.tensor([0.3, -1.2, 0.7], dtype=D)
    times, d_times = torch.tensor([2.0, 2.9, 3.5], dtype=D), torch.tensor([0.3, -0.2, 0.9], dtype=D)
    given = (torch.tensor(1.1, dtype=D), q, times)
    moved = (torch.tensor(-0.4, dtype=D), torch.tensor([0.5, 0.1, -0.6], dtype=D), d_times)

    def output(x, q, t):
        return x + cubic(((t[1] - t[0]) / (t[2] - t[0]) - begin) / part, q)

    _, wanted = torch.func.jvp(output, given, moved)
    within = Within(1, [0.6], torch.device("cpu"))
    found = within.found(column(begin), column(begin + part), column(part))
    d_x, d_q = moved[0].reshape(1, 1), moved[1].reshape(3, 1, 1)
    d_t, d_a, d_span = d_times.reshape(3, 1), d_times[0].reshape(1), (d_times[2] - d_times[0]).reshape(1)
    got = found.tangents(d_x, q.reshape(3, 1, 1), d_q, d_t, d_a, d_span, 1.5)
    torch.testing.assert_close(got.flatten()[0], wanted, rtol=1e-13, atol=0)
