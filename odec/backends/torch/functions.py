"""Programs as Python functions over tensors: what is unpacked, assigned and returned."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from odec.arrays import EXTERNAL, Shape
from odec.backends import layout
from odec.backends.layout import Call, Doc, Leaf
from odec.backends.names import spellings, undotted
from odec.backends.torch.arrays import piece, summed_outer, unpacked, widened
from odec.backends.torch.printer import TorchPrinter
from odec.passes.program import Program, Programs
from odec.tree import Expr, Number, Symbol, symbols

ARGUMENTS = {"t": "t", "x": "x", "p": "p", "u": "u", "w": "w", "dt": "dt", "dx": "dx", "dp": "dp", "du": "du"}

_PRIVATE = {"rate": "_rate", "drate": "_d_rate", "v": "_v"}
"""Arguments that few functions have: spelt so that no name of a model is in their way."""

_MODULE_NAMES = frozenset(
    """annotations math torch Tensor rt STATES PARAMS OBSERVABLES INPUTS PARTS LOOKUPS DIAGONALS rhs rhs_vjp
    rhs_jvp jacobian jacobian_product jacobian_vjp jacobian_jvp product_vjp product_jvp rhs_time
    rhs_time_vjp rhs_time_jvp initial initial_vjp initial_jvp observables observables_vjp observables_jvp
    slope METHOD EXPLICIT STIFF WITHIN ROWS COLUMNS STIFF_EQUATIONS switches A B C E E3 step step_vjp
    step_jvp step_stages step_interpolant KERNEL COMPILED unpack Model StepCell""".split()
)

_MODULE_ATTRIBUTES = frozenset(
    """T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu
    load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
    to_empty train training type xpu zero_grad parametrizations
    observe vector status dt clip adjoint checkpoints engine chunk max_time control first_step
    rtol atol min_step max_step max_steps dense_output adjoint_rtol adjoint_atol freeze thaw
    compiled spelled shaped attributes alike nets steps series raw bounds prepared _repr_html_
    sequence layer reset_parameters""".split()
)


def torch_spellings(programs: Programs) -> dict[str, str]:
    """Names written otherwise in a torch module: Python's words, torch, arguments."""
    system = programs.system
    groups = {"x": programs.states, "p": programs.params, "u": programs.held}
    own = {g: set(known.names) for g, known in groups.items() if not any(v.shape for v in known)}
    own["t"] = {system.time}
    constants = set(programs.consts)

    def clashes(name: str, spelling: str) -> bool:
        if keyword.iskeyword(spelling) or spelling in ("rt", "torch", "math", "nn") or _private(spelling):
            return True
        if spelling in ARGUMENTS and spelling not in (own.get(name, ()) if spelling == name else ()):
            return True
        outside = spelling in _MODULE_NAMES or spelling in ARGUMENTS or hasattr(builtins, spelling)
        return name in constants and outside

    names = _all_names(programs)
    dotless = undotted(names)
    return {**dotless, **spellings((name for name in names if name not in dotless), clashes)}


def attributes(params: Sequence[str], nets: Sequence[str] = ()) -> dict[str, str]:
    """A Model's attribute for each parameter and net: its name, but for Python's words and nn.Module's.

    Those of weights stand under their net's: `f.0.weight`.
    """

    def clashes(_: str, spelling: str) -> bool:
        return keyword.iskeyword(spelling) or _private(spelling) or spelling in _MODULE_ATTRIBUTES

    names = [*(name for name in params if "." not in name), *nets]
    params = [name for name in params if name != EXTERNAL]
    own = {name: name for name in names} | spellings(names, clashes)
    for name in params:
        head, dot, place = name.partition(".")
        own[name] = f"{own[head]}.{place}" if dot else own[name]
    return own


def _private(name: str) -> bool:
    """Whether the module may keep the name for itself, or Python mangle it."""
    if name.startswith("__"):
        return not name.endswith("___")
    return name == "_" or (name.startswith("_") and not name.endswith("_"))


