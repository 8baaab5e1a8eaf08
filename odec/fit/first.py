"""The first look at a fit's start: its loss and gradient, or why there are none."""

from __future__ import annotations

import numpy as np
import torch

from odec.errors import SimulationError
from odec.fit.fused import FusedAdam
from odec.fit.loss import Objective
from odec.fit.optimize import Optimizer, Trace, begin
from odec.fit.start import Start
from odec.fit.trust_region import TrustRegion

_OF_THE_ADJOINT = {"continuous": ": give a larger adjoint_rtol, more max_steps, or adjoint='discrete'"}


def first_look(objective: Objective, optimizer: Optimizer, start: Start) -> Trace:
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
                + _OF_THE_ADJOINT.get(objective.loss.net.adjoint, "")
            )
        reason = _failure(objective, start.theta)
        raise SimulationError(
            f"the simulation from the start values fails{reason} (start values: --set, or set= from Python)"
        )
    return trace


def _failure(objective: Objective, theta: np.ndarray) -> str:
    """Why the loss at θ is not finite, with a colon before it."""
    told = getattr(objective.loss.net, "status", None)
    if told is not None and not str(told).startswith("ok"):
        return f": {told}"
    with torch.no_grad():
        largest = float(objective.loss.residuals(objective.params(torch.as_tensor(theta))).abs().max())
    if np.isnan(largest):
        return ": what was measured is not a number in it"
    return f": it ends {largest:.3g} from the data; smaller steps or a stiff method may help"
