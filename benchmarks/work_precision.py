"""Error against time on four problems, one trajectory at a time: `python -m benchmarks.work_precision`.

Every solver runs at tolerances from 1e-3 to 1e-11; each run is one point: the error at the end, and the
median time of a call from Python once everything is compiled.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import precision, report
from benchmarks.harness import RESULTS, load, say, use_threads

RTOLS = tuple(10.0**-k for k in range(3, 12))
LEVELS = (1e-3, 1e-6, 1e-9)
PICTURES = Path(__file__).parent.parent / "docs" / "images"
NAME = "work_precision"
TEXT = (
    "One trajectory, the state at its end: the least time of a call from Python, among the tolerances from "
    "1e-3 to 1e-11, that left an error below the column's. Errors are |x - reference|/(atol/rtol + "
    "|reference|), the largest of the states. Times are medians of samples taken in turn once all is "
    "compiled, on one thread."
)


def odec(method: str, engine: str, problem: Any) -> Callable[[], precision.Solve]:
    """odec's method on an engine, through the generated Model, for simulation alone."""

    def prepare() -> precision.Solve:
        import torch

        from benchmarks import odec_engine

        module = odec_engine.load(problem.model, method, engine)
        t = torch.tensor(problem.span, dtype=torch.float64)

        def solve(rtol: float) -> precision.Call:
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
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{NAME}", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="solvers whose name has this in it")
    parser.add_argument("--problem", default="", metavar="NAME", help="one problem alone")
    parser.add_argument("--engine", default="native", help="odec's engine (default native)")
    parser.add_argument("--quick", action="store_true", help="few tolerances and methods; writes no files")
    parser.add_argument("--draw", action="store_true", help="draw the kept points again, without a run")
    options = parser.parse_args(arguments)
    from benchmarks import work_precision_picture as picture
    from benchmarks.work_precision_problems import problems

    titles = {problem.name: problem.title for problem in problems()}
    kept = RESULTS / f"{NAME}.json"
    if options.draw:
        picture.draw(precision.kept(kept), titles, PICTURES / f"{NAME}.svg")
        return
    before = load()
    use_threads(1)
    points, absent = _run(options)
    facts = report.facts(NAME, 1, before)
    text = picture.report("Error against time", TEXT, facts, picture.tables(points, titles, LEVELS), absent)
    print(text, flush=True)
    if not (options.quick or options.only or options.problem):
        precision.keep(
            kept, points, facts | {"title": "Error against time", "levels": LEVELS, "titles": titles}
        )
        picture.draw(points, titles, PICTURES / f"{NAME}.svg")
        image = f"![Error against time](../../docs/images/{NAME}.svg)"
        (RESULTS / f"{NAME}.md").write_text(text.replace("\n## ", f"\n{image}\n\n## ", 1))


def _run(options: Any) -> tuple[list[precision.Point], dict[str, str]]:
    from benchmarks import work_precision_peers as peers
    from benchmarks.work_precision_problems import problems

    points: list[precision.Point] = []
    absent: dict[str, str] = {}
    for problem in problems():
        if options.problem not in problem.name:
            continue
        say(problem.title)
        methods = ["rodas5p", "rodas4", "kvaerno5", "rosenbrock23"]
        methods = methods if problem.stiff else ["tsit5", "dop853", "vern9", "rodas5p"]
        methods = methods[:1] if options.quick else methods
        solvers = {f"odec {method}": odec(method, options.engine, problem) for method in methods}
        solvers |= peers.solvers(problem)
        solvers = {name: prepare for name, prepare in solvers.items() if options.only in name}
        rtols = RTOLS[:4:3] if options.quick else RTOLS
        found, missing = precision.measure(
            problem.name, solvers, lambda x, problem=problem: (problem.error(x), None), rtols
        )
        points += found
        absent |= {f"{name}, {problem.title}": reason for name, reason in missing.items()}
    return points, absent


if __name__ == "__main__":
    main()
