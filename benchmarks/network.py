"""A model of chemical reactions as arrays: what solvers that read no .ode text are given of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Network:
    """dx/dt = S r with r_i = k_i(t) x_a x_b.

    stoichiometry S (n, reactions); rates (reactions,), those of `lit` at noon; pairs (2, reactions): which
    states react, n for none. start (n,) and times (T,) are those of the model's run.
    """

    states: tuple[str, ...]
    stoichiometry: np.ndarray
    rates: np.ndarray
    lit: np.ndarray
    pairs: np.ndarray
    start: np.ndarray
    times: np.ndarray

    def slope(self, t: float, x: np.ndarray) -> np.ndarray:
        """dx/dt (n,)."""
        y = np.append(x, 1.0)
        a, b = self.pairs
        return self.stoichiometry @ (self._rates(t) * y[a] * y[b])

    def jacobian(self, t: float, x: np.ndarray) -> np.ndarray:
        """∂f/∂x (n, n)."""
        y, k = np.append(x, 1.0), self._rates(t)
        a, b = self.pairs
        slopes = np.zeros((len(k), len(y)))
        every = np.arange(len(k))
        np.add.at(slopes, (every, a), k * y[b])
        np.add.at(slopes, (every, b), k * y[a])
        return self.stoichiometry @ slopes[:, :-1]

    def _rates(self, t: float) -> np.ndarray:
        return np.where(self.lit, self.rates * sun(t), self.rates)


def sun(t: float) -> float:
    """How high the sun stands at t seconds after midnight, from 4:30 (0) to 12:00 (1) to 19:30 (0)."""
    noon = (2 * (t / 3600 % 24) - 24) / 15
    return float((1 + np.cos(np.pi * noon * abs(noon))) / 2) if abs(noon) < 1 else 0.0


def read(path: Path) -> Network:
    """The network of a model whose intermediates r1, r2, … are its reactions."""
    import odec
    from odec.passes.lower import lower
    from odec.tree import evaluate, symbols

    system = odec.parse(path)
    lowered = lower(system)
    known = {const.name: const.value for const in system.consts}
    reactions = [d.name for d in lowered.running.values() if d.name[0] == "r" and d.name[1:].isdigit()]
    place = {name: k for k, name in enumerate(system.states)}
    stoichiometry = np.zeros((len(place), len(reactions)))
    zero = dict.fromkeys(reactions, 0.0)
    for row, equation in enumerate(system.equations):
        for name in {s.name for s in symbols(equation.expr)}:
            stoichiometry[row, reactions.index(name)] = evaluate(equation.expr, {**zero, name: 1.0})
    ones, rates, lit, pairs = dict.fromkeys([*place, "sun"], 1.0), [], [], []
    for name in reactions:
        expr = lowered.running[name].expr
        used = [s.name for s in symbols(expr)]
        found = [place[name] for name in used if name in place]
        rates.append(float(evaluate(expr, {**known, **ones})))
        lit.append("sun" in used)
        pairs.append((found + [len(place)] * 2)[:2])
    start = [float(evaluate(initial.expr, known)) for initial in system.initials]
    run: Any = system.run
    times = np.arange(run.start, run.stop + run.step / 2, run.step)
    return Network(
        system.states,
        stoichiometry,
        np.array(rates),
        np.array(lit),
        np.array(pairs).T,
        np.array(start),
        times,
    )
