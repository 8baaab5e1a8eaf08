"""The context of templates/native/kernel.c.jinja: everything the C source of a model says."""

from __future__ import annotations

import math
import re
from typing import Any

from odec.backends.job import Job, of_the_model
from odec.backends.layout import WIDTH
from odec.backends.native.auto import auto_steps
from odec.backends.native.collocation import collocation_context
from odec.backends.native.dense import Dense, dense_steps
from odec.backends.native.factors import constant_factors
from odec.backends.native.functions import Function, FunctionWriter
from odec.backends.native.implicit import implicit_context
from odec.backends.native.rosenbrock import rosenbrock_context, stiff_programs
from odec.backends.native.steps import c_steps
from odec.lookups import Lookup
from odec.methods import Auto, Implicit, Method, Multistep, Rosenbrock, Tableau
from odec.passes.program import Programs

_JVP_RESULT = {"dx": "dk"}


def kernel_job(programs: Programs, tableau: Method | Auto | None, *, version: str) -> Job:
    """The kernel source for a method, or for a map where it is None."""
    known = of_the_model(programs, version)
    auto = tableau if isinstance(tableau, Auto) else None
    tableau = tableau.stiff if isinstance(tableau, Auto) else tableau
    adaptive = tableau is not None and tableau.adaptive
    writer = FunctionWriter(programs, stiff_programs(programs, tableau))
    functions = _functions(programs, writer)
    own = _method_context(programs, tableau, writer)
    libm = _libm(writer)
    terms = [_TERMS[entry.kind] for entry in programs.system.inputs] + [1 for _ in programs.asked]
    inner_lanes = programs.arrays or _is_large(programs, tableau, auto) or _looped(own)
    room = _room(programs, tableau, functions) if programs.arrays else 0
    context: dict[str, Any] = {
        **known,
        "libm": sorted(libm | {"exp", "log"} if adaptive else libm),
        "inputs": bool(programs.held),
        "input_terms": terms,
        "terms": max(terms, default=0),
        "consts": _consts(programs, writer),
        "lookups": [_lookup(table, writer.lookups[table.key]) for table in programs.system.lookups],
        **functions,
        "factored": _factored(programs, tableau, writer),
        "method": tableau,
        "auto": auto_steps(auto, own["steps"]) if auto else None,
        "adaptive": adaptive,
        "dense": _dense(tableau, own["steps"]),
        "two_errors": isinstance(tableau, Tableau) and bool(tableau.error3),
        "first_same_as_last": isinstance(tableau, Tableau) and tableau.first_same_as_last,
        "renamed": dict(sorted(writer.names.items())),
        "tidy": tidy,
        "lanes": 32 if room else _lanes(programs.states.width, own, adaptive),
        "room": room,
        "arrays": programs.arrays,
        "shortest": 32 if inner_lanes and _ALIKE.issuperset(libm) else 64,
        "inner_lanes": int(inner_lanes),
        **own,
    }
    return Job("native/kernel.c.jinja", context)


