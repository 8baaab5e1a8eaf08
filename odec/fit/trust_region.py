"""Least squares within a trust region: Levenberg and Marquardt's method in the form of Moré."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from odec.fit.optimize import Function, State

Linear = tuple[np.ndarray, np.ndarray]
"""Residuals r (M,) and their Jacobian J (M, k) at a point; the sum of squares is r·r."""

Residuals = Callable[[np.ndarray], Linear | None]
"""θ (k,) -> (r, J); None where the simulation fails."""

TOLERANCE = 1e-15
"""A step that promises to lower the loss by a smaller part than this, and does no more, ends the fit."""

SETTLED = "converged: the loss falls no further"
REJECTED = "stopped: no step lowers the loss, however short"
FAILING = "stopped: the simulation fails all around this point"


Reach = Callable[[np.ndarray], np.ndarray]
"""θ (k,) -> how far one step may move each entry, (k,); inf where nothing bounds it."""


def finite(r: np.ndarray, jacobian: np.ndarray) -> Linear | None:
    """Residuals and Jacobian, or None where one of them is not finite."""
    return (r, jacobian) if np.isfinite(r).all() and np.isfinite(jacobian).all() else None


@dataclass(frozen=True)
class TrustRegion:
    """θ ← θ + s, where s minimises ‖J s + r‖ within ‖D s‖ ≤ radius; J by forward sensitivities.

    D holds the largest norm that each column of J has had; the first radius is ‖D θ‖. Moré, The
    Levenberg-Marquardt algorithm: implementation and theory (1978), as in MINPACK's lmder. A run that ends
    where no step is possible, or where a parameter has lost its influence, begins anew with a hundredth of
    the radius, once. reach: what keeps a step from crossing most of the way to a parameter's bound, where the
    loss is flat; D is widened so that the region lies within. rest: what no parameter changes of the loss.
    """

    residuals: Residuals
    reach: Reach = np.vectorize(lambda entry: math.inf, otypes=[float])
    rest: float = 0.0
    epochs: int = 1000

    def first(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient where the fit starts."""
        found = self.residuals(theta)
        if found is None:
            return math.inf, np.zeros_like(theta)
        r, jacobian = found
        return float(r @ r) + self.rest, 2 * (jacobian.T @ r)

    def steps(self, function: Function, state: State) -> Iterator[State]:
        """One state per trial step, until the loss falls no further."""
        zeros = [0.0] * len(state.theta)
        memory = state.memory or {"home": state.theta.tolist(), "short": 0, "scale": zeros, "radius": 0.0}
        home, short = memory["home"], int(memory["short"])
        region, found, end = Region(memory["scale"], memory["radius"]), self.residuals(state.theta), ""
        if found is None:
            yield state.end(FAILING)
            return
        here = found
        while not end:
            region.widen(here[1], state.theta, 0.01 if short else 1.0)
            step, judged, found = region.trial(self.residuals, state.theta, self.reach(state.theta), *here)
            if found is not None and judged.ratio >= 1e-4:
                here = found
                state = self._at(state, state.theta + step, *here)
            end = region.end(state, judged, float(here[0] @ here[0]), failed=found is None)
            begun = (
                self.residuals(np.array(home)) if end and not short and region.lost(here[1], end) else None
            )
            if begun is not None:
                here, short, end, region = begun, 1, "", Region(zeros, 0.0)
                state = self._at(state, np.array(home), *here)
            memory = {"home": home, "short": short, "scale": region.scale.tolist(), "radius": region.radius}
            state = replace(state, epoch=state.epoch + 1, memory=memory)
            yield state.end(end, converged=end == SETTLED) if end else state

    def _at(self, state: State, theta: np.ndarray, r: np.ndarray, jacobian: np.ndarray) -> State:
        """The state at θ."""
        return replace(state, theta=theta, loss=float(r @ r) + self.rest, gradient=2 * (jacobian.T @ r))


