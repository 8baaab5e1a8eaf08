"""Systems written as Python, without the parser: `a + b`, `f(x)` on a small wrapper around the tree."""

from __future__ import annotations

from odec.diagnostics import Source, Span
from odec.system import (
    Const,
    Equation,
    Function,
    Initial,
    Input,
    Intermediate,
    Interval,
    Observable,
    Param,
    System,
)
from odec.tree import Expr, Number, Op, Symbol, evaluate, number

SPAN = Span(0, 1)


class E:
    """An expression with operators."""

    def __init__(self, tree: Expr):
        self.tree = tree

    def __add__(self, other: object) -> E:
        return op("add", self, other)

    def __radd__(self, other: object) -> E:
        return op("add", other, self)

    def __sub__(self, other: object) -> E:
        return op("add", self, -expr(other))

    def __rsub__(self, other: object) -> E:
        return op("add", other, -self)

    def __mul__(self, other: object) -> E:
        return op("mul", self, other)

    def __rmul__(self, other: object) -> E:
        return op("mul", other, self)

    def __truediv__(self, other: object) -> E:
        return op("div", self, other)

    def __rtruediv__(self, other: object) -> E:
        return op("div", other, self)

    def __pow__(self, other: object) -> E:
        return op("pow", self, other)

    def __neg__(self) -> E:
        return op("neg", self)

    def __gt__(self, other: object) -> E:
        return op("gt", self, other)

    def __lt__(self, other: object) -> E:
        return op("lt", self, other)


def expr(value: object) -> E:
    if isinstance(value, E):
        return value
    if isinstance(value, str):
        return E(Symbol(value))
    if isinstance(value, int | float):
        return E(number(float(value)))
    assert isinstance(value, Number | Symbol | Op)
    return E(value)


def op(name: str, *args: object) -> E:
    """An operation; nested sums and products are flattened to the left as the parser does."""
    trees = [expr(a).tree for a in args]
    first = trees[0] if trees else None
    if name in ("add", "mul") and isinstance(first, Op) and first.op == name:
        trees[:1] = first.args
    return E(Op(name, tuple(trees)))


def syms(names: str) -> list[E]:
    return [expr(n) for n in names.split()]


def system(
    equations: dict[str, object],
    params: dict[str, float] | None = None,
    init: dict[str, object] | None = None,
    intermediates: dict[str, object] | None = None,
    obs: dict[str, object] | None = None,
    consts: dict[str, float] | None = None,
    inputs: tuple[str, ...] = (),
    functions: dict[str, tuple[tuple[str, ...], object]] | None = None,
    orders: dict[str, int] | None = None,
    kind: str = "ode",
    intervals: dict[str, Interval] | None = None,
) -> System:
    """A System from expressions; each definition gets its own span, in order."""
    orders, intervals, count = orders or {}, intervals or {}, iter(range(10**9))

    def span() -> Span:
        k = next(count)
        return Span(2 * k, 2 * k + 1)

    def tree(value: object) -> Expr:
        return expr(value).tree

    values = {
        (name, k): (init or {}).get(name if k == 0 else f"d{name}_dt", 1.0)
        for name in equations
        for k in range(orders.get(name, 1))
    }
    return System(
        name="model",
        source=Source("model.ode", "x\n" * 1000),
        kind=kind,
        time="t",
        time_unit=None,
        doc="",
        states=tuple(equations),
        params=tuple(
            Param(
                n,
                tree(v),
                v,
                intervals.get(n, Interval()) if intervals else Interval(),
                "none",
                None,
                "",
                span(),
            )
            for n, v in (params or {}).items()
        ),
        consts=tuple(Const(n, tree(v), v, None, "", span()) for n, v in (consts or {}).items()),
        equations=tuple(Equation(n, orders.get(n, 1), tree(v), "", span()) for n, v in equations.items()),
        initials=tuple(Initial(n, k, tree(v), None, "", span()) for (n, k), v in values.items()),
        intermediates=tuple(Intermediate(n, tree(v), "", span()) for n, v in (intermediates or {}).items()),
        functions=tuple(Function(n, a, tree(b), "", span()) for n, (a, b) in (functions or {}).items()),
        inputs=tuple(Input(n, "hold", None, "", span()) for n in inputs),
        observables=tuple(Observable(n, tree(v), None, None, "", span()) for n, v in (obs or {}).items()),
    )


def run(program, values: dict[str, float], consts: dict[str, float] | None = None) -> dict[str, list[float]]:
    """The outputs of a Program for given inputs."""
    env = dict(consts or {})
    for name in program.names():
        env[name] = values[name]
    for assign in program.body:
        assert assign.name not in env, f"{assign.name} is assigned twice"
        env[assign.name] = evaluate(assign.expr, env)
    return {g: [float(evaluate(e, env)) for e in outputs] for g, outputs in program.outputs.items()}


def text(node: Expr) -> str:
    """A compact spelling, for tests that compare formulas."""
    if isinstance(node, Number):
        return node.text
    if isinstance(node, Symbol):
        return node.name
    args = [text(a) for a in node.args]
    if node.op == "add":
        return "(" + args[0] + "".join(f" - {a[1:]}" if a[0] == "-" else f" + {a}" for a in args[1:]) + ")"
    if node.op == "neg":
        return "-" + args[0]
    signs = {"mul": "*", "div": "/", "pow": "**"}
    signs |= {"lt": " < ", "gt": " > ", "le": " <= ", "ge": " >= ", "eq": " == ", "ne": " != "}
    if node.op in signs:
        return "(" + signs[node.op].join(args) + ")"
    return f"{node.op}({', '.join(args)})"


def listing(program) -> str:
    """A Program as lines of text."""
    lines = [f"{a.name} = {text(a.expr)}" for a in program.body]
    return "\n".join(lines + [f"{g}: {', '.join(map(text, out))}" for g, out in program.outputs.items()])
