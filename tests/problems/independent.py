"""The right-hand sides once more, in plain NumPy and in any precision, from the papers.

Each takes (t, y) and returns dy/dt, both in the order of the model's states.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
from write_models import GRAVITY, PLANETS, SUN, rotation

Slope = Callable[[float, np.ndarray], np.ndarray]


def _matrix(matrix: np.ndarray) -> Slope:
    return lambda t, y: matrix.astype(y.dtype) @ y


def _decay(rates: np.ndarray) -> np.ndarray:
    """A chain in which each member decays into the next."""
    return np.diag(rates, -1) - np.diag(np.append(rates, 0))


def _diffusion(size: int) -> np.ndarray:
    return np.eye(size, k=-1) - 2 * np.eye(size) + np.eye(size, k=1)


def a5(t: float, y: np.ndarray) -> np.ndarray:
    return (y - t) / (y + t)


def b1(t: float, y: np.ndarray) -> np.ndarray:
    meeting = y[0] * y[1]
    return np.array([2 * (y[0] - meeting), meeting - y[1]])


def b3(t: float, y: np.ndarray) -> np.ndarray:
    first, second = y[0], y[1] ** 2
    return np.array([-first, first - second, second])


def b4(t: float, y: np.ndarray) -> np.ndarray:
    unit = y[:2] / np.hypot(y[0], y[1])
    return np.array([-y[1] - unit[0] * y[2], y[0] - unit[1] * y[2], unit[0]])


def b5(t: float, y: np.ndarray) -> np.ndarray:
    inertia = np.array([1, -1, -0.51], dtype=y.dtype)
    return inertia * np.array([y[1] * y[2], y[0] * y[2], y[0] * y[1]])


def c5(t: float, y: np.ndarray) -> np.ndarray:
    """Newton's law in heliocentric coordinates; the model's order is x1, x1', y1, y1', …"""
    pairs = y.reshape(5, 3, 2)
    place, velocity = pairs[..., 0], pairs[..., 1]
    masses = np.array(list(PLANETS.values()), dtype=y.dtype)
    sun = place / np.linalg.norm(place, axis=1)[:, None] ** 3
    apart = place[None, :, :] - place[:, None, :]
    distance = np.sqrt((apart**2).sum(-1)) + np.eye(5)
    pull = (masses[None, :, None] * apart / distance[..., None] ** 3).sum(1)
    total = (masses[:, None] * sun).sum(0) - masses[:, None] * sun
    slope = type(y[0])(GRAVITY) * (-(type(y[0])(SUN) + masses)[:, None] * sun + pull - total)
    return np.stack([velocity, slope], axis=-1).reshape(-1)


def d(t: float, y: np.ndarray) -> np.ndarray:
    return np.concatenate([y[2:], -y[:2] / (y[0] ** 2 + y[1] ** 2) ** 1.5])


def e1(t: float, y: np.ndarray) -> np.ndarray:
    x = t + 1
    return np.array([y[1], -y[1] / x - y[0] * (1 - 1 / (2 * x) ** 2)])


def e2(t: float, y: np.ndarray) -> np.ndarray:
    return np.array([y[1], y[1] - y[0] - y[0] ** 2 * y[1]])


def e3(t: float, y: np.ndarray) -> np.ndarray:
    frequency = type(y[0])("2.78535")
    return np.array([y[1], y[0] ** 3 / 6 - y[0] + 2 * np.sin(frequency * t)])


def e4(t: float, y: np.ndarray) -> np.ndarray:
    number = type(y[0])
    return np.array([y[1], number("0.032") - number("0.4") * y[1] ** 2])


def e5(t: float, y: np.ndarray) -> np.ndarray:
    return np.array([y[1], np.sqrt(1 + y[1] ** 2) / (25 - t)])


def hires(t: float, y: np.ndarray) -> np.ndarray:
    """The nine reactions of HIRES as a matrix, the source and the one bilinear term apart."""
    linear = np.zeros((8, 8))
    linear[0, :3] = -1.71, 0.43, 8.32
    linear[1, :2] = 1.71, -8.75
    linear[2, 2:5] = -10.03, 0.43, 0.035
    linear[3, 1:4] = 8.32, 1.71, -1.12
    linear[4, 4:7] = -1.745, 0.43, 0.43
    linear[5, 3:7] = 0.69, 1.71, -0.43, 0.69
    linear[6, 6] = -1.81
    linear[7, 6] = 1.81
    slope = linear @ y
    slope[0] += 0.0007
    return slope + 280 * y[5] * y[7] * np.array([0, 0, 0, 0, 0, -1, 1, -1])


def rober(t: float, y: np.ndarray) -> np.ndarray:
    rates = np.array([0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]])
    return np.array([[-1, 0, 1], [1, -1, -1], [0, 1, 0]]) @ rates


def orego(t: float, y: np.ndarray) -> np.ndarray:
    return np.array(
        [
            77.27 * (y[1] - y[0] * y[1] + y[0] - 8.375e-6 * y[0] ** 2),
            (y[2] - y[1] - y[0] * y[1]) / 77.27,
            0.161 * (y[0] - y[2]),
        ]
    )


def stiff_e5(t: float, y: np.ndarray) -> np.ndarray:
    rates = np.array([7.89e-10 * y[0], 1.1e7 * y[0] * y[2], 1.13e9 * y[1] * y[2], 1.13e3 * y[3]])
    return np.array([[-1, -1, 0, 0], [1, 0, -1, 0], [1, -1, -1, 1], [0, 1, 0, -1]]) @ rates


def vdpol_1e3(t: float, y: np.ndarray) -> np.ndarray:
    return np.array([y[1], 1000 * y[1] - 1000 * y[0] ** 2 * y[1] - y[0]])


def vdpol_1e6(t: float, y: np.ndarray) -> np.ndarray:
    return np.array([y[1], 1e6 * (y[1] - y[0] ** 2 * y[1] - y[0])])


REACTIONS = """
1 0.350 NO2 > NO O3P; 2 26.6 NO O3 > NO2; 3 12300 HO2 NO > NO2 OH; 4 8.6e-4 HCHO > HO2 HO2 CO;
5 8.2e-4 HCHO > CO; 6 15000 HCHO OH > HO2 CO; 7 1.3e-4 ALD > MEO2 HO2 CO; 8 24000 ALD OH > C2O3;
9 16500 C2O3 NO > NO2 MEO2 CO2; 10 9000 C2O3 NO2 > PAN; 11 0.022 PAN > C2O3 NO2;
12 12000 MEO2 NO > CH3O NO2; 13 1.88 CH3O > HCHO HO2; 14 16300 NO2 OH > HNO3; 15 4.8e6 O3P > O3;
16 3.5e-4 O3 > O1D; 17 0.0175 O3 > O3P; 18 1e8 O1D > OH OH; 19 4.44e11 O1D > O3P; 20 1240 SO2 OH > SO4 HO2;
21 2.10 NO3 > NO; 22 5.78 NO3 > NO2 O3P; 23 0.0474 NO2 O3 > NO3; 24 1780 NO3 NO2 > N2O5;
25 3.12 N2O5 > NO3 NO2
"""
"""POLLU as Verwer's table 2 has it: number, rate, what reacts, what is made."""
SPECIES = "NO2 NO O3P O3 HO2 OH HCHO CO ALD MEO2 C2O3 CO2 PAN CH3O HNO3 O1D SO2 SO4 NO3 N2O5".split()


