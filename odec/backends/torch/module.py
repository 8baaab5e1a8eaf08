"""The context of templates/torch/module.py.jinja: everything a generated module says."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from odec.backends.job import Job, of_the_model
from odec.backends.layout import WIDTH, call_text, tuple_text
from odec.backends.torch.arrays import in_runs
from odec.backends.torch.cell import cell
from odec.backends.torch.declared import consts_of, inputs_text, nets_text, param_of
from odec.backends.torch.functions import Function, FunctionWriter, attributes
from odec.backends.torch.linear import linear_in_states
from odec.backends.torch.tables import lookup_text, statements
from odec.backends.torch.text import (
    columns_tuple,
    literal,
    literal_tuple,
    numbers_in_a_call,
    wrap,
)
from odec.methods import Method, Rosenbrock, Tableau
from odec.methods.auto import Auto
from odec.passes.diagonals import diagonals
from odec.passes.program import Program, Programs
from odec.passes.scale import absolute_tolerances, fixed_step, longest_step
from odec.system import Noise, System
from odec.text import python_comment, python_string
from odec.tree import Number, Op, symbols

INTERFACE = 1
"""The interface of odec.runtime that modules are written for."""
PRODUCTS = ("product_vjp", "product_jvp")
"""The derivatives of a Jacobian's product with a vector, of models of arrays."""
IMPORTS = {False: "from odec import runtime as rt", True: "from . import _runtime as rt"}
"""The line that imports the run-time: odec's, or in a folder that stands alone its own copy."""


def module_job(
    programs: Programs,
    method: Method | Auto | None,
    *,
    version: str,
    kernel: Job | None = None,
    standalone: bool = False,
) -> Job:
    """The generated module for a method, or for a map where it is None; kernel: of the native engine.

    standalone: whether the run-time is a copy beside the module.
    """
    known = of_the_model(programs, version)
    system, writer = programs.system, FunctionWriter(programs, "rt.")
    auto = method if isinstance(method, Auto) else None
    explicit = auto.explicit if auto else method if isinstance(method, Tableau) else None
    stiff = isinstance(auto.stiff if auto else method, Rosenbrock)
    own = attributes(programs.params.names, [net.name for net in system.nets])
    functions = _functions(programs, writer, stiff)
    context: dict[str, Any] = {
        **known,
        "about": _about(method),
        "needs": _needs(kernel is not None, standalone),
        "import_line": IMPORTS[standalone],
        "interface": INTERFACE,
        "module_name": system.name,
        "params": [param_of(param, own[param.name]) for param in system.params],
        "nets": nets_text(system.nets, own),
        "inputs": programs.inputs,
        "unpacks": programs.arrays,
        "consts": consts_of(programs, writer),
        "lookups": [lookup_text(table) for table in system.lookups],
        "parts": writer.parts() if programs.arrays else [],
        **functions,
        "stiff": stiff,
        "explicit": explicit,
        "explicit_name": "EXPLICIT" if auto else "METHOD",
        "asked": len(programs.asked.values),
        "switches": writer.turns(programs.switches) if programs.switches else None,
        "cell": cell(explicit, bool(programs.held)) if explicit else None,
        "cell_name": explicit.name if explicit else method.name if method else "map",
        "cell_functions": _cell_functions(explicit),
        "method_statement": statements(method),
        "equations_text": _equations(functions, stiff, linear_in_states(programs)),
        "defaults_text": _defaults(system, method),
        "told": _told(system) | _timed(programs, method),
        "native": kernel is not None,
        "kernel": kernel,
        "kernel_layout": kernel.context if kernel else {},
        "renamed": dict(sorted(item for item in writer.names.items() if "." not in item[0])),
        "inputs_text": inputs_text(system),
        "stiff_equations": _stiff_equations(functions) if stiff else "",
        "define": define,
        "tuple_text": tuple_text,
        "call_text": call_text,
        "answers": answers,
        "literal_tuple": literal_tuple,
        "columns_tuple": columns_tuple,
        "wrap": wrap,
    }
    context.update({f"uses_{name}": _uses(name, context) for name in ("math", "torch")})
    return Job("torch/module.py.jinja", context)


