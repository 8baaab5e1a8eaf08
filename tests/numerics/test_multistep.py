"""Adams methods: values against a loop written apart, gradients and tangents against autograd through it."""

import math

import pytest
import torch
from generated import FORCED, LOTKA_VOLTERRA, RICH, assert_close, interpolant, load, pieces_between, stacked
from tiers import each_once

from odec.methods import METHODS

D = torch.float64
ADAMS = ("explicit_adams", "implicit_adams", "adams")
CHECKPOINTS = (None, 1, 3, "sqrt")
TIMES = {
    "one interval": [0.0, 1.4],
    "equal intervals": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2],
    "unequal intervals": [0.0, 0.45, 0.5, 1.3, 2.7],
    "decreasing": [1.3, 0.5, 0.0],
    "coinciding": [0.0, 0.0, 0.5, 0.5, 1.6],
    "single": [0.7],
    "too few steps for history": [0.0, 0.3],
}


def weights_of(nodes):
    """The weights with which slopes at the nodes integrate 1, s, s², s³ over a step exactly."""
    nodes = torch.stack(nodes)
    powers = torch.stack([torch.ones_like(nodes), nodes, nodes**2, nodes**3])
    return torch.linalg.solve(powers, 1 / torch.arange(1.0, 5, dtype=D))


def reference(module, method, t, x, p, dt, u=None, clip=None):
    """Adams methods of order 4 with starting steps of rk4, anew at knots, and where steps grow much."""

    def f(time, state, here):
        k = module.rhs(time, state, p) if u is None else module.rhs(time, state, p, here(time))
        return k if clip is None else k.clamp(-clip, clip)

    xs, past, times, size = [x], [], [], 0.0
    knots = () if u is None else u.knots
    for a, b, is_output in pieces_between(t, knots):
        count = max(1, math.ceil(abs(float((b - a).detach())) / dt - 1e-6))
        h = (b - a) / count
        if not 0 < abs(float(h.detach())) <= 2.000001 * size or float(a) in knots:
            past, times = [], []
        size = abs(float(h.detach()))
        for j in range(count):
            time, middle = a + j * h, a + (j + 0.5) * h

            def here(when, middle=middle):
                return None if u is None else u(when, middle=middle)

            k1 = f(time, x, here)
            past, times = [k1, *past][:4], [time, *times][:4]
            if len(past) < 4:
                k2 = f(time + h / 2, x + h / 2 * k1, here)
                k3 = f(time + h / 2, x + h / 2 * k2, here)
                k4 = f(time + h, x + h * k3, here)
                x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
                continue
            nodes = [torch.as_tensor((when - time) / h, dtype=D) for when in times]
            y = x + h * sum(weight * k for weight, k in zip(weights_of(nodes), past))
            if method != "explicit_adams":
                slopes, nodes = [f(time + h, y, here), *past], [torch.ones((), dtype=D), *nodes[:3]]
                y = x + h * sum(weight * k for weight, k in zip(weights_of(nodes), slopes))
            x = y
        if is_output:
            xs.append(x)
    return torch.stack(torch.broadcast_tensors(*xs))


def leaf(*shape, low=0.2, high=1.0):
    return (low + (high - low) * torch.rand(shape, dtype=D)).requires_grad_()


def compare(net, x, expected, leaves):
    assert_close([x], [expected], 1e-12)
    weights = torch.randn_like(x)
    found = [
        torch.autograd.grad((values * weights).sum(), leaves, allow_unused=True) for values in (x, expected)
    ]
    floor = 1e-6 * sum(g.norm() for g in found[1] if g is not None)
    for actual, wanted in zip(*found):
        if wanted is None:
            assert actual is None or not actual.any()
        else:
            assert (actual - wanted).norm() <= 1e-10 * torch.maximum(wanted.norm(), floor)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


