"""Gradients by output times that stand more than once: each by its own, dx/dt there."""

import pytest
import torch

import odec

FORCED = """
param k = 0.7
input u linear
init x = 1.3
x' = -k*x*x + sin(t) + u
run t = 0 .. 3 method {} rtol 1e-8
"""
KNOTS = torch.tensor([0.0, 1.2, 3.0], dtype=torch.float64)
LEVELS = torch.tensor([0.1, 0.4, 0.2], dtype=torch.float64)


@pytest.mark.parametrize(
    ("method", "engine"), [("tsit5", "native"), ("auto", "torch"), ("kvaerno5", "torch")]
)
@pytest.mark.parametrize("times", [[0.0, 1.0, 1.0, 2.0], [0.0, 0.0, 0.7, 2.0, 2.0, 2.0]])
def test_each_has_the_slope_there(method: str, engine: str, times: list[float]) -> None:
    net = odec.load(FORCED.format(method), engine=engine).Model()
    t = torch.tensor(times, dtype=torch.float64)
    x0 = torch.tensor([[1.3], [0.4]], dtype=torch.float64)
    weights = torch.linspace(1, 2, 2 * len(t), dtype=torch.float64).reshape(len(t), 2)

    def weighed(t: torch.Tensor) -> torch.Tensor:
        return (weights * net(t, x0=x0, inputs={"u": (KNOTS, LEVELS)})[..., 0]).sum()

    x = net(t, x0=x0, inputs={"u": (KNOTS, LEVELS)})[..., 0]
    level = torch.where(t <= 1.2, 0.1 + 0.25 * t, 0.4 - (t - 1.2) / 9)
    slopes = -0.7 * x**2 + (torch.sin(t) + level).unsqueeze(-1)
    expected = (weights * slopes).sum(-1)

    (reverse,) = torch.autograd.grad(weighed(t.requires_grad_()), t)
    torch.testing.assert_close(reverse[1:], expected[1:], rtol=1e-5, atol=1e-6)
    forward = torch.func.jacfwd(weighed)(t.detach())
    torch.testing.assert_close(forward, reverse, rtol=1e-7, atol=1e-9)


def test_under_the_compiler_of_torch() -> None:
    net = odec.load("param k = 0.7\ninit x = 1.3\nx' = -k*x*x + sin(t)\n", "bosh3", engine="torch").Model()
    t = torch.tensor([0.0, 1.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    found = [
        torch.autograd.grad(function(t)[:, 0] @ torch.arange(4.0, dtype=torch.float64), t)[0]
        for function in (net, torch.compile(net, fullgraph=True, backend="aot_eager"))
    ]
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-13)
