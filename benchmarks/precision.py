"""Error against time: solvers at tolerances from loose to tight, in turn, each run one point."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import watch
from benchmarks.harness import Absent, say

SAMPLES = 5
SHORTEST = 0.005
BUDGET = 0.4
"""Seconds after which a solver has no more samples at a tolerance."""
LONGEST = 8.0
"""A solver takes no tighter tolerance after a call that took so many seconds."""


@dataclass(frozen=True)
class Point:
    """One solver at one tolerance: the errors at the end and the seconds of a call."""

    problem: str
    solver: str
    rtol: float
    error: float
    seconds: float
    relative: float | None = None


Call = Callable[[], np.ndarray]
Solve = Callable[[float], Call]
"""rtol to a call that gives the states that are compared."""
Errors = Callable[[np.ndarray], tuple[float, float | None]]
"""A result's error relative to atol/rtol + |x|, and to |x| alone."""


def measure(
    problem: str, solvers: Mapping[str, Callable[[], Solve]], errors: Errors, rtols: Sequence[float]
) -> tuple[list[Point], dict[str, str]]:
    """The points of all solvers on a problem; and who has none, with the reason.

    At each tolerance one sample of each is taken in every round.
    """
    points: list[Point] = []
    ready, absent = _prepared(solvers)
    for rtol in rtols:
        running: dict[str, tuple[Call, int, list[float]]] = {}
        found = {}
        for name in list(ready):
            try:
                watch.running(name)
                call, first, result = _first(ready[name], rtol)
                found[name] = errors(result)
                if not np.isfinite(found[name][0]):
                    raise ArithmeticError("no result")
                number = max(1, round(SHORTEST / first))
                running[name] = call, number, [first] if first > BUDGET else []
            except Exception as reason:  # one tolerance of a solver must not end the rest
                absent[f"{name} at {rtol:g}"] = _said(reason)
        for _ in range(SAMPLES):
            for name, (call, number, samples) in running.items():
                watch.running(name)
                if sum(samples) * number < BUDGET:
                    samples.append(_sample(call, number))
        watch.running(None)
        for name, (_, _, samples) in running.items():
            seconds = statistics.median(samples)
            points.append(Point(problem, name, rtol, found[name][0], seconds, found[name][1]))
            if seconds > LONGEST:
                del ready[name]
        say(f"  {rtol:.0e}: " + ", ".join(_short(p) for p in points[-len(running) :]))
    return points, absent


def _prepared(solvers: Mapping[str, Callable[[], Solve]]) -> tuple[dict[str, Solve], dict[str, str]]:
    ready, absent = {}, {}
    for name, prepare in solvers.items():
        reason = watch.broken(name)
        if not reason:
            watch.running(name)
            try:
                ready[name] = prepare()
            except Exception as error:  # one that breaks must not end the others' run
                reason = _said(error)
        if reason:
            absent[name] = reason
            say(f"  {name}: {reason}")
    watch.running(None)
    return ready, absent


def _said(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0][:100]
    return first if isinstance(error, (ImportError, Absent)) else f"failed: {type(error).__name__} {first}"


def _first(solve: Solve, rtol: float) -> tuple[Call, float, np.ndarray]:
    """The call at a tolerance, the seconds of one, and its result."""
    call = solve(rtol)
    begun = time.perf_counter()
    result = call()
    return call, time.perf_counter() - begun, result


def _sample(call: Call, number: int) -> float:
    begun = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - begun) / number


def _short(point: Point) -> str:
    return f"{point.solver} {point.error:.0e} in {point.seconds * 1e3:.3g} ms"


def ahead(points: Sequence[Point]) -> str:
    """A sentence: at which accuracies of the others odec is faster, and by how much at least."""
    own = [p for p in points if p.solver.startswith("odec")]
    ratios = []
    for peer in points:
        if peer.solver.startswith("odec") or not peer.error < 1:
            continue
        best = min((p.seconds for p in own if p.error <= peer.error), default=None)
        ratios.append((peer.seconds / best if best else 0.0, peer))
    if not ratios:
        return ""
    ratio, nearest = min(ratios, key=lambda found: found[0])
    where = f"{nearest.solver} at rtol = {nearest.rtol:.0e} (error {nearest.error:.0e})"
    behind = [peer for found, peer in ratios if found < 1]
    if not behind:
        said = "odec is ahead of every point of the others, at no greater an error:"
        return f"{said} {ratio:.2g} times as fast as {where}, and more than that beside the rest."
    done = f"{len(ratios) - len(behind)} of {len(ratios)}"
    said = f"odec is ahead of {done} points of the others, at no greater an error; least of {where}"
    return f"{said}: {ratio:.2g} times as fast." if ratio else f"{said}, which it does not reach."


def keep(path: Path, points: Sequence[Point], facts: Mapping[str, Any]) -> None:
    """Write the points as JSON, one a line, below what `facts` says of the run."""
    head = json.dumps(dict(facts), indent=1)[:-2]
    rows = ",\n".join("  " + json.dumps(asdict(point)) for point in points)
    path.write_text(f'{head},\n "points": [\n{rows}\n ]\n}}\n')


def kept(path: Path) -> list[Point]:
    """The points of a kept run."""
    return [Point(**point) for point in json.loads(path.read_text())["points"]]
