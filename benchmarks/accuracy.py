"""The errors of adaptive methods on the test problems, in tolerances: `python -m benchmarks.accuracy`.

Every adaptive method of the native engine solves the sets of tests/problems at rtol 1e-3, 1e-6 and 1e-9: the
25 non-stiff problems of DETEST the explicit ones, the nine stiff ones the implicit and Rosenbrock methods,
`auto` all. The error is that of the state at the end, the largest |x - reference|/(atol + rtol |reference|).
The first run compiles some 300 kernels, which takes minutes; nothing is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.harness import RESULTS, say, use_threads

TESTED = Path(__file__).parent.parent / "tests" / "problems"
NAME = "accuracy"
RTOLS = (1e-3, 1e-6, 1e-9)
ALONE = ("stiff_e5", "ring_modulator")
"""Stiff problems in columns of their own."""
TEXT = (
    "The error at the end of standard problems in units of the tolerance, |x - reference|/(atol + rtol "
    "|reference|), the largest of the states: the worst of a set / its median, at three tolerances rtol. A "
    "dash: a million steps do not reach the end; a star: of some problems of the set. References are "
    "published ones, or of 80-bit extrapolation (tests/problems/references.json); accuracy.json has each."
)
Found = dict[str, dict[str, dict[str, float | None]]]
"""Errors by method, tolerance and problem."""


def sets() -> dict[str, tuple[str, ...]]:
    """The problems of each table."""
    from problem_set import DETEST, STIFF

    return {
        "all but orbits": tuple(name for name in DETEST if name[0] != "d"),
        "orbits": tuple(name for name in DETEST if name[0] == "d"),
        "stiff": tuple(name for name in STIFF if name not in ALONE),
        "stiff E5": ALONE[:1],
        "stiff ring modulator": ALONE[1:],
    }


def methods(stiff: bool) -> list[str]:
    """The adaptive methods of the native engine that are meant for a set."""
    from odec.methods import AUTO, METHODS

    found = [m for m in METHODS.values() if m.adaptive and "native" in m.engines]
    return [m.name for m in found if (m.family != "explicit") == stiff] + [AUTO.name]


def measure(problem: str, method: str, rtol: float) -> float | None:
    """The error in tolerances, None where a million steps do not reach the end."""
    from solved import final_units

    try:
        return final_units(problem, method, rtol, "native")
    except AssertionError:
        return None


def run(only: str, problem: str) -> Found:
    found: Found = {}
    for title, names in sets().items():
        for method in methods(title.startswith("stiff")):
            if only in method:
                say(f"{method}, {title}")
                for rtol in RTOLS:
                    row = found.setdefault(method, {}).setdefault(f"{rtol:.0e}", {})
                    row |= {name: measure(name, method, rtol) for name in names if problem in name}
    return found


def tables(found: Found) -> Iterable[str]:
    """A table for the problems that are not stiff and one for those that are: a row for each method."""
    for stiff in (False, True):
        chosen = {title: names for title, names in sets().items() if title.startswith("stiff") == stiff}
        said = [f"{rtol:.0e}".replace("e-0", "e-") for rtol in RTOLS]
        head = [f"{title.removeprefix('stiff ')}, {rtol}" for title in chosen for rtol in said]
        lines = [f"| method | {' | '.join(head)} |", "| --- |" + " --: |" * len(head)]
        for method in methods(stiff):
            row = [cell(by, names) for names in chosen.values() for by in found.get(method, {}).values()]
            lines += [f"| `{method}` | {' | '.join(row)} |"] if any(row) else []
        yield "\n".join(lines) if len(lines) > 2 else ""


def cell(by: dict[str, float | None], names: Sequence[str]) -> str:
    """`worst / median`, or one error alone; a star where some problems are not reached."""
    row = [by[name] for name in names if name in by]
    reached = [units for units in row if units is not None]
    if not reached:
        return "–" if row else ""
    star = "*" if len(reached) < len(row) else ""
    middle = f" / {number(statistics.median(reached))}" if len(row) > 1 else ""
    return number(max(reached)) + middle + star


def number(units: float) -> str:
    return f"{units:,.0f}" if units >= 10 else f"{units:.1g}" if units < 0.1 else f"{units:.2g}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{NAME}", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="methods whose name has this in it")
    parser.add_argument("--problem", default="", metavar="TEXT", help="problems whose name has this in it")
    parser.add_argument("--kept", action="store_true", help="the tables of the kept results, without a run")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(TESTED))
    path = RESULTS / f"{NAME}.json"
    if options.kept:
        facts = json.loads(path.read_text())
        found = facts.pop("errors")
    else:
        use_threads(1)
        found = run(options.only, options.problem)
        facts = report.facts(NAME, 1, 0.0)
        del facts["load before the run"]  # nothing is timed
    text = "\n\n".join(["# Errors in tolerances", TEXT, report.listed(facts), *tables(found)]) + "\n"
    print(text, flush=True)
    if not (options.only or options.problem):
        path.with_suffix(".md").write_text(text)
        path.write_text(json.dumps({**facts, "errors": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
