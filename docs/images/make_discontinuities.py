"""The picture docs/images/discontinuities.png: `python docs/images/make_discontinuities.py`.

Three infusions of docs/discontinuities.md, and the derivative of the amount by their start, on each side of
every switch: from a run at the times drawn, and from the difference of two runs at a few of them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

import odec

PICTURE = Path(__file__).with_name("discontinuities.png")
MODEL = """
param start = 6.25 in (0, 72) : hour
param length = 1.5 in (0, 24) : hour
param rate = 50, CL = 3, V = 30
init A = 0
A' = (if t > start and mod(t - start, 24) < length then rate else 0) - CL/V*A
"""
START, LENGTH, END, APART = 6.25, 1.5, 72.0, 1e-4
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"


def main() -> None:
    """Run the model, and draw."""
    net = odec.load(MODEL, method="tsit5").Model(rtol=1e-10, atol=1e-12)
    smooth, few = torch.linspace(0, END, 1153), torch.linspace(0, END, 25)
    times = torch.cat((smooth, _beside_switches())).double().sort().values

    def amount(start: Tensor, at: Tensor) -> Tensor:
        return net(at, params={"start": start})[:, 0]

    start = torch.tensor(START, dtype=torch.float64)
    level, slope = torch.func.jvp(lambda s: amount(s, times), (start,), (torch.ones_like(start),))
    at = torch.cat((few, START + LENGTH / 2 + 24 * torch.arange(3))).double().sort().values
    with torch.no_grad():
        moved = (amount(start + APART, at) - amount(start - APART, at)) / (2 * APART)
    _draw(times, level.detach(), slope.detach(), at, moved)


def _beside_switches() -> Tensor:
    """Times on both sides of each switch, where the derivative jumps."""
    on = START + torch.arange(0, END, 24, dtype=torch.float64)
    switches = torch.cat((on, on + LENGTH))
    return torch.cat((switches - 1e-6, switches + 1e-6))


def _draw(times: Tensor, level: Tensor, slope: Tensor, at: Tensor, moved: Tensor) -> None:
    figure = Figure(figsize=(7.2, 4.8), dpi=150, layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    for axes in (above, below):
        for k in range(3):
            axes.axvspan(START + 24 * k, START + 24 * k + LENGTH, color="#dddddd", lw=0)
        axes.spines[["top", "right"]].set_visible(False)
    above.plot(times, level, color=BLUE)
    above.set_ylabel("amount A")
    below.axhline(0, color=GREY, lw=0.6)
    below.plot(times, slope, color=ORANGE, label="from one run")
    below.plot(at, moved, "o", color=GREY, ms=3.5, label="difference of two runs")
    below.set_ylabel("dA/dstart per hour")
    below.set_xlabel("t in hours (grey: infusions)")
    below.set_xticks(range(0, 73, 12))
    below.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.47, 0.1))
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
