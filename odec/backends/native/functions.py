"""Programs as C functions of one lane: what is loaded, assigned and stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from odec.backends.layout import INDENT, WIDTH, Chain, Doc, Leaf, flat, lines
from odec.backends.native.names import c_spelling
from odec.backends.native.printer import CPrinter, is_condition
from odec.passes.program import Layout, Program, Programs
from odec.text import c_comment
from odec.tree import Expr, Number, symbols

_ARGUMENT = {"t": "(real)time_l"}
_RESULT = {"dx": "dx", "y": "y", "t": "gt", "x": "gx", "p": "gp", "u": "gu"}


@dataclass(frozen=True)
class Function:
    """The text of a C function's body."""

    body: str
    uses_time: bool


def c_spellings(programs: Programs, more: Iterable[Program] = ()) -> dict[str, str]:
    """The names that are written otherwise in C, in `more` programs too."""
    names = [*programs.states.names, *programs.params.names, *programs.consts, *programs.held.names]
    names.append(programs.system.time)
    for program in (*_all(programs), *more):
        names += [assign.name for assign in program.body]
        names += program.names()
    spelt = {name: c_spelling(name, constant=name in programs.consts) for name in names}
    return {name: spelling for name, spelling in spelt.items() if spelling != name}


def _all(programs: Programs) -> Iterable[Program]:
    found = [programs.rhs, programs.rhs_vjp, programs.rhs_jvp]
    found += [programs.initial, programs.initial_vjp, programs.initial_jvp]
    return [*found, *(p for p in (programs.observe, programs.observe_vjp) if p)]


class FunctionWriter:
    """Writes Programs as bodies of C functions; collects the helpers that they use."""

    def __init__(self, programs: Programs, more: Iterable[Program] = ()):
        self.programs = programs
        self.source = programs.system.source
        self.names = c_spellings(programs, more)
        self.printer = CPrinter(self.names)

    def spell(self, name: str) -> str:
        return self.names.get(name, name)

    def function(self, program: Program, results: Mapping[str, str] = _RESULT) -> Function:
        """The body of a program over one lane's arrays (x[0]_l, p[0]_l, …); results: the outputs' arrays."""
        used = {s.name for expr in program.expressions() for s in symbols(expr)}
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


def statement(lead: str, doc: Doc, comment: str = "", indent: str = INDENT * 2) -> list[str]:
    """`lead doc;` as lines, the comment beside it where it fits, else above."""
    whole = f"{indent}{lead}{flat(doc)};"
    comment = c_comment(comment)
    remark = f"  // {comment}" if comment else ""
    if len(whole) + len(remark) <= WIDTH:
        return [whole + remark]
    above = [f"{indent}// {comment}"] if comment else []
    if len(whole) <= WIDTH or isinstance(doc, Leaf):
        return [*above, whole]
    if isinstance(doc, Chain):
        return [*above, f"{indent}{lead.rstrip()}", *_c_lines(lines(doc, indent + INDENT, "", ";"))]
    return above + _c_lines(lines(doc, indent, lead, ";"))


def _c_lines(broken: list[str]) -> list[str]:
    """Lines without the comma that Python allows after a call's last argument."""
    pairs = zip(broken, [*broken[1:], ""], strict=True)
    return [a[:-1] if a.endswith(",") and b.lstrip().startswith(")") else a for a, b in pairs]
