"""Parameters: natural values, bounds held by parametrizations, defaults on a bound."""

import math

import numpy as np
import pytest
import torch
from generated import load
from torch import nn

import odec
from odec.errors import ArgumentError

D = torch.float64

EVERY = """
param plain = -0.4
param positive = 0.7 in (0, inf)
param above = 3.5 in (3, inf)
param below = -2 in (-inf, 1)
param between = 0.3 in (-1, 2)
param logarithm = 5 in (0, inf) via log
param decades = 1e-4 in (0, inf) via log10
param free = 2 in (0, inf) via none
param closed = 0.25 in [0, 1]
init x = plain
dx/dt = -positive*x + above*below + between*logarithm - decades*free*closed
run t = 0 .. 1 dt 0.1
"""

TRANSFORMS = {
    "plain": (lambda r: r, lambda v: v),
    "positive": (lambda r: math.log1p(math.exp(r)), lambda v: math.log(math.expm1(v))),
    "above": (lambda r: 3 + math.log1p(math.exp(r)), lambda v: math.log(math.expm1(v - 3))),
    "below": (lambda r: 1 - math.log1p(math.exp(r)), lambda v: math.log(math.expm1(1 - v))),
    "between": (lambda r: -1 + 3 / (1 + math.exp(-r)), lambda v: math.log((v + 1) / (2 - v))),
    "logarithm": (math.exp, math.log),
    "decades": (lambda r: 10**r, math.log10),
    "free": (lambda r: r, lambda v: v),
    "closed": (lambda r: 1 / (1 + math.exp(-r)), lambda v: math.log(v / (1 - v))),
}
DEFAULTS = [-0.4, 0.7, 3.5, -2.0, 0.3, 5.0, 1e-4, 2.0, 0.25]
BOUNDS = {"positive": (0, math.inf), "above": (3, math.inf), "below": (-math.inf, 1), "between": (-1, 2),
          "logarithm": (0, math.inf), "decades": (0, math.inf), "closed": (0, 1)}  # fmt: skip


def raw(net, name):
    return (
        net.parametrizations[name].original
        if name in getattr(net, "parametrizations", {})
        else getattr(net, name)
    )


def test_values_read_in_natural_units():
    module = load(EVERY)
    net = module.Model()
    assert list(module.PARAMS) == list(TRANSFORMS)
    assert [getattr(net, name).item() for name in module.PARAMS] == pytest.approx(DEFAULTS, rel=1e-14)
    assert net.vector().tolist() == pytest.approx(DEFAULTS, rel=1e-14)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_transform_and_its_inverse(name):
    forward, inverse = TRANSFORMS[name]
    net = load(EVERY).Model()
    original = raw(net, name)
    assert isinstance(original, nn.Parameter)
    assert original.item() == pytest.approx(inverse(getattr(net, name).item()), rel=1e-12)
    for value in (-3.0, -0.2, 0.0, 1.7):
        with torch.no_grad():
            original.fill_(value)
        assert getattr(net, name).item() == pytest.approx(forward(value), rel=1e-14)
        (slope,) = torch.autograd.grad(getattr(net, name), original)
        difference = (forward(value + 1e-5) - forward(value - 1e-5)) / 2e-5
        assert slope.item() == pytest.approx(difference, rel=1e-8)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_cannot_be_left(name):
    low, high = BOUNDS[name]
    net = load(EVERY).Model()
    for value in (-1e3, -60.0, 60.0, 1e3):
        with torch.no_grad():
            raw(net, name).fill_(value)
        assert low <= getattr(net, name).item() <= high


def test_assignment_is_in_natural_units():
    net = load(EVERY).Model()
    for name, value in {"plain": -7.0, "positive": 1e-8, "above": 250.0, "below": -40.0, "between": 1.99,
                        "logarithm": 1e6, "decades": 1e-12, "closed": 0.999}.items():  # fmt: skip
        value = torch.tensor(value, dtype=D)
        setattr(net, name, nn.Parameter(value) if name == "plain" else value)
        assert getattr(net, name).item() == pytest.approx(value.item(), rel=1e-7)


