"""The defaults of a Model's parameters: numbers, or drawn as torch's own initializers draw them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .compiled import Param

Draw = Callable[..., Any]


def _linear_weight(value: Tensor, generator: torch.Generator | None) -> Tensor:
    """A weight [out, in], as torch.nn.Linear draws it."""
    return nn.init.kaiming_uniform_(value, a=math.sqrt(5), generator=generator)


def _linear_bias(value: Tensor, wide: float, generator: torch.Generator | None) -> Tensor:
    """A bias beside a weight [out, wide], as torch.nn.Linear draws it."""
    return nn.init.uniform_(value, -1 / math.sqrt(wide), 1 / math.sqrt(wide), generator=generator)


DRAWS: Mapping[str, Draw] = {
    "normal": nn.init.normal_,
    "uniform": nn.init.uniform_,
    "glorot": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
    "linear_weight": _linear_weight,
    "linear_bias": _linear_bias,
}
"""What fills a tensor, by the name that a model says."""


def seeded(seed: int | None, device: Any) -> torch.Generator | None:
    """A generator of its own for a seed; None is torch's global one."""
    if seed is None:
        return None
    return torch.Generator("cpu" if device is None else device).manual_seed(seed)


def default_of(param: Param, dtype: torch.dtype, device: Any, generator: torch.Generator | None) -> Tensor:
    """A parameter's default, of its shape."""
    if param.draw:
        name, *numbers = param.draw
        value = torch.empty(param.shape, dtype=dtype, device=device)
        if value.device.type != "meta":
            DRAWS[str(name)](value, *numbers, generator=generator)
        return value
    if isinstance(param.value, tuple):
        return torch.tensor(param.value, dtype=dtype, device=device).reshape(param.shape)
    return torch.full(param.shape, param.value, dtype=dtype, device=device)