@pytest.mark.parametrize(
    ("times", "checkpoints", "method"),
    each_once(TIMES, CHECKPOINTS, ADAMS, besides=lambda times, *_: times == "unequal intervals"),
)
def test_values_and_gradients(method, times, checkpoints):
    module = load(RICH, method)
    net = module.Model(dt=0.1, checkpoints=checkpoints)
    t = torch.tensor(TIMES[times], dtype=D, requires_grad=True)
    x0, a = leaf(3, 2), leaf(3)
    x = net(t, x0=x0, params={"a": a})
    expected = reference(module, method, t, x0, net.vector({"a": a}), net.dt)
    compare(net, x, expected, [t, x0, a, *net.parameters()])


@pytest.mark.parametrize("method", ["explicit_adams", "implicit_adams"])
def test_gradients_by_equally_spaced_times_are_slopes(method):
    """Slopes are carried over the outputs, and an output that moves moves none after it; both to order 4."""
    module, weights = load(LOTKA_VOLTERRA, method), torch.rand(9, 2, dtype=D)
    net = module.Model(dt=0.01)
    t = torch.linspace(0, 0.12, 9, dtype=D).requires_grad_()  # two steps of 0.0075 to each
    x = net(t)
    (found,) = torch.autograd.grad((weights * x).sum(), t)
    slopes = torch.stack([module.rhs(time, state, net.vector()) for time, state in zip(t, x.detach())])
    assert torch.allclose(found[1:], (weights * slopes).sum(-1)[1:], rtol=1e-6, atol=1e-6)
    assert abs(found.sum()) < 1e-10  # the equations are autonomous
    moved = 1e-5 * torch.eye(9, dtype=D)[4]
    with torch.no_grad():
        differences = (net(t + moved) - net(t - moved)) / 2e-5
    assert abs(found[4] - (weights * differences).sum()) < 1e-8


@pytest.mark.parametrize("method", ADAMS)
@pytest.mark.parametrize("adjoint", ["discrete", "autograd"])
def test_inputs(method, adjoint):
    module = load(FORCED, method)
    t = torch.tensor([0.05, 0.9, 2.13, 3.77], dtype=D, requires_grad=True)
    knots = {
        "u": torch.tensor([0.0, 1.0, 2.2, 3.0], dtype=D),
        "v": torch.tensor([0.5, 1.0, 2.2, 2.9, 5.0], dtype=D),
        "w": torch.tensor([0.01, 0.52, 1.61, 2.71], dtype=D),
    }
    kinds = {"u": "linear", "v": "cubic", "w": "hold"}
    values = {name: leaf(len(knots[name]), *((2,) if name != "w" else ())) for name in knots}
    u = stacked([interpolant(kinds[name], knots[name], values[name]) for name in knots])
    net, x0 = module.Model(dt=0.11, adjoint=adjoint), leaf(2, 2)
    x = net(t, x0=x0, inputs={name: (knots[name], values[name]) for name in knots})
    expected = reference(module, method, t, x0, net.vector(), net.dt, u)
    compare(net, x, expected, [t, x0, *values.values(), *net.parameters()])


@pytest.mark.parametrize("method", ADAMS)
def test_clip(method):
    module = load(LOTKA_VOLTERRA, method)
    net, x0 = module.Model(dt=0.05, clip=7.0), leaf(5, 2, low=1, high=30)
    t = torch.tensor([0.0, 1.0], dtype=D)
    x = net(t, x0=x0)
    compare(net, x, reference(module, method, t, x0, net.vector(), net.dt, clip=7.0), [x0, *net.parameters()])


@pytest.mark.parametrize("method", ADAMS)
def test_tangents_and_transforms(method):
    module = load(RICH, method)
    net, t = module.Model(dt=0.1), torch.tensor([0.0, 0.7, 1.9], dtype=D)
    x0 = torch.rand(4, 2, dtype=D)

    def run(x0, t):
        return net(t, x0=x0)

    forward = torch.func.jacfwd(run, argnums=(0, 1))(x0[0], t)
    backward = torch.func.jacrev(run, argnums=(0, 1))(x0[0], t)
    assert_close(forward, backward, 1e-11)
    each = torch.func.vmap(torch.func.grad(lambda x: run(x, t)[-1].sum()))(x0)
    one = [torch.func.grad(lambda x: run(x, t)[-1].sum())(x) for x in x0]
    assert_close([each], [torch.stack(one)], 1e-12)


