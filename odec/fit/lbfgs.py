"""L-BFGS with a line search that holds the strong Wolfe conditions and bears failed simulations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from odec.fit.optimize import Function, State

Pairs = list[tuple[np.ndarray, np.ndarray]]


VANISHES = "converged: the gradient vanishes"


@dataclass(frozen=True)
class LBFGS:
    """θ ← θ − α H g, with H g from the last `history` steps. Nocedal & Wright (2006), alg. 7.4 and 7.5.

    No entry of θ moves by more than `max_step` in a first trial. It ends where max |g| ≤ tolerance·loss and
    `settled` holds there, or where the loss cannot fall by more than rounding: precision is that of the
    residuals, relative to `size`, the norm of the data. unit: what the loss is large beside where it is no
    sum of squares; 0 where it is one.
    """

    epochs: int = 1000
    history: int = 50
    max_step: float = 1.0
    tolerance: float = 1e-9
    precision: float = 2.3e-16
    size: float = 0.0
    unit: float = 0.0
    settled: Callable[[np.ndarray], bool] = lambda theta: True

    def steps(self, function: Function, state: State) -> Iterator[State]:
        """One state per epoch until it ends."""
        pairs = [(np.array(s), np.array(y)) for s, y in state.memory.get("pairs", [])]
        idle, tolerance = 0, self.tolerance
        while True:
            done = self._converged(state, idle, tolerance)
            if done == VANISHES and np.any(state.gradient) and not self.settled(state.theta):
                done, tolerance = "", tolerance / 100
            if done:
                yield state.end(done, converged=True)
                return
            direction = self._direction(state.gradient, pairs)
            if not pairs:
                direction *= self._first_length(function, state, direction)
            point = line_search(function, state, direction)
            gain = -0.5 * (state.gradient @ direction)
            if point is None and pairs and gain > 4 * self._rounding(state.loss):
                pairs = []
                continue
            if point is None and pairs:
                yield state.end("converged: the loss falls no further", converged=True)
                return
            if point is None:
                yield self._stuck(state)
                return
            step, change = point.theta - state.theta, point.gradient - state.gradient
            if step @ change > 1e-14 * np.linalg.norm(step) * np.linalg.norm(change):
                pairs = [*pairs, (step, change)][-self.history :]
            idle = idle + 1 if state.loss - point.loss <= self._rounding(state.loss) else 0
            memory = {"pairs": [[s.tolist(), y.tolist()] for s, y in pairs]}
            state = replace(
                state,
                epoch=state.epoch + 1,
                theta=point.theta,
                loss=point.loss,
                gradient=point.gradient,
                memory=memory,
            )
            yield state

    def _converged(self, state: State, idle: int, tolerance: float) -> str:
        steepest = float(np.abs(state.gradient).max(initial=0.0))
        if not self.unit and state.loss <= (64 * self.precision * self.size) ** 2:
            return "converged: the data are met to rounding"
        if steepest <= tolerance * self._large(state.loss):
            return VANISHES
        if idle >= 5:
            return "converged: the loss falls no further"
        return ""

    def _first_length(self, function: Function, state: State, direction: np.ndarray) -> float:
        """What part of a first step the curvature along it bears: at most the whole."""
        probe = 1e-3
        loss, gradient = function(state.theta + probe * direction)
        slope = float(state.gradient @ direction)
        bend = (float(gradient @ direction) - slope) / probe
        if not math.isfinite(loss) or bend == 0:
            return probe if bend else 1.0
        return min(1.0, max(probe, abs(slope / bend)))

    def _rounding(self, loss: float) -> float:
        """How well a sum of squares is known: 2 ‖r‖·δr with δr = precision·size, and its own rounding."""
        large = self._large(loss)
        return 2 * self.precision * (self.size * math.sqrt(large) + 8 * large)

    def _large(self, loss: float) -> float:
        """What a change of the loss is small beside."""
        return max(abs(loss), self.unit)

    def _stuck(self, state: State) -> State:
        """No step helps: at a minimum that is rounding's work, anywhere else it is a failure."""
        steepest = float(np.abs(state.gradient).max(initial=0.0))
        if steepest <= max(1e-4, math.sqrt(self.precision)) * self._large(state.loss):
            return state.end("converged: the loss falls no further", converged=True)
        return state.end("stopped: no step along the gradient lowers the loss")

    def _direction(self, gradient: np.ndarray, pairs: Pairs) -> np.ndarray:
        """−H g by the two-loop recursion; the first step has length 0.1."""
        q = gradient.copy()
        weights = []
        for s, y in reversed(pairs):
            weights.append((s @ q) / (s @ y))
            q -= weights[-1] * y
        if pairs:
            s, y = pairs[-1]
            q *= (s @ y) / (y @ y)
        else:
            q *= 0.1 / np.abs(q).max()
        for (s, y), weight in zip(pairs, reversed(weights), strict=True):
            q += s * (weight - (y @ q) / (s @ y))
        if not q @ gradient > 0:
            q = 0.1 * gradient / np.abs(gradient).max()
        return -q * min(1.0, self.max_step / np.abs(q).max())


class Point(NamedTuple):
    """A point on a search line: its step size, loss, slope along the line, and θ with its gradient."""

    step: float
    loss: float
    slope: float
    theta: np.ndarray
    gradient: np.ndarray


def line_search(
    function: Function,
    state: State,
    direction: np.ndarray,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    limit: int = 40,
) -> Point | None:
    """A point along a direction of descent that holds the strong Wolfe conditions.

    φ(α) ≤ φ(0) + c1 α φ'(0) and |φ'(α)| ≤ c2 |φ'(0)|; None where no step lowers the loss. Nocedal & Wright
    (2006), alg. 3.5 and 3.6.
    """

    def at(step: float) -> Point:
        theta = state.theta + step * direction
        loss, gradient = function(theta)
        return Point(step, loss, float(gradient @ direction), theta, gradient)

    slope = float(state.gradient @ direction)
    low = Point(0.0, state.loss, slope, state.theta, state.gradient)
    high: Point | None = None
    step = 1.0
    for _ in range(limit):
        point = at(step)
        falls = point.loss <= state.loss + c1 * step * slope and point.loss < low.loss
        if not falls:
            high = point
        elif abs(point.slope) <= -c2 * slope:
            return point
        else:
            if point.slope * (1.0 if high is None else high.step - low.step) > 0:
                high = low
            low = point
        if high is None:
            step *= 2
        elif abs(high.step - low.step) * np.abs(direction).max() <= 1e-16 * (1 + np.abs(state.theta).max()):
            break
        else:
            step = _between(low, high)
    return low if low.step > 0 else None


def _between(low: Point, high: Point) -> float:
    """The minimum of the cubic through both points, off the ends; near the low one where the other failed."""
    width = high.step - low.step
    if not math.isfinite(high.loss):
        return low.step + 0.2 * width
    d1 = low.slope + high.slope - 3 * (high.loss - low.loss) / width
    square = d1 * d1 - low.slope * high.slope
    if not square >= 0:
        return low.step + 0.5 * width
    d2 = math.copysign(math.sqrt(square), width)
    bottom = high.slope - low.slope + 2 * d2
    place = 1 - (high.slope + d2 - d1) / bottom if bottom else 0.5
    return low.step + width * min(max(place, 0.1), 0.9)
