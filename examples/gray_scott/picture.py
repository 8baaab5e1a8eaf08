"""The plate of gray_scott.ode at four times: python picture.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib

import odec

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent


def main() -> None:
    run = odec.simulate(HERE / "gray_scott.ode", check=False)
    figure, panels = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
    for panel, k in zip(panels, (0, 2, 5, 10), strict=True):
        panel.imshow(run["v"][k], vmin=0, vmax=0.35, cmap="magma")
        panel.set(title=f"t = {run.times[k]:g}", xticks=[], yticks=[])
        print(f"t = {run.times[k]:g}: mean of v {run['covered'][k]:.4f}")
    figure.savefig(HERE / "gray_scott.png", dpi=80)
    print("wrote gray_scott.png")


if __name__ == "__main__":
    main()
