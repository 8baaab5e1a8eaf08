"""Values of parameters against their bounds, and those that were saved under others."""

from __future__ import annotations

from collections.abc import MutableMapping

import torch
from torch import Tensor

from .compiled import Param
from .transforms import Bounds, from_bounds


def check_inside(param: Param, values: Tensor) -> None:
    """Raise ValueError where values of a parameter are no finite numbers, or lie outside its bounds."""
    lower, upper, ends = param.lower, param.upper, param.ends
    above = values >= lower if ends[0] == "[" else values > lower
    below = values <= upper if ends[1] == "]" else values < upper
    inside = above & below & values.isfinite()
    if not bool(inside.all()):
        wrong = values[~inside].flatten()[0].item()
        raise ValueError(f"{param.name} = {wrong:g} lies outside its interval {param.interval}")


def rebind(state_dict: MutableMapping[str, Tensor], prefix: str, param: Param, own: Bounds | None) -> None:
    """Turn a parameter saved under other bounds into this Model's; own: what holds its bounds, or None.

    Raises ValueError where it lies outside these bounds. What was saved without its bounds stays as it is.
    """
    attribute = param.spelling
    free, held = f"{prefix}{attribute}", f"{prefix}parametrizations.{attribute}"
    raw, bounds = f"{held}.original", f"{held}.0._extra_state"
    saved = state_dict.get(bounds)
    if free in state_dict and own is not None:
        value = state_dict[free]
    elif saved is not None and raw in state_dict and not _same(own, saved):
        value = from_bounds(state_dict[raw], *saved.tolist())
    elif free in state_dict and param.bounded:
        if state_dict[free].device.type != "meta":
            check_inside(param, state_dict[free])
        return
    else:
        return
    if own is None or free in state_dict:
        for key in (free, raw, bounds):
            state_dict.pop(key, None)
    check_inside(param, value)
    state_dict[free if own is None else raw] = value if own is None else own.right_inverse(value)


def _same(own: Bounds | None, saved: Tensor) -> bool:
    """Whether a parameter was saved under its own bounds."""
    return own is not None and torch.equal(saved.cpu(), own.get_extra_state())
