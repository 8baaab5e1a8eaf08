"""References in extended precision: explicit Runge-Kutta steps, and their gradients by complex steps.

x86 has 64 bits of mantissa (19 digits) in numpy's longdouble; where it is no wider than float64, deviations
show the rounding of both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

REAL, COMPLEX = np.longdouble, np.clongdouble
TABLEAUS = {
    "euler": ([[]], [1]),
    "rk4": ([[], ["1/2"], [0, "1/2"], [0, 0, 1]], ["1/6", "1/3", "1/3", "1/6"]),
    # Kutta's 3/8 rule: what torchdiffeq calls rk4
    "rk4_38": ([[], ["1/3"], ["-1/3", 1], [1, -1, 1]], ["1/8", "3/8", "3/8", "1/8"]),
}


SAMPLE = 64


def sample(size: int) -> np.ndarray:
    """The indices of up to 64 of so many trajectories, evenly spread: those that are compared."""
    return np.unique(np.linspace(0, size - 1, min(size, SAMPLE)).astype(int))


def _number(text: Any) -> Any:
    over, _, under = str(text).partition("/")
    return REAL(over) / REAL(under or 1)


def solve(rhs: Callable, x: Any, h: Any, steps: int, method: str = "rk4", every: int = 0) -> Any:
    """Steps of an autonomous system, rhs(x) -> dx/dt; x (n, N). Returns the last x, or x every so often."""
    a, b = TABLEAUS[method]
    a, b = [[_number(v) for v in row] for row in a], [_number(v) for v in b]
    found = []
    for step in range(steps):
        slopes: list[Any] = []
        for row in a:
            y = x
            for weight, k in zip(row, slopes):
                if weight:
                    y = y + h * weight * k
            slopes.append(np.stack(rhs(y)))
        x = x + h * sum(weight * k for weight, k in zip(b, slopes))
        if every and (step + 1) % every == 0:
            found.append(x)
    return np.stack(found) if every else x


def gradient(loss: Callable, p: Any) -> Any:
    """∂loss/∂p for p (m, N), loss(p) -> (N,), by complex steps, exact to rounding."""
    tiny = REAL("1e-40")
    rows = []
    for i in range(len(p)):
        q = p.astype(COMPLEX)
        q[i] += 1j * tiny
        rows.append(loss(q).imag / tiny)
    return np.stack(rows)


def relative(value: Any, reference: Any) -> float:
    """The largest deviation, relative to the largest of the reference in the same row; rows come first."""
    value, reference = np.asarray(value, REAL), np.asarray(reference, REAL)
    axes = tuple(range(1, reference.ndim))
    scale = np.abs(reference).max(axis=axes, keepdims=True)
    return float((np.abs(value - reference) / np.where(scale == 0, 1, scale)).max())
