"""Rooted trees, and how far a method is from fulfilling the order condition of each.

Hairer, Nørsett & Wanner I, II.2, theorem 2.13; for Rosenbrock methods Hairer & Wanner II, IV.7, theorem 7.4.
"""

from fractions import Fraction
from functools import cache
from math import prod


@cache
def trees(size):
    """Rooted trees with a number of vertices: each the sorted tuple of its branches."""
    return sorted({tuple(sorted(forest)) for forest in forests(size - 1)})


@cache
def forests(size):
    if size == 0:
        return [()]
    return [(*rest, tree) for n in range(1, size + 1) for tree in trees(n) for rest in forests(size - n)]


@cache
def vertices(tree):
    return 1 + sum(map(vertices, tree))


@cache
def density(tree):
    return vertices(tree) * prod(map(density, tree))


def defect(a, b, sizes, beta=None):
    """The largest |Σ b_i φ_i - 1/γ| over the trees of some sizes, exactly.

    a, b: rows and weights. With beta, the conditions of a Rosenbrock method: a vertex with one branch takes
    its branch's sum with beta instead of a.
    """
    return defect_of(b, sizes, elementary(a, beta))


def elementary(a, beta=None):
    """The weights φ_i of the stages, as a function of a tree."""
    known = {}

    def phi(tree):
        if tree not in known:
            rows = beta if beta is not None and len(tree) == 1 else a
            known[tree] = [prod((_dot(row, phi(branch)) for branch in tree), start=1) for row in rows]
        return known[tree]

    return phi


def defect_of(b, sizes, phi):
    """As defect, by a function from elementary, which several weights may share."""
    return max(abs(_dot(b, phi(tree)) - Fraction(1, density(tree))) for size in sizes for tree in trees(size))


def _dot(left, right):
    return sum(x * y for x, y in zip(left, right, strict=True) if x)


def whole(method):
    """Square a, b and error of a Runge–Kutta method, with the stages that only its error estimate has.

    The slope at x_next becomes a last stage, the slope at the step's start a first one.
    """
    zero = Fraction(0)
    a, b, error = [list(row) for row in method.a], list(method.b), list(method.error)
    if len(error) > len(b):
        a.append(b)
    if getattr(method, "start_error", 0):
        a, b, error = [[], *([zero, *row] for row in a)], [zero, *b], [method.start_error, *error]
    b = b + [zero] * (len(a) - len(b))
    return [[*row, *[zero] * (len(a) - len(row))] for row in a], b, error or [zero] * len(a)
