"""Gradients by output times that are equal, where steps follow a tolerance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .autograd import differentiable
from .compiled import Compiled
from .operators import slopes, slopes_at
from .torch_private import batched


def first_at(t: Tensor) -> Tensor | None:
    """For each of the times t (T,) the first that equals it, (T,); None where all differ or are not followed.

    No step lies between equal times, so the solver's gradient is that of the first of them.
    """
    compiling = torch.compiler.is_compiling()
    if not (t.requires_grad if compiling else differentiable(t)):
        return None
    again = t[1:] == t[:-1]
    if not compiling and (batched(again) or not bool(again.any())):
        return None
    numbers = torch.arange(len(t), device=t.device)
    return torch.cat((numbers[:1], torch.where(again, 0, numbers[1:]))).cummax(0).values


def at_own_times(
    compiled: Compiled,
    x: Tensor,
    t: Tensor,
    first: Tensor,
    p: Tensor,
    series: Sequence[Tensor],
    clip: float | None,
) -> Tensor:
    """The states x (T, *batch, n), each with its derivative by its own time, not the first equal one."""
    values = t.detach(), x.detach(), p.detach(), [value.detach() for value in series]
    if series and torch.compiler.is_compiling():  # its tracer cannot read the inputs' times
        rates = slopes(*values, compiled.key, clip)
    else:
        rates = slopes_at(compiled, *values, clip)
    apart = (t - t[first]).reshape(-1, *[1] * (x.dim() - 1))
    return x + apart * torch.nan_to_num(rates.detach(), 0.0, 0.0, 0.0)
