"""Jacobians by the vmap within torch.autograd (vectorize=True, is_grads_batched=True), on both engines."""

import pytest
import torch

import odec

D = torch.float64
PREY = """
input u linear
param w = 1 in (0, inf)
param v = 0.5
init x = 1
init y = 1
dx/dt = w*x*(1 - y) + u
dy/dt = v*y*(x - 1)
run t = 0 .. 2
"""
STEPS = {"adaptive": {"rtol": 1e-3}, "fixed": {"dt": 0.5}}


def case(engine, method, steps, *batch):
    """The states as a function of times, x0, a parameter and an input's values, and those."""
    net = odec.load(PREY, method=method, engine=engine).Model(engine=engine, **STEPS[steps])
    random = torch.Generator().manual_seed(4)
    x0 = torch.rand(*batch, 2, dtype=D, generator=random) + 0.5
    values = torch.rand(3, *batch, dtype=D, generator=random)

    def states(t, x0, w, values):
        return net(t, x0=x0, params={"w": w}, inputs={"u": ([0.0, 0.4, 2.0], values)})

    return net, states, (torch.tensor([0.0, 0.9], dtype=D), x0, torch.tensor(1.2, dtype=D), values)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(("engine", "method"), [("torch", "rodas4"), ("native", "tsit5")])
def test_jacobians(engine, method, steps, batch):
    _, states, arguments = case(engine, method, steps, *batch)
    one_by_one = torch.autograd.functional.jacobian(states, arguments)
    assert all(value.abs().max() > 1e-3 for value in one_by_one)
    for options in ({}, {"strategy": "forward-mode"}):
        found = torch.autograd.functional.jacobian(states, arguments, vectorize=True, **options)
        torch.testing.assert_close(found, one_by_one, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("adjoint", ["discrete", "continuous"])
def test_cotangents_in_batches_reach_the_parameters(adjoint):
    """Through the transforms of bounds too, and into an adjoint of its own."""
    engine = "native" if adjoint == "discrete" else "torch"
    net = odec.load(PREY, method="tsit5", engine=engine).Model(engine=engine, rtol=1e-3, adjoint=adjoint)
    x = net([0.0, 0.9], inputs={"u": ([0.0], [0.1])})
    leaves, w = (
        list(net.parameters()),
        torch.randn(4, 2, 2, dtype=D, generator=torch.Generator().manual_seed(1)),
    )
    found = torch.autograd.grad(x, leaves, w, is_grads_batched=True, retain_graph=True)
    expected = zip(*(torch.autograd.grad(x, leaves, one, retain_graph=True) for one in w), strict=True)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, torch.stack(theirs), rtol=1e-12, atol=0)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_tangents_of_inputs_alone_under_vmap(engine):
    """jacfwd maps over tangents, not over the values of the inputs."""
    _, states, arguments = case(engine, "tsit5", "adaptive", 2)
    forwards = torch.func.jacfwd(states, 3)(*arguments)
    torch.testing.assert_close(forwards, torch.func.jacrev(states, 3)(*arguments), rtol=1e-12, atol=1e-14)
