"""The trajectories of a batch that switch at the same times, which run together."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .reference.mesh import checked_times
from .switch_times import Landing, Switches, TooManySwitches, landing_of
from .torch_private import numbers, transformed


class Share(NamedTuple):
    """The trajectories of a batch that land alike: their places among all, None where that is all of them."""

    landing: Landing
    batch: Sequence[int]
    items: Tensor | None

    def of(self, value: Tensor, axis: int) -> Tensor:
        """Its part of a tensor with the whole batch from an axis on, as one axis."""
        if self.items is None:
            return value
        flat = value.reshape(*value.shape[:axis], -1, *value.shape[axis + len(self.batch) :])
        return flat.index_select(axis, self.items)

    def parameters(self, p: Tensor) -> Tensor:
        """Its rows of p (..., m)."""
        return p if self.items is None else self.of(p.expand(*self.batch, p.shape[-1]), 0)

    def series(self, series: Sequence[Tensor]) -> list[Tensor]:
        """Its inputs' knots and coefficients."""
        if self.items is None:
            return list(series)
        found = list(series)
        for k, c in enumerate(series[1::2]):
            if c.dim() > 2:
                found[2 * k + 1] = self.of(aligned(c, self.batch).expand(*c.shape[:2], *self.batch), 2)
        return found

    @property
    def asked(self) -> list[Tensor]:
        """What the equations ask for in place of the time, as inputs."""
        return list(self.landing.asked)


def aligned(c: Tensor, batch: Sequence[int]) -> Tensor:
    """Coefficients (pieces, terms, *some batch) with as many axes as the whole batch has."""
    return c.reshape(*c.shape[:2], *[1] * (len(batch) - c.dim() + 2), *c.shape[2:])


def joined(shares: Sequence[Share], parts: Sequence[Tensor], axis: int) -> Tensor:
    """The whole of what each share has a part of, with the batch from an axis on."""
    if shares[0].items is None:
        return parts[0]
    batch, first = shares[0].batch, parts[0]
    whole = first.new_empty((*first.shape[:axis], math.prod(batch), *first.shape[axis + 1 :]))
    for share, part in zip(shares, parts):
        if share.items is not None:
            whole.index_copy_(axis, share.items, part)
    return whole.reshape(*first.shape[:axis], *batch, *first.shape[axis + 1 :])


@functools.lru_cache(maxsize=64)
def _landing(
    switches: Switches,
    times: tuple[float, ...],
    numbers: tuple[float, ...] | None,
    dtype: torch.dtype,
    device: torch.device,
) -> Landing:
    """landing_of, kept. Raises ValueError for times that are not finite, or go forth and back."""
    checked_times(torch.tensor(times, dtype=torch.float64))
    return landing_of(switches, times, numbers, dtype, device)


def _whose(switches: Switches, p: Tensor, row: Sequence[float], term: int) -> str:
    """Words on the first trajectory with this row of numbers behind its parameters, and on its period."""
    flat = p.reshape(-1, p.shape[-1])
    same = (flat[:, switches.params :] == p.new_tensor(row)).all(-1)
    first = int(same.nonzero()[0])
    own = flat[first, : switches.params]
    index = [int(k) for k in torch.unravel_index(torch.tensor(first), p.shape[:-1])] if p.dim() > 1 else []
    where = f", in trajectory {index[0] if len(index) == 1 else tuple(index)}" if index else ""
    by = ", ".join(f"{switches.names[k]} = {own[k].item():g}" for k in switches.movers(term, own))
    return f"{where}, whose period is {row[term]:g} ({by})" if by else where


def shares_of(switches: Switches, t: Tensor, p: Tensor, batch: Sequence[int]) -> list[Share]:
    """The trajectories of a batch by where they land, for output times t (T,).

    p: (..., m), or with what moves switches behind it.
    """
    times, place = tuple(numbers(t)), (t.dtype, t.device)
    p = p if p.shape[-1] > switches.params else switches.carried(p)
    # tensors made under a transform of torch.func are dead when it ends
    land = _landing.__wrapped__ if transformed() else _landing

    def landing(row: Any) -> Landing:
        try:
            return land(switches, times, (*row, *switches.constants), *place)
        except TooManySwitches as error:
            raise error.of(_whose(switches, p.detach(), row, error.term)) from None

    if not switches.moving:
        return [Share(landing(()), batch, None)]
    rows = p.detach()[..., switches.params :].reshape(-1, switches.moving)
    if not len(rows) or not math.prod(batch):
        return [Share(land(switches, times, None, *place), batch, None)]
    if len(rows) == 1 or bool((rows == rows[0]).all()):
        return [Share(landing(numbers(rows[0])), batch, None)]
    distinct, which = torch.unique(rows, dim=0, return_inverse=True)
    found: dict[str, Landing] = {}
    numbered = []
    for row in distinct.tolist():
        one = landing(row)
        found.setdefault(repr(one.key), one)
        numbered.append(list(found).index(repr(one.key)))
    if len(found) == 1:
        return [Share(one, batch, None) for one in found.values()]
    own = torch.tensor(numbered, device=which.device)[which].reshape(p.shape[:-1]).expand(*batch).flatten()
    items = own.argsort(stable=True).split(own.bincount().tolist())
    return [Share(one, batch, some) for one, some in zip(found.values(), items)]