def _all_names(programs: Programs) -> list[str]:
    system = programs.system
    names = [system.time, *programs.states.names, *programs.params.names, *programs.consts]
    names += [*programs.held.names, *(i.name for i in system.intermediates), *programs.observables.names]
    found = [programs.rhs, programs.rhs_vjp, programs.rhs_jvp]
    found += [programs.initial, programs.initial_vjp, programs.initial_jvp]
    found += [programs.switches] if programs.switches else []
    found += [p for p in (programs.observe, programs.observe_vjp, programs.observe_jvp) if p]
    found += [sparse.program for key, sparse in programs.jacobians.items() if key == ("rhs", "x")]
    for program in found:
        names += [assign.name for assign in program.body]
        names += program.names()
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class Function:
    """The lines of a function's body, ready for a template; `returns` per output group."""

    unpack: str
    body: str
    returns: dict[str, str]


class FunctionWriter:
    """Writes Programs as bodies of Python functions."""

    def __init__(self, programs: Programs, room: str = "_"):
        self.programs, self.room = programs, room
        self.source = programs.system.source
        self.names = torch_spellings(programs)
        self.time = programs.system.time
        self.wide = self._wide() if programs.arrays else frozenset()

    def printer(self, anchor: str = "x") -> TorchPrinter:
        return TorchPrinter(self.programs.consts, self.names, anchor, self.room)

    def spell(self, name: str) -> str:
        return self.names.get(name, name)

    def _wide(self) -> frozenset[int]:
        """Which parameters are numbers that the right-hand side has beside vectors alone."""
        rhs, printer = self.programs.rhs, self.printer()
        shapes, scalars = rhs.shapes(), [value.name for value in self.programs.params if not value.shape]
        found = widened((printer.typed(expr, shapes) for expr in rhs.expressions()), scalars)
        return frozenset(k for k, name in enumerate(self.programs.params.names) if name in found)

    def parts(self) -> list[str]:
        """The shapes of the parameters as they are unpacked, (1,) of a number beside vectors."""
        shapes = [(1,) if k in self.wide else v.shape for k, v in enumerate(self.programs.params)]
        return [str(shape) for shape in (*shapes[:-1], (-1,))] if self._external else [*map(str, shapes)]

    @property
    def _external(self) -> bool:
        return bool(self.programs.system.external)

    def _wide_names(self, program: Program) -> set[str]:
        """The names of those parameters, and of their tangents, in a program."""
        names = (program.names(group) if group in program.inputs else () for group in ("p", "dp"))
        return {name for group in names for k, name in enumerate(group) if k in self.wide}

    def function(self, program: Program, anchor: str = "x", like: str = "x") -> Function:
        """The body of a program; `like` is the argument whose batch shape an all-constant output takes."""
        printer = self.printer(anchor)
        shapes = program.shapes() if self.programs.arrays else {}
        returns = {
            group: self._time_column(printer, exprs[0], like)
            if group == "t"
            else self._columns(printer, program, group, like, shapes)
            for group, exprs in program.outputs.items()
        }
        return Function(*self._lines(program, printer, shapes), returns)

    def turns(self, program: Program) -> Function:
        """The body of `switches`; returns: of each condition a tuple of its turns."""
        printer, returns = self.printer("p"), {}
        for name, exprs in program.outputs.items():
            turns = list[tuple[list[str], list[str]]]()
            for column, expr in zip(program.results[name].names, exprs, strict=True):
                text, of = layout.flat(printer.doc(expr)), column.removeprefix("of ")
                if column == "rate":
                    turns.append(([], []))
                turns[-1][of != column].append(text if of == column else f'"{of}": {text}')
            texts = (", ".join(own + [f"{{{', '.join(inputs)}}}"] * bool(inputs)) for own, inputs in turns)
            returns[name] = layout.tuple_text([f"({text})" for text in texts], 8, ",")
        return Function(*self._lines(program, printer, {}), returns)

    def _lines(self, program: Program, printer: TorchPrinter, shapes: Mapping[str, Shape]) -> tuple[str, str]:
        """What is unpacked, and what is assigned."""
        used = {s.name for expr in program.expressions() for s in symbols(expr)}
        wide = self._wide_names(program)
        summed = _gradients(program) if self.programs.arrays else ()
        body: list[str] = []
        for assign in program.body:
            remark = ""
            if assign.span is not None:
                remark = f"{PurePath(self.source.name).name}:{self.source.position(assign.span.start)[0]}"
            expr = assign.expr
            if self.programs.arrays:
                expr = printer.typed(expr, shapes, wide)
                expr = summed_outer(expr, "p") if assign.name in summed else expr
            body += layout.assignment(self.spell(assign.name), printer.tensor(expr), remark)
        return "\n".join(self._unpack(program, used, printer.anchor)), "\n".join(body)

    def _unpack(self, program: Program, used: set[str], anchor: str) -> list[str]:
        lines: list[str] = []
        for group in ("p", "t", "u", "rate", "v", "w", "dt", "dp", "du", "drate", "dx", "x"):
            names = program.names(group)
            if not used.intersection(names):
                continue
            if group == "t":
                lines.append(f"    {self.spell(self.time)} = {self.room}time(t, {anchor})")
            elif group == "dt":
                lines += [] if names[0] == "dt" else [f"    {self.spell(names[0])} = dt"]
            elif group in ("p", "dp") and self.programs.arrays:
                spelt = [self.spell(name) if name in used else "_" for name in names]
                lines += layout.unpack(spelt, f"PARTS({group})")
            elif any(value.shape for value in program.inputs[group]):
                given, width = _PRIVATE.get(group, group), program.inputs[group].width
                values = [value for value in program.inputs[group] if value.name in used]
                lines += [unpacked(value, self.spell(value.name), given, width) for value in values]
            else:
                spelt = [self.spell(name) if name in used else "_" for name in names]
                lines += layout.unpack(spelt, f"{_PRIVATE.get(group, group)}.unbind(-1)")
        return lines

    def _time_column(self, printer: TorchPrinter, expr: Expr, like: str) -> str:
        """The returned expression of the derivative by time, without a last axis."""
        if printer.is_scalar(expr):
            return f"{like}.new_full({like}.shape[:-1], {layout.flat(printer.doc(expr))})"
        return layout.flat(printer.doc(expr))

    def _columns(
        self, printer: TorchPrinter, program: Program, group: str, like: str, shapes: Mapping[str, Shape]
    ) -> str:
        """The returned expression of an output group: columns on the last axis, over the batch of like."""
        exprs, width, shape = program.outputs[group], program.results[group].width, f"{like}.shape[:-1]"
        shared = group == "p" and self.programs.arrays and like == "w"
        arrays = shared or any(value.shape for value in program.results[group])
        zero = all(isinstance(expr, Number) and expr.value == 0 for expr in exprs)
        if all(printer.is_scalar(expr) for expr in exprs) and (zero or not arrays):
            values = [layout.flat(printer.doc(expr)) for expr in exprs]
            if zero:
                columns = "p.shape[-1]" if group == "p" and self._external else width
                return f"{like}.new_zeros((*{shape}, {columns}))"
            return f"{like}.new_tensor([{', '.join(values)}]).expand(*{shape}, {width})"
        if arrays:
            wide, given = self._wide_names(program), zip(exprs, program.results[group], strict=True)
            docs = tuple(piece(printer, printer.typed(expr, shapes, wide), value) for expr, value in given)
            if group == "p" and self._external and printer.is_scalar(exprs[-1]):
                docs = (*docs[:-1], Leaf(f"p.new_zeros(p.shape[-1] - {width - 1})"))
        else:
            docs = tuple(printer.tensor(expr) for expr in exprs)
        whole: Doc = Call(f"{self.room}{'side_by_side' if arrays else 'columns'}", docs)
        if shared:
            whole = Call(f"{self.room}gathered", (Leaf("p"), *docs))
        elif arrays and len(docs) == 1:
            whole = docs[0]
        if group in ("dx", "y") and not _moves(program, group):
            whole = Call(f"{self.room}over", (Leaf(like), whole))
        # what a cotangent gives stands among others, in brackets of its own
        indent, trail = ("        ", ",") if like == "w" else ("    ", "")
        return "\n".join(layout.lines(whole, indent, trail=trail)).strip().removesuffix(",")


def _gradients(program: Program) -> set[str]:
    """The names of gradients by parameters that nothing else is made of."""
    wanted = program.outputs.get("p", ())
    used = Counter(s.name for expr in program.expressions() for s in symbols(expr))
    return {expr.name for expr in wanted if isinstance(expr, Symbol) and used[expr.name] == 1}


def _moves(program: Program, group: str) -> bool:
    """Whether a column of an output group depends on the states, and so has their batch shape."""
    moving = program.dependent("x", "dx")
    return any(s.name in moving for expr in program.outputs[group] for s in symbols(expr))
