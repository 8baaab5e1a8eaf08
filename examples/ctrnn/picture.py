"""Fit ctrnn.ode to data.csv, and run it on to the times of held_out.csv: python picture.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

import odec

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent


def main() -> None:
    result = odec.fit(HERE / "ctrnn.ode", HERE / "data.csv", fix="tau", seed=1, epochs=150)
    seen, y = result.data.column("y")
    held = np.genfromtxt(HERE / "held_out.csv", delimiter=",", skip_header=1)
    run = odec.simulate(result, np.arange(0, 30.05, 0.1), check=False)
    ahead = odec.simulate(result, held[:, 0], check=False)["y"]
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
    above.plot(seen, y, ".", label="fitted")
    above.plot(*held.T, ".", label="held out")
    above.plot(run.times, run["y"], color="black", lw=1, label="network")
    above.set(ylabel="y")
    above.legend()
    for name, (times, values) in run.inputs.items():
        below.plot(times, values, label=name)
    below.set(xlabel="t", ylabel="inputs")
    below.legend()
    figure.savefig(HERE / "ctrnn.png", dpi=80)
    print(f"rms of the residuals {np.sqrt(result.loss / len(y)):.3f}, of the noise 0.010")
    print(f"rms of the error ahead {np.sqrt(np.mean((ahead - held[:, 1]) ** 2)):.2f}")
    print("wrote ctrnn.png")


if __name__ == "__main__":
    main()
