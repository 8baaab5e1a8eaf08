"""Derivatives of random formulas at their singular points, with seeds that stay."""

from __future__ import annotations

import random

import pytest

from .slopes import MOST_LOST, check, formula, points


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 30), *(pytest.param(seed, 600, marks=pytest.mark.slow) for seed in (1, 2, 3))],
)
def test_a_slope_is_right_or_no_number(seed: int, count: int) -> None:
    """Never another number; and few entries are not found."""
    judged, lost = 0, 0
    for index in range(count):
        rng = random.Random(f"{seed}/{index}")
        entries, wrong = check(formula(rng), list(points(rng, 8)))
        assert not [str(entry) for entry in wrong if entry.kind == "wrong"]
        judged, lost = judged + entries, lost + len(wrong)
    assert judged > 50 * count and lost < MOST_LOST * judged


def test_rules_for_products_leave_settled_ones_alone() -> None:
    """A root of a product whose slope is taken at two distances: it was 0, at every point."""
    written = "sqrt(exp(-(1/z))/(1 + exp(-(1/z)))*(b/(k + k/z**n)))"
    judged, wrong = check(written, [{"z": z, "k": 2.0, "b": 1.3, "n": 3.0} for z in (0.7, 2.0, 800.0)])
    assert judged == 36 and not wrong


def test_a_pole_is_no_overflow() -> None:
    """n + k/tanh(z) is 0: what divides by it has a limit, and not the slope 0."""
    written = "atan(k/z**n)/(k + 1/(b + k/(n + k/tanh(z))))"
    judged, wrong = check(written, [{"z": 40.0, "k": 2.0, "b": 1.2, "n": -2.0}])
    assert judged == 12 and all(entry.kind != "wrong" for entry in wrong)


@pytest.mark.parametrize(
    "written",
    [
        "sqrt(1/z**2/sqrt(k + 1/z**4)*z**2)",
        "sqrt(1/(z*z)/sqrt(k + (1/(z*z))**2)*(exp(n*log(z))/(k + exp(n*log(z)))))",
        "z*(1/z/(k + 1/z**8)**0.125)",
    ],
)
def test_what_overflows_behind_a_root_is_right_or_no_number(written: str) -> None:
    """Not the 0 that 1e160/inf is."""
    at = [{"z": z, "k": 2.4, "b": 2.0, "n": 2.0} for z in (1e-90, 1e-80, 1e-75, 1e-4, 0.7)]
    judged, wrong = check(written, at)
    assert judged > 40 and all(entry.kind != "wrong" for entry in wrong)


@pytest.mark.parametrize(
    ("written", "n"),
    [
        ("1/(k + z**n)", -1.0),
        ("1/(k + z**n)", -3.0),
        ("exp(-n/(3/z))", 2.0),
        ("exp(-(3/z)**n)", -1.0),
        ("atan(k/z)", 1.0),
        ("exp(-(n/(3/z)))", 2.0),
        ("1/(1 + (k/z)**n)", 0.5),
        ("1/(1 + (k/z)**n)", 1.2),
        ("sqrt(z)*tanh(z)", 1.0),
        ("(tanh(k*(b/z - k))*b)*z**n", 1.0),
        ("b/(k + k/sqrt(z))", 1.0),
        ("max(-(k/z), k)", 1.0),
        ("sigmoid(-log(z))", 1.0),
        ("tanh(log(z)/2)*b", 1.0),
    ],
)
def test_limits_at_zero_and_beside(written: str, n: float) -> None:
    at = [{"z": z, "k": 1.7, "b": 2.3, "n": n} for z in (0.0, 1e-80, 1e-4, 0.7)]
    judged, wrong = check(written, at)
    assert judged and not wrong
