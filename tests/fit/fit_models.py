"""Models and data of the fit tests, and reference fits that odec has no part in.

The references are least squares by scipy.optimize.least_squares (on logarithms of the parameters, all
tolerances 1e-14) over scipy.integrate.solve_ivp (DOP853, rtol = atol = 1e-12), or a plain Euler loop.
`reference_fits.py` computes them again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

COMPETITION = """\
# Two species that compete for one resource.
time t : day

param r1  = 0.1   in (0, inf) : 1/day    # growth rate of species 1
param r2  = 0.1   in (0, inf) : 1/day
param a1  = 1e-3  in [0, inf) : 1/day
param a2  = 1e-3  in [0, inf) : 1/day
param iN1 = 1e-3, iN2 = 1e-3  in (0, inf)

init x1 = 100
init x2 = 150

dx1/dt = r1*x1*(1 - iN1*x1) - a1*x1*x2
dx2/dt = r2*x2*(1 - iN2*x2) - a2*x1*x2

obs total = x1 + x2

run t = 0 .. 42 step 1 method euler dt 1
"""
COMPETITION_DATA = {
    "t": [10, 15, 30, 36, 40, 42],
    "x1": [165, 197, 280, 305, 318, 324],
    "x2": [283, 290, 276, 269, 266, 264],
}
COMPETITION_LOSS = 0.6966435372335058
"""Euler, h = 1."""
COMPETITION_VALUES = {
    "r1": 9.957840305534e-02,
    "r2": 2.796471713809e-01,
    "a1": 9.693942007492e-05,
    "a2": 1.872847215263e-04,
    "iN1": 2.035365956679e-03,
    "iN2": 3.000827771202e-03,
}

LYNX_HARE = """\
time t : year
param alpha = 0.55   in (0, inf)
param beta  = 0.028  in (0, inf)
param gamma = 0.8    in (0, inf)
param delta = 0.024  in (0, inf)
param hare0 = 30     in (0, inf)
param lynx0 = 4      in (0, inf)
init hare = hare0
init lynx = lynx0
dhare/dt = alpha*hare - beta*hare*lynx
dlynx/dt = delta*hare*lynx - gamma*lynx
run t = 0 .. 20 method rk4_38 dt 0.25
"""
HARE = (
    "30.0 47.2 70.2 77.4 36.3 20.6 18.1 21.4 22.0 25.4 27.1 40.3 57.0 76.6 52.3 19.5 11.2 7.6 14.6 16.2 24.7"
)
LYNX = "4.0 6.1 9.8 35.2 59.4 41.7 19.0 13.0 8.3 9.1 7.4 8.0 12.3 19.5 45.7 51.1 29.7 15.8 9.7 10.1 8.6"
LYNX_HARE_DATA = {
    "t": np.arange(21.0),
    "hare": np.array(HARE.split(), dtype=float),
    "lynx": np.array(LYNX.split(), dtype=float),
}
LYNX_HARE_LOSS = 594.7445607518686
LYNX_HARE_VALUES = {
    "alpha": 0.4811990,
    "beta": 0.02483176,
    "gamma": 0.9260183,
    "delta": 0.02753295,
    "hare0": 34.91429,
    "lynx0": 3.861866,
}

INFLUENZA = """\
param beta  = 1.5 in (0, inf)
param gamma = 0.5 in (0, inf)
const N = 763
init S = N - 1
init I = 1
dS/dt = -beta*S*I/N
dI/dt = beta*S*I/N - gamma*I
obs in_bed = I
run t = 0 .. 14 method rk4 dt 0.1
"""
INFLUENZA_DATA = {
    "t": np.arange(1.0, 15.0),
    "in_bed": np.array([3, 8, 26, 76, 225, 298, 258, 233, 189, 128, 68, 29, 14, 4.0]),
}
INFLUENZA_LOSS = 4121.941482780279
INFLUENZA_VALUES = {"beta": 1.669226135891, "gamma": 0.443450194779}

DECAY = """\
param k = 0.5 in (0, inf)  # rate
init x = 2
dx/dt = -k*x
obs y = 3*x
run t = 0 .. 4 step 0.5 method rk4 dt 0.5
"""
"""Small and quick: x = 2 exp(-k t)."""


def decay_data(k: float = 1.0) -> dict[str, np.ndarray]:
    """What RK4 with h = 0.5 gives for x at 0, 0.5, …, 4."""
    z = 0.5 * k
    factor = 1 - z + z**2 / 2 - z**3 / 6 + z**4 / 24
    return {"t": np.arange(9) * 0.5, "x": 2 * factor ** np.arange(9)}


def saved(tmp_path: Path, text: str, name: str = "model.ode") -> Path:
    """A model's text as a file."""
    path = tmp_path / name
    path.write_text(text)
    return path
