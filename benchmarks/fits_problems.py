"""Published fits with certified values: the nonlinear regressions of NIST's Statistical Reference Datasets.

Data, starts, certified sums of squares and standard errors (`nist/errors.csv`):
https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml (a work of
the United States government, in the public domain), kept in `nist/NAME.csv`. Each is a model without
dynamics, the predictor being the time of a state that rests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "nist"


@dataclass(frozen=True)
class Problem:
    """y = formula(x; b1, b2, …). starts: far, then near; certified: the least sum of squares."""

    name: str
    formula: str
    starts: tuple[tuple[float, ...], tuple[float, ...]]
    certified: float

    @property
    def params(self) -> tuple[str, ...]:
        return tuple(f"b{k + 1}" for k in range(len(self.starts[0])))

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x (M,) and y (M,)."""
        rows = np.loadtxt(FOLDER / f"{self.name}.csv", delimiter=",", skiprows=1)
        return rows[:, 0], rows[:, 1]

    def errors(self) -> list[float]:
        """The certified standard deviation of each parameter."""
        rows = (line.split(",") for line in (FOLDER / "errors.csv").read_text().splitlines())
        return [float(row[2]) for row in rows if row[0] == self.name]

    def model(self, start: int) -> str:
        """The .ode text with a start as its defaults."""
        params = "".join(
            f"param {name} = {value!r}\n" for name, value in zip(self.params, self.starts[start], strict=True)
        )
        return f"time x\n{params}init rest = 0\nrest' = 0\nobs y = {self.formula}\n"


FORMULAS = {
    "Bennett5": "b1*(b2 + x)**(-1/b3)",
    "BoxBOD": "b1*(1 - exp(-b2*x))",
    "Chwirut1": "exp(-b1*x)/(b2 + b3*x)",
    "Chwirut2": "exp(-b1*x)/(b2 + b3*x)",
    "DanWood": "b1*x**b2",
    "ENSO": "b1 + b2*cos(2*pi*x/12) + b3*sin(2*pi*x/12) + b5*cos(2*pi*x/b4) + b6*sin(2*pi*x/b4)"
    " + b8*cos(2*pi*x/b7) + b9*sin(2*pi*x/b7)",
    "Eckerle4": "b1/b2*exp(-((x - b3)/b2)**2/2)",
    "Gauss1": "b1*exp(-b2*x) + b3*exp(-(x - b4)**2/b5**2) + b6*exp(-(x - b7)**2/b8**2)",
    "Gauss2": "b1*exp(-b2*x) + b3*exp(-(x - b4)**2/b5**2) + b6*exp(-(x - b7)**2/b8**2)",
    "Gauss3": "b1*exp(-b2*x) + b3*exp(-(x - b4)**2/b5**2) + b6*exp(-(x - b7)**2/b8**2)",
    "Hahn1": "(b1 + b2*x + b3*x**2 + b4*x**3)/(1 + b5*x + b6*x**2 + b7*x**3)",
    "Kirby2": "(b1 + b2*x + b3*x**2)/(1 + b4*x + b5*x**2)",
    "Lanczos2": "b1*exp(-b2*x) + b3*exp(-b4*x) + b5*exp(-b6*x)",
    "Lanczos3": "b1*exp(-b2*x) + b3*exp(-b4*x) + b5*exp(-b6*x)",
    "MGH09": "b1*(x**2 + x*b2)/(x**2 + x*b3 + b4)",
    "MGH10": "b1*exp(b2/(x + b3))",
    "MGH17": "b1 + b2*exp(-x*b4) + b3*exp(-x*b5)",
    "Misra1a": "b1*(1 - exp(-b2*x))",
    "Misra1b": "b1*(1 - (1 + b2*x/2)**(-2))",
    "Misra1c": "b1*(1 - (1 + 2*b2*x)**(-0.5))",
    "Misra1d": "b1*b2*x/(1 + b2*x)",
    "Rat42": "b1/(1 + exp(b2 - b3*x))",
    "Rat43": "b1/(1 + exp(b2 - b3*x))**(1/b4)",
    "Roszman1": "b1 - b2*x - atan(b3/(x - b4))/pi",
    "Thurber": "(b1 + b2*x + b3*x**2 + b4*x**3)/(1 + b5*x + b6*x**2 + b7*x**3)",
}

