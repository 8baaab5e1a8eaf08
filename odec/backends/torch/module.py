"""The context of templates/torch/module.py.jinja: everything the torch module of a model says."""

from __future__ import annotations

import importlib
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from odec.backends.job import Job, of_the_model
from odec.backends.layout import WIDTH
from odec.backends.torch.dense import dense_formulas
from odec.backends.torch.functions import FunctionWriter, attributes, expressions
from odec.backends.torch.steps import formulas
from odec.methods import AUTO, MAP, METHODS, Method, Tableau
from odec.methods.auto import Auto
from odec.methods.stability import real_interval
from odec.passes.program import Programs
from odec.passes.scale import absolute_tolerances, fixed_step, longest_step
from odec.system import Interval, Param, System
from odec.text import python_string
from odec.tree import symbols


def module_job(programs: Programs, method: Method | Auto | None, *, version: str) -> Job:
    """The generated module for a method, or for a map where it is None."""
    system, writer = programs.system, FunctionWriter(programs)
    auto = method if isinstance(method, Auto) else None
    method = method.stiff if isinstance(method, Auto) else method
    own = attributes(programs.params)
    context: dict[str, Any] = {
        **of_the_model(programs, version),
        "params": [_param(param, own[param.name]) for param in system.params],
        "alike": _alike(system.params, own),
        "inputs": list(system.inputs),
        "consts": _consts(programs, writer),
        **_functions(programs, writer),
        "method": method,
        "adaptive": bool(method and method.adaptive),
        "continuous": bool(method and method.family != "multistep"),
        "real_interval": real_interval(method) if isinstance(method, Tableau) else math.inf,
        **_default_steps(system, method),
        "max_steps": "100_000",
        "two_errors": isinstance(method, Tableau) and bool(method.error3),
        "auto": _auto_context(auto, bool(system.inputs)) if auto else None,
        "dense": None,
        "dense_order": (auto or method).dense_order if method else 0,
        "dense_methods": _dense_methods(),
        "operator_name": _operator_name(system.digest, (auto or method).name if method else MAP, version),
        "native": False,
        "native_adaptive": False,
        "renamed": dict(sorted(writer.names.items())),
        "literal_tuple": literal_tuple,
        "literal_tuples": literal_tuples,
        "number_tuple": number_tuple,
        "wrap": wrap,
        "literal": literal,
        **_step_context(method, programs, writer),
    }
    return Job("torch/module.py.jinja", context)


