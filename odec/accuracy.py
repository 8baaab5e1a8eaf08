"""What a run can say of its own accuracy, and the line that tells how it was taken."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from odec.errors import AccuracyWarning, ArgumentError

if TYPE_CHECKING:
    import numpy as np

    from odec.runtime.model import Model
    from odec.system import System

MOVED = 1e-3
"""How far half the step may move a state, of its range, before that is told."""

MOVED_IN_A_FIT = 0.1
"""How far it may move what was measured, of the residuals' spread."""

CONTROLLED = 1e3
"""Below so many times its absolute tolerance a state's relative error is not controlled."""

_MOST = 3


def warn(sentences: Iterable[str], stacklevel: int) -> None:
    """An AccuracyWarning for each sentence; of many the first, and how many more there are."""
    told = list(sentences)
    if len(told) > _MOST + 1:
        told = [*told[:_MOST], f"and the same of {len(told) - _MOST} more"]
    for sentence in told:
        warnings.warn(sentence, AccuracyWarning, stacklevel=stacklevel + 1)


def steps_document(net: Model) -> dict[str, Any]:
    """The method of a Model with its dt, or its rtol and its atol by state, as fit.json keeps them."""
    if net.compiled.is_map:
        return {}
    name, pace = net.compiled.method.name, net.steps.tolerance
    if pace is not None:
        return {"method": name, "rtol": pace.rtol, "atol": list(pace.atol)}
    return {"method": name, "dt": net.steps.longest}


def summary(net: Model, times: Sequence[float], system: System | None = None) -> str:
    """One line on the last run of a Model: its method, the steps that it took, and what they kept to.

    system: its model, so that the line tells of switches in time on which no step lands.
    """
    from odec.lang.switches import not_located

    status, name = net.status, net.compiled.method.name
    if status is None or net.compiled.is_map:
        return ""
    pace, steps, refused = net.steps.tolerance, cast(Any, status.steps), cast(Any, status.rejected)
    if isinstance(steps, int):
        counted = _count(steps)
    else:
        least, most = int(steps.min()), int(steps.max())
        counted = _count(most) if least == most else f"{least} to {_count(most)}"
    if pace is None:
        dt = net.steps.longest
        at_most = "at most " if net.compiled.asked else _at_most(times, dt)
        return f"{name}: {counted} of {at_most}{longest_step(times, dt):g}"
    rejected = int(refused.sum())
    low, high = min(pace.atol), max(pace.atol)
    atol = f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"
    switching = system is not None and bool(not_located(system))
    counted += f" of at most {pace.longest:g}" if switching and pace.longest < math.inf else ""
    counted += f", {rejected} rejected" if rejected else ""
    pulses = "; a pulse shorter than a step may be missed" if switching else ""
    return f"{name}: {counted}, rtol {pace.rtol:g}, atol {atol}{pulses}"


def _count(steps: int) -> str:
    return f"{steps} step{'' if steps == 1 else 's'}"


def intervals(times: Sequence[float], dt: float) -> list[tuple[float, float, int]]:
    """Start, step and number of equal steps of each interval, as a generated module divides it."""
    pairs = [(a, b) for a, b in zip(times, times[1:], strict=False) if a != b]
    counts = [max(1, math.ceil(abs(b - a) / dt * (1 - 1e-10))) for a, b in pairs]
    return [(a, (b - a) / count, count) for (a, b), count in zip(pairs, counts, strict=True)]


def longest_step(times: Sequence[float], dt: float) -> float:
    """The longest of the fixed steps of at most dt that a run takes; 0 where it takes none."""
    return max((abs(h) for _, h, _ in intervals(times, dt)), default=0.0)


def _at_most(times: Sequence[float], dt: float) -> str:
    sizes = [abs(h) for _, h, _ in intervals(times, dt)]
    return "at most " if sizes and min(sizes) < max(sizes) * (1 - 1e-9) else ""


def inaccuracies(
    net: Model,
    times: Sequence[float],
    x: np.ndarray,
    knots: Mapping[str, Sequence[float] | np.ndarray],
    again: Callable[[float], np.ndarray],
) -> list[str]:
    """What is to be said of a run's states x (T, *batch, n): sentences.

    By a tolerance: the states that it does not control. By fixed steps: what `again`, the states by steps of
    at most so much, changes with half the longest one, and the inputs whose samples (knots) lie within steps.
    """
    own, pace = net.compiled, net.steps.tolerance
    if own.is_map or not len(times):
        return []
    if pace is not None:
        return uncontrolled(own.states, x, pace.atol)
    dt = net.steps.longest
    told = between_steps(times, dt, knots)
    moved = []
    with contextlib.suppress(ArgumentError):  # half the step may be more than a run may cost
        length = longest_step(times, dt)
        moved = halved(own.states, x, again(length / 2)) if length else []
    return [*told, moved_words(summary(net, times), moved)] if moved else told