def pollu(t: float, y: np.ndarray) -> np.ndarray:
    slope = np.zeros_like(y)
    for line in REACTIONS.split(";"):
        before, after = line.split(">")
        _, rate, *consumed = before.split()
        consumed_at = [SPECIES.index(name) for name in consumed]
        speed = float(rate) * np.prod(y[consumed_at])
        for i in consumed_at:
            slope[i] -= speed
        for name in after.split():
            slope[SPECIES.index(name)] += speed
    return slope


def brusselator(t: float, y: np.ndarray) -> np.ndarray:
    u, v = y[0::2], y[1::2]
    scale = type(y[0])("0.02") * 33**2
    reaction = u**2 * v
    slope = np.empty_like(y)
    slope[0::2] = 1 + reaction - 4 * u + scale * np.diff(np.pad(u, 1, constant_values=1), 2)
    slope[1::2] = 3 * u - reaction + scale * np.diff(np.pad(v, 1, constant_values=3), 2)
    return slope


def ring_modulator(t: float, y: np.ndarray) -> np.ndarray:
    """C U' = sum of currents of the seven capacitors, L I' = sum of voltages of the eight coils."""
    source1, source2 = 0.5 * np.sin(2e3 * np.pi * t), 2 * np.sin(2e4 * np.pi * t)
    u, i = y[:7], y[7:]
    across = np.array([[1, 0, -1, 0, -1], [0, -1, 0, 1, -1], [0, 1, 1, 0, 1], [-1, 0, 0, -1, 1]]) @ u[2:]
    diode = 40.67286402e-9 * np.expm1(17.7493332 * (across + source2 * np.array([-1, -1, 1, 1])))
    currents = [
        i[0] + (i[3] - i[2]) / 2 + i[6] - u[0] / 25e3,
        i[1] + (i[5] - i[4]) / 2 + i[7] - u[1] / 25e3,
        i[2] - diode[0] + diode[3],
        -i[3] + diode[1] - diode[2],
        i[4] + diode[0] - diode[2],
        -i[5] - diode[1] + diode[3],
        -u[6] / 50 + diode[0] + diode[1] - diode[2] - diode[3],
    ]
    voltages = [
        -u[0],
        -u[1],
        u[0] / 2 - u[2] - 17.3 * i[2],
        -u[0] / 2 + u[3] - 17.3 * i[3],
        u[1] / 2 - u[4] - 17.3 * i[4],
        -u[1] / 2 + u[5] - 17.3 * i[5],
        -u[0] + source1 - 86.3 * i[6],
        -u[1] - 636.3 * i[7],
    ]
    capacitors = np.array([1.6e-8, 1.6e-8, 2e-12, 2e-12, 2e-12, 2e-12, 1e-8])
    coils = np.array([4.45, 4.45, 5e-4, 5e-4, 5e-4, 5e-4, 2e-3, 2e-3])
    return np.concatenate([np.array(currents) / capacitors, np.array(voltages) / coils])


