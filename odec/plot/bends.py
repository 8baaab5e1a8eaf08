"""Where curves bend between a run's outputs: the times between these, and those that a picture needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

POINTS = 2000
"""So many times of a curve are enough for any picture."""
SEEN = 2e-3
"""What a straight line between two outputs may miss of a curve's range: about its own width."""


def times_between(times: Sequence[float], steps: Sequence[int] | None = None) -> np.ndarray:
    """The times (T,) with others between them, about POINTS in all.

    steps: into how many equal steps each interval between two times of unequal value is divided; the others
    then are ends of steps.
    """
    pairs = [(a, b) for a, b in zip(times, times[1:], strict=False) if a != b]
    most = math.ceil(POINTS / max(len(pairs), 1))
    pieces = [most] * len(pairs) if steps is None else [_divisor(count, most) for count in steps]
    parts = [
        [a, *(a + (b - a) * (j / count) for j in range(1, count))]
        for (a, b), count in zip(pairs, pieces, strict=True)
    ]
    return np.array([time for part in parts for time in part] + [*times[-1:]], dtype=np.float64)


def _divisor(count: int, most: int) -> int:
    """The largest divisor of a number that is not above another."""
    return next(d for d in range(min(count, most), 0, -1) if count % d == 0)


def needed(fine: np.ndarray, curves: np.ndarray, times: np.ndarray, chords: np.ndarray) -> np.ndarray:
    """Which of the times fine (F,) a picture needs, as a mask.

    curves: (F, k) there, chords: (T, k) at the outputs `times`. All of an interval between two outputs in
    which a curve lies off their straight line by more than SEEN of its range, else the outputs alone.
    """
    sign = 1.0 if times[-1] >= times[0] else -1.0
    at, known = sign * fine, sign * times
    interval = np.clip(np.searchsorted(known, at, side="right") - 1, 0, len(times) - 2)
    length = known[interval + 1] - known[interval]
    place = np.where(length > 0, (at - known[interval]) / np.where(length > 0, length, 1.0), 0.0)[:, None]
    line = chords[interval] * (1 - place) + chords[interval + 1] * place
    with np.errstate(invalid="ignore"):
        off = np.nan_to_num(np.abs(curves - line), nan=0.0, posinf=0.0)
    finite = np.where(np.isfinite(curves), curves, np.nan)
    spread = np.nan_to_num(np.nanmax(finite, 0) - np.nanmin(finite, 0)) if len(fine) else np.zeros(0)
    bent = (off > SEEN * spread).any(-1)
    bends = np.zeros(len(times), dtype=bool)
    bends[interval[bent]] = True
    found: np.ndarray = bends[interval] | np.isin(fine, times)
    return found
