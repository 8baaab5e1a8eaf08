"""When a model's equations switch: the times at which conditions on the time turn, moved by parameters."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

Turn = tuple[float | Tensor, float | Tensor, float | Tensor]
"""(rate, offset, period): the times t at which rate·t + offset is a multiple of the period, 0: is 0."""
Turns = tuple[tuple[Turn, ...], ...]
"""Of each condition on the time, where it may turn, from one value to another; tensors are (*batch,)."""

MOST = 10**6
"""More switches than that are an error."""

_GAP = 4
"""So many roundings are switches at one time apart, and a switch from an output at its time."""


class TooManySwitches(ValueError):
    """A run has more switches than it can land on. term: where the period stands among the numbers."""

    def __init__(self, count: float, a: float, b: float, term: int = -1, whose: str = ""):
        self.given, self.term = (count, a, b, term), term
        many = f"the equations switch {count:.3g} times from t = {a:g} to {b:g}, more than {MOST:,}"
        super().__init__(f"{many}{whose}: take a shorter run, or a longer period")

    def of(self, whose: str) -> TooManySwitches:
        """The same with words on whose they are."""
        return TooManySwitches(*self.given, whose)


class Event(NamedTuple):
    """A switch: its time, which turn it is, and of which multiple of the period."""

    time: float
    turn: int
    multiple: int


class Landing(NamedTuple):
    """Where a run lands on its switches, and what its equations ask in place of the time on either side.

    times (T + E,): the output times with E switches among them; outputs (T,) and switches (E,): where these
    stand. asked: for each condition knots and values of a held input, a time within each of its pieces.
    terms (E, 3): where rate, offset and period of a switch stand among the numbers of a Switches; slopes
    (E, 3): the derivatives of its time by them; multiples (E, 1). lost: whether some time is no number. key:
    what tells it from others.
    """

    times: Tensor
    outputs: Tensor
    switches: Tensor
    asked: tuple[Tensor, ...]
    terms: Tensor
    slopes: Tensor
    multiples: Tensor
    lost: bool
    key: Any


class Switches:
    """What may turn of a model: the distinct turns of all its conditions, from numbers that hang on p.

    The numbers are those that a parameter may move, which runs carry behind the parameters, then constants.
    names: of each parameter. turns: where rate, offset and period stand among the numbers; conditions: by
    number the turns of each. moving: how many numbers are carried.
    """

    def __init__(self, switches: Callable[[Tensor], Turns], params: Sequence[str]):
        self.switches, self.params, self.names = switches, len(params), tuple(params)
        found = switches(torch.ones(len(params), dtype=torch.float64))
        self._moving: dict[Any, tuple[int, int, int]] = {}
        constants: dict[float, None] = {}
        for i, turns in enumerate(found):
            for j, turn in enumerate(turns):
                for k, value in enumerate(turn):
                    if isinstance(value, Tensor):
                        self._moving.setdefault(id(value), (i, j, k))
                    else:
                        constants.setdefault(float(value))
        self.moving, self.constants = len(self._moving), tuple(constants)
        places = {own: k for k, own in enumerate((*self._moving, *constants))}
        rows = [[tuple(places[_own(value)] for value in turn) for turn in turns] for turns in found]
        self.turns = tuple(dict.fromkeys(row for turns in rows for row in turns))
        self.conditions = tuple(frozenset(map(self.turns.index, turns)) for turns in rows)
        self._where = tuple(self._moving.values())

    def carried(self, p: Tensor) -> Tensor:
        """The parameters p (*batch, m) with the numbers that move behind them: (*batch, m + moving)."""
        if not self.moving:
            return p
        found = self.switches(p)
        moving: list[Any] = [found[i][j][k] for i, j, k in self._where]
        return torch.cat((p, torch.stack(moving, -1)), -1)

    def lost(self, numbers: Sequence[float]) -> bool:
        """Whether the time of some switch is no number, or a period 0. One at infinity never comes."""
        for terms in self.turns:
            rate, offset, period = (numbers[k] for k in terms)
            never = math.isinf(offset) and not period
            if not math.isfinite(rate) or math.isnan(period) or not (math.isfinite(offset) or never):
                return True
            if not period and terms[2] < self.moving:
                return True
        return False

    def events(self, numbers: Sequence[float], a: float, b: float) -> list[Event]:
        """The switches of a run from time a to b, in its order. Raises ValueError for too many."""
        low, high = min(a, b), max(a, b)
        found = [
            Event(time, turn, multiple)
            for turn, terms in enumerate(self.turns)
            for time, multiple in self._crossings(terms, numbers, low, high)
        ]
        if len(found) > MOST:
            raise TooManySwitches(len(found), a, b)
        found.sort(key=lambda event: (event.time if b > a else -event.time, event.turn))
        return found

    def _crossings(
        self, terms: Sequence[int], numbers: Sequence[float], low: float, high: float
    ) -> list[tuple[float, int]]:
        """The times of a turn within [low, high], and of which multiple they are. Raises TooManySwitches."""
        rate, offset, period = (numbers[k] for k in terms)
        if not rate or math.isinf(offset):
            return []
        if not period or math.isinf(period):
            time = -offset / rate + 0.0
            return [(time, 0)] if low <= time <= high else []
        ends = sorted(((rate * low + offset) / period, (rate * high + offset) / period))
        if not ends[1] - ends[0] <= MOST:
            raise TooManySwitches(ends[1] - ends[0], low, high, terms[2])
        first, last = math.floor(ends[0]), math.ceil(ends[1])
        times = [((k * period - offset) / rate + 0.0, k) for k in range(first, last + 1)]
        return [(time, k) for time, k in times if low <= time <= high]

    def movers(self, term: int, p: Tensor) -> list[int]:
        """Which of the parameters p (m,) move a number; those that do not move it here are left out."""
        if not 0 <= term < self.moving:
            return []
        leaf = p.detach().clone().requires_grad_()
        with torch.enable_grad():
            number = self.carried(leaf)[self.params + term]
        (slope,) = torch.autograd.grad(number, leaf)
        return [int(k) for k in slope.nonzero().flatten()]

    def moves(self, turn: int) -> bool:
        """Whether parameters move a turn."""
        return any(k < self.moving for k in self.turns[turn])

    def times(self, landing: Landing, moving: Tensor) -> Tensor:
        """The times of a landing (T + E,), outputs as they are, as functions of the numbers that move."""
        numbers = torch.cat((moving, moving.new_tensor(self.constants)))
        rate, offset, period = numbers[landing.terms].unbind(-1)
        multiple = landing.multiples.squeeze(-1)
        own = (torch.where(multiple == 0, 0.0, multiple * period) - offset) / rate
        return own + (landing.times[landing.switches] - own).detach()

    def pull(self, landing: Landing, g_times: Tensor) -> Tensor:
        """The gradients (*batch, moving) of the numbers that move, from those of the switches (E, *batch)."""
        shape = (*g_times.shape[1:], len(self.constants) + self.moving)
        each = g_times.movedim(0, -1).unsqueeze(-1) * landing.slopes
        found = g_times.new_zeros(shape).index_add_(-1, landing.terms.flatten(), each.flatten(-2))
        return found[..., : self.moving]

    def push(self, landing: Landing, d_moving: Tensor) -> Tensor:
        """The tangents (E, *batch) of the switches, from those (*batch, moving) of the numbers that move."""
        still = d_moving.new_zeros((*d_moving.shape[:-1], len(self.constants)))
        each = torch.cat((d_moving, still), -1)[..., landing.terms]
        return (each * landing.slopes).sum(-1).movedim(-1, 0)


def _own(value: float | Tensor) -> Any:
    """What tells a number of a turn from others: a tensor by itself, a constant by its value."""
    return id(value) if isinstance(value, Tensor) else float(value)


def landing_of(
    switches: Switches,
    times: tuple[float, ...],
    numbers: tuple[float, ...] | None,
    dtype: torch.dtype,
    device: torch.device,
) -> Landing:
    """Where a run with these output times lands. numbers: of its Switches; None where it has no trajectory.

    A switch at an output comes just before it, one at the start just behind it; of several at one time each
    has a place of its own. Raises ValueError for more switches than there is room for.
    """
    lost = numbers is None or switches.lost(numbers)
    events = [] if numbers is None or lost else switches.events(numbers, times[0], times[-1])
    a, b = times[0], times[-1]
    stops = [e for e in events if e.time != a or switches.moves(e.turn)]
    merged, places = _woven(times, [event.time for event in stops], dtype)
    own = dict(zip(stops, (merged[place] for place in places)))
    asked = [
        part
        for turns in switches.conditions
        for part in _asked([e for e in events if e.turn in turns], own, a, b, dtype)
    ]
    terms = [switches.turns[event.turn] for event in stops]
    slopes = [_slopes(event, *(numbers[k] for k in row)) for event, row in zip(stops, terms) if numbers]
    chosen = set(places)
    outputs = [k for k in range(len(merged)) if k not in chosen]

    def real(values: Any) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    def index(values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    return Landing(
        real(merged),
        index(outputs),
        index(places),
        tuple(real(part) if k % 2 == 0 else real(part).unsqueeze(-1) for k, part in enumerate(asked)),
        index(terms).reshape(-1, 3),
        real(slopes).reshape(-1, 3),
        real([event.multiple for event in stops]).reshape(-1, 1),
        lost and numbers is not None,
        (lost, merged, asked, terms, slopes),
    )


def _slopes(event: Event, rate: float, offset: float, period: float) -> tuple[float, float, float]:
    """The derivatives of a switch's time by rate, offset and period."""
    return -event.time / rate, -1 / rate, event.multiple / rate


