"""Exact coefficients: fractions and decimals read exactly, roots to 40 digits, small matrices of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

Row = tuple[Fraction, ...]
Matrix = tuple[Row, ...]

ZERO, ONE = Fraction(0), Fraction(1)

_DIGITS = 40


def numbers(text: str) -> Row:
    """Fractions or decimals between blanks, read exactly."""
    return tuple(Fraction(entry) for entry in text.split())


def root(n: int) -> Fraction:
    """√n, cut off after 40 digits."""
    return Fraction(math.isqrt(n * 10 ** (2 * _DIGITS)), 10**_DIGITS)


def row(*entries: int | Fraction) -> Row:
    return tuple(Fraction(entry) for entry in entries)


def square(*rows: Sequence[int | Fraction]) -> Matrix:
    """A square matrix from rows whose missing entries are zero."""
    return tuple((*map(Fraction, entries), *[ZERO] * (len(rows) - len(entries))) for entries in rows)


def dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(left, right, strict=True)), ZERO)


def times(matrix: Sequence[Sequence[Fraction]], vector: Sequence[Fraction]) -> Row:
    return tuple(dot(entries, vector) for entries in matrix)


def product(left: Sequence[Sequence[Fraction]], right: Sequence[Sequence[Fraction]]) -> Matrix:
    columns = list(zip(*right, strict=True))
    return tuple(tuple(dot(entries, column) for column in columns) for entries in left)


def lower_inverse(matrix: Matrix) -> Matrix:
    """The inverse of a lower triangular matrix, by forward substitution."""
    rows: list[Row] = []
    for i, entries in enumerate(matrix):
        unit = [ONE if i == j else ZERO for j in range(len(matrix))]
        for j in range(i):
            unit = [x - entries[j] * y for x, y in zip(unit, rows[j], strict=True)]
        rows.append(tuple(x / entries[i] for x in unit))
    return tuple(rows)


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of a square matrix by Gauss–Jordan elimination. Raises ValueError where there is none."""
    size = len(matrix)
    rows = [[*entries, *(Fraction(i == j) for j in range(size))] for i, entries in enumerate(matrix)]
    for k in range(size):
        best = max(range(k, size), key=lambda i: abs(rows[i][k]))
        if not rows[best][k]:
            raise ValueError("the matrix is singular")
        rows[k], rows[best] = rows[best], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(size):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return tuple(tuple(entries[size:]) for entries in rows)
