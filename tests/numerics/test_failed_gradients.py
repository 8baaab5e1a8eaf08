"""Gradients where a trajectory could not be finished: NaN, or exactly 0 where the loss leaves it out."""

import functools

import pytest
import torch
from generated import load

D = torch.float64
BLOW_UP = """
input u hold
param a = 1
param b = 0.5
init x = 1
init y = 1
dx/dt = a*x**2
dy/dt = u - b*y
run t = 0 .. 2 dt 0.1
"""
T = torch.tensor([0.0, 0.1, 1.0, 2.0], dtype=D)
FAILS = torch.tensor([False, True, False])  # x = 3 has its pole at t = 1/3
RUNS = {
    "discrete": ("tsit5", {"rtol": 1e-3}),
    "continuous": ("tsit5", {"rtol": 1e-3, "adjoint": "continuous"}),
    "stiff": ("rodas5p", {"rtol": 1e-3, "adjoint": "continuous"}),
    "auto": ("auto", {"rtol": 1e-3}),
    "multistep": ("adams", {"rtol": 1e-3}),
    "autograd": ("tsit5", {"rtol": 1e-3, "adjoint": "autograd"}),
    "autograd, dense": ("tsit5", {"rtol": 1e-3, "adjoint": "autograd", "dense_output": True}),
    "autograd, auto": ("auto", {"rtol": 1e-3, "adjoint": "autograd"}),
    "autograd, multistep": ("adams", {"rtol": 1e-3, "adjoint": "autograd"}),
    "fixed steps": ("rk4", {"dt": 0.05}),
    "fixed steps back": ("kvaerno3", {"dt": 0.05, "adjoint": "continuous"}),
}
each_run = pytest.mark.parametrize("name", RUNS)


@functools.cache
def run(name):
    """The states of three trajectories, the second of which fails, and what they hang on."""
    method, options = RUNS[name]
    module = load(BLOW_UP, method)
    net = module.Model(engine="torch", **options)
    leaves = {
        "x0": torch.tensor([[0.2, 1.0], [3.0, 1.0], [0.3, 1.0]], dtype=D),
        "b": torch.tensor([0.5, 0.6, 0.7], dtype=D),
        "u": torch.tensor([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], dtype=D),
        "t": T.clone(),
    }
    leaves = {name: value.requires_grad_() for name, value in leaves.items()}
    inputs = {"u": (torch.tensor([0.0, 0.7], dtype=D), leaves["u"])}
    x = net(leaves["t"], x0=leaves["x0"], params={"b": leaves["b"]}, inputs=inputs)
    assert not x[1:, FAILS].isfinite().all() and x[:, ~FAILS].isfinite().all()
    return x, {**leaves, "a": net.a}


def gradients(loss, leaves):
    found = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True)
    return dict(zip(leaves, found, strict=True))


@each_run
def test_a_failed_trajectory_has_no_gradient(name):
    """NaN for what is its own, and for what it shares; that of the others stands."""
    x, leaves = run(name)
    g = gradients(x.sum(), leaves)
    for value in (g["x0"][FAILS], g["b"][FAILS], g["u"][:, FAILS], g["a"], g["t"]):
        assert value.isnan().all()
    alone = gradients(x[:, ~FAILS].sum(), leaves)
    for name in ("x0", "b"):
        assert torch.equal(g[name][~FAILS], alone[name][~FAILS]) and alone[name].isfinite().all()


@each_run
def test_one_that_the_loss_leaves_out_counts_as_zero(name):
    x, leaves = run(name)
    g = gradients(torch.where(FAILS.unsqueeze(-1), 0.0, x).square().sum(), leaves)
    assert all(value.isfinite().all() for value in g.values())
    assert not g["x0"][FAILS].any() and not g["b"][FAILS].any() and not g["u"][:, FAILS].any()
    assert g["a"] != 0 and g["x0"][~FAILS].all()


@pytest.mark.parametrize(
    "name", ["discrete", "continuous", "auto", "multistep", "autograd", "autograd, auto"]
)
def test_states_before_the_failure_have_their_gradient(name):
    """Of an adaptive run: as if the run had ended there."""
    x, leaves = run(name)
    g = gradients(torch.where(x.isfinite(), x, 0.0).sum(), leaves)
    early = gradients(x[:2].sum() + x[2:, ~FAILS].sum(), leaves)
    assert g["x0"].isfinite().all() and g["a"].isfinite() and g["x0"][FAILS].any()
    for key, value in g.items():
        assert torch.equal(value, early[key])


@each_run
def test_alone(name):
    """Without a batch there is nothing else to answer for."""
    method, options = RUNS[name]
    net = load(BLOW_UP, method).Model(engine="torch", **options)
    inputs = {"u": ([0.0, 0.7], torch.tensor([0.1, 0.3], dtype=D))}
    x0 = torch.tensor([3.0, 1.0], dtype=D, requires_grad=True)
    x = net(T, x0=x0, inputs=inputs)
    g_x0, g_a = torch.autograd.grad(x.sum(), [x0, net.a], retain_graph=True)
    assert g_x0.isnan().all() and g_a.isnan()
    g_x0, g_a = torch.autograd.grad((0 * x.nan_to_num()).sum(), [x0, net.a])
    assert not g_x0.any() and not g_a.any()


@pytest.mark.parametrize("adjoint", ["discrete", "autograd"])
def test_under_vmap(adjoint):
    """Each row of a Jacobian on its own: that of a state before the failure is a number."""
    net = load(BLOW_UP, "tsit5").Model(engine="torch", rtol=1e-3, adjoint=adjoint)
    inputs = {"u": ([0.0, 0.7], torch.tensor([0.1, 0.3], dtype=D))}
    x0 = torch.tensor([3.0, 1.0], dtype=D)
    rows = torch.func.jacrev(lambda x: net(T, x0=x, inputs=inputs))(x0)
    assert rows[:2].isfinite().all() and rows[2:].isnan().all()


def test_forwards_and_twice():
    """By torch's own tape: tangents of lost states are NaN, second derivatives of the others stand."""
    net = load(BLOW_UP, "tsit5").Model(engine="torch", rtol=1e-3, adjoint="autograd")
    inputs = {"u": ([0.0, 0.7], torch.tensor([0.1, 0.3], dtype=D))}
    x0 = torch.tensor([[0.2, 1.0], [3.0, 1.0]], dtype=D)
    _, tangent = torch.func.jvp(lambda x0: net(T, x0=x0, inputs=inputs), (x0,), (torch.ones_like(x0),))
    assert tangent[2:, 1].isnan().all() and tangent[:2].isfinite().all() and tangent[:, 0].isfinite().all()

    def finished(x0):
        x = net(T, x0=x0, inputs=inputs)
        return torch.where(x.isfinite(), x, 0.0).square().sum()

    alone = torch.func.hessian(lambda x0: net(T, x0=x0, inputs=inputs).square().sum())(x0[0])
    torch.testing.assert_close(torch.func.hessian(finished)(x0)[0, :, 0], alone, rtol=1e-12, atol=0)
