"""Models for tests of the run-time: the equations of a generated module, with a method's table."""

from __future__ import annotations

import functools
import importlib.util
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import odec
import odec.system
from odec import methods
from odec.backends.torch.module import _default_steps as default_steps
from odec.backends.torch.tables import table
from odec.methods.auto import Auto
from odec.runtime import compiled as rt_compiled
from odec.runtime import methods as rt_methods
from odec.runtime.compiled import Compiled, Equations, Input, Param, StiffEquations

_DERIVATIVES = ("observables_vjp", "observables_jvp", "initial_vjp", "initial_jvp")
_folder = Path(tempfile.mkdtemp(prefix="odec-runtime-"))


@functools.cache
def module_of(text: str, method: str | None, engine: str = "torch") -> ModuleType:
    """The generated module of a model with all of its own run-time: what the run-time is held against."""
    code = odec.compile(text, method=method, engine=engine)
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
    defaults = _defaults(system, method)
    digest = sha256(text.encode()).hexdigest()[:16]
    return Compiled(
        "model", digest, tuple(module.STATES), params, tuple(module.OBSERVABLES),
        equations, method_of(method), inputs, defaults=defaults,
    )  # fmt: skip


def _defaults(system: odec.system.System, name: str | None) -> rt_compiled.Defaults:
    """The steps where nothing is asked for, as the generated module has them."""
    method = methods.get(name) if name else None
    steps = default_steps(system, method.stiff if isinstance(method, Auto) else method)
    dt, longest = steps["default_dt"], steps.get("longest")
    return rt_compiled.Defaults(
        dt=None if dt is None else float(dt),
        rtol=float(steps.get("default_rtol", 1e-6)),
        atol=tuple(float(value) for value in steps.get("default_atol", ())),
        longest=None if longest is None else float(longest),
    )


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
