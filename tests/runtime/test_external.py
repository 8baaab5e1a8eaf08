"""Terms that are no formulas: their derivatives beside those of torch.func."""

from __future__ import annotations

import torch
from torch import Tensor

from odec.runtime.external import External, equations_of, jacobian_of

NET = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()


def made() -> tuple[External, Tensor, Tensor]:
    torch.manual_seed(1)
    p = torch.cat([value.detach().flatten() for value in NET.parameters()])
    return External.of_module(NET), p, torch.randn(5, 3, dtype=torch.float64)


def test_a_module_by_its_parameters_as_a_vector() -> None:
    term, p, x = made()
    torch.testing.assert_close(term(p, x), NET(x))
    _, pull = torch.func.vjp(term.function, p, x)
    w = torch.randn(5, 2, dtype=torch.float64)
    for found, wanted in zip(term.vjp(p, (x,), w), pull(w)):
        torch.testing.assert_close(found, wanted)
    d_p, d_x = torch.randn_like(p), torch.randn_like(x)
    wanted = torch.func.jvp(term.function, (p, x), (d_p, d_x))[1]
    torch.testing.assert_close(term.jvp(p, (x,), d_p, (d_x,)), wanted)


def test_its_derivatives_can_be_differentiated() -> None:
    term, p, x = made()
    p.requires_grad_()
    x.requires_grad_()
    w = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, x, w: tuple(term.vjp(p, (x,), w)), (p, x, w))


def test_what_does_not_act_has_derivatives_of_zero() -> None:
    term = External(lambda p, t, x: torch.ones_like(x))
    found = term.vjp(torch.ones(2), (torch.tensor(1.0), torch.ones(3)), torch.ones(3))
    assert [tuple(value.shape) for value in found] == [(2,), (), (3,)] and not any(map(torch.any, found))


def test_equations_of_a_function() -> None:
    def rate(t: Tensor, x: Tensor) -> Tensor:
        return torch.stack((x[..., 0] * x[..., 1], t - x[..., 0] ** 2), -1)

    equations, x = equations_of(rate), torch.tensor([[2.0, 3.0], [5.0, 7.0]])
    t, p = torch.tensor(1.0), torch.empty(0)
    wanted = torch.tensor([[[3.0, 2.0], [-4.0, 0.0]], [[7.0, 5.0], [-10.0, 0.0]]])
    torch.testing.assert_close(equations.jacobian(t, x, p), wanted)
    torch.testing.assert_close(jacobian_of(lambda x: rate(t, x), x), wanted)
    w_t, w_x, w_p = equations.rhs_vjp(t, x, p, torch.ones(2, 2))
    torch.testing.assert_close(w_x, wanted.sum(-2))
    assert float(w_t) == 2 and w_p.shape == (0,)
    dx = torch.ones(2, 2)
    torch.testing.assert_close(equations.rhs_jvp(t, x, p, torch.tensor(0.0), dx, p), wanted.sum(-1))
