"""Gauss-Newton with Levenberg-Marquardt damping."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from odec.fit.loss import Objective
from odec.fit.optimize import Function, State

TOLERANCE = 1e-15
"""A step that promises to lower the loss by a smaller part than this ends the fit."""

CONVERGED = "converged: the loss falls no further"
STUCK = "no step lowers the loss further"


@dataclass(frozen=True)
class GaussNewton:
    """θ ← θ − (JᵀJ + μ D)⁻¹ Jᵀr with D the largest diagonal of JᵀJ so far; J by forward sensitivities.

    μ follows Nielsen's rule. Madsen, Nielsen & Tingleff, Methods for Non-Linear Least Squares Problems
    (2004), algorithm 3.16; Moré (1978) for D.
    """

    objective: Objective
    epochs: int = 200

    def steps(self, function: Function, state: State) -> Iterator[State]:
        """One state per trial step, until the loss falls no further."""
        memory = state.memory or {"damping": 1e-3, "growth": 2.0, "scale": [0.0] * len(state.theta)}
        damping, growth = float(memory["damping"]), float(memory["growth"])
        scale = np.array(memory["scale"], dtype=float)
        _, gradient, normal = self.objective.normal_equations(state.theta)
        while True:
            scale = np.maximum(np.maximum(scale, np.diag(normal)), 1e-300)
            step = _damped_step(normal, damping * scale, gradient)
            loss, promised = math.inf, 0.0
            if step is not None:
                promised = float(step @ (damping * scale * step - gradient))
                loss, new_gradient, new_normal = self.objective.normal_equations(state.theta + step)
            small = step is not None and promised <= TOLERANCE * state.loss
            if step is not None and loss <= state.loss:
                ratio = (state.loss - loss) / promised if promised > 0 else 0.0
                damping, growth = damping * max(1 / 3, 1 - (2 * ratio - 1) ** 3), 2.0
                gradient, normal = new_gradient, new_normal
                state = replace(state, theta=state.theta + step, loss=loss, gradient=2 * gradient)
            else:
                damping, growth = damping * growth, 2 * growth
            memory = {"damping": damping, "growth": growth, "scale": scale.tolist()}
            state = replace(state, epoch=state.epoch + 1, memory=memory)
            if small or state.loss == 0:
                yield state.end(CONVERGED, converged=True)
                return
            if not damping < 1e100:
                yield state.end(STUCK)
                return
            yield state


def _damped_step(normal: np.ndarray, damping: np.ndarray, gradient: np.ndarray) -> np.ndarray | None:
    """The solution of (JᵀJ + diag(damping)) step = −Jᵀr; None where the matrix is not positive definite."""
    try:
        lower = np.linalg.cholesky(normal + np.diag(damping))
    except np.linalg.LinAlgError:
        return None
    return np.linalg.solve(lower.T, np.linalg.solve(lower, -gradient))
