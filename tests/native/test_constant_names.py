"""Constants of a model are global in C: names that math.h declares must not reach the compiler."""

import pytest
import torch

import odec


@pytest.mark.parametrize("name", ["gamma", "y1", "j0", "jnf", "signgam", "finite", "scalb", "exp10", "nan"])
def test_a_constant_may_have_the_name_of_a_function_of_c(name):
    text = f"const {name} = 0.5\ninit x = 1\nx' = -{name}*x\nrun t = 0 .. 1 method rk4 dt 1e-3\n"
    module = odec.load(text, engine="native")
    x = module.Model(engine="native")(torch.tensor([0.0, 1], dtype=torch.float64))
    torch.testing.assert_close(x[-1], torch.exp(torch.tensor([-0.5], dtype=torch.float64)))
