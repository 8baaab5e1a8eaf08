"""torchdiffeq's test problems by every adaptive method's default tolerances, forward and reversed in time."""

import pytest
import torch
from independent import EXACT
from problem_set import TORCHDIFFEQ, problem

import odec

WITHIN = {"heun21": 4e-3, "bosh3": 4e-3, "fehlberg2": 4e-3, "trbdf2": 4e-3, "rosenbrock23": 4e-3}
"""Relative error allowed to methods of order 2 and 3; 3e-4 to the others."""
EXPLICIT = "bosh3 fehlberg2 dopri5 tsit5 vern7 dop853 vern9".split()
IMPLICIT = "kvaerno5 radau_iia5 rosenbrock23 rodas4 rodas5p".split()
NAMES = {"dopri8": "dop853", "adaptive_heun": "heun21", "fehlberg2": "fehlberg2", "bosh3": "bosh3"}


def relative_error(name, method, reverse):
    module = odec.load(problem(name).path, method=method, engine="torch")
    model = module.Model(engine="torch")
    t = torch.linspace(1, 8, 10, dtype=torch.float64)
    t = t.flip(0) if reverse else t
    exact = torch.tensor(EXACT[name](t.numpy()))
    with torch.no_grad():
        x = model(t, x0=exact[0])
    assert model.status.ok.all(), str(model.status)
    return ((x - exact) / exact).abs().max().item()


@pytest.mark.parametrize("reverse", (False, True))
@pytest.mark.parametrize("method", EXPLICIT + IMPLICIT)
@pytest.mark.parametrize("name", TORCHDIFFEQ)
def test_default_tolerances(name, method, reverse):
    assert relative_error(name, method, reverse) < WITHIN.get(method, 3e-4)


@pytest.mark.parametrize("reverse", (False, True))
@pytest.mark.parametrize("name", ("constant", "exponential"))
def test_heun21(name, reverse):
    assert relative_error(name, "heun21", reverse) < WITHIN["heun21"]


@pytest.mark.parametrize(("theirs", "ours"), NAMES.items())
def test_torchdiffeq_names(theirs, ours):
    name = "exponential" if ours == "heun21" else "sine"
    assert relative_error(name, theirs, reverse=False) < WITHIN.get(ours, 3e-4)
