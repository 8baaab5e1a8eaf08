"""Values of nodes at many random points at once, where a part is 0 or overflows."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odec.passes.graph import Graph
from odec.tree import APART, DISTANCE, NEAR, OPERATIONS, Symbol

Values = NDArray[Any]

_EXPONENTS = (-3.0, -2.0, -1.3, -1.0, -0.7, -0.5, 0.5, 0.7, 1.0, 1.3, 1.5, 2.0, 3.0, 4.0)


class Points:
    """Points for what some nodes are made of, at each of which one node has a value that is forced.

    Exponents are of the sizes that they have in models; all else is between 0.4 and 2.5, or minus that.
    """

    def __init__(self, graph: Graph, nodes: Sequence[int], forced: Sequence[tuple[int, float]]):
        self.graph, self.count = graph, len(forced)
        self.given: dict[int, Values] = {}
        exponents, positive = exponents_of(graph, nodes), roots_of(graph, nodes)
        for i in nodes:
            leaf = graph.leaf[i]
            if isinstance(leaf, Symbol) and graph.value(i) is None:
                draw = random.Random(leaf.name)
                row = [_drawn(draw, i in exponents, i in positive) for _ in forced]
                self.given[i] = np.array(row)
        self.forced: dict[int, list[tuple[int, float]]] = {}
        for k, (i, value) in enumerate(forced):
            self.forced.setdefault(i, []).append((k, value))

    def vanishes(self, i: int, nodes: Sequence[int]) -> bool:
        """Whether a node is 0 at some of the points; nodes: what it is made of."""
        return bool((self.values(nodes)[i] == 0).any())

    def lost(self, i: int, slopes: Sequence[int], nodes: Sequence[int]) -> set[int]:
        """At which points the node is finite and a slope is no number; nodes: what they are made of."""
        values = self.values(nodes)
        found = np.isfinite(values[i]) & np.any([np.isnan(values[d]) for d in slopes], axis=0)
        return set(np.flatnonzero(found).tolist())

    def values(self, nodes: Sequence[int]) -> dict[int, Values]:
        """The values of nodes (ascending, with all they are made of)."""
        graph, found = self.graph, dict[int, Values]()
        with np.errstate(all="ignore"):
            for i in nodes:
                leaf = graph.leaf[i]
                if leaf is not None:
                    value = graph.value(i)
                    found[i] = self.given[i] if value is None else np.full(self.count, value)
                else:
                    found[i] = _apply(graph.ops[i], [found[arg] for arg in graph.args[i]])
                if i in self.forced:
                    found[i] = found[i].astype(float)
                    for k, value in self.forced[i]:
                        found[i][k] = value
        return found


def _drawn(draw: random.Random, exponent: bool, positive: bool) -> float:
    if exponent:
        return draw.choice(_EXPONENTS)
    return draw.uniform(0.4, 2.5) * (1 if positive else draw.choice((1, 1, 1, -1)))


def exponents_of(graph: Graph, nodes: Sequence[int]) -> set[int]:
    """The names that powers have as exponents, written as pow or with a logarithm."""
    found: list[int] = []
    for i in nodes:
        if graph.ops[i] == "pow":
            found.append(graph.args[i][1])
        elif graph.ops[i] == "mul" and any(graph.ops[arg] == "log" for arg in graph.args[i]):
            found.extend(arg for arg in graph.args[i] if graph.leaf[arg] is not None)
    return _names_in(graph, found)


def roots_of(graph: Graph, nodes: Sequence[int]) -> set[int]:
    """The names that roots and logarithms are of."""
    return _names_in(graph, [graph.args[i][0] for i in nodes if graph.ops[i] in ("pow", "sqrt", "log")])


def _names_in(graph: Graph, nodes: Sequence[int]) -> set[int]:
    seen, stack = set(nodes), list(nodes)
    while stack:
        for arg in graph.args[stack.pop()]:
            if arg not in seen:
                seen.add(arg)
                stack.append(arg)
    return {i for i in seen if isinstance(graph.leaf[i], Symbol)}


def _apply(op: str, args: list[Values]) -> Values:
    if op in _BY_ARRAYS:
        return np.asarray(_BY_ARRAYS[op](*args))
    evaluate = OPERATIONS[op].evaluate

    def one(*scalars: float) -> float:
        try:
            return float(evaluate(*scalars))
        except OverflowError:
            return math.inf
        except (ValueError, ZeroDivisionError):
            return math.nan

    return np.array([one(*map(float, scalars)) for scalars in zip(*args, strict=True)])


def _folded(function: Callable[[Values, Values], Values]) -> Callable[..., Values]:
    def apply(first: Values, *rest: Values) -> Values:
        for arg in rest:
            first = function(first, arg)
        return first

    return apply


def _chosen(condition: Values, a: Values, b: Values) -> Values:
    return np.asarray(np.where(condition, a, b))


def _apart(x: Values, k: Values) -> Values:
    distance = np.array(APART)[k.astype(int) - 1]
    return np.where(np.abs(x) < distance, np.where(x < 0, -distance, distance), x)


def _limit(here: Values, first: Values, second: Values) -> Values:
    one, two = np.abs(first), np.abs(second)
    agree = np.abs(first - second) <= 1e-6 * np.maximum(one, two)
    falls = (two <= 1e-8 * one) & (one < np.inf) & ((second != 0) | (one < 1e-100))
    return np.where(~np.isfinite(here) & np.isfinite(second) & (agree | falls), second, here)


_BY_ARRAYS: Mapping[str, Callable[..., Values]] = {
    **{op: _folded(getattr(np, name)) for op, name in (("add", "add"), ("mul", "multiply"))},
    **{op: _folded(getattr(np, name)) for op, name in (("min", "minimum"), ("max", "maximum"))},
    **{op: _folded(getattr(np, f"logical_{op}")) for op in ("and", "or")},
    **{
        op: getattr(np, op) for op in "exp expm1 log log1p log2 log10 sqrt sin cos tan sinh cosh tanh".split()
    },
    "div": np.divide,
    "neg": np.negative,
    "pow": np.power,
    "not": np.logical_not,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "abs": np.abs,
    "sign": np.sign,
    "atan": np.arctan,
    "relu": lambda x: np.where(x < 0, 0.0, x),
    "select": _chosen,
    "guard": _chosen,
    "guard_not": lambda c, a, b: _chosen(c, b, a),
    "near": lambda x: np.abs(x) < NEAR,
    "distance": lambda x: np.full_like(x, DISTANCE, dtype=float),
    "apart": _apart,
    "limit": _limit,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0.0, x),
    "finite": lambda x: np.where(np.isinf(x), 0.0, x),
}
