"""Arrays by name: inputs with their gradients, states, parameters of each trajectory, and what is saved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from array_models import array_model, array_op, module_of
from building import syms
from test_array_runs import normal

import odec
from odec.diagnostics import Source
from odec.errors import ArgumentError

h, u, k, m = syms("h u k m")


def driven(kind="linear"):
    """h' = W u - k h and Z' = -Z + m with the inputs u [3] and m, of h [2] and Z [2, 2]."""
    equations = {"h": array_op("matmul", "W", "u") - k * h, "Z": -syms("Z")[0] + m}
    shapes = {"h": (2,), "Z": (2, 2), "W": (2, 3)}
    model = array_model(equations, shapes, {"W": 0.5, "k": 1.0}, inputs=("u", "m"))
    given = (replace(model.inputs[0], shape=(3,), kind=kind), replace(model.inputs[1], kind="hold"))
    return replace(model, inputs=given, source=Source("driven.ode", f"# {kind} inputs u[3], m\n" * 200))


KNOTS = torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
TIMES = torch.linspace(0, 1, 6, dtype=torch.float64)


def linear(values, t):
    """Straight lines between the values at KNOTS."""
    j = min(int(np.searchsorted(KNOTS[1:], t, side="right")), 1)
    part = (t - KNOTS[j]) / (KNOTS[j + 1] - KNOTS[j])
    return values[j] + part * (values[j + 1] - values[j])


def by_hand(values, level, w, rate, x, dt):
    """rk4 by steps of dt, from 0 to 1."""

    def slope(t, x):
        own = linear(values, t)
        driven = (w @ own.unsqueeze(-1)).squeeze(-1)
        return torch.cat((driven - rate * x[..., :2], level - x[..., 2:]), -1)

    xs = [x]
    for j in range(round(1 / dt)):
        t = j * dt
        k1 = slope(t, x)
        k2 = slope(t + dt / 2, x + dt / 2 * k1)
        k3 = slope(t + dt / 2, x + dt / 2 * k2)
        x = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + slope(t + dt, x + dt * k3))
        xs.append(x)
    return torch.stack(xs[:: round(0.2 / dt)])


@pytest.mark.parametrize("batch", [(), (4,)], ids=["one", "each"])
def test_an_array_input_and_its_gradient_are_those_written_by_hand(batch):
    module = module_of(driven(), "rk4")
    assert module.INPUTS == ("u[0]", "u[1]", "u[2]", "m")
    values, x0 = normal(1, 3, *batch, 3), normal(2, *batch, 6)
    w, found = normal(3, *batch, 2, 3), []
    for run in (0, 1):
        given, weights = values.clone().requires_grad_(), w.clone().requires_grad_()
        if run:
            net = module.Model(dt=0.1)
            inputs = {"u": (KNOTS, given), "m": 0.7}
            xs = net(TIMES, x0=x0, params={"W": weights}, inputs=inputs)
        else:
            xs = by_hand(given, 0.7, weights, 1.0, x0, 0.1)
        (xs * normal(4, *xs.shape)).sum().backward()
        found.append((xs.detach(), given.grad, weights.grad))
    for wanted, got in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-12)


def test_elements_of_an_input_are_given_one_by_one_too():
    net = module_of(driven("hold"), "euler").Model(dt=0.1)
    values = normal(1, 3, 3)
    elements = {f"u[{i}]": (KNOTS, values[:, i]) for i in range(3)}
    whole = net(TIMES, inputs={"u": (KNOTS, values), "m": 0.0})
    assert torch.equal(net(TIMES, inputs={**elements, "m": 0.0}), whole)
    assert torch.equal(
        net(TIMES, inputs={"u": 0.5, "m": 0.0}), net(TIMES, inputs={"u": (KNOTS, values * 0 + 0.5), "m": 0.0})
    )
    with pytest.raises(ValueError, match=r"input 'u' needs .* values \(K, \*batch, 3\), not \(3, 2\)"):
        net(TIMES, inputs={"u": (KNOTS, values[:, :2]), "m": 0.0})
    with pytest.raises(ValueError, match=r"input 'u\[2\]' has no values"):
        net(TIMES, inputs={"u[0]": 1.0, "u[1]": 1.0, "m": 0.0})


def test_states_are_unpacked_by_name():
    module = module_of(driven())
    x = normal(1, 5, 2, 6)
    found = module.unpack(x)
    assert list(found) == ["h", "Z"]
    assert torch.equal(found["h"], x[..., :2]) and torch.equal(found["Z"], x[..., 2:].unflatten(-1, (2, 2)))
    with pytest.raises(ValueError, match=r"states are \(\.\.\., 6\), not of shape \(5,\)"):
        module.unpack(x[0, 0, :5])


def test_a_parameter_is_one_tensor_that_is_saved_as_such():
    module = module_of(driven(), "euler")
    net, other = module.Model(dt=0.1), module.Model(dt=0.1)
    with torch.no_grad():
        net.W.copy_(normal(1, 2, 3))
    assert isinstance(net.W, torch.nn.Parameter) and net.state_dict()["W"].shape == (2, 3)
    other.load_state_dict(net.state_dict())
    inputs = {"u": 1.0, "m": 0.0}
    assert torch.equal(other(TIMES, inputs=inputs), net(TIMES, inputs=inputs))
    each = normal(2, 4, 2, 3)
    found = net(TIMES, params={"W": each}, inputs=inputs)
    assert found.shape == (6, 4, 6)
    for j in range(4):
        alone = net(TIMES, params={"W": each[j]}, inputs=inputs)
        torch.testing.assert_close(found[:, j], alone, rtol=1e-13, atol=1e-14)


def test_a_run_has_arrays_by_name_and_columns_by_element():
    model = driven()
    sim = odec.simulate(
        model, times=[0, 0.5, 1], method="rk4", dt=0.1, engine="torch",
        params={"W": np.ones((4, 2, 3))}, init={"h": [1.0, 2.0], "Z": np.zeros((4, 2, 2))},
        inputs={"u": (KNOTS.numpy(), np.ones((3, 3))), "m": 1.0},
    )  # fmt: skip
    assert sim["h"].shape == (3, 4, 2) and sim["Z"].shape == (3, 4, 2, 2)
    assert sim["Z[1,0]"].shape == (3, 4) and "h[1]" in sim and "h" in sim and "h[2]" not in sim
    np.testing.assert_allclose(sim["h"][-1, 2], 3 + (np.array([1.0, 2.0]) - 3) * np.exp(-1), rtol=1e-6)
    np.testing.assert_allclose(sim["Z[1,0]"][:, 1], 1 - np.exp([0, -0.5, -1]), rtol=1e-6, atol=1e-12)
    assert sim.csv_text().splitlines()[0] == 'batch,t,h[0],h[1],"Z[0,0]","Z[0,1]","Z[1,0]","Z[1,1]"'
    with pytest.raises(ArgumentError, match=r"value of 'h' is \(\*batch, 2\), not of shape \(3,\)"):
        odec.simulate(model, times=[0, 1], engine="torch", init={"h": [1, 2, 3]}, inputs={"u": 1, "m": 1})
    level = odec.simulate(model, times=[0, 1], engine="torch", inputs={"u": 1, "m": 1})
    assert level["h"].shape == (2, 2)
    with pytest.raises(ArgumentError, match=r"no input 'u\[3\]'"):
        odec.simulate(model, times=[0, 1], engine="torch", inputs={"u[3]": 1, "u": 1, "m": 1})
