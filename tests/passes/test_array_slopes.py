"""Slopes of arrays where a rule alone gives none: the limits that numbers have, element by element."""

from __future__ import annotations

import pytest
import torch
from array_models import array_model, array_op, module_of
from building import op, syms

u, k = syms("u k")
FORMULAS = {
    "sqrt": op("sqrt", u),
    "x log x": u * op("log", u),
    "power": u**k,
    "quotient in a quotient": 1 / (1 + k / u),
    "exp of a pole": op("exp", -(1 / u)),
    "root of a square": op("sqrt", u * u),
    "hill": op("hill", u, k, 2.5),
    "chosen": op("select", u > 0, u * op("log", u), 0),
    "log1p and tanh": op("log1p", u) * op("tanh", k * u),
}
VALUES = torch.tensor([0.0, 0.5, 0.0, 1e-200], dtype=torch.float64)
WEIGHTS = torch.tensor([0.3, 1.0, 0.0, 2.0], dtype=torch.float64)
P = torch.tensor([1.3], dtype=torch.float64)


def slopes(formula, shape):
    """Value, VJP by u and by k, and JVP, with the elements as an array, or as trajectories of one number."""
    module = module_of(array_model({"u": formula}, {"u": shape}, {"k": 1.3}))
    x, w = (VALUES, WEIGHTS) if shape else (VALUES[:, None], WEIGHTS[:, None])
    _, g_x, g_p = module.rhs_vjp(0.0, x, P, w)
    tangent = module.rhs_jvp(0.0, x, P, x.new_zeros(()), w, torch.zeros_like(P))
    return module.rhs(0.0, x, P).ravel(), g_x.ravel(), g_p if shape else g_p.sum(0), tangent.ravel()


@pytest.mark.parametrize("name", FORMULAS)
def test_an_array_has_the_slopes_of_its_elements(name):
    found, wanted = slopes(FORMULAS[name], (4,)), slopes(FORMULAS[name], ())
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=0, equal_nan=True)


def test_limits_at_0_are_those_of_the_closed_forms():
    """Of u/(u + k) as 1/(1 + k/u) it is 1/k, of exp(-1/u) it is 0."""
    _, slope, _, tangent = slopes(FORMULAS["quotient in a quotient"], (4,))
    assert slope[0].item() == pytest.approx(0.3 / 1.3, rel=1e-12) == tangent[0].item()
    _, slope, _, tangent = slopes(FORMULAS["exp of a pole"], (4,))
    assert slope[0].item() == tangent[0].item() == 0


def test_what_is_behind_an_operation_of_arrays_stays_as_it_is():
    total = array_op("sum", u)
    module = module_of(array_model({"u": u / (1 + op("sqrt", total))}, {"u": (4,)}))
    x = VALUES[[1, 3]].repeat(2)
    exact = torch.func.jacfwd(lambda y: y / (1 + y.sum().sqrt()))(x)
    torch.testing.assert_close(module.jacobian(0.0, x, x.new_zeros(0)), exact, rtol=1e-12, atol=1e-13)
