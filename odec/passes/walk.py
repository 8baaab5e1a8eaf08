"""Walking expressions without recursion: operation counts, stable topological order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from odec.tree import Expr, Op, fold

K = TypeVar("K", bound=Hashable)


def keep(node: Op, args: tuple[Expr, ...]) -> Op:
    """The same node where its arguments did not change, else a copy of it with the new ones."""
    if all(new is old for new, old in zip(args, node.args, strict=True)):
        return node
    return Op(node.op, args, node.span, node.shape, node.static)


def count_operations(expr: Expr) -> int:
    """Operations in an expression: an n-ary sum or product counts n - 1, a sign nothing, any other 1."""
    total = 0
    stack: list[Expr] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            total += operation_cost(node.op, len(node.args))
            stack.extend(node.args)
    return total


def count_nodes(expr: Expr) -> int:
    """Nodes of an expression, its leaves included."""
    return fold(expr, lambda _: 1, lambda _, args: 1 + sum(args))


def operation_cost(op: str, arguments: int) -> int:
    """What one operation counts; see `count_operations`."""
    if op in ("add", "mul", "and", "or", "min", "max"):
        return arguments - 1
    return 0 if op in ("neg", "true", "false") else 1


def contains(expr: Expr, *ops: str) -> bool:
    """Whether an operation of one of these names stands anywhere in the expression."""
    stack: list[Expr] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            if node.op in ops:
                return True
            stack.extend(node.args)
    return False


def topological(roots: Iterable[K], dependencies: Callable[[K], Sequence[K]]) -> list[K]:
    """What the roots need, each after what it depends on, otherwise in the order given.

    Raises ValueError for a cycle.
    """
    state: dict[K, bool] = {}
    order: list[K] = []
    for root in roots:
        if root in state:
            continue
        state[root] = False
        frames = [(root, iter(dependencies(root)))]
        while frames:
            node, rest = frames[-1]
            for dependency in rest:
                if dependency not in state:
                    state[dependency] = False
                    frames.append((dependency, iter(dependencies(dependency))))
                    break
                if not state[dependency]:
                    raise ValueError(f"{dependency!r} depends on itself")
            else:
                frames.pop()
                state[node] = True
                order.append(node)
    return order


def reaches(start: Iterable[K], goal: K, dependencies: Mapping[K, Sequence[K]]) -> bool:
    """Whether `goal` is one of `start` or one of what they depend on."""
    seen = set(start)
    stack = list(seen)
    while stack:
        node = stack.pop()
        if node == goal:
            return True
        for dependency in dependencies.get(node, ()):
            if dependency not in seen:
                seen.add(dependency)
                stack.append(dependency)
    return False
