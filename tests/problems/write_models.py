"""The models that follow a rule, written to models/: `python tests/problems/write_models.py`.

The chains C1 to C4, the planets C5, the orbits D1 to D5, the Brusselator and torchdiffeq's linear system.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.linalg

FOLDER = Path(__file__).parent / "models"
DETEST = "Non-stiff DETEST, Hull, Enright, Fellen & Sedgwick 1972."
GRAVITY = 2.95912208286
SUN = 1.00000597682
PLANETS = {
    "Jupiter": 0.000954786104043,
    "Saturn": 0.000285583733151,
    "Uranus": 0.0000437273164546,
    "Neptune": 0.0000517759138449,
    "Pluto": 0.00000277777777778,
}
PLACES = (
    (3.42947415189, 3.35386959711, 1.35494901715),
    (6.64145542550, 5.97156957878, 2.18231499728),
    (11.2630437207, 14.6952576794, 6.27960525067),
    (-30.1552268759, 1.65699966404, 1.43785752721),
    (-21.1238353380, 28.4465098142, 15.3882659679),
)
VELOCITIES = (
    (-0.557160570446, 0.505696783289, 0.230578543901),
    (-0.415570776342, 0.365682722812, 0.169143213293),
    (-0.325325669158, 0.189706021964, 0.0877265322780),
    (-0.0240476254170, -0.287659532608, -0.117219543175),
    (-0.176860753121, -0.216393453025, -0.0148647893090),
)
CELLS = 32
"""Inner points of the Brusselator's grid: two states each."""


def chain(title: str, rows: list[str]) -> str:
    """y1 = 1, all others 0; one equation a row."""
    starts = [f"init y{i} = {int(i == 1)}" for i in range(1, len(rows) + 1)]
    equations = [f"y{i}' = {row}" for i, row in enumerate(rows, 1)]
    return "\n".join([f"# {title}. {DETEST}", *starts, *equations, "run t = 0 .. 20"])


def c1() -> str:
    return chain("C1: a radioactive decay chain", ["-y1", *(f"y{i - 1} - y{i}" for i in range(2, 10)), "y9"])


def c2() -> str:
    middle = [f"{i - 1}*y{i - 1} - {i}*y{i}" for i in range(2, 10)]
    return chain("C2: a radioactive decay chain with rising rates", ["-y1", *middle, "9*y9"])


def diffusion(title: str, size: int) -> str:
    middle = [f"y{i - 1} - 2*y{i} + y{i + 1}" for i in range(2, size)]
    return chain(title, ["-2*y1 + y2", *middle, f"y{size - 1} - 2*y{size}"])


def c5() -> str:
    """x_j'' = k2 (-(m0 + m_j) x_j/r_j³ + Σ_{i≠j} m_i ((x_i - x_j)/d_ij³ - x_i/r_i³)) of five planets j."""
    numbers = range(1, 6)
    lines = [f"# C5: the five outer planets about the sun. {DETEST}", f"const k2 = {GRAVITY!r}, m0 = {SUN!r}"]
    for j, (name, mass) in enumerate(PLANETS.items(), 1):
        lines.append(f"const m{j} = {mass:.15g}  # {name}")
    for j in numbers:
        lines.append(f"r{j} = (x{j}**2 + y{j}**2 + z{j}**2)**1.5")
    for j in numbers:
        for i in range(j + 1, 6):
            squares = " + ".join(f"({axis}{i} - {axis}{j})**2" for axis in "xyz")
            lines.append(f"d{j}{i} = ({squares})**1.5")
    for j in numbers:
        for axis, place, velocity in zip("xyz", PLACES[j - 1], VELOCITIES[j - 1]):
            lines.append(f"init {axis}{j} = {place!r}, {axis}{j}' = {velocity!r}")
    for j in numbers:
        for axis in "xyz":
            pulls = [
                f"m{i}*(({axis}{i} - {axis}{j})/d{min(i, j)}{max(i, j)} - {axis}{i}/r{i})"
                for i in numbers
                if i != j
            ]
            terms = " + ".join([f"-(m0 + m{j})*{axis}{j}/r{j}", *pulls])
            lines.append(f"{axis}{j}'' = k2*({terms})")
    return "\n".join([*lines, "run t = 0 .. 20"])


