"""Robertson's reaction with perturbed rates, its true solution, and how far off a result is.

`python -m benchmarks.robertson` computes the kept references again (minutes).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Case
from benchmarks.reference import sample

MODEL = Path(__file__).parent / "models" / "robertson.ode"
REFERENCES = MODEL.with_suffix(".json")
PARAMS = ("k1", "k2", "k3")
RATES = (0.04, 3e7, 1e4)
START = (1.0, 0.0, 0.0)
TIMES = np.concatenate([[0.0], np.logspace(-3, 5, 9)])
RTOL, ATOL = 1e-6, 1e-10
_CHECKED = 24


def slope(x: Any, k: Any) -> tuple[Any, Any, Any]:
    """dx/dt of states and rates given in rows."""
    a, b, c = x
    back, pair = k[2] * b * c, k[1] * b * b
    return back - k[0] * a, k[0] * a - pair - back, pair


def jacobian(x: Any, k: Any) -> list[list[float]]:
    """∂f/∂x of one trajectory."""
    _, b, c = x
    return [
        [-k[0], k[2] * c, k[2] * b],
        [k[0], -2 * k[1] * b - k[2] * c, -k[2] * b],
        [0.0, 2 * k[1] * b, 0.0],
    ]


def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
    """Rates within 10 % of the published ones, each trajectory its own."""
    return [Case(size, dtype, _data(size, dtype)) for dtype in dtypes for size in sizes]


def _data(size: int, dtype: str) -> dict[str, Any]:
    factors = 1 + 0.2 * (np.random.default_rng(5).random((size, 3)) - 0.5)
    return {"k": (factors * RATES).astype(dtype), "some": sample(size)[:_CHECKED]}


@cache
def _kept() -> dict[tuple[float, ...], np.ndarray]:
    """The kept references by their rates: seconds each to compute, at this tolerance."""
    rows = json.loads(REFERENCES.read_text())["problems"] if REFERENCES.exists() else []
    return {tuple(row["rates"]): np.array(row["states"]) for row in rows}


@cache
def _truth(rates: tuple[float, ...]) -> np.ndarray:
    """The states at TIMES[1:], (times, 3), by Radau IIA at a tolerance of 1e-13."""
    if rates in _kept():
        return _kept()[rates]
    from scipy.integrate import solve_ivp

    found = solve_ivp(
        lambda t, x: slope(x, rates),
        (0.0, TIMES[-1]),
        START,
        "Radau",
        t_eval=TIMES[1:],
        rtol=1e-13,
        atol=1e-17,
        jac=lambda t, x: jacobian(x, rates),
    )
    return found.y.T


def errors(case: Case, result: Any) -> dict[str, float]:
    """How many units of atol + rtol·|x| some trajectories of a result (times, N, 3) are off at most."""
    if result is None:
        return {}
    expected = truth(case)
    off = np.abs(np.asarray(result)[:, case.data["some"]] - expected) / (ATOL + RTOL * np.abs(expected))
    return {"tolerance units": float(off.max())}


def truth(case: Case) -> np.ndarray:
    """The true states (times, trajectories, 3) of those trajectories of a case that are compared."""
    rates = case.data["k"][case.data["some"]].astype(float)
    return np.stack([_truth(tuple(k)) for k in rates], axis=1)


def keep() -> None:
    """Compute the references of the problems that the benchmarks compare, and keep them."""
    kept = cases([1, 16, 1000], ["float64"])
    rates = dict.fromkeys([RATES, *(tuple(k) for c in kept for k in c.data["k"][c.data["some"]].tolist())])
    rows = []
    for k in rates:
        rows.append(json.dumps({"rates": k, "states": _truth(k).tolist()}))
        print(f"{len(rows)} of {len(rates)}", file=sys.stderr)
    said = f"Robertson's reaction at t = {TIMES[1:].tolist()}, by SciPy's Radau at rtol = 1e-13, atol = 1e-17"
    REFERENCES.write_text(f'{{"about": "{said}",\n"problems": [\n' + ",\n".join(rows) + "\n]}\n")


if __name__ == "__main__":
    keep()
