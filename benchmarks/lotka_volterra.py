"""The problem of w4: Lotka-Volterra with four parameters per trajectory, compared with data at 20 times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from benchmarks import reference
from benchmarks.harness import Case
from benchmarks.problems import MODELS

MODEL = MODELS / "lotka_volterra.ode"
T1, STEPS, TIMES = 10.0, 200, 20
H, EVERY = T1 / STEPS, STEPS // TIMES
PARAMS = ("alpha", "beta", "delta", "gamma")
CENTRE = (1.5, 1.0, 1.0, 3.0)
NOISE = 0.1


def slope(x: Any, p: Any) -> tuple:
    """dx/dt of prey and predators; x (2, …), p (4, …), or their rows."""
    (prey, predators), (alpha, beta, delta, gamma) = x, p
    met = prey * predators
    return alpha * prey - beta * met, delta * met - gamma * predators


def step(x: tuple, p: Any, h: float = H) -> tuple:
    """One rk4 step of the state in rows."""

    def moved(c: float, k: tuple) -> tuple:
        return tuple(a + c * b for a, b in zip(x, k))

    k1 = slope(x, p)
    k2 = slope(moved(h / 2, k1), p)
    k3 = slope(moved(h / 2, k2), p)
    k4 = slope(moved(h, k3), p)
    return tuple(a + h / 6 * (b + 2 * (c + d) + e) for a, b, c, d, e in zip(x, k1, k2, k3, k4))


def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
    return [_case(size, dtype) for dtype in dtypes for size in sizes]


def _case(size: int, dtype: str) -> Case:
    """p (4, N), 20 % around the centre; x0 (2, N); data (20, 2, N), the centre's solution with noise."""
    draw = np.random.default_rng(20250102)
    centre = np.array(CENTRE)[:, None]
    p = (centre * draw.uniform(0.8, 1.2, (4, size))).astype(dtype)
    x0 = np.ones((2, size), dtype)
    curve = reference.solve(lambda x: slope(x, centre), np.ones((2, 1)), H, STEPS, every=EVERY)
    data = (np.asarray(curve, float) * np.exp(NOISE * draw.standard_normal((TIMES, 2, size)))).astype(dtype)
    some = reference.sample(size)
    q, start, seen = p[:, some].astype(reference.REAL), x0[:, some], data[..., some]

    @cache
    def gradient(method: str, refine: int) -> Any:
        h = reference.REAL(T1) / (STEPS * refine)

        def loss(p: Any) -> Any:
            x = start.astype(p.dtype)
            steps, every = STEPS * refine, EVERY * refine
            found = reference.solve(lambda x: slope(x, p), x, h, steps, method, every)
            return ((found - seen) ** 2).sum((0, 1))

        return reference.gradient(loss, q)

    return Case(size, dtype, {"p": p, "x0": x0, "data": data, "some": some, "gradient": gradient})


def errors(case: Case, result: Any) -> dict[str, float]:
    """Deviations of a gradient (4, N), or (gradient, scheme), from its scheme's and from the solution's.

    No result, no deviation (a forward pass alone).
    """
    if result is None:
        return {}
    found, scheme = result if isinstance(result, tuple) else (result, "rk4")
    found = np.asarray(found)[:, case.data["some"]]
    return {
        "from the solution's": reference.relative(found, case.data["gradient"]("rk4", 4)),
        "from the same scheme's": reference.relative(found, case.data["gradient"](scheme, 1)),
    }
