"""Linear equations of implicit steps: I - h J, or its LU factors, for each trajectory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..tensors import Time
from ..torch_private import traced


class Factors(NamedTuple):
    """LU factors (*batch, n, n) and pivots of a matrix; or its inverse, and None: see traced."""

    matrix: Tensor
    pivots: Tensor | None

    def solve(self, b: Tensor, transposed: bool = False) -> Tensor:
        """The solution (*batch, n) of the factorised equations, or of the transposed ones."""
        if self.pivots is None:
            return times(self.matrix.mT if transposed else self.matrix, b)
        found = torch.linalg.lu_solve(self.matrix, self.pivots, b.unsqueeze(-1), adjoint=transposed)
        return found.squeeze(-1)


def factorised(h: Time, jacobian: Tensor, gamma: float) -> Factors:
    """The factors of I/γ - h·J.

    NaN where it is singular, or where a pivot is lost in rounding: a smaller step follows.
    """
    identity = torch.eye(jacobian.shape[-1], dtype=jacobian.dtype, device=jacobian.device)
    matrix = identity / gamma - _of_matrices(h) * jacobian
    if traced(matrix):
        inverse, singular = torch.linalg.inv_ex(matrix)
        return Factors(torch.where(singular[..., None, None] != 0, math.nan, inverse), None)
    factors, pivots, _ = torch.linalg.lu_factor_ex(matrix)
    with torch.no_grad():
        taken = (factors.tril(-1) * factors.triu(1).mT).abs().sum(-1)
        least = 16 * torch.finfo(factors.dtype).eps * (1 / gamma + taken)
        lost = (factors.diagonal(dim1=-2, dim2=-1).abs() <= least).any(-1)
    return Factors(torch.where(lost[..., None, None], math.nan, factors), pivots)


def solve(size: Time, jacobian: Tensor, b: Tensor) -> Tensor:
    """(I - size·J)⁻¹ b for J (..., m, m) and b (..., m); NaN where the matrix is singular.

    Entries of J that are not finite, as the derivative of sqrt(x) at 0, count as 0: so an iteration leads on.
    """
    jacobian = torch.where(torch.isfinite(jacobian), jacobian, 0.0)
    identity = torch.eye(b.shape[-1], dtype=b.dtype, device=b.device)
    matrix = identity - _of_matrices(size) * jacobian
    if traced(matrix):
        inverse, singular = torch.linalg.inv_ex(matrix)
        solution = inverse @ b.unsqueeze(-1)
    else:
        solution, singular = torch.linalg.solve_ex(matrix, b.unsqueeze(-1))
    return torch.where(singular.unsqueeze(-1) != 0, math.nan, solution.squeeze(-1))


def _of_matrices(h: Time) -> Time:
    """A size, a number or (*batch, 1), that multiplies matrices."""
    return h.unsqueeze(-1) if isinstance(h, Tensor) and h.dim() else h


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    """A matrix (..., n, n) times a vector (..., n)."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def times_sparse(entries: Tensor, rows: Sequence[int], columns: Sequence[int], vector: Tensor) -> Tensor:
    """A matrix, given by its entries (..., m) at rows and columns, times a vector (..., n)."""
    terms = entries * vector[..., list(columns)]
    places = torch.tensor(rows, device=terms.device)
    return terms.new_zeros((*terms.shape[:-1], vector.shape[-1])).index_add(-1, places, terms)
