"""A fit from its arguments to its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from odec.accuracy import steps_of, warn
from odec.cost import check_cost
from odec.errors import ArgumentError, SimulationError, warned_once
from odec.fit.accuracy import told_of_steps
from odec.fit.adam import Adam
from odec.fit.data import Columns, Dataset, read_data
from odec.fit.fused import FusedAdam, FusedGaussNewton, fused_problem
from odec.fit.gauss_newton import GaussNewton
from odec.fit.lbfgs import LBFGS
from odec.fit.loss import Objective, SumOfSquares
from odec.fit.optimize import Optimizer, Trace, begin, minimize
from odec.fit.options import Options, Settings, settle, without_defaults
from odec.fit.progress import Progress
from odec.fit.result import FitResult
from odec.fit.saved import read_saved
from odec.fit.start import Start, apply_values, free_parameters, frozen, start_of, start_values
from odec.fit.subject import Subject, choose_step, subject_of, with_inputs
from odec.lang.switch_warnings import unseen_parameters


def fit(
    model: Any,
    data: Any,
    options: Options,
    *,
    inputs: Mapping[str, tuple[Any, Any]] | None = None,
    resume: str | Path | None = None,
    progress: Progress | None = None,
    command: str | None = None,
    check: bool = True,
) -> FitResult:
    """Fit a model to data; see `odec.fit`."""
    saved = None if resume is None else read_saved(resume)
    if saved is not None:
        options = options.over(saved.options, saved.path)
    settings = settle(options)
    if options.seed is not None:
        torch.manual_seed(options.seed)
    subject = subject_of(model, options, settings.dtype)
    columns = subject.columns()
    measured = with_inputs(read_data(data, columns, t0=options.t0), inputs or {}, columns)
    remarks = choose_step(subject, measured)
    check_cost(subject.net, measured.times.tolist(), numbers=len(subject.module.STATES), kept=True)
    free = free_parameters(subject.params, {*settings.fix, *frozen(subject.net, subject.params)})
    values = start_values(subject.net, subject.params, settings.set, subject.system)
    if saved is not None:
        saved.check(subject.digest, measured.digest)
        values = saved.start(values)
    start = start_of(subject.net, values, free, transforms=settings.transforms, scaled=settings.scaled)
    fixed = {name: value for name, value in start.values.items() if name not in free}
    loss = SumOfSquares(subject.net, measured, columns, fixed)
    objective = Objective(loss, start.coordinates)
    try:
        with warned_once():
            optimizer = _optimizer(subject.module, settings, objective)
            trace = _first(objective, optimizer, start) if saved is None else saved.trace(len(free))
            trace = _run(objective, optimizer, trace, settings, progress)
    except getattr(subject.module, "EngineError", ArgumentError) as error:
        raise ArgumentError(str(error)) from error
    notes = [*remarks, *start.notes, *(saved.notes if saved else ())]
    asked = command or _command(options, subject, measured)
    kept = replace(without_defaults(options), dtype=str(loss.dtype).removeprefix("torch."))
    result = _result(subject, measured, columns, kept, start, objective, trace, notes, asked)
    line, told = told_of_steps(subject, loss, result.values, check=check and not trace.interrupted)
    warn(told, stacklevel=3)
    return replace(result, summary=line, steps=steps_of(subject.module, subject.net))


def _optimizer(module: ModuleType, settings: Settings, objective: Objective) -> Optimizer:
    """The optimizer asked for; inside the native kernel where the module has it."""
    if settings.optimizer == "lbfgs":
        precision = float(torch.finfo(objective.loss.dtype).eps)
        return LBFGS(precision=precision, size=objective.loss.data_norm, tolerance=max(1e-9, precision))
    rule = Adam(lr=settings.lr) if settings.optimizer == "adam" else GaussNewton(objective)
    fused = fused_problem(module, objective)
    if fused is None:
        return rule
    limit = rule.epochs if settings.epochs is None else settings.epochs
    return FusedAdam(rule, *fused, limit) if isinstance(rule, Adam) else FusedGaussNewton(*fused, limit)


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


_OF_THE_ADJOINT = {"continuous": ": give a larger adjoint_rtol, more max_steps, or adjoint='discrete'"}


def _first(objective: Objective, optimizer: Optimizer, start: Start) -> Trace:
    """The trace of the start alone. Raises SimulationError where the model cannot be simulated there."""
    if isinstance(optimizer, FusedAdam | FusedGaussNewton):
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


def _run(
    objective: Objective,
    optimizer: Optimizer,
    trace: Trace,
    settings: Settings,
    progress: Progress | None,
) -> Trace:
    epochs = optimizer.epochs if settings.epochs is None else settings.epochs
    if trace.state.epoch >= epochs or trace.state.converged:
        return trace
    if progress is None:
        return minimize(objective, optimizer, trace, epochs=epochs)
    progress.begin(epochs, trace.state.epoch)
    return minimize(objective, optimizer, trace, epochs=epochs, progress=progress)


def _result(
    subject: Subject,
    data: Dataset,
    columns: Columns,
    options: Options,
    start: Start,
    objective: Objective,
    trace: Trace,
    notes: list[str],
    command: str,
) -> FitResult:
    fitted = objective.natural(trace.best.theta)
    apply_values(subject.net, subject.params, {**start.values, **fitted})
    notes += _remarks(subject, start, fitted, trace)
    return FitResult(
        values={name: fitted.get(name, value) for name, value in start.values.items()},
        start=start.values,
        fixed=tuple(name for name in start.values if name not in fitted),
        loss=trace.best.loss,
        losses=trace.losses,
        converged=trace.state.converged,
        interrupted=trace.interrupted,
        message=trace.message,
        notes=tuple(dict.fromkeys(notes)),
        options=options.given,
        command=command,
        name=subject.name,
        model_digest=subject.digest,
        data=data,
        columns=columns,
        net=subject.net,
        system=subject.system,
        objective=objective.loss,
        trace=trace,
    )


def _remarks(subject: Subject, start: Start, fitted: Mapping[str, float], trace: Trace) -> list[str]:
    """What a person should know of the fit and of the fitted values."""
    stiffness = getattr(getattr(subject.net, "status", None), "stiffness", "")
    notes = [stiffness] if stiffness else []
    if subject.net.adjoint == "continuous" and trace.state.finished and not trace.state.converged:
        finer = "smaller tolerances of its own" if getattr(subject.net, "control", ()) else "a smaller dt"
        notes.append(f"the continuous adjoint is approximate: {finer}, or the discrete one, may lead further")
    unseen = unseen_parameters(subject.system) if subject.system else {}
    for k, name in enumerate(fitted):
        if name in unseen:
            notes.append(unseen[name])
        elif trace.state.epoch and trace.state.gradient[k] == 0 and trace.best.theta[k] == start.theta[k]:
            notes.append(f"{name} has no effect on what was measured; it stays at its start")
    for param in subject.system.params if subject.system else ():
        if param.name not in fitted:
            continue
        value, interval = fitted[param.name], param.interval
        if value not in interval and value not in (interval.lower, interval.upper):
            notes.append(f"{param.name} has left its bounds {interval}; transforms 'model' keeps them")
        for bound in (interval.lower, interval.upper):
            if abs(value - bound) <= 1e-6 * abs(start.values[param.name] - bound) < np.inf:
                notes.append(f"{param.name} has run onto its bound {bound:g}")
    return notes


def _command(options: Options, subject: Subject, data: Dataset) -> str:
    given = [f"{name}={value!r}" for name, value in options.given.items() if value not in ([], {})]
    return f"odec.fit({', '.join([repr(subject.name), repr(data.name), *given])})"
