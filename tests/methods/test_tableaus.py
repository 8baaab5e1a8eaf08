"""Tableaus check themselves, and fulfil every order condition that their order claims."""

import math
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from odec.methods import EXPLICIT_METHODS, FAMILIES, MAP, METHODS, get, tableau
from odec.methods.page import page
from odec.methods.tableau import Tableau

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"

ASKED = "euler midpoint heun2 heun3 ralston2 ssprk3 rk4 rk4_38 bosh3 dopri5 tsit5".split()


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"order": 1, "rows": "", "weights": "1/2"}, "the weights sum to 1/2, not 1"),
        ({"order": 1, "rows": "1/2", "weights": "1/2"}, "1 weights need as many rows in a and entries in c"),
        ({"order": 1, "rows": "1/2; 1/2", "weights": "0 1/2 1/2"}, "row 2 of a must have 2 entries"),
        ({"order": 2, "rows": "1/2", "weights": "0 1", "nodes": "0 1"}, "row 1 of a sums to 1/2, not 1"),
        ({"order": 2, "rows": "1", "weights": "0 1"}, "Σ b_i c_i is not 1/2"),
        ({"order": 3, "rows": "1/2", "weights": "0 1"}, "Σ b_i c_i² is not 1/3"),
        ({"order": 3, "rows": "1/3; 2/3 0", "weights": "1/4 0 3/4"}, "Σ b_i a_ij c_j is not 1/6"),
    ],
)
def test_a_wrong_tableau_is_refused(parts, problem):
    with pytest.raises(ValueError) as caught:
        tableau("wrong", source="nowhere", **parts)
    assert str(caught.value) == f"tableau 'wrong': {problem}"


def test_a_tolerance_lets_decimals_pass_and_no_more():
    decimals = {"order": 2, "rows": "0.66666666666667", "weights": "0.25 0.75", "source": ""}
    assert tableau("near", tolerance="1e-12", **decimals).order == 2
    with pytest.raises(ValueError, match="Σ b_i c_i"):
        tableau("off", tolerance="1e-15", **decimals)


def test_entries_are_exact():
    method = tableau("exact", 1, "0.1; 1/3 1e-1", "1 0 0", "", nodes="")
    assert method.a == ((), (Fraction(1, 10),), (Fraction(1, 3), Fraction(1, 10)))
    assert method.c == (0, Fraction(1, 10), Fraction(13, 30))


def trees(size):
    """Rooted trees with a number of vertices: each the sorted tuple of its branches."""
    return {tuple(sorted(forest)) for forest in forests(size - 1)}


@cache
def forests(size):
    if size == 0:
        return [()]
    return [(*rest, tree) for n in range(1, size + 1) for tree in trees(n) for rest in forests(size - n)]


def vertices(tree):
    return 1 + sum(map(vertices, tree))


def density(tree):
    return vertices(tree) * math.prod(map(density, tree))


def weight(tree, method: Tableau):
    """The elementary weight Σ b_i φ_i of a tree. Hairer, Nørsett & Wanner I, II.2, theorem 2.13."""

    def at(tree):
        inner = [
            [sum((m * v for m, v in zip(row, at(branch))), Fraction(0)) for row in method.a]
            for branch in tree
        ]
        return [math.prod((column[i] for column in inner), start=Fraction(1)) for i in range(method.stages)]

    return sum((b * phi for b, phi in zip(method.b, at(tree))), Fraction(0))


def test_the_trees_are_counted():
    assert [len(trees(size)) for size in range(1, 7)] == [1, 1, 2, 4, 9, 20]


@pytest.mark.parametrize("method", EXPLICIT_METHODS.values(), ids=EXPLICIT_METHODS)
def test_order_conditions_hold_up_to_the_order_and_no_further(method):
    tolerance = 10 * method.tolerance

    def defects(size):
        return [abs(weight(tree, method) - Fraction(1, density(tree))) for tree in trees(size)]

    for size in range(1, method.order + 1):
        assert max(defects(size)) <= tolerance
    assert max(defects(method.order + 1)) > Fraction(1, 10**6)


@pytest.mark.parametrize("method", [m for m in EXPLICIT_METHODS.values() if m.adaptive], ids=lambda m: m.name)
def test_the_error_estimate_is_of_lower_order(method):
    """The embedded weights b - e fulfil the conditions of the order below, and not of the method's own."""
    a, c = method.a, method.c
    if method.first_same_as_last:
        a, c = (*a, method.b), (*c, Fraction(1))
    b = [*method.b, *[Fraction(0)] * (len(a) - method.stages)]
    lower = tuple(x - e for x, e in zip(b, method.error, strict=True))
    embedded = Tableau("embedded", 1, a, lower, c, "", max(method.tolerance, Fraction(1, 10**13)))

    def defect(size):
        return max(abs(weight(tree, embedded) - Fraction(1, density(tree))) for tree in trees(size))

    assert max(defect(size) for size in range(1, method.order)) <= Fraction(1, 10**12)
    assert defect(method.order) > Fraction(1, 10**6)


def test_the_registry_holds_what_it_promises():
    assert set(ASKED) <= set(METHODS)
    assert all(name == method.name and method.source for name, method in METHODS.items())
    for family in FAMILIES:
        orders = [m.order for m in METHODS.values() if m.family == family]
        assert orders == sorted(orders) and orders
    assert MAP not in METHODS


def test_an_unknown_method_is_named_with_those_known():
    assert get("rk4") is METHODS["rk4"]
    with pytest.raises(KeyError, match="unknown method 'rk5'; known: euler, midpoint"):
        get("rk5")


def test_the_page_of_methods_is_in_sync():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m odec.methods.page > docs/methods.md"
    for name in METHODS:
        assert f"| `{name}` |" in page()
