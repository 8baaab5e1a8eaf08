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


@pytest.mark.parametrize(
    ("method", "engine", "forcing"),
    [
        ("bosh3", "torch", "input u linear\n"),
        ("auto", "native", ""),
        pytest.param("bosh3", "torch", "", marks=pytest.mark.slow),
        pytest.param("auto", "native", "input u linear\n", marks=pytest.mark.slow),
    ],
)
def test_under_the_compiler_of_torch(method: str, engine: str, forcing: str) -> None:
    rate = "-k*x*x + sin(t)" + (" + u" if forcing else "")
    net = odec.load(f"param k = 0.7\n{forcing}init x = 1.3\nx' = {rate}\n", method, engine=engine).Model(
        rtol=1e-8
    )
    inputs = {"inputs": {"u": (KNOTS, LEVELS)}} if forcing else {}
    t = torch.tensor([0.0, 1.0, 1.0, 1.0, 2.0, 2.0], dtype=torch.float64, requires_grad=True)
    weights = torch.arange(1.0, 7.0, dtype=torch.float64)
    found = [
        torch.autograd.grad(function(t, **inputs)[:, 0] @ weights, t)[0]
        for function in (net, torch.compile(net, fullgraph=True, backend="aot_eager"))
    ]
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-13)
    x = net(t, **inputs)[:, 0].detach()
    level = torch.where(t <= 1.2, 0.1 + 0.25 * t, 0.4 - (t - 1.2) / 9) if forcing else 0
    slopes = -0.7 * x**2 + torch.sin(t) + level
    torch.testing.assert_close(found[1][1:], (weights * slopes)[1:].detach(), rtol=1e-4, atol=1e-5)
