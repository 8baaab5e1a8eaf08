"""The discrete adjoint against autograd through a plain loop of steps."""

import weakref
from itertools import product

import pytest
import torch
from generated import (
    FORCED,
    LOTKA_VOLTERRA,
    RICH,
    RICKER,
    assert_close,
    interpolant,
    is_map,
    load,
    plain,
    stacked,
)
from tiers import each_once, slow_but

from odec.methods import EXPLICIT_METHODS as METHODS

D = torch.float64
CHECKPOINTS = (None, 1, 3, "sqrt")

BATCHES = {
    "one trajectory": ((), {}),
    "a vector": ((3,), {}),
    "a grid": ((2, 3), {}),
    "a parameter each": ((3,), {"a": (3,)}),
    "parameters batched alone": ((), {"a": (3,), "c": (3,)}),
    "crossed": ((2, 1), {"b": (3,), "d": (2, 3)}),
}

TIMES = {
    "increasing": [0.0, 0.45, 0.5, 1.3],
    "decreasing": [1.3, 0.5, 0.45, 0.0],
    "coinciding": [0.0, 0.0, 0.5, 0.5, 0.5, 0.9, 0.9],
    "single": [0.7],
    "far from zero": [1900.0, 1900.45, 1901.0],
}


def leaf(*shape, dtype=D, low=0.2, high=1.0):
    return (low + (high - low) * torch.rand(shape, dtype=dtype)).requires_grad_()


def compare(module, net, t, x0, params, relative, u=None, inputs=None, wrt=()):
    """Values and gradients of a call, for x0, t, the given and the raw parameters, against the plain loop."""
    leaves = [
        v for v in (t, x0, *params.values(), *wrt, *net.parameters()) if v is not None and v.requires_grad
    ]
    x = net(t, x0=x0, params=params, **({} if inputs is None else {"inputs": inputs}))
    p = net.vector(params)
    start = module.initial(t[0], p) if x0 is None else x0
    reference = plain(module, t, start, p, net.dt, u, net.clip).expand(x.shape)
    assert_close([x], [reference], relative)
    weights = torch.randn_like(x)

    def gradients(values):
        found = torch.autograd.grad((values * weights).sum(), leaves, allow_unused=True)
        return [torch.zeros_like(v) if g is None else g for v, g in zip(leaves, found)]

    actual, expected = gradients(x), gradients(reference)
    # A sum that cancels is compared with what all gradients weigh together.
    floor = sum(g.norm() for g in expected) * 1e-6
    for a, b in zip(actual, expected):
        assert a.shape == b.shape
        assert (a - b).norm() <= relative * torch.maximum(b.norm(), floor), f"{a} instead of {b}"
    return x


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


@pytest.mark.parametrize(
    ("method", "batch", "checkpoints"),
    each_once(METHODS, BATCHES, CHECKPOINTS, besides=lambda method, *_: method == "rk4"),
)
def test_gradients_equal_autograd_for_every_method(method, batch, checkpoints):
    module, (shape, given) = load(RICH, method), BATCHES[batch]
    t = torch.tensor(TIMES["increasing"], dtype=D, requires_grad=True)
    params = {name: leaf(*size) for name, size in given.items()}
    compare(module, module.Model(checkpoints=checkpoints), t, leaf(*shape, 2), params, 1e-10)


@pytest.mark.parametrize(
    ("times", "checkpoints"), slow_but(product(TIMES, CHECKPOINTS), lambda _, kept: kept in (None, 3))
)
def test_gradients_equal_autograd_for_every_order_of_times(times, checkpoints):
    module = load(RICH, "rk4")
    t = torch.tensor(TIMES[times], dtype=D, requires_grad=True)
    x = compare(module, module.Model(checkpoints=checkpoints), t, leaf(3, 2), {"a": leaf(3)}, 1e-10)
    assert x.shape == (len(t), 3, 2)


@pytest.mark.parametrize("batch", [(), (4,)])
def test_gradients_reach_what_the_initial_values_depend_on(batch):
    module = load(RICH, "heun3")
    t = torch.tensor([0.3, 1.0], dtype=D, requires_grad=True)
    compare(module, module.Model(), t, None, {"b": leaf(*batch)}, 1e-10)


@pytest.mark.parametrize(("method", "batch"), each_once(METHODS, ["a vector", "a parameter each"]))
def test_gradients_in_single_precision(method, batch):
    module, (shape, given) = load(RICH, method), BATCHES[batch]
    t = torch.tensor([0.0, 0.45, 0.5, 1.3], requires_grad=True)
    params = {name: leaf(*size, dtype=torch.float32) for name, size in given.items()}
    net = module.Model(dtype=torch.float32)
    x = compare(module, net, t, leaf(*shape, 2, dtype=torch.float32), params, 1e-4)
    assert x.dtype == torch.float32


@pytest.mark.parametrize(
    ("method", "checkpoints", "batch"),
    each_once(METHODS, CHECKPOINTS, [(3,), ()], besides=lambda method, *_: method == "rk4"),
)
def test_gradients_with_inputs(method, checkpoints, batch):
    module = load(FORCED, method)
    t = torch.tensor([0.05, 0.9, 2.13, 3.77], dtype=D, requires_grad=True)
    knots = {
        "u": torch.tensor([0.0, 1.0, 2.2, 3.0], dtype=D),
        "v": torch.tensor([0.5, 1.0, 2.2, 2.9, 5.0], dtype=D),
        "w": torch.tensor([0.01, 0.52, 1.61, 2.71], dtype=D),
    }
    kinds = {"u": "linear", "v": "cubic", "w": "hold"}
    values = {name: leaf(len(knots[name]), *(batch if name != "w" else ())) for name in knots}
    u = stacked([interpolant(kinds[name], knots[name], values[name]) for name in knots])
    inputs = {name: (knots[name], values[name]) for name in knots}
    net = module.Model(checkpoints=checkpoints, dt=0.3)
    compare(module, net, t, leaf(*batch, 2), {"k": leaf(*batch)}, 1e-10, u, inputs, tuple(values.values()))


