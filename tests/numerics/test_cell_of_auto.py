"""The cell of a module of auto, which is compiled where no method is named, is its explicit step."""

from __future__ import annotations

import inspect

import torch

import odec
from odec.cli import catalogue

TEXT = catalogue.STARTER.format(name="m", file="m.ode")


def test_the_cell_is_the_step_of_tsit5() -> None:
    auto, tsit5 = odec.load(TEXT, engine="torch"), odec.load(TEXT, "tsit5", engine="torch")
    assert auto.METHOD.name == "auto" and "of auto, its explicit one" in inspect.getdoc(auto.StepCell)
    x = torch.tensor([[30.0, 5.0], [2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    p, w = auto.Model().vector().detach(), torch.ones(2, 2, dtype=torch.float64)
    found = [module.StepCell()(x, 0.0, 0.25, p) for module in (auto, tsit5)]
    assert torch.equal(*found)
    (gradient,) = torch.autograd.grad(found[0].sum(), x)
    h = torch.full((2, 1), 0.25, dtype=torch.float64)
    t = torch.zeros(2, 1, dtype=torch.float64)
    g_x = auto.step_vjp(x.detach(), t, h, p.expand(2, -1), None, w).x
    torch.testing.assert_close(g_x, gradient, rtol=1e-12, atol=1e-14)