def _about(method: Method | Auto | None) -> str:
    """What the module steps by, in a sentence."""
    if method is None:
        return "Map: x[t + 1] = rhs(t, x, p)."
    kind = f"order {method.order}, {method.stages} stage{'s' if method.stages != 1 else ''}"
    if isinstance(method, Auto):
        halves = (
            f"adaptive steps of {method.explicit.name}, and where the problem is stiff of {method.stiff.name}"
        )
        return f"Method: {method.name}, which takes {halves} ({method.source})."
    how = ", adaptive or of fixed step" if method.adaptive else ""
    return f"Method: {method.name}, {kind}{how} ({method.source})."


def _needs(native: bool, standalone: bool) -> str:
    engines = "Engines: native (KERNEL, built by a C compiler when first needed) and torch." if native else ""
    needs = "torch alone: its run-time lies beside it" if standalone else "odec.runtime"
    return f"{engines or 'Engine: torch.'} Needs {needs}; edit the model, not this file."


def _functions(programs: Programs, writer: FunctionWriter, stiff: bool) -> dict[str, Any]:
    """The model's functions, by the names that templates/torch/functions.py.jinja gives them."""
    found: dict[str, Any] = {
        **_jacobian(programs, writer, stiff),
        "rhs": writer.function(programs.rhs),
        "rhs_vjp": writer.function(programs.rhs_vjp, like="w"),
        "rhs_jvp": writer.function(programs.rhs_jvp),
        "initial": writer.function(programs.initial, anchor="p", like="p"),
        "initial_vjp": None,
        "initial_jvp": None,
        "observe": None,
        "observe_vjp": None,
        "changes": False,
    }
    if not (_constant(programs.initial) or _polynomial(programs.initial)):
        found["initial_vjp"] = writer.function(programs.initial_vjp, anchor="p", like="w")
        found["initial_jvp"] = writer.function(programs.initial_jvp, anchor="p", like="p")
    observe, pulled, pushed = programs.observe, programs.observe_vjp, programs.observe_jvp
    if observe and pulled and pushed:
        found["observe"] = writer.function(observe)
        if not _polynomial(observe):
            found["observe_vjp"] = writer.function(pulled, like="w")
            found["observe_jvp"] = writer.function(pushed)
    return found | (_stiff_functions(programs, writer) if stiff else {})


def _jacobian(programs: Programs, writer: FunctionWriter, stiff: bool) -> dict[str, Any]:
    """The Jacobian by its entries; that of arrays is made of tangents, a column at a time."""
    if programs.arrays:
        product = writer.function(programs.derived["rhs_along"])
        found = diagonals(programs.rhs)
        text = _numbers("DIAGONALS", found) if found else ""
        return {"by_columns": True, "curved": True, "jacobian_product": product, "diagonals": text}
    jacobian = programs.jacobians["rhs", "x"]
    return {
        "by_columns": False,
        "curved": bool(jacobian.rows),
        "jacobian": writer.function(jacobian.program),
        "places": len(jacobian.rows),
        "scattered": _scattered(jacobian.rows, jacobian.cols, stiff),
    }