def _functions(programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """The model's functions, and which of them take the time."""
    rhs, vjp = writer.function(programs.rhs), writer.function(programs.rhs_vjp)
    jvp = writer.function(programs.rhs_jvp, _JVP_RESULT)
    observe = writer.function(programs.observe) if programs.observe else None
    observe_vjp = writer.function(programs.observe_vjp) if programs.observe_vjp else None
    start = writer.function(programs.initial, {"x": "x"})
    start_vjp = writer.function(programs.initial_vjp)
    start_jvp = writer.function(programs.initial_jvp, {"x": "dx"})
    return {
        "rhs": rhs,
        "rhs_vjp": vjp,
        "rhs_jvp": jvp,
        "timed": rhs.uses_time or vjp.uses_time or jvp.uses_time or bool(programs.held),
        "initial": start,
        "initial_vjp": start_vjp,
        "initial_jvp": start_jvp,
        "initial_timed": start.uses_time or start_vjp.uses_time or start_jvp.uses_time,
        "observe": observe,
        "observe_vjp": observe_vjp,
        "observe_timed": bool(observe and observe.uses_time),
    }


def _libm(writer: FunctionWriter) -> set[str]:
    """The functions of the C library that the model and its helpers call."""
    needs = (_NEEDS.get(helper, ()) for helper in writer.printer.helpers)
    return set(writer.printer.libm).union(*needs)


def _method_context(programs: Programs, method: Method | None, writer: FunctionWriter) -> dict[str, Any]:
    """The step's template and what fills it, by family. rates: whether steps use the inputs' rates."""
    if isinstance(method, Rosenbrock):
        context = rosenbrock_context(method, programs, writer)
        return {"step_template": "native/step_rosenbrock.c.jinja", "rates": bool(programs.held), **context}
    if isinstance(method, Implicit) and not method.diagonal:
        context = collocation_context(method, programs, writer)
        return {"step_template": "native/step_collocation.c.jinja", "rates": False, **context}
    if isinstance(method, Implicit):
        context = implicit_context(method, programs, writer)
        return {"step_template": "native/step_implicit.c.jinja", "rates": False, **context}
    steps = c_steps(method) if isinstance(method, Tableau) else None
    return {"step_template": "native/step.c.jinja", "rates": False, "steps": steps}


def _factored(programs: Programs, method: Method | None, writer: FunctionWriter) -> dict[str, Any] | None:
    """What explicit fixed steps take into their coefficients, and the function that is left."""
    able = isinstance(method, Tableau) and not programs.arrays
    factored = constant_factors(programs.rhs, programs.consts) if able else None
    if factored is None:
        return None
    values = [f"R({value!r})" for value in factored.values]
    return {"values": values, "function": writer.function(factored.program)}


_ALIKE = frozenset(("exp", "pow", "sin", "cos"))
"""Vector functions of the C library that round alike in vectors of 32 and of 64 bytes."""
_LARGEST = 1 << 20
"""The bytes that the factors of a block of lanes may take, as they lie on the stack."""


def _lanes(states: int, own: dict[str, Any], adaptive: bool) -> int:
    """How many trajectories of float64 stand side by side: fewer for large models and unequal steps."""
    lanes = 32 if states <= 8 and not adaptive else 16 if states < 200 else 8
    entries = own["elimination"].entries if "elimination" in own else 0
    while lanes > 2 and lanes * entries * 8 > _LARGEST:
        lanes //= 2
    return lanes


def _room(programs: Programs, method: Method | None, functions: dict[str, Any]) -> int:
    """How many values of a lane a step of a model of arrays holds at most, with its adjoint, about."""
    stages = method.stages if isinstance(method, Tableau) else 1
    dense = 3 * stages if method is not None and method.adaptive else 0
    own = max(part.room for part in functions.values() if isinstance(part, Function))
    return own + programs.states.width * (4 * stages + dense + 8)


def _dense(method: Method | None, steps: Any) -> Dense | None:
    """The polynomial between the ends of adaptive steps, None where the method has none."""
    if method is None or isinstance(method, Multistep) or not method.adaptive:
        return None
    return dense_steps(method, ahead=len(steps.stages) - method.stages)


def _looped(own: dict[str, Any]) -> bool:
    """Whether the step goes through loops that lanes share, so that those over lanes stand inside them."""
    return "elimination" in own and not own["elimination"].unrolled


def _is_large(programs: Programs, tableau: Method | None, auto: Auto | None) -> bool:
    """Whether a whole step in one loop over lanes would take the C compiler more than a second or two."""
    if isinstance(tableau, Implicit):
        return True
    stages = 1 if tableau is None or isinstance(tableau, Multistep) else tableau.stages
    stages += auto.explicit.stages if auto else 0
    most = 1000 if auto else 2000
    return stages * programs.states.width > 48 or stages * programs.rhs_vjp.size() > most


_TERMS = {"hold": 1, "linear": 2, "cubic": 4}
"""The coefficients of an input's pieces."""

_NEEDS = {
    "quick_tanh": ("tanh",),
    "sigmoid": ("exp",),
    "softplus": ("exp", "log1p"),
    "digamma": ("log", "tan"),
    "trigamma": ("sin",),
    "x_log_y": ("log",),
    "exprel": ("expm1",),
    "exprel1": ("exp",),
    "exprel2": ("exp",),
}


def tidy(source: str) -> str:
    """C text without trailing blanks, whose long lines are broken after a comma or before an operator."""
    return "\n".join(part for line in source.split("\n") for part in _broken(line.rstrip()))


def _broken(line: str) -> list[str]:
    if line.endswith("\\"):
        return [f"{part} \\" for part in _broken(line[:-1].rstrip())]
    if len(line) <= WIDTH or line.startswith("#"):
        return [line]
    code, slashes, remark = line.partition("//")
    if slashes and code.strip():  # a remark goes above as a whole: broken with the code, it would be code
        return [*_broken(_indent(line) + slashes + remark), *_broken(code.rstrip())]
    parts = []
    while len(line) > WIDTH and (break_at := _break_of(line)):
        lead, place = break_at
        parts.append(line[:place].rstrip())
        line = lead + line[place:].lstrip()
    return [*parts, line]


def _break_of(line: str) -> tuple[str, int] | None:
    """What the rest of a long line begins with, and where it does, if there is such a place."""
    indent = _indent(line)
    if line.lstrip().startswith("//"):
        lead = f"{indent}// "
        places = [k for k in (line.rfind(" ", 0, WIDTH) + 1,) if k > len(lead)]
    else:
        lead = indent if len(indent) > 12 else f"{indent}        "
        places = [k for m in re.finditer(r", ", line[:WIDTH]) if (k := m.end()) > len(lead) + 4]
        places = places or [
            k for m in re.finditer(r" [-+?:=] | ", line[:WIDTH]) if (k := m.start() + 1) > len(lead)
        ]
    return (lead, places[-1]) if places else None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _lookup(table: Lookup, name: str) -> dict[str, Any]:
    """What the template says of a lookup table."""
    pieces = (f"{{ {', '.join(map(repr, piece))} }}" for piece in table.pieces)
    return {
        "name": name,
        "title": table.name,
        "count": len(table.xs),
        "terms": table.degree + 1,
        "extrapolate": int(table.extrapolate),
        "knots": ", ".join(map(repr, table.xs)),
        "pieces": ", ".join(pieces),
    }


def _consts(programs: Programs, writer: FunctionWriter) -> list[dict[str, str]]:
    rows = []
    for const in programs.system.consts:
        value = f"R({const.value!r})" if math.isfinite(const.value) else "NAN_"
        if math.isinf(const.value):
            value = "INFINITY_" if const.value > 0 else "-INFINITY_"
        place = writer.place(const.span)
        remark = f"{place}: {const.doc}" if const.doc else place
        rows.append({"name": writer.spell(const.name), "value": value, "remark": remark})
    return rows
