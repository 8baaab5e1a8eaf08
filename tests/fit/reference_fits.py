"""Computes the reference fits of `fit_models.py` with SciPy: python tests/fit/reference_fits.py"""

from __future__ import annotations

import numpy as np
from fit_models import COMPETITION_DATA, INFLUENZA_DATA, LYNX_HARE_DATA
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

TIGHT = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12}


def lynx_hare(p: np.ndarray) -> np.ndarray:
    """Residuals of hares, then lynxes."""
    alpha, beta, gamma, delta, hare0, lynx0 = p

    def rhs(t: float, x: np.ndarray) -> list[float]:
        return [alpha * x[0] - beta * x[0] * x[1], delta * x[0] * x[1] - gamma * x[1]]

    solved = solve_ivp(rhs, (0, 20), [hare0, lynx0], t_eval=LYNX_HARE_DATA["t"], **TIGHT)
    return np.concatenate([solved.y[0] - LYNX_HARE_DATA["hare"], solved.y[1] - LYNX_HARE_DATA["lynx"]])


def influenza(p: np.ndarray) -> np.ndarray:
    """Residuals of the boys in bed."""
    beta, gamma = p

    def rhs(t: float, x: np.ndarray) -> list[float]:
        return [-beta * x[0] * x[1] / 763, beta * x[0] * x[1] / 763 - gamma * x[1]]

    solved = solve_ivp(rhs, (0, 14), [762, 1], t_eval=INFLUENZA_DATA["t"], **TIGHT)
    return solved.y[1] - INFLUENZA_DATA["in_bed"]


def competition(p: np.ndarray) -> np.ndarray:
    """Residuals of explicit Euler with h = 1."""
    r1, r2, a1, a2, i1, i2 = p
    x, path = np.array([100.0, 150.0]), []
    for k in range(42):
        loss = np.array([a1, a2]) * x[0] * x[1]
        x = x + np.array([r1 * x[0] * (1 - i1 * x[0]), r2 * x[1] * (1 - i2 * x[1])]) - loss
        if k + 1 in COMPETITION_DATA["t"]:
            path.append(x)
    measured = np.column_stack([COMPETITION_DATA["x1"], COMPETITION_DATA["x2"]])
    return (np.array(path) - measured).ravel()


def main() -> None:
    starts = {
        lynx_hare: [0.55, 0.028, 0.84, 0.026, 30, 4],
        influenza: [1.5, 0.5],
        competition: [0.1, 0.3, 1e-4, 2e-4, 2e-3, 3e-3],
    }
    for residuals, start in starts.items():
        tolerances = dict.fromkeys(("xtol", "ftol", "gtol"), 1e-14)
        found = least_squares(lambda q, f=residuals: f(np.exp(q)), np.log(start), **tolerances)
        print(residuals.__name__, 2 * found.cost, np.exp(found.x))


if __name__ == "__main__":
    main()