class Region:
    """The region ‖D s‖ ≤ radius in which the linear model is trusted; D the diagonal `scale`."""

    def __init__(self, scale: list[float], radius: float):
        self.scale, self.radius = np.array(scale, dtype=float), float(radius)
        self.first = not radius > 0

    def widen(self, jacobian: np.ndarray, theta: np.ndarray, reach: float) -> None:
        """Take up the norms of J's columns; at the start, choose the radius."""
        norms = np.linalg.norm(jacobian, axis=0)
        if self.radius > 0:
            self.scale = np.maximum(self.scale, norms)
            return
        self.scale = np.where(norms > 0, norms, 1.0)
        self.radius = reach * (float(np.linalg.norm(self.scale * theta)) or 1.0)

    def trial(
        self,
        residuals: Residuals,
        theta: np.ndarray,
        reach: np.ndarray,
        r: np.ndarray,
        jacobian: np.ndarray,
    ) -> tuple[np.ndarray, Judged, Linear | None]:
        """A step, what it did, and the residuals and Jacobian after it; the radius is adapted."""
        scale = np.maximum(self.scale, self.radius / reach)
        step, damping = damped_step(jacobian, r, scale, self.radius)
        length = float(np.linalg.norm(scale * step))
        if self.first and length > 0:
            self.radius = min(self.radius, length)
        found = residuals(theta + step)
        loss = math.inf if found is None else float(found[0] @ found[0])
        judged = _judge(float(r @ r), loss, jacobian @ step, damping * length * length)
        self.radius = judged.radius(self.radius, length, newton=damping == 0)
        self.first = False
        return step, judged, found

    def lost(self, jacobian: np.ndarray, end: str) -> bool:
        """Whether an end is worth another beginning: no step was possible, or a column of J vanished."""
        return end != SETTLED or bool(np.any(np.linalg.norm(jacobian, axis=0) <= 1e-10 * self.scale))

    def end(self, state: State, judged: Judged, loss: float, *, failed: bool) -> str:
        """Why the steps end here; empty where they go on."""
        if loss == 0 or (judged.promised <= TOLERANCE and judged.actual <= TOLERANCE and not failed):
            return SETTLED
        if self.radius > 1e-15 * float(np.linalg.norm(self.scale * state.theta)) and self.radius > 1e-300:
            return ""
        return FAILING if failed else REJECTED


@dataclass(frozen=True)
class Judged:
    """What a trial step did: the parts by which the loss fell and was promised to fall; slope: half its
    derivative along the step, as a part of the loss."""

    actual: float
    promised: float
    slope: float

    @property
    def ratio(self) -> float:
        return self.actual / self.promised if self.promised > 0 else 0.0

    def radius(self, radius: float, length: float, *, newton: bool) -> float:
        """The next trust region: MINPACK's rule."""
        if self.ratio <= 0.25:
            factor = 0.5 if self.actual >= 0 else 0.5 * self.slope / (self.slope + 0.5 * self.actual)
            return max(factor, 0.1) * min(radius, 10 * length)
        return 2 * length if newton or self.ratio >= 0.75 else radius


def _judge(before: float, after: float, moved: np.ndarray, damped: float) -> Judged:
    """moved: J s. damped: μ ‖D s‖²."""
    if before == 0:
        return Judged(0.0, 0.0, 0.0)
    linear, damped = float(moved @ moved) / before, damped / before
    actual = 1 - after / before if after < 100 * before else -math.inf
    return Judged(actual, linear + 2 * damped, -(linear + damped))


def damped_step(
    jacobian: np.ndarray, r: np.ndarray, scale: np.ndarray, radius: float
) -> tuple[np.ndarray, float]:
    """The step s (k,) that minimises ‖J s + r‖ within ‖D s‖ ≤ radius (to a tenth), and its damping μ ≥ 0.

    (JᵀJ + μ D²) s = −Jᵀr, by the singular values of J D⁻¹; μ by Newton's method on the secular equation.
    Moré (1978), section 5.
    """
    u, sizes, v = np.linalg.svd(jacobian / scale, full_matrices=False)
    along = u.T @ r
    there = sizes > 1e-15 * max(jacobian.shape) * sizes.max(initial=0.0)
    sizes, along, v = sizes[there], along[there], v[there]
    plain = along / sizes
    if np.linalg.norm(plain) <= 1.1 * radius:
        return -(v.T @ plain) / scale, 0.0
    upper = float(np.linalg.norm(sizes * along)) / radius
    lower, damping = 0.0, 0.0
    for _ in range(30):
        filtered = sizes * along / (sizes**2 + damping)
        length = float(np.linalg.norm(filtered))
        if abs(length - radius) <= 0.1 * radius:
            break
        bent = float(np.sum(filtered**2 / (sizes**2 + damping))) / length
        if length > radius:
            lower = max(lower, damping)
        else:
            upper = min(upper, damping)
        damping += (length - radius) / radius * length / bent
        if not lower < damping < upper:
            damping = max(1e-3 * upper, math.sqrt(lower * upper))
    filtered = sizes * along / (sizes**2 + damping)
    return -(v.T @ filtered) / scale, damping
