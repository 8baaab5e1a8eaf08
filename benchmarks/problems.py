"""The ensembles: right-hand sides written once for numpy, torch and JAX, and their data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Problem:
    """An ensemble with one parameter per trajectory, integrated to t1 by fixed steps; the final state counts.

    rhs(x, p, m): x (n, …) or its n rows, p (…,), m the array library. It returns n rows, or one array where
    `whole` is set; `in_rows` is then the same in rows.
    """

    name: str
    rhs: Callable
    start: tuple[float, ...]
    parameter: str
    interval: tuple[float, float]
    t1: float
    steps: int
    whole: bool = False
    in_rows: Callable | None = None
    compiled_steps: int = 10

    @property
    def model(self) -> Path:
        return MODELS / f"{self.name}.ode"

    @property
    def h(self) -> float:
        return self.t1 / self.steps

    def arrays(self, size: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Initial states (n, N) and parameters (N,)."""
        draw = np.random.default_rng(20250101)
        p = draw.uniform(*self.interval, size).astype(dtype)
        return np.repeat(np.array(self.start, dtype)[:, None], size, axis=1), p


def lorenz(x: Any, rho: Any, m: Any) -> tuple:
    x, y, z = x
    return 10.0 * (y - x), x * (rho - z) - y, x * y - (8 / 3) * z


def hodgkin_huxley(x: Any, current: Any, m: Any) -> tuple:
    v, gm, gh, gn = x
    am = 0.1 * (v + 40) / (1 - m.exp(-(v + 40) / 10))
    bm = 4 * m.exp(-(v + 65) / 18)
    ah = 0.07 * m.exp(-(v + 65) / 20)
    bh = 1 / (1 + m.exp(-(v + 35) / 10))
    an = 0.01 * (v + 55) / (1 - m.exp(-(v + 55) / 10))
    bn = 0.125 * m.exp(-(v + 65) / 80)
    sodium = 120 * (gm * gm * gm) * gh * (v - 50)
    n2 = gn * gn
    dv = current - sodium - 36 * (n2 * n2) * (v + 77) - 0.3 * (v + 54.387)
    return dv, am * (1 - gm) - bm * gm, ah * (1 - gh) - bh * gh, an * (1 - gn) - bn * gn


def ring_oscillator(x: Any, k: Any, m: Any) -> Any:
    before = m.roll(x, 1, 0)
    square = before * before
    fourth = square * square
    gain = k / (1 + fourth)
    first = (gain * fourth)[:1]
    return m.concatenate((first, gain[1:])) - x


def ring_in_rows(x: Any, k: Any, m: Any) -> tuple:
    """The ring with each state by name, which compilers fuse better than shifted arrays."""
    fourth = [(row * row) * (row * row) for row in x]
    first = k * fourth[-1] / (1 + fourth[-1]) - x[0]
    return (first, *(k / (1 + fourth[i - 1]) - x[i] for i in range(1, len(x))))


LORENZ = Problem("lorenz", lorenz, (1.0, 0.0, 0.0), "rho", (0.0, 21.0), 1.0, 1000)
HODGKIN_HUXLEY = Problem(
    "hodgkin_huxley",
    hodgkin_huxley,
    (-65.0, 0.05293248525724958, 0.5961207535084603, 0.3176769140606974),
    "I",
    (0.0, 20.0),
    10.0,
    1000,
    compiled_steps=2,
)
RING = Problem(
    "ring_oscillator",
    ring_oscillator,
    tuple(round(0.2 + 0.05 * (i % 7), 2) for i in range(32)),
    "k",
    (3.0, 5.0),
    20.0,
    1000,
    whole=True,
    in_rows=ring_in_rows,
    compiled_steps=1,
)
