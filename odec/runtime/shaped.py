"""Parameters that are arrays: their values as columns, and what is shown of them."""

from __future__ import annotations

from torch import Tensor

from .compiled import Param


def flattened(value: Tensor, param: Param) -> Tensor:
    """The values (*batch, *shape) of a parameter as columns (*batch, size). Raises ValueError."""
    rank = len(param.shape)
    if not rank:
        return value.unsqueeze(-1)
    if value.shape[-rank:] != param.shape:
        wanted = ", ".join(["*batch", *map(str, param.shape)])
        raise ValueError(f"{param.name} takes values ({wanted}), not of shape {tuple(value.shape)}")
    return value.flatten(-rank)


def shown(param: Param, value: Tensor) -> str:
    """A parameter with its value, of an array with the least and the largest of its elements."""
    if value.dim() != len(param.shape) or value.device.type == "meta":
        return f"{param.name} = nan"
    if not param.shape:
        return f"{param.name} = {value.item():.6g}"
    return f"{param.name}{list(param.shape)} = {value.min().item():.6g} .. {value.max().item():.6g}"
