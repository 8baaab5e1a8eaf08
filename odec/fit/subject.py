"""What is fitted: a Model, the names of its module, and what is known of its source."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch

from odec import build
from odec.arguments import input_series
from odec.errors import ArgumentError, check_mapping, did_you_mean
from odec.fit.data import Columns, Dataset
from odec.fit.noise import Term, with_noise
from odec.fit.options import Options
from odec.passes.scale import fixed_step
from odec.runtime.compiled import Compiled
from odec.runtime.errors import EngineError
from odec.runtime.model import Model
from odec.runtime.settings import default_settings
from odec.runtime.shaped import arrays_of, by_element
from odec.steps import StepRequest
from odec.system import System

_STEPS = tuple(field.name for field in fields(StepRequest))
_ADJOINT = ("adjoint", "adjoint_rtol", "adjoint_atol")
_OF_THE_MODEL = (*_STEPS, "clip", "method", "dtype", "engine", *_ADJOINT)
_OF_A_MODULE = {*_STEPS, "clip", "engine", *_ADJOINT}
_OF_SOME_METHODS = {*_STEPS, *_ADJOINT} - {"dt"}


@dataclass(frozen=True)
class Subject:
    """A Model to fit.

    system: None for a module that this process did not compile. digest: SHA-256 of the source, or of the file
    of a module that was given. stepless: whether nothing says how long a step may be.
    own_values: whether the fit starts at the Model's present values. terms: the noise of observables, whose
    arguments are further observables of the Model.
    """

    net: Any
    system: System | None
    name: str
    digest: str
    stepless: bool = False
    own_values: bool = False
    terms: Mapping[str, Term] = field(default_factory=dict)

    @property
    def params(self) -> tuple[str, ...]:
        """The parameters' numbers by name: of an array its elements, `W[0,1]`."""
        return tuple(name for param in self.net.compiled.params for name in param.columns)

    def columns(self) -> Columns:
        """What data may measure of the model."""
        own = self.net.compiled
        hidden = {name for term in self.terms.values() for name in term.args}
        return Columns(
            time=own.time,
            states=own.states,
            observables=tuple(name for name in own.observables if name not in hidden),
            inputs=own.input_names,
            start=own.span.start if own.span else None,
            stop=own.span.stop if own.span else None,
            time_unit=own.time_unit or None,
        )


def subject_of(model: Any, options: Options, dtype: str) -> Subject:
    """Compile a path, Source or System, or take a loaded module or a Model as it is.

    Raises ModelError for a model with errors, ArgumentError for options that come too late.
    """
    if isinstance(model, torch.nn.Module):
        module, net = _home(model), cast(Any, model)
        own = {"dtype": str(net.vector().dtype).removeprefix("torch.")}  # which a resumed fit says again
        asked = options.given
        late = [name for name in _OF_THE_MODEL if name in asked and asked[name] != own.get(name)]
        if late:
            raise ArgumentError(f"{', '.join(late)}: to be set where the Model is made, not for its fit")
        system = build.SYSTEMS.get(module.__name__)
        return Subject(net, system, _name(module, system), _file_digest(module), own_values=True)
    if isinstance(model, ModuleType):
        if options.method is not None or options.engine is not None:
            raise ArgumentError(
                "method and engine were fixed when the module was compiled; fit the .ode file"
            )
        if not {"Model", "COMPILED"} <= vars(model).keys():
            raise ArgumentError(
                f"{model.__name__} is not a module that this odec wrote: compile its model again"
            )
        known = build.SYSTEMS.get(model.__name__)
        net, stepless = _make(model, options, dtype, known)
        return Subject(net, known, _name(model, known), _file_digest(model), stepless)
    system = build.parse(model)
    noisy, terms = with_noise(system)
    module = build.load(noisy, options.steps.method_for(system, options.method), options.engine or "auto")
    net, stepless = _make(module, options, dtype, system)
    return Subject(net, system, system.source.name, system.digest, stepless, terms=terms)


