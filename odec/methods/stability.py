"""The stability function of a one-step method, and what follows from it."""

from __future__ import annotations

import functools

from odec.methods.implicit import Implicit
from odec.methods.rosenbrock import Rosenbrock
from odec.methods.tableau import Tableau

OneStep = Tableau | Implicit | Rosenbrock


def stability_function(method: OneStep, z: complex) -> complex:
    """R(z) of x_next = R(h λ) x on x' = λ x: 1 + z bᵀ (I - z A)⁻¹ 1, with A = α + Γ for Rosenbrock methods.

    Hairer & Wanner II, IV.3, proposition 3.1, and IV.7, eq. 7.14.
    """
    a, b = _matrix(method)
    s = len(b)
    rows = [[(i == j) - z * a[i][j] for j in range(s)] + [1.0 + 0j] for i in range(s)]
    for i in range(s):
        pivot = max(range(i, s), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for below in rows[i + 1 :]:
            factor = below[i] / rows[i][i]
            below[i:] = [x - factor * y for x, y in zip(below[i:], rows[i][i:], strict=True)]
    k = [0j] * s
    for i in reversed(range(s)):
        k[i] = (rows[i][s] - sum(rows[i][j] * k[j] for j in range(i + 1, s))) / rows[i][i]
    return 1 + z * sum(x * y for x, y in zip(b, k, strict=True))


def real_interval(method: OneStep) -> float:
    """The largest r, to 0.01, such that |R(z)| ≤ 1 for -r ≤ z ≤ 0."""
    hundredths = 0
    while abs(stability_function(method, -(hundredths + 1) / 100)) <= 1 + 1e-12:
        hundredths += 1
        if hundredths == 10_000:
            return float("inf")
    return hundredths / 100


def stability(method: OneStep) -> str:
    """What is known of a method's stability, in words."""
    return method.stability or f"real interval [-{real_interval(method):g}, 0]"


@functools.cache
def _matrix(method: OneStep) -> tuple[list[list[float]], list[float]]:
    if isinstance(method, Rosenbrock):
        alpha, gammas, weights, _ = method.plain()
        rows = [
            [float(x + y) for x, y in zip(left, right, strict=True)]
            for left, right in zip(alpha, gammas, strict=True)
        ]
        return rows, [float(x) for x in weights]
    s = method.stages
    return [[*map(float, row), *[0.0] * (s - len(row))] for row in method.a], [float(x) for x in method.b]
