"""Outputs within steps beside the steps' ends, in tolerances: `python -m benchmarks.dense`.

Every method with an interpolant, on the torch engine, solves the 25 non-stiff problems of DETEST, those for
stiff problems five stiff problems, at rtol 1e-3, 1e-6 and 1e-9, with nine outputs in every step
(tests/problems/within.py). Methods of order 2 and less at 1e-3 alone, of order 3 down to 1e-6. It takes some
minutes; nothing is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, say, use_threads

TESTED = Path(__file__).parent.parent / "tests" / "problems"
TEXT = (
    "The largest error of outputs within steps / of the steps' ends themselves, in units of the tolerance, "
    "|x - reference|/(atol + rtol |reference|), of all states of the worst problem of a set; then the "
    "largest of a problem whose ends are within 1 tolerance. Nine outputs in every step, the 25 problems of "
    "DETEST (Hull et al. 1972) and five stiff ones of Hairer & Wanner (HIRES, Robertson, Oregonator, van "
    "der Pol, E5), references of SciPy's DOP853 at 1e-13 and Radau at 1e-12. A dash: not taken, or more than "
    "5,000 steps on some problem. "
    "Orbits and the Oregonator carry errors on: there the ends are as far off."
)


def rtols(order: int) -> tuple[float, ...]:
    """The tolerances that a method of an order is asked for."""
    return (1e-3, 1e-6, 1e-9)[: 1 if order <= 2 else 2 if order == 3 else 3]


def cell(names: Sequence[str], method: str, rtol: float) -> tuple[str, str]:
    """The worst problem within steps, with its ends, and the worst of those whose ends are within 1."""
    from within import errors_within

    found = [errors_within(name, method, rtol) for name in names]
    kept = [errors for errors in found if errors]
    if len(kept) < len(found):
        return "–", "–"
    worst = max(kept)
    good = [errors.within for errors in kept if errors.ends <= 1]
    return f"{worst.within:.2g} / {worst.ends:.2g}", f"{max(good):.2g}" if good else "–"


def table(title: str, names: Sequence[str], methods: Sequence[Any]) -> list[str]:
    """A set's rows: a method each, two columns a tolerance."""
    heads = [text for rtol in (1e-3, 1e-6, 1e-9) for text in (f"{rtol:g}", "ends ≤ 1")]
    lines = [f"## {title[0].upper()}{title[1:]}", "", f"| method | order within | {' | '.join(heads)} |"]
    lines += ["| --- | --: |" + " --: |" * len(heads)]
    for method in methods:
        cells: list[str] = []
        for rtol in (1e-3, 1e-6, 1e-9):
            cells += cell(names, method.name, rtol) if rtol in rtols(method.dense_order) else ("–", "–")
        lines.append(f"| `{method.name}` | {method.dense_order} | {' | '.join(cells)} |")
        say(lines[-1])
    return [*lines, ""]


def main() -> int:
    """Write dense.md."""
    sys.path.insert(0, str(TESTED))
    use_threads(1)
    from within import SETS

    from odec.methods import AUTO, METHODS

    known = [method for method in METHODS.values() if method.dense_order]
    explicit = [method for method in known if method.family == "explicit"]
    stiff = [method for method in known if method.family != "explicit"]
    lines = ["# Outputs within steps", "", TEXT, ""]
    for title, names in SETS.items():
        lines += table(title, names, [*(stiff if title == "stiff" else explicit), AUTO])
    (RESULTS / "dense.md").write_text("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