def with_inputs(data: Dataset, inputs: Mapping[str, tuple[Any, Any]], columns: Columns) -> Dataset:
    """The data with further input series. Raises ArgumentError where one is unknown, missing or misshapen."""
    series, digest = dict(data.inputs), sha256(data.digest.encode())
    check_mapping(inputs, "inputs", "{'u': (times, values)}")
    arrays = {name: shape for name, (_, shape) in arrays_of(columns.inputs).items() if shape}
    for name, given in inputs.items():
        if name in arrays:
            times, values = input_series(name, given, columns.time_unit, arrays[name])
            try:
                parts = by_element(columns.inputs, name, torch.as_tensor(values))
            except ValueError as error:
                raise ArgumentError(str(error)) from None
            series |= {part: (times, held.numpy()) for part, held in parts.items()}
            digest.update(name.encode() + times.tobytes() + values.tobytes())
            continue
        if name not in columns.inputs:
            known = f"; the model has {', '.join(columns.inputs) or 'none'}"
            raise ArgumentError(f"unknown input {name!r}{did_you_mean(name, columns.inputs) or known}")
        pair = input_series(name, given, columns.time_unit)
        if pair[0].ndim != 1 or pair[0].shape != pair[1].shape or not len(pair[0]):
            shapes = f"{pair[0].shape} and {pair[1].shape}"
            raise ArgumentError(f"input {name!r} needs times (K,) and values (K,), not {shapes}")
        series[name] = pair
        digest.update(name.encode() + pair[0].tobytes() + pair[1].tobytes())
    for name in columns.inputs:
        if name not in series:
            where = "give it a column in the data (or inputs= from Python)"
            raise ArgumentError(f"the input {name!r} has no values: {where}")
    return replace(data, inputs=series, digest=digest.hexdigest() if inputs else data.digest)


def choose_step(subject: Subject, data: Dataset) -> tuple[str, ...]:
    """Where nothing says how long a fixed step may be, what suits the times measured; with a remark."""
    if not subject.stepless:
        return ()
    run, span = subject.net.compiled.span, abs(float(data.times[-1] - data.times[0]))
    subject.net.dt = fixed_step(span, run.step if run else None)
    return (f"no dt is given (in the `run` line, or --dt): steps of at most {subject.net.dt:g} were taken",)


def _make(module: ModuleType, options: Options, dtype: str, system: System | None = None) -> tuple[Any, bool]:
    """The Model, and whether its step must still be chosen."""
    own: Compiled = module.COMPILED
    keywords = {name: value for name, value in options.given.items() if name in _OF_A_MODULE}
    known = default_settings(own)
    unable = [name for name in keywords if name in _OF_SOME_METHODS and name not in known]
    if unable:
        lacks = "continuous adjoint" if own.adaptive else "error estimate to choose steps by"
        raise ArgumentError(f"{unable[0]} does not apply: the method has no {lacks}")
    fixed = not own.is_map and not own.adaptive and options.steps.dt is None
    stepless = fixed and (own.defaults.dt is None if system is None else not (system.run and system.run.dt))
    if stepless:
        keywords["dt"] = 1.0
    try:
        return module.Model(dtype=getattr(torch, dtype), **keywords), stepless
    except (TypeError, ValueError, EngineError) as error:
        raise ArgumentError(f"the model cannot be made: {error}") from None


def _name(module: ModuleType, system: System | None) -> str:
    return module.__name__ if system is None else system.source.name


def _home(net: torch.nn.Module) -> ModuleType:
    """The module that defines a Model."""
    if not isinstance(net, Model):
        raise ArgumentError("this is not a Model that odec wrote, or its module is of an earlier odec")
    for cls in type(net).__mro__:  # torch's parametrizations put a class of their own over it
        module = sys.modules.get(cls.__module__)
        if module is not None and vars(module).get("COMPILED") is net.compiled:
            return module
    raise ArgumentError("the file of this Model is not imported as a module")


def _file_digest(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    return sha256(Path(path).read_bytes()).hexdigest() if path and Path(path).exists() else ""
