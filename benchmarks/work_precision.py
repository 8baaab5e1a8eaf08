"""Error against time on four problems, one trajectory at a time: `python -m benchmarks.work_precision`.

Every solver runs at tolerances from 1e-3 to 1e-11; each run is one point: the error at the end, and the
median time of a call from Python once everything is compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import RESULTS, Absent, use_threads

RTOLS = tuple(10.0**-k for k in range(3, 12))
PICTURES = Path(__file__).parent.parent / "docs" / "images"
SAMPLES = 5
SHORTEST = 0.005
LONGEST = 5.0
"""A solver takes no tighter tolerance after a call that took so many seconds."""


@dataclass(frozen=True)
class Point:
    """One solver at one tolerance: the error at the end (nan: no result) and the seconds of a call."""

    problem: str
    solver: str
    rtol: float
    error: float
    seconds: float


Solve = Callable[[float], Callable[[], np.ndarray]]
"""rtol to a call that gives the state at the end."""


def measure(
    problem: Any, solver: str, prepare: Callable[[Any], Solve], rtols: Sequence[float]
) -> list[Point]:
    """The points of a solver on a problem; none, and the reason printed, where it cannot run here."""
    try:
        solve = prepare(problem)
    except (ImportError, Absent) as reason:
        _say(f"  {solver}: {str(reason).splitlines()[0]}")
        return []
    except Exception as reason:  # one that breaks must not end the others' run
        _say(f"  {solver}: {type(reason).__name__} {reason}")
        return []
    points = []
    for rtol in rtols:
        try:
            call = solve(rtol)
            error = problem.error(call())
        except Exception as reason:  # nor must one tolerance end the rest
            _say(f"  {solver} at {rtol:g}: {type(reason).__name__} {str(reason).splitlines()[0][:90]}")
            continue
        seconds = _seconds(call)
        points.append(Point(problem.name, solver, rtol, error, seconds))
        if seconds > LONGEST:
            break
    _say(f"  {solver}: " + ", ".join(f"{p.error:.0e} in {p.seconds * 1e3:.3g} ms" for p in points))
    return points


def _seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    once = time.perf_counter() - begun
    if once > 1:
        return once
    number = max(1, round(SHORTEST / once))
    samples = []
    for _ in range(SAMPLES):
        begun = time.perf_counter()
        for _ in range(number):
            call()
        samples.append((time.perf_counter() - begun) / number)
    return statistics.median(samples)


def odec(method: str, engine: str) -> Callable[[Any], Solve]:
    """odec's method on an engine, through the generated Model, for simulation alone."""

    def prepare(problem: Any) -> Solve:
        import torch

        from benchmarks import odec_engine

        module = odec_engine.load(problem.model, method, engine)
        t = torch.tensor(problem.span, dtype=torch.float64)

        def solve(rtol: float) -> Callable[[], np.ndarray]:
            options = {"rtol": rtol, "atol": rtol * problem.atol, "max_steps": 1_000_000}
            model = module.Model(engine=engine, adjoint="none", **options)

            def call() -> np.ndarray:
                with torch.no_grad():
                    return model(t)[-1].numpy()

            return call

        solve(1e-3)()
        return solve

    return prepare


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work_precision", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="solvers whose name has this in it")
    parser.add_argument("--problem", default="", metavar="NAME", help="one problem alone")
    parser.add_argument("--engine", default="native", help="odec's engine (default native)")
    parser.add_argument("--quick", action="store_true", help="three tolerances; writes no files")
    parser.add_argument("--draw", action="store_true", help="draw the kept points again, without a run")
    options = parser.parse_args(arguments)
    kept = RESULTS / "work_precision.json"
    if options.draw:
        _write([Point(**point) for point in json.loads(kept.read_text())["points"]], None)
        return
    load = os.getloadavg()[0]
    use_threads(1)
    points = _run(options)
    if not (options.quick or options.only or options.problem):
        rows = ",\n".join(json.dumps(asdict(point)) for point in points)
        kept.write_text(f'{{"points": [\n{rows}\n]}}\n')
        _write(points, load)


def _run(options: Any) -> list[Point]:
    from benchmarks import work_precision_peers as peers
    from benchmarks.work_precision_problems import problems

    points: list[Point] = []
    for problem in problems():
        if options.problem not in problem.name:
            continue
        _say(problem.title)
        methods = ["rodas5p", "rodas4", "kvaerno5", "rosenbrock23"]
        methods = methods if problem.stiff else ["tsit5", "dop853", "vern9", "rodas5p"]
        solvers = {f"odec {method}": odec(method, options.engine) for method in methods}
        solvers |= peers.solvers(problem)
        for solver, prepare in solvers.items():
            if options.only in solver:
                rtols = RTOLS[::3] if options.quick else RTOLS
                points += measure(problem, solver, prepare, rtols)
    return points


def _write(points: Sequence[Point], load: float | None) -> None:
    from benchmarks import work_precision_picture as picture
    from benchmarks.work_precision_problems import problems

    titles = {problem.name: problem.title for problem in problems()}
    picture.draw(points, titles, PICTURES / "work_precision.svg")
    if load is not None:
        text = picture.table(points, titles, load)
        (RESULTS / "work_precision.md").write_text(text)
        print(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
