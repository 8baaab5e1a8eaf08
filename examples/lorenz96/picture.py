"""Draw the waves of lorenz96.ode, and how two of its runs part: python picture.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

import odec

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent


def main() -> None:
    run = odec.simulate(HERE / "lorenz96.ode", init={"x[19]": [8.01, 8.01 + 1e-6]})
    x = run["x"]
    apart = np.sqrt(np.mean((x[:, 1] - x[:, 0]) ** 2, axis=-1))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    shown = left.imshow(x[:, 0].T, aspect="auto", origin="lower", extent=(0, 20, 0, 40), cmap="RdBu_r")
    left.set(xlabel="t", ylabel="i", title="x[i]")
    figure.colorbar(shown, ax=left)
    right.semilogy(run.times, apart)
    right.set(xlabel="t", title="between two runs, 1e-6 apart at x[19]")
    figure.savefig(HERE / "lorenz96.png", dpi=80)
    print(f"the runs are 1 apart at t = {run.times[np.argmax(apart > 1)]:.1f}")
    print("wrote lorenz96.png")


if __name__ == "__main__":
    main()
