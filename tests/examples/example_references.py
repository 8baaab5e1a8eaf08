"""What the examples must give, computed without odec: plain Python, SciPy and printed figures."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import ellipj, ellipk

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

Rhs = Callable[[float, np.ndarray], Sequence[float]]


def table(path: Path) -> dict[str, np.ndarray]:
    """A CSV file's columns."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {name: np.array([float(row[i]) for row in rows[1:]]) for i, name in enumerate(rows[0])}


def solution(rhs: Rhs, start: Sequence[float], times: np.ndarray) -> np.ndarray:
    """The exact solution at the times, (T, n), to about twelve digits."""
    span = (times[0], times[-1])
    solved = solve_ivp(rhs, span, start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-12)
    return solved.y.T


def competition_euler(params: Sequence[float], step: float, times: Sequence[float]) -> np.ndarray:
    """Explicit Euler from (100, 150) in plain Python, (T, 2)."""
    r1, r2, a1, a2, i1, i2 = params
    x, y = 100.0, 150.0
    path = [(x, y)]
    for _ in range(round(max(times) / step)):
        dx = r1 * x * (1 - i1 * x) - a1 * x * y
        dy = r2 * y * (1 - i2 * y) - a2 * x * y
        x, y = x + step * dx, y + step * dy
        path.append((x, y))
    return np.array([path[round(t / step)] for t in times])


def predator_prey(params: Sequence[float], times: np.ndarray) -> np.ndarray:
    """Hares and lynxes, (T, 2), of (alpha, beta, gamma, delta, hare0, lynx0)."""
    alpha, beta, gamma, delta, hare0, lynx0 = params

    def rhs(t: float, x: np.ndarray) -> list[float]:
        return [alpha * x[0] - beta * x[0] * x[1], delta * x[0] * x[1] - gamma * x[1]]

    return solution(rhs, [hare0, lynx0], times)


def infected(beta: float, gamma: float, times: np.ndarray) -> np.ndarray:
    """Boys in bed, (T,)."""

    def rhs(t: float, x: np.ndarray) -> list[float]:
        return [-beta * x[0] * x[1] / 763, beta * x[0] * x[1] / 763 - gamma * x[1]]

    return solution(rhs, [762, 1], times)[:, 1]


def pendulum_angle(times: np.ndarray, length: float, release: float) -> np.ndarray:
    """sin(θ/2) = k sn(K(k) - ωt, k) with k = sin(θ0/2) and ω² = g/l. Landau & Lifshitz I, §11."""
    k, omega = math.sin(release / 2), math.sqrt(9.80665 / length)
    sn = ellipj(ellipk(k * k) - omega * times, k * k)[0]
    return 2 * np.arcsin(k * sn)


def pendulum_period(length: float, release: float) -> float:
    """T = 4 K(sin(θ0/2)) / ω."""
    return 4 * ellipk(math.sin(release / 2) ** 2) * math.sqrt(length / 9.80665)


def ricker(r: float, capacity: float, start: float, generations: int) -> np.ndarray:
    """Iterates of N exp(r (1 - N/K)), (generations + 1,)."""
    path = [start]
    for _ in range(generations):
        path.append(path[-1] * math.exp(r * (1 - path[-1] / capacity)))
    return np.array(path)


def _rates(v: float) -> tuple[float, float, float, float, float, float]:
    def trap(x: float, y: float) -> float:
        return y - x / 2 if x == 0 else x / math.expm1(x / y)

    return (
        0.1 * trap(-(v + 40), 10),
        4 * math.exp(-(v + 65) / 18),
        0.07 * math.exp(-(v + 65) / 20),
        1 / (math.exp(-(v + 35) / 10) + 1),
        0.01 * trap(-(v + 55), 10),
        0.125 * math.exp(-(v + 65) / 80),
    )


def axon(times: np.ndarray, current: dict[str, np.ndarray]) -> np.ndarray:
    """V, m, h, n of the squid axon, (T, 4): the solver is started anew where the held current jumps."""
    am, bm, ah, bh, an, bn = _rates(-65.0)
    state = np.array([-65.0, am / (am + bm), ah / (ah + bh), an / (an + bn)])
    edges = [*current["t"], times[-1]]
    pieces = []
    for start, stop, injected in zip(edges[:-1], edges[1:], current["I"], strict=True):

        def rhs(t: float, x: np.ndarray, injected: float = injected) -> list[float]:
            v, m, h, n = x
            am, bm, ah, bh, an, bn = _rates(v)
            ionic = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
            return [injected - ionic, am * (1 - m) - bm * m, ah * (1 - h) - bh * h, an * (1 - n) - bn * n]

        inside = times[(times >= start) & (times < stop)]
        path = solution(rhs, state, np.append(inside, stop))
        pieces.append(path[:-1])
        state = path[-1]
    return np.concatenate([*pieces, state[None]])


def spikes(times: np.ndarray, voltage: np.ndarray) -> np.ndarray:
    """Where the voltage crosses 0 mV upwards, by linear interpolation."""
    before = np.flatnonzero((voltage[:-1] < 0) & (voltage[1:] >= 0))
    share = -voltage[before] / (voltage[before + 1] - voltage[before])
    return times[before] + share * (times[before + 1] - times[before])


def lorenz(start: Sequence[float], times: np.ndarray) -> np.ndarray:
    """x, y, z, (T, 3), with σ = 10, ρ = 28, β = 8/3."""

    def rhs(t: float, x: np.ndarray) -> list[float]:
        return [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]

    return solution(rhs, start, times)
