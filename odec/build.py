"""From a model's text to its module: read, check, derive, compile, and load from the cache."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from odec import lang, models
from odec.diagnostics import Diagnostic, ModelError, Source
from odec.equations import system_from_equations
from odec.errors import ArgumentError, did_you_mean
from odec.files import cached, code_fingerprint
from odec.keywords import OF_A_MODULE, known_keywords
from odec.steps import choose_method
from odec.system import System, register_builder

if TYPE_CHECKING:
    from odec.passes.program import Programs

ModelLike = System | Source | str | Path
"""A model: a path, its text (a `str` with a line break in it), a Source, or a System."""

SYSTEMS: dict[str, System] = {}
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
            found += _at_start(system)
            choose_method(system)
    except ModelError as error:
        return None, [*error.diagnostics, *found]
    return system, found


def _at_start(system: System) -> list[Diagnostic]:
    from odec.passes.nonfinite import start_warnings

    return start_warnings(system)


def read(model: ModelLike) -> tuple[System, list[Diagnostic]]:
    """The checked model and its warnings. Raises ModelError with all errors of the phase that failed."""
    if isinstance(model, System):
        return model, []
    system, diagnostics = lang.parse(as_source(model), methods=method_names())
    if system is None:
        raise ModelError(diagnostics)
    return system, diagnostics + _at_start(system)


def parse(model: ModelLike) -> System:
    """The checked model. Raises ModelError."""
    if isinstance(model, System):
        return model
    system, diagnostics = lang.parse(as_source(model), methods=method_names())
    if system is None:
        raise ModelError(diagnostics)
    if system.functions:
        from odec.passes.lower import lower

        lower(system)
    return system


def derive(model: ModelLike) -> Programs:
    """The model's programs: right-hand side, derivatives, initial values, observables. Raises ModelError."""
    from odec.passes import derive

    return derive(parse(model))


@known_keywords(OF_A_MODULE)
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
    kind = choose_engine(engine, chosen, system)
    how = {"version": odec.__version__, "engine": kind}
    return module_text(derive(system), chosen, **how, standalone=standalone)


@known_keywords(OF_A_MODULE)
def load(model: ModelLike, method: str | None = None, engine: str = "auto") -> ModuleType:
    """The compiled module, imported: from the cache where the same model was compiled before.

    Loading one model twice gives one module. Raises ModelError, ArgumentError.
    """
    import odec

    system = _by_plain_name(parse(model))
    chosen = choose_method(system, method)
    kind = choose_engine(engine, chosen, system)
    facts = (odec.__version__, code_fingerprint(), system.source.name, system.source.text, chosen, kind)
    read = (digest for _, digest in system.files)
    key = sha256("\0".join((*facts, *read)).encode("utf-8", "surrogatepass")).hexdigest()
    own = f"model_{key[:20]}"
    name = f"{models.__name__}.{own}"
    SYSTEMS[name] = system
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


def choose_engine(engine: str, method: str, system: System | None = None) -> str:
    """The engine to compile a method for; "auto" is native where it has the method and a C compiler is there.

    system: the model, where it may have arrays, which the native engine has not with every method. Raises
    ArgumentError for an unknown engine, and for the native one without a kernel of these.
    """
    from odec.backends import ENGINES
    from odec.methods import MAP, get
    from odec.runtime.native import toolchain

    able = ENGINES if method == MAP else get(method).engines
    if system is not None and system.has_arrays and engine in ("auto", "native"):
        from odec.backends.native import refusal

        told = refusal(system, None if method == MAP else get(method))
        if told and engine == "native":
            raise ArgumentError(f"{told}; choose engine='torch', or 'auto', which takes it")
        able = ("torch",) if told else able
    if engine == "auto":
        return "native" if "native" in able and toolchain.is_there() else "torch"
    if engine not in ENGINES:
        hint = did_you_mean(engine, ENGINES) or f"; known: {', '.join(ENGINES)}"
        raise ArgumentError(f"unknown engine {engine!r}{hint}")
    return engine
