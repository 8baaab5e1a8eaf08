"""How what a Model returns lies in memory, and forward mode of whole batches, which depends on it."""

import pytest
import torch
import torch.autograd.forward_ad as forward_mode
from generated import FORCED, RICKER, load
from tiers import each_once

import odec

D = torch.float64
T = torch.tensor([0.0, 0.3, 0.5, 1.0], dtype=D)
KNOTS = torch.tensor([0.0, 0.4, 1.6], dtype=D)
KINDS = {
    "explicit": ("rk4", {"dt": 0.1}),
    "adaptive": ("tsit5", {"rtol": 1e-4}),
    "dense": ("tsit5", {"rtol": 1e-4, "dense_output": True}),
    "implicit": ("trbdf2", {"dt": 0.1}),
    "rosenbrock": ("rodas5p", {"rtol": 1e-4}),
    "multistep": ("implicit_adams", {"dt": 0.1}),
    "auto": ("auto", {"rtol": 1e-4}),
}


def compare_forward_mode(module, options, shape):
    """States and observables with tangents of x0, a parameter and the inputs, against torch's own tape."""
    torch.manual_seed(5)
    x0, k, values = torch.rand(*shape, 2, dtype=D), torch.rand(shape, dtype=D), torch.rand(3, *shape, dtype=D)
    pairs = [(value, torch.rand_like(value)) for value in (x0, k, values)]
    outcomes = []
    for adjoint in ("discrete", "autograd"):
        net = module.Model(adjoint=adjoint, **options)
        with forward_mode.dual_level():
            x0, k, values = (forward_mode.make_dual(*pair) for pair in pairs)
            given = {"params": {"k": k}, "inputs": dict.fromkeys("uvw", (KNOTS, values))}
            x = net(T, x0=x0, **given)
            y = net.observe(T, x, **given)
            outcomes.append([*forward_mode.unpack_dual(x), *forward_mode.unpack_dual(y)])
        for value in outcomes[-1]:
            assert value.shape[:-1] == (4, *shape)
            assert value.is_contiguous() and value.view(4, -1).data_ptr() == value.data_ptr()
    for found, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("kind", "shape"), each_once(KINDS, [(2, 3), (), (3,)]))
def test_forward_mode_of_batches_and_contiguous_results(kind, shape):
    method, options = KINDS[kind]
    compare_forward_mode(load(FORCED, method), options, shape)


def test_the_same_of_kernels():
    module = odec.load(FORCED, method="tsit5", engine="native")
    for shape in ((), (3,), (2, 3)):
        compare_forward_mode(module, {"dt": 0.1}, shape)
    net = module.Model(rtol=1e-6)
    inputs = dict.fromkeys("uvw", (KNOTS, torch.zeros(3, dtype=D)))
    for options in ({}, {"x0": torch.rand(5, 2, dtype=D, requires_grad=True)}):
        assert net(T, inputs=inputs, **options).is_contiguous()
    assert net(T, x0=torch.rand(0, 2), params={"k": torch.rand(0)}, inputs=inputs).shape == (4, 0, 2)


def test_a_map_returns_contiguous_states_too():
    net = load(RICKER).Model()
    x = net([0.0, 1, 2], params={"r": torch.rand(7)})
    assert x.is_contiguous() and net.observe([0.0, 1, 2], x, params={"r": torch.rand(7)}).is_contiguous()
