"""Operations of arrays whose own axes come last, behind those of the batch, which broadcast."""

from __future__ import annotations

import functools
import itertools
import math
import weakref
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from .tensors import Time, common_shape, sum_to
from .torch_private import wrapped


def matvec(a: Tensor, x: Tensor) -> Tensor:
    """The product of matrices (..., n, m) with vectors (..., m).

    With one matrix for a whole batch it is one product of matrices, which torch may round otherwise than
    that of a single vector: within some units in the last place of the sum of the absolute terms.
    """
    return x @ a.mT if a.dim() == 2 else (a @ x.unsqueeze(-1)).squeeze(-1)


def vecmat(x: Tensor, a: Tensor) -> Tensor:
    """The product of vectors (..., n) with matrices (..., n, m); it rounds as matvec does."""
    return x @ a if a.dim() == 2 else (x.unsqueeze(-2) @ a).squeeze(-2)


def outer(a: Tensor, b: Tensor, p: Tensor | None = None) -> Tensor:
    """The products (..., n, m) of all elements of vectors (..., n) and (..., m).

    p: the parameters whose gradient these are; where all trajectories share them, a sum (n, m) over all.
    """
    if p is not None and p.dim() == 1 and (a.dim() > 1 or b.dim() > 1):
        batch = common_shape(a.shape[:-1], b.shape[:-1])
        a, b = (one.expand(*batch, one.shape[-1]).flatten(0, -2) for one in (a, b))
        return a.mT @ b
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


def jacobian_by_columns(product: Callable[..., Tensor], t: Time, x: Tensor, p: Tensor, *u: Tensor) -> Tensor:
    """∂f/∂x (..., n, n) by its products with n directions, all at once along a further axis of the batch."""
    n = x.shape[-1]
    directions = torch.eye(n, dtype=x.dtype, device=x.device).reshape(n, *[1] * (x.dim() - 1), n)
    return product(t, x, p, *u, directions.expand(n, *x.shape)).expand(n, *x.shape).movedim(0, -1)


def jacobian_by_diagonals(
    product: Callable[..., Tensor], diagonals: Sequence[int], t: Time, x: Tensor, p: Tensor, *u: Tensor
) -> Tensor:
    """∂f/∂x (..., n, n) with entries on some diagonals alone, counted from the main one.

    Columns that share no row are found by one product, so that a few give all: Curtis, Powell & Reid,
    IMA J. Appl. Math. 13 (1974) 117–119.
    """
    n = x.shape[-1]
    colours, rows, columns = _coloured(tuple(diagonals), n)
    place = torch.arange(n, device=x.device) % colours
    directions = (place == torch.arange(colours, device=x.device).unsqueeze(-1)).to(x.dtype)
    directions = directions.reshape(colours, *[1] * (x.dim() - 1), n).expand(colours, *x.shape)
    found = product(t, x, p, *u, directions).expand(colours, *x.shape)
    entries = found.movedim(0, -1).flatten(-2)[..., (rows * colours + columns % colours).to(x.device)]
    flat = x.new_zeros((*x.shape[:-1], n * n))
    return flat.index_add(-1, (rows * n + columns).to(x.device), entries).unflatten(-1, (n, n))


@functools.lru_cache(maxsize=64)
def _coloured(diagonals: tuple[int, ...], n: int) -> tuple[int, Tensor, Tensor]:
    """How many colours columns take by their number, and the rows and columns of the entries."""
    apart = {abs(a - b) for a in diagonals for b in diagonals} - {0}
    colours = next(c for c in itertools.count(1) if all(difference % c for difference in apart))
    rows = torch.cat([torch.arange(max(0, -k), min(n, n - k)) for k in diagonals])
    shifts = [torch.full((n - abs(k),), k) for k in diagonals]
    return colours, rows, rows + torch.cat(shifts)


def concat(parts: Sequence[Tensor], axis: int) -> Tensor:
    """Arrays joined along an axis of theirs, counted from the end, over one batch."""
    rank = parts[0].dim()
    if all(part.dim() == rank and part.shape[:axis] == parts[0].shape[:axis] for part in parts):
        return torch.cat(tuple(parts), axis)
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


def gathered(p: Tensor, *parts: Tensor) -> Tensor:
    """Gradients by parameters, columns (..., k) of each part, as one tensor.

    Where all trajectories share the parameters p (m,), summed over these.
    """
    if p.dim() == 1:
        return torch.cat([sum_to(part, part.shape[-1:]) for part in parts])
    return side_by_side(*parts)


class Parts:
    """The values, each (..., *shape), that lie side by side on the last axis of a tensor: parts(p).

    A last shape (-1,) is of what is left.

    Views of the last tensors are kept as long as these live, as a run asks for those of its parameters anew
    at each of its stages.
    """

    def __init__(self, *shapes: Sequence[int]):
        self.shapes = shapes
        self.kept = dict[int, tuple[weakref.ref[Tensor], int, tuple[Tensor, ...]]]()

    def __call__(self, p: Tensor) -> tuple[Tensor, ...]:
        if torch.compiler.is_compiling() or p.requires_grad or wrapped(p):
            return self.views(p)
        key = id(p)
        found = self.kept.get(key)
        if found is None or found[0]() is not p or found[1] != p.data_ptr():
            forget = self.kept.pop
            owner = weakref.ref(p, lambda _: forget(key, None) and None)
            found = self.kept[key] = owner, p.data_ptr(), self.views(p.detach())
        return found[2]

    def views(self, p: Tensor) -> tuple[Tensor, ...]:
        """The views of a tensor."""
        sizes = [math.prod(shape) for shape in self.shapes]
        if sizes[-1] < 0:
            sizes[-1] = p.shape[-1] - sum(sizes[:-1])
        shapes = [(size,) if -1 in shape else shape for size, shape in zip(sizes, self.shapes)]
        parts = zip(p.split(sizes, -1), shapes)
        return tuple(part.unflatten(-1, shape) if shape else part.squeeze(-1) for part, shape in parts)

    def __deepcopy__(self, memo: dict[int, object]) -> Parts:
        return Parts(*self.shapes)

    def __reduce__(self) -> tuple[type[Parts], tuple[Sequence[int], ...]]:
        return Parts, self.shapes
