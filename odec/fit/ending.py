"""How a fit ended, in words: a minimum, a plateau, a bound, a valley, or no minimum at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from odec.fit.loss import Objective
from odec.fit.optimize import LAST_EPOCH, TOLD, Trace
from odec.fit.start import Start, ends_of, size_in_raw, whole_of
from odec.fit.trust_region import REJECTED
from odec.fit.verdict import MET, MINIMUM, Local, listed
from odec.runtime.compiled import Param

ELSEWHERE = "another start (--set, set= from Python) may lead further"

MOST_NOTES = 20
"""So many remarks on parameters are told one by one."""

MOST_ENTRIES = 20_000_000
"""A larger Jacobian is not looked at."""


def local_problem(objective: Objective, start: Start, theta: np.ndarray, loss: float) -> Local | None:
    """The problem near θ; None where its Jacobian is too large or not finite."""
    names = objective.coordinates.names
    count = objective.loss.count
    if count * len(names) > MOST_ENTRIES:
        return None
    found = objective.jacobian(theta)
    if found is None:
        return None
    r, jacobian = found
    begun = np.array([start.values[name] for name in names])
    values = np.array(list(objective.natural(theta).values()))
    sizes = _sizes(objective, theta, values, begun)
    effects = jacobian * sizes
    return Local(
        names=names,
        r=r,
        effects=effects,
        sizes=sizes,
        values=values,
        start=begun,
        bounds=_bounds(objective.coordinates.transforms, values, effects.T @ r),
        loss=objective.loss.scale(loss),
        count=count,
        data_norm=objective.loss.data_norm,
        precision=float(torch.finfo(objective.loss.dtype).eps),
        likelihood=objective.loss.likelihood,
    )


def settled(objective: Objective, start: Start, theta: np.ndarray) -> bool:
    """Whether θ is a minimum in the scaled metric, as far as that can be known."""
    loss, _ = objective(theta)
    local = local_problem(objective, start, theta, loss)
    return local is None or local.minimum


def _sizes(objective: Objective, theta: np.ndarray, values: np.ndarray, begun: np.ndarray) -> np.ndarray:
    """How far θ goes when each parameter changes by its own size, or by its distance to its bound."""
    coordinates, found = objective.coordinates, []
    for k, transform in enumerate(coordinates.transforms):
        scale = float(coordinates.scale[k])
        if transform is None:
            found.append((max(abs(values[k]), 1e-3 * abs(begun[k])) or 1.0) / scale)
        else:
            value = torch.tensor(values[k], dtype=torch.float64)
            found.append(size_in_raw(transform, value, scale * float(theta[k])) / scale)
    return np.array(found)


def _bounds(transforms: tuple[Any, ...], values: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The bound of each parameter towards which the sum of squares falls; infinite where there is none."""
    found = np.full(len(values), np.inf)
    for k, transform in enumerate(transforms):
        if transform is None:
            continue
        lower, upper = limits(transform)
        rises = type(transform).__name__ != "Below"
        if gradient[k] == 0:
            found[k] = lower if abs(values[k] - lower) <= abs(upper - values[k]) else upper
        else:
            found[k] = lower if (gradient[k] > 0) == rises else upper
    return found


def limits(transform: Any) -> tuple[float, float]:
    """The bounds that a transform keeps."""
    lower, upper = ends_of(transform)
    if lower is None and upper is None:
        return 0.0, np.inf
    return (-np.inf if lower is None else float(lower)), (np.inf if upper is None else float(upper))


def conclude(
    objective: Objective, start: Start, trace: Trace, optimizer: str, unseen: Mapping[str, str]
) -> tuple[Trace, list[str], Local | None]:
    """The trace with the sentence for its end and whether that is a minimum, notes on the values, and the
    problem near them, where it was looked at.

    unseen: a sentence on each parameter that no gradient sees.
    """
    names = objective.coordinates.names
    hidden = [unseen[name] for name in dict.fromkeys(map(whole_of, names)) if name in unseen]
    unseen = {name: unseen[whole_of(name)] for name in names if whole_of(name) in unseen}
    if trace.cut_short:
        return trace, hidden, None
    try:
        local = local_problem(objective, start, trace.best.theta, trace.best.loss)
    except TOLD:
        return replace(trace, interrupted=True), hidden, None
    if local is None:
        return trace, hidden, None
    verdict = sentence(local, trace.state.finished, gauss_newton=optimizer == "gauss-newton", unseen=unseen)
    return replace(trace, verdict=verdict), hidden + remarks(local, unseen), local