def uncontrolled(states: Sequence[str], x: np.ndarray, atol: Sequence[float]) -> list[str]:
    """A sentence for each state, x (T, *batch, n), that never leaves the reach of its absolute tolerance."""
    import numpy as np

    sizes = np.where(np.isfinite(x), np.abs(x), 0.0).reshape(-1, len(states)).max(0, initial=0.0)
    told = []
    for state, size, tolerance in zip(states, sizes.tolist(), atol, strict=True):
        if 0 < size < CONTROLLED * tolerance:
            better = 10.0 ** (math.floor(math.log10(size)) - 6)
            words = f"{state} stays below {_above(size):g}: atol {tolerance:g} does not control it"
            told.append(f"{words}; set atol {better:g}" if better > 0 else words)
    return told


def _above(size: float) -> float:
    """A number of one digit that is not below a size."""
    scale = 10.0 ** math.floor(math.log10(size))
    return min(math.ceil(size / scale * (1 - 1e-9)) * scale, math.inf) if scale else size


def halved(
    names: Sequence[str], x: np.ndarray, half: np.ndarray, spread: np.ndarray | None = None
) -> list[tuple[str, float]]:
    """The columns of x (T, *batch, n) that half the step moves, with the largest move over the range of each.

    half: x by steps of half the length. spread: (n,) in place of the range: a move is then told where it is
    more than MOVED_IN_A_FIT of it.
    """
    import numpy as np

    finite = np.isfinite(x) & np.isfinite(half)
    moves = np.where(finite, np.abs(half - x), 0.0).max(0)
    if spread is None:
        known = np.where(finite, x, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a trajectory without a finite number
            width = np.nanmax(known, 0) - np.nanmin(known, 0)
            width = np.where(width > 0, width, np.nanmax(np.abs(known), 0))
    else:
        width = spread
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(moves > 0, moves / width, 0.0).reshape(-1, len(names)).max(0, initial=0.0)
    least = MOVED if spread is None else MOVED_IN_A_FIT
    return [(name, share) for name, share in zip(names, shares.tolist(), strict=True) if share > least]


def moved_words(how: str, found: Sequence[tuple[str, float]], of: str = "") -> str:
    """`euler, 42 steps of 1: halving the step moves x1 by 3 %`; of: what the shares are of."""
    most = sorted(found, key=lambda pair: -pair[1])[:_MOST]
    parts = ", ".join(f"{name} by {percent(share)}" for name, share in most)
    rest = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    advice = "take a smaller dt, or a tolerance (method auto)"
    return f"{how.replace(': ', ', ')}: halving the step moves {parts}{rest}{of}; {advice}"


def percent(share: float) -> str:
    """A share in words."""
    if not math.isfinite(share):
        return "more than its whole range"
    digits = 1 if share < 0.1 else 2
    return f"{100 * share:.{digits}g} %" if share < 0.995 else f"{100 * share:.0f} %"


def between_steps(
    times: Sequence[float], dt: float, inputs: Mapping[str, Sequence[float] | np.ndarray]
) -> list[str]:
    """A sentence for each input whose samples (by name, their times) lie closer than the fixed steps do."""
    import numpy as np

    pieces = intervals(times, dt)
    if not pieces:
        return []
    starts, steps, _ = (np.array(column, dtype=np.float64) for column in zip(*pieces, strict=True))
    sign, told = np.sign(steps[0]), []
    for name, knots in inputs.items():
        samples = np.unique(sign * np.asarray(knots, dtype=np.float64))
        gaps = np.diff(samples, prepend=-np.inf, append=np.inf)
        closest = np.minimum(gaps[:-1], gaps[1:])
        inside = (samples > sign * times[0]) & (samples <= sign * times[-1])
        samples, closest = samples[inside], closest[inside]
        piece = np.searchsorted(sign * starts, samples, side="right") - 1
        length = np.abs(steps[piece])
        place = (samples - sign * starts[piece]) / length
        loose = (np.abs(place - np.round(place)) > 1e-6) & (closest < length * (1 - 1e-6))
        if loose.any():
            told.append(
                f"{int(loose.sum())} of {len(samples)} samples of {name} lie within a step of "
                f"{length[loose].max():g}: take a smaller dt, or a tolerance, whose steps end on samples"
            )
    return told
