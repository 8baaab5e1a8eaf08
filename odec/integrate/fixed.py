"""Runs by fixed steps: explicit Runge–Kutta, Adams and implicit methods on a grid of times."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from odec.errors import ArgumentError
from odec.integrate.options import Grid
from odec.integrate.problem import Problem, Slope
from odec.integrate.steps import Size, Stages, stages
from odec.integrate.tables import Table


class Place(NamedTuple):
    """A step: its times as numbers, its size, a number or with a gradient, and its stages' times ()."""

    start: float
    end: float
    h: Size
    times: tuple[Tensor, ...]


class Stepped(NamedTuple):
    """The states after a step, the integral along with it, and the slope at the step's start."""

    y: Tensor
    total: Tensor | None
    slope: Tensor


class Method(Protocol):
    """A method of fixed steps."""

    @property
    def nodes(self) -> Sequence[float]:
        """Where the stages lie in a step; the first lies at 0."""
        ...

    def step(self, place: Place, y: Tensor, total: Tensor | None) -> Stepped:
        """One step from y."""
        ...


class ExplicitMethod:
    """An explicit Runge–Kutta method, by its table."""

    def __init__(self, problem: Problem, table: Table):
        self.rate, self.table, self.nodes = problem.rate, table, (0.0, *table.nodes)

    def step(self, place: Place, y: Tensor, total: Tensor | None) -> Stepped:
        """One step from y."""
        found, first = self.stages(place, y, self.rate(place.times[0], y))
        return Stepped(found.y, found.total(total, place.h, self.table.weights), first[0])

    def stages(self, place: Place, y: Tensor, first: Slope) -> tuple[Stages, Slope]:
        """The stages of a step, and the slope at its start."""
        return stages(self.rate, self.table, y, place.h, first, place.times[1:]), first


Points = list[float]


def run(
    problem: Problem, grid: Grid, method: Method, ask: Constructor | None
) -> tuple[list[Tensor], Tensor | None]:
    """The states at the times, by steps on the grid; between its ends straight or cubic.

    Also the integral along with them.
    """
    times, sign = problem.times, problem.sign
    y, total, found = problem.y0, problem.total, [problem.y0]
    if len(times) == 1:
        return found, total
    points, tensor = _points(problem, grid, ask)
    own = grid.step_size is None and grid.constructor is None
    for k, place in enumerate(_places(problem, points, tensor, method.nodes, grid.perturb)):
        _tell(problem, place, y)
        after = method.step(place, y, total)
        last: Tensor | None = None
        while len(found) < len(times) and sign * (place.end - times[len(found)]) >= 0:
            i = len(found)
            if times[i] == place.end and problem.t is None:
                found.append(after.y)
                continue
            theta = None if own or i == len(times) - 1 else _theta(problem, points, tensor, k, i)
            if theta is None:
                found.append(after.y)
                continue
            if grid.cubic and last is None:
                last = problem.rate(problem.clock([place.end])[0], after.y)[0]
            found.append(_between(y, after, last, place.h, theta))
        y, total = after.y, after.total
    return found, total


Constructor = Callable[[Callable[..., Tensor]], Tensor]
"""Asks a grid_constructor for its grid."""


def _points(problem: Problem, grid: Grid, ask: Constructor | None) -> tuple[Points, Tensor | None]:
    """The grid as numbers, and as a tensor where it has a gradient."""
    t, times = problem.t, problem.times
    if grid.constructor is not None and ask is not None:
        given = ask(grid.constructor)
        points = [float(value) for value in given]
        _check(points, problem)
        return points, given.double() if given.requires_grad else None
    if grid.step_size is None:
        return list(times), None if t is None else t.double()
    count = math.ceil(abs(times[-1] - times[0]) / grid.step_size * (1 - 1e-12))
    steps = [problem.sign * grid.step_size * k for k in range(count)]
    points = [times[0] + step for step in steps] + [times[-1]]
    if t is None:
        return points, None
    start = t[0].double()
    return points, torch.cat((start + start.new_tensor(steps), t[-1:].double()))


def _check(points: Points, problem: Problem) -> None:
    """Raise ArgumentError where a grid does not lead from the first time to the last."""
    ends, eps = (problem.times[0], problem.times[-1]), 1e-6
    rising = all(problem.sign * (b - a) > 0 for a, b in zip(points, points[1:]))
    near = all(abs(a - b) <= eps * max(abs(b), 1e-30) for a, b in zip((points[0], points[-1]), ends))
    if not (rising and near):
        said = f"{ends[0]:g} to {ends[1]:g}"
        raise ArgumentError(f"grid_constructor must give times that lead strictly from {said}, not {points}")
    points[0], points[-1] = ends


def _places(
    problem: Problem, points: Points, tensor: Tensor | None, nodes: Sequence[float], perturb: bool
) -> list[Place]:
    """The steps of a grid. perturb: stages at a step's ends lie beside them, within it."""
    starts, y = points[:-1], problem.y0
    sizes = [b - a for a, b in zip(points, points[1:])]
    base = torch.tensor(points, dtype=torch.float64, device=y.device) if tensor is None else tensor
    c = base.new_tensor(nodes)
    times = base[:-1, None] + c * (base[1:] - base[:-1])[:, None]
    times = torch.where(c == 1, base[1:, None], times).to(y.dtype)
    if perturb:
        inwards = torch.tensor(points, dtype=y.dtype, device=y.device)
        later, earlier = inwards[1:, None], inwards[:-1, None]
        with torch.no_grad():
            moved = torch.where(c == 0, torch.nextafter(times, later), times)
            moved = torch.where(c == 1, torch.nextafter(times, earlier), moved)
        times = times + (moved - times).detach()
    rows = times.flatten().unbind()
    each = [rows[i : i + len(nodes)] for i in range(0, len(rows), len(nodes))]
    h: Sequence[Size] = sizes if tensor is None else (tensor[1:] - tensor[:-1]).to(y.dtype).unbind()
    return [Place(*one) for one in zip(starts, points[1:], h, each)]


def _theta(problem: Problem, points: Points, tensor: Tensor | None, k: int, i: int) -> Size:
    """Where the time of number i lies in step k, as a part of it."""
    a, b, t = points[k], points[k + 1], problem.t
    if t is None:
        return (problem.times[i] - a) / (b - a)
    start, end = (a, b) if tensor is None else (tensor[k], tensor[k + 1])
    return ((t[i].double() - start) / (end - start)).to(problem.y0.dtype)


def _between(y: Tensor, after: Stepped, last: Tensor | None, h: Size, theta: Size) -> Tensor:
    """The states within a step: on a straight line, or by the cubic of both ends' slopes."""
    change = after.y - y
    if last is None:
        return y + theta * change
    left = 1 - theta
    cubic = left * (h * after.slope - change) + theta * (change - h * last)
    return y + theta * change + theta * left * cubic


def _tell(problem: Problem, place: Place, y: Tensor) -> None:
    """Call callback_step, where there is one."""
    callback = problem.callbacks.step
    if callback is not None:
        size = abs(place.end - place.start)
        start, h = torch.tensor([place.start, size], dtype=torch.float64, device=y.device)
        callback(start, y, h)