def test_steps_of_an_optimizer_stay_inside_the_bounds():
    module = load(EVERY)
    net = module.Model()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        net(torch.tensor([0.0, 0.5], dtype=D)).square().sum().backward()
        optimizer.step()
        for name, (low, high) in BOUNDS.items():
            assert low <= getattr(net, name).item() <= high


@pytest.mark.parametrize(
    ("declaration", "value"),
    [
        ("k = 0 in [0, inf)", 0.0),
        ("k = 0 in [0, 1]", 0.0),
        ("k = 1 in [0, 1]", 1.0),
        ("k = 2 in (-inf, 2]", 2.0),
        ("k = 5 in [5, inf)", 5.0),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_default_on_a_closed_bound(declaration, value, dtype):
    """It is simulated exactly, and stays there: its gradient through the transform is zero, never NaN."""
    net = load(f"param {declaration}\ninit x = 1\ndx/dt = -k*x\nrun t = 0 .. 1 dt 0.1\n").Model(dtype=dtype)
    assert net.k.item() == value
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net(torch.tensor([0.0, 1.0], dtype=dtype)).sum().backward()
    (original,) = net.parameters()
    assert original.grad.item() == 0
    optimizer.step()
    assert net.k.item() == value
    net.k = torch.tensor(value + (0.25 if value in (0, 5) else -0.25), dtype=dtype)
    assert torch.isfinite(original).all()


def test_parameters_take_dtype_and_device():
    net = load(EVERY).Model(dtype=torch.float32, device="cpu")
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    assert net.vector().dtype == torch.float32
    assert net.vector({"plain": torch.zeros(4, dtype=D)}).shape == (4, 9)


def test_given_values_stand_in_for_the_module_s_own():
    module = load(EVERY)
    net = module.Model()
    vector = net.vector({"closed": 0.5, "above": [10.0, 20.0]})
    assert vector.shape == (2, 9)
    assert vector[:, 2].tolist() == [10.0, 20.0]
    assert vector[:, 8].tolist() == [0.5, 0.5]
    assert net.vector({"closed": torch.tensor(7.0)})[8].item() == 7.0, (
        "a given value is not forced into the bounds"
    )


@pytest.mark.parametrize("name", [*BOUNDS, "free"])
def test_values_given_for_a_call_are_held_to_the_bounds(name):
    """Numbers and arrays by name; tensors, which torch may follow, are taken as they are."""
    lower, upper = BOUNDS.get(name, (0, math.inf))
    inside, (outside,) = (max(lower, -5) + 0.5), [v for v in (lower - 1, upper + 1) if math.isfinite(v)][:1]
    module = load(EVERY)
    net, t = module.Model(), torch.tensor([0.0, 0.5], dtype=D)
    for value in (outside, [inside, outside], np.array([outside, inside]), math.nan):
        with pytest.raises(ValueError, match=rf"^{name} = .* lies outside its interval [(\[].*, .*[)\]]$"):
            net(t, params={name: value})
    k = module.PARAMS.index(name)
    for value in (inside, [inside], np.array(inside), torch.tensor(outside, dtype=D)):
        assert net.vector({name: value})[..., k].item() == float(torch.as_tensor(value))
    ends = [end for end in (lower, upper) if math.isfinite(end)]
    for end in ends if name == "closed" else ():
        assert net.vector({name: end})[..., k].item() == end
    for end in ends if name != "closed" else ():
        with pytest.raises(ValueError, match="outside its interval"):
            net.vector({name: end})
    with pytest.raises(ArgumentError, match=f"{name} = .* lies outside its interval"):
        odec.simulate(net, [0.0, 0.5], params={name: torch.tensor(outside)})
