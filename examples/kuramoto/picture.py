"""The order of kuramoto.ode against its coupling, all couplings as one batch: python picture.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

import odec

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent


def main() -> None:
    couplings = np.linspace(0, 4, 21)
    run = odec.simulate(HERE / "kuramoto.ode", params={"K": couplings}, check=False)
    order = run["order"][50:].mean(0)
    infinite = np.sqrt(np.clip(1 - 1 / np.maximum(couplings, 1), 0, None))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(couplings, infinite, color="grey", label="infinitely many: sqrt(1 - 1/K)")
    left.plot(couplings, order, "o", label="64 oscillators")
    left.set(xlabel="K", ylabel="order", title="mean order from t = 50 to 100")
    left.legend()
    for coupling in (0.6, 1.4, 3.0):
        right.plot(run.times, run["order"][:, np.argmin(abs(couplings - coupling))], label=f"K = {coupling}")
    right.set(xlabel="t", title="order")
    right.legend()
    figure.savefig(HERE / "kuramoto.png", dpi=80)
    for coupling, found, wanted in zip(couplings[::5], order[::5], infinite[::5], strict=True):
        print(f"K = {coupling:.1f}: order {found:.3f}, of infinitely many {wanted:.3f}")
    print("wrote kuramoto.png")


if __name__ == "__main__":
    main()