PROBLEMS = tuple(
    Problem(name, FORMULAS[name], starts, certified)
    for name, starts, certified in (
        ("Bennett5", ((-2000.0, 50.0, 0.8), (-1500.0, 45.0, 0.85)), 0.00052404744073),
        ("BoxBOD", ((1.0, 1.0), (100.0, 0.75)), 1168.0088766),
        ("Chwirut1", ((0.1, 0.01, 0.02), (0.15, 0.008, 0.01)), 2384.4771393),
        ("Chwirut2", ((0.1, 0.01, 0.02), (0.15, 0.008, 0.01)), 513.04802941),
        ("DanWood", ((1.0, 5.0), (0.7, 4.0)), 0.0043173084083),
        (
            "ENSO",
            (
                (11.0, 3.0, 0.5, 40.0, -0.7, -1.3, 25.0, -0.3, 1.4),
                (10.0, 3.0, 0.5, 44.0, -1.5, 0.5, 26.0, -0.1, 1.5),
            ),
            788.53978668,
        ),
        ("Eckerle4", ((1.0, 10.0, 500.0), (1.5, 5.0, 450.0)), 0.0014635887487),
        (
            "Gauss1",
            (
                (97.0, 0.009, 100.0, 65.0, 20.0, 70.0, 178.0, 16.5),
                (94.0, 0.0105, 99.0, 63.0, 25.0, 71.0, 180.0, 20.0),
            ),
            1315.8222432,
        ),
        (
            "Gauss2",
            (
                (96.0, 0.009, 103.0, 106.0, 18.0, 72.0, 151.0, 18.0),
                (98.0, 0.0105, 103.0, 105.0, 20.0, 73.0, 150.0, 20.0),
            ),
            1247.5282092,
        ),
        (
            "Gauss3",
            (
                (94.9, 0.009, 90.1, 113.0, 20.0, 73.8, 140.0, 20.0),
                (96.0, 0.0096, 80.0, 110.0, 25.0, 74.0, 139.0, 25.0),
            ),
            1244.484636,
        ),
        (
            "Hahn1",
            (
                (10.0, -1.0, 0.05, -1e-05, -0.05, 0.001, -1e-06),
                (1.0, -0.1, 0.005, -1e-06, -0.005, 0.0001, -1e-07),
            ),
            1.5324382854,
        ),
        ("Kirby2", ((2.0, -0.1, 0.003, -0.001, 1e-05), (1.5, -0.15, 0.0025, -0.0015, 2e-05)), 3.9050739624),
        ("Lanczos2", ((1.2, 0.3, 5.6, 5.5, 6.5, 7.6), (0.5, 0.7, 3.6, 4.2, 4.0, 6.3)), 2.2299428125e-11),
        ("Lanczos3", ((1.2, 0.3, 5.6, 5.5, 6.5, 7.6), (0.5, 0.7, 3.6, 4.2, 4.0, 6.3)), 1.6117193594e-08),
        ("MGH09", ((25.0, 39.0, 41.5, 39.0), (0.25, 0.39, 0.415, 0.39)), 0.00030750560385),
        ("MGH10", ((2.0, 400000.0, 25000.0), (0.02, 4000.0, 250.0)), 87.945855171),
        ("MGH17", ((50.0, 150.0, -100.0, 1.0, 2.0), (0.5, 1.5, -1.0, 0.01, 0.02)), 5.4648946975e-05),
        ("Misra1a", ((500.0, 0.0001), (250.0, 0.0005)), 0.12455138894),
        ("Misra1b", ((500.0, 0.0001), (300.0, 0.0002)), 0.075464681533),
        ("Misra1c", ((500.0, 0.0001), (600.0, 0.0002)), 0.040966836971),
        ("Misra1d", ((500.0, 0.0001), (450.0, 0.0003)), 0.056419295283),
        ("Rat42", ((100.0, 1.0, 0.1), (75.0, 2.5, 0.07)), 8.0565229338),
        ("Rat43", ((100.0, 10.0, 1.0, 1.0), (700.0, 5.0, 0.75, 1.3)), 8786.404908),
        ("Roszman1", ((0.1, -1e-05, 1000.0, -100.0), (0.2, -5e-06, 1200.0, -150.0)), 0.00049484847331),
        (
            "Thurber",
            ((1000.0, 1000.0, 400.0, 40.0, 0.7, 0.3, 0.03), (1300.0, 1500.0, 500.0, 75.0, 1.0, 0.4, 0.05)),
            5642.7082397,
        ),
    )
)
"""In alphabetical order."""