def _functions(programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """The model's functions, and what the module must define and import for them."""
    jacobian = programs.jacobians["rhs", "x"]
    places = [r * jacobian.shape[1] + c for r, c in zip(jacobian.rows, jacobian.cols, strict=True)]
    parametrizations = {_parametrization(param).split("(")[0] for param in programs.system.params}
    return {
        "rhs": writer.function(programs.rhs),
        "rhs_vjp": writer.function(programs.rhs_vjp, like="w"),
        "rhs_jvp": writer.function(programs.rhs_jvp),
        "jacobian": writer.function(jacobian.program),
        "jacobian_places": places,
        "jacobian_places_line": _places_line(places),
        "initial": writer.function(programs.initial, anchor="p", like="p"),
        **_initial_derivatives(programs, writer),
        **_observables(programs, writer),
        "transforms": sorted(parametrizations - {""}),
        "uses_gamma": _uses(programs, "gamma"),
        "uses_exprel": _uses(programs, "exprel"),
        "timed": _timed(programs),
    }


def _initial_derivatives(programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """The derivatives of the initial values; none where those are numbers alone."""
    given = {name for group in programs.initial.inputs.values() for name in group}
    used = {s.name for expr in expressions(programs.initial) for s in symbols(expr)}
    if given.isdisjoint(used):
        return {"initial_vjp": None, "initial_jvp": None}
    return {
        "initial_vjp": writer.function(programs.initial_vjp, anchor="p", like="w"),
        "initial_jvp": writer.function(programs.initial_jvp, anchor="p", like="p"),
    }


def _observables(programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """The observables with their derivatives; none where the model has no observables."""
    if not (programs.observe and programs.observe_vjp and programs.observe_jvp):
        return {"observe": None, "observe_vjp": None, "observe_jvp": None}
    return {
        "observe": writer.function(programs.observe),
        "observe_vjp": writer.function(programs.observe_vjp, like="w"),
        "observe_jvp": writer.function(programs.observe_jvp),
    }


def _operator_name(digest: str, method: str, version: str) -> str:
    """With the version, so that no graph that torch.compile keeps on disk meets another odec's operator."""
    return f"{re.sub('[^0-9A-Za-z]', '_', version)}_{digest[:12]}_{method}"


def _auto_context(auto: Auto, inputs: bool) -> dict[str, Any]:
    """What torch/auto.py.jinja needs of the explicit method, its error estimate apart from its step."""
    step = formulas(auto.explicit, inputs)
    return {
        "name": auto.name,
        "method": auto.explicit,
        "step": replace(step, error=""),
        "dense": dense_formulas(auto.explicit, step, inputs, "_EXPLICIT_WITHIN"),
        "error": step.error,
        "limit": real_interval(auto.explicit),
    }


def _step_context(method: Method | None, programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What the template of the method's family needs.

    For each family but the explicit one, odec/backends/torch/<family>.py has its own step_context.
    """
    if method is None:
        return {}
    if isinstance(method, Tableau):
        return _explicit_context(method, bool(programs.system.inputs))
    family = importlib.import_module(f"odec.backends.torch.{method.family}")
    context: dict[str, Any] = family.step_context(method, programs, writer)
    return context


def _explicit_context(method: Tableau, inputs: bool) -> dict[str, Any]:
    step = formulas(method, inputs)
    return {"step": step, "dense": dense_formulas(method, step, inputs) if method.dense else None}


def _places_line(places: list[int]) -> str:
    """The flat places of a Jacobian's entries as a tensor; many of them as a paragraph."""
    numbers = ", ".join(str(place) for place in places)
    line = f"    _places = torch.tensor([{numbers}], device=_entries.device)"
    if len(line) <= WIDTH:
        return line
    paragraph = textwrap.indent(wrap(numbers, WIDTH - 8), "        ")
    lines = [
        "# fmt: off",
        "_places = torch.tensor([",
        f"{paragraph},",
        "], device=_entries.device)",
        "# fmt: on",
    ]
    return "\n".join(line if line.startswith("        ") else f"    {line}" for line in lines)


def literal(value: float) -> str:
    """A float as Python text."""
    return repr(float(value)) if math.isfinite(value) else f'float("{value}")'


def literal_tuple(names: list[str]) -> str:
    """A tuple of strings as Python text; one a line where it does not fit."""
    inside = ", ".join(map(python_string, names))
    line = f"({inside},)" if len(names) == 1 else f"({inside})"
    if len(line) <= WIDTH - len("OBSERVABLES = "):
        return line
    return "(\n" + "".join(f"    {python_string(name)},\n" for name in names) + ")"


def literal_tuples(rows: list[list[str]]) -> str:
    """A tuple of tuples of strings as Python text; a row a line where they do not fit."""
    items = [textwrap.indent(literal_tuple(row), "    ")[4:] for row in rows]
    line = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if "\n" not in line and len(line) <= WIDTH - len("_ALIKE = "):
        return line
    return "(\n" + "".join(f"    {item},\n" for item in items) + ")"


def number_tuple(numbers: list[str]) -> str:
    """A tuple of numbers as Python text; one that is alike throughout as a product."""
    if len(numbers) > 2 and len(set(numbers)) == 1:
        return f"({numbers[0]},) * {len(numbers)}"
    line = f"({', '.join(numbers)}{',' if len(numbers) == 1 else ''})"
    if len(line) <= WIDTH - len("ATOL = "):
        return line
    return "(\n" + "".join(f"    {number},\n" for number in numbers) + ")"


def wrap(text: str, width: int = WIDTH) -> str:
    """A paragraph broken at the line width."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _param(param: Param, attribute: str) -> dict[str, Any]:
    interval = param.interval
    return {
        "name": param.name,
        "attribute": attribute,
        "value": literal(param.value),
        "interval": str(interval),
        "bounds": _bounds(interval),
        "transform": param.transform,
        "parametrization": _parametrization(param),
        "unit": param.unit,
        "doc": param.doc,
    }


def _bounds(interval: Interval) -> str:
    """An interval as Python text: its ends, and whether they belong to it; "" where it is all reals."""
    if not (math.isfinite(interval.lower) or math.isfinite(interval.upper)):
        return ""
    ends = "[" if interval.lower_closed else "(", "]" if interval.upper_closed else ")"
    low, high = (
        literal(x).replace('float("inf")', "math.inf").replace('float("-inf")', "-math.inf")
        for x in (interval.lower, interval.upper)
    )
    return f'({low}, {high}, "{"".join(ends)}")'


def _alike(params: Sequence[Param], attribute: Mapping[str, str]) -> list[list[str]]:
    """The attributes of the parameters that the same bounds hold, where there are several of them."""
    groups: dict[str, list[str]] = {}
    for param in params:
        groups.setdefault(_parametrization(param), []).append(attribute[param.name])
    return [names for held, names in groups.items() if held and len(names) > 1]


def _parametrization(param: Param) -> str:
    """The constructor of the parametrization that holds the bounds."""
    low, high = param.interval.lower, param.interval.upper
    if param.transform == "softplus":
        return f"Above({literal(low)})" if math.isfinite(low) else f"Below({literal(high)})"
    if param.transform == "logit":
        return f"Between({literal(low)}, {literal(high)})"
    return {"log": "Exponential()", "log10": "PowerOfTen()", "none": ""}[param.transform]


def _consts(programs: Programs, writer: FunctionWriter) -> list[dict[str, str]]:
    source = programs.system.source
    rows = []
    for const in programs.system.consts:
        place = f"{PurePath(source.name).name}:{source.position(const.span.start)[0]}"
        remark = f"{place}: {const.doc}" if const.doc else place
        rows.append({"name": writer.spell(const.name), "value": literal(const.value), "remark": remark})
    return rows


def _uses(programs: Programs, op: str) -> bool:
    """Whether any printed program holds the operation."""
    found = [
        programs.rhs,
        programs.rhs_vjp,
        programs.rhs_jvp,
        programs.initial,
        programs.initial_vjp,
        programs.initial_jvp,
        programs.jacobians["rhs", "x"].program,
    ]
    found += [p for p in (programs.observe, programs.observe_vjp, programs.observe_jvp) if p]
    stack = [assign.expr for program in found for assign in program.body]
    stack += [expr for program in found for group in program.outputs.values() for expr in group]
    while stack:
        expr = stack.pop()
        if getattr(expr, "op", None) == op:
            return True
        stack.extend(getattr(expr, "args", ()))
    return False


def _timed(programs: Programs) -> bool:
    """Whether the equations or their derivatives hold the time itself."""
    time = programs.system.time
    found = (programs.rhs, programs.rhs_vjp, programs.rhs_jvp)
    return any(time in {s.name for expr in expressions(program) for s in symbols(expr)} for program in found)


def _dense_methods() -> list[str]:
    """The names of the methods with an interpolant, in lines."""
    names = [method.name for method in (*METHODS.values(), AUTO) if method.dense_order]
    return textwrap.wrap(", ".join(names), 80)


def _default_steps(system: System, method: Method | None) -> dict[str, Any]:
    """The steps where nothing is asked for: those of the run line, else by tolerance where that is possible.

    Fixed steps without `dt` are the time between outputs, or a thousandth of the span where that is less.
    """
    run = system.run
    if method is None:
        return {"default_dt": None}
    dt = run.dt if run else None
    if run and dt is None and not method.adaptive:
        dt = fixed_step(abs(run.stop - run.start), run.step)
    steps: dict[str, Any] = {"default_dt": None if dt is None else literal(dt)}
    if method.adaptive:
        cap = longest_step(system)
        steps["default_rtol"] = literal(run.rtol) if run and run.rtol is not None else "1e-06"
        steps["default_atol"] = [literal(value) for value in absolute_tolerances(system)]
        steps["longest"] = None if cap is None else literal(cap)
    return steps
