"""The names of a model: who defines each, and what clashes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from odec.diagnostics import Span
from odec.lang.dots import disguised
from odec.lang.report import Report, article
from odec.lang.syntax import (
    Consts,
    Definition,
    FunctionDefinition,
    Inits,
    Inputs,
    Name,
    Net,
    Observation,
    Params,
    Rule,
    Statement,
    Table,
    Time,
)
from odec.system import derivative_name
from odec.tree import Symbol

VALUES = frozenset(
    {"time", "state", "derivative", "parameter", "constant", "input", "intermediate", "argument"}
)
"""Kinds of names that stand for a number in a formula."""

UNREAD = "unread"
"""The kind of a name that no statement defines, but perhaps a line that could not be read."""

_MEASURED = frozenset({"state", "derivative", "intermediate", "input"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A name of the model; `arity` of a function or net, `order` of a state's equation.

    indexed: whether its definition has an index: then there may be several.
    """

    name: str
    kind: str
    span: Span | None
    arity: int = 0
    order: int = 0
    indexed: bool = False


class Names:
    """Every name of the model with its entry, in source order.

    unread: names that lines which could not be read may define, or `dX = …` is meant to; what would follow
    from that is not reported.
    """

    def __init__(self, statements: Iterable[Statement], report: Report, unread: Iterable[str] = ()):
        self.entries: dict[str, Entry] = {}
        self.unread = frozenset(unread)
        self.time = "t"
        self._report = report
        statements = list(statements)
        self._declare_time([s for s in statements if isinstance(s, Time)])
        for statement in statements:
            self._declare(statement)
        self._declare_measured([s for s in statements if isinstance(s, Observation)])
        self._declare_derivatives()
        started = {i.name.text for s in statements if isinstance(s, Inits) for i in s.items}
        meant = {state for state, _ in disguised(statements, report.source, self.time)}
        folded = {name.casefold() for name in self.unread}
        meant |= {name for name in started if name.casefold() in folded}
        self.unread |= (started & meant) - self.entries.keys()
        for name in self.unread - self.entries.keys():
            self.entries[name] = Entry(name, UNREAD, None)

    def _declare_time(self, statements: list[Time]) -> None:
        span: Span | None = None
        if statements:
            self.time, span = statements[0].name.text, statements[0].name.span
        for other in statements[1:]:
            line = self._line(span)
            self._report.add("E314", "the time is named twice", other.span, "", f"first named on line {line}")
        self.entries[self.time] = Entry(self.time, "time", span)
        if self.time in ("pi", "inf"):
            self._report.add("E206", f"'{self.time}' is reserved", span, "choose another name")

    def _line(self, span: Span | None) -> int:
        return 0 if span is None else self._report.source.position(span.start)[0]

    def _declare(self, statement: Statement) -> None:
        match statement:
            case Params(items=items):
                for item in items:
                    self._add(item.name, "parameter", indexed=item.elements is not None)
            case Consts(items=items):
                for item in items:
                    self._add(item.name, "constant", indexed=item.elements is not None)
            case Rule(state=state, order=order):
                self._add(state, "state", order=order, indexed=statement.elements is not None)
            case Definition(name=name):
                self._add(name, "intermediate", indexed=statement.elements is not None)
            case FunctionDefinition(name=name, args=args):
                self._add(name, "function", arity=len(args))
            case Table(name=name):
                self._add(name, "function", arity=1)
            case Inputs(names=names):
                for name in names:
                    self._add(name, "input")
            case Net(name=name, args=args, outputs=outputs):
                self._add(name, "net", arity=len(args))
                for output in outputs:
                    self._add(output.name, "intermediate")
            case Observation(name=name, expr=expr):
                if not (isinstance(expr, Symbol) and expr.name == name.text):
                    self._add(name, "observable", indexed=statement.elements is not None)
            case _:
                pass

    def _declare_measured(self, statements: list[Observation]) -> None:
        """`obs X = X ~ …` measures the quantity X under its own name."""
        measured: dict[str, Span] = {}
        for statement in statements:
            name = statement.name
            if not (isinstance(statement.expr, Symbol) and statement.expr.name == name.text):
                continue
            entry = self.entries.get(name.text)
            if name.text in measured or entry is None or entry.kind not in _MEASURED:
                self._add(name, "observable")
            measured.setdefault(name.text, name.span)

    def _add(self, name: Name, kind: str, arity: int = 0, order: int = 0, indexed: bool = False) -> None:
        if not self.allowed(name):
            return
        first = self.entries.get(name.text)
        if first is None:
            self.entries[name.text] = Entry(name.text, kind, name.span, arity, order, indexed)
            return
        if indexed and first.indexed and (first.kind, first.order) == (kind, order):
            return
        line = self._line(first.span)
        notes = [f"line {line} defines it first, as {article(first.kind)}"]
        if kind == first.kind == "state":
            message = f"the state '{name.text}' has two equations"
        else:
            message = f"the name '{name.text}' is defined twice"
        if "observable" in (kind, first.kind):
            notes.append("an observable has a name of its own, or is the quantity itself: `obs X = X`")
        self._report.add("E202", message, name.span, "defined again", *notes)

    def allowed_argument(self, name: Name) -> bool:
        """Report a reserved name; an argument may hide the time."""
        return name.text == self.time or self.allowed(name)

    def allowed(self, name: Name) -> bool:
        """Report a reserved name."""
        if name.text not in ("pi", "inf", self.time):
            return True
        what = "the time" if name.text == self.time else "a number"
        note = "only pi, inf and the time (`t`, or what `time NAME` names) are reserved"
        message = f"'{name.text}' is reserved: it is {what}"
        self._report.add("E206", message, name.span, "choose another name", note)
        return False

    def _declare_derivatives(self) -> None:
        """theta'' = … makes dtheta_dt a variable."""
        for entry in list(self.entries.values()):
            for order in range(1, entry.order if entry.order <= 9 else 0):
                name = derivative_name(entry.name, order)
                taken = self.entries.get(name)
                if taken is None:
                    self.entries[name] = Entry(name, "derivative", entry.span)
                elif taken.kind != "derivative":
                    written = entry.name + "'" * order
                    note = f"it is the name that {written} gets in the generated code"
                    message = f"the name '{name}' is defined twice"
                    self._report.add("E202", message, taken.span, "choose another name", note)

    def of_kind(self, *kinds: str) -> list[Entry]:
        return [e for e in self.entries.values() if e.kind in kinds]


def declared(statement: Statement) -> list[Name]:
    """The names that a statement gives a meaning to (for an init: the state's)."""
    match statement:
        case Params(items=items) | Consts(items=items) | Inits(items=items):
            return [item.name for item in items]
        case Rule(state=state):
            return [state]
        case Definition(name=name) | FunctionDefinition(name=name) | Table(name=name):
            return [name]
        case Observation(name=name) | Time(name=name):
            return [name]
        case Inputs(names=names):
            return list(names)
        case Net(name=name, outputs=outputs):
            return [name, *(output.name for output in outputs)]
        case _:
            return []
