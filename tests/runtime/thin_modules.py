"""Models for tests of the run-time: the equations of a generated module, with a method's table."""

from __future__ import annotations

import functools
import importlib.util
import lzma
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import odec
import odec.system
from odec import methods
from odec.backends.torch.tables import table
from odec.runtime import methods as rt_methods
from odec.runtime.compiled import Compiled, Equations, Input, Param, StiffEquations

WHOLE = Path(__file__).parent / "whole"
"""Modules that hold their whole run-time, compressed, by what they were made of."""

_DERIVATIVES = ("observables_vjp", "observables_jvp", "initial_vjp", "initial_jvp")

_folder = Path(tempfile.mkdtemp(prefix="odec-runtime-"))


@functools.cache
def module_of(text: str, method: str | None, engine: str = "torch") -> ModuleType:
    """The module of a model as odec 0.1 wrote it, with all of its run-time, which ours is held against.

    Raises FileNotFoundError for a model, method and engine of which none is kept.
    """
    key = sha256(f"{text}\0{method}\0{engine}".encode()).hexdigest()[:16]
    code = lzma.decompress((WHOLE / f"{key}.py.xz").read_bytes()).decode()
    name = f"old_{len(list(_folder.iterdir()))}"
    path = _folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def method_of(name: str | None) -> rt_methods.Method:
    """A method's table as a generated module holds it."""
    text = table(methods.get(name) if name else None)
    namespace = {"rt": rt_methods, "inf": float("inf")}
    found: rt_methods.Method = eval(text, namespace)
    return found


def compiled_of(text: str, method: str | None, *, linear: bool = False) -> Compiled:
    """What a thin module of a model would say of itself, by the functions of a whole one.

    The method is None for a map. Rosenbrock methods and auto bring the stiff equations along.
    """
    module = module_of(text, method)
    system = odec.parse(text)
    equations = Equations(
        module.rhs,
        module.rhs_vjp,
        module.rhs_jvp,
        module.jacobian,
        module.initial,
        module.observables,
        **{name: vars(module).get(name) for name in _DERIVATIVES},
        stiff=_stiff(module),
        linear=linear,
    )
    params = tuple(_param(p, module._ATTRIBUTES[p.name]) for p in system.params)
    inputs = tuple(Input(i.name, i.kind) for i in system.inputs)
    defaults = odec.load(text, method, "torch").COMPILED.defaults
    digest = sha256(text.encode()).hexdigest()[:16]
    return Compiled(
        "model", digest, tuple(module.STATES), params, tuple(module.OBSERVABLES),
        equations, method_of(method), inputs, defaults=defaults,
    )  # fmt: skip


def _param(p: odec.system.Param, attribute: str) -> Param:
    interval = p.interval
    ends = "[("[not interval.lower_closed] + "])"[not interval.upper_closed]
    return Param(p.name, p.value, interval.lower, interval.upper, ends, p.transform, attribute=attribute)


def _stiff(module: ModuleType) -> StiffEquations | None:
    found = vars(module)
    if "jacobian_product" not in found and "rhs_time" not in found and "_factorised" not in found:
        return None
    return StiffEquations(
        tuple(found.get("_ROWS", ())),
        tuple(found.get("_COLUMNS", ())),
        *(found.get(name) for name in ("jacobian_product", "jacobian_vjp", "jacobian_jvp")),
        *(found.get(name) for name in ("rhs_time", "rhs_time_vjp", "rhs_time_jvp")),
    )
