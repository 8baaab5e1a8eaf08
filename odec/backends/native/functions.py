"""Programs as C functions of one lane: what is loaded, assigned and stored."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from odec.backends.layout import INDENT, Doc
from odec.backends.names import undotted
from odec.backends.native.arrays import Body
from odec.backends.native.names import c_spelling
from odec.backends.native.printer import ArrayPrinter, CPrinter, is_condition
from odec.backends.native.text import statement
from odec.lookups import Lookup
from odec.passes.program import Layout, Program, Programs
from odec.tree import Expr, Number, symbols

_ARGUMENT = {"t": "(real)time_l"}
_RESULT = {"dx": "dx", "y": "y", "t": "gt", "x": "gx", "p": "gp", "u": "gu"}


@dataclass(frozen=True)
class Function:
    """The text of a C function's body; whole: with the loop over lanes around it, where it needs one.

    room: how many values of a lane it holds in arrays.
    """

    body: str
    uses_time: bool
    room: int = 0
    loops: bool = False

    @property
    def whole(self) -> str:
        return self.body if self.loops else f"{INDENT}EVERY_LANE {{\n{self.body}\n{INDENT}}}"


def c_spellings(programs: Programs, more: Iterable[Program] = ()) -> dict[str, str]:
    """The names that are written otherwise in C, in `more` programs too."""
    names = _names(programs, more)
    dotless = undotted(names)
    spelt = {name: c_spelling(dotless.get(name, name), constant=name in programs.consts) for name in names}
    return {name: spelling for name, spelling in spelt.items() if spelling != name}


def _names(programs: Programs, more: Iterable[Program]) -> list[str]:
    names = [*programs.states.names, *programs.params.names, *programs.consts, *programs.held.names]
    names.append(programs.system.time)
    for program in (*_all(programs), *more):
        names += [assign.name for assign in program.body]
        names += program.names()
    return names


def _all(programs: Programs) -> Iterable[Program]:
    found = [programs.rhs, programs.rhs_vjp, programs.rhs_jvp]
    found += [programs.initial, programs.initial_vjp, programs.initial_jvp]
    return [*found, *(p for p in (programs.observe, programs.observe_vjp) if p)]


def _tables(tables: Iterable[Lookup], known: Iterable[str]) -> dict[int, str]:
    """The names of lookup tables in C, by key: such as no name of the model begins with."""
    prefix = "table"
    while any(name.startswith(prefix) for name in known):
        prefix += "_"
    return {table.key: f"{prefix}_{k}" for k, table in enumerate(tables)}


class FunctionWriter:
    """Writes Programs as bodies of C functions; collects the helpers that they use."""

    def __init__(self, programs: Programs, more: Iterable[Program] = ()):
        self.programs = programs
        self.source = programs.system.source
        self._known = frozenset(_names(programs, more))
        self.names = c_spellings(programs, more)
        self.lookups = _tables(programs.system.lookups, self._known)
        printer = ArrayPrinter if programs.arrays else CPrinter
        self.printer = printer(self.names, self.lookups)

    def spell(self, name: str) -> str:
        return self.names.get(name, name)

    def function(self, program: Program, results: Mapping[str, str] = _RESULT) -> Function:
        """The body of a program over one lane's arrays (x[0]_l, p[0]_l, …); results: the outputs' arrays."""
        used = {s.name for expr in program.expressions() for s in symbols(expr)}
        if self.programs.arrays:
            body = Body(self, program, results)
            timed = not used.isdisjoint(program.names("t"))
            return Function("\n".join(body.lines), timed, body.room, loops=True)
        text = self._loads(program, used)
        for assign in program.body:
            kind = "bool" if is_condition(assign.expr) else "real"
            lead = f"const {kind} {self.spell(assign.name)} = "
            text += statement(lead, self.printer.doc(assign.expr), self.place(assign.span))
        for group, exprs in program.outputs.items():
            text += self._stores(results[group], exprs, program.results[group])
        return Function("\n".join(text), not used.isdisjoint(program.names("t")))

    def place(self, span: object) -> str:
        """model.ode:13 for a user's own formula, else nothing."""
        if span is None:
            return ""
        line = self.source.position(span.start)[0]  # type: ignore[attr-defined]
        return f"{PurePath(self.source.name).name}:{line}"

    def fresh(self, patterns: Sequence[str]) -> Iterator[str]:
        """Names that nothing else has; the last pattern has a number in it."""
        taken = {self.spell(name) for name in self._known}
        named = (pattern.format(k) for k in itertools.count() for pattern in patterns[k and -1 :])
        return (name for name in named if name not in taken)

    def printed(self, expr: Expr, elements: Mapping[str, str]) -> Doc:
        """An expression of which elements of arrays are known as C."""
        self.printer.elements = elements
        return self.printer.doc(expr)

    def _loads(self, program: Program, used: set[str]) -> list[str]:
        text: list[str] = []
        for group, layout in program.inputs.items():
            for value in layout:
                if value.name in used:
                    column = _ARGUMENT.get(group, f"{group}[{value.place}]_l")
                    text.append(f"{INDENT * 2}const real {self.spell(value.name)} = {column};")
        return text

    def _stores(self, target: str, exprs: Sequence[Expr], layout: Layout) -> list[str]:
        """Parameter and time cotangents are added up, as every stage gives a share; the others are set."""
        text: list[str] = []
        adds = target in ("gp", "gt")
        for value, expr in zip(layout, exprs, strict=True):
            zero = isinstance(expr, Number) and expr.value == 0
            if not (adds and zero):
                sign = "+=" if adds else "="
                text += statement(f"{target}[{value.place}]_l {sign} ", self.printer.doc(expr))
        return text
