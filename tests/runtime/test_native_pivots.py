"""A pivot that rounding has used up gives no number, rather than one of rounding alone."""

import pytest
import torch

import odec

D = torch.float64
GROWTH = "param k = 1\ninit x = 1\ninit y = 1\nx' = k*x\ny' = -y + 0.1*x*sin(y)\n"
CANCELS = "param k = 1\ninit x = 1\ninit y = 1\nx' = 0.5*k*x + 0.5*k*y\ny' = 0.5*k*x + 0.5*k*y\n"


@pytest.mark.parametrize("text", [GROWTH, CANCELS])
@pytest.mark.parametrize("ulps", [0, 1, 3, -2, -5])
def test_a_matrix_that_is_singular_to_rounding(text, ulps):
    """k h = 1/γ, the matrix's eigenvalue 1/γ - h k, is off by so many units in the last place."""
    module = odec.load(text, method="rodas5p", engine="native")
    k = 1 / (0.1 * module.COMPILED.method.gamma) * (1 + ulps * 2.0**-52)
    t = torch.tensor([0.0, 0.1], dtype=D)
    near = module.Model(dt=0.1, engine="native", params={"k": k})
    assert torch.isnan(near(t)[-1]).all() and not near.status.ok
    away = module.Model(dt=0.1, engine="native", params={"k": 1.01 * k})
    assert torch.isfinite(away(t)[-1]).all() and away.status.ok
