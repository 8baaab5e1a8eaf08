"""Adam."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from odec.fit.optimize import Function, State

MAX_FAILURES = 30


def failing(function: Function, lr: float) -> str:
    """Why Adam ended, where its last step led into a simulation that fails."""
    reason = getattr(function, "failure", "")
    told = f" ({reason})" if reason else ""
    return f"the simulation fails all around this point{told}; lr fell to {lr:.3g}"


@dataclass(frozen=True)
class Adam:
    """m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − lr·m̂/(√v̂ + ε), bias-corrected.

    A step into a failed simulation is taken back and the learning rate halved. Kingma & Ba (2015), alg. 1.
    """

    lr: float = 0.01
    epochs: int = 2000
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def steps(self, function: Function, state: State) -> Iterator[State]:
        """One state per epoch, for ever."""
        memory = state.memory or {
            "m": [0.0] * len(state.theta),
            "v": [0.0] * len(state.theta),
            "count": 0,
            "lr": self.lr,
        }
        m, v = np.array(memory["m"], dtype=float), np.array(memory["v"], dtype=float)
        count, lr, failures = int(memory["count"]), float(memory["lr"]), 0
        while True:
            g = state.gradient
            new_m, new_v = m + (g - m) * (1 - self.beta1), v * self.beta2 + g * g * (1 - self.beta2)
            root = np.sqrt(new_v) / math.sqrt(1 - self.beta2 ** (count + 1)) + self.eps
            theta = state.theta - lr / (1 - self.beta1 ** (count + 1)) * new_m / root
            loss, gradient = function(theta)
            if math.isfinite(loss):
                m, v, count, failures = new_m, new_v, count + 1, 0
            else:
                theta, loss, gradient = state.theta, state.loss, state.gradient
                m, v, count, lr, failures = np.zeros_like(m), np.zeros_like(v), 0, lr / 2, failures + 1
            memory = {"m": m.tolist(), "v": v.tolist(), "count": count, "lr": lr}
            state = replace(
                state, epoch=state.epoch + 1, theta=theta, loss=loss, gradient=gradient, memory=memory
            )
            if failures >= MAX_FAILURES:
                yield state.end(failing(function, lr))
                return
            yield state
