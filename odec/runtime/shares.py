"""The trajectories of a batch that switch at the same times, which run together."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .input_lines import Samples
from .landing import Landing, landing_of
from .reference.mesh import checked_times
from .series import knots_of
from .switch_times import Switches, TooManySwitches, aligned
from .torch_private import numbers, transformed


class Share(NamedTuple):
    """The trajectories of a batch that land alike: their places among all, None where that is all of them.

    own: what their equations ask for, where that is not the same for all.
    """

    landing: Landing
    batch: Sequence[int]
    items: Tensor | None
    own: Sequence[Tensor] = ()

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
        return list(self.own or self.landing.asked)


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
    inputs: tuple[Samples, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> Landing:
    """landing_of, kept. Raises ValueError for times that are not finite, or go forth and back."""
    checked_times(torch.tensor(times, dtype=torch.float64))
    return landing_of(switches, times, numbers, inputs, dtype, device)


class _Watched:
    """The inputs that decide when a model switches, those of each trajectory behind its numbers.

    several: whether some of them differ between trajectories. Raises ValueError where knots do not increase.
    """

    def __init__(self, switches: Switches, series: Sequence[Tensor]):
        self.switches = switches
        pieces = [series[2 * k + part] for k in switches.watched for part in (0, 1)]
        self.knots = [tuple(knots) for knots in knots_of(pieces, switches.inputs)]
        self.coefficients = [c.detach() for c in pieces[1::2]]
        self.several = any(c.dim() > 2 for c in self.coefficients)
        self._shared = [None if c.dim() > 2 else _rows(numbers(c.flatten()), c) for c in self.coefficients]

    def rows(self, p: Tensor, batch: Sequence[int]) -> Tensor:
        """What moves the switches of each trajectory (..., width)."""
        moving = p.detach()[..., self.switches.params :]
        if not self.several:
            return moving
        own = [
            aligned(c, batch).expand(*c.shape[:2], *batch).flatten(0, 1).movedim(0, -1) for c in self._own()
        ]
        return torch.cat((moving.expand(*batch, moving.shape[-1]), *own), -1)

    def _own(self) -> list[Tensor]:
        return [c for c in self.coefficients if c.dim() > 2]

    def of(self, row: Sequence[float]) -> tuple[tuple[float, ...], tuple[Samples, ...]]:
        """The numbers of a row, and the inputs."""
        place, found = self.switches.moving, []
        for knots, c, shared in zip(self.knots, self.coefficients, self._shared):
            if shared is None:
                size = c.shape[0] * c.shape[1]
                shared, place = _rows(row[place : place + size], c), place + size
            found.append((knots, shared))
        return (*row[: self.switches.moving], *self.switches.constants), tuple(found)


def _rows(values: Sequence[float], c: Tensor) -> tuple[tuple[float, ...], ...]:
    """The coefficients of each piece, from all of them in a row."""
    width = c.shape[1]
    return tuple(tuple(values[k : k + width]) for k in range(0, len(values), width))


def _whose(switches: Switches, p: Tensor, first: int, term: int) -> str:
    """Words on a trajectory of all, by its place, and on its period."""
    own = p.reshape(-1, p.shape[-1])[first]
    index = [int(k) for k in torch.unravel_index(torch.tensor(first), p.shape[:-1])] if p.dim() > 1 else []
    where = f", in trajectory {index[0] if len(index) == 1 else tuple(index)}" if index else ""
    by = ", ".join(
        f"{switches.names[k]} = {own[k].item():g}" for k in switches.movers(term, own[: switches.params])
    )
    return f"{where}, whose period is {own[switches.params + term].item():g} ({by})" if by else where


def shares_of(
    switches: Switches, t: Tensor, p: Tensor, series: Sequence[Tensor], batch: Sequence[int]
) -> list[Share]:
    """The trajectories of a batch by where they land, for output times t (T,) and the model's inputs.

    p: (..., m), or with what moves switches behind it.
    """
    times, place = tuple(numbers(t)), (t.dtype, t.device)
    p = p if p.shape[-1] > switches.params else switches.carried(p)
    # tensors made under a transform of torch.func are dead when it ends
    land = _landing.__wrapped__ if transformed() else _landing
    watched = _Watched(switches, series)
    rows = watched.rows(p, batch)
    some, rows = rows.shape[:-1], rows.flatten(0, -2) if rows.dim() > 1 else rows.unsqueeze(0)

    def landing(row: Any) -> Landing:
        try:
            return land(switches, times, *watched.of(row), *place)
        except TooManySwitches as error:
            wanted = rows.new_tensor(row)
            first = int(((rows == wanted) | wanted.isnan()).all(-1).nonzero()[0])
            raise error.of(
                _whose(switches, p.detach().expand(*some, p.shape[-1]), first, error.term)
            ) from None

    if not rows.shape[-1]:
        return [Share(landing(()), batch, None)]
    if not len(rows) or not math.prod(batch):
        return [Share(land(switches, times, None, (), *place), batch, None)]
    if len(rows) == 1 or bool((rows == rows[0]).all()):
        return [Share(landing(numbers(rows[0])), batch, None)]
    distinct, which = torch.unique(rows, dim=0, return_inverse=True)
    return _by_landing([landing(row) for row in distinct.tolist()], which.reshape(some), batch)


def _by_landing(landings: Sequence[Landing], which: Tensor, batch: Sequence[int]) -> list[Share]:
    """The shares of a batch, of whose trajectories each has one of the landings."""
    alike: dict[str, list[int]] = {}
    for k, landing in enumerate(landings):
        alike.setdefault(repr(landing.key), []).append(k)
    group, place = torch.empty(len(landings), dtype=torch.long), torch.empty(len(landings), dtype=torch.long)
    for k, members in enumerate(alike.values()):
        group[members], place[members] = k, torch.arange(len(members))
    which = which.expand(*batch)
    groups = group.to(which.device)[which].flatten()
    every: list[Tensor | None] = [None]
    if len(alike) > 1:
        every = [*groups.argsort(stable=True).split(groups.bincount().tolist())]
    found = []
    for members, items in zip(alike.values(), every):
        share = Share(landings[members[0]], batch, items)
        if len(members) > 1:
            places = share.of(place.to(which.device)[which], 0)
            share = share._replace(own=_asked([landings[k] for k in members], places))
        found.append(share)
    return found


def _asked(landings: Sequence[Landing], places: Tensor) -> list[Tensor]:
    """What the equations of trajectories (*batch) ask for, each as its landing says."""
    found = []
    for parts in zip(*(landing.asked for landing in landings)):
        same = all(torch.equal(part, parts[0]) for part in parts)
        found.append(parts[0] if same else torch.stack(parts, -1)[..., places])
    return found
