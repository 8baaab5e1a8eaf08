"""Lorenz systems over ρ to a final state: their true solution, and how far off a result is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from benchmarks.harness import Case
from benchmarks.problems import LORENZ
from benchmarks.reference import sample

START, T1 = LORENZ.start, 10.0
RTOL, ATOL = 1e-6, 1e-8
_CHECKED = 24


def slope(x: Any, rho: Any) -> tuple[Any, Any, Any]:
    """dx/dt of states given in rows."""
    x, y, z = x
    return 10.0 * (y - x), x * (rho - z) - y, x * y - (8 / 3) * z


def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
    """ρ drawn from [0, 21]; a single trajectory has ρ = 20."""
    return [Case(size, dtype, _data(size, dtype)) for dtype in dtypes for size in sizes]


def _data(size: int, dtype: str) -> dict[str, Any]:
    rho = LORENZ.arrays(size, dtype)[1] if size > 1 else np.array([20.0], dtype)
    return {"rho": rho, "some": sample(size)[:_CHECKED]}


@cache
def _truth(rho: float) -> np.ndarray:
    """The states at T1 by Dormand and Prince's method of order 8 at a tolerance of 1e-13."""
    from scipy.integrate import solve_ivp

    return solve_ivp(lambda t, x: slope(x, rho), (0.0, T1), START, "DOP853", rtol=1e-13, atol=1e-14).y[:, -1]


def errors(case: Case, result: Any) -> dict[str, float]:
    """How many units of atol + rtol·|x| some trajectories of a result (N, 3) are off at most."""
    if result is None:
        return {}
    expected = truth(case)
    off = np.abs(np.asarray(result)[case.data["some"]] - expected) / (ATOL + RTOL * np.abs(expected))
    return {"tolerance units": float(off.max())}


def truth(case: Case) -> np.ndarray:
    """The true final states (trajectories, 3) of those trajectories of a case that are compared."""
    return np.stack([_truth(float(rho)) for rho in case.data["rho"][case.data["some"]]])
