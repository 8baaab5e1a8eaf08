"""Weights of Adams methods on unequal steps: integrals of the polynomials through the slopes."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..tensors import Time


class Weights:
    """The weights of the slopes known at nodes, up to a highest order of the predictor.

    Nodes (highest + 1, *batch, 1) are in steps from the step's start: its end, its start, the starts of the
    steps before. Hairer, Nørsett & Wanner I, III.5.
    """

    def __init__(self, highest: int):
        self.highest, self.quadrature = highest, quadrature(highest)

    def nodes(self, t: Time, h: Tensor, times: Sequence[Tensor]) -> Tensor:
        """The nodes of a step from t of size h (*batch, 1) after steps from the given times."""
        return torch.stack([torch.ones_like(h), torch.zeros_like(h)] + [(time - t) / h for time in times])

    def used(self, order: Tensor, corrected: bool) -> Tensor:
        """Which nodes count: as many slopes as the order (*batch, 1), and the end where corrected."""
        number = torch.arange(self.highest + 1, device=order.device).reshape(-1, *[1] * order.dim())
        return ((number > 0) | corrected) & (number <= order)

    def _polynomials(self, nodes: Tensor, used: Tensor) -> tuple[list[Tensor], Tensor]:
        """Lagrange's polynomials of the used nodes at each point of the quadrature, times its weight; else 0.

        Returns those (nodes, *batch, 1) at each point, and the reciprocal distances (nodes, nodes, *batch, 1)
        of used nodes.
        """
        same = torch.eye(len(nodes), dtype=torch.bool, device=nodes.device)
        pair = used.unsqueeze(0) & ~same.reshape(*same.shape, *[1] * (nodes.dim() - 1))
        gap = torch.where(pair & used.unsqueeze(1), nodes.unsqueeze(1) - nodes.unsqueeze(0), 1.0)
        inverse = torch.where(pair & used.unsqueeze(1), 1 / gap, 0.0)
        values = []
        for point, weight in self.quadrature:
            factors = torch.where(pair, (point - nodes.unsqueeze(0)) * inverse, 1.0)
            value = factors[:, 0]
            for factor in factors.unbind(1)[1:]:
                value = value * factor
            values.append(weight * value * used)
        return values, inverse

    def __call__(self, nodes: Tensor, used: Tensor) -> Tensor:
        """∫ over a step of Lagrange's polynomials: the weights of the slopes, 0 where they do not count."""
        return _sum(self._polynomials(nodes, used)[0])

    def jacobian(self, nodes: Tensor, used: Tensor) -> Tensor:
        """∂weight_j/∂node_m (nodes, nodes, *batch, 1)."""
        values, inverse = self._polynomials(nodes, used)
        along = (_sum(values) * inverse.sum(1)).movedim(0, -1)
        total = -torch.diag_embed(along).movedim((-2, -1), (0, 1))
        for (point, _), value in zip(self.quadrature, values):
            change = inverse - (1 / (point - nodes)).unsqueeze(0) * (inverse != 0)
            total = total + change * value.unsqueeze(1)
        return total


def combined(weights: Tensor | Sequence[Time], slopes: Sequence[Tensor]) -> Tensor:
    """Σ_j weights_j k_j, with weights (nodes, *batch, 1) of their own for each trajectory, or single ones."""
    return _sum([weight * k for weight, k in zip(weights, slopes)])


def _sum(values: Sequence[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def integrals(nodes: Sequence[Time]) -> list[Any]:
    """∫ from 0 to 1 of Lagrange's polynomials of the nodes: numbers, or tensors for a graph."""
    found: list[Any] = [0.0] * len(nodes)
    for point, weight in quadrature(len(nodes)):
        for j, own in enumerate(nodes):
            value: Time = weight
            for k, other in enumerate(nodes):
                if k != j:
                    value = value * ((point - other) / (own - other))
            found[j] = found[j] + value
    return found


def rates(nodes: Sequence[float]) -> list[list[float]]:
    """The derivative of the j-th Lagrange polynomial at the m-th node, in row m. Each row sums to 0."""
    lead = [math.prod(own - nodes[k] for k in range(len(nodes)) if k != j) for j, own in enumerate(nodes)]
    found = []
    for m, here in enumerate(nodes):
        row = [0.0 if j == m else lead[m] / lead[j] / (here - there) for j, there in enumerate(nodes)]
        row[m] = -sum(row)
        found.append(row)
    return found


@functools.cache
def quadrature(degree: int) -> list[tuple[float, float]]:
    """Points and weights of Gauss's quadrature on [0, 1], exact for polynomials of the degree."""
    count = degree // 2 + 1
    points = []
    for i in range(count):
        x = math.cos(math.pi * (i + 0.75) / (count + 0.5))
        for _ in range(50):
            value, slope = _legendre(count, x)
            x -= value / slope
        slope = _legendre(count, x)[1]
        points.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return points


def _legendre(n: int, x: float) -> tuple[float, float]:
    """The Legendre polynomial of degree n and its derivative, by the three-term recurrence."""
    before, value = 1.0, x
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, n * (x * value - before) / (x * x - 1)
