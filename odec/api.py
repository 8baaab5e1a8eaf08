"""The public functions: check, parse, compile, load, simulate, fit, and models from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from odec.arguments import time_list
from odec.build import SYSTEMS, ModelLike, check, compile, load, parse
from odec.cost import limited
from odec.equations import system_from_equations
from odec.errors import ArgumentError
from odec.fit import fit
from odec.keywords import OF_A_RUN, known_keywords
from odec.results import Simulation
from odec.simulation import RunRequest, from_start, output_times, run_module, run_net
from odec.steps import StepRequest
from odec.system import System

if TYPE_CHECKING:
    import numpy as np
    import torch

    from odec.fit import FitResult

__all__ = ["check", "compile", "fit", "load", "parse", "simulate", "system_from_equations"]


@known_keywords(OF_A_RUN)
def simulate(
    model: ModelLike | FitResult | torch.nn.Module,
    times: Sequence[float] | np.ndarray | None = None,
    *,
    t0: float | None = None,
    t1: float | None = None,
    step: float | None = None,
    dt: float | None = None,
    rtol: float | None = None,
    atol: float | Sequence[float] | None = None,
    min_step: float | None = None,
    max_step: float | None = None,
    max_steps: int | None = None,
    dense_output: bool | None = None,
    method: str | None = None,
    engine: str = "auto",
    params: Mapping[str, Any] | None = None,
    init: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    dtype: str = "float64",
    seed: int | None = 0,
    partial: bool = False,
    check: bool = True,
    max_time: float | None = None,
) -> Simulation:
    """Simulate a model with numbers in and numbers out.

    model: a path, its text, a System; a Model as it stands; or a FitResult: its Model at the fitted values,
    with the fit's inputs (with a method, an engine or steps of its own: its model, compiled for them).
    times: (T,); without it, the model's `run` line with t0, t1 and step in place of its own. The run starts
    at t0, else where the `run` line starts, else at times[0]. params, init: a number or (*batch,) by name.
    inputs: by name (times, values), a number, a pandas Series, or the path of a CSV of two columns.
    dt: longest step of the method; or rtol and atol (a number, or one per state): steps that keep the local
    error within atol + rtol·|x|, from min_step to max_step long and at most max_steps of them. dense_output:
    whether times may lie within such steps (the method's own interpolant), not only at their ends; None:
    where more than 100 follow the first. partial: of a trajectory that fails, return what comes before, with
    NaN behind it. seed: of parameters whose defaults are drawn; None: torch's global generator. max_time: the
    most seconds that the run may take.
    check: whether to look for states below the reach of atol and, by a further run, at what half of a fixed
    step changes; what is found is an AccuracyWarning.
    Raises ModelError, ArgumentError, and SimulationError where a trajectory cannot be finished.
    """
    steps = StepRequest(dt, rtol, atol, min_step, max_step, max_steps, dense_output)
    if times is not None and (t1 is not None or step is not None):
        raise ArgumentError("times= says all outputs: leave out t1= and step=")
    anew = [*steps.given, *["method"] * (method is not None), *["engine"] * (engine not in (None, "auto"))]
    asked = RunRequest((), params or {}, init or {}, inputs or {}, partial, check)
    system, net, asked = _subject(model, asked, anew)
    run = system.run if system else net.compiled.span
    if times is None:
        is_map = system.kind == "map" if system else net.compiled.is_map
        chosen, extra = output_times(run, t0=t0, t1=t1, step=step, is_map=is_map), 0
    else:
        chosen, extra = from_start(run, time_list(times), t0)
    asked = replace(asked, times=chosen)
    if net is not None:
        with limited(max_time):
            return run_net(system, net, asked).cut(extra)
    assert system is not None
    module = load(system, steps.method_for(system, method), engine)
    with limited(max_time):
        return run_module(
            system, module, asked, steps, dtype=dtype, engine=engine, spacing=step, seed=seed
        ).cut(extra)


def _system_of(net: torch.nn.Module) -> System | None:
    """The model that a Model was loaded from, if this process loaded it."""
    homes = (cls.__module__ for cls in type(net).__mro__)  # torch's parametrizations put a class over it
    return next((SYSTEMS[home] for home in homes if home in SYSTEMS), None)


def _subject(model: Any, asked: RunRequest, anew: Sequence[str]) -> tuple[System | None, Any, RunRequest]:
    """The model to run, where it is known, its Model, where there is one, and what it is run with.

    anew: what is asked of the run that a Model has already. Raises ModelError, ArgumentError.
    """
    if hasattr(model, "objective"):  # what a fit ended with
        asked = replace(asked, inputs={**model.data.inputs, **asked.inputs})
        if anew and model.system is not None:
            return model.system, None, replace(asked, params={**model.params, **asked.params})
        system, net = model.system, model.net
    elif hasattr(model, "vector"):
        system, net = _system_of(model), model
    else:
        return parse(model), None, asked
    if anew:
        raise ArgumentError(f"{', '.join(anew)}: to be set on the Model (net.dt = 0.1), not for its run")
    return system, net, asked
