"""What is told where a fit's start has no loss or no gradient."""

from __future__ import annotations

import pytest

import odec
from odec.errors import SimulationError


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss-newton"])
def test_an_observable_that_is_not_finite_is_named_with_its_line(optimizer: str) -> None:
    text = "param k = 0.5\ninit A = 1, B = 0\nA' = -k*A\nB' = k*A\nobs lB = log10(B)\nrun t = 0 .. 2 step 1\n"
    data = {"t": [0.0, 1.0, 2.0], "lB": [-3, -0.4, -0.2]}
    with pytest.raises(SimulationError) as told:
        odec.fit(text, data, optimizer=optimizer, engine="torch")
    assert "the observable lB (line 5) is -inf at t = 0, where the data have a value" in str(told.value)
    assert "smaller steps" not in str(told.value)
    later = {name: values[1:] for name, values in data.items()}
    assert odec.fit(text, later, optimizer=optimizer, engine="torch", epochs=0).loss > 0


def test_a_gradient_that_is_not_finite_names_parameter_formula_and_observable() -> None:
    text = "param k = 0, m = 1\ninit x = 1\nx' = -m*x\nobs y = sqrt(k) + x\nrun t = 0 .. 1 step 1\n"
    with pytest.raises(SimulationError) as told:
        odec.fit(text, {"t": [0.0, 1.0], "y": [1.0, 0.4]}, engine="torch")
    assert "the gradient there is not finite: that of y (line 4) at t = 0 by k, on line 4" in str(told.value)
