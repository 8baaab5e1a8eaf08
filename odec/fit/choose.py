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
from odec.fit.optimize import Optimizer
from odec.fit.options import Settings
from odec.fit.start import Start
from odec.fit.trust_region import TrustRegion


def optimizer_of(settings: Settings, objective: Objective, start: Start, done: int) -> tuple[Optimizer, int]:
    """The optimizer, inside the native kernel where that can hold it, and the epoch that it may come to.

    done: the epochs behind a resumed fit, which goes on for as many again where all were used up.
    """
    rule = _rule(settings, objective, start)
    epochs = rule.epochs if settings.epochs is None else settings.epochs
    last = epochs if done < epochs or settings.epochs_again else done + epochs
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
            tolerance=max(1e-9, precision),
            settled=partial(settled, objective, start),
        )
    within = partial(reach, objective.coordinates)
    fused = fused_problem(objective)
    if fused is None:
        return TrustRegion(objective.residuals, within)
    return TrustRegion(fused_residuals(fused[0]), within, rest=fused[1])
