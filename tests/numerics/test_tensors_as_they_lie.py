"""Tensors whose numbers are not what lies in memory, and times that a dtype takes for one another."""

import pytest
import torch
from generated import load

import odec

D = torch.float64
MODEL = "param k = 0.5\ninput u linear\ninit x = 1\ninit y = 2\nx' = u - k*x\ny' = -x*y\n"
T = torch.tensor([0.0, 0.5, 1.0], dtype=D)
KNOTS = torch.tensor([0.0, 2.0], dtype=D)


def owed(*values):
    """These numbers, with the other sign in memory."""
    found = torch.complex(torch.zeros(len(values)).double(), -torch.tensor(values, dtype=D)).conj().imag
    assert found.is_neg() and found.tolist() == list(values)
    return found


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_signs_that_memory_owes(engine):
    module = odec.load(MODEL, method="rk4", engine=engine)
    net = module.Model(dt=0.1, engine=engine)
    plain = net(T, x0=[3.0, 4.0], params=[0.7], inputs={"u": (KNOTS, [1.0, 2.0])})
    found = net(T, x0=owed(3, 4), params=owed(0.7), inputs={"u": (KNOTS, owed(1, 2))})
    assert torch.equal(found, plain)
    if engine == "native":
        series, native = (
            net.series({"u": (KNOTS, [1.0, 2.0])}, net.vector()),
            module.COMPILED.engine("native"),
        )
        assert torch.equal(native.states(T, owed(3, 4), owed(0.7), series, net.steps).xs, plain)


@pytest.mark.parametrize("start", [1e8, 1000.0])
def test_times_closer_than_the_dtype_can_tell(start):
    times, text = [start, start + 1e-4, start + 2e-4], "param k = 1\ninit x = 1\nx' = -k*x\n"
    with pytest.raises(ValueError, match=r"torch.float32 is too coarse for the times .*: take float64"):
        load(text, "euler").Model(dt=1.0, dtype=torch.float32)(torch.tensor(times, dtype=D))
    for call in (odec.simulate, lambda *a, **k: odec.fit(a[0], {"t": times, "x": times}, epochs=1, **k)):
        with pytest.raises(odec.ArgumentError, match="torch.float32 is too coarse for the times"):
            call(text, times, dtype="float32", engine="torch")
    assert odec.simulate(text, times, engine="torch")["x"][0] == 1


def test_a_parameter_frozen_after_its_gradient_stays():
    net = load("param k = 0.5 in (0, 1)\nparam a = 1\ninit x = a\nx' = -k*x\n", "euler").Model(dt=0.5)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net(T).sum().backward()
    net.freeze("k")
    optimizer.step()
    assert net.k.item() == 0.5 and net.a.item() != 1
