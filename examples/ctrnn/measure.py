"""Write data.csv and held_out.csv, what a tank with two taps was seen to do: python measure.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

HERE = Path(__file__).parent
STEP, LAST, SEEN, NOISE = 0.25, 30.0, 20.0, 0.01


def main() -> None:
    rng = np.random.default_rng(4)
    times = np.arange(0, LAST + STEP / 2, STEP)
    knots = np.arange(0, LAST + 2, 1.5)
    inputs = [np.interp(times, knots, rng.uniform(0, 1, len(knots))).round(3) for _ in range(2)]

    def rate(t: float, y: np.ndarray) -> list[float]:
        fill, open_ = (np.interp(t, times, values) for values in inputs)
        return [1.2 * fill - (0.3 + open_) * y[0] * abs(y[0]) ** 0.5, 0.8 * (y[0] - y[1])]

    y = solve_ivp(rate, (0, LAST), [0, 0], t_eval=times, rtol=1e-9, atol=1e-9, max_step=0.05).y[1]
    y = (y + NOISE * rng.normal(size=len(y))).round(4)
    with (HERE / "data.csv").open("w") as data, (HERE / "held_out.csv").open("w") as held:
        data.write("t,fill,drain,y\n")
        held.write("t,y\n")
        for t, first, second, value in zip(times, *inputs, y, strict=True):
            data.write(f"{t:g},{first:g},{second:g},{value if t <= SEEN else ''}\n")
            if t > SEEN:
                held.write(f"{t:g},{value}\n")


if __name__ == "__main__":
    main()
