"""Where a run lands on its switches, among its output times, and what its equations ask on either side."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .input_lines import Level, Line, Lines, Samples
from .switch_times import Event, Switches

_GAP = 4
"""So many roundings are switches at one time apart, and a switch from an output at its time."""


class Landing(NamedTuple):
    """Where a run lands on its switches, and what its equations ask in place of the time on either side.

    times (T + E,): the output times with E switches among them; outputs (T,) and switches (E,): where these
    stand. asked: for each condition knots and values of a held input, a time within each of its pieces, and
    of each input that it asks for the value then. terms (E, 3 + W): where rate, offset, period and multiples
    of W inputs stand among the numbers of a Switches; slopes (E, 3 + W): the derivatives of a switch's time
    by them; multiples (E, 1). pieces (E, W): of each input the piece that holds then; lines (E, W, 2): reach
    and running of its Line; bends (E, W, 2): the derivatives of the time by the piece's value and slope.
    lost: whether some time is no number, or an input not finite. key: what tells it from others, but for the
    values of inputs.
    """

    times: Tensor
    outputs: Tensor
    switches: Tensor
    asked: tuple[Tensor, ...]
    terms: Tensor
    slopes: Tensor
    multiples: Tensor
    pieces: Tensor
    lines: Tensor
    bends: Tensor
    lost: bool
    key: Any


def landing_of(
    switches: Switches,
    times: tuple[float, ...],
    numbers: tuple[float, ...] | None,
    inputs: tuple[Samples, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> Landing:
    """Where a run with these output times lands. numbers, inputs: of its Switches; None without trajectories.

    A switch at an output comes just before it, one at the start just behind it; of several at one time each
    has a place of its own. Raises ValueError for more switches than there is room for.
    """
    a, b, eps = times[0], times[-1], torch.finfo(dtype).eps
    lines = Lines(inputs if numbers else (), min(a, b), max(a, b), eps)
    lost = numbers is None or switches.lost(numbers) or not lines.finite
    events = [] if numbers is None or lost else switches.events(numbers, lines, a, b)
    stops = [e for e in events if e.time != a or switches.moves(e.turn)]
    merged, places = _woven(times, [event.time for event in stops], dtype)
    own = dict(zip(stops, (merged[place] for place in places)))
    asked, pieces = [], []
    for turns, follows, sources in zip(switches.conditions, switches.follows, switches.sources):
        marks, landed = [e for e in events if e.turn in turns], own
        if numbers and follows:
            marks, landed = _with_knots(marks, own, [inputs[i][0] for i in follows], a, b, _GAP * eps)
        knots, middles = _asked(marks, landed, a, b, dtype)
        pieces.append((knots, middles))
        for source in sources:
            if source is None or not numbers:
                asked += [knots, middles]
                continue
            levels = _levels(switches, turns, numbers, source)
            asked += [knots, [lines.at(source, time, levels) for time in middles]]
    chosen = set(places)
    outputs = [k for k in range(len(merged)) if k not in chosen]
    derived = _derivatives(switches, stops, numbers or (), lines)

    def real(values: Any) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    def index(values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    several, width = len(stops), len(switches.watched)
    return Landing(
        real(merged),
        index(outputs),
        index(places),
        tuple(real(part) if k % 2 == 0 else real(part).unsqueeze(-1) for k, part in enumerate(asked)),
        index(derived.terms).reshape(several, 3 + width),
        real(derived.slopes).reshape(several, 3 + width),
        real([event.multiple for event in stops]).reshape(several, 1),
        index([[line.piece for line in each] for each in derived.held]).reshape(several, width),
        real([[line[-2:] for line in each] for each in derived.held]).reshape(several, width, 2),
        real(derived.bends).reshape(several, width, 2),
        lost and numbers is not None,
        (lost, merged, pieces, *derived),
    )


def _levels(switches: Switches, turns: Iterable[int], numbers: Sequence[float], source: int) -> list[Level]:
    """With which values of one input alone a condition turns."""
    found = []
    for turn in turns:
        rate, offset, period, *multiples = (numbers[k] for k in switches.turns[turn])
        by = multiples[source]
        if by and not rate and not any(multiples[:source] + multiples[source + 1 :]):
            found.append(Level(-offset / by, abs(period / by)))
    return found


class _Derived(NamedTuple):
    """Of each switch its numbers' places, its time's slopes by them, by inputs, and these inputs' lines."""

    terms: list[tuple[int, ...]]
    slopes: list[list[float]]
    bends: list[list[tuple[float, float]]]
    held: list[list[Line]]


def _derivatives(
    switches: Switches, stops: Sequence[Event], numbers: Sequence[float], lines: Lines
) -> _Derived:
    """How the times of switches go with what moves them."""
    found = _Derived([], [], [], [])
    for event in stops:
        terms, time = switches.turns[event.turn], event.time
        rate, _, _, *multiples = (numbers[k] for k in terms)
        held = [line[event.segment] for line in lines.lines]
        rate += sum(by * line.rate for by, line in zip(multiples, held) if by)
        own = [-time / rate, -1 / rate, event.multiple / rate]
        found.terms.append(terms)
        found.slopes.append(own + [-line.at(time) / rate for line in held])
        reaches = [line.reach + line.running * time for line in held]
        found.bends.append([(-by / rate, -by * at / rate) for by, at in zip(multiples, reaches)])
        found.held.append(held)
    return found


def _with_knots(
    events: Sequence[Event],
    own: dict[Event, float],
    knots: Sequence[Sequence[float]],
    a: float,
    b: float,
    roundings: float,
) -> tuple[list[Event], dict[Event, float]]:
    """A condition's switches with its inputs' knots among them, where another piece of it begins as well.

    A knot within some roundings of a switch is none of its own, so that the switch is what changes sides.
    """
    near, sign = roundings * max(abs(a), abs(b)), math.copysign(1.0, b - a)
    spans = sorted((min(e.time, own.get(e, a)) - near, max(e.time, own.get(e, a)) + near) for e in events)
    begins, landed = [low for low, _ in spans], dict(own)
    marks = [(sign * own.get(event, a), event) for event in events]
    for knot in {knot for each in knots for knot in each if min(a, b) < knot < max(a, b)}:
        place = bisect.bisect_right(begins, knot) - 1
        if place < 0 or knot > spans[place][1]:
            landed[Event(knot, -1, 0)] = knot
            marks.append((sign * knot, Event(knot, -1, 0)))
    return [event for _, event in sorted(marks, key=lambda mark: mark[0])], landed


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
