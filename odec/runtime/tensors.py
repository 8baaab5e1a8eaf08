"""Shapes and sums of tensors: what equations, steps and engines have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

Time = float | Tensor
"""A time: a number, or a tensor with one for each trajectory."""


def columns(*values: Tensor) -> Tensor:
    """Columns (...,) as one tensor (..., n) in which each column lies contiguous in memory."""
    shape = values[0].shape
    for column in values:
        if column.shape != shape:
            values = tuple(torch.broadcast_tensors(*values))
            break
    rows = torch.stack(values)
    return rows if rows.dim() == 1 else rows.movedim(0, -1)


def over(x: Tensor, values: Tensor) -> Tensor:
    """Columns (..., k) repeated over the batch of x (..., n), on which they do not depend."""
    return values.expand(*common_shape(values.shape[:-1], x.shape[:-1]), values.shape[-1])


def common_shape(*shapes: Sequence[int]) -> Sequence[int]:
    """The shape to which these broadcast. Raises ValueError where there is none."""
    several = [shape for shape in shapes if len(shape)]
    if all(shape == several[0] for shape in several):
        return several[0] if several else shapes[0]
    try:  # not torch.broadcast_shapes, which needs SymPy
        return torch.broadcast_tensors(*(torch.empty(tuple(shape), device="meta") for shape in shapes))[
            0
        ].shape
    except RuntimeError:
        listed = ", ".join(str(tuple(shape)) for shape in several)
        raise ValueError(f"batches of the shapes {listed} do not broadcast to one") from None


def time_like(t: Time, like: Tensor) -> Tensor:
    """The time as a tensor of the dtype and on the device of `like`."""
    return t if isinstance(t, Tensor) else like.new_full((), t)


def time_at(t: Time) -> Time:
    """A time, or times (*batch, 1) of each trajectory without their last axis."""
    return t.squeeze(-1) if isinstance(t, Tensor) and t.dim() and t.shape[-1] == 1 else t


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum of products along the last axis."""
    return (a * b).sum(-1)


def rms(value: Tensor) -> Tensor:
    """The root mean square over the states."""
    return value.square().mean(-1).sqrt()


def power(value: Tensor, exponent: float | Tensor) -> Tensor:
    """value**exponent, which torch would round otherwise for one trajectory than for many."""
    return torch.exp(exponent * torch.log(value))


def weighted(weights: Iterable[float], values: Sequence[Tensor]) -> Tensor:
    """Σ_i w_i v_i over the weights that are not 0; the first values as many as there are weights."""
    total: Tensor | None = None
    for weight, value in zip(weights, values):
        if weight:
            term = value if weight == 1 else weight * value
            total = term if total is None else total + term
    return torch.zeros_like(values[0]) if total is None else total


def moved(base: Tensor, weights: Iterable[float], values: Sequence[Tensor]) -> Tensor:
    """base + Σ_i w_i v_i over the weights that are not 0, as weighted."""
    for weight, value in zip(weights, values):
        if weight:
            base = base + (value if weight == 1 else weight * value)
    return base


def advanced(x: Tensor, h: Time, weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    """x + h Σ_i w_i v_i, as weighted; x itself where all weights are 0."""
    return x + h * weighted(weights, values) if any(weights) else x


def shifted(t: Time, node: float, h: Time) -> Time:
    """The time t + c·h of a stage with the node c; t itself where that is 0."""
    if not node:
        return t
    return t + h if node == 1 else t + node * h


def weighted_rows(weights: Sequence[Sequence[float]], values: Sequence[Tensor]) -> Tensor:
    """Σ_i w_ij v_i for each j (j, *v.shape), with a row of weights w_i for each value v_i."""
    terms = [v.new_tensor(row).view(-1, *[1] * v.dim()) * v for row, v in zip(weights, values)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def empty(rows: int, x: Tensor) -> Tensor:
    """Room for states like x (*batch, n) in rows, each state contiguous."""
    return x.new_empty((rows, x.shape[-1], *x.shape[:-1])).movedim(1, -1)


def outputs(rows: int, x: Tensor) -> Tensor:
    """Room for states like x (*batch, n) at the output times, contiguous as a whole."""
    return x.new_empty((rows, *x.shape))


def sum_to(value: Tensor, shape: Sequence[int]) -> Tensor:
    """A gradient (*batch, m) summed over the axes along which its tensor of the given shape was broadcast."""
    if value.shape == shape:
        return value
    value = value.sum(list(range(value.dim() - len(shape)))) if value.dim() > len(shape) else value
    axes = [i for i, size in enumerate(shape) if size == 1 and value.shape[i] != 1]
    return value.sum(axes, keepdim=True) if axes else value


def pooled(p: Tensor, *parts: Tensor) -> Tensor:
    """The sum of gradients by p, each first summed over the trajectories that share p: cheaper."""
    first, *rest = (sum_to(part, p.shape) for part in parts)
    for part in rest:
        first = first + part
    return first


def first_bad(x: Tensor) -> int:
    """The index of the first of the values (n,) that is no finite number."""
    return int(torch.nonzero(~torch.isfinite(x))[0, 0])


def scattered(entries: Tensor, rows: Sequence[int], cols: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The matrix (..., n, n) of the given entries (..., k) for states of a shape (..., n), 0 elsewhere."""
    n, batch = shape[-1], common_shape(entries.shape[:-1], shape[:-1])
    places = torch.tensor([row * n + col for row, col in zip(rows, cols)], device=entries.device)
    flat = entries.new_zeros((*batch, n * n))
    return flat.index_add(-1, places, entries.expand(*batch, len(rows))).unflatten(-1, (n, n))


def number(t: Any) -> float:
    """A time as a Python number."""
    return float(t.item()) if isinstance(t, Tensor) else t
