"""Sparse LU factorisation, decided once for a pattern: who is eliminated when, and where fill arises.

For W = shift·I - J with the nonzeros of J known when compiled and no exchange of rows at run time. The order
is Markowitz's on the diagonal: next comes the variable whose elimination touches least. Whether a pivot is
large enough can only be known with the numbers: see `Factorization`.
Duff, Erisman & Reid, Direct Methods for Sparse Matrices (2017), ch. 5 and 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_UNROLLED = 1500
"""Multiply-adds of a factorisation and its two solves up to which they are written out one by one."""

Term = tuple[int, int]


@dataclass(frozen=True)
class Pivot:
    """The elimination of variable `index`, whose diagonal entry is stored at `diagonal`.

    taken: the products (left, above) of entries subtracted from it; scale: places of its column among
    variables not yet eliminated, each to be divided by the pivot; update: (target, left, right), each
    target -= left*right thereafter.
    """

    index: int
    diagonal: int
    taken: tuple[Term, ...]
    scale: tuple[int, ...]
    update: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Row:
    """An unknown less its terms (place, other): b[index] - Σ entry[place]·b[other]; and its pivot."""

    index: int
    diagonal: int
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Factorization:
    """W = L U by elimination in the order of `pivots`, in one array of entries.

    places: (row, column) of each entry of L + U - I, by row, fill included. source[k]: which nonzero of the
    given pattern lands at place k, or None for fill and for diagonal entries that J lacks.

    To solve W x = b: the rows of `lower` in turn, then those of `upper`, each divided by its pivot. To solve
    Wᵀ x = b: the rows of `upper_transposed`, each divided by its pivot, then those of `lower_transposed`.
    A pivot that is tiny beside the shift and what was subtracted from it (`Pivot.taken`) has lost its digits.
    """

    size: int
    places: tuple[Term, ...]
    source: tuple[int | None, ...]
    pivots: tuple[Pivot, ...]
    lower: tuple[Row, ...]
    upper: tuple[Row, ...]
    upper_transposed: tuple[Row, ...]
    lower_transposed: tuple[Row, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """The variables in the order in which they are eliminated."""
        return tuple(pivot.index for pivot in self.pivots)

    @property
    def fill(self) -> int:
        """How many entries are stored that neither the pattern nor the diagonal has."""
        return sum(s is None and i != j for s, (i, j) in zip(self.source, self.places, strict=True))

    @property
    def operations(self) -> int:
        """Multiply-adds and divisions of the factorisation and of one solve either way."""
        factor = sum(len(p.update) + len(p.scale) + 1 for p in self.pivots)
        return factor + 2 * len(self.places)

    @property
    def unrolled(self) -> bool:
        """Whether it is small enough to be written out operation by operation."""
        return self.operations <= MOST_UNROLLED


def factorize(size: int, pattern: Iterable[Term], order: Iterable[int] | None = None) -> Factorization:
    """The symbolic factorisation of a pattern of nonzeros (row, column), to which the diagonal is added.

    order: the order of elimination, where it is not to be Markowitz's. Raises ValueError for an entry outside
    the matrix or an order that is none.
    """
    given = list(pattern)
    if any(not (0 <= i < size and 0 <= j < size) for i, j in given):
        raise ValueError(f"an entry of the pattern is outside a matrix of size {size}")
    fixed = None if order is None else list(order)
    if fixed is not None and sorted(fixed) != list(range(size)):
        raise ValueError(f"the order of elimination must name each of 0 … {size - 1} once")
    rows: list[set[int]] = [{i} for i in range(size)]
    columns: list[set[int]] = [{i} for i in range(size)]
    for i, j in given:
        rows[i].add(j)
        columns[j].add(i)
    chosen, right, below = _eliminate(rows, columns, fixed)
    return _written_out(size, given, chosen, right, below)


def _eliminate(
    rows: list[set[int]], columns: list[set[int]], fixed: list[int] | None
) -> tuple[list[int], list[list[int]], list[list[int]]]:
    """The order, and for each variable the columns of its row and the rows of its column that are left."""
    size = len(rows)
    active = set(range(size))
    chosen: list[int] = []
    right: list[list[int]] = [[] for _ in range(size)]
    below: list[list[int]] = [[] for _ in range(size)]
    for step in range(size):
        k = fixed[step] if fixed else min(active, key=lambda i: (_cost(rows, columns, i), i))
        active.remove(k)
        chosen.append(k)
        right[k], below[k] = sorted(rows[k] - {k}), sorted(columns[k] - {k})
        for i in below[k]:
            rows[i].discard(k)
            rows[i].update(right[k])
        for j in right[k]:
            columns[j].discard(k)
            columns[j].update(below[k])
    return chosen, right, below


def _cost(rows: list[set[int]], columns: list[set[int]], k: int) -> int:
    """Markowitz's count: how many entries the elimination of k touches."""
    return (len(rows[k]) - 1) * (len(columns[k]) - 1)


def _written_out(
    size: int, given: list[Term], chosen: list[int], right: list[list[int]], below: list[list[int]]
) -> Factorization:
    """The operations over stored entries: `left` of a row and `above` in a column stand what went before."""
    left: list[list[int]] = [[] for _ in range(size)]
    above: list[list[int]] = [[] for _ in range(size)]
    for k in chosen:
        for i in below[k]:
            left[i].append(k)
        for j in right[k]:
            above[j].append(k)
    places = tuple(sorted((i, j) for i in range(size) for j in (i, *left[i], *right[i])))
    origin = {entry: k for k, entry in enumerate(given)}
    at = {entry: place for place, entry in enumerate(places)}

    def rows(order: list[int], others: list[list[int]]) -> tuple[Row, ...]:
        return tuple(Row(i, at[i, i], tuple((at[i, j], j) for j in others[i])) for i in order)

    def columns(order: list[int], others: list[list[int]]) -> tuple[Row, ...]:
        return tuple(Row(j, at[j, j], tuple((at[i, j], i) for i in others[j])) for j in order)

    return Factorization(
        size,
        places,
        source=tuple(origin.get(entry) for entry in places),
        pivots=tuple(
            Pivot(
                k,
                at[k, k],
                taken=tuple((at[k, j], at[j, k]) for j in left[k] if (j, k) in at),
                scale=tuple(at[i, k] for i in below[k]),
                update=tuple((at[i, j], at[i, k], at[k, j]) for i in below[k] for j in right[k]),
            )
            for k in chosen
        ),
        lower=rows(chosen, left),
        upper=rows(chosen[::-1], right),
        upper_transposed=columns(chosen, above),
        lower_transposed=columns(chosen[::-1], below),
    )
