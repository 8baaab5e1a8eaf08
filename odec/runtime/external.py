"""Terms that are no formulas: a function of one's own or a module, with derivatives by torch's autograd."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .compiled import Equations


class External:
    """A differentiable function(p, *arguments) of tensors as a term of equations: its value, VJP, JVP.

    p: its parameters as one vector (m,). vjp and jvp record a graph where torch records one, so that they can
    be differentiated further. The function must treat trajectories apart.
    """

    def __init__(self, function: Callable[..., Tensor]):
        self.function = function

    @classmethod
    def of_module(cls, module: nn.Module) -> External:
        """A module as a term; p is its parameters in their order, flat, one after the other."""
        shapes = {name: value.shape for name, value in module.named_parameters()}
        sizes = [math.prod(shape) for shape in shapes.values()]

        def function(p: Tensor, *arguments: Tensor) -> Tensor:
            parts = p.split(sizes) if sizes else ()
            given = {name: part.view(shapes[name]) for name, part in zip(shapes, parts)}
            return torch.func.functional_call(module, given, arguments)

        return cls(function)

    def __call__(self, p: Tensor, *arguments: Tensor) -> Tensor:
        return self.function(p, *arguments)

    def vjp(self, p: Tensor, arguments: Sequence[Tensor], w: Tensor) -> list[Tensor]:
        """The products of a cotangent w with the derivatives by p and by each argument, shaped as these."""
        further = torch.is_grad_enabled()
        with torch.enable_grad():
            leaves = [leaf_of(value, further) for value in (p, *arguments)]
            return pulled(self.function(*leaves), leaves, w, further)

    def jvp(self, p: Tensor, arguments: Sequence[Tensor], d_p: Tensor, tangents: Sequence[Tensor]) -> Tensor:
        """The tangent: the derivative by w of the product of the VJP with the tangents."""
        further = torch.is_grad_enabled()
        with torch.enable_grad():
            leaves = [leaf_of(value, further) for value in (p, *arguments)]
            value = self.function(*leaves)
            w = torch.zeros_like(value, requires_grad=True)
            back = pulled(value, leaves, w, True)
            along = sum(((b * d).sum() for b, d in zip(back, (d_p, *tangents))), w.sum() * 0)
            return pulled(along, [w], torch.ones_like(along), further)[0]


def equations_of(rate: Callable[[Tensor, Tensor], Tensor]) -> Equations:
    """The equations dx/dt = rate(t, x), x (*batch, n); p, which has no entries, is not read."""
    term = External(lambda _, t, x: rate(t, x))

    def rhs(t: Tensor, x: Tensor, p: Tensor) -> Tensor:
        return rate(t, x)

    def rhs_vjp(t: Tensor, x: Tensor, p: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        w_p, w_t, w_x = term.vjp(p, (t, x), w)
        return w_t, w_x, w_p

    def rhs_jvp(t: Tensor, x: Tensor, p: Tensor, dt: Tensor, dx: Tensor, dp: Tensor) -> Tensor:
        return term.jvp(p, (t, x), dp, (dt, dx))

    def jacobian(t: Tensor, x: Tensor, p: Tensor) -> Tensor:
        return jacobian_of(lambda x: rate(t, x), x)

    def nothing(*_: Tensor) -> Tensor:
        raise NotImplementedError("a function of one's own has no first states and no observables")

    return Equations(rhs, rhs_vjp, rhs_jvp, jacobian, nothing, nothing)


def jacobian_of(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∂f/∂x (*batch, n, n) of a function of the states x (*batch, n) that treats trajectories apart."""
    further = torch.is_grad_enabled()
    with torch.enable_grad():
        leaf = leaf_of(x, further)
        columns = function(leaf).unbind(-1)
        rows = [pulled(value, [leaf], torch.ones_like(value), further)[0] for value in columns]
    return torch.stack(rows, -2)


def pulled(value: Tensor, leaves: Sequence[Tensor], w: Tensor, further: bool) -> list[Tensor]:
    """The products of w with the derivatives of a value by leaves; 0 where it does not depend on one.

    further: whether a graph of them is recorded.
    """
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value, leaves, w, retain_graph=True, create_graph=further, allow_unused=True)
    return [torch.zeros_like(leaf) if one is None else one for one, leaf in zip(found, leaves)]


def leaf_of(value: Tensor, further: bool) -> Tensor:
    """A tensor to differentiate by: where a graph goes on, one that hangs on it."""
    if further and value.requires_grad:
        return value.view_as(value)
    return value.detach().requires_grad_(value.is_floating_point())
