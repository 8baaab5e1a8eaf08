"""Rates that lie far apart: no order of the states, no method and no engine makes a sound problem fail."""

import math

import pytest
import torch
from native_models import load
from tiers import slow_but_for

D = torch.float64

DECAY = {
    "stable": ("1e4*daughter", 0),
    "daughter": ("r*parent - 1e4*daughter", 0),
    "parent": ("-r*parent", 1),
}
BURNING = {
    "waste": ("1e18*radical*fuel", 0),
    "radical": ("fuel - 1e18*radical*fuel", 0),
    "fuel": ("-0.01*fuel", 1),
}
SPECIES = {**DECAY, **BURNING}
"""A stable end fed by a fast species, and a fast radical: at t = 1e17 and 100 known in closed form."""

ORDERS = [list(SPECIES), [*SPECIES][::-1], ["fuel", "stable", "waste", "parent", "radical", "daughter"]]


def written(species, order, head=""):
    lines = [f"init {name} = {species[name][1]}" for name in order]
    return "\n".join([head, *lines, *(f"{name}' = {species[name][0]}" for name in order)]) + "\n"


@pytest.mark.optimised
@pytest.mark.parametrize(
    "method",
    slow_but_for(["rodas5p", "kvaerno5", "radau_iia5", "trbdf2", "auto"], "rodas5p", "radau_iia5"),
)
def test_the_order_of_the_states_decides_nothing(method):
    t, steps = torch.tensor([0.0, 100.0, 1e17], dtype=D), set()
    rtol = 1e-4 if method == "trbdf2" else 1e-6
    for order in ORDERS:
        module = load(written(SPECIES, order, "param r = log(2)/1e17"), method)
        for engine in ("native", "torch") if order is ORDERS[0] else ("native",):
            net = module.Model(rtol=rtol, atol=1e-12, engine=engine, adjoint="none")
            x = dict(zip(module.STATES, net(t).detach().T, strict=True))
            assert net.status.ok
            assert abs(x["stable"][-1] - 0.5) < 10 * rtol
            assert abs(x["waste"][1] - 100 * (1 - math.exp(-1))) < 300 * rtol
            steps.add(int(net.status.steps))
    assert max(steps) <= min(steps) + 3


EQUILIBRIUM = {"A": ("k*B - k*A - s*A", 1), "B": ("k*A - k*B - r*B", 0), "C": ("s*A + r*B", 0)}
RATES = "param k = 1e12, s = 1e-3, r = 1e-2"


@pytest.mark.parametrize("method", ["kvaerno5", "radau_iia5", "rodas5p"])
def test_a_fast_equilibrium_keeps_its_mass(method):
    """Pivots cancel to a few digits here, which the iterations of linear equations mend too."""
    module = load(written(EQUILIBRIUM, ["A", "B", "C"], RATES), method)
    for engine in ("native", "torch"):
        net = module.Model(rtol=1e-6, atol=1e-12, engine=engine, adjoint="none")
        x = net(torch.tensor([0.0, 100.0], dtype=D))[-1].detach()
        assert abs(x[2] - (1 - math.exp(-0.55))) < 1e-6
        assert abs(x.sum() - 1) < 1e-9


def test_a_lost_pivot_is_not_blamed_on_the_tolerance():
    module = load(written(EQUILIBRIUM, ["A", "B", "C"], RATES), "rodas5p")
    for engine in ("native", "torch"):
        net = module.Model(rtol=1e-2, atol=1e-4, engine=engine, max_steps=60, adjoint="none")
        net(torch.tensor([0.0, 1e3], dtype=D), params={"k": 1e18})
        said = str(net.status)
        assert "rates lie further apart than rounding allows" in said and "kvaerno5" in said
        assert "tolerance" not in said


OFFSET = """
param k = 1e15
init radical = 0
init fuel = 1
init waste = 0
waste' = k*radical*fuel
radical' = fuel - k*radical*fuel
fuel' = -0.01*fuel
"""


def test_auto_goes_over_before_it_gives_up():
    """The first steps of tsit5 would be shorter than t = 43200 can tell apart; rodas5p goes on."""
    module, steps = load(OFFSET, "auto"), []
    for engine in ("native", "torch"):
        net = module.Model(rtol=1e-6, atol=1e-12, engine=engine)
        x = net(torch.tensor([43200.0, 43300.0], dtype=D))
        assert net.status.ok
        assert abs(x[-1, 0] - 100 * (1 - math.exp(-1))) < 1e-4
        (gradient,) = torch.autograd.grad(x[-1, 0], net.k)
        assert abs(gradient) < 1e-18
        steps.append((int(net.status.steps), int(net.status.rejected)))
    assert steps[0] == steps[1]


def test_auto_gives_up_where_both_methods_do():
    module = load("init x = 1\nx' = x**2\n", "auto")
    for engine in ("native", "torch"):
        net = module.Model(rtol=1e-4, atol=1e-6, engine=engine, adjoint="none")
        net(torch.tensor([0.0, 2.0], dtype=D))
        assert "forces the step below the least at t = 1" in str(net.status)
