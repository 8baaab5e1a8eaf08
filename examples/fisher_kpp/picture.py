"""The front of fisher_kpp.ode, and its speed beside the theory: python picture.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

import odec

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
DX = 170 / 255


def speeds(front: np.ndarray) -> np.ndarray:
    """Its speed at all times but the first and the last, from where it is at those around."""
    return (front[2:] - front[:-2]) / 2


def main() -> None:
    run = odec.simulate(HERE / "fisher_kpp.ode")
    times, speed = run.times[1:-1], speeds(run["front"])
    theory = 2 - 3 / (2 * times) + DX**2 / 12
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for k in range(0, 81, 16):
        left.plot(DX * np.arange(256), run["u"][k], label=f"t = {run.times[k]:g}")
    left.set(xlabel="x", title="u")
    left.legend()
    right.plot(times[4:], speed[4:], ".", label="of the run")
    right.plot(times[4:], theory[4:], color="grey", label="2 - 3/(2t) + dx²/12")
    right.set(xlabel="t", title="speed of the front")
    right.legend()
    figure.savefig(HERE / "fisher_kpp.png", dpi=80)
    for k in (29, 49, 69):
        print(
            f"t = {times[k]:g}: speed {speed[k]:.4f}, theory {theory[k]:.4f}"
            f" ({100 * (speed[k] / theory[k] - 1):+.2f} %)"
        )
    print("wrote fisher_kpp.png")


if __name__ == "__main__":
    main()
