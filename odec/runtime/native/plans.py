"""Where a run steps, as arrays of C: what depends on the times and the steps alone, and is kept."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from array import array
from collections.abc import Sequence
from typing import Any

import torch

from ..reference.mesh import kinks_of, mesh, stops_of
from ..series import Series
from ..steps import Tolerance

TAPE_BYTES = 1 << 19
"""The tape that a block may keep in a core's cache; beyond it, runs are cut into segments."""


class Arrays:
    """Arrays of C, here and on devices."""

    def __init__(self, arrays: dict[str, array[Any]]):
        self.arrays = arrays
        self.addresses = {name: values.buffer_info()[0] for name, values in arrays.items()}
        self.copies: dict[torch.device, torch.Tensor] = {}

    def on(self, device: torch.device) -> torch.Tensor:
        """The arrays on a device, one after the other in one tensor."""
        if device not in self.copies:
            whole = torch.cat(
                [torch.frombuffer(values, dtype=torch.int64) for values in self.arrays.values()]
            )
            self.copies[device] = whole.to(device)
        return self.copies[device]

    def addresses_on(self, device: torch.device) -> dict[str, int]:
        """The arrays' addresses on a device."""
        address, addresses = self.on(device).data_ptr(), {}
        for name, values in self.arrays.items():
            addresses[name] = address
            address += 8 * len(values)
        return addresses


class Plan(Arrays):
    """The intervals' arrays (when, start, h, count), where segments start (interval, within), and sizes."""

    def __init__(self, arrays: dict[str, array[Any]], steps: int, segment: int):
        super().__init__(arrays)
        self.steps, self.segment = steps, segment
        self.segments = -(-steps // segment)


Knots = tuple[tuple[float, ...], ...]
"""Those of each input."""


@functools.lru_cache(maxsize=64)
def plan_of(
    times: tuple[float, ...],
    dt: float | None,
    dtype: torch.dtype,
    segment_bytes: int,
    knots: Knots = (),
    pieces: tuple[int, ...] = (),
) -> Plan:
    """The mesh as C arrays, with the tape's segments for states of the given size (0: no tape).

    dt: the longest step, None for a map. knots, pieces: the inputs' knots and how many pieces each has.
    """
    intervals, passed = taken = mesh(torch.tensor(times, dtype=dtype), dt, _still(knots, dtype))
    counts, steps = [count for _, _, count in intervals], taken.steps
    segment = max(steps, 1)
    if segment_bytes and steps * segment_bytes > TAPE_BYTES:
        segment = max(TAPE_BYTES // segment_bytes, math.isqrt(steps), 1)
    interval: list[int] = []
    within: list[int] = []
    done = 0
    for k, count in enumerate(counts):
        first = -done % segment
        interval += [k] * len(range(first, count, segment))
        within += range(first, count, segment)
        done += count
    arrays: dict[str, array[Any]] = {
        "when": array("d", times),
        "start": array("d", [start for start, _, _ in intervals] or [0.0]),
        "h": array("d", [h for _, h, _ in intervals] or [0.0]),
        "count": array("q", counts or [0]),
        "interval": array("q", interval or [0]),
        "within": array("q", within or [0]),
    }
    if knots:
        rows = [len(times) if index is None else index for index in (0, *passed)]
        arrays |= {"output": array("q", rows), **_pieces(taken.spans(), knots, pieces)}
    return Plan(arrays, steps, segment)


class AdaptivePlan(Arrays):
    """The arrays of the Call and its Control; how many stops, the first interval, the direction of time."""

    def __init__(self, arrays: dict[str, array[Any]], pace: Tolerance, n_stops: int, first: int, sign: float):
        super().__init__(arrays)
        self.pace, self.n_stops, self.first, self.sign = pace, n_stops, first, sign
        self.rules: dict[torch.device, tuple[int, Any]] = {}

    def rules_on(self, device: torch.device, control: Any) -> tuple[int, Any]:
        """Where the output times lie on a device, and the Control, which holds nothing of a single call."""
        if device not in self.rules:
            addresses = dict(self.addresses if device.type == "cpu" else self.addresses_on(device))
            when, pace = addresses.pop("when"), self.pace
            most = min(pace.most, 2**31 - 1)
            rules = control(pace.first, pace.least, pace.longest, pace.rtol, self.sign, most)
            rules.n_stops, rules.first = self.n_stops, self.first
            for name, address in addresses.items():
                setattr(rules, name, address)
            self.rules[device] = when, rules
        return self.rules[device]


@functools.lru_cache(maxsize=64)
def adaptive_plan(
    times: tuple[float, ...],
    pace: Tolerance,
    knots: Knots,
    pieces: tuple[int, ...],
    dtype: torch.dtype,
) -> AdaptivePlan:
    """Where steps end, and what inputs with these knots and so many pieces are between, as arrays."""
    t, u = torch.tensor(times, dtype=dtype), _still(knots, dtype)
    stops = stops_of(t, u)
    if pace.dense:
        ends = {times[0], times[-1], *kinks_of(t, u)}
        stops = [stop for stop in stops if stop[0] in ends]
    when = [time for time, _ in stops]
    pairs = list(itertools.pairwise(when))
    first = next((k for k, (a, b) in enumerate(pairs) if a != b), -1)
    arrays: dict[str, array[Any]] = {
        "when": array("d", (*times, math.nan)),
        "atol": array("d", pace.atol),
        "stops": array("d", when),
        "output": array("q", [-1 if index is None else index for _, index in stops]),
    }
    if knots:
        arrays |= _pieces(pairs or [(when[0], when[0])], knots, pieces)
    return AdaptivePlan(arrays, pace, len(stops), first, -1.0 if when[-1] < when[0] else 1.0)


def _still(knots: Knots, dtype: torch.dtype) -> Series | None:
    """Inputs with these knots, whatever their values; None where there are none."""
    still = torch.zeros((1, 1), dtype=dtype)
    series = [value for own in knots for value in (torch.tensor(own, dtype=torch.float64), still)]
    return Series(series, [""] * len(knots)) if knots else None


def _pieces(
    intervals: Sequence[tuple[float, float]], knots: Sequence[Sequence[float]], pieces: Sequence[int]
) -> dict[str, array[Any]]:
    """By interval and input: the piece there, whether the input moves, and the time since the knot if not."""
    piece, inside, edge = array("q"), array("q"), array("d")
    for a, b in intervals:
        middle = (a + b) / 2
        for own, count in zip(knots, pieces):
            time = min(max(middle, own[0]), own[-1])
            found = min(max(bisect.bisect_right(own, time) - 1, 0), count - 1)
            piece.append(found)
            inside.append(int(own[0] <= middle <= own[-1]))
            edge.append(time - own[found])
    return {"piece": piece, "inside": inside, "edge": edge}
