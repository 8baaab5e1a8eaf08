"""Optimizers whose whole loop runs inside the native kernel, in slices between which Python looks in."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from odec.fit.adam import MAX_FAILURES, Adam, failing
from odec.fit.loss import Objective, SumOfSquares
from odec.fit.optimize import Function, State
from odec.fit.trust_region import Linear, Residuals, finite
from odec.runtime.native.fused import KINDS, FusedFit

_SLICE_SECONDS = 0.1
_CARRIED = ("m", "v", "count", "lr", "decay1", "decay2")


def fused_problem(objective: Objective) -> tuple[FusedFit, float] | None:
    """A FusedFit of an objective, and the part of the loss that no parameter changes.

    None where a kernel cannot run the fit: another loss than a sum of squares, another engine than the native
    one, a GPU, arrays, a map with delays, or equations that switch in time, where each set of parameters has
    output times of its own.
    """
    net, loss = objective.loss.net, objective.loss
    if not isinstance(loss, SumOfSquares):
        return None
    if net.engine != "native" or net.compiled.turns is not None or net.compiled.hidden:
        return None
    if net.compiled.kernel is not None and net.compiled.kernel.arrays:
        return None
    if net.adjoint != "discrete" or net.vector().device.type != "cpu":
        return None
    with torch.no_grad():
        loss.simulate({})  # by the torch engine from here on, with a warning, where nothing compiles
    if net.engine != "native":
        return None
    data, weight, rest = loss.table(len(net.compiled.states) + len(net.compiled.observables))
    with torch.no_grad():
        p = net.vector({**loss.fixed}).detach()
    series = net.series(loss.inputs or None, p)
    coordinates = objective.coordinates
    rows = [
        (name, *_kind(transform), 0.0, float(scale))
        for name, transform, scale in zip(
            coordinates.names, coordinates.transforms, coordinates.scale, strict=True
        )
    ]
    given = (loss.times, p, rows, data.to(p.dtype), weight.to(p.dtype), net.steps)
    return FusedFit(net.compiled, *given, series=series), rest


def fused_residuals(kernel: Any) -> Residuals:
    """The residuals and Jacobian of a module's FusedFit, for a trust region."""

    def at(theta: np.ndarray) -> Linear | None:
        r, jacobian = kernel.residuals(torch.tensor(theta, dtype=torch.float64))
        return finite(r.numpy(), jacobian.numpy())

    return at


def _kind(transform: Any) -> tuple[str, float, float]:
    """A parametrization's kind and bounds, as the kernel knows them."""
    if transform is None:
        return "none", 0.0, 0.0
    lower, upper = (bound if math.isfinite(bound) else 0.0 for bound in (transform.lower, transform.upper))
    return KINDS[transform.code], lower, upper


@dataclass(frozen=True)
class FusedAdam:
    """Adam, with all of an epoch in the kernel."""

    rule: Adam
    kernel: Any
    rest: float
    limit: int

    @property
    def epochs(self) -> int:
        return self.rule.epochs

    def steps(self, function: Function, state: State) -> Iterator[State]:
        """One state per slice; its `passed` holds the loss after each epoch of the slice."""
        rule = self.rule
        zeros = [0.0] * len(state.theta)
        memory: dict[str, Any] = state.memory or {"m": zeros, "v": zeros, "count": 0}
        here: dict[str, Any] = {
            "theta": state.theta.tolist(),
            "gradient": state.gradient.tolist(),
            "m": memory["m"],
            "v": memory["v"],
            "count": int(memory["count"]),
            "lr": float(memory.get("lr", rule.lr)),
            "beta1": rule.beta1,
            "beta2": rule.beta2,
            "eps": rule.eps,
            "failures": 0,
            "loss": state.loss - self.rest,
            **{name: memory[name] for name in ("decay1", "decay2") if name in memory},
        }
        for slice_length in _slices(state.epoch, self.limit):
            losses = [loss + self.rest for loss in self.kernel.adam(here, slice_length)]
            kept = {name: here[name] for name in _CARRIED if name in here}
            theta, gradient = np.array(here["theta"]), np.array(here["gradient"])
            epoch = state.epoch + len(losses)
            state = State(epoch, theta, losses[-1], gradient, kept, passed=tuple(losses))
            best = here["best_loss"] + self.rest
            if best < state.loss:
                state = replace(state, lowest=(best, np.array(here["best"])))
            if here["failures"] >= MAX_FAILURES:
                last = theta - 2 * here["lr"] * gradient / (np.abs(gradient) + rule.eps)
                function(last)  # once more, for the Model's own words
                yield state.end(failing(function, here["lr"]))
                return
            yield state

    def first(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient where the fit starts."""
        loss, gradient = self.kernel.loss_gradient(torch.tensor(theta, dtype=torch.float64))
        return loss + self.rest, gradient.numpy()


def _slices(epoch: int, limit: int) -> Iterator[int]:
    """Slices of epochs, one epoch at first, then a tenth of a second, none across a tenth of the whole."""
    length = 1
    while epoch < limit:
        tenth = next(end for k in range(1, 11) if (end := -(-k * limit // 10)) > epoch)
        length = min(length, tenth - epoch)
        start = time.perf_counter()
        yield length
        epoch += length
        took = max(time.perf_counter() - start, 1e-6)
        length = max(1, min(10 * length, round(length * _SLICE_SECONDS / took)))
