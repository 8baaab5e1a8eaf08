"""Published fits from far and near starts: how many optima odec and SciPy find, each with exact Jacobians."""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from scipy.optimize import least_squares

import odec
from benchmarks.fits_problems import PROBLEMS, Problem

EXACT = dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15)


def peer(problem: Problem, start: int, method: str) -> tuple[float, int]:
    """The sum of squares of SciPy's least_squares, and how many evaluations it took."""
    x, y = problem.data()
    symbols = sympy.symbols(("x", *problem.params))
    formula = sympy.sympify(problem.formula)
    curve = sympy.lambdify(symbols, formula, "numpy")
    slopes = [sympy.lambdify(symbols, sympy.diff(formula, one), "numpy") for one in symbols[1:]]

    def jacobian(b: np.ndarray) -> np.ndarray:
        return np.stack([slope(x, *b) + 0 * x for slope in slopes], axis=1)

    residuals: Callable[[np.ndarray], np.ndarray] = lambda b: curve(x, *b) - y  # noqa: E731
    options: dict[str, Any] = {"method": method, "x_scale": "jac", "max_nfev": 5000, **EXACT}
    try:
        found = least_squares(residuals, problem.starts[start], jacobian, **options)
    except ValueError:
        return math.inf, 0
    return 2 * float(found.cost), int(found.nfev)


def ours(problem: Problem, start: int, engine: str) -> tuple[float, int, str, float]:
    """The same of odec's trust region, how it says it ended, and how far its standard errors are off."""
    x, y = problem.data()
    run = {"method": "euler", "dt": float(np.ptp(x)) + 1.0}
    options: dict[str, Any] = {"optimizer": "gauss-newton", "epochs": 5000, "engine": engine, **run}
    result = odec.fit(problem.model(start), {"x": x, "y": y}, progress=False, **options)
    off = [
        abs(mine / right - 1) for mine, right in zip(result.errors.values(), problem.errors(), strict=False)
    ]
    return result.loss, result.epochs, result.message, max(off, default=math.nan)


def optimal(found: float, problem: Problem) -> bool:
    """Whether a sum of squares is the certified one (to rounding, where that is nearly 0)."""
    return found <= problem.certified * (1 + 1e-5) + 1e-20


def main() -> None:
    """The table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="torch", help="odec's engine (default: torch)")
    engine = parser.parse_args().engine
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    print("| problem | start | lm | trf | odec | errors off by | odec says |\n|" + " --- |" * 7)
    totals = [0, 0, 0]
    for problem in PROBLEMS:
        for start, name in enumerate(("far", "near")):
            *mine, message, off = ours(problem, start, engine)
            found = [peer(problem, start, "lm"), peer(problem, start, "trf"), (mine[0], mine[1])]
            right = [optimal(loss, problem) for loss, _ in found]
            totals = [total + one for total, one in zip(totals, right, strict=True)]
            cells = [
                f"{steps}" if one else f"no ({loss:.4g})"
                for (loss, steps), one in zip(found, right, strict=True)
            ]
            far = f"{off:.1g}" if right[2] else ""
            print(f"| {problem.name} | {name} | {' | '.join(cells)} | {far} | {message} |", flush=True)
    print(f"| optima of {2 * len(PROBLEMS)} | | {' | '.join(map(str, totals))} | | |")


if __name__ == "__main__":
    main()
