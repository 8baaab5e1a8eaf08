"""Gradients of a batch in which some trajectories could not be finished."""

import math

import pytest
import torch

import odec
from odec.runtime.engines import Gradients, Run
from odec.runtime.reference.lost import adjoint_of_each, lose
from odec.runtime.steps import Steps, Tolerance

D = torch.float64


def adjoint(run, p, series, w_xs):
    """Gradients that tell of which trajectory they are: of x(k) = x0·p·(k + 1)."""
    assert torch.isfinite(run.xs).all()
    factors = torch.arange(1.0, len(w_xs) + 1, dtype=D).reshape(-1, 1, 1)
    total = (w_xs * factors).sum(0)
    return Gradients(w_xs.sum(-1), total * p, (total * run.xs[0]).sum(-1, keepdim=True).expand_as(p), [])


def run_of(lost):
    """Three trajectories of two states at three times, some NaN from the second time on."""
    x0 = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=D)
    xs = torch.stack([x0, 2 * x0, 3 * x0])
    for i in lost:
        xs[1:, i] = math.nan
    return Run(xs, xs, xs.new_zeros(3, 5))


@pytest.mark.parametrize("lost", [(1,), (0, 2), (0, 1, 2)])
def test_lost_ones_have_nan_and_the_others_their_own_gradients(lost):
    w = torch.arange(1.0, 19, dtype=D).reshape(3, 3, 2)
    p = torch.tensor([[2.0], [3.0], [4.0]], dtype=D)
    found, whole = adjoint_of_each(adjoint, run_of(lost), p, [], w), adjoint(run_of(()), p, [], w)
    for i in range(3):
        for mine, theirs in (
            (found.t[:, i], whole.t[:, i]),
            (found.x0[i], whole.x0[i]),
            (found.p[i], whole.p[i]),
        ):
            assert torch.isnan(mine).all() if i in lost else torch.equal(mine, theirs)


def test_what_all_share_is_nan_where_the_loss_takes_in_a_lost_one():
    w, p = torch.ones(3, 3, 2, dtype=D), torch.tensor([2.0], dtype=D)
    assert torch.isnan(adjoint_of_each(adjoint, run_of((1,)), p, [], w).p).all()
    w[:, 1] = 0
    found, own = adjoint_of_each(adjoint, run_of((1,)), p, [], w), run_of(()).xs[0]
    assert not found.x0[1].any() and not found.t[:, 1].any()
    assert found.p.tolist() == [float(6 * own[[0, 2]].sum())]


def test_a_loss_of_states_before_the_failure_has_its_gradient():
    w, p = torch.zeros(3, 3, 2, dtype=D), torch.tensor([[2.0], [3.0], [4.0]], dtype=D)
    w[0, 1] = 1
    assert torch.isnan(adjoint_of_each(adjoint, run_of((0,)), p, [], w).x0).sum() == 0


def test_by_plain_operations_states_and_what_they_hang_on():
    x0 = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=D, requires_grad=True)
    t, p = torch.tensor([0.0, 1.0], dtype=D), torch.ones(2, 1, dtype=D)
    lost = torch.tensor([[[False], [False]], [[False], [True]]]).expand(2, 2, 2)
    states = lose(torch.stack((x0, 2 * x0)), lost, t, x0, p)
    assert torch.isnan(states).tolist() == lost.tolist()
    (found,) = torch.autograd.grad(states[:, 0].sum() + states[0, 1].sum(), x0, retain_graph=True)
    assert found.tolist() == [[3.0, 3.0], [1.0, 1.0]]
    (found,) = torch.autograd.grad(torch.nan_to_num(states).sum() + states[1].sum(), x0)
    assert torch.isnan(found).tolist() == [[False, False], [True, True]]
    _, tangent = torch.func.jvp(
        lambda x0: lose(torch.stack((x0, 2 * x0)), lost, t, x0, p), (x0.detach(),), (torch.ones_like(x0),)
    )
    assert torch.isnan(tangent).tolist() == lost.tolist()


@pytest.mark.parametrize("dense", [False, True])
def test_by_tolerance_a_tangent_is_no_number_where_its_states_are_none(dense):
    compiled = odec.load("param k = 1\ninit x = 1\nx' = k*x^2\n", method="dopri5").COMPILED
    x0, p = torch.tensor([[1.0], [0.1]], dtype=D), torch.ones(1, dtype=D)
    t, steps = torch.tensor([0.0, 0.5, 2.0], dtype=D), Steps(None, Tolerance(1e-6, (1e-8,), dense=dense))
    engine = compiled.engine("torch")
    xs = engine.states(t, x0, p, [], steps, 1).xs
    still = torch.zeros_like(t), torch.ones_like(x0), torch.zeros_like(p)
    found = engine.tangent(t, x0, p, [], *still, [], steps)
    assert torch.isnan(xs).flatten().tolist() == [False] * 4 + [True, False]
    assert torch.isnan(found).flatten().tolist() == [False] * 4 + [True, False]
    wanted = (1 - x0 * t.reshape(3, 1, 1)) ** -2  # of x = x0/(1 - x0 t), with a pole
    assert found[1, 0].item() == pytest.approx(wanted[1, 0].item(), rel=1e-4)
    assert found[:, 1].flatten().tolist() == pytest.approx(wanted[:, 1].flatten().tolist(), rel=1e-4)
