"""Dependencies between names: cycles, an order, what is reached. Nothing here recurses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]
"""For each name the names it needs; names that are no keys are leaves."""


def reachable(graph: Graph, roots: Iterable[str]) -> set[str]:
    """Every name that the roots need, directly or not, themselves included."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for name in graph.get(stack.pop(), ()):
            if name not in seen:
                seen.add(name)
                stack.append(name)
    return seen


def components(graph: Graph) -> list[list[str]]:
    """Strongly connected components, each after those it needs. R. Tarjan, SIAM J. Comput. 1 (1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, following = work[-1]
            child = next((c for c in following if c in graph and (c not in index or c in on_stack)), None)
            if child is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node) if stack[-1] != node else len(stack) - 1
                    found.append(stack[at:])
                    on_stack.difference_update(stack[at:])
                    del stack[at:]
            elif child in index:
                low[node] = min(low[node], index[child])
            else:
                index[child] = low[child] = len(index)
                stack.append(child)
                on_stack.add(child)
                work.append((child, iter(graph[child])))
    return found


def cycles(graph: Graph) -> list[list[str]]:
    """One shortest cycle [a, b, …, a] for every component that has one."""
    result = []
    order = {name: i for i, name in enumerate(graph)}
    for component in components(graph):
        first = min(component, key=order.__getitem__)
        if len(component) > 1 or first in graph[first]:
            result.append(_shortest_cycle(graph, first, set(component)))
    return sorted(result, key=lambda cycle: order[cycle[0]])


def _shortest_cycle(graph: Graph, start: str, component: set[str]) -> list[str]:
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for child in graph[node]:
            if child == start:
                path = [node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return [*reversed(path), start]
            if child in component and child not in came_from:
                came_from[child] = node
                queue.append(child)
    return [start, start]


def order(graph: Graph) -> list[str]:
    """The keys, each after those it needs; what stands in a cycle comes in some order."""
    return [name for component in components(graph) for name in component]
