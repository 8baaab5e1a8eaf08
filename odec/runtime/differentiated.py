"""A model's functions with the derivatives that are printed, in place of torch's of their formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .autograd import or_zeros, over_batches
from .tensors import common_shape
from .torch_private import mapped, with_forward_mode
from .tracer import when_dynamo


class _Unread:
    """Stands for a time or for parameters: new tensors are made by it, and nothing else is to be had."""

    shape = (0,)

    def __init__(self) -> None:
        empty = torch.empty(0)
        self.new_full, self.new_tensor, self.new_zeros = empty.new_full, empty.new_tensor, empty.new_zeros


def reads_nothing(start: Callable[[Any, Any], Any]) -> bool:
    """Whether a function of the time and the parameters is of numbers alone, and looks at neither."""
    try:
        return isinstance(start(_Unread(), _Unread()), Tensor)
    except Exception:  # whatever it is that they lack
        return False


def differentiated(
    function: Callable[..., Tensor],
    vjp: Callable[..., tuple[Tensor, ...]] | None,
    jvp: Callable[..., Tensor] | None,
) -> Callable[..., Tensor]:
    """A function with the derivatives that are printed, finite where torch's of its formulas overflow.

    vjp takes its arguments and a cotangent, jvp its arguments and their tangents; None where the function is
    of numbers alone. Further derivatives are torch's of these two.
    """
    if vjp is None or jvp is None:
        return function
    pull, push = vjp, jvp

    def pulled(*values: Tensor) -> list[Tensor]:
        *args, w = values
        return [_shaped(g, arg.shape) for g, arg in zip(pull(*args, w), args)]

    class Differentiated(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*args: Tensor) -> Tensor:
            return function(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)
            ctx.shape = output.shape

        @staticmethod
        def backward(ctx: Any, w: Tensor) -> tuple[Tensor, ...]:
            return tuple(_of_mapped(pulled, *ctx.saved_tensors, w))

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Tensor:
            args = [torch.autograd.forward_ad.unpack_dual(arg).primal for arg in ctx.saved_tensors]
            with with_forward_mode():  # for a jvp around this one
                given = (*args, *map(or_zeros, tangents, args))
                return _of_mapped(lambda *values: [_shaped(push(*values), ctx.shape)], *given)[0]

    def applied(*args: Tensor) -> Tensor:
        found: Tensor = Differentiated.apply(*args)
        return found

    return when_dynamo(applied)


def _shaped(derivative: Tensor, shape: Sequence[int]) -> Tensor:
    """A derivative in the shape of its value: summed where that was broadcast."""
    return derivative.expand(common_shape(derivative.shape, shape)).sum_to_size(shape)


def _of_mapped(function: Callable[..., list[Tensor]], *values: Tensor) -> list[Tensor]:
    """The function's tensors, where the vmap within torch.autograd maps over some of the values too."""
    return over_batches(function, *values) if any(map(mapped, values)) else function(*values)
