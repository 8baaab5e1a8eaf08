"""A fit from its arguments to its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from odec.accuracy import steps_document, warn
from odec.cost import check_cost, seconds_of
from odec.errors import ArgumentError, SimulationError, warned_once
from odec.fit.accuracy import told_of_steps
from odec.fit.choose import optimizer_of
from odec.fit.data import Columns, Dataset, read_data
from odec.fit.ending import conclude, of_the_model
from odec.fit.first import first_look
from odec.fit.likelihood import Likelihood, check_optimizer
from odec.fit.loss import Loss, Objective, SumOfSquares
from odec.fit.noise import terms_of
from odec.fit.optimize import TOLD, Optimizer, Trace, minimize
from odec.fit.options import Options, Settings, settle, without_defaults
from odec.fit.progress import Progress
from odec.fit.result import FitResult
from odec.fit.saved import Saved, read_saved
from odec.fit.start import Start, apply_values, free_parameters, frozen, start_of, start_values
from odec.fit.subject import Subject, choose_step, subject_of, with_inputs
from odec.fit.uncertainty import Uncertainty, uncertainty_of
from odec.fit.verdict import Local
from odec.fit.weights import weighting_of
from odec.lang.switch_warnings import unseen_parameters
from odec.runtime.errors import EngineError
from odec.runtime.stopping import OutOfTime, within


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
    max_time: float | None = None,
) -> FitResult:
    """Fit a model to data; see `odec.fit`."""
    saved = None if resume is None else read_saved(resume)
    again = options.epochs is not None
    if saved is not None:
        options = options.over(saved.options, saved.path)
    settings = settle(options, epochs_again=again)
    if options.seed is not None:
        torch.manual_seed(options.seed)
    problem = _problem(model, data, options, settings, inputs or {}, saved)
    seconds = seconds_of(max_time)
    try:
        with warned_once(), within():
            trace, seen, local = _minimum(problem, settings, saved, progress, seconds)
            sure = _uncertainty(problem, trace, local)
    except EngineError as error:
        raise ArgumentError(str(error)) from error
    loss, subject = problem.objective.loss, problem.subject
    asked = command or _command(options, subject, loss.data)
    kept = replace(without_defaults(options), dtype=str(loss.dtype).removeprefix("torch."))
    result = _result(problem, kept, trace, [*problem.notes, *seen], asked, sure)
    try:
        line, told = told_of_steps(subject, loss, result.values, check=check and not trace.cut_short)
        warn(told, stacklevel=4)
    except TOLD:
        trace.interrupted = True
        return replace(result, interrupted=True, converged=False, message=trace.message, uncertainty=None)
    return replace(result, summary=line)


@dataclass(frozen=True)
class _Problem:
    """What is minimized, from where; notes: what a person should know of how it was put."""

    subject: Subject
    columns: Columns
    start: Start
    objective: Objective
    notes: tuple[str, ...]


def _problem(
    model: Any,
    data: Any,
    options: Options,
    settings: Settings,
    inputs: Mapping[str, tuple[Any, Any]],
    saved: Saved | None,
) -> _Problem:
    """What is minimized of a model and data. Raises ModelError, DataError, ArgumentError."""
    subject = subject_of(model, options, settings.dtype)
    columns = subject.columns()
    measured = with_inputs(read_data(data, columns, t0=options.t0), inputs, columns)
    chosen = choose_step(subject, measured)
    check_cost(subject.net, measured.times.tolist(), numbers=len(subject.net.compiled.states), kept=True)
    still = {*settings.fix, *frozen(subject.net, subject.params)}
    free = free_parameters(subject.params, still, settings.free)
    values = start_values(subject.net, subject.params, settings.set, subject.system, own=subject.own_values)
    if saved is not None:
        saved.check(subject.digest, measured.digest)
        values = saved.start(values)
    start = start_of(subject.net, values, free, transforms=settings.transforms, scaled=settings.scaled)
    fixed = {name: value for name, value in start.values.items() if name not in free}
    loss, weighted = _loss(subject, measured, columns, settings, fixed)
    notes = (*measured.notes, *chosen, *weighted, *start.notes)
    return _Problem(subject, columns, start, Objective(loss, start.coordinates), notes)


def _loss(
    subject: Subject, data: Dataset, columns: Columns, settings: Settings, fixed: Mapping[str, float]
) -> tuple[Loss, tuple[str, ...]]:
    """The sum of squares, or the negative log-likelihood of the model's noise; and remarks."""
    terms = terms_of(data, subject.net.compiled.noise, subject.terms, subject.system)
    if terms is not None:
        check_optimizer(settings.optimizer, terms)
        return Likelihood(subject.net, data, columns, fixed, terms), ()
    weighting = weighting_of(data, subject.net.compiled, settings.weights)
    return SumOfSquares(subject.net, data, columns, fixed, weighting.scales, weighting.sigma), weighting.notes


