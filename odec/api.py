"""The public functions: check, parse, compile, load, simulate, fit, and models from Python."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from odec import lang, models
from odec.arguments import time_list
from odec.diagnostics import Diagnostic, ModelError, Source
from odec.equations import system_from_equations
from odec.errors import ArgumentError, did_you_mean
from odec.files import cached, code_fingerprint
from odec.fit import fit
from odec.results import Simulation
from odec.simulation import from_start, output_times, run_module, run_net
from odec.steps import choose_method, method_for
from odec.system import System, register_builder

if TYPE_CHECKING:
    import numpy as np
    import torch

    from odec.fit import FitResult
    from odec.passes.program import Programs

__all__ = ["check", "compile", "fit", "load", "parse", "simulate", "system_from_equations"]

ModelLike = System | Source | str | Path
"""A model: a path, its text (a `str` with a line break in it), a Source, or a System."""

_SYSTEMS: dict[str, System] = {}
"""The models that this process loaded, by the names of their modules."""

register_builder(system_from_equations)


def as_source(model: Source | str | Path) -> Source:
    """The model's text: of a file, of a `str` with a line break, or the Source itself.

    Raises ModelError for a file that cannot be read as text.
    """
    if isinstance(model, Source):
        return model
    if isinstance(model, str) and ("\n" in model or "\r" in model):
        return lang.text_source("model.ode", model)
    return lang.read_source(model)


def method_names() -> frozenset[str]:
    """The names that a `run … method` may say."""
    from odec.methods import names

    return frozenset(names())


def check(model: Source | str | Path) -> list[Diagnostic]:
    """Every diagnostic of a model, errors and warnings; an empty list is a clean model.

    Raises OSError for a file that is not there.
    """
    try:
        source = as_source(model)
    except ModelError as error:
        return list(error.diagnostics)
    return diagnose(source)[1]


def diagnose(model: ModelLike) -> tuple[System | None, list[Diagnostic]]:
    """The checked model, None where it has errors, and every error and warning, those of its steps too."""
    if isinstance(model, System):
        return model, []
    system, found = lang.parse(as_source(model), methods=method_names())
    try:
        if system is not None:
            choose_method(system)
    except ModelError as error:
        return None, [*error.diagnostics, *found]
    return system, found


def read(model: ModelLike) -> tuple[System, list[Diagnostic]]:
    """The checked model and its warnings. Raises ModelError with all errors of the phase that failed."""
    if isinstance(model, System):
        return model, []
    system, diagnostics = lang.parse(as_source(model), methods=method_names())
    if system is None:
        raise ModelError(diagnostics)
    if system.functions:
        from odec.passes.lower import lower

        lower(system)
    return system, diagnostics


def parse(model: ModelLike) -> System:
    """The checked model. Raises ModelError."""
    return read(model)[0]


def derive(model: ModelLike) -> Programs:
    """The model's programs: right-hand side, derivatives, initial values, observables. Raises ModelError."""
    from odec.passes import derive

    return derive(parse(model))


def compile(
    model: ModelLike, *, method: str | None = None, engine: str = "torch", standalone: bool = False
) -> str:
    """The text of a Python module that simulates and differentiates the model.

    The same model, method and engine give the same text, byte for byte. It imports odec.runtime; standalone:
    the copy of it that `odec compile --standalone` writes beside. Raises ModelError, ArgumentError.
    """
    import odec
    from odec.passes import derive
    from odec.render import module_text

    system = _by_plain_name(parse(model))
    chosen = choose_method(system, method)
    kind = choose_engine(engine, chosen)
    how = {"version": odec.__version__, "engine": kind}
    return module_text(derive(system), chosen, **how, standalone=standalone)


def load(model: ModelLike, method: str | None = None, engine: str = "auto") -> ModuleType:
    """The compiled module, imported: from the cache where the same model was compiled before.

    Loading one model twice gives one module. Raises ModelError, ArgumentError.
    """
    import odec

    system = _by_plain_name(parse(model))
    chosen = choose_method(system, method)
    kind = choose_engine(engine, chosen)
    facts = (odec.__version__, code_fingerprint(), system.source.name, system.source.text, chosen, kind)
    key = sha256("\0".join(facts).encode("utf-8", "surrogatepass")).hexdigest()
    own = f"model_{key[:20]}"
    name = f"{models.__name__}.{own}"
    _SYSTEMS[name] = system
    if name in sys.modules:
        return sys.modules[name]
    return _import(name, cached(own, lambda: compile(system, method=method, engine=kind)))