def _stiff_functions(programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What Rosenbrock methods need besides: derivatives of the Jacobian's entries, and the rate of rhs."""
    derived = programs.derived
    in_time = derived["rhs_time"].outputs["dx"]
    found: dict[str, Any] = {
        "changes": not all(isinstance(expr, Number) and expr.value == 0 for expr in in_time),
    }
    if programs.arrays:
        found["product_vjp"] = writer.function(derived["rhs_along_vjp"], like="w")
        found["product_jvp"] = writer.function(derived["rhs_along_jvp"])
    elif programs.jacobians["rhs", "x"].rows:
        jacobian = programs.jacobians["rhs", "x"]
        found["entry_rows"] = _numbers("ROWS", jacobian.rows)
        found["entry_columns"] = _numbers("COLUMNS", jacobian.cols)
        found["jacobian_product"] = writer.function(derived["rhs_along"])
        found["jacobian_vjp"] = writer.function(derived["rhs_jacobian_vjp"], like="w")
        found["jacobian_jvp"] = writer.function(derived["rhs_jacobian_jvp"])
    if found["changes"]:
        found["rhs_time"] = writer.function(derived["rhs_time"])
        found["rhs_time_vjp"] = writer.function(derived["rhs_time_vjp"], like="w")
        found["rhs_time_jvp"] = writer.function(derived["rhs_time_jvp"])
    return found


def _constant(program: Program) -> bool:
    """Whether nothing that goes in comes out: numbers alone."""
    used = {symbol.name for expr in program.expressions() for symbol in symbols(expr)}
    return used.isdisjoint(program.names())


def _polynomial(program: Program) -> bool:
    """Whether a program takes sums and products alone, whose derivatives torch finds as exactly as ours."""
    stack = list(program.expressions())
    while stack:
        expr = stack.pop()
        if isinstance(expr, Op):
            if expr.op not in ("add", "neg", "mul"):
                return False
            stack.extend(expr.args)
    return True


def _uses(name: str, context: dict[str, Any]) -> bool:
    """Whether a formula, a constant or a default takes something of a library by name."""
    found = [part for part in context.values() if isinstance(part, Function)]
    texts = [text for part in found for text in (part.unpack, part.body, *part.returns.values())]
    texts += [const["value"] for const in context["consts"]]
    texts += [context["defaults_text"], *(param["text"] for param in context["params"])]
    return any(re.search(rf"\b{name}\.", text) for text in texts)


def define(name: str, arguments: Sequence[str], answer: str) -> str:
    """The head of a function, on as few lines as ruff would put it."""
    line = f"def {name}({', '.join(arguments)}) -> {answer}:"
    return line if len(line) <= WIDTH else f"{call_text(f'def {name}', arguments, 0, 200)} -> {answer}:"


def answers(function: Function, groups: Sequence[str]) -> str:
    """The statement that returns several output groups; a group without members is an empty tensor."""
    parts = [function.returns.get(group, "w.new_zeros((*w.shape[:-1], 0))") for group in groups]
    line = f"    return {', '.join(parts)}"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    rows = (f"        {part}" for part in parts)
    return "    return (\n" + "".join(f"{row},\n" for row in rows) + "    )"


def _told(system: System) -> dict[str, str]:
    """What the model says besides of its time, its run and its measurements, where it says it."""
    run, found = system.run, {"time": python_string(system.time)} if system.time != "t" else {}
    if system.time_unit:
        found["time_unit"] = python_string(python_comment(system.time_unit))
    if run:
        step = [] if run.step is None else [f"step={literal(run.step)}"]
        found["span"] = call_text("rt.Span", [literal(run.start), literal(run.stop), *step], 4, 6)
    noises = [_noise(system, o.name, o.noise) for o in system.observables if o.noise is not None]
    return found | ({"noise": tuple_text(noises, 4, "noise=,")} if noises else {})


def _timed(programs: Programs, method: Method | Auto | None) -> dict[str, str]:
    """That the equations depend on the time itself, where steps within which outputs lie go by it."""
    dense = method is not None and method.dense_order > 0
    return {"timed": "True"} if dense and programs.rhs.reads("t") else {}


def _noise(system: System, name: str, noise: Noise) -> str:
    place = f"{PurePath(system.source.name).name}, line {system.source.position(noise.span.start)[0]}"
    parts = [
        python_string(name),
        f'"{noise.distribution}"',
        "None" if noise.sigma is None else literal(noise.sigma),
    ]
    return f"rt.Noise({', '.join(parts)}, place={python_string(place)})"


def _cell_functions(explicit: Tableau | None) -> str:
    names = ["step", "step_vjp", "step_jvp"]
    if explicit and explicit.error:
        names += ["step_stages"] + (["step_interpolant"] if explicit.dense else [])
    return ", ".join(names)


def _equations(functions: dict[str, Any], stiff: bool, linear: bool) -> str:
    """The constructor's call of the model's functions, broken at the line width."""
    parts = ["rhs", "rhs_vjp", "rhs_jvp", "jacobian", "initial", "observables"]
    parts += ["observables_vjp", "observables_jvp"] if functions["observe_vjp"] else []
    parts += ["initial_vjp=initial_vjp", "initial_jvp=initial_jvp"] if functions["initial_vjp"] else []
    parts += ["stiff=STIFF_EQUATIONS"] if stiff else []
    parts += ["linear=True"] if linear else []
    return call_text("rt.Equations", parts, 4, len("equations=,"))


def _stiff_equations(functions: dict[str, Any]) -> str:
    """The statement with what Rosenbrock methods ask of the model besides."""
    entries = ["ROWS", "COLUMNS", "jacobian_product", "jacobian_vjp", "jacobian_jvp"]
    parts = entries if functions["curved"] else []
    if functions["by_columns"]:
        parts = [f"{name.removeprefix('jacobian_')}={name}" for name in ("jacobian_product", *PRODUCTS)]
    own = ("rhs_time", "rhs_time_vjp", "rhs_time_jvp")
    parts += [f"time{name[8:]}={name}" for name in own] if functions["changes"] else []
    return f"STIFF_EQUATIONS = {call_text('rt.StiffEquations', parts, 0, len('STIFF_EQUATIONS = '))}"


def _scattered(rows: Sequence[int], columns: Sequence[int], stiff: bool) -> str:
    """The statement that returns the Jacobian's entries as a matrix."""
    if stiff:
        return "    return rt.scattered(_entries, ROWS, COLUMNS, _shape)"
    texts = [", ".join(map(str, places)) + ("," if len(places) == 1 else "") for places in (rows, columns)]
    line = f"    return rt.scattered(_entries, ({texts[0]}), ({texts[1]}), _shape)"
    if len(line) <= WIDTH:
        return line
    filled = [textwrap.indent(wrap(f"({text}),", WIDTH - 8), " " * 8) for text in texts]
    return "\n".join(
        [
            "    # fmt: off",
            "    return rt.scattered(",
            "        _entries,",
            *filled,
            "        _shape)",
            "    # fmt: on",
        ]
    )


def _numbers(name: str, values: Sequence[int]) -> str:
    """Whole numbers as a constant of the module; many of them as a paragraph."""
    text = ", ".join(str(value) for value in values) + ("," if len(values) == 1 else "")
    line = f"{name} = ({text})"
    if len(line) <= WIDTH:
        return line
    return f"# fmt: off\n{name} = (\n{textwrap.indent(wrap(text, WIDTH - 4), '    ')},\n)\n# fmt: on"


def _tolerances(system: System) -> str:
    numbers = [literal(value) for value in absolute_tolerances(system)]
    return tuple_text(in_runs(numbers), 8, "atol=,") if system.arrays else numbers_in_a_call(numbers)


def _defaults(system: System, method: Method | Auto | None) -> str:
    """The steps where nothing is asked for: those of the run line, else by tolerance where that is possible.

    Fixed steps without `dt` are the time between outputs, or a thousandth of the span where that is less.
    """
    run, parts = system.run, []
    if method is not None:
        dt = run.dt if run else None
        if run and dt is None and not method.adaptive:
            dt = fixed_step(abs(run.stop - run.start), run.step)
        parts += [] if dt is None else [f"dt={literal(dt)}"]
        if method.adaptive:
            cap = longest_step(system)
            parts += [f"rtol={literal(run.rtol)}"] if run and run.rtol is not None else []
            parts += [f"atol={_tolerances(system)}"]
            parts += [] if cap is None else [f"longest={literal(cap)}"]
    return call_text("rt.Defaults", parts, 4, len("defaults=,"))
