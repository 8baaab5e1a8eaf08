"""W5 at tolerances from loose to tight: error against time for a thousand Robertson problems.

python -m benchmarks.w5_precision [--quick] [--size 1000] [--only TEXT] [--draw]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import precision, report, robertson, w5_peers
from benchmarks.harness import RESULTS, Case, load, say, use_threads

NAME, TITLE = "w5_precision", "W5: error against time for a stiff ensemble"
PROBLEM = "Robertson ensemble"
RTOLS = tuple(10.0**-k for k in range(3, 11))
LEVELS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
METHODS = ("rodas5p", "rodas4", "kvaerno5", "radau_iia5", "auto")
SHARE = robertson.ATOL / robertson.RTOL
TEXT = """\
{size:,} Robertson problems, rates perturbed by up to 10 %, to t = 1e5 with 9 logarithmically spaced
outputs, as in W5, at rtol from 1e-3 to 1e-10 with atol = 1e-4·rtol. The error is the largest of up to 24
trajectories, all outputs and states of |x - reference|/(1e-4 + |reference|), which a tolerance bounds: 1e-6
is one tolerance unit of W5. The relative error is that of |x - reference|/|reference|, which asks the same
of the small state b. The reference is Radau IIA at a tolerance of 1e-13. Times are medians of samples taken
in turn once all is compiled."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{NAME}", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="16 problems, two tolerances; writes no files")
    parser.add_argument("--size", type=int, help="number of problems (default 1,000, quick 16)")
    parser.add_argument("--only", default="", metavar="TEXT", help="solvers whose name has this in it")
    parser.add_argument("--threads", type=int, default=2, help="for every solver (default 2)")
    parser.add_argument("--draw", action="store_true", help="draw the kept points again, without a run")
    options = parser.parse_args(arguments)
    kept = RESULTS / f"{NAME}.json"
    if options.draw:
        _draw(precision.kept(kept))
        return
    before = load()
    use_threads(options.threads)
    size = options.size or (16 if options.quick else 1000)
    points, absent = _run(size, options)
    facts = report.facts(NAME, options.threads, before)
    from benchmarks import work_precision_picture as picture

    parts = picture.tables(points, {PROBLEM: "By the error that a tolerance bounds"}, LEVELS)
    plain = [precision.Point(p.problem, p.solver, p.rtol, p.relative or 0.0, p.seconds) for p in points]
    parts += picture.tables(plain, {PROBLEM: "By the relative error"}, LEVELS)
    text = picture.report(TITLE, TEXT.format(size=size), facts, parts, absent)
    print(text, flush=True)
    if not (options.quick or options.only or options.size):
        precision.keep(kept, points, facts | {"title": TITLE, "levels": LEVELS[1::2]})
        _draw(points)
        (RESULTS / f"{NAME}.md").write_text(text.replace("\n## ", f"\n![{TITLE}]({NAME}.svg)\n\n## ", 1))


def _draw(points: Sequence[precision.Point]) -> None:
    from benchmarks import work_precision_picture as picture

    panels = [
        ("Relative to 1e-4 + |x|: what a tolerance bounds", [(p, p.error) for p in points]),
        ("Relative to |x|", [(p, p.relative or 0.0) for p in points]),
    ]
    picture.draw_panels(panels, RESULTS / f"{NAME}.svg", "seconds for 1,000 problems", ["largest error"] * 2)


def _run(size: int, options: Any) -> tuple[list[precision.Point], dict[str, str]]:
    case = robertson.cases([size], ["float64"])[0]
    makers: dict[str, Callable] = {
        f"odec {method}": w5_peers.odec(method) for method in METHODS[: 2 if options.quick else None]
    }
    makers |= {
        "numbalsoda LSODA": w5_peers.numbalsoda,
        "CasADi CVODES": w5_peers.casadi,
        "diffrax Kvaerno5": w5_peers.diffrax,
    }
    solvers = {name: _solver(make, case) for name, make in makers.items() if options.only in name}
    truth = robertson.truth(case)

    def errors(found: np.ndarray) -> tuple[float, float | None]:
        off = np.abs(found[:, case.data["some"]] - truth)
        return float((off / (SHARE + np.abs(truth))).max()), float((off / np.abs(truth)).max())

    say(f"{PROBLEM}, N = {size:,}")
    return precision.measure(PROBLEM, solvers, errors, RTOLS[1:5:3] if options.quick else RTOLS)


def _solver(make: Callable, case: Case) -> Callable[[], precision.Solve]:
    """A contender of W5 at any tolerance."""

    def solve(rtol: float) -> precision.Call:
        at = Case(case.size, case.dtype, case.data | {"rtol": rtol, "atol": SHARE * rtol})
        ready = make(at)
        return lambda: ready.read(ready.call())

    def prepare() -> precision.Solve:
        solve(1e-3)()  # compiles
        return solve

    return prepare


if __name__ == "__main__":
    main()