def _minimum(
    problem: _Problem,
    settings: Settings,
    saved: Saved | None,
    progress: Progress | None,
    seconds: float | None,
) -> tuple[Trace, Sequence[str], Local | None]:
    """The trace to the minimum, or to the last epoch, what is to be said of where it ends, and the problem
    near that."""
    objective, start, system = problem.objective, problem.start, problem.subject.system
    before = saved.trace(len(objective.coordinates.names)) if saved else None
    optimizer, last = optimizer_of(settings, objective, start, before)
    try:
        with within(seconds):
            begun = before or first_look(objective, optimizer, start, system)
            trace = _run(objective, optimizer, begun, last, progress)
    except OutOfTime as error:
        first = f"the first simulation did not end within max_time = {error.seconds:g} s"
        raise SimulationError(first) from error
    unseen = unseen_parameters(system) if system else {}
    return conclude(objective, start, trace, settings.optimizer, unseen)


def _uncertainty(problem: _Problem, trace: Trace, local: Local | None) -> Uncertainty | None:
    """That of a minimum; None where the fit has not come to one."""
    if local is None or not trace.converged:
        return None
    objective = problem.objective
    return uncertainty_of(local, objective.coordinates, trace.best.theta, objective.loss.sigma)


def _run(
    objective: Objective, optimizer: Optimizer, trace: Trace, last: int, progress: Progress | None
) -> Trace:
    """The trace, led on to the end of the optimizer or to the last epoch."""
    over = trace.state.finished if trace.interrupted else trace.state.converged
    trace.interrupted = False
    if trace.state.epoch >= last or over:
        return trace
    if progress is None:
        return minimize(objective, optimizer, trace, epochs=last)
    progress.begin(last, trace.state.epoch)
    return minimize(objective, optimizer, trace, epochs=last, progress=progress)


def _result(
    problem: _Problem,
    options: Options,
    trace: Trace,
    notes: list[str],
    command: str,
    uncertainty: Uncertainty | None,
) -> FitResult:
    subject, start, objective = problem.subject, problem.start, problem.objective
    fitted = objective.natural(trace.best.theta)
    apply_values(subject.net, {**start.values, **fitted})
    notes += _remarks(subject, fitted, trace)
    return FitResult(
        values={name: fitted.get(name, value) for name, value in start.values.items()},
        start=start.values,
        fixed=tuple(name for name in start.values if name not in fitted),
        loss=trace.best.loss,
        losses=trace.losses,
        converged=trace.converged,
        interrupted=trace.interrupted,
        message=trace.message,
        notes=tuple(dict.fromkeys(notes)),
        options=options.given,
        command=command,
        name=subject.name,
        model_digest=subject.digest,
        data=objective.loss.data,
        columns=problem.columns,
        net=subject.net,
        system=subject.system,
        objective=objective.loss,
        trace=trace,
        steps=steps_document(subject.net),
        uncertainty=uncertainty,
    )


def _remarks(subject: Subject, fitted: Mapping[str, float], trace: Trace) -> list[str]:
    """What a person should know of the fit and of the fitted values."""
    stiffness = subject.net.status.stiffness if subject.net.status else ""
    notes = [stiffness] if stiffness else []
    if subject.net.adjoint == "continuous" and trace.state.finished and not trace.converged:
        finer = "smaller tolerances of its own" if subject.net.steps.tolerance else "a smaller dt"
        notes.append(f"the continuous adjoint is approximate: {finer}, or the discrete one, may lead further")
    return notes + of_the_model(fitted, subject.net.compiled.params)


def _command(options: Options, subject: Subject, data: Dataset) -> str:
    given = [f"{name}={value!r}" for name, value in options.given.items() if value not in ([], {})]
    return f"odec.fit({', '.join([repr(subject.name), repr(data.name), *given])})"