@pytest.mark.parametrize("method", ADAMS)
def test_a_compiled_model(method):
    module = load(RICH, method)
    net, t = module.Model(dt=0.1), torch.tensor([0.0, 0.7, 1.9], dtype=D)
    x0 = leaf(4, 2)
    compiled = torch.compile(lambda x: net(t, x0=x), fullgraph=True, backend="aot_eager")
    for x in (compiled(x0), net(t, x0=x0)):
        gradient = torch.autograd.grad(x.square().sum(), x0)[0]
        assert_close([gradient], [torch.autograd.grad(net(t, x0=x0).square().sum(), x0)[0]], 1e-12)


@pytest.mark.parametrize("method", ADAMS)
def test_the_cell_by_hand(method):
    module = load(RICH, method)
    cell, net = module.StepCell(), module.Model(dt=0.1)
    x, history, states = torch.rand(3, 2, dtype=D), (), []
    for k in range(9):
        states.append(x)
        x, history = cell(x, 0.1 * k, 0.1, net.vector(), history=history)
    assert len(history) == 3
    t = 0.1 * torch.arange(9, dtype=D)
    assert_close([torch.stack(states)], [net(t, x0=states[0])], 1e-12)


def test_single_precision_and_status():
    module = load(RICH, "implicit_adams")
    net = module.Model(dt=0.1, dtype=torch.float32)
    t = torch.tensor([0.0, 1.0])
    x = net(t, x0=torch.full((2,), 0.5))
    assert x.dtype == torch.float32 and net.status.steps == 10 and net.status.ok
    double = module.Model(dt=0.1)(t.double(), x0=torch.full((2,), 0.5, dtype=D))
    assert_close([x], [double], 1e-6)


def test_outputs_do_not_restart_the_method():
    """Equal steps across output times give the same states as one interval."""
    module = load(LOTKA_VOLTERRA, "explicit_adams")
    net = module.Model(dt=0.05)
    dense = net(torch.linspace(0, 2, 41, dtype=D))
    assert_close([dense[-1]], [net(torch.tensor([0.0, 2.0], dtype=D))[-1]], 1e-13)


def test_methods_without_an_estimate_refuse_tolerances():
    assert [name for name in ADAMS if METHODS[name].adaptive] == ["adams"]
    with pytest.raises((TypeError, ValueError), match="rtol"):
        load(RICH, "explicit_adams").Model(rtol=1e-6)


OSCILLATOR = """
init x = 1
init y = 0
dx/dt = y
dy/dt = -x
"""

PUSHED = """
init x = 0
dx/dt = cos(t) + x*(sin(t) - x)
"""


@pytest.mark.parametrize(("text", "solution"), [(OSCILLATOR, torch.cos), (PUSHED, torch.sin)])
@pytest.mark.parametrize("backwards", [False, True])
def test_variable_steps_keep_the_tolerance(text, solution, backwards):
    """Tighter tolerances give smaller errors, with few more steps: the order rises."""
    t = torch.tensor([0.0, 1.0, 3.0, 3.0, 7.0], dtype=D)
    t = t.flip(0) if backwards and text == OSCILLATOR else t
    x0 = torch.stack((torch.cos(t[0]), -torch.sin(t[0]))) if text == OSCILLATOR else torch.zeros(1, dtype=D)
    steps = []
    for tolerance in (1e-4, 1e-7, 1e-10):
        net = load(text, "adams").Model(rtol=tolerance, atol=tolerance, adjoint="none")
        x = net(t, x0=x0)
        assert (x[:, 0] - solution(t)).abs().max() < 100 * tolerance
        assert net.status.ok and net.status.rejected < 0.3 * net.status.steps
        steps.append(int(net.status.steps))
    assert steps[2] < 5 * steps[0]