def _woven(
    times: Sequence[float], wanted: Sequence[float], dtype: torch.dtype
) -> tuple[list[float], list[int]]:
    """The times with switches, wanted at times in the run's order, among them; the places of the switches."""
    sign = -1.0 if times[-1] < times[0] else 1.0
    along = [sign * time for time in times]
    before: dict[int, list[float]] = {}
    for time in wanted:
        at_start = sign * time <= along[0]
        place = (bisect.bisect_right if at_start else bisect.bisect_left)(along, sign * time)
        before.setdefault(place, []).append(sign * time)
    merged: list[float] = []
    places: list[int] = []
    for k, time in enumerate(along):
        if k in before:
            between = _apart(before[k], along[k - 1], time, dtype)
            places += range(len(merged), len(merged) + len(between))
            merged += between
        merged.append(time)
    return [sign * time for time in merged], places


def _apart(wanted: Sequence[float], a: float, b: float, dtype: torch.dtype) -> list[float]:
    """Ascending times between a and b, close to those wanted, which neither meet nor come to an end.

    Raises ValueError where the dtype has no room for them.
    """
    gap = min(_GAP * torch.finfo(dtype).eps * max(abs(a), abs(b)), (b - a) / (len(wanted) + 1))
    found: list[float] = []
    for time in reversed(wanted):
        found.append(min(time, (found[-1] if found else b) - gap))
    found.reverse()
    for k, time in enumerate(found):
        found[k] = max(time, (found[k - 1] if k else a) + gap)
    found = torch.tensor(found, dtype=torch.float64).to(dtype).tolist()
    if any(not later > earlier for earlier, later in zip([a, *found], [*found, b])):
        many = f"the equations switch {len(wanted)} times between t = {a!r} and {b!r}"
        raise ValueError(f"{many}, which {dtype} cannot tell apart: take float64, or other times")
    return found


def _asked(
    events: Sequence[Event], own: dict[Event, float], a: float, b: float, dtype: torch.dtype
) -> tuple[list[float], list[float]]:
    """Knots and values of a held input: within each piece of a condition a time that is inside it.

    events: the condition's own, in the run's order; own: where the run lands on them.
    """
    beyond = math.copysign(math.sqrt(torch.finfo(dtype).eps) * abs(b - a), b - a)
    times = [event.time for event in events]
    first, last = (times[0], times[-1]) if times else (b, a)
    middles = [(time + after) / 2 for time, after in zip([a, *times], [*times, b])]
    middles[0] = a - beyond if first == a else middles[0]
    middles[-1] = b + beyond if last == b else middles[-1]
    for k in range(1, len(times)):  # of two turns at one time the second changes it
        middles[k] = middles[k - 1] if times[k] == times[k - 1] else middles[k]
    knots, values = [a], middles[:1]
    for event, middle in zip(events, middles[1:]):
        if event in own:
            knots.append(own[event])
            values.append(middle)
        else:
            values[-1] = middle
    if b < a:
        return [b, *reversed(knots[1:])], values[::-1]
    return knots, values