@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_gradients_with_the_derivative_clipped(method):
    module = load(LOTKA_VOLTERRA, method)
    t = torch.tensor([0.0, 0.5, 1.0], dtype=D, requires_grad=True)
    x0 = leaf(5, 2, low=1, high=30)
    net = module.Model(clip=7.0)
    compare(module, net, t, x0, {}, 1e-10)
    assert not torch.allclose(net(t, x0=x0), module.Model()(t, x0=x0))


@pytest.mark.parametrize("checkpoints", CHECKPOINTS, ids=str)
def test_gradients_of_a_map(checkpoints):
    module = load(RICKER)
    t = torch.tensor([0.0, 1.0, 1.0, 7.0], dtype=D)
    compare(
        module, module.Model(checkpoints=checkpoints), t, leaf(3, 1, low=5, high=50), {"r": leaf(3)}, 1e-10
    )


@pytest.mark.parametrize("model", [LOTKA_VOLTERRA, RICKER], ids=["equations", "a map"])
def test_other_adjoints_compute_the_same_states(model):
    module = load(model)
    t = torch.arange(0, 6, dtype=D)
    x = module.Model()(t)
    assert torch.equal(module.Model(adjoint="none")(t), x)
    assert not module.Model(adjoint="none")(t).requires_grad
    torch.testing.assert_close(module.Model(adjoint="autograd")(t), x, rtol=1e-12, atol=0)
    if not is_map(module):
        assert torch.equal(module.Model(adjoint="continuous")(t), x)


@pytest.mark.parametrize("method", ["euler", "heun2", "heun3", "rk4"])
def test_the_continuous_adjoint_converges_at_the_order_of_the_method(method):
    module = load(FORCED, method)
    times = torch.tensor([-1.0, 5.0, 8.0], dtype=D)  # no knot inside, where the solution is less smooth
    curve = {name: (times, torch.sin(times + k)) for k, name in enumerate("uv")}
    steady = {"w": ([0.0], torch.tensor([0.3], dtype=D))}
    t = torch.tensor([0.0, 2.0, 4.0], dtype=D)
    errors = []
    for dt in (0.1, 0.05, 0.025):
        found = []
        for adjoint in ("continuous", "discrete"):
            net = module.Model(dt=dt, adjoint=adjoint)
            values = curve["v"][1].clone().requires_grad_()
            x0 = torch.tensor([1.0, 0.5], dtype=D, requires_grad=True)
            moved = t.clone().requires_grad_()
            x = net(moved, x0=x0, inputs={**curve, "v": (times, values), **steady})
            found.append(
                torch.autograd.grad((x**2).sum(), [x0, values, moved, *net.parameters()], allow_unused=True)
            )
        pairs = [(a, b) for a, b in zip(*found) if a is not None]
        errors.append(sum((a - b).norm() for a, b in pairs).item())
    order = METHODS[method].order
    for coarse, fine in zip(errors, errors[1:]):
        assert coarse / fine > 2 ** (order - 0.4), errors


def test_what_is_kept_for_the_backward_pass():
    """One state per step by default, √steps for "sqrt"; nothing that grows with the steps for continuous."""
    module = load(LOTKA_VOLTERRA)
    t = torch.tensor([0.0, 10.0], dtype=D)

    def kept(dt, **options):
        numbers = []

        def pack(value):
            numbers.append(value.numel())
            return value

        net = module.Model(dt=dt, **options)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            net(t, x0=torch.ones(100, 2, dtype=D))
        return sum(numbers)

    few, many = kept(0.1), kept(0.025)
    assert many - few == 300 * 200
    assert kept(0.025, checkpoints="sqrt") - kept(0.1, checkpoints="sqrt") == 10 * 200
    assert kept(0.025, checkpoints=3) == kept(0.1, checkpoints=3)
    assert kept(0.025, adjoint="continuous") == kept(0.1, adjoint="continuous")
    assert kept(0.025, adjoint="autograd") > 10 * many


@pytest.mark.parametrize("adjoint", ["continuous", "discrete"])
def test_memory_alive_in_the_backward_pass(adjoint):
    """The most tensor elements alive at once while going backwards: constant in steps for continuous."""
    module = load(LOTKA_VOLTERRA)

    def peak(dt):
        net = module.Model(dt=dt, adjoint=adjoint, checkpoints="sqrt")
        x = net(torch.tensor([0.0, 4.0], dtype=D), x0=torch.ones(64, 2, dtype=D))
        meter = Meter()
        with meter:
            x.sum().backward()
        return meter.peak

    growth = peak(0.01) / peak(0.1)
    assert growth < 1.05 if adjoint == "continuous" else 1.5 < growth < 6


class Meter(torch.utils._python_dispatch.TorchDispatchMode):
    """Bytes of the storages alive that were made inside."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak = {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in torch.utils._pytree.tree_leaves(result):
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                key = storage.data_ptr()
                if key not in self.alive:
                    self.alive[key] = storage.nbytes()
                    weakref.finalize(storage, self.alive.pop, key, None)
        self.peak = max(self.peak, sum(self.alive.values()))
        return result