@pytest.mark.parametrize("batch", [(), (4,)])
@pytest.mark.parametrize("text", [RICH, LOTKA_VOLTERRA])
def test_gradients_of_variable_steps(text, batch):
    module = load(text, "adams")
    t = torch.tensor([0.0, 0.3, 0.35, 1.1, 2.0], dtype=D, requires_grad=True)
    x0, first = leaf(*batch, 2, low=0.5, high=1.5), leaf(*batch)
    found = []
    for adjoint in ("discrete", "autograd"):
        net = module.Model(adjoint=adjoint, rtol=1e-4, atol=1e-6)
        x = net(t, x0=x0, params={module.PARAMS[0]: first})
        weights = torch.linspace(-1, 1, x.numel(), dtype=D).reshape(x.shape)
        wanted = [t, x0, first, *net.parameters()]
        found.append((x, torch.autograd.grad((x * weights).sum(), wanted, allow_unused=True)))
    (x, gradients), (expected, references) = found
    assert_close([x], [expected], 1e-13)
    pairs = [(a, b) for a, b in zip(gradients, references) if b is not None]
    floor = 1e-6 * sum(b.norm() for _, b in pairs)
    assert len(pairs) > 3
    for a, b in pairs:
        assert (a - b).norm() <= 1e-10 * torch.maximum(b.norm(), floor)


def test_tangents_of_variable_steps():
    module = load(RICH, "adams")
    net = module.Model(rtol=1e-6, atol=1e-8)
    t = torch.tensor([0.0, 0.7, 1.9], dtype=D)
    x0 = torch.rand(4, 2, dtype=D)

    def run(x0, t):
        return net(t, x0=x0)

    forward = torch.func.jacfwd(run, argnums=(0, 1))(x0[0], t)
    backward = torch.func.jacrev(run, argnums=(0, 1))(x0[0], t)
    assert_close(forward, backward, 1e-10)
    each = torch.func.vmap(torch.func.grad(lambda x: run(x, t)[-1].sum()))(x0)
    one = [torch.func.grad(lambda x: run(x, t)[-1].sum())(x) for x in x0]
    assert_close([each], [torch.stack(one)], 1e-11)


def test_trajectories_do_not_know_each_other():
    module = load(LOTKA_VOLTERRA, "adams")
    net = module.Model(rtol=1e-6, atol=1e-8)
    t = torch.linspace(0, 5, 6, dtype=D)
    x0 = torch.tensor([[1.0, 1.0], [30.0, 5.0], [4.0, 12.0]], dtype=D)
    whole = net(t, x0=x0)
    steps = net.status.steps.tolist()
    assert len(set(steps)) > 1
    for i, alone in enumerate(x0):
        assert torch.equal(net(t, x0=alone), whole[:, i])
        assert int(net.status.steps) == steps[i]


def test_variable_steps_with_inputs():
    """Steps end on knots, where history begins anew; gradients by the inputs' values are exact."""
    module = load(FORCED, "adams")
    t = torch.tensor([0.05, 0.9, 2.13, 3.77], dtype=D, requires_grad=True)
    knots = {"u": [0.0, 1.0, 2.2, 3.0], "v": [0.5, 1.0, 2.2, 2.9, 5.0], "w": [0.01, 0.52, 1.61, 2.71]}
    values = {name: leaf(len(times)) for name, times in knots.items()}
    inputs = {name: (torch.tensor(times, dtype=D), values[name]) for name, times in knots.items()}
    x0 = leaf(2)
    leaves = [t, x0, *values.values()]
    found = []
    for adjoint in ("discrete", "autograd"):
        x = module.Model(rtol=1e-6, atol=1e-8, adjoint=adjoint)(t, x0=x0, inputs=inputs)
        found.append((x, torch.autograd.grad(x.square().sum(), leaves)))
    assert_close([found[0][0]], [found[1][0]], 1e-12)
    assert_close(found[0][1], found[1][1], 1e-9)
    exact = load(FORCED, "dopri5").Model(rtol=1e-11, atol=1e-12)(t, x0=x0, inputs=inputs)
    assert_close([found[0][0]], [exact], 1e-5)


def test_a_failure_of_variable_steps_is_told():
    module = load("init x = 1\ndx/dt = x**2\n", "adams")
    net = module.Model(rtol=1e-3, atol=1e-5)
    x = net(torch.tensor([0.0, 0.5, 2.0], dtype=D))
    assert not net.status.ok and torch.isnan(x[-1]).all() and torch.isfinite(x[1]).all()
    assert "state x" in str(net.status)
