"""Arrays and their columns: which columns are one array's; values of parameters and inputs as columns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .arguments import real
from .arrays import side_by_side
from .compiled import Param


def flattened(value: Tensor, param: Param) -> Tensor:
    """The values (*batch, *shape) of a parameter as columns (*batch, size); one number is of all elements.

    Raises ValueError.
    """
    rank = len(param.shape)
    if not rank:
        return value.unsqueeze(-1)
    if not value.dim():
        return value.expand(param.size)
    if value.shape[-rank:] != param.shape:
        wanted = ", ".join(["*batch", *map(str, param.shape)])
        raise ValueError(f"{param.name} takes values ({wanted}), not of shape {tuple(value.shape)}")
    return value.flatten(-rank)


def element_of(param: Param, name: str) -> int:
    """The column of an element among those of its array: W[0,1]. Raises ValueError where it has none."""
    index = name.partition("[")[2].rstrip("]").split(",")
    place = 0
    if not param.shape or len(index) != len(param.shape):
        raise ValueError(_no_element(param, name))
    for text, extent in zip(index, param.shape):
        if not text.strip().isdecimal() or int(text) >= extent:
            raise ValueError(_no_element(param, name))
        place = place * extent + int(text)
    return place


def _no_element(param: Param, name: str) -> str:
    if not param.shape:
        return f"there is no {name}: {param.name} is a number"
    return f"there is no {name}: {param.name} has the elements {param.columns[0]} to {param.columns[-1]}"


def with_element(columns: Tensor, place: int, value: Tensor) -> Tensor:
    """Columns (*batch, size) with values (*batch,) in one of them."""
    chosen = torch.arange(columns.shape[-1], device=columns.device) == place
    return torch.where(chosen, value.unsqueeze(-1), columns)


def shown(param: Param, value: Tensor) -> str:
    """A parameter with its value, of an array with the least and the largest of its elements."""
    if value.dim() != len(param.shape) or value.device.type == "meta":
        return f"{param.name} = nan"
    if not param.shape:
        return f"{param.name} = {value.item():.6g}"
    return f"{param.name}{list(param.shape)} = {value.min().item():.6g} .. {value.max().item():.6g}"


def arrays_of(columns: Iterable[str]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """The names that columns are of, each with its first column and its shape, () of a number.

    The elements of an array stand side by side, row-major: h[0], h[1] or u[0,0], u[0,1], …
    """
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    for place, column in enumerate(columns):
        name, _, index = column.partition("[")
        shape = tuple(int(k) + 1 for k in index.rstrip("]").split(",")) if index else ()
        found[name] = (
            (found[name][0] if name in found else place),
            shape,
        )  # the last element's index is the largest
    return found


def by_element(columns: Iterable[str], name: str, values: Tensor) -> dict[str, Tensor]:
    """Samples (K, *batch, *shape) of an array as (K, *batch) by element; a number is of all.

    Raises ValueError for another shape.
    """
    shape = arrays_of(columns)[name][1]
    own = [column for column in columns if column.partition("[")[0] == name]
    if values.shape == (1,):
        values = values.reshape(1, *[1] * len(shape)).expand(1, *shape)
    if values.dim() <= len(shape) or values.shape[-len(shape) :] != shape:
        wanted = ", ".join(["K", "*batch", *map(str, shape)])
        raise ValueError(f"input {name!r} needs times (K,) and values ({wanted}), not {tuple(values.shape)}")
    return dict(zip(own, values.flatten(-len(shape)).unbind(-1)))


def parts_of(columns: Iterable[str], x: Tensor) -> dict[str, Tensor]:
    """Columns x (..., n) by the names of what they are of, arrays as (..., *shape)."""
    found = {}
    for name, (place, shape) in arrays_of(columns).items():
        part = x[..., place : place + math.prod(shape)]
        found[name] = part.unflatten(-1, shape) if shape else part.squeeze(-1)
    return found


def state_of(columns: Iterable[str], x: Tensor) -> Tensor | tuple[Tensor, ...]:
    """The states x (..., n) apart: of one itself (..., *shape), of several a tuple in their order."""
    found = tuple(parts_of(columns, x).values())
    return found[0] if len(found) == 1 else found


def columns_of(columns: Iterable[str], state: Any, like: Tensor) -> Tensor:
    """The inverse of state_of: x (*batch, n) in the dtype of `like`. Raises ValueError."""
    arrays = arrays_of(columns)
    given = (state,) if len(arrays) == 1 and not isinstance(state, tuple) else tuple(state)
    if len(given) != len(arrays):
        raise ValueError(f"the state is {', '.join(arrays)}, not {len(given)} tensors")
    parts = []
    for (name, (_, shape)), value in zip(arrays.items(), given):
        one = real(value, like, name)
        batch = one.shape[: one.dim() - len(shape)]
        if one.shape[len(batch) :] != shape:
            wanted = ", ".join(["*batch", *map(str, shape)])
            raise ValueError(f"the state {name} is ({wanted}), not of shape {tuple(one.shape)}")
        parts.append(one.reshape(*batch, math.prod(shape)))
    return side_by_side(*parts)
