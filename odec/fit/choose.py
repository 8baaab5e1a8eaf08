"""The optimizer that a fit asks for, and how many steps it may take."""

from __future__ import annotations

from functools import partial

import torch

from odec.fit.adam import Adam
from odec.fit.bounds import reach
from odec.fit.ending import settled
from odec.fit.fused import FusedAdam, fused_problem, fused_residuals
from odec.fit.lbfgs import LBFGS
from odec.fit.loss import Objective
from odec.fit.optimize import Optimizer, Trace
from odec.fit.options import Settings
from odec.fit.start import Start
from odec.fit.trust_region import TrustRegion


def optimizer_of(
    settings: Settings, objective: Objective, start: Start, before: Trace | None
) -> tuple[Optimizer, int]:
    """The optimizer, inside the native kernel where that can hold it, and the epoch that it may come to.

    before: the trace of a resumed fit, which goes on for as many again where it ended with all used up.
    """
    rule = _rule(settings, objective, start)
    epochs = rule.epochs if settings.epochs is None else settings.epochs
    ended = before is not None and not before.interrupted and before.state.epoch >= epochs
    last = epochs + before.state.epoch if before and ended and not settings.epochs_again else epochs
    if not isinstance(rule, Adam):
        return rule, last
    fused = fused_problem(objective)
    return (FusedAdam(rule, *fused, last) if fused else rule), last


def _rule(settings: Settings, objective: Objective, start: Start) -> Optimizer:
    if settings.optimizer == "adam":
        return Adam(lr=settings.lr)
    if settings.optimizer == "lbfgs":
        precision = float(torch.finfo(objective.loss.dtype).eps)
        return LBFGS(
            precision=precision,
            size=objective.loss.data_norm,
            unit=float(objective.loss.count) if objective.loss.likelihood else 0.0,
            tolerance=max(1e-9, precision),
            settled=partial(settled, objective, start),
        )
    within = partial(reach, objective.coordinates)
    fused = fused_problem(objective)
    if fused is None:
        return TrustRegion(objective.residuals, within)
    return TrustRegion(fused_residuals(fused[0]), within, rest=fused[1])
