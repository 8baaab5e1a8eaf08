"""Statements to a System: names looked up, values of constants found, everything that is wrong reported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, TypeVar

from odec.diagnostics import Diagnostic, Source, Span
from odec.lang import syntax
from odec.lang.arrays import with_arrays
from odec.lang.constants import Evaluator, NotConstant
from odec.lang.functions import DISTRIBUTIONS, INPUT_KINDS
from odec.lang.left_sides import Key
from odec.lang.names import VALUES, Names
from odec.lang.nets import NetSaid, external_args, read_bias, split_layers
from odec.lang.number_files import NumberFiles
from odec.lang.parts import Refused
from odec.lang.reader import Reading
from odec.lang.report import Report, words
from odec.lang.resolve import Context, Resolver
from odec.lang.structure import check_structure
from odec.lang.switch_warnings import report_switches
from odec.lang.times import with_past
from odec.lang.values import Values
from odec.system import (
    Const,
    Equation,
    Function,
    Initial,
    Input,
    Intermediate,
    Interval,
    Noise,
    Observable,
    Param,
    Run,
    Said,
    System,
)
from odec.tree import Expr, Op, Symbol, number

_CONSTANT = frozenset({"constant"})
_MAX_ORDER = 9
_KINDS = {
    "Const": "constant",
    "Param": "parameter",
    "Initial": "initial",
    "Equation": "equation",
    "Intermediate": "intermediate",
    "Observable": "observable",
}
T = TypeVar("T")


def check(
    source: Source, reading: Reading, methods: frozenset[str] | None
) -> tuple[System | None, list[Diagnostic]]:
    """The System of the statements read, or None and what is wrong with them and what could not be read."""
    report = Report(source)
    report.extend([*reading.errors, *reading.warnings])
    if report.full or any(d.code == "E116" for d in reading.errors):
        return None, report.diagnostics()
    reading = replace(reading, statements=with_past(reading.statements, report))
    checker = _Checker(source, reading, methods, report)
    draft = checker.draft(reading.doc)
    check_structure(draft, checker.names, reading, report)
    if report.failed:
        return None, report.diagnostics()
    if checker.arrays:
        draft = with_arrays(draft, checker.said, checker.sizes, checker.nets, report)
        if report.failed:
            return None, report.diagnostics()
    draft = checker.files.applied(draft, reading.statements)
    if report.failed:
        return None, report.diagnostics()
    system = Values(draft, reading.statements, checker.fixed, report).complete()
    if not report.failed:
        report_switches(system, report)
    return (None if report.failed else system), report.diagnostics()


def model_name(source: Source) -> str:
    """The file's name without folder and ending; `model` where the text is of no file."""
    stem = PurePath(source.name).stem
    return stem if stem and stem[0] not in "<-" else "model"


def _with_all(part: T, said: Mapping[Key, Sequence[Said]]) -> T:
    """A definition with the formulas of all its elements as one, which says what it depends on."""
    kind = _KINDS.get(type(part).__name__, "")
    name = str(getattr(part, "state", None) or getattr(part, "name", ""))
    order: int = getattr(part, "order", 0) if kind == "initial" else 0
    found = said.get((kind, name, order), ())
    if not found:
        return part
    exprs = [expr for one in found for expr in (one.expr, *one.index, *_ends(one))]
    field = "default" if kind == "parameter" else "expr"
    own: Any = {field: Op("pieces", tuple(exprs), found[0].expr.span)}
    whole: T = replace(part, **own)  # type: ignore[type-var]
    return whole


def _ends(said: Said) -> list[Expr]:
    return [end for _, first, last in said.loops for end in (first, last)]


