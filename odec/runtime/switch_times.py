"""When a model's equations switch: the times at which conditions on the time and inputs turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .input_lines import Crossing, Lines, TooMany

if TYPE_CHECKING:
    from .landing import Landing

Number = float | Tensor
Turn = tuple[Number, Number, Number] | tuple[Number, Number, Number, dict[str, Number]]
"""(rate, offset, period): the times t at which rate·t + offset is a multiple of the period, 0: is 0.

Behind them, by their names, multiples of held and linear inputs that are added.
"""
Turns = tuple[tuple[Turn, ...], ...]
"""Of each condition on the time, where it may turn, from one value to another; tensors are (*batch,)."""

MOST = 10**6
"""More switches than that are an error."""


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
    """A switch: its time, which turn it is, of which multiple of the period, in which segment of inputs."""

    time: float
    turn: int
    multiple: int
    segment: int = -1


class Switches:
    """What may turn of a model: the distinct turns of all its conditions, from numbers that hang on p.

    The numbers are those that a parameter may move, which runs carry behind the parameters, then constants.
    names: of each parameter. inputs, watched: which inputs decide, and their places among all. turns: where
    rate, offset, period and multiples of these stand among the numbers; conditions: by number the turns of
    each; sources: what each asks for, None for the time, a place among `inputs` for a linear one; follows:
    all inputs that move its turns. moving: how many numbers are carried.
    """

    def __init__(
        self,
        switches: Callable[[Tensor], Turns],
        params: Sequence[str],
        inputs: Mapping[str, str] | None = None,
    ):
        self.params, self.names, kinds = len(params), tuple(params), dict(inputs or {})
        given = switches(torch.ones(len(params), dtype=torch.float64))
        own = [[_multiples(turn) for turn in turns] for turns in given]
        each = [[name for name in kinds if any(name in turn for turn in turns)] for turns in own]
        names = [name for name in kinds if any(name in found for found in each)]
        self.watched = tuple(list(kinds).index(name) for name in names)
        self.follows = tuple(tuple(map(names.index, found)) for found in each)
        lines = [tuple(i for i in found if kinds[names[i]] == "linear") for found in self.follows]
        self.sources: tuple[tuple[int | None, ...], ...] = tuple(
            (None, *found) if not found or any(_moves(turn[0]) for turn in turns) else found
            for turns, found in zip(given, lines)
        )
        self.inputs, self._switches = tuple(names), switches
        found = self.switches(torch.ones(len(params), dtype=torch.float64))
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
        places = {one: k for k, one in enumerate((*self._moving, *constants))}
        rows = [[tuple(places[_own(value)] for value in turn) for turn in turns] for turns in found]
        self.turns = tuple(dict.fromkeys(row for turns in rows for row in turns))
        self.conditions = tuple(frozenset(map(self.turns.index, turns)) for turns in rows)
        zero = places.get(0.0)
        self._driven = tuple(any(k != zero for k in turn[3:]) for turn in self.turns)
        self._where = tuple(self._moving.values())

    @property
    def places(self) -> tuple[int | None, ...]:
        """Of each value that conditions ask for its place among the model's inputs, None for the time."""
        every = (source for sources in self.sources for source in sources)
        return tuple(None if source is None else self.watched[source] for source in every)

    @property
    def asked(self) -> tuple[str, ...]:
        """What these values are, in words."""
        return tuple(
            f"{'the time' if source is None else f'input {self.inputs[source]}'} of condition {k + 1}"
            for k, sources in enumerate(self.sources)
            for source in sources
        )

    def switches(self, p: Tensor) -> tuple[tuple[tuple[Number, ...], ...], ...]:
        """Of each condition the turns: rate, offset, period, multiples of the inputs that are watched."""
        return tuple(
            tuple((*turn[:3], *(_multiples(turn).get(name, 0.0) for name in self.inputs)) for turn in turns)
            for turns in self._switches(p)
        )

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
            rate, offset, period, *multiples = (numbers[k] for k in terms)
            never = math.isinf(offset) and not period
            if not all(map(math.isfinite, (rate, *multiples))) or math.isnan(period):
                return True
            if not (math.isfinite(offset) or never):
                return True
            if not period and terms[2] < self.moving:
                return True
        return False

    def events(self, numbers: Sequence[float], lines: Lines, a: float, b: float) -> list[Event]:
        """The switches of a run from time a to b, in its order. Raises ValueError for too many."""
        found = list[Event]()
        for turn, terms in enumerate(self.turns):
            crossings = self._of_inputs if self._driven[turn] else self._crossings
            found += [Event(time, turn, *which) for time, *which in crossings(terms, numbers, lines)]
        if len(found) > MOST:
            raise TooManySwitches(len(found), a, b)
        found.sort(key=lambda event: (event.time if b > a else -event.time, event.turn))
        return found

    def _crossings(self, terms: Sequence[int], numbers: Sequence[float], lines: Lines) -> list[Crossing]:
        """The times of a turn within a run, and of which multiple they are. Raises TooManySwitches."""
        rate, offset, period = (numbers[k] for k in terms[:3])
        low, high = lines.nodes[0], lines.nodes[-1]
        if not rate or math.isinf(offset):
            return []
        if not period or math.isinf(period):
            time = -offset / rate + 0.0
            return [Crossing(time, 0)] if low <= time <= high else []
        ends = sorted(((rate * low + offset) / period, (rate * high + offset) / period))
        if not ends[1] - ends[0] <= MOST:
            raise TooManySwitches(ends[1] - ends[0], low, high, terms[2])
        first, last = math.floor(ends[0]), math.ceil(ends[1])
        times = [((k * period - offset) / rate + 0.0, k) for k in range(first, last + 1)]
        return [Crossing(time, k) for time, k in times if low <= time <= high]

    def _of_inputs(self, terms: Sequence[int], numbers: Sequence[float], lines: Lines) -> list[Crossing]:
        """The same of a turn that inputs move."""
        rate, offset, period, *multiples = (numbers[k] for k in terms)
        try:
            return lines.crossings(rate, offset, period, multiples, MOST)
        except TooMany as error:
            raise TooManySwitches(error.count, lines.nodes[0], lines.nodes[-1], terms[2]) from None

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
        """Whether parameters or inputs move a turn."""
        return self._driven[turn] or any(k < self.moving for k in self.turns[turn])

    def times(self, landing: Landing, moving: Tensor, series: Sequence[Tensor]) -> Tensor:
        """The times of switches (E,) as functions of the numbers that move, and of inputs (pieces, terms)."""
        numbers = torch.cat((moving, moving.new_tensor(self.constants)))
        rate, offset, period, *multiples = numbers[landing.terms].unbind(-1)
        multiple = landing.multiples.squeeze(-1)
        for k, (by, index) in enumerate(zip(multiples, self.watched)):
            value, *slopes = series[2 * index + 1][landing.pieces[:, k]].unbind(1)
            reach, running = landing.lines[:, k].unbind(-1)
            for slope in slopes:
                value, rate = value + slope * reach, rate + by * slope * running
            offset = offset + by * value
        own = (torch.where(multiple == 0, 0.0, multiple * period) - offset) / rate
        return own + (landing.times[landing.switches] - own).detach()

    def pull(self, landing: Landing, g_times: Tensor) -> Tensor:
        """The gradients (*batch, moving) of the numbers that move, from those of the switches (E, *batch)."""
        shape = (*g_times.shape[1:], len(self.constants) + self.moving)
        each = g_times.movedim(0, -1).unsqueeze(-1) * landing.slopes
        found = g_times.new_zeros(shape).index_add_(-1, landing.terms.flatten(), each.flatten(-2))
        return found[..., : self.moving]

    def pull_series(
        self, landing: Landing, g_times: Tensor, series: Sequence[Tensor], found: Sequence[Tensor]
    ) -> list[Tensor]:
        """The gradients of coefficients with those (E, *batch) of the switches added."""
        found = list(found)
        for k, index in enumerate(self.watched):
            c, batch = series[2 * index + 1], g_times.shape[1:]
            own = g_times.new_zeros((*c.shape[:2], *batch))
            for term in range(c.shape[1]):
                each = landing.bends[:, k, term].reshape(-1, *[1] * len(batch)) * g_times
                own[:, term].index_add_(0, landing.pieces[:, k], each)
            found[index] = found[index] + own.sum_to_size(aligned(c, batch).shape).reshape(c.shape)
        return found

    def push_series(self, landing: Landing, d_series: Sequence[Tensor], batch: Sequence[int]) -> Tensor:
        """The tangents (E, *batch) of the switches, from those of the inputs' coefficients."""
        found = landing.bends.new_zeros((len(landing.switches), *batch))
        for k, index in enumerate(self.watched):
            d_c = aligned(d_series[2 * index + 1], batch)[landing.pieces[:, k]]
            bends = landing.bends[:, k, : d_c.shape[1]]
            found = found + (bends.reshape(*bends.shape, *[1] * len(batch)) * d_c).sum(1)
        return found

    def push(self, landing: Landing, d_moving: Tensor) -> Tensor:
        """The tangents (E, *batch) of the switches, from those (*batch, moving) of the numbers that move."""
        still = d_moving.new_zeros((*d_moving.shape[:-1], len(self.constants)))
        each = torch.cat((d_moving, still), -1)[..., landing.terms]
        return (each * landing.slopes).sum(-1).movedim(-1, 0)


def aligned(c: Tensor, batch: Sequence[int]) -> Tensor:
    """Coefficients (pieces, terms, *some batch) with as many axes as the whole batch has."""
    return c.reshape(*c.shape[:2], *[1] * (len(batch) - c.dim() + 2), *c.shape[2:])


def _multiples(turn: Turn) -> dict[str, Number]:
    """The multiples of inputs in a turn, by their names."""
    return turn[3] if len(turn) > 3 else {}


def _moves(rate: Number) -> bool:
    """Whether a turn goes with the time."""
    return isinstance(rate, Tensor) or rate != 0


def _own(value: float | Tensor) -> Any:
    """What tells a number of a turn from others: a tensor by itself, a constant by its value."""
    return id(value) if isinstance(value, Tensor) else float(value)
