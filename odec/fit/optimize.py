"""What every optimizer shares: its state, its loop, and what is kept when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from odec.runtime.stopping import Interrupted, OutOfTime, look

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""θ (k,) -> (loss, gradient (k,)); a failed simulation is (inf, zeros)."""


OUT_OF_TIME = "stopped after max_time; the best values so far are kept"
LAST_EPOCH = "stopped at the last epoch, before a minimum was found"
TOLD = (KeyboardInterrupt, Interrupted)
"""What ends a fit with the values it has."""


@dataclass(frozen=True)
class State:
    """Where an optimizer stands after `epoch` steps; all it needs to go on.

    memory: what the optimizer remembers beside θ (moments, step pairs), as lists and numbers, for JSON.
    finished: why it ended, empty while it goes on; converged: whether that end is a minimum.
    passed: the losses of the epochs since the state before, this one's last, where they were several;
    lowest: the lowest loss among them and its θ, where it is not this state's own.
    """

    epoch: int
    theta: np.ndarray
    loss: float
    gradient: np.ndarray
    memory: dict[str, Any] = field(default_factory=dict)
    finished: str = ""
    converged: bool = False
    passed: tuple[float, ...] = ()
    lowest: tuple[float, np.ndarray] | None = None

    def end(self, message: str, *, converged: bool = False) -> State:
        """The same state, ended."""
        return replace(self, finished=message, converged=converged)


class Optimizer(Protocol):
    """A method of minimisation. `steps` yields a state per epoch or more, the last finished."""

    @property
    def epochs(self) -> int: ...

    def steps(self, function: Function, state: State) -> Iterator[State]: ...


@dataclass
class Trace:
    """The run of an optimizer: its last state, the best point seen, and every loss.

    losses: (epochs + 1,): at the start, then after each step. verdict: how it ended and whether at a minimum,
    where that was looked at; else the optimizer's own word counts.
    """

    state: State
    best: State
    losses: list[float]
    interrupted: bool = False
    out_of_time: bool = False
    verdict: tuple[str, bool] | None = None

    @property
    def cut_short(self) -> bool:
        """Whether it ended before the optimizer did."""
        return self.interrupted or self.out_of_time

    @property
    def message(self) -> str:
        if self.interrupted:
            return "interrupted; the best values so far are kept"
        if self.out_of_time:
            return OUT_OF_TIME
        return self.verdict[0] if self.verdict else self.state.finished or LAST_EPOCH

    @property
    def converged(self) -> bool:
        if self.cut_short:
            return False
        return self.verdict[1] if self.verdict else self.state.converged


def begin(function: Function, theta: np.ndarray) -> Trace:
    """A trace of nothing but the start."""
    loss, gradient = function(theta)
    state = State(0, theta, loss, gradient)
    return Trace(state, state, [loss])


def minimize(
    function: Function,
    optimizer: Optimizer,
    trace: Trace,
    *,
    epochs: int,
    progress: Callable[[int, float], None] = lambda epoch, best: None,
) -> Trace:
    """Run an optimizer on from the end of a trace until it ends or `epochs` steps are done in all.

    Ctrl-C, `interrupt` and the end of its time end it after the last whole step. progress is called with the
    epoch and the loss at its end.
    """
    steps = optimizer.steps(function, replace(trace.state, finished="", converged=False))
    try:
        while trace.state.epoch < epochs:
            state = next(steps, None)
            if state is None:
                break
            if state.epoch > trace.state.epoch:
                trace.losses.extend(state.passed or [state.loss])
            trace.state = state
            trace.best = _better(state, trace.best)
            if state.finished:
                break
            progress(state.epoch, state.loss)
            look()
    except TOLD:
        trace.interrupted = True
    except OutOfTime:
        trace.out_of_time = True
    if trace.cut_short:  # between any two of the lines above
        trace.best = _better(trace.state, trace.best)
        del trace.losses[trace.state.epoch + 1 :]
    return trace


def _better(state: State, best: State) -> State:
    """The best point seen, after the steps that led to a state."""
    if state.lowest is not None and state.lowest[0] < best.loss:
        best = replace(state, loss=state.lowest[0], theta=state.lowest[1])
    return state if state.loss < best.loss else best
