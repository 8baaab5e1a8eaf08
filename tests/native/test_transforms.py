"""torch.func, vmap, forward mode and torch.compile over the native engine, each by value."""

import pytest
import torch
from native_models import LORENZ, TIMED, arguments, gap, load, times
from tiers import slow_but
from torch.func import grad, jacfwd, jacrev, jvp, vmap

TOLERANCE = 1e-10
FIXED, ADAPTIVE = {"dt": 0.04}, {"rtol": 1e-6, "atol": 1e-8}
CASES = [
    (LORENZ, "rk4", FIXED),
    (TIMED, "rk4", FIXED),
    (LORENZ, "tsit5", ADAPTIVE),
    (LORENZ, "rodas5p", ADAPTIVE),
]


class Case:
    """One call as a function of the engine, an initial state and the second parameter."""

    def __init__(self, text, method, steps):
        self.text, self.module, self.steps = text, load(text, method), steps
        self.native, self.torch = (self.module.Model(engine=e, **steps) for e in ("native", "torch"))
        self.t = times(self.module)
        self.given = arguments(self.module, (4,), batched_params=False)
        self.x0 = self.given.pop("x0")
        self.name = self.module.PARAMS[1]
        self.p = self.given["params"].pop(self.name)

    def states(self, net, x0, p, t=None):
        given = {**self.given, "params": {**self.given["params"], self.name: p}}
        return net(self.t if t is None else t, x0=x0, **given)

    def loss(self, net, x0, p):
        return (self.states(net, x0, p) ** 2).sum()

    def same(self, function):
        assert gap(function(self.native), function(self.torch)) < TOLERANCE


@pytest.fixture(
    params=slow_but(zip(CASES), lambda case: case[1] != "rodas5p"),
    ids=["lorenz", "timed", "tolerance", "stiff tolerance"],
)
def case(request):
    return Case(*request.param)


def test_grad_and_jacobians(case):
    case.same(lambda net: grad(case.loss, 1)(net, case.x0, case.p))
    case.same(lambda net: grad(case.loss, 2)(net, case.x0, case.p))
    case.same(lambda net: jacrev(lambda p: case.states(net, case.x0, p))(case.p))
    case.same(lambda net: jacfwd(lambda p: case.states(net, case.x0, p))(case.p))
    case.same(lambda net: jacfwd(lambda x: case.states(net, x, case.p))(case.x0))


def test_forward_mode(case):
    def tangent(net):
        tangents = (0.1 + 0.3 * case.t, torch.cos(case.x0), torch.tensor(0.7, dtype=torch.float64))
        states = lambda t, x, p: case.states(net, x, p, t)  # noqa: E731
        return jvp(states, (case.t, case.x0, case.p), tangents)[1]

    case.same(tangent)
    assert tangent(case.native).abs().max() > 1e-3


def test_vmap_of_grad(case):
    many = torch.tensor([1.0, 1.2, 1.5], dtype=torch.float64)
    case.same(lambda net: vmap(grad(lambda p: case.loss(net, case.x0, p)))(many))
    starts = torch.stack([case.x0, 1.5 * case.x0])
    case.same(lambda net: vmap(lambda x: grad(lambda p: case.loss(net, x, p))(case.p))(starts))


def test_compile(case):
    def function(net):
        return lambda x, p: case.states(net, x, p)

    # inductor is slow: one case goes through it
    backend = "inductor" if case.text == LORENZ and "dt" in case.steps else "aot_eager"
    compiled = torch.compile(function(case.native), fullgraph=True, backend=backend)
    leaves = [case.x0.clone().requires_grad_(), case.p.clone().requires_grad_()]
    mine = torch.autograd.grad((compiled(*leaves) ** 2).sum(), leaves)
    theirs = torch.autograd.grad((function(case.torch)(*leaves) ** 2).sum(), leaves)
    assert all(gap(a, b) < TOLERANCE for a, b in zip(mine, theirs, strict=True))
    of_grad = torch.compile(
        grad(lambda p: case.loss(case.native, case.x0, p)), fullgraph=True, backend="aot_eager"
    )
    assert gap(of_grad(case.p), grad(lambda p: case.loss(case.torch, case.x0, p))(case.p)) < TOLERANCE


def test_state_dict_and_training(case):
    """The engine is no part of what is saved, and an optimiser's step is the same on both."""
    found = []
    for engine in ("native", "torch"):
        net = case.module.Model(engine=engine, **case.steps)
        net.load_state_dict(case.module.Model(engine="torch", **case.steps).state_dict())
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            inputs = {"inputs": case.given["inputs"]} if "inputs" in case.given else {}
            (net(case.t, x0=case.x0, **inputs) ** 2).sum().backward()
            optimizer.step()
        found.append(net.vector().detach())
    assert gap(*found) < 1e-9