def orbit(name: str, eccentricity: str) -> str:
    """Kepler's problem from the perihelion."""
    return f"""# {name}: an orbit of eccentricity {eccentricity}. {DETEST}
const e = {eccentricity}
init y1 = 1 - e
init y2 = 0
init y3 = 0
init y4 = sqrt((1 + e)/(1 - e))
cube = (y1**2 + y2**2)**1.5
y1' = y3
y2' = y4
y3' = -y1/cube
y4' = -y2/cube
run t = 0 .. 20"""


def brusselator() -> str:
    """u_t = 1 + u²v - 4u + u_xx/50, v_t = 3u - u²v + v_xx/50 on (0, 1), u = 1 and v = 3 at the ends."""
    lines = [
        "# Brusselator with diffusion on a line of 32 inner points. Hairer & Wanner II, IV.10, with 500.",
        f"const points = {CELLS}",
        "param alpha = 0.02 in [0, inf)",
        "const h = 1/(points + 1)",
        "diffusion = alpha/h**2",
    ]
    for i in range(1, CELLS + 1):
        lines.append(f"init u{i} = 1 + sin(2*pi*{i}*h), v{i} = 3")
    for i in range(1, CELLS + 1):
        u0, v0 = (f"u{i - 1}", f"v{i - 1}") if i > 1 else ("1", "3")
        u2, v2 = (f"u{i + 1}", f"v{i + 1}") if i < CELLS else ("1", "3")
        lines.append(f"u{i}' = 1 + u{i}**2*v{i} - 4*u{i} + diffusion*({u0} - 2*u{i} + {u2})")
        lines.append(f"v{i}' = 3*u{i} - u{i}**2*v{i} + diffusion*({v0} - 2*v{i} + {v2})")
    return "\n".join([*lines, "run t = 0 .. 10"])


def rotation() -> np.ndarray:
    """The matrix U - Uᵀ of torchdiffeq's `linear`: U 0.1 times normal numbers, 4 decimals kept."""
    u = np.round(0.1 * np.random.default_rng(0).standard_normal((10, 10)), 4)
    return u - u.T


def linear() -> str:
    matrix = rotation()
    starts = scipy.linalg.expm(matrix) @ np.ones(10)
    lines = ["# A linear system that turns about: y(0) = (1, …, 1). torchdiffeq's test problem `linear`."]
    lines += [f"init y{i} = {value:.17g}" for i, value in enumerate(starts, 1)]
    for i, row in enumerate(matrix, 1):
        terms = [f"{'-' if a < 0 else '+'} {abs(a):.4f}*y{j}" for j, a in enumerate(row, 1) if a]
        text = " ".join(terms).removeprefix("+ ").replace("- ", "-", 1 if terms[0].startswith("-") else 0)
        lines.append(f"y{i}' = {text}")
    return "\n".join([*lines, "run t = 1 .. 8"])


def models() -> dict[str, str]:
    """The text of every model that follows a rule, by name."""
    found = {"c1": c1(), "c2": c2(), "c5": c5(), "brusselator": brusselator(), "linear": linear()}
    found["c3"] = diffusion("C3: diffusion along 10 points", 10)
    found["c4"] = diffusion("C4: diffusion along 51 points", 51)
    for i, eccentricity in enumerate(("0.1", "0.3", "0.5", "0.7", "0.9"), 1):
        found[f"d{i}"] = orbit(f"D{i}", eccentricity)
    return {name: text + "\n" for name, text in found.items()}


if __name__ == "__main__":
    for name, text in models().items():
        (FOLDER / f"{name}.ode").write_text(text)