class _Checker:
    def __init__(
        self,
        source: Source,
        reading: Reading,
        methods: frozenset[str] | None,
        report: Report,
    ):
        self.source = source
        self.statements = reading.statements
        self.methods = methods
        self.report = report
        self.names = Names(reading.statements, report, reading.unread)
        self.is_map = any(isinstance(s, syntax.Rule) and s.kind == "map" for s in self.statements)
        self.resolver = Resolver(self.names.entries, self.names.time, report, is_map=self.is_map)
        self.fixed: dict[Span, Expr] = {}
        self.said: dict[Key, list[Said]] = {}
        self.sizes: dict[str, tuple[Expr, ...]] = {}
        self.nets: dict[str, NetSaid] = {}
        self.files = NumberFiles(report)
        self.constants = Evaluator({})

    @property
    def arrays(self) -> bool:
        """Whether the model has anything of arrays."""
        return self.resolver.arrays or bool(self.said) or any(self.sizes.values()) or bool(self.nets)

    def draft(self, doc: str) -> System:
        """The System with names looked up, and values, intervals and transforms still open."""
        parts: dict[str, list] = {}
        run: Run | None = None
        for statement in self.statements:
            for part in self._parts(statement):
                if isinstance(part, Run):
                    if run is not None:
                        first = f"the first stands on line {self.source.position(run.span.start)[0]}"
                        self.report.add("E314", "the run is given twice", part.span, "", first)
                    run = run or part
                else:
                    parts.setdefault(type(part).__name__, []).append(part)
        self.resolver.report_unknown()

        def of(kind: type) -> tuple:
            return tuple(_with_all(part, self.said) for part in parts.get(kind.__name__, ()))

        time = next((s for s in self.statements if isinstance(s, syntax.Time)), None)
        equations: tuple[Equation, ...] = of(Equation)
        return System(
            name=model_name(self.source),
            source=self.source,
            kind="map" if self.is_map else "ode",
            time=self.names.time,
            time_unit=time.unit if time else None,
            doc=doc,
            states=tuple(dict.fromkeys(e.state for e in equations)),
            params=of(Param),
            consts=of(Const),
            equations=equations,
            initials=of(Initial),
            intermediates=of(Intermediate),
            functions=of(Function),
            inputs=of(Input),
            observables=of(Observable),
            run=run,
            state_units=self._state_units(),
        )

    def _state_units(self) -> dict[str, str]:
        units = {}
        for statement in self.statements:
            if isinstance(statement, syntax.Inits) and statement.unit is not None:
                units.update({i.name.text: statement.unit for i in statement.items if i.order == 0})
        return units

    def _constant(self, expr: Expr, what: str, infinite: bool = False, draws: bool = False) -> Expr:
        """Resolved, and kept under its span for the values' check."""
        context = Context(what, _CONSTANT, infinite=infinite, draws=draws)
        resolved = self.resolver.number(expr, context)
        if expr.span is not None:
            self.fixed[expr.span] = resolved
        return resolved

    def _value(self, expr: Expr, what: str, present: bool = False) -> Expr:
        return self.resolver.number(expr, Context(what, ahead=not present, past=not present))

    def _parts(self, statement: syntax.Statement) -> Iterable[object]:
        match statement:
            case syntax.Params():
                return self._params(statement)
            case syntax.Consts(items=items, unit=unit, doc=doc):
                return [const for item in items for const in self._const(item, unit, doc)]
            case syntax.Inits():
                return self._inits(statement)
            case syntax.Rule():
                return self._rule(statement)
            case syntax.Definition(name=name, expr=expr, doc=doc, span=span):
                value = self._value(expr, "an intermediate")
                first = self._first("intermediate", name, statement.elements, value, doc)
                return [Intermediate(name.text, value, doc, span)] if first else []
            case syntax.FunctionDefinition():
                return self._function(statement)
            case syntax.Table():
                return self._table(statement)
            case syntax.Inputs():
                return self._inputs(statement)
            case syntax.Net():
                return self._net(statement)
            case syntax.Observation():
                return self._observation(statement)
            case syntax.RunLine():
                return self._run(statement)
        return []

    def _first(
        self,
        kind: str,
        name: syntax.Name,
        elements: syntax.Elements | None,
        expr: Expr,
        doc: str,
        order: int = 0,
    ) -> bool:
        """Note which elements a formula defines; whether it is the first of its name."""
        if elements is None:
            return True
        found = self.said.setdefault((kind, name.text, order), [])
        context = Context("an index", _CONSTANT)
        index = tuple(self.resolver.number(part, context) for part in elements.index)
        loops = tuple(
            (loop.axis, self.resolver.number(loop.first, context), self.resolver.number(loop.last, context))
            for loop in elements.loops
        )
        span = name.span.to(elements.span)
        found.append(Said(index, loops, elements.periodic, expr, doc, span, elements.end))
        return len(found) == 1

    def _const(self, item: syntax.Binding, unit: str | None, doc: str) -> list[Const]:
        """Its value is found when all constants are known."""
        expr = self._constant(item.expr, "a constant")
        if item.elements is None:
            with contextlib.suppress(NotConstant):
                self.constants.values[item.name.text] = self.constants.value(expr)
        first = self._first("constant", item.name, item.elements, expr, doc)
        return [Const(item.name.text, expr, 0.0, unit, doc, item.name.span)] if first else []

    def _params(self, statement: syntax.Params) -> list[Param]:
        """Bounds and transforms are found once the constants have their values."""
        params = []
        if statement.bounds is not None:
            self._constant(statement.bounds.lower, "a bound of an interval", infinite=True)
            self._constant(statement.bounds.upper, "a bound of an interval", infinite=True)
        for item in statement.items:
            default = self._constant(item.expr, "the default of a parameter", draws=True)
            if not self._first("parameter", item.name, item.elements, default, statement.doc):
                continue
            transform = statement.transform.text if statement.transform else ""
            name, span, unit, doc = item.name.text, item.name.span, statement.unit, statement.doc
            params.append(Param(name, default, 0.0, Interval(), transform, unit, doc, span))
        return params

    def _inits(self, statement: syntax.Inits) -> list[Initial]:
        context = Context("an initial value", VALUES - {"input"}, past=True)
        initials = []
        for item in statement.items:
            expr = self.resolver.number(item.expr, context)
            name, span = item.name.text, item.name.span
            if self._first("initial", item.name, item.elements, expr, statement.doc, item.order):
                initials.append(Initial(name, item.order, expr, statement.unit, statement.doc, span))
        return initials

    def _rule(self, rule: syntax.Rule) -> list[Equation]:
        if rule.wrt is not None:
            self._check_time(rule.wrt, f"`time {rule.wrt.text}` would name it so")
        if rule.order > _MAX_ORDER:
            self.report.add("E107", f"a derivative of order {rule.order}", rule.span, f"at most {_MAX_ORDER}")
            return []
        expr = self._value(rule.expr, "an equation")
        if not self._first("equation", rule.state, rule.elements, expr, rule.doc):
            return []
        return [Equation(rule.state.text, rule.order, expr, rule.doc, rule.span)]

    def _check_time(self, given: syntax.Name, *notes: str) -> None:
        time = self.names.time
        if given.text != time and given.text not in self.names.unread:
            message = f"the independent variable is '{time}', not '{given.text}'"
            self.report.suggest("E318", message, given.span, time, *notes)

    def _function(self, f: syntax.FunctionDefinition) -> list[Function]:
        seen: dict[str, Span] = {}
        for arg in f.args:
            self.names.allowed_argument(arg)
            if arg.text in seen:
                message = f"the function '{f.name.text}' has two arguments named '{arg.text}'"
                self.report.add("E202", message, arg.span, "named again")
            seen[arg.text] = arg.span
        context = Context("a function", VALUES, frozenset(seen), ahead=True, past=True)
        body = self.resolver.number(f.body, context)
        return [Function(f.name.text, tuple(a.text for a in f.args), body, f.doc, f.span)]

    def _table(self, statement: syntax.Table) -> list[Function]:
        """A function whose value is looked up."""
        context = Context("a point of a table", _CONSTANT)
        read = self.constants.value
        try:
            points = [
                (read(self.resolver.number(x, context)), read(self.resolver.number(y, context)))
                for x, y in statement.points
            ]
            table = self.files.table(statement, points)
        except NotConstant as error:
            label = f"it depends on '{error}'" if str(error) else ""
            message, note = "a point is not known when compiled", "constants stand above the table"
            self.report.add("E311", message, statement.name.span, label, note)
        except Refused as wrong:
            self.report.add(wrong.code, wrong.message, wrong.span, wrong.label, *wrong.notes)
        else:
            body = Op("lookup", (Symbol("x"), number(table.key), number(0)))
            return [Function(statement.name.text, ("x",), body, statement.doc, statement.span)]
        return []

    def _inputs(self, statement: syntax.Inputs) -> list[Input]:
        kind = statement.kind.text if statement.kind else "hold"
        if kind not in INPUT_KINDS and statement.kind:
            message = f"unknown kind of input '{kind}'"
            guess = self.report.guess(kind, INPUT_KINDS)
            self.report.suggest(
                "E211", message, statement.kind.span, guess, f"an input is {words(INPUT_KINDS)}"
            )
        context = Context("a size", _CONSTANT)
        for name, sizes in zip(statement.names, statement.shapes, strict=True):
            self.sizes[name.text] = tuple(self.resolver.number(size, context) for size in sizes)
        return [Input(n.text, kind, statement.unit, statement.doc, n.span) for n in statement.names]

    def _net(self, net: syntax.Net) -> list[Intermediate]:
        layers, activation = split_layers(net, self.names.entries, self.report)
        size = Context("a size", _CONSTANT)
        outputs = tuple(
            (one.name, tuple(self.resolver.number(part, size) for part in one.sizes)) for one in net.outputs
        )
        args = [(arg, ()) for arg in net.args] if net.layers is not None else external_args(net)
        said = NetSaid(
            net.name,
            tuple(self._value(arg, "what a net sees") for arg, _ in args),
            outputs,
            None if net.layers is None else tuple(self.resolver.number(layer, size) for layer in layers),
            activation,
            read_bias(net.bias, self.report),
            None if net.seed is None else self.resolver.number(net.seed, Context("a seed", _CONSTANT)),
            net.doc,
            net.span,
            tuple(tuple(self.resolver.number(part, size) for part in sizes) for _, sizes in args),
        )
        if not net.args:
            self.report.add("E321", f"the net '{net.name.text}' sees nothing", net.name.span)
        self.nets.setdefault(net.name.text, said)
        return said.intermediates()

    def _observation(self, o: syntax.Observation) -> list[Observable]:
        expr = self._value(o.expr, "an observable", present=True)
        first = self._first("observable", o.name, o.elements, expr, o.doc)
        noise = None
        if o.noise is not None:
            name = o.noise.distribution
            args = tuple(self._value(arg, "a noise term", present=True) for arg in o.noise.args)
            self._check_noise(name, len(args), o.noise.span)
            noise = Noise(name.text, args, o.noise.span)
        return [Observable(o.name.text, expr, noise, o.unit, o.doc, o.span)] if first else []

    def _check_noise(self, name: syntax.Name, count: int, span: Span) -> None:
        wanted = DISTRIBUTIONS.get(name.text)
        if wanted is None:
            gauss = name.text.casefold().startswith("gauss")
            guess = "normal" if gauss else self.report.guess(name.text, DISTRIBUTIONS)
            note = f"the noise may be {words(DISTRIBUTIONS)}"
            self.report.suggest("E209", f"unknown distribution '{name.text}'", name.span, guess, note)
        elif count != len(wanted):
            form = f"{name.text}({', '.join(wanted)})" if wanted else name.text
            takes = f"{len(wanted)} argument{'' if len(wanted) == 1 else 's'}" if wanted else "no arguments"
            message = f"'{name.text}' takes {takes}"
            self.report.add("E205", message, span, f"{count} given", f"write `~ {form}`")

    def _run(self, statement: syntax.RunLine) -> list[Run]:
        method = statement.method
        for expr, what in statement.numbers:
            self._constant(expr, what)
        self._check_time(statement.time)
        if method is not None and self.methods is not None and method.text not in self.methods:
            guess = self.report.guess(method.text, sorted(self.methods))
            note = "`odec list methods` shows them all"
            self.report.suggest("E207", f"unknown method '{method.text}'", method.span, guess, note)
        return [Run(0.0, 0.0, None, method.text if method else None, span=statement.span)]
