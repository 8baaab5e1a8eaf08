"""Problems where a slope or its derivative is infinite at the start, with their solutions in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy.optimize import brentq
from scipy.special import dawsn


class Case(NamedTuple):
    """A model, its states at a time t by its parameters, in order, and with what its slope is singular."""

    text: str
    solution: Callable[..., list[float]]
    singular: str = ""


def _inverse(time: Callable[[float], float], t: float, most: float) -> float:
    """The s with time(s) = t, between 0 and most."""
    return brentq(lambda s: time(s) - t, 0.0, most, xtol=1e-17, rtol=9e-16) if t > 0 else 0.0


def tank(t: float, u: float, k: float) -> float:
    """x' = u - k √x from 0: with s = √x, t = -2/k (s + u/k log(1 - k s/u))."""
    top = u / k * (1 - 1e-16)
    return _inverse(lambda s: -2 / k * (s + u / k * math.log1p(-k * s / u)), t, top) ** 2


def spring(t: float, u: float, k: float) -> float:
    """x' = u + k √x from 0: with s = √x, t = 2/k (s - u/k log(1 + k s/u))."""
    return _inverse(lambda s: 2 / k * (s - u / k * math.log1p(k * s / u)), t, 1e3) ** 2


def cube_root(t: float, u: float, k: float) -> float:
    """x' = u - k ∛x from 0: with z = k ∛x/u, t = -3u²/k³ (z²/2 + z + log(1 - z))."""

    def time(z: float) -> float:
        return -3 * u**2 / k**3 * (z * z / 2 + z + math.log1p(-z))

    return (_inverse(time, t, 1 - 1e-16) * u / k) ** 3


def late_tank(t: float, k: float) -> float:
    """x' = 1 - k √max(x, 0) from -½."""
    return t - 0.5 if t <= 0.5 else tank(t - 0.5, 1.0, k)


def drained(t: float, k: float) -> list[float]:
    """Torricelli's law: a tank of ¼ that empties into another by k √x."""
    left = max(0.5 - k * t / 2, 0.0) ** 2
    return [left, 0.25 - left]


FILLED = "param u = 1\nparam k = 0.8\ninit x = 0\nx' = u - k*sqrt(x)\n"
CASES = {
    "tank": Case(FILLED, lambda t, u, k: [tank(t, u, k)], "x"),
    "tank beside another state": Case(
        FILLED + "init y = 1\ny' = -k*y\n", lambda t, u, k: [tank(t, u, k), math.exp(-k * t)], "x"
    ),
    "tank into another": Case(
        FILLED + "init y = 0\ny' = k*sqrt(x)\n",
        lambda t, u, k: [tank(t, u, k), u * t - tank(t, u, k)],
        "x",
    ),
    "growth": Case(FILLED.replace("- k", "+ k"), lambda t, u, k: [spring(t, u, k)], "x"),
    "cube root": Case(FILLED.replace("sqrt(x)", "x**(1/3)"), lambda t, u, k: [cube_root(t, u, k)], "x"),
    "root of the time": Case(
        "param k = 1.3\ninit x = 0\nx' = k*sqrt(t)\n", lambda t, k: [2 / 3 * k * t**1.5], "the time"
    ),
    "power of the time": Case(
        "param n = 0.4\ninit x = 0\nx' = t**n\n", lambda t, n: [t ** (n + 1) / (n + 1)], "the time"
    ),
    "lag": Case(
        "param k = 2\ninit x = 0\nx' = -k*(x - sqrt(t))\n",
        lambda t, k: [math.sqrt(t) - dawsn(math.sqrt(k * t)) / math.sqrt(k)],
        "the time",
    ),
    "logarithm of the time": Case(
        "param k = 1\ninit x = 0\nx' = k*t*log(t)\n",
        lambda t, k: [k * t**2 / 2 * (math.log(t) - 0.5) if t else 0.0],
        "the time",
    ),
    "nothing flows": Case("param k = 1\ninit x = 0\nx' = k*sqrt(x)\n", lambda t, k: [0.0], "x"),
    "clipped root": Case(
        "param k = 0.7\ninit x = -0.5\nx' = 1 - k*sqrt(max(x, 0))\n", lambda t, k: [late_tank(t, k)]
    ),
    "drained": Case(
        "param k = 0.9\ninit x = 0.25\ninit y = 0\nx' = -k*sqrt(max(x, 0))\ny' = k*sqrt(max(x, 0))\n",
        drained,
    ),
    "sine": Case("param k = 1\ninit x = 0\nx' = k*sqrt(abs(1 - x**2))\n", lambda t, k: [math.sin(k * t)]),
}
INFINITE = {
    "reciprocal": "param k = 1\ninit x = 0\nx' = k/x\n",
    "reciprocal root of the time": "param k = 0.5\ninit x = 0\nx' = t**(-k)\n",
}
"""Problems whose slope itself is infinite at the start."""