def constant(t: float, y: np.ndarray) -> np.ndarray:
    return 0.2 + (y - 0.2 * t - 3) ** 5


def sine(t: float, y: np.ndarray) -> np.ndarray:
    return 2 * y / t + t**4 * np.sin(2 * t) - t**2 + 4 * t**3


SLOPES: dict[str, Slope] = {
    "a1": lambda t, y: -y,
    "a2": lambda t, y: -(y**3) / 2,
    "a3": lambda t, y: y * np.cos(t),
    "a4": lambda t, y: y / 4 - y**2 / 80,
    "a5": a5,
    "b1": b1,
    "b2": _matrix(np.array([[-1.0, 1, 0], [1, -2, 1], [0, 1, -1]])),
    "b3": b3,
    "b4": b4,
    "b5": b5,
    "c1": _matrix(_decay(np.ones(9))),
    "c2": _matrix(_decay(np.arange(1.0, 10))),
    "c3": _matrix(_diffusion(10)),
    "c4": _matrix(_diffusion(51)),
    "c5": c5,
    **{f"d{i}": d for i in range(1, 6)},
    "e1": e1,
    "e2": e2,
    "e3": e3,
    "e4": e4,
    "e5": e5,
    "hires": hires,
    "rober": rober,
    "orego": orego,
    "stiff_e5": stiff_e5,
    "vdpol_1e3": vdpol_1e3,
    "vdpol_1e6": vdpol_1e6,
    "pollu": pollu,
    "brusselator": brusselator,
    "ring_modulator": ring_modulator,
    "constant": constant,
    "sine": sine,
    "exponential": lambda t, y: -0.1 * np.exp(-0.1 * t) * np.ones_like(y),
    "linear": _matrix(rotation()),
}


def sine_exact(t: np.ndarray) -> np.ndarray:
    waves = -(t**4) * np.cos(2 * t) / 2 + t**3 * np.sin(2 * t) / 2 + t**2 * np.cos(2 * t) / 4
    return (waves - t**3 + 2 * t**4 + (np.pi - 0.25) * t**2)[:, None]


EXACT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "constant": lambda t: (0.2 * t + 3)[:, None],
    "sine": sine_exact,
    "exponential": lambda t: np.exp(-0.1 * t)[:, None],
    "linear": lambda t: np.stack([scipy.linalg.expm(rotation() * x) @ np.ones(10) for x in t]),
}
"""Solutions of torchdiffeq's test problems: times (T,) to states (T, n)."""
