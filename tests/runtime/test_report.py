"""What a run's report says goes into the status of its call."""

import pytest
import torch

import odec

D = torch.float64
ROOT = "param k = 1\ninit x = 1\ninit y = 0\nx' = k/x\ny' = -y\n"


@pytest.mark.parametrize("times", [[0.5], [0.5, 0.5], [0.5, 1.0]])
def test_a_slope_that_is_not_finite_fails_a_run_even_where_its_states_are_numbers(times):
    net = odec.load(ROOT, method="dopri5").Model(rtol=1e-6, engine="torch")
    x0 = torch.tensor([[0.0, 2.0], [1.0, 2.0]], dtype=D)
    net(torch.tensor(times, dtype=D), x0=x0)
    assert net.status.ok.tolist() == [False, True]
    (failure,) = net.status.failures
    assert (failure.batch, failure.state, failure.time, failure.at_start) == ((0,), "x", 0.5, True)


def test_steps_taken_and_rejected_are_those_of_the_report():
    net = odec.load(ROOT, method="heun21").Model(rtol=1e-5, first_step=0.5, engine="torch")
    x = net(torch.tensor([0.0, 1.5], dtype=D))
    assert x[-1, 0].item() == pytest.approx(2.0, rel=1e-3)  # √(1 + 2 t)
    assert 0 < int(net.status.rejected) < 6 < int(net.status.steps)
    steps, rejected = int(net.status.steps), int(net.status.rejected)
    net.max_steps = steps + rejected
    net(torch.tensor([0.0, 1.5], dtype=D))
    assert net.status.ok
    net.max_steps -= 1
    net(torch.tensor([0.0, 1.5], dtype=D))
    assert not net.status.ok and "max_steps are used up" in str(net.status)
