"""Operations of arrays whose own axes come last, behind those of the batch, which broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from .tensors import Time, common_shape


def matvec(a: Tensor, x: Tensor) -> Tensor:
    """The product of matrices (..., n, m) with vectors (..., m)."""
    return (a @ x.unsqueeze(-1)).squeeze(-1)


def vecmat(x: Tensor, a: Tensor) -> Tensor:
    """The product of vectors (..., n) with matrices (..., n, m)."""
    return (x.unsqueeze(-2) @ a).squeeze(-2)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """The products (..., n, m) of all elements of vectors (..., n) and (..., m)."""
    return a.unsqueeze(-1) * b.unsqueeze(-2)


def spread(value: Tensor, shape: Sequence[int]) -> Tensor:
    """Scalars (...,) as arrays (..., *shape) of equal elements."""
    return value[(..., *[None] * len(shape))].expand(*value.shape, *shape)


def repeated(value: Tensor, axis: int, count: int) -> Tensor:
    """Arrays repeated along a new axis, counted from the end."""
    shape = list(value.shape)
    shape.insert(len(shape) + 1 + axis, count)
    return value.unsqueeze(axis).expand(shape)


def placed(value: Tensor, shape: Sequence[int], index: Sequence[int | slice]) -> Tensor:
    """Arrays (..., *shape) of zeros, but for the values at an index for each axis."""
    around = list[int]()
    for axis, (where, extent) in enumerate(zip(index, shape)):
        if isinstance(where, int):
            kept = sum(isinstance(behind, slice) for behind in index[axis + 1 :])
            value, where = value.unsqueeze(-1 - kept), slice(where, where + 1)
        start, stop, _ = where.indices(extent)
        around = [start, extent - stop, *around]
    return pad(value, around)


def jacobian_by_columns(jvp: Callable[..., Tensor], t: Time, x: Tensor, p: Tensor, *u: Tensor) -> Tensor:
    """∂f/∂x (..., n, n) by tangents in n directions, all at once along a further axis of the batch."""
    n, still = x.shape[-1], x.new_zeros(())
    directions = torch.eye(n, dtype=x.dtype, device=x.device).reshape(n, *[1] * (x.dim() - 1), n)
    x = x.expand(n, *x.shape)
    tangents = (still, directions.expand(x.shape), *(torch.zeros_like(one) for one in (p, *u)))
    return jvp(t, x, p, *u, *tangents).movedim(0, -1)


def concat(parts: Sequence[Tensor], axis: int) -> Tensor:
    """Arrays joined along an axis of theirs, counted from the end, over one batch."""
    shapes = [list(part.shape) for part in parts]
    for shape in shapes:
        shape[axis] = 1
    whole = [*common_shape(*shapes)]
    alike = []
    for part in parts:
        whole[axis] = part.shape[axis]
        alike.append(part.expand(whole))
    return torch.cat(alike, axis)


def stack(parts: Sequence[Tensor], axis: int) -> Tensor:
    """Arrays of one shape as one array with an axis more, before their own, over one batch."""
    return torch.stack(torch.broadcast_tensors(*parts), axis)


def side_by_side(*parts: Tensor) -> Tensor:
    """Columns (..., k) of each part as one tensor, over one batch."""
    return concat(parts, -1)