def _by_plain_name(system: System) -> System:
    """The model with a source that is named without its folders, which must not reach the generated text."""
    source = Source(Path(system.source.name).name, system.source.text)
    return dataclasses.replace(system, source=source)


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def choose_engine(engine: str, method: str) -> str:
    """The engine to compile a method for; "auto" is native where it has the method and a C compiler is there.

    Raises ArgumentError for an unknown engine.
    """
    from odec.backends import ENGINES
    from odec.methods import MAP, get
    from odec.runtime.native import toolchain

    able = ENGINES if method == MAP else get(method).engines
    if engine == "auto":
        return "native" if "native" in able and toolchain.is_there() else "torch"
    if engine not in ENGINES:
        hint = did_you_mean(engine, ENGINES) or f"; known: {', '.join(ENGINES)}"
        raise ArgumentError(f"unknown engine {engine!r}{hint}")
    return engine


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
    partial: bool = False,
    check: bool = True,
) -> Simulation:
    """Simulate a model with numbers in and numbers out.

    model: a path, its text, a System; a Model as it stands; or a FitResult: its Model at the fitted values,
    with the fit's inputs (with a method, an engine or steps of its own: its model, compiled for them).
    times: (T,); without it, the model's `run` line with t0, t1 and step in place of its own. The run starts
    at t0, else where the `run` line starts, else at times[0]. params, init: a number or (*batch,) by name.
    inputs: by name (times, values), a number, a pandas Series, or the path of a CSV of two columns.
    dt: longest step of the method; or rtol and atol (a number, or one per state): steps that keep the local
    error within atol + rtol·|x|, from min_step to max_step long and at most max_steps of them. dense_output:
    whether times may lie within such steps (the method's own interpolant), not only at their ends. partial:
    of a trajectory that fails, return what comes before, with NaN behind it.
    check: whether to look for states below the reach of atol and, by a further run, at what half of a fixed
    step changes; what is found is an AccuracyWarning.
    Raises ModelError, ArgumentError, and SimulationError where a trajectory cannot be finished.
    """
    steps = {"dt": dt, "rtol": rtol, "atol": atol, "min_step": min_step, "max_step": max_step}
    steps |= {"max_steps": max_steps, "dense_output": dense_output}
    asked = {**steps, "method": method, "engine": None if engine == "auto" else engine}
    if times is not None and (t1 is not None or step is not None):
        raise ArgumentError("times= says all outputs: leave out t1= and step=")
    anew = [name for name, value in asked.items() if value is not None]
    given = {"params": params or {}, "init": init or {}, "inputs": inputs or {}}
    system, net, given = _subject(model, given, anew)
    if times is None:
        chosen, extra = output_times(system, t0=t0, t1=t1, step=step), 0
    else:
        chosen, extra = from_start(system, time_list(times), t0)
    how: dict[str, Any] = {**given, "partial": partial, "check": check}
    if net is not None:
        return run_net(system, net, chosen, **how).cut(extra)
    assert system is not None
    module = load(system, method_for(system, method, steps), engine)
    how |= {"steps": steps, "spacing": step, "dtype": dtype, "engine": engine}
    return run_module(system, module, chosen, **how).cut(extra)


def _subject(
    model: Any, given: dict[str, Any], anew: Sequence[str]
) -> tuple[System | None, Any, dict[str, Any]]:
    """The model to run, where it is known, its Model, where there is one, and what it is run with.

    anew: what is asked of the run that a Model has already. Raises ModelError, ArgumentError.
    """
    if hasattr(model, "objective"):  # what a fit ended with
        given = {**given, "inputs": {**model.data.inputs, **given["inputs"]}}
        if anew and model.system is not None:
            return model.system, None, {**given, "params": {**model.values, **given["params"]}}
        system, net = model.system, model.net
    elif hasattr(model, "vector"):
        system, net = _SYSTEMS.get(type(model).__module__), model
    else:
        return parse(model), None, given
    if anew:
        raise ArgumentError(f"{', '.join(anew)}: to be set on the Model (net.dt = 0.1), not for its run")
    return system, net, given
