"""Tableaus check themselves, and fulfil every order condition that their order claims."""

from fractions import Fraction
from pathlib import Path

import pytest
from rooted_trees import defect, trees, whole

from odec.methods import FAMILIES, MAP, METHODS, get, tableau
from odec.methods.page import page

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"

METHODS_OF = {family: [m for m in METHODS.values() if m.family == family] for family in FAMILIES}
CLASSICAL = METHODS_OF["explicit"] + METHODS_OF["implicit"]
EMBEDDED = {"trbdf2": 3, "backward_euler": 2, "radau_iia5": 3, "dop853": 5, "rosenbrock23": 3}
"""Orders of the embedded methods that are not one less than the method's own."""

TINY, NEAR, VISIBLE = Fraction(1, 10**30), Fraction(1, 10**12), Fraction(1, 10**6)

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


def test_the_trees_are_counted():
    assert [len(trees(size)) for size in range(1, 11)] == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]


@pytest.mark.parametrize("method", CLASSICAL, ids=lambda m: m.name)
def test_order_conditions_hold_up_to_the_order_and_no_further(method):
    a, b, _ = whole(method)
    assert defect(a, b, range(1, method.order + 1)) <= 10 * max(method.tolerance, TINY)
    assert defect(a, b, [method.order + 1]) > VISIBLE


@pytest.mark.parametrize("method", [m for m in CLASSICAL if m.adaptive], ids=lambda m: m.name)
def test_the_embedded_method_has_the_other_order(method):
    """The weights b - e are a method of their own: of lower order, or of the next higher one."""
    a, b, error = whole(method)
    embedded = [x - e for x, e in zip(b, error, strict=True)]
    order = EMBEDDED.get(method.name, method.order - 1)
    assert min(order, method.order) == method.error_order or method.error3
    assert defect(a, embedded, range(1, order + 1)) <= NEAR
    assert defect(a, embedded, [order + 1]) > VISIBLE


def test_the_second_embedded_method_of_dop853_has_order_three():
    method = METHODS["dop853"]
    embedded = [x - e for x, e in zip(method.b, method.error3, strict=True)]
    a = [[*row, *[Fraction(0)] * (method.stages - len(row))] for row in method.a]
    assert defect(a, embedded, range(1, 4)) <= NEAR
    assert defect(a, embedded, [4]) > VISIBLE


@pytest.mark.parametrize("method", METHODS_OF["rosenbrock"], ids=lambda m: m.name)
def test_the_conditions_of_rosenbrock_methods_hold_up_to_the_order_and_no_further(method):
    alpha, gammas, b, error = method.plain()
    beta = [[x + y for x, y in zip(left, right)] for left, right in zip(alpha, gammas)]
    embedded = [x - e for x, e in zip(b, error, strict=True)]
    other = EMBEDDED.get(method.name, method.order - 1)
    for weights, order in ((b, method.order), (embedded, other)):
        assert defect(alpha, weights, range(1, order + 1), beta) <= NEAR
        assert defect(alpha, weights, [order + 1], beta) > VISIBLE
    assert min(method.order, other) == method.error_order


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
    text = page()
    assert PAGE.read_text(encoding="utf-8") == text, "run: python -m odec.methods.page > docs/methods.md"
    for name in METHODS:
        assert f"| `{name}` |" in text
