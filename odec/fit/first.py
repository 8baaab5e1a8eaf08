"""The first look at a fit's start: its loss and gradient, or why there are none."""

from __future__ import annotations

import numpy as np
import torch

from odec.errors import SimulationError
from odec.fit.fused import FusedAdam
from odec.fit.loss import Objective
from odec.fit.optimize import Optimizer, Trace, begin
from odec.fit.start import Start, whole_of
from odec.fit.trust_region import TrustRegion
from odec.fit.verdict import listed
from odec.system import System
from odec.tree import symbols

_OF_THE_ADJOINT = {"continuous": ": give a larger adjoint_rtol, more max_steps, or adjoint='discrete'"}


def first_look(objective: Objective, optimizer: Optimizer, start: Start, system: System | None) -> Trace:
    """The trace of the start alone. Raises SimulationError where the model cannot be simulated there."""
    if isinstance(optimizer, FusedAdam | TrustRegion):
        trace = begin(optimizer.first, start.theta)
        objective.simulate(start.theta)
    else:
        trace = begin(objective, start.theta)
    if not np.isfinite(trace.best.loss):
        if objective.simulate(start.theta) < np.inf:
            raise SimulationError(
                "the model can be simulated from the start values, but the gradient there is not finite"
                + (_OF_THE_ADJOINT.get(objective.loss.net.adjoint) or _by_which(objective, start, system))
            )
        reason = _failure(objective, start.theta, system)
        raise SimulationError(
            f"the simulation from the start values fails{reason} (start values: --set, or set= from Python)"
        )
    return trace


def _failure(objective: Objective, theta: np.ndarray, system: System | None) -> str:
    """Why the loss at θ is not finite, with a colon before it."""
    told = objective.loss.net.status
    if told is not None and not str(told).startswith("ok"):
        return f": {told}"
    params = objective.params(torch.as_tensor(theta))
    complaint = objective.loss.complaint(params)
    if complaint:
        return f": {complaint}"
    found = objective.loss.outliers(params)
    if not found:
        why = "the start values lie far off"
        if objective.loss.net.dt:
            why += ", or the steps are too long for the method: a smaller dt, or a stiff method, may help"
        return f": its sum of squares is too large a number; {why}"
    name, time, value = found[0]
    kind = "state" if name in objective.loss.names[: objective.loss.states] else "observable"
    at = f"{objective.loss.data.time_name} = {time:g}"
    return f": the {kind} {name}{_line(name, system)} is {value:g} at {at}, where the data have a value"


def _by_which(objective: Objective, start: Start, system: System | None) -> str:
    """By which parameters the gradient is not finite, and through which formula."""
    names, place = objective.without_derivative(start.theta)
    if place is None:
        return ""
    column, time = place
    at = f"{objective.loss.data.time_name} = {time:g}"
    return (
        f": that of {column}{_line(column, system)} at {at} by {listed(names)}"
        f"{_lines_of(names, system)}; is there a log, a root or a quotient of 0?"
    )


def _line(name: str, system: System | None) -> str:
    """Where the formula of a state or an observable stands."""
    if system is None:
        return ""
    spans = [o.span for o in system.observables if o.name == name]
    spans += [e.span for e in system.equations if e.state == name]
    return f" (line {system.source.position(spans[0].start)[0]})" if spans else ""


def _lines_of(names: list[str], system: System | None) -> str:
    """The lines of the formulas that parameters stand in."""
    if system is None:
        return ""
    formulas = [(f.expr, f.span) for f in system.equations]
    formulas += [(f.expr, f.span) for f in system.intermediates]
    formulas += [(f.expr, f.span) for f in system.observables]
    wanted = set(map(whole_of, names))
    found = [span for expr, span in formulas if {symbol.name for symbol in symbols(expr)} & wanted]
    lines = sorted({system.source.position(span.start)[0] for span in found})
    where = listed([str(line) for line in lines])
    return f", on line{'s' if len(lines) > 1 else ''} {where}" if lines else ""