def sentence(
    local: Local, reason: str, *, gauss_newton: bool, unseen: Collection[str] = ()
) -> tuple[str, bool]:
    """The sentence of an ending, and whether it is a minimum. reason: the optimizer's; empty where its epochs
    were used up."""
    if local.minimum or local.plateau:
        return _of_a_minimum(local, unseen)
    if local.degenerate:
        among = listed(local.degenerate)
        return (
            f"stopped where the Jacobian is nearly singular: nothing tells {among} apart there; {ELSEWHERE}",
            False,
        )
    left = local.left
    if not reason:
        return f"{LAST_EPOCH}: {left}; --epochs (epochs= from Python) takes more", False
    if not reason.startswith("converged") and reason != REJECTED:
        return reason, False
    if gauss_newton:
        return f"stopped: the last steps were all rejected, but {left}; a smaller rtol or dt may help", False
    return f"stopped: the loss falls no further, but {left}; --optimizer gauss-newton may take it", False


def _of_a_minimum(local: Local, unseen: Collection[str]) -> tuple[str, bool]:
    lost = ~local.moving & ~local.on_bound | (local.faint if local.plateau else np.False_)
    others = ", and the others are at a minimum" if (local.moving & ~lost).any() else ""
    lost, bound = _named(local, lost), _named(local, local.on_bound)
    if local.loss <= local.noise**2 and not lost:
        return MET, True
    if lost and set(lost) <= set(unseen):
        return f"stopped with {listed(lost)} at the start, which gradients do not see{others}", False
    if lost:
        has = "has" if len(lost) == 1 else "have"
        return (
            f"stopped on a plateau: {listed(lost)} {has} next to no effect on the curve there{others}",
            False,
        )
    if bound:
        where = "its bound" if len(bound) == 1 else "their bounds"
        lies = "lies" if len(bound) == 1 else "lie"
        return f"converged on a bound: {listed(bound)} {lies} on {where}{others}", True
    if local.step.singular or local.count < len(local.names):
        best = "likelihood is largest" if local.likelihood else "sum of squares is least"
        return f"converged in a valley: the {best}, but many values have it", True
    return MINIMUM, True


def _named(local: Local, those: np.ndarray) -> list[str]:
    return [name for name, one in zip(local.names, those, strict=True) if one]


def remarks(local: Local, unseen: Collection[str] = ()) -> list[str]:
    """What the data do not determine, with the parameters in it."""
    notes = []
    if local.count < len(local.names):
        notes.append(
            f"there are more parameters ({len(local.names)}: {listed(local.names)}) than measurements"
            f" ({local.count}): many values fit alike; --fix (fix= from Python) keeps some"
        )
    elif local.near:
        notes += [_of_a_direction(names) for names in local.loose]
    for k, name in enumerate(local.names):
        if name in unseen:
            continue
        value, begun = local.values[k], local.start[k]
        if local.on_bound[k]:
            notes.append(f"{name} has run onto its bound {local.bounds[k]:g}")
        elif local.run_away[k]:
            notes.append(f"{name} has run from {begun:g} to {value:.3g}: the data set no limit to it")
        elif local.idle[k] and value == begun:
            notes.append(f"{name} has no effect on what was measured at {value:g}; it stays at its start")
        elif local.idle[k]:
            notes.append(f"{name} has no effect on what was measured at {value:.3g}, where it came to")
    more = len(notes) - MOST_NOTES
    return notes if more < 2 else [*notes[:MOST_NOTES], f"the same or the like of {more} more"]


def _of_a_direction(names: tuple[str, ...]) -> str:
    small = "the curve moves by less than the scatter of one measurement"
    if len(names) == 1:
        return f"the data hardly determine {names[0]}: where it changes by its own size, {small}"
    return (
        f"the data do not tell {listed(names)} apart: where they change together by their own size, {small}"
    )


def of_the_model(fitted: Mapping[str, float], params: Iterable[Param]) -> list[str]:
    """Which fitted values have left their parameters' bounds, and what keeps them."""
    notes = []
    for param in params:
        values = [fitted[name] for name in param.columns if name in fitted]
        if all(param.lower <= value <= param.upper for value in values):
            continue
        keeps = (
            "transforms 'model' keeps them" if param.via != "none" else "without `via none` a fit keeps them"
        )
        notes.append(f"{param.name} has left its bounds {param.interval}: {keeps}")
    return notes
